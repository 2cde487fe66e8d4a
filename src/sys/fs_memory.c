/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Files in memory. Most hosts give large pages to anonymous memory that asks
 * for them, and none to files in memory (transparent_hugepage/shmem_enabled
 * is `never`), which a program that works on much of it pays with a twentieth
 * of its time. A tmpfs of one's own may have them, and mounting one that no
 * folder shows needs no more than a user namespace: it is gone with the last
 * descriptor of its file. Where that is not to be had it is an ordinary file
 * in memory.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fdpass.h"
#include "sys/fs.h"
#include "sys/proc.h"

#if defined(SYS_fsopen) && defined(SYS_fsconfig) && defined(SYS_fsmount)

/* linux/mount.h, whose names the C library's header has or has not. */
#define MOUNT_CLOEXEC	   1u /* FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC */
#define CONFIG_SET_STRING  1u /* FSCONFIG_SET_STRING */
#define CONFIG_CMD_CREATE  6u /* FSCONFIG_CMD_CREATE */

/* On a tmpfs of its own; needs CAP_SYS_ADMIN over the mount namespace. -1 with errno. */
static int file_of_large_pages(void)
{
	static const char *const options[][2] = {
		{ "huge", "within_size" },
		{ "size", "0" }, /* no limit, as for every other file in memory: else half of the host's */
		{ "mode", "0700" },
	};
	_cleanup_close_ int fs = (int)syscall(SYS_fsopen, "tmpfs", MOUNT_CLOEXEC);
	_cleanup_close_ int mount = -1;

	for (size_t i = 0; fs >= 0 && i < ARRAY_SIZE(options); i++)
		if (syscall(SYS_fsconfig, fs, CONFIG_SET_STRING, options[i][0], options[i][1], 0) < 0)
			return -1;
	if (fs < 0 || syscall(SYS_fsconfig, fs, CONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	mount = (int)syscall(SYS_fsmount, fs, MOUNT_CLOEXEC, 0);
	return mount < 0 ? -1 : openat(mount, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static bool write_line(const char *path, const char *line)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);
}

/* Without privileges, in a user namespace of its own: whose file must have an owner there. */
static _Noreturn void make_elsewhere(int socket)
{
	char map[64];
	uid_t uid = geteuid();
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		_exit(1);
	snprintf(map, sizeof(map), "%u %u 1\n", (unsigned)uid, (unsigned)uid);
	if (!write_line("/proc/self/uid_map", map) || !write_line("/proc/self/setgroups", "deny"))
		_exit(1);
	snprintf(map, sizeof(map), "%u %u 1\n", (unsigned)getegid(), (unsigned)getegid());
	if (!write_line("/proc/self/gid_map", map))
		_exit(1);
	fd = file_of_large_pages();
	_exit(fd >= 0 && fdpass_send(socket, "", 1, fd) == 1 ? 0 : 1);
}

static int file_from_elsewhere(void)
{
	int pair[2], fd = -1, status;
	char byte;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	pid = proc_fork(false, NULL);
	if (pid == 0)
		make_elsewhere(pair[1]);
	close(pair[1]);
	if (pid > 0 && proc_wait(pid, &status, NULL) == 0 && status == 0)
		fdpass_receive(pair[0], &byte, 1, &fd);
	close(pair[0]);
	return fd;
}

int fs_large_memory_file(const char *name, struct error *err)
{
	int fd = file_of_large_pages();

	if (fd < 0 && errno == EPERM)
		fd = file_from_elsewhere();
	return fd < 0 ? fs_memory_file(name, err) : fd;
}

#else

int fs_large_memory_file(const char *name, struct error *err)
{
	return fs_memory_file(name, err);
}

#endif

int fs_memory_file(const char *name, struct error *err)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	return fd < 0 ? error_sys(err, errno, "make a file in memory") : fd;
}
