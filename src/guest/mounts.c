/* SPDX-License-Identifier: MPL-2.0 */

#include "guest/mounts.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

/*
 * Early mounts come once per template and are moved into the new root with
 * what is mounted in them, which costs a clone one system call each; /run and
 * /tmp, which the initramfs needs itself, wait elsewhere. Flags are those that
 * distributions use: programs expect to find /tmp usable and nothing setuid in it.
 */
static const struct {
	const char *early;  /* where it is mounted in the initramfs; the mode is for the mount point, if it must be made */
	const char *root;   /* where it is moved to, relative to the new root; NULL: goes along with what it is mounted in */
	const char *fstype;
	const char *data;
	unsigned long flags;
	mode_t mode;
	bool is_needed;
} table[] = {
	{ "/proc", "proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555, true },
	{ "/sys", "sys", "sysfs", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555, true },
	{ "/dev", "dev", "devtmpfs", "mode=755", MS_NOSUID, 0755, true },
	{ "/dev/pts", NULL, "devpts", "gid=5,mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC, 0755, false },
	{ "/dev/shm", NULL, "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV, 01777, false },
	{ "/sys/kernel/debug", NULL, "debugfs", "mode=700", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0700, false },
	{ "/quiz/run", "run", "tmpfs", "mode=755", MS_NOSUID | MS_NODEV, 0755, true },
	{ "/quiz/tmp", "tmp", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV, 01777, true },
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

int mounts_early(struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int r = mount_one(table[i].fstype, table[i].early, table[i].fstype, table[i].flags, table[i].data,
				  table[i].mode);

		if (r < 0 && table[i].is_needed)
			return error_sys(err, -r, "mount %s on '%s'", table[i].fstype, table[i].early);
	}
	return 0;
}

int mounts_move(struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int r;

		if (!table[i].root)
			continue;
		r = mount_one(table[i].early, table[i].root, NULL, MS_MOVE, NULL, table[i].mode);
		if (r < 0)
			return error_sys(err, -r, "move %s to '/%s' of the new root", table[i].fstype, table[i].root);
	}
	return 0;
}
