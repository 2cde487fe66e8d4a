/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A kernel in the store, as pure data. The folder <data>/kernels/<id>/ holds
 *
 *	manifest.json	what this struct says
 *	vmlinux | image	what boots (boot_file)
 *	System.map, config
 *	modules/lib/modules/<release>/	module tree with modules.dep, uncompressed .ko
 *	build/		tree for external modules (make -C build M=...)
 *	debug/vmlinux	unstripped, for symbols, when there is one
 *	initrd.cpio	agent-less part of the initramfs: modules in load order (see image/initramfs.h)
 *	initrd-<fstype>.cpio	takes its place when the root has that file system and the kernel has it as a module
 *
 * image/kernel.h loads, lists and publishes these.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum kernel_entry {
	KERNEL_PVH,   /* ELF vmlinux with a PVH note */
	KERNEL_IMAGE, /* whatever the architecture's -kernel takes */
};

/* What a driver or feature is in this kernel. */
enum tristate {
	TRI_NO,
	TRI_MODULE,
	TRI_YES,
};

/* The features that a plan asks about. One table: field, config symbol, module that has it. */
#define KERNEL_FEATURES(X)                                                     \
	X(virtio_mmio, "VIRTIO_MMIO", "virtio_mmio")                           \
	X(virtio_mmio_cmdline, "VIRTIO_MMIO_CMDLINE_DEVICES", NULL)            \
	X(virtio_pci, "VIRTIO_PCI", "virtio_pci")                              \
	X(virtio_blk, "VIRTIO_BLK", "virtio_blk")                              \
	X(virtio_console, "VIRTIO_CONSOLE", "virtio_console")                  \
	X(virtio_net, "VIRTIO_NET", "virtio_net")                              \
	X(virtio_9p, "NET_9P_VIRTIO", "9pnet_virtio")                          \
	X(fs_9p, "9P_FS", "9p")                                                \
	X(erofs, "EROFS_FS", "erofs")                                          \
	X(squashfs, "SQUASHFS", "squashfs")                                    \
	X(ext4, "EXT4_FS", "ext4")                                             \
	X(overlay, "OVERLAY_FS", "overlay")                                    \
	X(loop, "BLK_DEV_LOOP", "loop")                                        \
	X(acpi, "ACPI", NULL)                                                  \
	X(pvh, "PVH", NULL)                                                    \
	X(pvpanic, "PVPANIC_MMIO", "pvpanic-mmio")                             \
	X(modules, "MODULES", NULL)

struct kernel {
	char *id;	   /* "6.1.0-50-amd64", "6.12.7+kasan"; folder name */
	char *release;	   /* uname -r */
	char *version;	   /* "6.1.176": what -k 6.1 is compared with */
	char *flavour;	   /* "", "kasan", "cloud"; several joined by "+" */
	char *origin;	   /* "debian", "built", "added" */
	char *origin_text; /* for people: package and version, tree and commit */
	char *arch;	   /* arch.name */
	char *dir;	   /* absolute folder */
	char *boot_file;   /* relative to dir */
	enum kernel_entry entry;
	char *key;	   /* content key of everything that matters to a template */
	uint64_t created;  /* unix seconds */
	uint64_t bytes;	   /* disk space */
	bool has_build, has_debug, has_modules;
	struct strv initrd_modules; /* paths relative to the module tree, in load order */
#define X(field, symbol, module) enum tristate field;
	KERNEL_FEATURES(X)
#undef X
};

void kernel_clear(struct kernel *k);
