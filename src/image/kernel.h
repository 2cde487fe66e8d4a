/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The kernel store: <data>/kernels/<id>/ as described in spec/kernel.h.
 *
 * This is the light side, part of the run path: it reads manifests, picks the
 * kernel that a name means, and locks or removes it. What makes kernels
 * (fetching, adding, building) is image/kernel_make.h and its users.
 *
 * A kernel's folder is immutable once published, except that debug/ may be
 * added later. Runs hold a shared flock(2) on the folder itself, so nothing
 * has to be cleaned up and a folder that is in use is not removed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "spec/kernel.h"
#include "sys/paths.h"

#define KERNEL_MANIFEST_VERSION 1

struct kernel_list {
	struct kernel *v; /* owned */
	size_t n;
};

/* Reads <dir>/manifest.json. ret is overwritten; kernel_clear() it. */
int kernel_load(const char *dir, struct kernel *ret, struct error *err);

/* Writes <dir>/manifest.json. has_* and dir are not stored: they are looked up when loading. */
int kernel_save(const char *dir, const struct kernel *k, struct error *err);

/*
 * All kernels in the store that can be read, sorted by architecture (the
 * host's first), then by rank as in kernel_select(): the first of an
 * architecture is its default. Unreadable ones are left out; their folders'
 * names go to ret_broken when given.
 */
int kernel_list(const struct paths *p, struct kernel_list *ret, struct strv *ret_broken, struct error *err);
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

/* Keeps the kernel from being removed while the descriptor is open. -1: ERROR_MISSING when it just went away. */
int kernel_lock_shared(const struct kernel *k, struct error *err);

/* Removes it. ERROR_BUSY when a run uses it. ret_bytes: space given back. */
int kernel_remove(const struct kernel *k, uint64_t *ret_bytes, struct error *err);

/* The same for a folder of the store whose manifest can not be read. ERROR_MISSING when there is none of that name. */
int kernel_remove_broken(const struct paths *p, const char *id, uint64_t *ret_bytes, struct error *err);

/* Absolute paths of its parts. Caller frees. */
char *kernel_boot_path(const struct kernel *k);	   /* what the VMM boots */
char *kernel_layer_path(const struct kernel *k);   /* tree to lay over the root (usr/lib/modules, boot); NULL: none */
char *kernel_modules_path(const struct kernel *k); /* .../lib/modules/<release>; NULL: none */
char *kernel_build_path(const struct kernel *k);   /* for make -C ... M=; NULL: none */

/* <data>/kernels. Caller frees. */
char *kernel_store_path(const struct paths *p);

/* The names of features, for printing: "virtio_mmio" and so on with their values. */
const char *tristate_name(enum tristate t); /* "no", "module", "yes" */
