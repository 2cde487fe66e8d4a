/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What a run came to: one pure function from facts to a verdict and an exit
 * status (whose numbers and words are spec/status.h's).
 */

#include <stdbool.h>

#include <jansson.h>

#include "run/analyser.h"
#include "spec/status.h"

/* The rows of spec/status.h, and three whose status is not quiz's own. */
enum verdict {
	VERDICT_OK,	/* the program returned 0 and nothing happened that would make that untrue */
	VERDICT_FAILED, /* the program's own status */
#define X(number, NAME, word, meaning) VERDICT_##NAME,
	STATUS_TABLE(X)
#undef X
	VERDICT_INTERRUPTED,
	VERDICT_N,
};

struct verdict_info {
	const char *name; /* stable: result.json "verdict" */
	int status;	  /* -1: the program's own, or 128 + signal */
	const char *meaning;
};
extern const struct verdict_info verdict_table[VERDICT_N];

/* What became of the program. */
enum program_state {
	PROGRAM_NOT_STARTED,
	PROGRAM_RUNNING,       /* started, no status came */
	PROGRAM_EXITED,	       /* value: its status */
	PROGRAM_SIGNALLED,     /* value: the signal */
	PROGRAM_NOT_EXECUTABLE,
	PROGRAM_NOT_FOUND,
};

struct verdict_input {
	enum program_state program;
	int value;

	/* What the supervisor saw, as far as the program's end does not explain it. */
	bool setup_failed;  /* hook, module, mount: before the program */
	bool boot_failed;   /* no console byte and no agent stage for too long */
	bool is_lost;	    /* VMM or agent vanished */
	bool output_failed; /* what the program wrote could not be passed on (a full disk) */
	bool is_cut_off;    /* and that after the program, before the guest had said that all is flushed */
	bool is_hung;	    /* no answer to heartbeats, VMM stopped, or no end within the grace period (analyser_hang_since) */
	bool timed_out;     /* the program ran at its time limit; it may have ended while it was asked why */
	bool has_no_room;   /* the host's disk is full, or what the guest may fill of it: ended for that */
	int interrupted_by; /* signal, or 0 */

	const struct analyser *analyser; /* borrowed, after analyser_finish(); may be NULL */
	bool is_strict;
};

struct verdict_result {
	enum verdict verdict;
	int status;			/* what quiz exits with */
	int signal;			/* that ended the program, or 0 */
	const struct finding *headline; /* the finding to talk about, or NULL; borrowed from the analyser */
	const char *reason;		/* one short static phrase: "the kernel crashed", ... */
};

void verdict_decide(const struct verdict_input *in, struct verdict_result *ret);

/*
 * For a log without a run (`quiz verdict`): 123, 122, 121 or 0 by the findings
 * alone; strict counts warn, locking, rcu, sanitizer, leak and stalls.
 */
void verdict_of_log(const struct analyser *a, bool is_strict, struct verdict_result *ret);

/* Array of all findings at or above a severity, as finding_json(). The caller owns the reference. */
json_t *verdict_findings_json(const struct analyser *a, enum finding_severity at_least);

/*
 * The block for stderr: nothing for ok and failed without findings. `more` is
 * the last line ("quiz logs ID", a path), or NULL. Lines end with newlines.
 */
void verdict_text(const struct analyser *a, const struct verdict_result *r, bool verbose, const char *more, struct str *out);
