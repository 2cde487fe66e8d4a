/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A bzImage of s390x unpacks itself, which is more than half of an emulated
 * machine's boot. This makes one that has nothing to unpack.
 */

#include <stddef.h>

#include "base/str.h"

/*
 * Appends to ret an image that boots as the given one does, its XZ payload
 * stored instead of compressed. 0, or -1 when it is no image that this can be
 * done with: nothing was appended then, and it boots as it is.
 */
int kernel_s390x_unpack(const void *image, size_t n, struct str *ret);

/* Appends an XZ stream (without a checksum of its content) in which mem is stored as it is. */
void kernel_s390x_store_xz(const void *mem, size_t n, struct str *ret);
