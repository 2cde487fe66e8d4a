/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * OpenZFS for one kernel, as layers of a machine. The run path asks one
 * question, "what must be laid over the root so that ZFS can be loaded", and
 * the answer costs some hundred stat(2) calls when nothing has changed.
 *
 * Where a build comes from, the newest that fits the kernel first:
 *
 *	<workspace>/.quiz/openzfs/<kernel id>/	made by `quiz openzfs configure` and `make`
 *	<workspace> itself			the user's own `./configure && make`
 *	a folder that was named (zfs:build=DIR)	only this, when given
 *	the kernel's module tree or the host's	a package's modules; user space is the root's
 *
 * The folder of one kernel holds
 *
 *	build/		the VPATH build, its unstripped modules are what symbols are read from
 *	source/		links to the tree, where one can not build from the tree itself (openzfs_source.c)
 *	config.cache	answers of configure for exactly this kernel
 *	configured	what was configured: kernel key and arguments; another key makes the build stale
 *	describe	`git describe` of the tree when `quiz openzfs make` last ended well
 *	stage/		the layer: modules without debug sections, programs, libraries, udev rules
 *	stage.stamp	which file each one in stage/ was made from
 *	install/	a second, lower layer, after `quiz openzfs make install`: tests and all the rest
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "spec/kernel.h"
#include "sys/paths.h"

enum openzfs_origin {
	OPENZFS_QUIZ_BUILD, /* .quiz/openzfs/<kernel id>/build */
	OPENZFS_TREE,	    /* built inside the source tree by the user */
	OPENZFS_NAMED,	    /* zfs:build=DIR */
	OPENZFS_PACKAGE,    /* modules of the kernel's package or the host's */
};

/* What is asked for. All borrowed; zero-initialise. */
struct openzfs_request {
	const char *workspace_root; /* the folder that holds .quiz; NULL: none */
	const char *build_dir;	    /* zfs:build=DIR, or NULL */
	bool wants_trace;	    /* zfs:trace: the function tracer can follow the modules; loading takes longer */
	bool wants_gpl;		    /* zfs:gpl: the modules must call themselves GPL (lockdep kernels, tracepoints) */
};

/* What is to be laid over the root and loaded. All owned. */
struct openzfs_stage {
	enum openzfs_origin origin;
	struct strv dirs;	/* folders to be packed as one layer, lowest first */
	struct strv modules;	/* in load order: a name (through modules.dep) or an absolute guest path */
	struct strv unstripped; /* host paths of the same modules with debug information, for symbols */
	char *describe;		/* "2.4.99-123-gabcdef0-dirty", or the version */
	char *tree;		/* source tree, or NULL */
	char *build_dir;	/* NULL for a package */
	char *reseed;		/* absolute guest path of the module that reseeds spl's generator, or NULL */
	char *reseed_params;	/* its parameters */
	bool has_user_space;	/* zpool and zfs come with it */
	bool is_restaged;	/* something was staged by this call */
};

void openzfs_stage_clear(struct openzfs_stage *st);

/*
 * Finds the build for this kernel, refuses one that was made for another
 * kernel, and stages what is newer than the layer. ERROR_MISSING with the
 * command that mends it.
 */
int openzfs_layer(const struct paths *paths, const struct openzfs_request *request, const struct kernel *kernel,
		  struct openzfs_stage *ret, struct error *err);

/*
 * The name of a module in one of st->modules ("zfs" of "/usr/lib/modules/6.1/extra/zfs.ko"),
 * to find its parameters. Caller frees.
 */
char *openzfs_module_name(const char *module);

/*
 * A source file of the tree that is newer than the modules, or NULL: what
 * runs is then not what the tree says. Looks at some thousand files, so ask
 * while the guest is busy. Caller frees.
 */
char *openzfs_newer_source(const struct openzfs_stage *st);

/*
 * The reseeding of a clone (profiles/zfs/module/). A machine that has loaded ZFS and
 * then `reseed` may be saved as a template, provided that each clone writes
 * anything to OPENZFS_RESEED_FILE, after the kernel's own generator has been
 * reseeded and before a program runs.
 */
#define OPENZFS_RESEED_MODULE "quiz_zfs_reseed"
#define OPENZFS_RESEED_FILE   "/sys/module/" OPENZFS_RESEED_MODULE "/parameters/reseed"

/*
 * `quiz --make[=TARGET]`: builds with the compiler's words going to our stderr. target "": the modules only (`make -C module`) when user
 * space has been built before, else everything. Configures first when that
 * has not been done. ERROR_CHILD when the build failed.
 */
int openzfs_make(const struct paths *paths, const char *workspace_root, const struct kernel *kernel, const char *target,
		 struct error *err);

/* True for the root of an OpenZFS source tree (META says Name: zfs). */
bool openzfs_is_tree(const char *dir);
