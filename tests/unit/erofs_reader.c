/* SPDX-License-Identifier: MPL-2.0 */
#include "erofs_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define BLOCK 4096u

static uint64_t le(const struct erofs_image *im, uint64_t at, unsigned bytes)
{
	uint64_t v = 0;

	assert_true(at + bytes <= im->n);
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)im->p[at + i] << (8 * i);
	return v;
}

void erofs_image_open(struct erofs_image *im, const char *path)
{
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	im->n = 8u << 20; /* the images of the tests are small, whatever their capacity */
	im->p = malloc(im->n);
	assert_non_null(im->p);
	im->n = fread(im->p, 1, im->n, f);
	fclose(f);
	assert_int_equal(le(im, 1024, 4), 0xE0F5E1E2);
	assert_int_equal(le(im, 1024 + 12, 1), 12);
	im->meta = (uint32_t)le(im, 1024 + 40, 4);
	assert_int_equal(le(im, 1024 + 80, 4), 0);
	/* the image ends within what it says it has */
	assert_true(le(im, 1024 + 36, 4) * BLOCK <= im->n);
}

void erofs_image_close(struct erofs_image *im)
{
	free(im->p);
}

static void read_inode(const struct erofs_image *im, uint64_t nid, struct erofs_file *f)
{
	uint64_t at = (uint64_t)im->meta * BLOCK + nid * 32, plain;
	unsigned format = (unsigned)le(im, at, 2), icount = (unsigned)le(im, at + 2, 2);
	unsigned layout = format >> 1 & 7, tail = 0;
	size_t xattr_bytes = icount ? 12 + (icount - 1) * 4 : 0;
	uint64_t block = le(im, at + 16, 4);

	assert_int_equal(format & 1, 1);
	assert_true(layout == 0 || layout == 2);
	*f = (struct erofs_file){
		.mode = (uint32_t)le(im, at + 4, 2), .size = le(im, at + 8, 8), .ino = (uint32_t)le(im, at + 20, 4),
		.uid = (uint32_t)le(im, at + 24, 4), .gid = (uint32_t)le(im, at + 28, 4), .mtime = le(im, at + 32, 8),
		.n_links = (uint32_t)le(im, at + 44, 4), .nid = nid, .xattrs = im->p + at + 64, .n_xattrs = xattr_bytes,
	};
	assert_true(f->size < (1u << 28));
	f->data = malloc(f->size + 1);
	assert_non_null(f->data);
	if (layout == 2) {
		tail = (unsigned)(f->size % BLOCK);
		/* the kernel refuses inline data that crosses a block */
		assert_true((at + 64 + xattr_bytes) / BLOCK == (at + 64 + xattr_bytes + tail - 1) / BLOCK);
	}
	plain = f->size - tail;
	assert_true(block * BLOCK + plain <= im->n);
	memcpy(f->data, im->p + block * BLOCK, plain);
	assert_true(at + 64 + xattr_bytes + tail <= im->n);
	memcpy(f->data + plain, im->p + at + 64 + xattr_bytes, tail);
	f->data[f->size] = '\0';
}

void erofs_file_clear(struct erofs_file *f)
{
	free(f->data);
	f->data = NULL;
}

typedef void entry_fn(void *ctx, const char *name, uint64_t nid, unsigned type);

static void each_entry(const struct erofs_file *dir, entry_fn *fn, void *ctx)
{
	for (uint64_t b = 0; b < dir->size; b += BLOCK) {
		const unsigned char *p = dir->data + b;
		size_t n = dir->size - b < BLOCK ? dir->size - b : BLOCK;
		unsigned count, first = p[8] | p[9] << 8;

		assert_true(first >= 12 && first % 12 == 0 && first <= n);
		count = first / 12;
		for (unsigned i = 0; i < count; i++) {
			uint64_t nid = 0;
			unsigned off = p[i * 12 + 8] | p[i * 12 + 9] << 8, end;
			char name[256];

			for (unsigned k = 0; k < 8; k++)
				nid |= (uint64_t)p[i * 12 + k] << (8 * k);
			end = i + 1 < count ? (unsigned)(p[i * 12 + 20] | p[i * 12 + 21] << 8) : (unsigned)n;
			assert_true(off < end && end <= n);
			if (i + 1 == count)
				end = off + (unsigned)strnlen((const char *)p + off, end - off);
			assert_true(end - off < sizeof(name));
			memcpy(name, p + off, end - off);
			name[end - off] = '\0';
			fn(ctx, name, nid, p[i * 12 + 10]);
		}
	}
}

struct lookup {
	const char *name;
	size_t len;
	uint64_t nid;
	bool found;
};

static void match(void *ctx, const char *name, uint64_t nid, unsigned type)
{
	struct lookup *l = ctx;

	if (strlen(name) == l->len && memcmp(name, l->name, l->len) == 0) {
		l->nid = nid;
		l->found = true;
	}
}

int erofs_image_find(const struct erofs_image *im, const char *path, struct erofs_file *ret)
{
	read_inode(im, le(im, 1024 + 14, 2), ret);
	while (*(path += strspn(path, "/"))) {
		struct lookup l = { .name = path, .len = strcspn(path, "/") };

		if (S_ISDIR(ret->mode))
			each_entry(ret, match, &l);
		erofs_file_clear(ret);
		if (!l.found)
			return 0;
		read_inode(im, l.nid, ret);
		path += l.len;
	}
	return 1;
}

struct check {
	const struct erofs_image *im;
	uint64_t self, parent;
	char last[256];
	unsigned n_dots, n_folders;
	size_t n_names;
};

static size_t check_dir(const struct erofs_image *im, uint64_t nid, uint64_t parent);

static void check_entry(void *ctx, const char *name, uint64_t nid, unsigned type)
{
	static const mode_t types[] = { 0, S_IFREG, S_IFDIR, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK, S_IFLNK };
	struct check *c = ctx;
	struct erofs_file f;

	/* lookups bisect: the order is by bytes, over all blocks */
	assert_true(strcmp(c->last, name) < 0);
	assert_true(strlen(name) < sizeof(c->last));
	memcpy(c->last, name, strlen(name) + 1);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		assert_int_equal(nid, name[1] ? c->parent : c->self);
		assert_int_equal(type, 2);
		c->n_dots++;
		return;
	}
	read_inode(c->im, nid, &f);
	assert_true(type < 8);
	assert_int_equal(f.mode & S_IFMT, types[type]);
	c->n_names++;
	if (S_ISDIR(f.mode)) {
		c->n_folders++;
		c->n_names += check_dir(c->im, nid, c->self);
	}
	erofs_file_clear(&f);
}

static size_t check_dir(const struct erofs_image *im, uint64_t nid, uint64_t parent)
{
	struct check c = { .im = im, .self = nid, .parent = parent };
	struct erofs_file dir;

	read_inode(im, nid, &dir);
	assert_true(S_ISDIR(dir.mode));
	each_entry(&dir, check_entry, &c);
	assert_int_equal(c.n_dots, 2);
	assert_int_equal(dir.n_links, 2 + c.n_folders);
	erofs_file_clear(&dir);
	return c.n_names;
}

size_t erofs_image_check(const struct erofs_image *im)
{
	uint64_t root = le(im, 1024 + 14, 2);

	return check_dir(im, root, root);
}
