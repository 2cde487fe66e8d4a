/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A process made before it is known what for. A machine that is about to
 * become a template forks it, with its pipes, its session and its account
 * ready; in every clone the first program then is this process's execve, and
 * nothing is forked: a fork is a seventh of all the code that a clone of a
 * short program runs for the first time (docs/decisions/004-clones.md).
 *
 *	SPARE: spare_make() --> waits --START: spare_take()--> the program
 *	                          `--a START that it does not fit: ends, unseen
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "wire/wire.h"

/* Our ends, not blocking; the caller's to close. */
struct spare_ends {
	pid_t pid;
	int in, out, err;
	int report; /* as struct spawn_fds has it, the other end */
};

/* At most one; another call does nothing. */
int spare_make(struct error *err);

/*
 * The first START of the machine, as a frame and decoded: true when the spare has become its program.
 * False when there is none, or when it is not what this START asks for (a
 * terminal, no stdin, files); then it is gone for good.
 */
bool spare_take(const struct wire_frame *f, const struct wire_start *m, struct spare_ends *ret);
