/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What the commands of quiz-image share. That program holds what needs
 * libarchive, libcurl, libkmod or libelf, so that `quiz` itself starts in
 * milliseconds. Adding a command there: src/cmd/helper/<name>.c exports a
 * struct command, declared here, with a line in cmd/image.c.
 */

#include <stdbool.h>

#include "cmd/commands.h"
#include "image/store.h"
#include "sys/progress.h"

extern const struct command cmd_kernel;
extern const struct command cmd_root;
extern const struct command cmd_foreign;
extern const struct command cmd_sysroot;
extern const struct command cmd_setup;

/*
 * Progress on stderr: a line that is redrawn (bar, speed, time left, elapsed)
 * on a terminal, one line per stage elsewhere, notes only when quiet. There
 * is one per process. helper_progress_end() clears the line: call it before
 * printing anything else.
 */
const struct progress *helper_progress(bool quiet);
void helper_progress_end(void);

/* What the commands of the kinds in the store (image/store.h) share. */
/* Says which folders can not be read, and what to do about them. */
void helper_tell_damaged(const struct store_kind *kind, const struct strv *ids);
/* "3 d" since then. Returns buf. */
char *helper_age(uint64_t created, char *buf, size_t n);
/* The architecture of -a; name NULL: *ret is NULL. ERROR_USAGE with those that there are. */
int helper_find_arch(const char *name, const struct arch **ret, struct error *err);
/* `quiz NOUN rm ID...`. */
int helper_store_rm(const struct store_kind *kind, int argc, char **argv, struct error *err);

/*
 * Runs `work` in a child and waits. When a signal ends us meanwhile, the
 * child and its programs are ended and `clean` removes what they left
 * half-made, before we go the same way. Returns work's status; work prints
 * its own errors (helper_run() prints what it returned as an error: -1).
 */
int helper_run(int (*work)(void *ctx, struct error *err), void *ctx, void (*clean)(void));
