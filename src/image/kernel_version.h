/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Kernel versions as people type them and as kernels report them: 6.1,
 * 6.1.0, 6.12.y, v6.18-rc3, 6.18.0-rc3, next-20250721,
 * 6.16.0-next-20250618, 6.16.0-rc7-next-20250721, 5.10.0-33-amd64, 6.12.48+deb13-amd64, master. Plain
 * data; pure functions.
 */

#include <stdbool.h>

#include "base/error.h"

/* In the order in which they come before the release itself. */
enum kernel_stage {
	KERNEL_STAGE_RC,      /* -rcN */
	KERNEL_STAGE_NEXT,    /* -next-DATE */
	KERNEL_STAGE_RELEASE, /* 6.12, 6.12.7 */
};

#define KERNEL_VERSION_PARTS 4

struct kernel_version {
	unsigned part[KERNEL_VERSION_PARTS]; /* 6, 12, 7; missing ones are 0 */
	unsigned n_parts;	     /* how many were given; 0: "next-DATE", "next", "master" */
	enum kernel_stage stage;
	unsigned stage_number;	     /* the 3 of -rc3, the date of -next-DATE; 0: none given */
	bool is_series;		     /* ends in ".y": the newest patch release is meant */
	bool is_master;		     /* "master" */
	const char *rest;	     /* borrowed from the input: what follows ("-50-amd64", "+kasan"), or "" */
};

/* 0, or -1 (ERROR_USAGE) when it does not start like a kernel version. */
int kernel_version_parse(const char *text, struct kernel_version *ret, struct error *err);

/*
 * Older, same, newer: negative, 0, positive. A release candidate comes before
 * its release; `rest` and how many parts were typed do not count (6.1 is
 * 6.1.0).
 */
int kernel_version_compare(const struct kernel_version *a, const struct kernel_version *b);

/* Does `have` belong to what was asked for? "6.1" wants any 6.1.x, "6.1.0" only that, "6.18-rc3" only that candidate. */
bool kernel_version_matches(const struct kernel_version *want, const struct kernel_version *have);
