/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Debian's linux-headers packages, made to work where they are unpacked:
 * they name each other by absolute paths and their compiler by the version
 * that the distribution had.
 */

#include "base/error.h"
#include "base/str.h"
#include "spec/arch.h"

struct kernel_headers {
	const char *root;	 /* where the packages were unpacked: <root>/usr/src/linux-headers-... */
	const char *release;	 /* of the kernel */
	const struct arch *arch; /* of the kernel */
};

/* Rewrites them in place. The folder to use is <root>/usr/src/linux-headers-<release>. */
int kernel_headers_relocate(const struct kernel_headers *h, struct error *err);

/*
 * Adds the paths of kbuild's programs that want a newer C library than this
 * host has: those of a newer release. They run with kernel_headers_wrap().
 */
int kernel_headers_too_new(const struct kernel_headers *h, struct strv *ret, struct error *err);

/*
 * Makes these programs run with the loader and the libraries in
 * <root>/hostlib/ (a flat folder), from wherever the tree is: each becomes a
 * script beside the real one.
 */
int kernel_headers_wrap(const struct kernel_headers *h, const struct strv *programs, struct error *err);

/* Tries one of the programs. 0, or -1 with ERROR_UNSUPPORTED and the reason. */
int kernel_headers_check(const struct kernel_headers *h, struct error *err);
