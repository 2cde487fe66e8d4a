/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A kernel's module tree: made plain (no compressed modules, so that every
 * loader and every guest can read it), indexed by depmod, and asked through
 * libkmod which modules a machine needs before it has a root.
 */

#include "base/error.h"
#include "base/str.h"
#include "sys/progress.h"

/* <usr>/lib/modules/<release>: decompresses every .ko.xz, .ko.zst and .ko.gz, then runs depmod. */
int kernel_modules_index(const char *usr, const char *release, const struct progress *progress, struct error *err);

/*
 * Which modules must be loaded before disks can be mounted, dependencies
 * first: paths relative to the module tree. Empty when all is built in.
 * root_fstype: the root's file system where it may be another than that of
 * the layers, or NULL.
 */
int kernel_modules_early(const char *usr, const char *release, const char *arch, const char *root_fstype,
			 struct strv *ret, struct error *err);

/* Writes them as the kernel's part of the initramfs (see initramfs.h): /quiz/modules/order and the files. */
int kernel_modules_cpio(const char *usr, const char *release, const char *arch, const struct strv *modules,
			const char *path, struct error *err);
