/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Making a kernel for the store, whatever it comes from. The one way in:
 *
 *	begin ──> the maker fills draft.at.dir and draft.k ──> finish (publishes)
 *	      └─> already there (another process made it while we waited)  └─> abort (nothing is left)
 *
 * The maker puts into draft.at.dir
 *
 *	<k.boot_file>	"vmlinux", "image", ...: anything that the architecture's boot loader takes; finish
 *			unpacks it to a PVH vmlinux, or to what QEMU takes, where that is possible
 *	config		(wanted; without it features come from the module tree)
 *	System.map	(optional)
 *	layer/usr/lib/modules/<release>/	(optional) .ko may be compressed; modules.builtin, modules.order beside
 *	build/		(optional) for make -C build M=...
 *	debug/vmlinux	(optional)
 *
 * and sets in draft.k: release, version, flavour, origin, origin_text, arch,
 * boot_file. Finish decompresses the modules, runs depmod, works out
 * initrd.cpio, reads the features, makes the links and layer/boot/, computes
 * key and size, writes the manifest and publishes the folder by a rename.
 */

#include <stdbool.h>

#include "base/error.h"
#include "image/store_draft.h"
#include "spec/kernel.h"

struct kernel_draft {
	struct kernel k;       /* owned */
	struct store_draft at; /* its folder and lock, from begin to abort */
};

#define KERNEL_DRAFT_INIT { .at = STORE_DRAFT_INIT }

/*
 * store_draft_begin() of a kernel. When it is in the store by now (*ret_exists),
 * draft->k is that one; call abort to let go.
 */
int kernel_draft_begin(const struct paths *p, const char *id, const char *doing, const struct progress *progress,
		       struct kernel_draft *ret, bool *ret_exists, struct error *err);

/* Publishes. On success draft->k describes the kernel in the store (dir, key, ...). Calls abort on failure. */
int kernel_draft_finish(struct kernel_draft *draft, const struct progress *progress, struct error *err);

/* Removes the temporary folder, lets go of the lock and frees; fine on one that was never begun or is finished. */
void kernel_draft_abort(struct kernel_draft *draft);

/* The config symbol's value in a kernel's config text: yes, module or no. symbol without CONFIG_. */
enum tristate kernel_config_value(const char *config_text, const char *symbol);
