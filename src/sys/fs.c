/* SPDX-License-Identifier: MPL-2.0 */
/* Files and trees of the host. See fs.h for the promises. */

#include "sys/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define USAGE_DEPTH_MAX 256 /* a descriptor each */
#define TEMP_TRIES	100 /* names of temporary files */

/* The folder itself, and the one above. */
static bool is_dots(const char *name)
{
	return str_eq(name, ".") || str_eq(name, "..");
}

static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return mem_strdup(".");
	return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

int fs_read(const char *path, size_t max, struct str *ret, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[16384];
	ssize_t n;

	if (fd < 0)
		return error_sys(err, errno, "open '%s'", path);
	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "read '%s'", path);
		if (ret->len + (size_t)n > max)
			return error_sys(err, EFBIG, "read '%s'", path);
		str_add_mem(ret, buf, (size_t)n);
	}
	return 0;
}

static int write_all(int fd, const void *mem, size_t n)
{
	const char *p = mem;

	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w == 0)
			errno = EIO;
		if (w <= 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* A file of another process with our number may have been left there, or be in the making elsewhere (a container). */
static int create_beside(const char *path, mode_t mode, char **ret_tmp)
{
	static unsigned counter;
	int fd = -1;

	for (int tries = 0; fd < 0 && tries < TEMP_TRIES; tries++) {
		free(*ret_tmp);
		*ret_tmp = mem_printf("%s.tmp.%d.%u", path, (int)getpid(), counter++);
		fd = open(*ret_tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	return fd;
}

int fs_close_written(int *fd)
{
	return close(take_fd(fd)) < 0 && errno != EINTR ? -1 : 0;
}

int fs_write_atomic(const char *path, const void *mem, size_t n, mode_t mode, bool sync, struct error *err)
{
	_cleanup_free_ char *tmp = NULL;
	_cleanup_close_ int fd = create_beside(path, mode, &tmp);

	if (fd < 0)
		return error_sys(err, errno, "create '%s'", tmp);
	if (write_all(fd, mem, n) < 0 || (sync && fsync(fd) < 0) || fs_close_written(&fd) < 0) {
		int saved = errno;

		unlink(tmp);
		return error_sys(err, saved, "write '%s'", path);
	}
	if (rename(tmp, path) < 0) {
		int saved = errno;

		unlink(tmp);
		return error_sys(err, saved, "rename '%s' to '%s'", tmp, path);
	}
	return 0;
}

/* Of a folder that exists mkdir(2) does not always say EEXIST: where nobody may write (NFS, an automounter's) EACCES or EROFS. */
static int make_dir(const char *path, mode_t mode, struct error *err)
{
	int e;

	if (mkdir(path, mode) == 0)
		return 0;
	e = errno;
	return fs_is_dir(path) ? 0 : error_sys(err, e, "make folder '%s'", path);
}

int fs_mkdir_p(const char *path, mode_t mode, struct error *err)
{
	_cleanup_free_ char *p = mem_strdup(path);
	struct error why = ERROR_INIT;

	if (make_dir(p, mode, NULL) == 0)
		return 0;
	for (char *s = p + 1; *s; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		if (make_dir(p, 0755, &why) < 0 && why.errnum != EEXIST) /* what lies in a file is told by its own name */
			return error_sys(err, why.errnum, "make folder '%s'", p);
		*s = '/';
	}
	return make_dir(p, mode, err);
}

int fs_mkdir_parents(const char *path, struct error *err)
{
	_cleanup_free_ char *dir = parent_of(path);

	return fs_mkdir_p(dir, 0755, err);
}

bool fs_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

bool fs_is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool fs_is_executable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

int fs_can_write(const char *path, char **ret_at, struct error *err)
{
	_cleanup_free_ char *at = mem_strdup(path);

	while (!fs_exists(at)) {
		char *up = parent_of(at);

		free(at);
		at = up;
	}
	if (access(at, W_OK | X_OK) < 0)
		return error_sys(err, errno, "write to '%s'", at);
	if (ret_at)
		*ret_at = take_ptr(at);
	return 0;
}

char *fs_find_program(const char *name)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *all = mem_printf("%s:/usr/local/sbin:/usr/sbin:/sbin", path && *path ? path : "/usr/bin:/bin");
	_cleanup_strv_ struct strv dirs = STRV_INIT;

	strv_split(&dirs, all, ":");
	for (size_t i = 0; i < dirs.n; i++) {
		char *full = mem_printf("%s/%s", dirs.v[i], name);

		if (fs_is_executable(full))
			return full;
		free(full);
	}
	return NULL;
}

static void usage_at(int dir_fd, const char *name, unsigned depth, uint64_t max_n, struct fs_usage *u)
{
	struct dirent *e;
	struct stat st;
	DIR *d;
	int fd;

	if (depth > USAGE_DEPTH_MAX) {
		u->is_complete = false;
		return;
	}
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* gone meanwhile */
	u->n++;
	/* A hard-linked file counts its share, so that each inode is counted once. */
	u->bytes += (uint64_t)st.st_blocks * 512 / (S_ISDIR(st.st_mode) || !st.st_nlink ? 1 : st.st_nlink);
	if (!S_ISDIR(st.st_mode))
		return;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d) {
		u->is_complete &= errno == ENOENT;
		if (fd >= 0)
			close(fd);
		return;
	}
	while (u->n < max_n && (e = readdir(d)))
		if (!is_dots(e->d_name))
			usage_at(fd, e->d_name, depth + 1, max_n, u);
	closedir(d);
}

void fs_tree_usage(const char *path, uint64_t max_n, struct fs_usage *ret)
{
	*ret = (struct fs_usage){ .is_complete = true };
	usage_at(AT_FDCWD, path, 0, max_n, ret);
	ret->is_complete &= ret->n < max_n;
}

uint64_t fs_tree_bytes(const char *path)
{
	struct fs_usage u;

	fs_tree_usage(path, UINT64_MAX, &u);
	return u.bytes;
}

#define SYNC_FILES_MAX 64

enum sync_result {
	SYNC_FAILED = -1, /* errno says why */
	SYNC_DONE,
	SYNC_TOO_MANY,
};

static enum sync_result sync_files(int dir_fd, const char *name, unsigned *left);

static enum sync_result sync_folder(DIR *d, unsigned *left)
{
	enum sync_result r = SYNC_DONE;
	struct dirent *e;

	while (r == SYNC_DONE && (errno = 0, e = readdir(d)))
		if (!is_dots(e->d_name))
			r = sync_files(dirfd(d), e->d_name, left);
	if (r == SYNC_DONE && (errno || fsync(dirfd(d)) < 0))
		r = SYNC_FAILED;
	return r;
}

/* fsyncs a small tree: one of at most *left files. */
static enum sync_result sync_files(int dir_fd, const char *name, unsigned *left)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), saved;
	enum sync_result r = SYNC_FAILED;
	struct stat st;
	DIR *d = NULL;

	if (fd < 0) /* a link, a socket, or a file that only its owner may read */
		return errno == ELOOP || errno == ENXIO || errno == EACCES ? SYNC_DONE : SYNC_FAILED;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		d = fdopendir(fd);
		r = d ? sync_folder(d, left) : SYNC_FAILED;
	} else if (fstat(fd, &st) == 0) {
		r = !*left ? SYNC_TOO_MANY : S_ISREG(st.st_mode) && fsync(fd) < 0 ? SYNC_FAILED : SYNC_DONE;
		*left -= *left > 0;
	}
	saved = errno;
	if (d)
		closedir(d);
	else
		close(fd);
	errno = saved;
	return r;
}

/*
 * One fsync per file makes the journal commit each time: fetching a kernel
 * with its headers (20000 files) took 107 s, with syncfs(2) 27 s. A small tree is
 * not made to wait for what everybody else has written. What could not be
 * written is not whole, and must not be published.
 */
static int sync_tree(const char *path, struct error *err)
{
	unsigned left = SYNC_FILES_MAX;
	enum sync_result r = sync_files(AT_FDCWD, path, &left);

	if (r == SYNC_TOO_MANY) {
		_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = fd < 0 || syncfs(fd) < 0 ? SYNC_FAILED : SYNC_DONE;
	}
	return r == SYNC_FAILED ? error_sys(err, errno, "write '%s'", path) : 0;
}

int fs_publish_dir(const char *tmp, const char *to, struct error *err)
{
	if (sync_tree(tmp, err) < 0)
		return -1;
	if (rename(tmp, to) == 0)
		return 0;
	if (errno == EEXIST || errno == ENOTEMPTY)
		return fs_remove_tree(tmp, NULL, err);
	return error_sys(err, errno, "publish '%s'", to);
}

/* On a file system that can not do it at once: for a moment there is none. */
static int exchange_in_steps(const char *tmp, const char *to)
{
	_cleanup_free_ char *aside = mem_printf("%s.aside", tmp);
	int saved;

	if (rename(to, aside) < 0)
		return -1;
	if (rename(tmp, to) == 0)
		return rename(aside, tmp);
	saved = errno;
	rename(aside, to); /* as it was */
	errno = saved;
	return -1;
}

int fs_exchange_dir(const char *tmp, const char *to, struct error *err)
{
	if (sync_tree(tmp, err) < 0)
		return -1;
	if (renameat2(AT_FDCWD, tmp, AT_FDCWD, to, RENAME_EXCHANGE) == 0)
		return 0;
	if ((errno == EINVAL || errno == ENOSYS) && exchange_in_steps(tmp, to) == 0)
		return 0;
	return error_sys(err, errno, "replace '%s'", to);
}

char *fs_temp_dir(const char *dir, const char *tag, struct error *err)
{
	static unsigned counter;
	_cleanup_free_ char *path = NULL;

	if (fs_mkdir_p(dir, 0755, err) < 0)
		return NULL;
	for (int tries = 0; tries < TEMP_TRIES; tries++) { /* as for files: see create_beside() */
		free(path);
		path = mem_printf("%s/.tmp-%s.%d.%u", dir, tag, (int)getpid(), counter++);
		if (mkdir(path, 0755) == 0)
			return take_ptr(path);
		if (errno != EEXIST)
			break;
	}
	error_sys(err, errno, "make folder '%s'", path);
	return NULL;
}

/* ".<pid>.<n>", to the end. */
static bool is_temp_suffix(const char *s)
{
	for (int part = 0; part < 2; part++) {
		size_t n = *s == '.' ? strspn(s + 1, "0123456789") : 0;

		if (!n)
			return false;
		s += 1 + n;
	}
	return !*s;
}

void fs_sweep_temp_dirs(const char *dir, const char *tag)
{
	_cleanup_free_ char *prefix = mem_printf(".tmp-%s", tag);
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (fs_list(dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(dir, names.v[i]);

		if (str_starts(names.v[i], prefix) && is_temp_suffix(names.v[i] + strlen(prefix)))
			fs_remove_tree(path, NULL, NULL);
	}
}

void fs_sweep_temp_files(const char *dir)
{
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (fs_list(dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(dir, names.v[i]);
		const char *at = strstr(names.v[i], ".tmp.");

		if (at && is_temp_suffix(at + 4))
			unlink(path);
	}
}

int fs_list(const char *path, struct strv *ret, struct error *err)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int saved;

	if (!d)
		return errno == ENOENT ? 0 : error_sys(err, errno, "list '%s'", path);
	while ((errno = 0, e = readdir(d)))
		if (!is_dots(e->d_name))
			strv_add(ret, e->d_name);
	saved = errno;
	closedir(d);
	if (saved && saved != ENOENT) /* removed meanwhile: nothing is in it */
		return error_sys(err, saved, "list '%s'", path);
	strv_sort(ret);
	return 0;
}

bool fs_lies_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && (path[n] == '/' || path[n] == '\0' || (n && dir[n - 1] == '/'));
}

char *fs_real_path(const char *path, struct error *err)
{
	char *p = realpath(path, NULL);

	if (!p)
		error_sys(err, errno, "find '%s'", path);
	return p;
}

char *fs_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	if (*name == '/')
		return mem_strdup(name);
	while (n > 1 && dir[n - 1] == '/')
		n--;
	return mem_printf("%.*s%s%s", (int)n, dir, n == 1 && *dir == '/' ? "" : "/", name);
}

/* Hash of the first n of: device, inode, size, mtime, ctime. */
static uint64_t hash_stat(const char *path, size_t n)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;

	const uint64_t v[] = {
		st.st_dev,
		st.st_ino,
		(uint64_t)st.st_size,
		(uint64_t)st.st_mtim.tv_sec,
		(uint64_t)st.st_mtim.tv_nsec,
		(uint64_t)st.st_ctim.tv_sec,
		(uint64_t)st.st_ctim.tv_nsec,
	};

	return hash_mem(HASH_INIT, v, (n < ARRAY_SIZE(v) ? n : ARRAY_SIZE(v)) * sizeof(v[0])) | 1;
}

uint64_t fs_stamp(const char *path)
{
	return hash_stat(path, SIZE_MAX);
}

uint64_t fs_identity(const char *path)
{
	return hash_stat(path, 3);
}
