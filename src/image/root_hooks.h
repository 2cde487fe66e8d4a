/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* Commands that mmdebstrap runs at its stages, "$1" being the root that is made. */

#include "base/str.h"

/* --<stage>-hook=<before><path, quoted><after>; path may be NULL. */
void root_hook(struct strv *argv, const char *stage, const char *before, const char *path, const char *after);

/*
 * Downloaded packages go in before anything else, and at `stage` all of them
 * come out: copies, as the namespace's root may not write to the user's folder.
 */
void root_hook_packages(struct strv *argv, const char *deb_dir, const char *stage);
