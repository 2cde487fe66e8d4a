/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* A kernel of the user's own making, copied into the store. */

#include "base/error.h"
#include "spec/arch.h"
#include "spec/kernel.h"
#include "sys/paths.h"
#include "sys/progress.h"

struct kernel_add_options {
	const char *image;   /* vmlinux, bzImage, Image, ... */
	const char *modules; /* .../lib/modules/RELEASE, or a folder that has lib/modules/RELEASE; NULL: none */
	const char *config;  /* NULL: none */
	const char *build;   /* build tree for external modules, linked, not copied; NULL: none */
	const char *name;    /* id; NULL: the release */
	const struct arch *arch; /* NULL: by the image */
};

/* *ret_existed: a kernel of this id was there already and is left as it is. kernel_clear() the kernel. */
int kernel_add(const struct paths *p, const struct kernel_add_options *o, const struct progress *progress,
	       struct kernel *ret, bool *ret_existed, struct error *err);
