/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Where the debug information of a machine's kernel and modules lies on this
 * host, and the command lines that open a vmcore with it.
 */

#include <stdbool.h>

#include <jansson.h>

#include "base/str.h"
#include "spec/kernel.h"
#include "sys/paths.h"

struct debug_files {
	char *kernel_id;     /* owned, like all of these */
	char *vmlinux;	     /* the best that there is */
	bool has_debug;	     /* it has debug information */
	char *gdb_scripts;   /* the kernel's own vmlinux-gdb.py; NULL: none */
	struct strv folders; /* with the kernel's modules */
	struct strv modules; /* out-of-tree modules with debug information */
};

void debug_files_of(const struct kernel *k, const struct strv *modules, struct debug_files *ret);
/* The same by the kernel's id, modules an array of paths or NULL. ERROR_MISSING when the kernel is gone. */
int debug_files_find(const struct paths *paths, const char *kernel_id, const json_t *modules, struct debug_files *ret,
		     struct error *err);
void debug_files_clear(struct debug_files *d);

/* Appends the command lines for crash and drgn, one per line after `indent`; what is missing, as a last line. */
void debug_files_commands(const struct debug_files *d, const char *vmcore, const char *indent, struct str *out);

/*
 * The commands with which gdb goes to the machine that listens at `socket`.
 * share: quiz's own data folder. tree: where the user's own modules are
 * looked for, a few folders deep; or NULL.
 */
void debug_files_gdb(const struct debug_files *d, const char *share, const char *tree, const char *socket,
		     struct str *out);
