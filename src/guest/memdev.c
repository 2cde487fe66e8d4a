/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Loop devices over files that live in the kernel's private tmpfs
 * (memfd_create): sparse, with discard, and without a mount point that a
 * program could come across. The nodes are real ones with the loop device's
 * number: tools that look behind a symbolic link would find loop0 and give
 * that name to a pool's labels.
 */

#include "guest/memdev.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/abi.h"
#include "guest/file.h"

#define MEMDEV_MAX 256

/* LOOP_CONFIGURE, or the three older calls. 0 or -errno. */
static int attach(int loop, int file, uint32_t sector, const char *name)
{
	struct qloop_config c = { .fd = (uint32_t)file, .block_size = sector };
	int e;

	file_path((char *)c.info.file_name, sizeof(c.info.file_name), "%s", name);
	if (ioctl(loop, QLOOP_CONFIGURE, &c) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOTTY)
		return -errno;
	if (ioctl(loop, QLOOP_SET_FD, file) < 0)
		return -errno;
	if ((sector == 0 || ioctl(loop, QLOOP_SET_BLOCK_SIZE, (unsigned long)sector) == 0) &&
	    ioctl(loop, QLOOP_SET_STATUS64, &c.info) == 0)
		return 0;
	e = errno;
	ioctl(loop, QLOOP_CLR_FD, 0);
	return -e;
}

static int make_one(int control, const struct wire_memdev *m, uint32_t i, struct error *err)
{
	_cleanup_close_ int file = -1, loop = -1;
	char name[96], path[64];
	struct stat st;
	int n, r;

	file_path(name, sizeof(name), "/dev/%s%u", m->prefix, i);
	file = (int)syscall(SYS_memfd_create, name + strlen("/dev/"), QMFD_CLOEXEC);
	if (file < 0 || ftruncate(file, (off_t)m->size_bytes) < 0)
		return error_sys(err, errno, "make the memory of '%s'", name);
	/* Somebody else may take the free one in between: then the next. */
	for (int tries = 0;; tries++) {
		n = ioctl(control, QLOOP_CTL_GET_FREE);
		if (n < 0)
			return error_sys(err, errno, "get a free loop device for '%s'", name);
		file_path(path, sizeof(path), "/dev/loop%d", n);
		close_fd(&loop);
		loop = open(path, O_RDWR | O_CLOEXEC);
		if (loop < 0)
			return error_sys(err, errno, "open '%s' for '%s'", path, name);
		r = attach(loop, file, m->sector_bytes, name + strlen("/dev/"));
		if (r == 0)
			break;
		if (r != -EBUSY || tries == 100)
			return error_sys(err, -r, "set up '%s' for '%s'", path, name);
	}
	if (fstat(loop, &st) < 0)
		return error_sys(err, errno, "look at '%s'", path);
	unlink(name);
	if (mknod(name, S_IFBLK | 0660, st.st_rdev) < 0)
		return error_sys(err, errno, "make '%s'", name);
	return 0;
}

int memdev_make(const struct wire_memdev *m, struct error *err)
{
	_cleanup_close_ int control = -1;

	if (m->count > MEMDEV_MAX)
		return error_set(err, ERROR_USAGE, "%u memory devices, and %d are the most", m->count, MEMDEV_MAX);
	if (!m->prefix[0] || strlen(m->prefix) > 32 || strchr(m->prefix, '/') || m->prefix[0] == '.')
		return error_set(err, ERROR_USAGE, "'%s' is no prefix for device names", m->prefix);
	if (m->size_bytes == 0 || m->size_bytes > INT64_MAX)
		return error_set(err, ERROR_USAGE, "memory devices of %llu bytes", (unsigned long long)m->size_bytes);
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return error_sys(err, errno, "open '/dev/loop-control' (does this kernel have loop devices?)");
	for (uint32_t i = 0; i < m->count; i++)
		if (make_one(control, m, i, err) < 0)
			return -1;
	return 0;
}
