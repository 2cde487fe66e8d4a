/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What a run came to: one pure function from facts to a verdict and an exit
 * status, and the one table of both (help, quiz(1) and tests read it).
 */

#include <stdbool.h>

#include <jansson.h>

#include "run/analyser.h"

/* enum value, stable name, exit status (-1: the program's own or 128 + signal), meaning. */
#define VERDICTS(X)                                                                                              \
	X(OK, "ok", 0, "the program returned 0 and nothing happened that would make that untrue")                \
	X(FAILED, "failed", -1, "the program's own status, unchanged; 128+n when signal n ended it")             \
	X(LOST, "lost", 120, "guest lost: the virtual machine or its agent vanished without a status")           \
	X(HANG, "hang", 121, "hang: the program did not end after the kernel reported blocked tasks or stalls, " \
			     "or the guest stopped answering")                                                   \
	X(CRASH, "crash", 122, "crash: panic, oops, BUG, KASAN and the like, ZFS PANIC or VERIFY, "              \
			       "even when the program itself returned 0")                                        \
	X(BOOT_FAILURE, "boot-failure", 123, "the machine did not boot")                                         \
	X(TIMEOUT, "timeout", 124, "the time limit passed")                                                      \
	X(SETUP, "setup", 125, "quiz could not do it, or a profile or module failed; the program was not started") \
	X(NOT_EXECUTABLE, "not-executable", 126, "the program could not be executed in the guest")               \
	X(NOT_FOUND, "not-found", 127, "the program was not found in the guest")                                 \
	X(INTERRUPTED, "interrupted", 130, "quiz was interrupted; 128+n by signal n")

enum verdict {
#define X(ID, name, status, meaning) VERDICT_##ID,
	VERDICTS(X)
#undef X
	VERDICT_N,
};

struct verdict_info {
	const char *name; /* stable: result.json "verdict" */
	int status;	  /* -1: the program's own */
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
	bool is_hung;	    /* no answer to heartbeats, VMM stopped, or no end within the grace period (analyser_hang_since) */
	bool timed_out;
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
