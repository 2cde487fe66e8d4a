/* SPDX-License-Identifier: MPL-2.0 */
/* Roots from what the user has. An image is taken as it is; everything else becomes an EROFS image. */

#include "image/root_build.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/erofs.h"
#include "image/root.h"
#include "image/root_draft.h"
#include "image/root_image.h"
#include "sys/fs.h"

#define HEAD_BYTES 2048

const char *root_add_image_type(const void *head, size_t n)
{
	static const struct {
		const char *type;
		size_t offset, n;
		unsigned char magic[4];
	} table[] = {
		{ "erofs", 1024, 4, { 0xe2, 0xe1, 0xf5, 0xe0 } },
		{ "squashfs", 0, 4, { 'h', 's', 'q', 's' } },
		{ "ext4", 1024 + 56, 2, { 0x53, 0xef } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (n >= table[i].offset + table[i].n &&
		    memcmp((const char *)head + table[i].offset, table[i].magic, table[i].n) == 0)
			return table[i].type;
	return NULL;
}

/* "debian-12.tar.zst" and "/srv/root/" become "debian-12" and "root". Caller frees. */
static char *id_from_name(const char *source)
{
	static const char *const endings[] = { ".gz", ".xz", ".zst", ".bz2", ".lz4", ".tgz", ".txz", ".tar",
					       ".erofs", ".squashfs", ".sqfs", ".ext4", ".img", ".raw" };
	_cleanup_free_ char *trimmed = mem_strdup(source);
	size_t len = strlen(trimmed);
	const char *base;
	char *id;

	while (len > 1 && trimmed[len - 1] == '/')
		trimmed[--len] = '\0';
	base = strrchr(trimmed, '/');
	id = mem_strdup(base ? base + 1 : trimmed);
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (str_ends(id, endings[i]) && strlen(id) > strlen(endings[i]))
			id[strlen(id) - strlen(endings[i])] = '\0';
	for (char *c = id; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("._+-", *c)) ||
		    (c == id && *c == '.'))
			*c = '-';
	return id;
}

/* Hash of a whole file, for images that carry none. */
static char *hash_file(int fd, struct error *err)
{
	static unsigned char buf[1 << 18];
	uint64_t h = HASH_INIT;
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, buf, sizeof(buf), at)) > 0) {
		h = hash_mem(h, buf, (size_t)n);
		at += n;
	}
	if (n < 0) {
		error_sys(err, errno, "read the image");
		return NULL;
	}
	return mem_printf("%016" PRIx64 "%016" PRIx64, h, (uint64_t)at);
}

static int add_image(struct root_draft *d, const char *source, const char *type, struct error *err)
{
	_cleanup_free_ char *image = mem_printf("%s/root.%s", d->at.dir, type);
	_cleanup_close_ int fd = -1;

	if (fs_copy_file(source, image, 0644, err) < 0)
		return -1;
	fd = open(image, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "open '%s'", image);
	/* An EROFS image's UUID is the hash of its content only where we wrote it: others are random or even zero. */
	d->root.key = hash_file(fd, err);
	d->root.image = mem_printf("root.%s", type);
	d->root.fstype = mem_strdup(type);
	return d->root.key ? 0 : -1;
}

static int add_tree(struct root_draft *d, const char *source, bool is_dir, const struct progress *progress, struct error *err)
{
	_cleanup_free_ char *image = fs_join(d->at.dir, "root.erofs");
	_cleanup_root_image_ struct root_image ri = { 0 };
	int r;

	if (is_dir)
		r = root_image_from_dir(source, image, progress, &ri, err);
	else
		r = root_image_from_archive(source, image, NULL, progress, &ri, err);
	if (r < 0)
		return -1;
	d->root.key = take_ptr(ri.key);
	d->root.suite = take_ptr(ri.os_suite);
	d->root.image = mem_strdup("root.erofs");
	d->root.fstype = mem_strdup("erofs");
	strv_add_all(&d->root.packages, ri.packages.v);
	return 0;
}

static int read_head(const char *source, void *head, size_t *ret_n, struct error *err)
{
	_cleanup_close_ int fd = open(source, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, head, HEAD_BYTES, 0);

	if (n < 0)
		return error_sys(err, errno, "read '%s'", source);
	*ret_n = (size_t)n;
	return 0;
}

int root_add(const struct paths *p, const char *source, const struct root_add_options *opt, const struct progress *progress,
	     struct root *ret, struct error *err)
{
	_cleanup_root_draft_ struct root_draft d = ROOT_DRAFT_INIT;
	_cleanup_free_ char *real = fs_real_path(source, err);
	_cleanup_free_ char *id = NULL;
	_cleanup_free_ char *doing = NULL;
	unsigned char head[HEAD_BYTES];
	const char *type = NULL;
	size_t n_head = 0;
	int r;

	if (!real)
		return -1;
	if (!fs_is_dir(real) && read_head(real, head, &n_head, err) < 0)
		return -1;
	type = root_add_image_type(head, n_head);
	id = opt->id ? mem_strdup(opt->id) : id_from_name(real);
	doing = mem_printf("adding root %s", id);
	if (root_draft_begin(p, id, doing, progress, &d, err) < 0)
		return -1;
	progress_stage(progress, "%s %s", type ? "copying" : "making an image of", real);
	r = type ? add_image(&d, real, type, err) : add_tree(&d, real, fs_is_dir(real), progress, err);
	if (r < 0)
		return -1;
	d.root.arch = mem_strdup((opt->arch ? opt->arch : arch_native())->name);
	d.root.origin_text = mem_printf("added from %s", real);
	if (root_draft_finish(&d, err) < 0)
		return -1;
	*ret = d.root;
	d.root = (struct root){ 0 };
	return 0;
}
