/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Walks over host trees for layers: to stamp them, and to put them into a
 * tree of an image. Internal to layer*.c and the root helper.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "image/tree.h"

/* A layer with more entries than this was hardly meant: --layer / and the like. */
#define LAYER_ENTRIES_MAX 2000000u
#define LAYER_DEPTH_MAX 200

/* `path` is relative to the walk's start ("" is the start itself); fd/name reach the entry. -1 ends the walk. */
typedef int layer_walk_fn(void *ctx, const char *path, int dir_fd, const char *name, const struct stat *st,
			  struct error *err);

/* Each entry below `host` and itself, a folder before its content; in no particular order. Links are not followed
 * but for host itself. A tree that changes under the walk is ERROR_BUSY. */
int layer_walk(const char *host, layer_walk_fn *fn, void *ctx, struct error *err);

struct layer_pack_options {
	bool keep_owners; /* and modes: the tree is a root of a system; else everything becomes root's */
};

/* Puts a host folder or file into the tree at `guest`, in the merged-usr layout. Files keep node->source; nothing is read yet. */
int layer_pack(struct tree_node *top, const char *host, const char *guest, const struct layer_pack_options *opt,
	       struct error *err);
