/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Trees of files to and from the archive of files.h, for both sides of
 * `quiz cp`: the one part of wire/ that does I/O, on files only, because two
 * copies of what keeps a hostile archive inside its folder would be one
 * too many.
 *
 * Reader: pull bytes until there are none. Writer: push bytes as they come,
 * then ask whether it was all. Both allocate (an agent's child uses them, not
 * PID 1).
 */

#include <sys/types.h>

#include "base/error.h"
#include "wire/files.h"

struct tree_reader;

/*
 * What stands at path becomes the archive. A symbolic link at path itself is
 * followed (its user named it), those below are archived as links. Not kept:
 * extended attributes, ACLs, sockets (a NOTE says so).
 */
int tree_reader_new(const char *path, struct tree_reader **ret, struct error *err);
void tree_reader_free(struct tree_reader *r);
DEFINE_CLEANUP(struct tree_reader *, tree_reader_free)

/* Fills buf, at least FILES_RECORD_MAX bytes, with whole records. Bytes; 0: that was all. What cannot be read becomes a NOTE. */
size_t tree_reader_read(struct tree_reader *r, void *buf, size_t cap);

enum tree_writer_flags {
	/*
	 * Owners, set-id bits, device nodes and fifos as in the archive. Without it
	 * they are left out: what a guest sends must not become that on a host.
	 */
	TREE_PRIVILEGED = 1 << 0,
};

struct tree_writer;

/*
 * The archive's tree goes to path; when that is an existing folder and name is not
 * "", to path/name, as cp(1) does. Existing files are replaced, folders are joined.
 * note (may be NULL) hears of all that was left out on either side.
 */
int tree_writer_new(const char *path, const char *name, unsigned flags,
		    void (*note)(void *ctx, const char *path, const char *text), void *ctx, struct tree_writer **ret,
		    struct error *err);
/* Errors speak of this path, where the one that was given says nothing to people. */
void tree_writer_call(struct tree_writer *w, const char *shown);
void tree_writer_free(struct tree_writer *w);
DEFINE_CLEANUP(struct tree_writer *, tree_writer_free)

/* Any piece of the archive. An error is final. Links in the way are never followed: nothing outside is touched. */
int tree_writer_write(struct tree_writer *w, const void *mem, size_t n, struct error *err);
/* Was END seen, and nothing behind it? Else an error. */
int tree_writer_finish(struct tree_writer *w, struct error *err);
