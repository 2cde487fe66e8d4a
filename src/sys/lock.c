/* SPDX-License-Identifier: MPL-2.0 */
/*
 * flock(2) with a line of text in the file. Removing a lock file lets two
 * holders in, one on the removed file and one on its successor: where files do
 * go away, a lock counts only when its file still has the name it was opened
 * by.
 */

#include "sys/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fs.h"

static void read_holder(int fd, char *buf, size_t n)
{
	ssize_t len = pread(fd, buf, n - 1, 0);

	if (len < 0)
		len = 0;
	buf[len] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

int lock_take(const char *path, enum lock_mode mode, bool wait, const char *who,
	      void (*on_wait)(const char *holder), struct error *err)
{
	int op = mode == LOCK_EXCLUSIVE_MODE ? LOCK_EX : LOCK_SH;
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	char holder[256];

	if (fd < 0 && errno == ENOENT) {
		if (fs_mkdir_parents(path, err) < 0)
			return -1;
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	if (fd < 0)
		return error_sys(err, errno, "open lock '%s'", path);
	if (flock(fd, op | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_sys(err, errno, "lock '%s'", path);
		read_holder(fd, holder, sizeof(holder));
		if (!wait)
			return error_set(err, ERROR_BUSY, "'%s' is in use%s%s", path, *holder ? " by " : "", holder);
		if (on_wait)
			on_wait(holder);
		while (flock(fd, op) < 0)
			if (errno != EINTR)
				return error_sys(err, errno, "lock '%s'", path);
	}
	if (mode == LOCK_EXCLUSIVE_MODE && who) {
		if (ftruncate(fd, 0) < 0 || pwrite(fd, who, strlen(who), 0) < 0) {
			/* The line is a courtesy: a full disk must not stop us. */
		}
	}
	return take_fd(&fd);
}

bool lock_is_current(int fd, const char *path)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && lstat(path, &named) == 0 && ours.st_dev == named.st_dev &&
	       ours.st_ino == named.st_ino;
}

int lock_take_existing(const char *path, enum lock_mode mode, bool wait, struct error *err)
{
	int op = (mode == LOCK_EXCLUSIVE_MODE ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return error_sys(err, errno, "open lock '%s'", path);
	while (flock(fd, op) < 0) {
		if (errno == EWOULDBLOCK)
			return error_set(err, ERROR_BUSY, "'%s' is in use", path);
		if (errno != EINTR)
			return error_sys(err, errno, "lock '%s'", path);
	}
	if (!lock_is_current(fd, path))
		return error_set(err, ERROR_MISSING, "'%s' is gone", path);
	return take_fd(&fd);
}

int lock_take_passing(const char *path, struct error *err)
{
	for (;;) {
		_cleanup_close_ int fd = lock_take(path, LOCK_EXCLUSIVE_MODE, false, NULL, NULL, err);

		if (fd < 0 || lock_is_current(fd, path))
			return take_fd(&fd);
		/* Its holder removed it between our open and our lock. */
	}
}

void lock_remove(const char *path, int *fd)
{
	if (*fd >= 0)
		unlink(path);
	close_fd(fd);
}

void lock_sweep(const char *path)
{
	int fd = lock_take_existing(path, LOCK_EXCLUSIVE_MODE, false, NULL);

	lock_remove(path, &fd);
}

bool lock_is_held(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW); /* NFS wants to write for an exclusive one */

	if (fd < 0 && errno != ENOENT)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return false;
	/* Whatever the reason that it can not be had or looked at: nobody may take its holder for dead. */
	return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0;
}
