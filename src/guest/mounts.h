/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* Every kernel and tmpfs mount of a machine, in one table (mounts.c). */

#include "base/error.h"

enum mounts_when {
	MOUNTS_EARLY, /* in the initramfs, part of a template */
	MOUNTS_ROOT,  /* in the new root, right after it was assembled */
};

/*
 * Makes the table's mounts of that phase, below the current folder for
 * MOUNTS_ROOT, where early ones are moved to as well. Missing mount points
 * are made. Fails only for what a machine cannot do without.
 */
int mounts_make(enum mounts_when when, struct error *err);
