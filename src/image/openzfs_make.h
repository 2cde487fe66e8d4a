/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Building OpenZFS for a kernel of the store. The tree's own configure and
 * make do the work, with what they print going straight to our stderr; this module knows where to build, which arguments a build for a
 * throw-away machine wants, and when a configuration is no longer good.
 *
 *	configure	<home>/build, beside the tree: several kernels from one source
 *	make		there, or in the tree when the user has configured it for this kernel
 *	stage		see openzfs.h
 */

#include <stdbool.h>
#include <stdint.h>

#include "image/openzfs.h"

/*
 * args: the tree's configure arguments, and two switches of ours: "--debug"
 * (assertions: --enable-debug) and "--gpl" (the modules call themselves GPL,
 * in a copy of META: for kernels with lockdep and for tracepoints; such
 * modules must not be distributed). They are remembered for later
 * configurations of this kernel. NULL: the remembered ones.
 */
int openzfs_configure(const struct paths *paths, const char *tree, const struct kernel *kernel, const struct strv *args,
		      struct error *err);

/*
 * Builds `targets` (n 0: everything), configuring first when that is needed.
 * "install" installs into <home>/install; "modules" is `make -C module`, the
 * inner loop; "programs" is what a machine gets of user space. Also builds the reseeding module.
 */
int openzfs_make_targets(const struct paths *paths, const char *tree, const struct kernel *kernel, char *const *targets,
			 size_t n, struct error *err);

/* What the next run would use. All owned. */
struct openzfs_status {
	char *build_dir; /* NULL: nothing that fits */
	enum openzfs_origin origin;
	char *describe;	    /* of the build */
	char *commit;	    /* `git describe --always --long --dirty` of the tree now; NULL: no git */
	char *commit_why;   /* why git does not say; NULL: it does, or there is none */
	char *version;	    /* of META */
	char *licence;	    /* of zfs.ko */
	struct strv args;   /* configured with */
	uint64_t built;	    /* unix seconds; 0: never */
	uint64_t staged;    /* 0: never */
	uint64_t installed; /* 0: never */
	bool has_user_space, has_reseed;
	struct strv stale; /* why a run would not see what the tree says; empty: it would */
};

void openzfs_status_clear(struct openzfs_status *s);
/* build_dir as in struct openzfs_request. A build that does not fit is a reason in `stale`, not an error. */
int openzfs_status(const struct paths *paths, const struct openzfs_request *request, const struct kernel *kernel,
		   struct openzfs_status *ret, struct error *err);

/*
 * Where one can not build from the tree itself, because it is configured in
 * place or because META must say something else: a folder of links to its
 * files. What the build makes is left out (git knows what that is). Edits are
 * seen at once, new files after the next call.
 */
int openzfs_source(const char *tree, const char *home, bool is_gpl, struct error *err);
