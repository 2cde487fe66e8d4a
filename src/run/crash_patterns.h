/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The one table of what a kernel says when something is wrong: the first
 * line of each kind of report, after its log prefix has been taken off.
 * Everything is matched at the start of that text, because almost any of
 * these words also occur in the middle of harmless lines.
 */

#include <stddef.h>
#include <stdint.h>

#include "run/finding.h"

enum crash_pattern_flags {
	/* May be a further first line of a report whose stack has not begun yet: "Oops: 0002 [#1]" after "BUG: ...". */
	CRASH_FOLLOWS = 1 << 0,
	/* Also looked for after the first ": ", as in "zfs: Unknown symbol". */
	CRASH_AFTER_COLON = 1 << 1,
	/* The whole report is this line. An open report goes on around it. */
	CRASH_SINGLE = 1 << 2,
	/* Also believed without a kernel prefix in a log that has them: a boot loader or initramfs says it. */
	CRASH_ANY_SPEAKER = 1 << 3,
	/* PID 1 ended. */
	CRASH_INIT_DEATH = 1 << 4,
	/* Says by its words that it follows from what was reported before. */
	CRASH_CONSEQUENCE = 1 << 5,
	/* Ends a panic's report. */
	CRASH_END = 1 << 6,
	/* Matches nothing: keeps a harmless line away from the rows below it. */
	CRASH_HARMLESS = 1 << 7,
	/* The title is the line itself from here on: no function is added. */
	CRASH_NO_FUNCTION = 1 << 8,
	/* A boot began: the first line of a kernel. */
	CRASH_BANNER = 1 << 9,
	/* A reboot or power-off in good order. */
	CRASH_ORDERLY = 1 << 10,
	/* The pool goes on. */
	CRASH_RESUMED = 1 << 11,
};

struct crash_pattern {
	const char *prefix;   /* the text begins with it */
	const char *contains; /* and has this after it; NULL: nothing more */
	enum finding_class class;
	enum finding_severity severity;
	uint8_t rank;	      /* of several first lines of one report the highest names it */
	uint16_t flags;
	const char *title;    /* NULL: the line itself */
};

extern const struct crash_pattern crash_patterns[];
extern const size_t n_crash_patterns;

/* Which rows begin with a byte. Built once per analyser. */
#define CRASH_INDEX_MAX 256
struct crash_index {
	uint16_t begin[257];
	uint16_t row[CRASH_INDEX_MAX];
	uint8_t prefix_len[CRASH_INDEX_MAX]; /* of row[i] */
	char second[CRASH_INDEX_MAX];	     /* its second byte, which rules out most of what the first let in; '\0': any */
	uint8_t after_colon[256]; /* a row with CRASH_AFTER_COLON begins with this byte */
};
void crash_index_init(struct crash_index *ix);

/* The first row that means this text (no prefix, no newline), or NULL. Rows with CRASH_HARMLESS give NULL. */
const struct crash_pattern *crash_index_find(const struct crash_index *ix, const char *text, size_t n);
