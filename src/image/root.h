/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The root store: <data>/roots/<id>/ as described in spec/root.h. This is the
 * light side, part of the run path: it reads manifests, picks the root that a
 * name means, and locks or removes it. What makes roots is root_build.h and
 * root_add.h, in the helper.
 *
 * A root's folder is immutable once published. Runs hold a shared flock(2) on
 * it, so nothing has to be cleaned up and a root in use is not removed.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "spec/root.h"
#include "sys/paths.h"

#define ROOT_MANIFEST_VERSION 1

/* A package set: `quiz root build --set NAME`. */
struct root_set {
	const char *name;
	const char *summary;  /* for `quiz help` and tables */
	const char *based_on; /* set whose packages it has too, or NULL */
	const char *packages; /* space separated */
};

/* The sets, poorest first; the order is also that in which defaults are chosen. */
const struct root_set *root_sets(size_t *ret_n);
const struct root_set *root_set_find(const char *name); /* NULL when unknown */

struct root_list {
	struct root *v; /* owned */
	size_t n;
};

/* Reads <dir>/manifest.json. ret is overwritten; root_clear() it. */
int root_load(const char *dir, struct root *ret, struct error *err);
int root_save(const char *dir, const struct root *r, struct error *err);

/* All roots that can be read, the host's architecture first, then by set, newest first. Unreadable ones' names go to
 * ret_broken when given. */
int root_list(const struct paths *p, struct root_list *ret, struct strv *ret_broken, struct error *err);
void root_list_clear(struct root_list *list);

/*
 * The root that a name means; pure. An id exactly; else a set's name: its
 * newest; else a suite's name. name NULL: the first by set and age that has
 * `packages` (may be NULL; "a|b" is either), so a small root is taken when it is enough. A
 * named root that lacks packages is ERROR_MISSING too. Borrowed from the
 * list; NULL with a hint that says what to build.
 */
const struct root *root_select(const struct root_list *list, const char *arch, const char *name,
			       const struct strv *packages, struct error *err);

/* The root for a run: `name` as typed (-r), else the config's (may be NULL), else as root_select(). */
int root_find(const struct paths *p, const char *arch, const char *name, const char *config_default,
	      const struct strv *packages, struct root *ret, struct error *err);

/* True when the package is in it; "libssl3" also as libssl3t64, its name since 64-bit time. A root whose packages are unknown (an added one) has everything, as far as we know. */
bool root_has_package(const struct root *r, const char *package);

/* Keeps the root from being removed while the descriptor is open. -1: ERROR_MISSING when it just went away. */
int root_lock_shared(const struct root *r, struct error *err);

/* Removes it. ERROR_BUSY when a run uses it. ret_bytes: space given back. */
int root_remove(const struct root *r, uint64_t *ret_bytes, struct error *err);

/* Removes the folder of a root that root_list() could not read. ERROR_MISSING when there is none. */
int root_remove_damaged(const struct paths *p, const char *id, uint64_t *ret_bytes, struct error *err);

/* Path of the image file. Caller frees. */
char *root_image_path(const struct root *r);

/* <data>/roots. Caller frees. */
char *root_store_path(const struct paths *p);

/* A name that can be a folder of the store: letters, digits, "._+-", not first a dot. */
bool root_is_valid_id(const char *id);
