/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * console.log: every kernel message once and in order, from two sources that
 * both may fail. Records of /dev/kmsg come through the agent, complete and
 * numbered; the serial console brings only what is serious, but goes on when
 * user space is dead. Records are written as they come; console lines that
 * carry a kernel time are held back and dropped when their record arrives, or
 * written when the machine ends or is in trouble. Lines without a time
 * (firmware, user space writing to /dev/console) are written at once.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct console;

/* Writes to log_fd_consumed. */
struct console *console_new(int log_fd_consumed);
void console_free(struct console *c); /* flushes */

void console_bytes(struct console *c, const void *mem, size_t n);
void console_kmsg(struct console *c, uint64_t seq, unsigned level, uint64_t time_us, const char *text);
/* Writes what is held back: the agent will not bring it any more. */
void console_flush(struct console *c);
/* Another kernel starts: its records are numbered from 0 again, and the log is of it alone. */
void console_restart(struct console *c);
/* Called with each line as it is written to the log (for -vv, `quiz logs -f`). */
void console_watch(struct console *c, void (*line)(void *ctx, const char *text, size_t n), void *ctx);
