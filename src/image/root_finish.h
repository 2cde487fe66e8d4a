/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Making a root of another architecture where this host can run none of its
 * programs: packages are only unpacked here, and installed inside a machine
 * of that architecture. Slower than user emulation (root_foreign.h), but
 * any kernel can do it, and nothing has to be installed or registered.
 */

#include "base/error.h"
#include "base/str.h"
#include "image/root.h"
#include "spec/arch.h"
#include "sys/paths.h"
#include "sys/proc.h"
#include "sys/progress.h"

struct root_finish {
	const struct paths *paths;
	const struct arch *arch;
	const struct root_set *set;
	const struct progress *progress;
	const char *dir;      /* a folder of the build's own; what is made in it is removed */
	const char *log_path; /* appended to */
	proc_line_fn *line;   /* gets what the machine says; may be NULL */
	void *ctx;
};

/* Is there what boots such a machine? 0, or -1: ERROR_MISSING with the command that brings it. Before anything is downloaded. */
int root_finish_check(const struct paths *p, const struct arch *arch, struct error *err);

/*
 * mmdebstrap's options for unpacking instead of installing: the variant, the
 * packages, and hooks that put the packages themselves into the root, where
 * the machine finds them. deb_dir: of downloaded packages.
 */
void root_finish_options(struct strv *argv, const struct root_set *set, const struct strv *packages, const char *deb_dir);

/* Replaces the archive of an unpacked root by that of an installed one. */
int root_finish(const struct root_finish *f, const char *tar, struct error *err);
