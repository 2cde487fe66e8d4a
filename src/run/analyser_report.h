/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * One report while its lines come in: from the first line (a row of
 * crash_patterns) through registers and stack to its end, filling a finding
 * on the way. The analyser decides which report a line belongs to.
 */

#include "run/analyser_line.h"
#include "run/crash_patterns.h"
#include "run/finding.h"

enum report_phase {
	REPORT_HEAD,  /* first lines; no stack yet */
	REPORT_STACK, /* in the first stack, where the functions count */
	REPORT_TAIL,  /* after it */
};

struct report {
	struct finding *finding;	 /* owned by whoever opened it */
	uint32_t twin_id;		 /* the finding that the other channel already has of this, or 0 */
	const struct crash_pattern *row; /* that names it */
	enum report_phase phase;
	uint32_t n_lines;	/* since the first line */
	uint32_t n_foreign;	/* lines in a row that do not look like it */
	size_t committed_bytes; /* excerpt up to the last line that did */
	char caller[16];
	uint64_t last_time_us;
	bool has_time;
	uint64_t last_ms; /* caller's clock at the last line */
	uint64_t first_ms;
	struct log_symbol guesses[FINDING_FRAMES_MAX]; /* "? func": what a stack without sure callers is named by */
	uint32_t n_guesses;
	struct log_aside_state aside;
	bool has_symbol;	 /* a line below the first has a function with offset and size */
	bool has_counter;	 /* a line with the program counter was seen */
	bool is_jump;		 /* and it pointed to no function: who called is in the link register */
	bool is_jump_to_null;
	bool is_suspicion;	 /* nobody knows whether the kernel said it; its finding is in no set yet */
	bool is_stale;		 /* title and fingerprint do not say all that is known */
	bool has_message; /* message[] says more: the text of a WARN() */
	char message[FINDING_TITLE_MAX];
	char head[FINDING_TITLE_MAX]; /* the first line that names it */
};

/* Opens a report with its first line; message: the text under "cut here", or NULL. It has no title yet (analyser_title.h). */
void report_open(struct report *r, struct finding *f, const struct crash_pattern *row, const struct log_line *l,
		 const char *message);

/* A further first line of the same report: may name it better. */
void report_head(struct report *r, const struct crash_pattern *row, const struct log_line *l);

/* Is a line with this row a further first line of r, rather than the first of another? */
bool report_absorbs(const struct report *r, const struct crash_pattern *row, const struct log_line *l);

enum report_step {
	REPORT_GOES_ON,
	REPORT_ENDED,	     /* the line was its last */
	REPORT_ENDED_BEFORE, /* the line is not part of it any more */
};

/* The next line, not a first line of anything. raw: as it came, for the excerpt. */
enum report_step report_body(struct report *r, const struct log_line *l, const char *raw, size_t raw_len,
			     uint64_t line_no);

/* Adds a raw line to the excerpt, within its bound. is_sure: it belongs to the report (else it may be cut off again).
 */
void report_excerpt(struct report *r, const char *raw, size_t raw_len, uint64_t line_no, bool is_sure);

/* The report is over. */
void report_finish(struct report *r);
