/* SPDX-License-Identifier: MPL-2.0 */

#include "guest/mounts.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

/*
 * Early mounts come once per template and are moved into the new root with
 * what is mounted in them, which costs a clone three system calls. Flags
 * are those that distributions use: programs expect to find /tmp usable and
 * nothing setuid in it.
 */
static const struct {
	const char *path; /* relative to the root */
	const char *fstype;
	const char *data;
	unsigned long flags;
	mode_t mode; /* of the mount point when it must be made */
	enum mounts_when when;
	bool is_needed;
	bool is_moved; /* early, and a mount point of its own in the new root */
} table[] = {
	{ "proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555, MOUNTS_EARLY, true, true },
	{ "sys", "sysfs", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555, MOUNTS_EARLY, true, true },
	{ "dev", "devtmpfs", "mode=755", MS_NOSUID, 0755, MOUNTS_EARLY, true, true },
	{ "dev/pts", "devpts", "gid=5,mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC, 0755, MOUNTS_EARLY, false, false },
	{ "dev/shm", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV, 01777, MOUNTS_EARLY, false, false },
	{ "sys/kernel/debug", "debugfs", "mode=700", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0700, MOUNTS_EARLY, false, false },
	{ "run", "tmpfs", "mode=755", MS_NOSUID | MS_NODEV, 0755, MOUNTS_ROOT, true, false },
	{ "tmp", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV, 01777, MOUNTS_ROOT, true, false },
};

static int mount_one(const char *source, const char *target, const char *fstype, unsigned long flags, const char *data,
		     mode_t mode)
{
	if (mount(source, target, fstype, flags, data) == 0)
		return 0;
	if (errno != ENOENT)
		return -errno;
	if (mkdir(target, mode) < 0)
		return -errno;
	return mount(source, target, fstype, flags, data) < 0 ? -errno : 0;
}

int mounts_make(enum mounts_when when, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char from[32] = "/";
		int r = 0;

		strcat(from, table[i].path);
		if (table[i].when == when)
			r = mount_one(table[i].fstype, when == MOUNTS_EARLY ? from : table[i].path, table[i].fstype,
				      table[i].flags, table[i].data, table[i].mode);
		else if (when == MOUNTS_ROOT && table[i].is_moved)
			r = mount_one(from, table[i].path, NULL, MS_MOVE, NULL, table[i].mode);
		if (r < 0 && table[i].is_needed)
			return error_sys(err, -r, "mount %s on '/%s'", table[i].fstype, table[i].path);
	}
	return 0;
}
