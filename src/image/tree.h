/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A file tree that is about to become an image: names, modes, owners, links
 * and where the bytes come from, but not the bytes. Folders of the host and
 * archives are put in, one over the other; a writer (image/erofs.h) takes it
 * out. The tree owns all of its nodes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/str.h"

/* Longest path in a tree; the kernel's own PATH_MAX. */
#define TREE_PATH_MAX 4096

struct tree_xattr {
	char *name; /* owned; "security.capability" */
	void *value; /* owned */
	size_t n;
};

struct tree_node {
	char *name;		   /* owned; "" for the top */
	struct tree_node *parent;  /* NULL for the top */
	uint32_t mode;		   /* type and permission bits, as in struct stat */
	uint32_t uid, gid;
	uint64_t size;		   /* bytes of a file; of others 0 */
	int64_t mtime;
	uint32_t mtime_nsec;
	char *target;		   /* owned; of a symbolic link */
	char *source;		   /* owned; host file that the bytes are copied from; NULL: the writer was fed */
	struct tree_node *link;	   /* borrowed; this name is a hard link to that file, and has no content itself */
	struct tree_xattr *xattrs; /* owned */
	size_t n_xattrs;
	struct tree_node **children; /* owned; sorted by name */
	size_t n_children;

	/* the writer's: where the content went */
	uint32_t first_block;
	unsigned char *tail; /* owned; the last bytes, kept beside the inode */
	uint32_t n_tail;
	uint32_t n_links;
	uint64_t fill, nid, content_hash;
};

struct tree_node *tree_new(void); /* an empty folder, 0755, owned by root */
void tree_free(struct tree_node *top);
DEFINE_CLEANUP(struct tree_node *, tree_free)

/*
 * Makes the node at `path` (relative to the top; leading "/" and "./" and
 * double slashes are dropped; "" is the top) with the type of mode, and its
 * missing parents (0755, root). What is there already is replaced, except
 * that a folder over a folder keeps its children. ".." or a path longer than
 * TREE_PATH_MAX is an error, so that no archive reaches outside.
 */
struct tree_node *tree_put(struct tree_node *top, const char *path, uint32_t mode, struct error *err);

/* NULL when there is none. Follows no links. */
struct tree_node *tree_find(struct tree_node *top, const char *path);

void tree_remove(struct tree_node *node); /* not the top; its children go with it */

/* Full path of a node, for errors. Caller frees. */
char *tree_path(const struct tree_node *node);

/*
 * The merged-usr layout: "lib/modules/x" becomes "usr/lib/modules/x", and so
 * for bin, sbin and lib*. A layer with a real /lib folder would otherwise
 * hide the root's link of that name, and with it the C library. Caller frees.
 */
char *tree_usr_merged(const char *path);

/*
 * A relative link target that is to stay right when its link moved from
 * `path` to tree_usr_merged(path): one that climbs out of the moved folder
 * becomes absolute. Caller frees.
 */
char *tree_usr_merged_target(const char *path, const char *target);

/*
 * tree_put() in the merged-usr layout. `target` is a symbolic link's, else
 * NULL; the node takes what it becomes. *ret is NULL for what has no place in
 * that layout: a top-level link like /lib -> usr/lib, and a link that would
 * now point at itself.
 */
int tree_put_usr_merged(struct tree_node *top, const char *path, uint32_t mode, const char *target,
			struct tree_node **ret, struct error *err);
