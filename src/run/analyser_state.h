/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The analyser's inside, shared by its parts: analyser.c (from bytes and
 * events to findings) and analyser_answers.c (what is known so far).
 */

#include "run/analyser.h"
#include "run/analyser_report.h"
#include "run/finding_set.h"
#include "run/kernel_counters.h"

#define LINE_MAX_BYTES	2048 /* the kernel's own limit is about 1000 */
#define OPEN_MAX	4    /* reports open at once in a lane */
#define CONTEXT_LINES	6
#define CONTEXT_BYTES	240    /* of each */
#define STALL_MEMORY_MS 300000 /* stalls and blocked tasks that go on are reported again and again */

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
};
