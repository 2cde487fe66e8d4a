/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Moving root. The initramfs can not be left by pivot_root(2), so the overlay
 * is moved over "/" and entered with chroot(2). PID 1 shares its root with
 * the kernel's own threads, so that what these start (/sbin/modprobe) is found in
 * the new root as well. The layers stay mounted below, where nothing can see
 * or unmount them.
 *
 * The overlay's options name layers relative to the layers folder: the kernel
 * takes one page of options, and there may be many layers.
 */

#include "guest/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "guest/automount.h"
#include "guest/disk.h"
#include "guest/file.h"
#include "guest/identity.h"
#include "guest/mounts.h"

#define ROOT_DIR "/run/quiz/root" /* where the overlay is born */
#define TOP_DIR "/run/quiz/top"	  /* its tmpfs: upper and work */

static bool is_assembled, is_host_root;

bool root_is_assembled(void)
{
	return is_assembled;
}

/*
 * What of a host's root is of the host, not of the system installed on it. An
 * opaque folder in the overlay's upper layer hides it even where nothing is
 * mounted over it.
 */
static int mask_host_folders(struct error *err)
{
	static const char *const masked[] = { "proc", "sys", "dev", "run", "tmp" };

	for (size_t i = 0; i < ARRAY_SIZE(masked); i++) {
		char path[64];

		file_path(path, sizeof(path), TOP_DIR "/upper/%s", masked[i]);
		if (mkdir(path, 0755) < 0)
			return error_sys(err, errno, "mask the host's '/%s'", masked[i]);
		if (setxattr(path, "trusted.overlay.opaque", "y", 1, 0) < 0)
			return error_sys(err, errno, "mask the host's '/%s' (the kernel needs CONFIG_TMPFS_XATTR)",
					 masked[i]);
	}
	return 0;
}

/* tmpfs with the folders that overlayfs wants. */
static int make_top(uint64_t tmpfs_bytes, struct error *err)
{
	char data[64];

	if (tmpfs_bytes)
		snprintf(data, sizeof(data), "mode=755,size=%llu", (unsigned long long)tmpfs_bytes);
	else
		strcpy(data, "mode=755");
	mkdir("/run/quiz", 0755);
	mkdir(TOP_DIR, 0755);
	mkdir(ROOT_DIR, 0755);
	if (mount("tmpfs", TOP_DIR, "tmpfs", 0, data) < 0)
		return error_sys(err, errno, "mount the root's tmpfs");
	if (mkdir(TOP_DIR "/upper", 0755) < 0 || mkdir(TOP_DIR "/work", 0755) < 0)
		return error_sys(err, errno, "make the root's upper layer");
	return is_host_root ? mask_host_folders(err) : 0;
}

/* "lowerdir=TOP:...:BOTTOM,...": the message lists the lowest first, overlayfs the uppermost. */
static int overlay_options(const struct wire_list *layers, char *buf, size_t cap, struct error *err)
{
	static const char tail[] = ",upperdir=" TOP_DIR "/upper,workdir=" TOP_DIR "/work";
	static const char head[] = "lowerdir=";
	size_t at = cap - sizeof(tail);
	uint32_t pos = 0;
	const char *name;

	memcpy(buf + at, tail, sizeof(tail));
	while ((name = wire_list_next(layers, &pos))) {
		size_t n = strlen(name);

		if (!disk_is_layer_name(name))
			return error_set(err, ERROR_USAGE, "'%s' is no name for a layer", name);
		if (access(name, F_OK) < 0)
			return error_set(err, ERROR_MISSING, "layer '%s' is not mounted", name);
		if (at < n + 1 + sizeof(head))
			return error_set(err, ERROR_UNSUPPORTED, "more layers than the kernel takes (%u)", layers->n);
		if (at != cap - sizeof(tail))
			buf[--at] = ':';
		at -= n;
		memcpy(buf + at, name, n);
	}
	if (at == cap - sizeof(tail))
		return error_set(err, ERROR_USAGE, "a root without layers");
	memmove(buf + sizeof(head) - 1, buf + at, cap - at);
	memcpy(buf, head, sizeof(head) - 1);
	return 0;
}

int root_assemble(const struct wire_assemble *m, struct error *err)
{
	static char options[4096]; /* one page, the kernel's limit */

	if (is_assembled)
		return error_set(err, ERROR_USAGE, "the root is assembled already");
	if (chdir(DISK_LAYERS_DIR) < 0)
		return error_sys(err, errno, "enter '%s': no layer is mounted", DISK_LAYERS_DIR);
	if (overlay_options(&m->layers, options, sizeof(options), err) < 0 || make_top(m->tmpfs_bytes, err) < 0)
		return -1;
	if (mount("overlay", ROOT_DIR, "overlay", 0, options) < 0) {
		if (errno == ENODEV)
			return error_sys(err, errno, "build the root: this kernel has no overlayfs");
		return error_sys(err, errno, "build the root (%s)", options);
	}
	if (chdir(ROOT_DIR) < 0)
		return error_sys(err, errno, "enter the new root");
	/* The kernel's layer has its modules below usr/lib. A root of busybox alone has no /lib, where all look for them. */
	if (symlink("usr/lib", "lib") < 0 && errno != EEXIST)
		return error_sys(err, errno, "make '/lib'");
	if (mounts_move(err) < 0)
		return -1;
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return error_sys(err, errno, "move the root");
	is_assembled = true;
	identity_write_files();
	return 0;
}

/* Mounts it, or has it mounted by who touches it first. */
static int share_at(const struct automount_share *share, bool is_later)
{
	int r;

	if (is_later) {
		r = file_make_dirs(share->path, true, 0755);
		if (r < 0)
			errno = -r;
		else
			automount_arm(share); /* where that can not be, the clones mount it */
		return r;
	}
	/* The folder is there, most of the time: in a clone looking first would be a third of the work. */
	r = mount(share->tag, share->path, "9p", share->flags, share->options);
	if (r < 0 && errno == ENOENT) {
		r = file_make_dirs(share->path, true, 0755);
		if (r < 0)
			errno = -r;
		else
			r = mount(share->tag, share->path, "9p", share->flags, share->options);
	}
	return r;
}

int root_share(const struct wire_share *m, struct error *err)
{
	const char *cache = m->flags & WIRE_SHARE_LOOSE ? "loose" : m->flags & WIRE_SHARE_RW ? "mmap" : "none";
	const char *path = m->flags & WIRE_SHARE_HOST_ROOT ? DISK_LAYERS_DIR "/root" : m->path;
	char data[128];
	const struct automount_share share = {
		m->tag, path, data, MS_NODEV | MS_NOSUID | (m->flags & WIRE_SHARE_RW ? 0 : MS_RDONLY)
	};

	/* A clone of a template that has it mounts it when somebody touches it. */
	if (automount_has(m->tag, path))
		return 0;
	if (path[0] != '/')
		return error_set(err, ERROR_USAGE, "'%s' is no absolute path for a share", path);
	if ((m->flags & WIRE_SHARE_HOST_ROOT) && is_assembled)
		return error_set(err, ERROR_USAGE, "the root is assembled already");
	file_path(data, sizeof(data), "trans=virtio,version=9p2000.L,msize=512000,cache=%s", cache);
	if (automount_touch(path, err) < 0)
		return -1;
	if (share_at(&share, m->flags & WIRE_SHARE_LATER) < 0) {
		if (errno == ENODEV)
			return error_sys(err, errno, "mount share '%s' on '%s': this kernel has no 9p", m->tag, path);
		return error_sys(err, errno, "mount share '%s' on '%s'", m->tag, path);
	}
	if (m->flags & WIRE_SHARE_HOST_ROOT)
		is_host_root = true;
	return 0;
}
