/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A whole log with source lines put behind its symbols: each line comes out
 * as it went in, followed by where it is, for example
 *
 *	 zfs_ioctl+0x12/0x40 [zfs]  (inner at a.h:3, in zfs_ioctl at zfs_ioctl.c:123) | return (inner(x));
 *
 * Calls are one byte before the return addresses that stacks are made of;
 * the program counter's lines (RIP and the like) are taken as they are.
 */

#include "run/symbols.h"

/*
 * Called once for each module of the log ("": the kernel) before it is asked for: symbols_add() what there is.
 * build_id: hex digits, as the log has them; or NULL.
 */
typedef void symbolize_find_fn(void *ctx, struct symbols *s, const char *module, const char *build_id);

/* What became of the symbols of one module. */
struct symbolize_count {
	char *module; /* owned */
	unsigned n_found, n_no_file, n_no_debug, n_other_build;
};

struct symbolize {
	struct symbols *symbols; /* owned */
	symbolize_find_fn *find;
	void *ctx;
	bool no_source;			/* locations only */
	struct symbolize_count *counts; /* owned */
	size_t n_counts;
};

/* Fills symbols; find and ctx are the caller's to set. */
void symbolize_init(struct symbolize *z);
void symbolize_clear(struct symbolize *z);

/* Text of any number of lines; what comes out is safe to print. */
void symbolize_text(struct symbolize *z, const char *text, size_t n, struct str *out);

/* The kernel release that a log is of ("6.1.0-50-amd64"), or NULL. Caller frees. */
char *symbolize_release(const char *text, size_t n);
