/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Layers: folders and files of the host as read-only images in the cache,
 * <cache>/layers/<stamp>.<fstype>. The stamp is made from names, sizes, modes,
 * inodes and times, not from contents, so that an unchanged tree costs one
 * walk over its metadata. An image is published by rename and never changed
 * after; it is extended sparsely to a fixed capacity, so that it fits the
 * same device in every clone (a machine's slots have fixed sizes).
 *
 * In the image everything belongs to root, and /lib, /bin, /sbin and /lib*
 * have become /usr/..., as in the roots.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include <stdbool.h>
#include "sys/paths.h"

/* What a slot's device holds. Images beyond the first get the next class. */
#define LAYER_SLOT_BYTES (8ULL << 30)
#define LAYER_SLOT_BYTES_LARGE (256ULL << 30)

/* One host folder or file in a layer. Later ones lie over earlier ones. All borrowed. */
struct layer_source {
	const char *host;  /* absolute; a folder's content, or one file; links in it stay links, host itself is followed */
	const char *guest; /* where it goes: "/" or "/etc/motd"; NULL is "/" */
	const char *key;   /* for what never changes (a kernel in the store): its key, so that nothing is walked; else NULL */
};

struct layer_image {
	char *path;		 /* owned */
	char *key;		 /* owned; of the content (not of its times): equal content gives equal keys */
	char *fstype;		 /* owned; "erofs", "squashfs" or "ext4" */
	uint64_t bytes;		 /* disk space */
	uint64_t capacity_bytes; /* LAYER_SLOT_BYTES or LAYER_SLOT_BYTES_LARGE */
};

void layer_image_clear(struct layer_image *li);

/*
 * The image of these sources, made if need be. fstype NULL is "erofs", which
 * needs no program; "squashfs" and "ext4" are for kernels without it and are
 * made by mksquashfs and mke2fs. A tree that changes while it is packed is
 * packed again; one that does not come to rest is ERROR_BUSY. Two at once
 * build once.
 */
int layer_get(const struct paths *p, const struct layer_source *sources, size_t n_sources, const char *fstype,
	      struct layer_image *ret, struct error *err);

/* What layer_get() would return, without making anything: *ret_path is where it is or would be (caller frees),
 * *ret_is_ready says whether it exists. For --dry-run. */
int layer_peek(const struct paths *p, const struct layer_source *sources, size_t n_sources, const char *fstype,
	       char **ret_path, bool *ret_is_ready, struct error *err);

/*
 * Stamp of a host tree's metadata: equal unless something in it was changed.
 * Also right for what was changed within the clock's last tick: such a tree
 * is looked at again after the tick.
 */
int layer_stamp(const char *host, uint64_t *ret, struct error *err);

/*
 * Keeps the cache within bounds: removes images by age of last use, then the
 * least recently used ones until `max_bytes` are left (0: no bound), and what
 * a killed builder left. What was used within the last ten minutes stays.
 */
int layer_sweep(const struct paths *p, uint64_t max_bytes, uint64_t max_age_s, uint64_t *ret_freed, struct error *err);
