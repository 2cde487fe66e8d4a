/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Kernel source trees to build from: releases of kernel.org, branches and
 * candidates from its git, the distribution's linux-source packages, any git
 * repository, a folder of the user's. All but the last are unpacked once into
 * <cache>/sources/<name>/ and can be deleted at any time; the user's folder
 * is used where it is and never written to.
 *
 * Where kernel.org is, for mirrors and tests: QUIZ_KERNEL_ORG (has
 * v6.x/linux-*.tar.xz and v6.x/sha256sums.asc) and QUIZ_KERNEL_GIT (has
 * torvalds/linux.git and next/linux-next.git) in the environment.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"
#include "image/kernel_version.h"
#include "sys/paths.h"
#include "sys/progress.h"

enum kernel_source_kind {
	KERNEL_SOURCE_VERSION, /* "6.1", "6.12.y", "6.18-rc3", "next-20250721", "master" */
	KERNEL_SOURCE_PACKAGE, /* "linux-source-6.1", "linux-source-6.12/trixie", "linux-source" */
	KERNEL_SOURCE_TREE,    /* a folder */
	KERNEL_SOURCE_GIT,     /* "https://example.org/linux.git@topic" */
};

struct kernel_source {
	enum kernel_source_kind kind;
	char *dir;     /* owned; absolute path of the tree */
	char *version; /* owned; as `make kernelversion` says, with -next-DATE: "6.1.192", "6.18.0-rc3" */
	char *text;    /* owned; for people: "kernel.org 6.1.5", "linux-source-6.1 6.1.192-2" */
	char *key;     /* owned; changes with the content, except for a folder: there it is the path */
	char *suffix;  /* owned; what belongs into the kernel's id besides the version: "-g1a2b3c4", "-mytree", "" */
};

void kernel_source_clear(struct kernel_source *s);
#define _cleanup_kernel_source_ _cleanup_(kernel_source_clear)

/* Gets the tree that `what` means, downloading and unpacking as needed. */
int kernel_source_get(const struct paths *p, enum kernel_source_kind kind, const char *what,
		      const struct progress *progress, struct kernel_source *ret, struct error *err);

/* VERSION or PACKAGE, by how the word looks. */
enum kernel_source_kind kernel_source_kind_of(const char *word);

/* ---- Pure parts, for tests ---- */

/*
 * The file of a sha256sums.asc that a version means: "6.12" and "6.12.y" the
 * newest linux-6.12.N.tar.xz, "6.12.7" and "6.12.0" exactly that one.
 * ERROR_MISSING when there is none.
 */
int kernel_source_pick(const char *sums, const struct kernel_version *want, char **ret_file, char **ret_sha256,
		       struct error *err);

/* Splits "URL@REF"; the @ of user@host does not count. *ret_ref: NULL when there is none. */
void kernel_source_split_git(const char *text, char **ret_url, char **ret_ref);

/* The version that a tree's top Makefile and localversion files name. Caller frees; NULL: not a kernel tree. */
char *kernel_source_version(const char *dir, struct error *err);

/* ERROR_USAGE when the tree holds in-tree build products, with which an out-of-tree build refuses to work. */
int kernel_source_check_clean(const char *dir, struct error *err);
