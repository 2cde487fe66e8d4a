/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Images for kernels without EROFS, made by other people's programs from a
 * folder: mksquashfs, or mke2fs and debugfs. Slower, and only for those
 * kernels. Internal to layer_make.c.
 */

#include <stdint.h>

#include "base/error.h"
#include "image/tree.h"

/* fstype is "squashfs" or "ext4"; path is replaced. */
int layer_stage_make(struct tree_node *top, const char *fstype, const char *path, uint64_t *ret_bytes, struct error *err);
