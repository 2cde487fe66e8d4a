/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Inside of image/openzfs*: where the builds of a tree are and what is in
 * them. Others use image/openzfs.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/openzfs.h"

/* One build for one kernel. */
struct openzfs_build {
	enum openzfs_origin origin;
	char *tree;	  /* owned; source tree; NULL when unknown */
	char *dir;	  /* owned; build folder: dir/module/... */
	char *home;	  /* owned; where quiz keeps stage/ and the like for this tree and kernel */
	char *release;	  /* owned; of the kernel that zfs.ko was built for; NULL: not built */
	int64_t mtime_ns; /* of zfs.ko */
	bool keeps_calls; /* stage for the function tracer */
};

void openzfs_build_clear(struct openzfs_build *b);

/* <workspace>/.quiz/openzfs/<kernel id>. Caller frees. */
char *openzfs_home(const char *workspace_root, const struct kernel *kernel);

/*
 * The modules, in load order. 2.1 has nine, later versions have two; each
 * one's file in a build folder is one of two names.
 */
#define OPENZFS_N_MODULES 9
extern const char *const openzfs_module_names[OPENZFS_N_MODULES];
/* The .ko of module i in a build folder, or NULL when this version has none. Caller frees. */
char *openzfs_module_path(const char *build_dir, size_t i);

/* "6.1.0-56-amd64" of a module's vermagic. NULL when it can not be read. Caller frees. */
char *openzfs_module_release(const char *ko_path);

/* What a build folder says of itself (zfs_gitrev.h), else version of META, else "unknown". Caller frees. */
char *openzfs_describe(const struct openzfs_build *b);
/* "2.4.3-1" of META in a source tree. NULL when it is none. Caller frees. */
char *openzfs_meta_version(const char *tree);

/* Any other value of META. Caller frees; NULL. */
char *openzfs_meta_value(const char *tree, const char *name);
/*
 * `git describe --always --long --dirty`. NULL where there is no git, or where
 * git says nothing: then *ret_why says what to do (ret_why may be NULL).
 * Caller frees both.
 */
char *openzfs_git_describe(const char *tree, char **ret_why);

/*
 * The newest of the builds that fits the kernel. ERROR_MISSING says what was
 * found instead. A package's modules are not looked for here.
 */
int openzfs_find_build(const struct paths *paths, const struct openzfs_request *request, const struct kernel *kernel,
		       struct openzfs_build *ret, struct error *err);

/* Modules of a package for this very kernel, installed on the host (DKMS and the like). */
bool openzfs_find_host_package(const struct paths *paths, const struct kernel *kernel, struct openzfs_build *ret);

/* home/configured: what the build folder was configured for. */
struct openzfs_configured {
	char *kernel_key;  /* owned; NULL: not configured by quiz */
	char *kernel_text; /* owned; its id, for people */
	char *home;	   /* owned; where that was: makefiles and dependencies have the path. NULL: not known */
	struct strv args;  /* the user's own arguments, with quiz's switches (--debug, --gpl) among them */
};
void openzfs_configured_clear(struct openzfs_configured *c);
/* A missing file: all empty. */
int openzfs_configured_load(const char *home, struct openzfs_configured *ret, struct error *err);
/* The tree has been moved or copied since: its makefiles would build what lies where it was. */
bool openzfs_configured_is_moved(const struct openzfs_configured *c, const char *home);
int openzfs_configured_save(const char *home, const struct openzfs_configured *c, struct error *err);

/*
 * The reseeding module for this kernel, built if it is not there and the
 * kernel has what is needed; kept in the cache by the kernel's key. NULL when
 * there is none: then machines with ZFS loaded must not be saved. Caller frees.
 */
char *openzfs_reseed_module(const struct paths *paths, const struct kernel *kernel, bool build);
/* "section=.bss offset=0x40" for this spl.ko, or NULL. Caller frees. */
char *openzfs_reseed_params(const char *spl_ko);

/* Stages a build: see openzfs.h. Fills all of ret but origin, tree and build_dir. */
/* Names of the programs that a layer has, as `make` in a build of 2.2 or later calls them. */
void openzfs_stage_programs(struct strv *ret);

int openzfs_stage_build(const struct paths *paths, const struct openzfs_build *b, const struct kernel *kernel,
			struct openzfs_stage *ret, struct error *err);
