/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Debian's linux-headers packages, made to work where they are unpacked:
 * they name each other by absolute paths and their compiler by the version
 * that the distribution had.
 */

#include "base/error.h"
#include "spec/arch.h"

struct kernel_headers {
	const char *root;	 /* where the packages were unpacked: <root>/usr/src/linux-headers-... */
	const char *release;	 /* of the kernel */
	const struct arch *arch; /* of the kernel */
};

/* Rewrites them in place. The folder to use is <root>/usr/src/linux-headers-<release>. */
int kernel_headers_relocate(const struct kernel_headers *h, struct error *err);

/*
 * Do the programs in the kbuild package run on this host? A newer release's
 * want a newer libc. 0, or -1 with ERROR_UNSUPPORTED and the loader's words.
 */
int kernel_headers_check(const struct kernel_headers *h, struct error *err);
