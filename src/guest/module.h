/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Loading kernel modules: those that the initramfs lists, in its order, and
 * those of the root, by path or by name with their dependencies.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* "nft-compat.ko.xz" and "/a/nft_compat.ko" are the same module. */
bool module_same_name(const char *a, const char *b);

/*
 * Looks a module up in the text of modules.dep. Calls fn with each path that
 * must be loaded, dependencies first (modules.dep lists them nearest first),
 * the module itself last. Returns 1 when it is listed, 0 when not, or what fn
 * returned when that was negative.
 */
int module_dep_each(const char *dep, size_t len, const char *name, int (*fn)(void *ctx, const char *path, bool is_last),
		    void *ctx);

/*
 * Calls fn with each word that belongs to name in a text of lines "keyword name
 * word...": modules.alias (keyword "alias", name the alias) and modules.softdep
 * ("softdep"; words behind "post:" are left out). Returns how many, or what fn
 * returned when that was negative.
 */
int module_words_each(const char *text, size_t len, const char *keyword, const char *name,
		      int (*fn)(void *ctx, const char *word), void *ctx);

/* Is it listed in the text of modules.builtin? */
bool module_list_has(const char *list, size_t len, const char *name);

/*
 * Does a module, whose uncompressed file is text, not declare one of the parameters ("name=value name...")? Its name is
 * copied then. The kernel itself ignores such a parameter, with a line in its log.
 */
bool module_unknown_param(const char *text, size_t len, const char *params, char *ret, size_t size);

/* Loads one file. One that is loaded already is fine. 0, or -errno. */
int module_load_file(const char *path, const char *params);

/*
 * LOAD_MODULE: absolute path, or a name or alias (without wildcards) of
 * /lib/modules/<release>, with dependencies, soft ones too. Built-in and loaded: done.
 */
int module_load(const char *module, const char *params, struct error *err);

/* Loads and deletes what <dir>/order lists; failures are logged and do not stop it. Returns how many are in. */
int module_load_initramfs(const char *dir);
