/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Two libarchive readers, one inside the other: the outer one walks the ar
 * members, the inner one reads data.tar.* from the member's bytes.
 */

#include "image/deb.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fs.h"

DEFINE_CLEANUP(struct archive *, archive_read_free)
DEFINE_CLEANUP(struct archive *, archive_write_free)

struct member {
	struct archive *outer;
	char buf[1 << 16];
};

static la_ssize_t read_member(struct archive *inner, void *ctx, const void **ret)
{
	struct member *m = ctx;
	la_ssize_t n = archive_read_data(m->outer, m->buf, sizeof(m->buf));

	if (n < 0)
		archive_set_error(inner, archive_errno(m->outer), "%s", archive_error_string(m->outer));
	*ret = m->buf;
	return n;
}

/* errno of libarchive is -1 or a made-up number when it is about the format. */
static int archive_fail(struct archive *a, const char *what, struct error *err)
{
	int e = archive_errno(a);
	const char *text = archive_error_string(a);

	if (e == ENOSPC || e == EDQUOT || e == EACCES || e == EIO || e == EROFS)
		return error_sys(err, e, "unpack '%s'", what);
	return error_set(err, ERROR_SYSTEM, "cannot unpack '%s': %s", what, text ? text : "it is damaged");
}

static int copy_data(struct archive *from, struct archive *to)
{
	const void *block;
	size_t size;
	la_int64_t offset;
	int r;

	while ((r = archive_read_data_block(from, &block, &size, &offset)) == ARCHIVE_OK)
		if (archive_write_data_block(to, block, size, offset) < ARCHIVE_OK)
			return -1;
	return r == ARCHIVE_EOF ? 0 : 1;
}

static const char *clean_path(const char *path)
{
	if (!path)
		return "";
	while (*path == '/' || (path[0] == '.' && path[1] == '/'))
		path++;
	return str_eq(path, ".") ? "" : path;
}

/* Puts the entry below dest; 1: leave it out. */
static int place_entry(struct archive_entry *e, const char *dest, deb_place_fn *place, void *ctx)
{
	const char *path = clean_path(archive_entry_pathname(e));
	const char *hard = archive_entry_hardlink(e);
	_cleanup_free_ char *to = NULL, *full = NULL;
	mode_t type = archive_entry_filetype(e);

	if (!*path || !(type == AE_IFREG || type == AE_IFDIR || type == AE_IFLNK || hard))
		return 1;
	if (hard) {
		_cleanup_free_ char *target = place ? place(ctx, clean_path(hard)) : mem_strdup(clean_path(hard));
		_cleanup_free_ char *target_full = target ? fs_join(dest, target) : NULL;

		if (!target || strstr(target, ".."))
			return 1;
		archive_entry_set_hardlink(e, target_full);
	}
	to = place ? place(ctx, path) : mem_strdup(path);
	if (!to || !*to || *to == '/')
		return 1;
	full = fs_join(dest, to);
	archive_entry_set_pathname(e, full);
	if (type == AE_IFDIR)
		archive_entry_set_perm(e, archive_entry_perm(e) | 0700);
	else if (type == AE_IFREG)
		archive_entry_set_perm(e, (archive_entry_perm(e) & 0777) | 0600);
	return 0;
}

static int unpack_tar(struct archive *tar, const char *deb, const char *dest, deb_place_fn *place, void *ctx,
		      struct error *err)
{
	_cleanup_(cleanup_archive_write_free) struct archive *disk = archive_write_disk_new();
	struct archive_entry *e;
	int r;

	archive_write_disk_set_options(disk, ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_UNLINK |
						     ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_SYMLINKS);
	while ((r = archive_read_next_header(tar, &e)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		if (place_entry(e, dest, place, ctx))
			continue;
		if (archive_write_header(disk, e) < ARCHIVE_OK)
			return archive_fail(disk, deb, err);
		r = copy_data(tar, disk);
		if (r)
			return archive_fail(r < 0 ? disk : tar, deb, err);
		if (archive_write_finish_entry(disk) < ARCHIVE_OK)
			return archive_fail(disk, deb, err);
	}
	if (r != ARCHIVE_EOF)
		return archive_fail(tar, deb, err);
	return archive_write_close(disk) < ARCHIVE_OK ? archive_fail(disk, deb, err) : 0;
}

int deb_unpack(const char *deb, const char *dest, deb_place_fn *place, void *ctx, struct error *err)
{
	_cleanup_(cleanup_archive_read_free) struct archive *outer = archive_read_new();
	_cleanup_(cleanup_archive_read_free) struct archive *tar = NULL;
	_cleanup_free_ char *real = fs_real_path(dest, err); /* SECURE_SYMLINKS dislikes links above dest as well */
	_cleanup_free_ struct member *m = mem_alloc(sizeof(*m));
	struct archive_entry *e;
	int r;

	if (!real)
		return -1;
	archive_read_support_format_ar(outer);
	if (archive_read_open_filename(outer, deb, 1 << 16) != ARCHIVE_OK)
		return archive_fail(outer, deb, err);
	while ((r = archive_read_next_header(outer, &e)) == ARCHIVE_OK)
		if (str_starts(archive_entry_pathname(e), "data.tar"))
			break;
	if (r != ARCHIVE_OK)
		return r == ARCHIVE_EOF ? error_set(err, ERROR_SYSTEM, "cannot unpack '%s': no data.tar in it", deb) :
					  archive_fail(outer, deb, err);
	m->outer = outer;
	tar = archive_read_new();
	archive_read_support_format_tar(tar);
	archive_read_support_filter_all(tar);
	if (archive_read_open(tar, m, NULL, read_member, NULL) != ARCHIVE_OK)
		return archive_fail(tar, deb, err);
	return unpack_tar(tar, deb, real, place, ctx, err);
}
