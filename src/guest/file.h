/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Small files and folders, without stdio and without allocation: how the
 * agent talks to /proc, /sys and /etc. Callers bring the buffer.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define FILE_PATH_MAX 4096 /* bytes with the NUL, as PATH_MAX */

/* Reads at most cap - 1 bytes and ends them with a NUL. Returns the length, or -errno. */
ssize_t file_read(const char *path, char *buf, size_t cap);
/* The same, cut at the first newline: one value of sysfs. */
ssize_t file_read_line(const char *path, char *buf, size_t cap);

/* All of it to a descriptor. 0, or -errno. */
int file_write_all(int fd, const void *mem, size_t n);
/* Into an existing file (a knob of /proc or /sys), in one write. 0, or -errno. */
int file_poke(const char *path, const char *text);
/* Makes or replaces a file. A symbolic link in its place is replaced, not followed. 0, or -errno. */
int file_replace(const char *path, const void *mem, size_t n, unsigned mode);

/* Makes the folders that lead to path, and path itself when `last`. 0, or -errno (an existing folder is fine). */
int file_make_dirs(const char *path, bool last, unsigned mode);

/* snprintf for paths: 0, or -ENAMETOOLONG when it was cut. */
int file_path(char *buf, size_t cap, const char *fmt, ...) _printf_(3, 4);

/*
 * Walks a folder of few entries (sysfs): calls fn for each name except . and
 * .., until one returns nonzero, which is returned. 0 at the end, or -errno.
 */
int file_each_name(const char *path, int (*fn)(void *ctx, const char *name), void *ctx);

/* Decimal number at *s; advances *s behind it. False when there is none or it does not fit. */
bool file_number(const char **s, uint64_t *ret);
