/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Plain system calls. opendir(3) would allocate, so folders are listed with
 * getdents64 into a buffer on the stack.
 */

#include "guest/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "guest/abi.h"

ssize_t file_read(const char *path, char *buf, size_t cap)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	while (len < cap - 1) {
		ssize_t n = read(fd, buf + len, cap - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
	return (ssize_t)len;
}

ssize_t file_read_line(const char *path, char *buf, size_t cap)
{
	ssize_t n = file_read(path, buf, cap);

	if (n < 0)
		return n;
	n = (ssize_t)strcspn(buf, "\n");
	buf[n] = '\0';
	return n;
}

int file_write_all(int fd, const void *mem, size_t n)
{
	const char *p = mem;

	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int file_poke(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return file_write_all(fd, text, strlen(text));
}

int file_replace(const char *path, const void *mem, size_t n, unsigned mode)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0 && errno == ELOOP && unlink(path) == 0)
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	return file_write_all(fd, mem, n);
}

int file_make_dirs(const char *path, bool last, unsigned mode)
{
	char buf[FILE_PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(buf))
		return -ENAMETOOLONG;
	memcpy(buf, path, len + 1);
	for (size_t i = 1; i < len; i++) {
		if (buf[i] != '/' || buf[i - 1] == '/')
			continue;
		buf[i] = '\0';
		/* Not EEXIST alone: a read-only file system says EROFS for what exists. */
		if (mkdir(buf, 0755) < 0 && errno != EEXIST && access(buf, F_OK) < 0)
			return -errno;
		buf[i] = '/';
	}
	if (last && mkdir(buf, (mode_t)mode) < 0) {
		struct stat st;
		int e = errno;

		if (stat(buf, &st) < 0 || !S_ISDIR(st.st_mode))
			return -e;
	}
	return 0;
}

int file_path(char *buf, size_t cap, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, cap, fmt, ap);
	va_end(ap);
	return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}

/* linux/dirent.h */
struct file_dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

int file_each_name(const char *path, int (*fn)(void *ctx, const char *name), void *ctx)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t buf[512]; /* aligned for the entries */

	if (fd < 0)
		return -errno;
	for (;;) {
		long n = syscall(SYS_getdents64, fd, buf, sizeof(buf));

		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		for (long at = 0; at < n;) {
			const struct file_dirent64 *d = (const void *)((const char *)buf + at);
			int r = 0;

			if (strcmp(d->name, ".") != 0 && strcmp(d->name, "..") != 0)
				r = fn(ctx, d->name);
			if (r)
				return r;
			at += d->reclen;
		}
	}
}

bool file_number(const char **s, uint64_t *ret)
{
	const char *p = *s;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	*s = p;
	*ret = v;
	return true;
}
