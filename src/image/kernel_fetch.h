/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* Ready-made kernels of a Debian release, through the host's apt (image/apt.h), unpacked and never installed. */

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"
#include "image/apt.h"
#include "spec/arch.h"
#include "spec/kernel.h"
#include "sys/paths.h"
#include "sys/progress.h"

struct kernel_fetch_options {
	const char *wanted;	 /* flavour ("cloud"), version ("6.1", "6.1.0-50"), package release; NULL: the default */
	const struct arch *arch; /* NULL: the host's */
	const char *suite;	 /* NULL: the host's, or the first that has the architecture */
	bool with_debug;	 /* the -dbg package: debug/vmlinux */
};

/*
 * Fetches and publishes. *ret_existed: it was there already (and, with
 * with_debug, has its debug part now). kernel_clear() the kernel.
 */
int kernel_fetch_debian(const struct paths *p, const struct kernel_fetch_options *o, const struct progress *progress,
			struct kernel *ret, bool *ret_existed, struct error *err);

/* ---- Pure parts ---- */

/* A kernel package by its name: "linux-image-6.1.0-50-cloud-amd64" for base "amd64". */
struct kernel_package_name {
	char *release; /* owned; "6.1.0-50-cloud-amd64"; of a meta package what follows "linux-image-" */
	char *flavour; /* owned; "cloud"; "" for the plain one */
	bool has_version;
};

/* False for what is no bootable kernel of this base (-dbg, -unsigned, -template, another architecture's). */
bool kernel_package_parse(const char *name, const char *base, struct kernel_package_name *ret);
void kernel_package_clear(struct kernel_package_name *n);

/* What Debian calls the plain flavour of an architecture: "amd64", "powerpc64le", "armmp". */
const char *kernel_package_base(const char *debian_arch);

/*
 * The package that `wanted` means among `packages` (all with the prefix
 * "linux-image-"): the meta package of a flavour, or the newest image of a
 * version. Borrowed; NULL when there is none.
 */
const struct apt_package *kernel_package_pick(const struct apt_packages *packages, const char *base,
					      const char *wanted);

/* "6.1.176" of the package version "6.1.176-1", "6.18-rc3" of "6.18~rc3-1~exp1". Caller frees. */
char *kernel_package_upstream(const char *version);
