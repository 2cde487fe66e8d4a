/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Reading a disk's serial is a request to the device, so the answers are kept:
 * the set of disks does not change while a machine runs, and what the table
 * holds when a template is saved is right in each of its clones.
 */

#include "guest/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "guest/abi.h"
#include "guest/file.h"

#define DISKS_MAX  64
#define SERIAL_MAX 21 /* virtio's 20 bytes and a NUL */

static struct {
	char name[32]; /* "vda" */
	char serial[SERIAL_MAX];
} disks[DISKS_MAX];
static size_t n_disks;

static int add_disk(void *ctx, const char *name)
{
	char path[128], serial[64];

	if (strncmp(name, "vd", 2) != 0 || strlen(name) >= sizeof(disks[0].name) || n_disks == DISKS_MAX)
		return 0;
	if (file_path(path, sizeof(path), "/sys/block/%s/serial", name) < 0 ||
	    file_read_line(path, serial, sizeof(serial)) < 0)
		return 0;
	serial[SERIAL_MAX - 1] = '\0';
	strcpy(disks[n_disks].name, name);
	strcpy(disks[n_disks].serial, serial);
	n_disks++;
	return 0;
}

/* Name of the disk with that serial, or NULL. */
static const char *find(const char *serial, struct error *err)
{
	/* The second pass has looked again. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n_disks; i++)
			if (strcmp(disks[i].serial, serial) == 0)
				return disks[i].name;
		if (pass == 0) {
			n_disks = 0;
			file_each_name("/sys/block", add_disk, NULL);
		}
	}
	error_set(err, ERROR_MISSING, "no disk with serial '%s' among %zu virtio disks%s", serial, n_disks,
		  n_disks ? "" : " (is virtio_blk there?)");
	return NULL;
}

bool disk_is_layer_name(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= 64 && name[0] != '.' &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+") == n;
}

const char *disk_sniff(const uint8_t *head, size_t len)
{
	static const uint8_t erofs[] = { 0xe2, 0xe1, 0xf5, 0xe0 };

	if (len < 2048)
		return NULL;
	if (memcmp(head + 1024, erofs, 4) == 0)
		return "erofs";
	if (memcmp(head, "hsqs", 4) == 0)
		return "squashfs";
	if (head[1024 + 56] == 0x53 && head[1024 + 57] == 0xef)
		return "ext4";
	return NULL;
}

/* Drops the cache of what the disk held when it was probed, and finds the type. */
static int prepare(const char *dev, const struct wire_mount_image *m, const char **ret_fstype, struct error *err)
{
	static uint8_t head[4096];
	_cleanup_close_ int fd = -1;
	uint64_t size = 0;
	ssize_t n;

	*ret_fstype = m->fstype;
	if (m->fstype[0] && !(m->flags & WIRE_IMAGE_FLUSH))
		return 0;
	fd = open(dev, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "open disk '%s' (%s)", m->serial, dev);
	if ((m->flags & WIRE_IMAGE_FLUSH) && ioctl(fd, BLKFLSBUF, 0) < 0)
		return error_sys(err, errno, "flush the cache of disk '%s' (%s)", m->serial, dev);
	if (ioctl(fd, BLKGETSIZE64, &size) == 0 && size < sizeof(head))
		return error_set(err, ERROR_MISSING, "disk '%s' (%s) is empty", m->serial, dev);
	if (m->fstype[0])
		return 0;
	n = pread(fd, head, sizeof(head), 0);
	if (n < 0)
		return error_sys(err, errno, "read disk '%s' (%s)", m->serial, dev);
	*ret_fstype = disk_sniff(head, (size_t)n);
	if (!*ret_fstype)
		return error_set(err, ERROR_MISSING, "disk '%s' (%s) holds none of erofs, squashfs, ext4", m->serial,
				 dev);
	return 0;
}

int disk_mount_image(const struct wire_mount_image *m, struct error *err)
{
	char dev[64], target[128];
	const char *name, *fstype;
	unsigned long flags = m->flags & WIRE_IMAGE_RW ? 0 : MS_RDONLY;

	if (!disk_is_layer_name(m->name))
		return error_set(err, ERROR_USAGE, "'%s' is no name for a layer", m->name);
	name = find(m->serial, err);
	if (!name)
		return -1;
	file_path(dev, sizeof(dev), "/dev/%s", name);
	if (prepare(dev, m, &fstype, err) < 0)
		return -1;
	file_path(target, sizeof(target), DISK_LAYERS_DIR "/%s", m->name);
	if (mkdir(target, 0755) < 0 && errno != EEXIST && file_make_dirs(target, true, 0755) < 0)
		return error_sys(err, errno, "make '%s'", target);
	if (mount(dev, target, fstype, flags, NULL) < 0) {
		int e = errno;

		rmdir(target); /* an empty folder would be taken for the layer */
		if (e == ENODEV)
			return error_sys(err, e, "mount layer '%s': this kernel has no %s", m->name, fstype);
		return error_sys(err, e, "mount layer '%s' (%s on disk '%s', %s)", m->name, fstype, m->serial, dev);
	}
	return 0;
}

/*
 * A clone's kernel remembers the partitions that the template's disk had:
 * what it cached is dropped and the table read again. A disk that is in use
 * or can have none keeps what it has.
 */
static void scan_partitions(const char *name)
{
	char dev[64];
	int fd;

	file_path(dev, sizeof(dev), "/dev/%s", name);
	fd = open(dev, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ioctl(fd, BLKFLSBUF, 0);
	ioctl(fd, BLKRRPART, 0);
	close(fd);
}

/* A node for what /sys/block/<below> describes. 0, or -errno. */
static int make_node(const char *below, const char *path)
{
	char dev[128], value[32];
	const char *p = value;
	uint64_t major_no, minor_no;

	if (file_path(dev, sizeof(dev), "/sys/block/%s/dev", below) < 0 ||
	    file_read_line(dev, value, sizeof(value)) < 0 || !file_number(&p, &major_no) || *p++ != ':' ||
	    !file_number(&p, &minor_no))
		return -ENODEV;
	return mknod(path, S_IFBLK | 0660, makedev(major_no, minor_no)) < 0 ? -errno : 0;
}

struct partitions {
	const char *disk, *path; /* "vda", "/dev/quizd0" */
};

/* "vda1" of /dev/quizd0 is /dev/quizd0p1, as the kernel names partitions of a disk whose name ends in a digit. */
static int add_partition(void *ctx, const char *name)
{
	const struct partitions *of = ctx;
	const char *number = name + strlen(of->disk);
	char below[80], path[256];
	int r;

	if (strncmp(name, of->disk, strlen(of->disk)) != 0 || *number < '1' || *number > '9')
		return 0;
	if (file_path(below, sizeof(below), "%s/%s", of->disk, name) < 0 ||
	    file_path(path, sizeof(path), "%sp%s", of->path, number) < 0)
		return 0;
	r = make_node(below, path);
	return r == -ENODEV || r == -EEXIST ? 0 : r;
}

int disk_make_node(const struct wire_node *m, struct error *err)
{
	const char *name = find(m->serial, err);
	struct partitions of = { name, m->path };
	char path[64];
	int r;

	if (!name)
		return -1;
	if (m->path[0] != '/')
		return error_set(err, ERROR_USAGE, "'%s' is no absolute path for a block device", m->path);
	scan_partitions(name);
	r = file_make_dirs(m->path, false, 0755);
	if (r == 0)
		r = make_node(name, m->path);
	file_path(path, sizeof(path), "/sys/block/%s", name);
	if (r == 0)
		r = file_each_name(path, add_partition, &of);
	return r < 0 ? error_sys(err, -r, "make block device '%s' of disk '%s' (%s)", m->path, m->serial, name) : 0;
}
