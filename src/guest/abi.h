/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The few pieces of the kernel's user space interface that libc headers do
 * not carry. Spelled out here, so that the agent builds with any libc and
 * without kernel headers of a certain age. Each names its kernel header.
 */

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

/* linux/loop.h */
#define QLOOP_SET_FD 0x4C00
#define QLOOP_CLR_FD 0x4C01
#define QLOOP_SET_STATUS64 0x4C04
#define QLOOP_SET_BLOCK_SIZE 0x4C09
#define QLOOP_CONFIGURE 0x4C0A /* since 5.8 */
#define QLOOP_CTL_GET_FREE 0x4C82

struct qloop_info64 {
	uint64_t device, inode, rdevice, offset, sizelimit;
	uint32_t number, encrypt_type, encrypt_key_size, flags;
	uint8_t file_name[64], crypt_name[64], encrypt_key[32];
	uint64_t init[2];
};

struct qloop_config {
	uint32_t fd, block_size;
	struct qloop_info64 info;
	uint64_t reserved[8];
};

/* linux/fs.h; BLKFLSBUF is in <sys/mount.h> of every libc */
#ifndef BLKGETSIZE64
#define BLKGETSIZE64 _IOR(0x12, 114, size_t)
#endif

/* linux/random.h */
#define QRNDADDENTROPY _IOW('R', 0x03, int[2])
#define QRNDRESEEDCRNG _IO('R', 0x07) /* since 4.17 */

/* linux/module.h */
#define QMODULE_INIT_COMPRESSED_FILE 4 /* since 5.17 */

/* linux/memfd.h */
#define QMFD_CLOEXEC 1u

/* asm-generic/termbits.h: erasing a character knows UTF-8 */
#ifndef IUTF8
#define IUTF8 0040000
#endif

/* asm-generic/ioctls.h: the other end of a pty without a path, since 4.13 */
#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

/* linux/close_range.h, since 5.9; the number is the same everywhere */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* linux/auto_fs.h: protocol 5, the request of a direct mount, and its answers */
#define QAUTOFS_MISSING_DIRECT 5
#define QAUTOFS_IOC_READY _IO(0x93, 0x60)
#define QAUTOFS_IOC_FAIL _IO(0x93, 0x61)

struct qautofs_v5_packet {
	int32_t version, type;
	uint32_t token, dev;
	uint64_t ino;
	uint32_t uid, gid, pid, tgid, len;
	char name[256];
};

/* linux/mount.h, since 5.2; the numbers are the same everywhere */
#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_move_mount
#define SYS_move_mount 429
#endif
#define QOPEN_TREE_CLONE 1u
#define QMOVE_MOUNT_F_EMPTY_PATH 4u
