/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* Unpacking Debian packages without installing them: ar(1) around a compressed tar, deb(5). */

#include "base/error.h"

/*
 * Decides on one file: `path` is relative without "./" ("usr/src/x"). Returns
 * the path below the destination to put it at (caller of the callback frees),
 * or NULL to leave it out.
 */
typedef char *deb_place_fn(void *ctx, const char *path);

/*
 * Unpacks data.tar of `deb` below `dest`, as the caller's user: owners are not
 * kept, modes are (folders get u+rwx), device nodes are skipped, paths and
 * links can not leave dest. `place` NULL takes everything as it is. Progress
 * is for the caller: packages are small against what follows.
 */
int deb_unpack(const char *deb, const char *dest, deb_place_fn *place, void *ctx, struct error *err);
