/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The archive that FILES_OUT and FILES_IN sessions carry (`quiz cp`, and
 * /shared where there is no 9p). A sequence of records in the same framing and
 * field encoding as wire.h (8-byte header with session 0, little-endian):
 *
 *	HEAD  { ENTRY  DATA*  |  LEAVE  |  NOTE }*  END
 *
 * ENTRY announces a file, folder, link or special file; DATA gives the pieces
 * of the file announced last, in ascending order, and leaves out its holes. A
 * folder's entries follow it, and LEAVE ends it with the mode and time that it
 * must have when all is in it. Paths are relative to what is copied, whose own
 * path is "". NOTE says what was left out and why. An archive without END
 * is incomplete, whatever else it holds.
 *
 * Encoding and decoding here; walking and making trees is tree.h.
 */

#include "wire/wire.h"

#define FILES_VERSION 1
#define FILES_PATH_MAX 4096 /* bytes with the NUL, paths and link targets */
#define FILES_DATA_MAX WIRE_DATA_MAX
#define FILES_RECORD_MAX WIRE_FRAME_MAX
#define FILES_DATA_HEADER (WIRE_HEADER_SIZE + 8 + 4) /* bytes of a DATA record before its bytes */

/* What an entry is. */
enum files_kind {
	FILES_FILE = 'f',
	FILES_DIR = 'd',
	FILES_SYMLINK = 'l',  /* target: where it points */
	FILES_HARDLINK = 'h', /* target: path of an entry that came before */
	FILES_FIFO = 'p',
	FILES_CHAR = 'c',
	FILES_BLOCK = 'b',
};

#define FILES_RECORDS(R)                                                       \
	R(1, HEAD, head)                                                       \
	R(2, ENTRY, entry)                                                     \
	R(3, DATA, data)                                                       \
	R(4, LEAVE, leave)                                                     \
	R(5, NOTE, note)                                                       \
	R(6, END, end)

#define FILES_FIELDS_HEAD(F) F(u32, version)
/* mode: permission bits. mtime_s is two's complement. size: whole length with holes, files only. */
#define FILES_FIELDS_ENTRY(F)                                                                      \
	F(u8, kind) F(u32, mode) F(u32, uid) F(u32, gid) F(u64, mtime_s) F(u32, mtime_ns) F(u64, size) \
	F(u32, major) F(u32, minor) F(str, path) F(str, target)
#define FILES_FIELDS_DATA(F) F(u64, offset) F(bytes, data)
#define FILES_FIELDS_LEAVE(F) F(u32, mode) F(u64, mtime_s) F(u32, mtime_ns) F(str, path)
#define FILES_FIELDS_NOTE(F) F(u32, errnum) F(str, path) F(str, text)
#define FILES_FIELDS_END(F) F(u64, n_entries) F(u64, n_notes)

enum files_type {
#define R(n, NAME, name) FILES_##NAME = n,
	FILES_RECORDS(R)
#undef R
};

#define F(type, field) WIRE_CTYPE_##type field;
#define R(n, NAME, name)                                                       \
	struct files_##name {                                                  \
		FILES_FIELDS_##NAME(F)                                         \
	};
FILES_RECORDS(R)
#undef R
#undef F

/* As wire_put_* and wire_get_*: a whole record into buf, its size or 0; a record's fields, borrowed. */
#define R(n, NAME, name)                                                       \
	size_t files_put_##name(void *buf, size_t cap, const struct files_##name *m);                    \
	enum wire_status files_get_##name(const struct wire_frame *f, struct files_##name *ret);
FILES_RECORDS(R)
#undef R

/* First record of a buffer, as wire_frame_get(). */
enum wire_status files_record_get(const void *buf, size_t len, struct wire_frame *ret_record, size_t *ret_size);

/*
 * May this path be used below a folder? Relative, below FILES_PATH_MAX bytes,
 * components of at most 255 bytes, none of them empty, "." or "..". "" is
 * fine (the thing itself).
 */
bool files_path_ok(const char *path);
