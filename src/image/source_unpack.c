/* SPDX-License-Identifier: MPL-2.0 */
/* A tar archive below a folder, with the first name component dropped. */

#include "image/source_unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fs.h"

#define BLOCK_BYTES (128 * 1024)
/* How often progress is told, in entries. */
#define PROGRESS_STEP 64

static void cleanup_reader(struct archive **a)
{
	if (*a)
		archive_read_free(*a);
}

static void cleanup_writer(struct archive **a)
{
	if (*a)
		archive_write_free(*a);
}

static int fail(struct archive *a, const char *what, const char *path, struct error *err)
{
	int errnum = archive_errno(a);

	/* libarchive has words of its own ("Write failed"), and an errno for damaged archives as well. */
	if (errnum == ENOSPC || errnum == EDQUOT || errnum == EACCES || errnum == EIO || errnum == EROFS)
		return error_sys(err, errnum, "%s '%s'", what, path);
	return error_set(err, ERROR_UNSUPPORTED, "cannot %s '%s': %s", what, path,
			 archive_error_string(a) ? archive_error_string(a) : "damaged archive");
}

/* The name below dest; NULL: the top folder itself. ".." anywhere is an error: ret_bad. */
static char *place(const char *dest, const char *name, bool *ret_bad)
{
	_cleanup_strv_ struct strv parts = STRV_INIT;
	const char *rest;

	strv_split(&parts, name, "/");
	*ret_bad = strv_has(&parts, "..");
	while (*name == '/' || (name[0] == '.' && name[1] == '/'))
		name++;
	rest = strchr(name, '/');
	if (*ret_bad || !rest || !rest[strspn(rest, "/")])
		return NULL;
	return fs_join(dest, rest + strspn(rest, "/"));
}

static int copy_data(struct archive *in, struct archive *out, const char *path, struct error *err)
{
	const void *block;
	size_t n;
	la_int64_t offset;
	int rc;

	while ((rc = archive_read_data_block(in, &block, &n, &offset)) == ARCHIVE_OK)
		if (archive_write_data_block(out, block, n, offset) < ARCHIVE_OK)
			return fail(out, "unpack", path, err);
	return rc == ARCHIVE_EOF ? 0 : fail(in, "unpack", path, err);
}

static int unpack_entry(struct archive *in, struct archive *out, struct archive_entry *e, const char *dest,
			struct error *err)
{
	bool is_bad;
	_cleanup_free_ char *to = place(dest, archive_entry_pathname(e), &is_bad);
	const char *link = archive_entry_hardlink(e);

	if (is_bad)
		return error_set(err, ERROR_UNSUPPORTED, "cannot unpack '%s': it leads out of its folder",
				 archive_entry_pathname(e));
	if (!to || (archive_entry_filetype(e) != AE_IFREG && archive_entry_filetype(e) != AE_IFDIR &&
		    archive_entry_filetype(e) != AE_IFLNK && !link))
		return 0;
	archive_entry_set_pathname(e, to);
	if (link) {
		_cleanup_free_ char *target = place(dest, link, &is_bad);

		if (!target)
			return error_set(err, ERROR_UNSUPPORTED, "cannot unpack '%s': odd hard link", to);
		archive_entry_set_hardlink(e, target);
	}
	if (archive_write_header(out, e) < ARCHIVE_OK)
		return fail(out, "unpack", to, err);
	if (archive_entry_size(e) > 0 && copy_data(in, out, to, err) < 0)
		return -1;
	if (archive_write_finish_entry(out) < ARCHIVE_OK)
		return fail(out, "unpack", to, err);
	return 0;
}

int source_unpack(const char *path, const char *dest, const struct progress *progress, struct error *err)
{
	_cleanup_(cleanup_reader) struct archive *in = archive_read_new();
	_cleanup_(cleanup_writer) struct archive *out = archive_write_disk_new();
	struct archive_entry *e;
	struct stat st;
	unsigned n = 0;
	int rc;

	if (fs_mkdir_p(dest, 0755, err) < 0)
		return -1;
	archive_read_support_filter_all(in);
	archive_read_support_format_tar(in);
	archive_write_disk_set_options(out, ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_SECURE_NODOTDOT);
	if (archive_read_open_filename(in, path, BLOCK_BYTES) != ARCHIVE_OK)
		return fail(in, "read archive", path, err);
	if (stat(path, &st) < 0)
		st.st_size = 0;
	while ((rc = archive_read_next_header(in, &e)) == ARCHIVE_OK) {
		if (unpack_entry(in, out, e, dest, err) < 0)
			return -1;
		if (n++ % PROGRESS_STEP == 0)
			progress_bytes(progress, (uint64_t)archive_filter_bytes(in, -1), (uint64_t)st.st_size);
	}
	if (rc != ARCHIVE_EOF)
		return fail(in, "read archive", path, err);
	if (archive_write_close(out) != ARCHIVE_OK)
		return fail(out, "unpack", path, err);
	return 0;
}
