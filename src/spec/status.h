/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The exit statuses that are quiz's own. One table: number, name, verdict
 * word of result.json, meaning. quiz(1), `quiz help status` and the tests
 * read it. Every other number is the program's own.
 */

#include <stddef.h>

#define STATUS_TABLE(X)                                                                                                \
	X(120, LOST, "lost", "guest lost: QEMU or the agent vanished without a status")                                \
	X(121, HANG, "hang", "hang: the kernel reported blocked tasks or stalls, or the guest stopped answering")      \
	X(122, CRASH, "crash", "crash: panic, oops, BUG, KASAN or a ZFS assertion, even when the program returned 0")  \
	X(123, NOBOOT, "noboot", "the machine did not boot")                                                           \
	X(124, TIMEOUT, "timeout", "the time limit (--timeout) passed")                                                \
	X(125, SETUP, "setup", "quiz could not do it: wrong usage, something is missing, or the setup failed")         \
	X(126, NOEXEC, "noexec", "the program could not be executed in the guest")                                     \
	X(127, NOTFOUND, "notfound", "the program was not found in the guest")

enum quiz_status {
#define X(number, NAME, word, meaning) STATUS_##NAME = number,
	STATUS_TABLE(X)
#undef X
};

struct status_row {
	int number;
	const char *word;    /* as in result.json's "verdict" */
	const char *meaning; /* for people */
};

/* All rows, ascending. */
const struct status_row *status_table(size_t *ret_n);
