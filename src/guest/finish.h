/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* The end of a machine, and what is asked of it shortly before. */

#include <stdbool.h>
#include <stdint.h>

/* Opens the counters' files, so that a template has them open for its clones. */
void finish_open_counts(void);
/* Reads them, for a template's clones that have no reason to. All of the kernel's messages should have been read before. */
void finish_read_counts(void);
/*
 * COUNTS: those of the counters that this kernel has; as they are known, when all of its messages have been read and
 * there was none. is_kmsg_read: they should all have been; "kmsg_unread" says that they have not. "kmsg_missing": the
 * kernel has no log; "kmsg_lost": how many of them never could be.
 */
void finish_send_counts(bool is_kmsg_read);

/* Ends all processes, unmounts what can be, syncs, powers off. Does not return. */
_Noreturn void finish_power_off(void);

/* The channel is gone or useless: says why and ends the machine (or the process, when not PID 1 of a machine). */
_Noreturn void finish_lost(bool is_machine, const char *why);

/* Does the kernel command line have quiz.test=1? */
bool finish_is_test_machine(void);
/* TEST */
void finish_test(uint32_t what);
