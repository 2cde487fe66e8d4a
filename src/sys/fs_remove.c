/* SPDX-License-Identifier: MPL-2.0 */
/* Removing trees, whatever is in them. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/fs.h"

#define REMOVE_DEPTH_MAX 64

/*
 * A guest makes folders within each other as deep as it likes, and each level
 * costs a descriptor: what lies deeper than REMOVE_DEPTH_MAX is moved up into
 * the top folder, which is then gone through once more.
 */
struct removal {
	uint64_t bytes;
	int top_fd;	  /* -1: not inside yet */
	unsigned depth;
	unsigned n_moved; /* for names */
	bool has_moved;	  /* since the top folder was last gone through */
};

static int move_up(struct removal *r, int dir_fd, const char *name)
{
	for (;;) {
		char up[32];

		snprintf(up, sizeof(up), ".deep.%u", r->n_moved++);
		if (renameat(dir_fd, name, r->top_fd, up) == 0) {
			r->has_moved = true;
			return 0;
		}
		if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR) /* the guest's own .deep.N */
			return -1;
	}
}

static int remove_at(struct removal *r, int dir_fd, const char *name, dev_t dev);

/* Everything in a folder; -1: something stays, errno says why the first one does. */
static int empty_folder(struct removal *r, DIR *d, dev_t dev)
{
	int fd = dirfd(d), saved = 0;
	bool is_top = r->top_fd < 0;
	struct dirent *e;

	if (is_top)
		r->top_fd = fd;
	r->depth++;
	do {
		r->has_moved = r->has_moved && !is_top;
		while ((e = readdir(d)))
			if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, "..") && remove_at(r, fd, e->d_name, dev) < 0 && !saved)
				saved = errno;
		if (is_top)
			rewinddir(d);
	} while (is_top && r->has_moved && !saved);
	r->depth--;
	if (is_top)
		r->top_fd = -1;
	errno = saved;
	return saved ? -1 : 0;
}

static int remove_at(struct removal *r, int dir_fd, const char *name, dev_t dev)
{
	struct stat st;
	int flags = 0;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	if (S_ISDIR(st.st_mode)) {
		int fd, result, saved;
		DIR *d;

		if (dev && st.st_dev != dev) {
			errno = EXDEV; /* something is mounted here: not ours to empty */
			return -1;
		}
		if ((st.st_mode & 0700) != 0700)
			fchmodat(dir_fd, name, 0700, 0);
		if (r->depth == REMOVE_DEPTH_MAX)
			return move_up(r, dir_fd, name);
		fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return errno == ENOENT ? 0 : -1; /* somebody else removes it too */
		d = fdopendir(fd);
		if (!d) {
			saved = errno;
			close(fd);
			errno = saved;
			return -1;
		}
		result = empty_folder(r, d, st.st_dev);
		saved = errno;
		closedir(d);
		errno = saved;
		if (result < 0)
			return -1;
		flags = AT_REMOVEDIR;
	}
	if (st.st_nlink == 1 || flags)
		r->bytes += (uint64_t)st.st_blocks * 512;
	return unlinkat(dir_fd, name, flags) < 0 && errno != ENOENT ? -1 : 0;
}

int fs_remove_tree(const char *path, uint64_t *ret_bytes, struct error *err)
{
	struct removal r = { .top_fd = -1 };
	int result = remove_at(&r, AT_FDCWD, path, 0);

	if (ret_bytes)
		*ret_bytes = r.bytes;
	return result < 0 ? error_sys(err, errno, "remove '%s'", path) : 0;
}
