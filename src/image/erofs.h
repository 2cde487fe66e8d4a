/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Writer of EROFS images: uncompressed, 4 KiB blocks, what every kernel from
 * 4.19 on can mount (Linux Documentation/filesystems/erofs.rst,
 * fs/erofs/erofs_fs.h). It exists because mkfs.erofs wants a folder in which
 * everything already has its owner and place: that costs a copy of the tree
 * and a user namespace. This one takes any mix of host files and archive
 * members, with any owner, in one pass over the bytes.
 *
 *	erofs_init(&w, fd);
 *	erofs_append(&w, node, buf, n);	   content of a file, in order
 *	erofs_append_file(&w, node, ...);  or all of it from a host file
 *	erofs_finish(&w, top, &bytes, err);
 *
 * The caller owns fd, an empty file; the tree must outlive erofs_finish().
 */

#include <stdint.h>

#include "base/error.h"
#include "image/tree.h"

#define EROFS_BLOCK 4096u

struct erofs_writer {
	int fd;
	uint64_t next_block;
	uint64_t hash[2];
	uint64_t n_inodes;
};

void erofs_init(struct erofs_writer *w, int fd);

/* Appends n bytes to the content of a file whose node->size is set. More than size is an error. */
int erofs_append(struct erofs_writer *w, struct tree_node *n, const void *mem, size_t len, struct error *err);

/* Reads node->size bytes from the open host file. ERROR_BUSY when it has become shorter meanwhile. */
int erofs_append_file(struct erofs_writer *w, struct tree_node *file, int source_fd, struct error *err);

/*
 * Writes folders, inodes and the superblock. Each file must have got all of
 * its bytes. *ret_bytes (may be NULL): size of the image. The image's UUID is
 * a hash of everything in it but times: see erofs_content_key().
 */
int erofs_finish(struct erofs_writer *w, struct tree_node *top, uint64_t *ret_bytes, struct error *err);

/* The hash that erofs_finish() left in an image, 32 hex digits; for images of other makers their UUID. Caller frees;
 * NULL when it is no EROFS image. */
char *erofs_content_key(int fd, struct error *err);
