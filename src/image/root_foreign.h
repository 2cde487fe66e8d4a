/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Running another architecture's programs while its root is made, without
 * touching the host's binfmt_misc: a user namespace has one of its own (Linux
 * 6.7), in which qemu-user is registered.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"
#include "spec/arch.h"

/* False when the host runs the architecture's programs by itself: its own, or registered in its binfmt_misc. */
bool root_foreign_needed(const struct arch *arch);

/*
 * Appends the words in front of a command that is to run in such a namespace,
 * as its root. ERROR_MISSING without qemu-user-static, ERROR_UNSUPPORTED on
 * kernels that can not.
 */
int root_foreign_command(const struct arch *arch, struct strv *argv, struct error *err);
