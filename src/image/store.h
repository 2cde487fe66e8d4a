/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The store of what takes long to make: <data>/<kind>/<id>/, a folder per
 * thing with a manifest.json and whatever the kind keeps beside it. Kernels
 * (image/kernel.h) and roots (image/root.h) are its kinds; what they share is
 * here, described by a table per kind.
 *
 * A thing is a plain struct of the kind's (struct kernel, struct root). Its
 * folder is immutable once published (store_draft.h), but for parts that a
 * kind adds later in one rename. Users hold a shared flock(2) on the folder
 * itself, so nothing has to be cleaned up after them and what is in use is not
 * removed.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "sys/paths.h"

/* A char * in the thing's struct and its name in the manifest. */
struct store_text {
	const char *name;
	size_t offset;
	bool is_required; /* else "" when it is missing */
};

struct store_kind {
	const char *noun;    /* "kernel": for messages, and the command word */
	const char *folder;  /* below <data>: "kernels" */
	int version;	     /* of the manifest; another one is not read */
	size_t manifest_max; /* bytes */

	size_t size; /* of the struct; the members below are offsets into it */
	size_t id, arch, dir;	     /* char * */
	size_t created, bytes;	     /* uint64_t; seconds since 1970, disk space */
	const struct store_text *texts; /* id and arch among them */
	size_t n_texts;

	/* What is no text: from the manifest (or the folder: dir is set) and into it. */
	int (*read)(const json_t *manifest, void *thing, struct error *err);
	void (*write)(const void *thing, json_t *manifest);
	void (*clear)(void *thing);
	/* Negative when a is the better default; both are of one architecture. */
	int (*rank)(const void *a, const void *b);
};

/* Size and offsets, of a struct whose members have the names of struct store_kind's. */
#define STORE_KIND_STRUCT(type)                                                                             \
	.size = sizeof(type), .id = offsetof(type, id), .arch = offsetof(type, arch), .dir = offsetof(type, dir), \
	.created = offsetof(type, created), .bytes = offsetof(type, bytes)

/* ---- one thing ---- */

/* Reads <dir>/manifest.json. *ret (of kind->size) is overwritten; kind->clear() it. */
int store_load(const struct store_kind *kind, const char *dir, void *ret, struct error *err);

/* Writes <dir>/manifest.json. dir is not stored, nor what read() looks up. */
int store_save(const struct store_kind *kind, const char *dir, const void *thing, struct error *err);

/* Keeps the thing from being removed while the descriptor is open. -1: ERROR_MISSING when it just went away. */
int store_lock_shared(const struct store_kind *kind, const void *thing, struct error *err);

/* Removes it. ERROR_BUSY when a run uses it. *ret_bytes (may be NULL): space given back. */
int store_remove(const struct store_kind *kind, const void *thing, uint64_t *ret_bytes, struct error *err);

/*
 * The same by id, exactly: a name that means another thing tomorrow is no way
 * to say what to remove. Also takes a folder whose manifest can not be read
 * (*ret_is_damaged). ERROR_MISSING when there is none of that id.
 */
int store_remove_id(const struct store_kind *kind, const struct paths *p, const char *id, uint64_t *ret_bytes,
		    bool *ret_is_damaged, struct error *err);

/* ---- all of a kind ---- */

/* <data>/<folder>. Caller frees. */
char *store_path(const struct store_kind *kind, const struct paths *p);

/*
 * All things that can be read, in an array of the kind's struct: the host's
 * architecture first, then by architecture and rank. Names of unreadable ones
 * go to ret_damaged when given. store_list_clear() frees.
 */
int store_list(const struct store_kind *kind, const struct paths *p, void **ret_v, size_t *ret_n,
	       struct strv *ret_damaged, struct error *err);
void store_list_clear(const struct store_kind *kind, void *v, size_t n);

/* The ids of an architecture's things, "a, b, c", for messages. */
void store_add_ids(const struct store_kind *kind, const void *v, size_t n, const char *arch, struct str *out);

/* The thing that a name means, borrowed from the list; name NULL: the default. ctx is the rest of the question. NULL with the error set. */
typedef const void *store_select_fn(const struct strv *ctx, const void *v, size_t n, const char *arch, const char *name,
				    struct error *err);

/*
 * The thing for a run: `name` as typed, else `config_default` (both may be
 * NULL or ""), else the default. arch NULL: the host's. The config's default
 * is for one architecture; where it does not fit another one that was asked
 * for, that one's default is taken.
 *
 * The answer is noted in the cache, with the store's stamp: as long as nothing
 * was published or removed, the same question is answered by one manifest,
 * whatever else there is.
 */
int store_find(const struct store_kind *kind, const struct paths *p, const char *arch, const char *name,
	       const char *config_default, store_select_fn *select, const struct strv *ctx, void *ret, struct error *err);

/* A name for a new thing: letters, digits, "._+~-", at most 100, a letter or digit first. */
bool store_is_valid_id(const char *id);
