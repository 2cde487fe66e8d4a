/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Files as disks. QEMU opens the file again by its path, with the rights of
 * the same user; ours is held open for its lock, and, exclusively, for the
 * kernel's own claim on a block device.
 */

#include "image/disk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

#define SECTOR_BYTES 512u

/* docs/interop/qcow2.txt of QEMU: big-endian; magic 0, version 4, virtual size 24, encryption 32. */
#define QCOW2_HEADER_BYTES 72
static const uint8_t qcow2_magic[4] = { 'Q', 'F', 'I', 0xfb };

static uint64_t big_endian(const uint8_t *p, int n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static int open_it(const struct disk_file *f, mode_t mode, int *ret_fd, struct error *err)
{
	int flags = (f->is_written ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY;
	int fd;

	/* On a block device O_EXCL fails while it is mounted, and keeps others from mounting it. */
	if (S_ISBLK(mode) && f->is_written)
		flags |= O_EXCL;
	fd = open(f->path, flags);
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	if (errno == EBUSY) {
		error_set(err, ERROR_BUSY,
			  "cannot write to disk '%s': it is mounted, or part of something that is in use", f->path);
		return error_hint(err, "lsblk %s", f->path);
	}
	if (errno == EACCES || errno == EPERM || errno == EROFS) {
		error_sys(err, errno, "%s disk '%s'", f->is_written ? "write to" : "read", f->path);
		return error_hint(err, f->is_written ? "without :rw it is only read" : "ls -l %s", f->path);
	}
	return error_sys(err, errno, "open disk '%s'", f->path);
}

/* The guest's view of a qcow2 file; 0: it is none. */
static uint64_t qcow2_size(const uint8_t *head)
{
	uint64_t version = big_endian(head + 4, 4);

	if (memcmp(head, qcow2_magic, sizeof(qcow2_magic)) != 0 || version < 2 || version > 3)
		return 0;
	return big_endian(head + 24, 8);
}

static int look_inside(struct disk_file *f, struct error *err)
{
	uint8_t head[QCOW2_HEADER_BYTES] = { 0 };
	ssize_t n = pread(f->fd, head, sizeof(head), 0);

	if (n < 0)
		return error_sys(err, errno, "read disk '%s'", f->path);
	if (!f->is_qcow2) {
		if (memcmp(head, qcow2_magic, sizeof(qcow2_magic)) != 0)
			return 0;
		error_set(err, ERROR_USAGE,
			  "cannot use disk '%s': it looks like qcow2 and is not called so; a guest that writes to a "
			  "raw disk could make it look so",
			  f->path);
		return error_hint(err, "ln -s %s %s.qcow2 and use that, if you know that it is one", f->path, f->path);
	}
	f->bytes = qcow2_size(head);
	if (!f->bytes)
		return error_set(err, ERROR_USAGE, "cannot use disk '%s': it is called qcow2 and is none", f->path);
	if (big_endian(head + 32, 4))
		return error_set(err, ERROR_UNSUPPORTED, "cannot use disk '%s': it is encrypted", f->path);
	return 0;
}

static int measure(struct disk_file *f, struct error *err)
{
	off_t end = lseek(f->fd, 0, SEEK_END); /* a block device's st_size is 0 */

	if (end < 0)
		return error_sys(err, errno, "find the size of disk '%s'", f->path);
	f->bytes = (uint64_t)end;
	if (look_inside(f, err) < 0)
		return -1;
	if (f->bytes && f->bytes % SECTOR_BYTES == 0)
		return 0;
	if (!f->bytes) {
		error_set(err, ERROR_USAGE, "cannot use disk '%s': it is empty", f->path);
		return error_hint(err, "truncate -s 1G %s", f->path);
	}
	error_set(err, ERROR_USAGE, "cannot use disk '%s': %" PRIu64 " bytes are no whole number of %u-byte sectors",
		  f->path, f->bytes, SECTOR_BYTES);
	return error_hint(err, "truncate -s %%%u %s", SECTOR_BYTES, f->path);
}

int disk_file_open(const char *name, bool is_written, struct disk_file *ret, struct error *err)
{
	_cleanup_disk_file_ struct disk_file f = { .fd = -1,
						   .is_written = is_written,
						   .is_qcow2 = str_ends(name, ".qcow2") };
	struct stat st;

	f.path = realpath(name, NULL);
	if (!f.path && errno == ENOENT) {
		error_set(err, ERROR_MISSING, "cannot use disk '%s': there is no such file", name);
		return error_hint(err, "truncate -s 1G %s makes an empty one", name);
	}
	if (!f.path || stat(f.path, &st) < 0)
		return error_sys(err, errno, "look at disk '%s'", name);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_set(err, ERROR_USAGE, "cannot use disk '%s': it is neither a file nor a block device",
				 f.path);
	if (open_it(&f, st.st_mode, &f.fd, err) < 0 || measure(&f, err) < 0)
		return -1;
	*ret = f;
	f = (struct disk_file)DISK_FILE_INIT;
	return 0;
}

int disk_file_lock(const struct disk_file *f, struct error *err)
{
	if (flock(f->fd, (f->is_written ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return error_sys(err, errno, "lock disk '%s'", f->path);
	if (f->is_written) {
		error_set(err, ERROR_BUSY, "cannot write to disk '%s': another run has it", f->path);
		return error_hint(err,
				  "quiz ps shows the machines that are up; any number of runs can have it without :rw");
	}
	error_set(err, ERROR_BUSY, "cannot use disk '%s': another run writes to it", f->path);
	return error_hint(err, "quiz ps shows the machines that are up");
}

void disk_file_clear(struct disk_file *f)
{
	free(f->path);
	close_fd(&f->fd);
	*f = (struct disk_file)DISK_FILE_INIT;
}
