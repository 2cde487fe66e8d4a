/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The memory of a paused machine into a template's file, by a process of its
 * own while the VMM writes its device state: the user waits for both.
 */

#include "base/error.h"
#include "sys/loop.h"

struct ram_copy;

/* err is NULL on success. Called once, and never after ram_copy_free(). */
typedef void ram_copy_done_fn(void *ctx, const struct error *err);

/* Of the file `in` (borrowed) into a new file. NULL: it did not begin. */
struct ram_copy *ram_copy_start(struct loop *loop, int in, const char *to, ram_copy_done_fn *done, void *ctx, struct error *err);
/* Ends it if it still runs; NULL is fine. */
void ram_copy_free(struct ram_copy *c);
