/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The helper program quiz-image: what needs libarchive, libcurl, libkmod or
 * libelf runs here, so that `quiz` itself starts in milliseconds. `quiz kernel
 * fetch ...` becomes `<libexec>/quiz-image kernel fetch ...`; users never
 * type its name, and what it prints reads as if quiz had printed it.
 *
 * Adding a command: a file src/cmd/helper/<name>.c that exports
 * helper_<name>(), its line below, and its row in quiz_image.c.
 */

#include <stdbool.h>

#include "base/error.h"
#include "sys/paths.h"
#include "sys/progress.h"

/* argv[0] is the (last) command word; returns the exit status. */
int helper_kernel(int argc, char **argv);

/* Exit statuses that a helper makes itself (DESIGN section 3). */
#define HELPER_FAILED 125

/* Prints "quiz: <text>" and "hint: <hint>" to stderr; returns HELPER_FAILED. */
int helper_fail(const struct error *err);

/* "quiz: <text>" for wrong usage, with the usage line as hint; returns HELPER_FAILED. */
int helper_usage(const char *usage, const char *fmt, ...) _printf_(2, 3);

/*
 * Progress on stderr: a line that is redrawn (bar, speed, time left, elapsed)
 * on a terminal, one line per stage elsewhere, nothing but notes when quiet.
 * One at a time. helper_progress_end() clears the line; it is also called at
 * exit and by helper_fail().
 */
const struct progress *helper_progress(bool quiet);
void helper_progress_end(void);
