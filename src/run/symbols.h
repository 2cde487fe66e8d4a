/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * From "zfs_ioctl+0x12/0x340 [zfs]" to functions and source lines, with
 * libdw. Works from symbol and offset, never from addresses: so address
 * randomisation and where a module was loaded do not matter.
 *
 * Linked into quiz-symbols only: opening debug information needs libraries
 * that a run should not wait for.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct symbols;

struct symbols *symbols_new(void);
void symbols_free(struct symbols *s);
DEFINE_CLEANUP(struct symbols *, symbols_free)

/*
 * Names an ELF file that may have the debug information of a module ("" is the
 * kernel itself). Opened when it is asked for; of several, the first that has the function in the right size is used.
 */
void symbols_add(struct symbols *s, const char *module, const char *path);

/* Has a file been added for it? (So that a caller looks for files once per module.) */
bool symbols_knows(const struct symbols *s, const char *module);

struct symbol_frame {
	char *function;	 /* owned */
	char *file;	 /* owned; as built, without the folder of the build; or NULL */
	char *path;	 /* owned; the source file on this host, when it can be read; or NULL */
	unsigned line;	 /* 0: not known */
	bool is_inlined; /* into the next frame */
};

struct symbol_frames {
	struct symbol_frame *v; /* owned; innermost first */
	size_t n;
};

void symbol_frames_clear(struct symbol_frames *f);

enum symbols_result {
	SYMBOLS_FOUND,
	SYMBOLS_NO_FILE,     /* no file of this module */
	SYMBOLS_NO_DEBUG,    /* a file, but without debug information */
	SYMBOLS_OTHER_BUILD, /* it has no such function of this size: another build */
};

/*
 * name: with compiler suffixes, as in the log. is_return: the address is where
 * a call returns to, so the call is one byte before it. build_id: hex digits
 * as in the log, or NULL; a file with another one is another build.
 */
enum symbols_result symbols_resolve(struct symbols *s, const char *module, const char *name, uint64_t offset,
				    uint64_t size, bool is_return, const char *build_id, struct symbol_frames *ret);

/* The file that is used for a module, or NULL. Borrowed. */
const char *symbols_file(const struct symbols *s, const char *module);

/* One line of a source file, without blanks in front, or NULL. Caller frees. */
char *symbols_source_line(struct symbols *s, const char *path, unsigned line);
