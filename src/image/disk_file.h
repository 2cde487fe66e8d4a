/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A file or block device of the user's that a machine gets as a disk.
 *
 *	disk_file_open --> it is one, and this is its size --> disk_file_lock --> nobody else writes to it
 *
 * The format is told by the name alone: "*.qcow2" is qcow2, all else is raw.
 * A guest that may write to a raw disk can make it look like a qcow2 file
 * whose backing file is any file of the host's, and the next machine would
 * read that to it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

struct disk_file {
	char *path;	/* owned; absolute, without links */
	uint64_t bytes; /* what a guest sees */
	bool is_qcow2, is_written;
	int fd; /* owned */
};

#define DISK_FILE_INIT                                                                                                 \
	{                                                                                                              \
		.fd = -1                                                                                               \
	}

/*
 * Looks at it and changes nothing. ERROR_MISSING when there is none,
 * ERROR_USAGE when it can not be a disk, ERROR_BUSY for a block device that
 * is mounted or part of something, if it is to be written.
 */
int disk_file_open(const char *name, bool is_written, struct disk_file *ret, struct error *err);

/*
 * One writer, or any number of readers, for as long as ret->fd is open, which
 * may leave the struct. ERROR_BUSY. Programs other than quiz need not care;
 * QEMU has locks of its own against other QEMUs.
 */
int disk_file_lock(const struct disk_file *f, struct error *err);

void disk_file_clear(struct disk_file *f);
#define _cleanup_disk_file_ __attribute__((cleanup(disk_file_clear)))
