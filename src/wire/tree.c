/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Reader: one record per step, depth first, with an explicit stack of open
 * folders, so that it can stop after any record. Files are opened relative
 * to their folder and without following links, and looked at again once
 * open: a tree may change while it is read.
 */

#include "wire/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/str.h"

#define DEPTH_MAX 128	/* folders within each other; each holds a descriptor */

struct level {
	DIR *dir;
	size_t path_len; /* of this folder's own path */
	struct stat st;
	bool is_broken;	 /* its names can not be read to their end, which was said */
};

struct link {
	dev_t dev;
	ino_t ino;
	char *path; /* owned; where it was archived */
};

struct tree_reader {
	enum { AT_HEAD, AT_ROOT, IN_TREE, AT_END, OVER } state;
	int root_fd;
	struct stat root_st;
	struct level stack[DEPTH_MAX];
	size_t depth;
	char path[FILES_PATH_MAX];
	int file_fd; /* whose data is being sent; -1: none */
	uint64_t pos, data_end, size;
	struct link *links; /* of files with several names */
	size_t n_links;
	uint64_t n_entries, n_notes;
};

int tree_reader_new(const char *path, struct tree_reader **ret, struct error *err)
{
	_cleanup_(cleanup_tree_reader_free) struct tree_reader *r = mem_alloc(sizeof(*r));

	r->file_fd = -1;
	r->root_fd = -1;
	if (stat(path, &r->root_st) < 0)
		return error_sys(err, errno, "read '%s'", path);
	if (S_ISREG(r->root_st.st_mode) || S_ISDIR(r->root_st.st_mode)) {
		r->root_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (r->root_fd < 0 || fstat(r->root_fd, &r->root_st) < 0)
			return error_sys(err, errno, "read '%s'", path);
	}
	*ret = take_ptr(r);
	return 0;
}

void tree_reader_free(struct tree_reader *r)
{
	while (r->depth)
		closedir(r->stack[--r->depth].dir);
	close_fd(&r->root_fd);
	close_fd(&r->file_fd);
	for (size_t i = 0; i < r->n_links; i++)
		free(r->links[i].path);
	free(r->links);
	free(r);
}

static size_t put_note(struct tree_reader *r, void *buf, size_t cap, int errnum, const char *text)
{
	r->n_notes++;
	return files_put_note(buf, cap,
			      &(struct files_note){
				      .errnum = (uint32_t)errnum, .path = r->path, .text = text ? text : strerror(errnum) });
}

/* Path under which an earlier name of the file was archived, or NULL (and it is remembered). */
static const char *earlier_name(struct tree_reader *r, const struct stat *st)
{
	struct link *l;

	for (size_t i = 0; i < r->n_links; i++)
		if (r->links[i].ino == st->st_ino && r->links[i].dev == st->st_dev)
			return r->links[i].path;
	l = VEC_PUSH(r->links, r->n_links);
	l->dev = st->st_dev;
	l->ino = st->st_ino;
	l->path = mem_strdup(r->path);
	return NULL;
}

static size_t put_entry(struct tree_reader *r, void *buf, size_t cap, const struct stat *st, enum files_kind kind,
			const char *target)
{
	r->n_entries++;
	return files_put_entry(buf, cap,
			       &(struct files_entry){
				       .kind = (uint8_t)kind,
				       .mode = st->st_mode & 07777,
				       .uid = st->st_uid,
				       .gid = st->st_gid,
				       .mtime_s = (uint64_t)st->st_mtim.tv_sec,
				       .mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
				       .size = kind == FILES_FILE ? (uint64_t)st->st_size : 0,
				       .major = kind == FILES_CHAR || kind == FILES_BLOCK ? major(st->st_rdev) : 0,
				       .minor = kind == FILES_CHAR || kind == FILES_BLOCK ? minor(st->st_rdev) : 0,
				       .path = r->path,
				       .target = target ? target : "",
			       });
}

/* An opened file or folder: its data or its entries come next. */
static size_t enter(struct tree_reader *r, int fd_consumed, const struct stat *st, void *buf, size_t cap)
{
	_cleanup_close_ int fd = fd_consumed;
	struct level *l;

	if (S_ISREG(st->st_mode)) {
		const char *earlier = st->st_nlink > 1 ? earlier_name(r, st) : NULL;

		if (earlier)
			return put_entry(r, buf, cap, st, FILES_HARDLINK, earlier);
		r->file_fd = take_fd(&fd);
		r->pos = r->data_end = 0;
		r->size = (uint64_t)st->st_size;
		return put_entry(r, buf, cap, st, FILES_FILE, NULL);
	}
	if (r->depth == DEPTH_MAX)
		return put_note(r, buf, cap, ELOOP, "too many folders within each other");
	l = &r->stack[r->depth];
	l->dir = fdopendir(fd);
	if (!l->dir)
		return put_note(r, buf, cap, errno, NULL);
	take_fd(&fd);
	l->path_len = strlen(r->path);
	l->is_broken = false;
	l->st = *st;
	r->depth++;
	return put_entry(r, buf, cap, st, FILES_DIR, NULL);
}

/* A name in an open folder, or the root (dirfd -1, already looked at). */
static size_t put_special(struct tree_reader *r, int dirfd_, const char *name, const struct stat *st, void *buf, size_t cap)
{
	char target[FILES_PATH_MAX];
	ssize_t n;

	switch (st->st_mode & S_IFMT) {
	case S_IFLNK:
		n = readlinkat(dirfd_, name, target, sizeof(target) - 1);
		if (n < 0)
			return put_note(r, buf, cap, errno, NULL);
		target[n] = '\0';
		return put_entry(r, buf, cap, st, FILES_SYMLINK, target);
	case S_IFIFO:
		return put_entry(r, buf, cap, st, FILES_FIFO, NULL);
	case S_IFCHR:
		return put_entry(r, buf, cap, st, FILES_CHAR, NULL);
	case S_IFBLK:
		return put_entry(r, buf, cap, st, FILES_BLOCK, NULL);
	}
	return put_note(r, buf, cap, EOPNOTSUPP, "sockets are not copied");
}

static size_t put_name(struct tree_reader *r, const char *name, void *buf, size_t cap)
{
	int dir = dirfd(r->stack[r->depth - 1].dir), fd;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return put_note(r, buf, cap, errno, NULL);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return put_special(r, dir, name, &st, buf, cap);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return put_note(r, buf, cap, errno, NULL);
	if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
		close(fd);
		return put_note(r, buf, cap, EAGAIN, "changed while it was read");
	}
	return enter(r, fd, &st, buf, cap);
}

/* Next piece of the current file; 0: the file is through. */
static size_t put_data(struct tree_reader *r, void *buf, size_t cap)
{
	/* Read to where the record has it: nothing is copied twice. */
	uint8_t *data = (uint8_t *)buf + FILES_DATA_HEADER;
	uint64_t most = FILES_DATA_MAX;
	size_t size;
	ssize_t n;

	if (r->pos >= r->data_end && r->pos < r->size) {
		off_t start = lseek(r->file_fd, (off_t)r->pos, SEEK_DATA), hole;

		if (start < 0 && errno == ENXIO) { /* a hole to the end */
			r->pos = r->size;
		} else if (start < 0) { /* a file system that knows nothing of holes */
			r->data_end = r->size;
		} else {
			r->pos = (uint64_t)start;
			hole = lseek(r->file_fd, start, SEEK_HOLE);
			r->data_end = hole < 0 ? r->size : (uint64_t)hole;
		}
	}
	if (r->pos >= r->size)
		return 0;
	if (most > r->data_end - r->pos)
		most = r->data_end - r->pos;
	if (most > r->size - r->pos)
		most = r->size - r->pos;
	do
		n = pread(r->file_fd, data, (size_t)most, (off_t)r->pos);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		r->pos = r->size;
		return put_note(r, buf, cap, n < 0 ? errno : EAGAIN, n < 0 ? NULL : "became shorter while it was read");
	}
	size = files_put_data(buf, cap,
			      &(struct files_data){ .offset = r->pos, .data = { .p = data, .len = (uint32_t)n } });
	r->pos += (uint64_t)n;
	return size;
}

/* Next name of the innermost folder, or its end. */
static size_t step_folder(struct tree_reader *r, void *buf, size_t cap)
{
	struct level *l = &r->stack[r->depth - 1];
	struct dirent *d;
	size_t size;

	r->path[l->path_len] = '\0';
	do {
		errno = 0;
		d = readdir(l->dir);
	} while (d && (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0));
	if (!d && errno && !l->is_broken) { /* once: what is behind it can not be had */
		l->is_broken = true;
		return put_note(r, buf, cap, errno, "the rest of the folder can not be read");
	}
	if (d) {
		size_t n = strlen(d->d_name), at = l->path_len;

		if (at + n + 2 > sizeof(r->path))
			return put_note(r, buf, cap, ENAMETOOLONG, NULL);
		if (at)
			r->path[at++] = '/';
		memcpy(r->path + at, d->d_name, n + 1);
		return put_name(r, d->d_name, buf, cap);
	}
	size = files_put_leave(buf, cap,
			       &(struct files_leave){
				       .mode = l->st.st_mode & 07777,
				       .mtime_s = (uint64_t)l->st.st_mtim.tv_sec,
				       .mtime_ns = (uint32_t)l->st.st_mtim.tv_nsec,
				       .path = r->path,
			       });
	closedir(l->dir);
	r->depth--;
	return size;
}

static size_t step_root(struct tree_reader *r, void *buf, size_t cap)
{
	if (r->root_fd >= 0)
		return enter(r, take_fd(&r->root_fd), &r->root_st, buf, cap);
	return put_special(r, -1, "", &r->root_st, buf, cap);
}

/* One record. 0 only when over. */
static size_t step(struct tree_reader *r, void *buf, size_t cap)
{
	size_t n;

	switch (r->state) {
	case AT_HEAD:
		r->state = AT_ROOT;
		return files_put_head(buf, cap, &(struct files_head){ .version = FILES_VERSION });
	case AT_ROOT:
		r->state = IN_TREE;
		return step_root(r, buf, cap);
	case IN_TREE:
		if (r->file_fd >= 0) {
			n = put_data(r, buf, cap);
			if (n)
				return n;
			close_fd(&r->file_fd);
		}
		if (r->depth)
			return step_folder(r, buf, cap);
		r->state = AT_END;
		/* fall through */
	case AT_END:
		r->state = OVER;
		return files_put_end(buf, cap, &(struct files_end){ .n_entries = r->n_entries, .n_notes = r->n_notes });
	case OVER:
		break;
	}
	return 0;
}

size_t tree_reader_read(struct tree_reader *r, void *buf, size_t cap)
{
	size_t at = 0;

	/* A record of data is the largest but for links with two long paths. */
	while (r->state != OVER && cap - at >= FILES_DATA_MAX + 2 * FILES_PATH_MAX)
		at += step(r, (uint8_t *)buf + at, cap - at);
	return at;
}
