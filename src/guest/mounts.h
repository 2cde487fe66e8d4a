/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* Every kernel and tmpfs mount of a machine, in one table (mounts.c). */

#include "base/error.h"

/* Makes them in the initramfs, where they become part of a template. Fails only for what a machine cannot do without. */
int mounts_early(struct error *err);

/* Moves them to their places below the current folder, the new root. Missing mount points are made. */
int mounts_move(struct error *err);
