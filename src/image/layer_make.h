/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* From a tree to an image file, by file system. Internal to layer*.c and root*.c. */

#include <stdint.h>

#include "base/error.h"
#include "image/tree.h"

/*
 * Writes the image of `top` to the new or truncated file `path`; every file
 * node has its source. *ret_bytes: size of the image. ERROR_BUSY when a file
 * changed while it was read.
 */
int layer_make(struct tree_node *top, const char *fstype, const char *path, uint64_t *ret_bytes, struct error *err);

/* Content key of an image made by layer_make(): EROFS has it inside, others are as good as their names. Caller frees; NULL when it is none. */
char *layer_make_key(int fd, const char *path, const char *fstype);
