/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Kernels in the store (image/store.h): <data>/kernels/<id>/ as described in
 * spec/kernel.h.
 *
 * This is the light side, part of the run path: it reads manifests and picks
 * the kernel that a name means. What makes kernels (fetching, adding,
 * building) is image/kernel_make.h and its users; they may add debug/ to a
 * published one later.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "image/store.h"
#include "spec/kernel.h"
#include "sys/paths.h"

/* What they are to the store. */
extern const struct store_kind kernel_store;

struct kernel_list {
	struct kernel *v; /* owned */
	size_t n;
};

/* Reads <dir>/manifest.json. ret is overwritten; kernel_clear() it. */
int kernel_load(const char *dir, struct kernel *ret, struct error *err);

/* store_list() of kernels: the first of an architecture is its default, as in kernel_select(). */
int kernel_list(const struct paths *p, struct kernel_list *ret, struct strv *ret_damaged, struct error *err);
void kernel_list_clear(struct kernel_list *list);

/*
 * The kernel that a name means; pure. In this order:
 *	an id or a release, exactly
 *	VERSION[+FLAVOUR[+FLAVOUR]]: the newest that matches ("6.1": any 6.1.x, the plain flavour first)
 *	[+]FLAVOUR: the newest of that flavour
 * name NULL: the first in rank, which is plain flavour before others, own-built before
 * fetched before added, newer before older. arch NULL: the host's, except that an exact id may be of any.
 * Borrowed from the list; NULL with ERROR_MISSING (hint: how to get one) or ERROR_USAGE.
 */
const struct kernel *kernel_select(const struct kernel_list *list, const char *arch, const char *name,
				   struct error *err);

/*
 * The kernel for a run: `name` as typed (-k), else `config_default` (the
 * config's value, may be NULL), else the first in rank.
 */
int kernel_find(const struct paths *p, const char *arch, const char *name, const char *config_default,
		struct kernel *ret, struct error *err);

/* Appends the command that builds another kernel of the same source and architecture, for hints: add options to it. */
void kernel_build_again(const struct kernel *k, struct str *out);

/* Keeps the kernel from being removed while the descriptor is open. -1: ERROR_MISSING when it just went away. */
int kernel_lock_shared(const struct kernel *k, struct error *err);

/* Absolute paths of its parts. Caller frees. */
char *kernel_boot_path(const struct kernel *k);	   /* what the VMM boots */
char *kernel_layer_path(const struct kernel *k);   /* tree to lay over the root (usr/lib/modules, boot); NULL: none */
char *kernel_modules_path(const struct kernel *k); /* .../lib/modules/<release>; NULL: none */
/*
 * <dir>/initrd.cpio, or initrd-<root_fstype>.cpio for a file system that roots may have and layers usually have not;
 * NULL is any other. Neither need exist.
 */
char *kernel_initrd_path(const char *dir, const char *root_fstype);
extern const char *const kernel_root_fstypes[2];
char *kernel_build_path(const struct kernel *k);   /* for make -C ... M=; NULL: none */

/* The names of features, for printing: "virtio_mmio" and so on with their values. */
const char *tristate_name(enum tristate t); /* "no", "module", "yes" */
