/* SPDX-License-Identifier: MPL-2.0 */
/* Copies of files, with their holes. */

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fs.h"

#define ZERO_BYTES 4096 /* what is looked at in one piece: a page of memory, a block of most file systems */

static bool is_zero(const char *p, size_t n)
{
	return !*p && !memcmp(p, p + 1, n - 1);
}

static int write_at(int fd, const char *p, size_t n, off_t pos)
{
	while (n) {
		ssize_t w = pwrite(fd, p, n, pos);

		if (w < 0 && errno == EINTR)
			continue;
		if (w == 0)
			errno = ENOSPC;
		if (w <= 0)
			return -1;
		p += w;
		n -= (size_t)w;
		pos += w;
	}
	return 0;
}

/* What is not zero of a buffer that belongs at pos. */
static int write_data(int out, const char *buf, size_t n, off_t pos)
{
	size_t from = 0, at = 0;

	while (at < n) {
		size_t piece = n - at < ZERO_BYTES ? n - at : ZERO_BYTES;
		bool skip = is_zero(buf + at, piece);

		if (skip && write_at(out, buf + from, at - from, pos + (off_t)from) < 0)
			return -1;
		at += piece;
		if (skip)
			from = at;
	}
	return write_at(out, buf + from, n - from, pos + (off_t)from);
}

int fs_copy_mem(int out, const void *mem, size_t n, off_t pos)
{
	return write_data(out, mem, n, pos) < 0 ? -errno : 0;
}

/* Looks at the data ranges only. */
int fs_copy_part(int in, int out, off_t from, off_t to)
{
	static char buf[1 << 17];
	off_t pos = from;

	while (pos < to) {
		off_t data = lseek(in, pos, SEEK_DATA);
		off_t hole;

		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		if (data >= to)
			return 0; /* the end of what lies there is not asked for: finding it may be a long way */
		hole = lseek(in, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		if (hole > to)
			hole = to;
		for (pos = data; pos < hole;) {
			size_t want = hole - pos > (off_t)sizeof(buf) ? sizeof(buf) : (size_t)(hole - pos);
			ssize_t n = pread(in, buf, want, pos);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return -errno;
			if (n == 0)
				return 0; /* it shrank under us */
			if (write_data(out, buf, (size_t)n, pos) < 0)
				return -errno;
			pos += n;
		}
	}
	return 0;
}

int fs_copy_file(const char *from, const char *to, mode_t mode, struct error *err)
{
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC);

	return in < 0 ? error_sys(err, errno, "open '%s'", from) : fs_copy_fd(in, from, to, mode, err);
}

int fs_copy_fd(int in, const char *from, const char *to, mode_t mode, struct error *err)
{
	_cleanup_close_ int out = -1;
	struct stat st;
	int r;

	if (fstat(in, &st) < 0)
		return error_sys(err, errno, "look at '%s'", from);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (out < 0)
		return error_sys(err, errno, "create '%s'", to);
	if (ioctl(out, FICLONE, in) == 0)
		return 0;
	r = ftruncate(out, st.st_size) < 0 ? -errno : fs_copy_part(in, out, 0, st.st_size);
	if (fs_close_written(&out) < 0 && r == 0)
		r = -errno;
	if (r < 0) {
		unlink(to);
		return error_sys(err, -r, "copy '%s' to '%s'", from, to);
	}
	return 0;
}
