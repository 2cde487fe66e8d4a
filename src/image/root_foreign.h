/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Running another architecture's programs while its root is made, without
 * touching the host's binfmt_misc: a user namespace has one of its own (Linux
 * 6.7), in which qemu-user is registered. The namespace is entered by a
 * hidden command of quiz-image, which then becomes the program.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"
#include "spec/arch.h"
#include "sys/paths.h"

#define ROOT_FOREIGN_COMMAND "foreign-namespace"

/* False when the host runs the architecture's programs by itself: its own, or registered in its binfmt_misc. */
bool root_foreign_needed(const struct arch *arch);

/*
 * Appends the words in front of a command that is to run in such a namespace
 * as its root: quiz-image foreign-namespace ARCH. ERROR_MISSING without
 * qemu-user-static.
 */
int root_foreign_command(const struct paths *p, const struct arch *arch, struct strv *argv, struct error *err);

/* Is there such a namespace here? Tried; err says why not. */
bool root_foreign_works(const struct paths *p, const struct arch *arch, struct error *err);

/*
 * Enters the namespace and becomes argv. The caller's user is root in there,
 * the subordinate ids are all other users; for root it is every id. Returns
 * on failure only: ERROR_UNSUPPORTED on kernels that can not.
 */
int root_foreign_exec(const struct arch *arch, char *const *argv, struct error *err);

/* The name of qemu-user for an architecture: "s390x", "ppc64le", "arm". */
const char *root_foreign_qemu_name(const struct arch *arch);
