/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Building OpenZFS for a kernel of another architecture than the host's: what
 * its configure and make must be told besides. The folder of one kernel
 * (openzfs.h) is for one architecture, so one source tree serves them all.
 */

#include "base/error.h"
#include "base/str.h"
#include "spec/kernel.h"
#include "sys/paths.h"

/* All owned; empty where kernel and host are of one kind. */
struct openzfs_cross {
	struct strv args; /* of configure */
	struct strv env;  /* of configure and of make: "NAME=VALUE" */
};

void openzfs_cross_clear(struct openzfs_cross *c);
#define _cleanup_openzfs_cross_ _cleanup_(openzfs_cross_clear)

/*
 * home: openzfs_home(), which the build folder is in. Makes the sysroot when it is missing. ERROR_MISSING with a hint
 * when there is no compiler.
 */
int openzfs_cross_init(const struct paths *paths, const char *tree, const char *home, const struct kernel *kernel,
		       struct openzfs_cross *ret, struct error *err);
