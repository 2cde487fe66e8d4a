/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Files and trees of the host. Every function that changes something that
 * another quiz might look at does it by a temporary name and rename(2), so
 * that nobody ever sees half of it. Paths are the caller's; errors name them.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/str.h"

/* Reads a whole file of at most max bytes (ERROR_SYSTEM EFBIG beyond). */
int fs_read(const char *path, size_t max, struct str *ret, struct error *err);

/* Writes a temporary neighbour, fsyncs if asked, renames it over path. mode as for open(2). */
int fs_write_atomic(const char *path, const void *mem, size_t n, mode_t mode, bool sync, struct error *err);

int fs_mkdir_p(const char *path, mode_t mode, struct error *err); /* an existing folder is fine */
int fs_mkdir_parents(const char *path, struct error *err);	  /* the folder that path lies in */

bool fs_exists(const char *path); /* follows links */
bool fs_is_dir(const char *path);
bool fs_is_executable(const char *path);

/* May files be made in a folder, which may still have to be made? ERROR_SYSTEM: why not. Caller frees *ret_at (may be NULL):
 * the part of the path that is there. */
int fs_can_write(const char *path, char **ret_at, struct error *err);

/* First executable `name` in $PATH (and the sbin folders that users' PATHs lack). Caller frees; NULL if none. */
char *fs_find_program(const char *name);

/* Removes a tree without following links or leaving its file system; a missing one is fine. Also
 * opens folders that were left without u+rwx. ret_bytes (may be NULL): disk space given back. */
int fs_remove_tree(const char *path, uint64_t *ret_bytes, struct error *err);

/* Disk space that a tree occupies (st_blocks), links not followed, each inode once. */
uint64_t fs_tree_bytes(const char *path);

/* The same of a tree that somebody hostile fills: at most max_n files and folders are looked at. */
struct fs_usage {
	uint64_t bytes, n;
	bool is_complete; /* all of it was counted: not more than max_n, none that lies too deep, none unreadable */
};
void fs_tree_usage(const char *path, uint64_t max_n, struct fs_usage *ret);

/* Closes what was written. 0, or -1 with errno: a network's file system may find out only here that it has no room. */
int fs_close_written(int *fd);

/* Copies a regular file: reflink where possible, else holes are kept. */
int fs_copy_file(const char *from, const char *to, mode_t mode, struct error *err);
/* The same of an open one; `from` is its name for messages. */
int fs_copy_fd(int in, const char *from, const char *to, mode_t mode, struct error *err);

/* What lies between two places of one open file, to the same place of another; pages of zeros become holes. 0, or -errno. */
int fs_copy_part(int in, int out, off_t from, off_t to);

/* The same of bytes that are at hand, to a place of an open file. 0, or -errno. */
int fs_copy_mem(int out, const void *mem, size_t n, off_t pos);

/* A file in memory without a name, which goes with its last descriptor; the descriptor, or -1. */
int fs_memory_file(const char *name, struct error *err);
/* The same of large pages, where the host has them and lets us: faster for a program that uses much of it. */
int fs_large_memory_file(const char *name, struct error *err);

/*
 * Publishing a folder: fsync its files, rename it to `to`. When `to` exists
 * already (somebody else built the same id), the new one is removed and that
 * is success: content-keyed things are equal.
 */
int fs_publish_dir(const char *tmp, const char *to, struct error *err);

/* Publishes the folder tmp in the place of the folder `to`, at once, which is then found at tmp. */
int fs_exchange_dir(const char *tmp, const char *to, struct error *err);

/* A fresh temporary folder "<dir>/.tmp-<tag>.<pid>.<n>" on the same file system as its destination. Caller frees. */
char *fs_temp_dir(const char *dir, const char *tag, struct error *err);

/* Removes those of this tag that were left, for a caller whose lock keeps every maker of such a one out. */
void fs_sweep_temp_dirs(const char *dir, const char *tag);

/* The same for what fs_write_atomic() was about to put into a folder. */
void fs_sweep_temp_files(const char *dir);

/* Names in a folder, sorted, without "." and "..". A missing folder is empty. */
int fs_list(const char *path, struct strv *ret, struct error *err);

/* Is path dir itself, or below it? By the letter: both absolute and without "..". */
bool fs_lies_in(const char *path, const char *dir);

/* Absolute path without symlinks of an existing file. Caller frees; NULL on error. */
char *fs_real_path(const char *path, struct error *err);

/* "a/b" + "c" with exactly one slash; "c" alone if it is absolute. Caller frees. */
char *fs_join(const char *dir, const char *name);

/* Identity of a file for caches: device, inode, size, mtime, ctime. 0 when missing. */
uint64_t fs_stamp(const char *path);

/* The same without the times: which file it is, not when it was changed. */
uint64_t fs_identity(const char *path);
