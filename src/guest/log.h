/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What the agent itself has to say when the channel cannot say it: one line
 * "quiz-init: ..." to the kernel log, which the console shows, or to
 * standard error where there is no kernel log to write to.
 */

#include "base/cleanup.h"

/* Where log_line() writes: /dev/kmsg (as a machine's init) or fd 2 (tests). */
void log_to_kmsg(void);

/* At level "error", so that a quiet console shows it too. Cut at 500 bytes. */
void log_line(const char *fmt, ...) _printf_(1, 2);

/* To standard error, as it is, with a newline: a session's child to the user. */
void log_plain(const char *fmt, ...) _printf_(1, 2);
