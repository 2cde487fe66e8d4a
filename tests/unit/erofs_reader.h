/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A second reading of the EROFS format for tests, written from the kernel's
 * erofs_fs.h and not from our writer. Every read is checked against the end of
 * the image; a failure ends the test.
 */

#include <stddef.h>
#include <stdint.h>

struct erofs_image {
	unsigned char *p; /* owned */
	size_t n;
	uint32_t meta;	  /* meta_blkaddr */
};

struct erofs_file {
	uint32_t mode, uid, gid, n_links, ino;
	uint64_t size, mtime, nid;
	unsigned char *data; /* owned; content of a file, target of a link, blocks of a folder */
	unsigned char *xattrs; /* borrowed */
	size_t n_xattrs;     /* bytes */
};

void erofs_image_open(struct erofs_image *im, const char *path);
void erofs_image_close(struct erofs_image *im);

/* Follows no links. False when there is none. */
int erofs_image_find(const struct erofs_image *im, const char *path, struct erofs_file *ret);
void erofs_file_clear(struct erofs_file *f);

/* Walks everything, checking order, "." and "..", types and bounds. Returns the number of names. */
size_t erofs_image_check(const struct erofs_image *im);
