/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Roots in the store (image/store.h): <data>/roots/<id>/ as described in
 * spec/root.h. This is the light side, part of the run path: it reads
 * manifests and picks the root that a name means. What makes roots is
 * root_build.h, in the helper.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "image/store.h"
#include "spec/root.h"
#include "sys/paths.h"

/* What they are to the store. */
extern const struct store_kind root_store;

/* A package set: `quiz root build --set NAME`. */
struct root_set {
	const char *name;
	const char *summary;  /* for `quiz help` and tables */
	const char *based_on; /* set whose packages it has too, or NULL */
	const char *packages; /* space separated */
	bool is_bare;	      /* packages are unpacked and no script of theirs is run; what is added to it is not set up either */
};

/* The sets, in the order in which defaults are chosen: poorest first, but a bare one last. */
const struct root_set *root_sets(size_t *ret_n);
const struct root_set *root_set_find(const char *name); /* NULL when unknown */

struct root_list {
	struct root *v; /* owned */
	size_t n;
};

/* Reads <dir>/manifest.json. ret is overwritten; root_clear() it. */
int root_load(const char *dir, struct root *ret, struct error *err);

/* store_list() of roots: by set as in root_sets(), newest first. */
int root_list(const struct paths *p, struct root_list *ret, struct strv *ret_damaged, struct error *err);
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

/* Path of the image file. Caller frees. */
char *root_image_path(const struct root *r);
