/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* Unpacking source archives (tar, any compression that libarchive knows). */

#include "base/error.h"
#include "sys/progress.h"

/*
 * Unpacks `path` below `dest` (made if missing), without the first component
 * of the names ("linux-6.1/Makefile" becomes "Makefile"). Times and modes are
 * kept, owners are not; names that lead out of dest are an error. Progress
 * counts the compressed bytes.
 */
int source_unpack(const char *path, const char *dest, const struct progress *progress, struct error *err);
