/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The error object. A failure is made once, where it happens, wrapped with
 * context on the way up, and printed once, by cmd/. Code branches on the
 * kind, never on the text.
 *
 *	struct error err = ERROR_INIT;
 *	if (open_root(m, &fd, &err) < 0)
 *		return error_wrap(&err, "root image '%s'", m->root_path);
 *
 * The struct lives in the caller's storage and owns nothing, so it needs no
 * cleanup. A function sets it exactly once, on failure only. All
 * constructors return -1, so that `return error_sys(...)` is the whole path.
 * A NULL err is allowed where the caller does not care.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

/* Who must act. */
enum error_kind {
	ERROR_NONE,
	ERROR_USAGE,	   /* the command line or a config file is wrong */
	ERROR_MISSING,	   /* install, build or name something */
	ERROR_SYSTEM,	   /* a system call failed: errnum says why */
	ERROR_CHILD,	   /* a program that we started failed */
	ERROR_GUEST,	   /* the guest misbehaved or refused */
	ERROR_TIMEOUT,	   /* a deadline passed */
	ERROR_UNSUPPORTED, /* this QEMU, kernel or host can not do it */
	ERROR_BUSY,	   /* somebody else holds it */
};

#define ERROR_TEXT_MAX 4096
#define ERROR_HINT_MAX 1024

struct error {
	enum error_kind kind;
	int errnum;		   /* errno of ERROR_SYSTEM, else 0 */
	char text[ERROR_TEXT_MAX]; /* without "quiz: " and newline */
	char hint[ERROR_HINT_MAX]; /* the mending command, or "" */
};

#define ERROR_INIT { .kind = ERROR_NONE }

/* Sets kind and text: "cannot <what> '<object>': <cause>". Returns -1. */
int error_set(struct error *err, enum error_kind kind, const char *fmt, ...) _printf_(3, 4);

/* Sets ERROR_SYSTEM; the text becomes "cannot <fmt>: <strerror(errnum)>". Returns -1. */
int error_sys(struct error *err, int errnum, const char *fmt, ...) _printf_(3, 4);

/* Puts "<fmt>: " in front of the text. Keeps kind and hint. Returns -1. */
int error_wrap(struct error *err, const char *fmt, ...) _printf_(2, 3);

/* Sets the hint: what to type to mend it. Returns -1. */
int error_hint(struct error *err, const char *fmt, ...) _printf_(2, 3);

/* Back to ERROR_NONE, for a caller that goes on after a tolerated failure. */
void error_clear(struct error *err);

#ifdef __clang_analyzer__
/* What it does not see into other files for: these return -1. */
#define error_set(...)	((error_set)(__VA_ARGS__), -1)
#define error_sys(...)	((error_sys)(__VA_ARGS__), -1)
#define error_wrap(...) ((error_wrap)(__VA_ARGS__), -1)
#define error_hint(...) ((error_hint)(__VA_ARGS__), -1)
#endif

static inline bool error_is_set(const struct error *err)
{
	return err->kind != ERROR_NONE;
}
