/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * One share that is mounted when somebody touches it. A template can not hold
 * a mounted 9p share, and mounting one is a sixth of what a clone of a short
 * program costs (docs/decisions/004-clones.md), which most never look into. So
 * a prepared template has an autofs mount in its place: the kernel asks us, and
 * lets who touched it wait until the share is there. In every mount namespace:
 * one that was made before the share was mounted gets a mount of its own.
 *
 *	automount_arm() --> armed --touched: automount_serve()--> mounted
 *
 * Needs autofs and open_tree(2) (Linux 5.2). Processes of our own process group
 * (PID 1 and its children that start no program) do not trigger it: they say
 * automount_touch() first.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* How a share is mounted. Texts are copied. */
struct automount_share {
	const char *tag, *path, *options;
	unsigned long flags;
};

/* False: not possible on this kernel, or one is armed already; nothing has changed. The folder must exist. */
bool automount_arm(const struct automount_share *share);
/* Will this very share be there for whoever touches it? */
bool automount_has(const char *tag, const char *path);
/* Before we use a path ourselves: mounts the share if the path lies in its folder. */
int automount_touch(const char *path, struct error *err);

/* What to wait for: somebody touches it. -1: nothing, for now. */
int automount_fd(void);
/* Somebody has: a child serves him. */
void automount_serve(void);
/* A child was reaped; true when it was that one. */
bool automount_reaped(pid_t pid, int wait_status);
