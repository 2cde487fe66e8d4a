/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The analyser's inside, shared by its parts: analyser.c (from bytes and
 * events to findings) analyser_input.c (lines), analyser_answers.c (what is known so far) and analyser_trust.c (whose words
 * these are, and whether all of them were heard).
 */

#include "run/analyser.h"
#include "run/analyser_line.h"
#include "run/analyser_report.h"
#include "run/finding_set.h"
#include "run/kernel_counters.h"

#define LINE_MAX_BYTES	2048 /* the kernel's own limit is about 1000 */
#define OPEN_MAX	4    /* reports open at once in a lane */
#define CONTEXT_LINES	6
#define CONTEXT_BYTES	240    /* of each */
#define STALL_MEMORY_MS 300000 /* stalls and blocked tasks that go on are reported again and again */

#define SAID_MAX	64	/* lines of programs that are remembered until the console brings them, too */

enum lane_id {
	LANE_CONSOLE,
	LANE_KMSG,
	N_LANES,
};

struct lane {
	enum finding_source source;
	uint64_t n_lines;
	unsigned n_stamped;
	bool has_banner; /* "Linux version" was seen */
	bool is_orderly; /* a reboot was announced */
	char partial[LINE_MAX_BYTES];
	size_t n_partial;
	bool is_overlong; /* the rest of the line is thrown away */

	struct report open[OPEN_MAX];
	unsigned n_open;

	/* The last lines, for the context of the next report. */
	char context[CONTEXT_LINES][CONTEXT_BYTES];
	uint16_t context_len[CONTEXT_LINES];
	unsigned context_next;

	unsigned cut_here; /* lines left in which the text of a WARN may come */
	char message[FINDING_TITLE_MAX];
};

struct analyser {
	struct analyser_options opt;
	struct crash_index index;
	struct lane lanes[N_LANES];

	struct finding_set set;
	bool has_stale; /* a report's title does not say all that is known */
	uint64_t now_ms;

	bool has_panic, panic_is_over, reboot_wanted;
	bool vmm_panicked;
	uint64_t panic_ms;
	bool is_suspended; /* a pool */
	bool has_hang;
	uint64_t hang_ms, hang_last_ms;

	struct kernel_counters counters;
	uint64_t told_at_start[FINDING_N_CLASSES]; /* reports of each class when the counters were read first */

	/* What a program wrote to /dev/kmsg. */
	struct {
		uint64_t key, time_us;
	} said[SAID_MAX];
	unsigned n_said; /* ever */

	uint64_t next_seq, n_lost;  /* records of kmsg; next_seq 0: none came yet */
	uint64_t n_dropped_lines;   /* of the console, as the kernel counts them */
	uint64_t lost_at_start, lost_at_end; /* as the agent counts them */
	bool has_unread, has_no_log;
	bool is_past_unknown; /* reports of before were not seen: counters prove nothing */
	uint32_t blind_id; /* the finding that says that not all was seen, or 0 */
};

/* A finding that no log line tells. Its id, or 0 when there was no room. */
uint32_t analyser_add_plain(struct analyser *a, enum finding_source source, enum finding_class class,
			    enum finding_severity severity, const char *title, const char *text);

/* A line of a lane, its prefix taken off. raw: as it came. */
void lane_line(struct analyser *a, struct lane *lane, const struct log_line *l, const char *raw, size_t raw_len);
/* An open report is over. */
void lane_close(struct analyser *a, struct lane *lane, unsigned slot);

/* The last line of the console may have no end. */
void input_finish(struct analyser *a);

/* --- analyser_trust.c */
/* A program wrote this line to /dev/kmsg: what the console made of it is taken back. */
void trust_program_said(struct analyser *a, const struct log_line *l);
/* Did a program say this line of the console? */
bool trust_is_programs(const struct analyser *a, const struct log_line *l);
/* A record of kmsg has this number. */
void trust_sequence(struct analyser *a, uint64_t seq);
void trust_counter(struct analyser *a, bool is_end, const char *name, uint64_t value);
/* All is said: what counters tell that no report did, and what was not to be seen. */
void trust_finish(struct analyser *a);
