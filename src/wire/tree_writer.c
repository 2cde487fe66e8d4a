/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The archive comes from the other side and is not to be trusted. All work is
 * relative to one folder, opened once; each path is walked from there, one
 * component at a time, never through a symbolic link, so that neither the
 * archive's own links nor what stood there before lead out. Files are
 * made anew (O_EXCL after unlink), never written through.
 *
 * Entries come depth first, so the folder of the entry before is kept open.
 */

#include "wire/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/str.h"

struct tree_writer {
	unsigned flags;
	void (*note)(void *ctx, const char *path, const char *text);
	void *ctx;
	int base_fd;
	char root_name[256];		/* of the archive's "" below base_fd; "." for base_fd itself */
	char shown[2 * FILES_PATH_MAX];	/* what the archive's "" becomes, as the user knows it */
	bool has_head, has_root, has_end;

	int parent_fd;			/* the last entry's folder */
	char parent[2 * FILES_PATH_MAX]; /* its path below base_fd */

	int file_fd;			/* the file that DATA goes to; -1: none */
	struct files_entry file;	/* its entry; path and target are not kept */
	char file_path[FILES_PATH_MAX];
	uint64_t offset;		/* where the last DATA ended */

	size_t have;
	uint8_t buf[FILES_RECORD_MAX];
};

/* A path of the archive, in three parts for "'%s%s%s'". */
#define NAMED(w, path) (w)->shown, *(path) ? "/" : "", (path)

static int bad(struct error *err, const char *what)
{
	return error_set(err, ERROR_GUEST, "the archive of files is broken: %s", what);
}

/* dirname and basename of what the user named, trailing slashes dropped. */
static int open_base(struct tree_writer *w, const char *path, const char *name, struct error *err)
{
	char dir[FILES_PATH_MAX];
	size_t n = strlen(path);
	struct stat st;
	char *slash;

	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n == 0 || n >= sizeof(dir))
		return error_set(err, ERROR_USAGE, "'%s' is no place for files", path);
	memcpy(dir, path, n);
	dir[n] = '\0';
	memcpy(w->shown, dir, n + 1);
	slash = strrchr(dir, '/');
	if (name[0] && stat(dir, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (strlen(name) >= sizeof(w->root_name) || !files_path_ok(name) || strchr(name, '/'))
			return error_set(err, ERROR_USAGE, "'%s' is no name for a file", name);
		strcpy(w->root_name, name);
		strcpy(stpcpy(w->shown + n, n == 1 && *dir == '/' ? "" : "/"), name);
		w->base_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode)) {
		strcpy(w->root_name, ".");
		w->base_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		const char *base = slash ? slash + 1 : dir;

		if (strlen(base) >= sizeof(w->root_name) || !files_path_ok(base))
			return error_set(err, ERROR_USAGE, "'%s' is no place for files", path);
		strcpy(w->root_name, base);
		if (slash)
			slash[slash == dir] = '\0';
		w->base_fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (w->base_fd < 0)
		return error_sys(err, errno, "open the folder of '%s'", w->shown);
	return 0;
}

int tree_writer_new(const char *path, const char *name, unsigned flags,
		    void (*note)(void *ctx, const char *path, const char *text), void *ctx, struct tree_writer **ret,
		    struct error *err)
{
	_cleanup_(cleanup_tree_writer_free) struct tree_writer *w = mem_alloc(sizeof(*w));

	w->flags = flags;
	w->note = note;
	w->ctx = ctx;
	w->base_fd = w->parent_fd = w->file_fd = -1;
	if (open_base(w, path, name, err) < 0)
		return -1;
	*ret = take_ptr(w);
	return 0;
}

void tree_writer_call(struct tree_writer *w, const char *shown)
{
	if (strlen(shown) < sizeof(w->shown))
		strcpy(w->shown, shown);
}

void tree_writer_free(struct tree_writer *w)
{
	close_fd(&w->base_fd);
	close_fd(&w->parent_fd);
	close_fd(&w->file_fd);
	free(w);
}

/* Opens a folder below base_fd by its path, without following anything. */
static int open_folder(const struct tree_writer *w, const char *path)
{
	_cleanup_close_ int fd = openat(w->base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (fd >= 0 && *path) {
		size_t n = strcspn(path, "/");
		char name[256];
		int next;

		if (n >= sizeof(name)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, path, n);
		name[n] = '\0';
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -1;
		close(fd);
		fd = next;
		path += n + (path[n] == '/');
	}
	return take_fd(&fd);
}

/* Splits "<root name>/<path>" into folder and last name. */
static int split(const struct tree_writer *w, const char *path, char *folder, size_t cap, const char **ret_name)
{
	bool at_base = strcmp(w->root_name, ".") == 0;
	char *slash;

	if (!files_path_ok(path) || strlen(path) + sizeof(w->root_name) + 2 > cap)
		return -1;
	if (at_base)
		strcpy(folder, *path ? path : ".");
	else
		strcpy(stpcpy(stpcpy(folder, w->root_name), *path ? "/" : ""), path);
	slash = strrchr(folder, '/');
	if (slash) {
		*slash = '\0';
		*ret_name = slash + 1;
	} else {
		/* The name lies at the end of the buffer, the folder is base_fd. */
		size_t n = strlen(folder);

		memmove(folder + 1, folder, n + 1);
		folder[0] = '\0';
		*ret_name = folder + 1;
	}
	return 0;
}

/* Folder and name of an entry's path; the folder's descriptor is borrowed. */
static int locate(struct tree_writer *w, const char *path, char *buf, size_t cap, const char **ret_name, struct error *err)
{
	if (split(w, path, buf, cap, ret_name) < 0)
		return bad(err, "a path that leads out of it");
	if (w->parent_fd < 0 || strcmp(w->parent, buf) != 0) {
		close_fd(&w->parent_fd);
		w->parent_fd = open_folder(w, buf);
		if (w->parent_fd < 0)
			return error_sys(err, errno, "enter the folder of '%s%s%s'", NAMED(w, path));
		strcpy(w->parent, buf);
	}
	return w->parent_fd;
}

static void left_out(struct tree_writer *w, const char *path, const char *text)
{
	if (w->note)
		w->note(w->ctx, path, text);
}

static mode_t permitted(const struct tree_writer *w, uint32_t mode)
{
	return (mode_t)(mode & (w->flags & TREE_PRIVILEGED ? 07777 : 0777));
}

static void times(uint64_t s, uint32_t ns, struct timespec ret[2])
{
	ret[0] = (struct timespec){ .tv_nsec = UTIME_OMIT };
	ret[1] = (struct timespec){ .tv_sec = (time_t)s, .tv_nsec = (long)(ns < 1000000000u ? ns : 0) };
}

/* Owner, mode, time: in this order, because chown takes set-id bits away. */
static int finish_file(struct tree_writer *w, struct error *err)
{
	_cleanup_close_ int fd = take_fd(&w->file_fd);
	struct timespec ts[2];

	if (fd < 0)
		return 0;
	times(w->file.mtime_s, w->file.mtime_ns, ts);
	if (((w->flags & TREE_PRIVILEGED) && fchown(fd, w->file.uid, w->file.gid) < 0) ||
	    fchmod(fd, permitted(w, w->file.mode)) < 0 || futimens(fd, ts) < 0)
		return error_sys(err, errno, "set mode and time of '%s%s%s'", NAMED(w, w->file_path));
	/* A network's file system may find out only here that it has no room. */
	if (close(take_fd(&fd)) < 0 && errno != EINTR)
		return error_sys(err, errno, "write '%s%s%s'", NAMED(w, w->file_path));
	return 0;
}

static int make_file(struct tree_writer *w, const struct files_entry *e, int dir, const char *name)
{
	int fd;

	if (e->size > INT64_MAX) {
		errno = EFBIG;
		return -1;
	}
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -1;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	w->file_fd = fd;
	w->file = *e;
	w->file.path = w->file.target = NULL;
	strcpy(w->file_path, e->path);
	w->offset = 0;
	return ftruncate(fd, (off_t)e->size);
}

static int make_dir(struct tree_writer *w, const struct files_entry *e, int dir, const char *name)
{
	struct stat st;

	/* Ours to enter until LEAVE gives it its own mode. */
	if (mkdirat(dir, name, 0700) == 0)
		return w->flags & TREE_PRIVILEGED ? fchownat(dir, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) : 0;
	if (errno != EEXIST)
		return -1;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return -1;
	}
	return 0;
}

static int make_hard_link(struct tree_writer *w, const struct files_entry *e, int dir, const char *name)
{
	char buf[2 * FILES_PATH_MAX];
	_cleanup_close_ int from = -1;
	const char *from_name;

	if (split(w, e->target, buf, sizeof(buf), &from_name) < 0) {
		errno = EINVAL;
		return -1;
	}
	from = open_folder(w, buf);
	if (from < 0 || (unlinkat(dir, name, 0) < 0 && errno != ENOENT))
		return -1;
	return linkat(from, from_name, dir, name, 0);
}

/* Links and special files: replaced, never opened. */
static int make_node(struct tree_writer *w, const struct files_entry *e, int dir, const char *name)
{
	struct timespec ts[2];
	int r;

	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -1;
	if (e->kind == FILES_SYMLINK)
		r = symlinkat(e->target, dir, name);
	else
		r = mknodat(dir, name,
			    (mode_t)(e->kind == FILES_FIFO ? S_IFIFO :
				     e->kind == FILES_CHAR ? S_IFCHR :
							     S_IFBLK) |
				    0600,
			    makedev(e->major, e->minor));
	if (r < 0)
		return -1;
	if ((w->flags & TREE_PRIVILEGED) && fchownat(dir, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (e->kind != FILES_SYMLINK && fchmodat(dir, name, permitted(w, e->mode), 0) < 0)
		return -1;
	times(e->mtime_s, e->mtime_ns, ts);
	return utimensat(dir, name, ts, AT_SYMLINK_NOFOLLOW);
}

static int on_entry(struct tree_writer *w, const struct wire_frame *f, struct error *err)
{
	char buf[2 * FILES_PATH_MAX];
	struct files_entry e;
	const char *name;
	int dir, r;

	if (files_get_entry(f, &e) != WIRE_OK || strlen(e.target) >= FILES_PATH_MAX)
		return bad(err, "an entry that does not decode");
	if (!w->has_root != !e.path[0])
		return bad(err, "its first entry, and only that, must be the root");
	w->has_root = true;
	dir = locate(w, e.path, buf, sizeof(buf), &name, err);
	if (dir < 0)
		return -1;
	switch (e.kind) {
	case FILES_FILE:
		r = make_file(w, &e, dir, name);
		break;
	case FILES_DIR:
		r = make_dir(w, &e, dir, name);
		break;
	case FILES_SYMLINK:
		r = make_node(w, &e, dir, name);
		break;
	case FILES_HARDLINK:
		r = make_hard_link(w, &e, dir, name);
		break;
	case FILES_FIFO:
	case FILES_CHAR:
	case FILES_BLOCK:
		if (!(w->flags & TREE_PRIVILEGED)) {
			left_out(w, e.path, "fifos and device nodes are not made here");
			return 0;
		}
		r = make_node(w, &e, dir, name);
		break;
	default:
		return bad(err, "an entry of unknown kind");
	}
	return r < 0 ? error_sys(err, errno, "make '%s%s%s'", NAMED(w, e.path)) : 0;
}

static int on_data(struct tree_writer *w, const struct wire_frame *f, struct error *err)
{
	struct files_data m;
	size_t done = 0;

	if (files_get_data(f, &m) != WIRE_OK || w->file_fd < 0 || m.offset < w->offset || m.offset > w->file.size ||
	    m.data.len > w->file.size - m.offset)
		return bad(err, "data that belongs to no file");
	while (done < m.data.len) {
		ssize_t n = pwrite(w->file_fd, (const uint8_t *)m.data.p + done, m.data.len - done, (off_t)(m.offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_sys(err, n < 0 ? errno : EIO, "write '%s%s%s'", NAMED(w, w->file_path));
		done += (size_t)n;
	}
	w->offset = m.offset + m.data.len;
	return 0;
}

static int on_leave(struct tree_writer *w, const struct wire_frame *f, struct error *err)
{
	char buf[2 * FILES_PATH_MAX];
	_cleanup_close_ int fd = -1;
	struct timespec ts[2];
	struct files_leave m;
	const char *name;
	int dir;

	if (files_get_leave(f, &m) != WIRE_OK || !w->has_root)
		return bad(err, "the end of a folder that does not decode");
	dir = locate(w, m.path, buf, sizeof(buf), &name, err);
	if (dir < 0)
		return -1;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	times(m.mtime_s, m.mtime_ns, ts);
	/* Somebody else's folder that was joined (/tmp) stays as it is. */
	if (fd < 0 || ((fchmod(fd, permitted(w, m.mode)) < 0 || futimens(fd, ts) < 0) && errno != EPERM))
		return error_sys(err, errno, "set mode and time of folder '%s%s%s'", NAMED(w, m.path));
	return 0;
}

static int on_note(struct tree_writer *w, const struct wire_frame *f, struct error *err)
{
	struct files_note m;

	if (files_get_note(f, &m) != WIRE_OK)
		return bad(err, "a note that does not decode");
	left_out(w, m.path, m.text);
	return 0;
}

static int on_record(struct tree_writer *w, const struct wire_frame *f, struct error *err)
{
	struct files_head head;
	struct files_end end;

	if (w->has_end)
		return bad(err, "more behind its end");
	if (!w->has_head) {
		if (files_get_head(f, &head) != WIRE_OK)
			return bad(err, "it does not begin as one");
		if (head.version != FILES_VERSION)
			return error_set(err, ERROR_UNSUPPORTED, "an archive of files of version %u, and %u is known here",
					 head.version, FILES_VERSION);
		w->has_head = true;
		return 0;
	}
	if (f->type == FILES_DATA)
		return on_data(w, f, err);
	if (f->type == FILES_NOTE) /* may speak of the file whose data is coming */
		return on_note(w, f, err);
	if (finish_file(w, err) < 0)
		return -1;
	if (f->type == FILES_ENTRY)
		return on_entry(w, f, err);
	if (f->type == FILES_LEAVE)
		return on_leave(w, f, err);
	if (files_get_end(f, &end) != WIRE_OK)
		return bad(err, "its end does not decode");
	w->has_end = true;
	return 0;
}

/* The whole records at the start of mem. Their bytes, or -1. */
static ssize_t take_records(struct tree_writer *w, const uint8_t *mem, size_t n, struct error *err)
{
	size_t at = 0, size;
	struct wire_frame f;
	enum wire_status st;

	while ((st = files_record_get(mem + at, n - at, &f, &size)) == WIRE_OK) {
		if (on_record(w, &f, err) < 0)
			return -1;
		at += size;
	}
	return st == WIRE_BAD ? bad(err, "bytes that are no record") : (ssize_t)at;
}

/* How many bytes the record that was cut in two wants, as far as it is known. */
static size_t missing(const struct tree_writer *w)
{
	const uint8_t *p = w->buf;

	if (w->have < WIRE_HEADER_SIZE)
		return WIRE_HEADER_SIZE - w->have;
	/* files_record_get() has seen the length and found it good. */
	return WIRE_HEADER_SIZE + ((size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24) - w->have;
}

int tree_writer_write(struct tree_writer *w, const void *mem, size_t n, struct error *err)
{
	const uint8_t *p = mem;
	ssize_t taken;

	while (n > 0) {
		if (!w->have) { /* straight from the caller's buffer; only what is cut off at its end is kept */
			taken = take_records(w, p, n, err);
			if (taken < 0)
				return -1;
			p += taken;
			n -= (size_t)taken;
		}
		size_t chunk = missing(w) < n ? missing(w) : n;

		memcpy(w->buf + w->have, p, chunk);
		w->have += chunk;
		p += chunk;
		n -= chunk;
		taken = take_records(w, w->buf, w->have, err);
		if (taken < 0)
			return -1;
		memmove(w->buf, w->buf + taken, w->have - (size_t)taken);
		w->have -= (size_t)taken;
	}
	return 0;
}

int tree_writer_finish(struct tree_writer *w, struct error *err)
{
	if (!w->has_end || w->have)
		return error_set(err, ERROR_GUEST, "the archive of files for '%s' ended early: what is there is incomplete",
				 w->shown);
	return 0;
}
