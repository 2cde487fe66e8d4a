/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A sysroot: the headers and libraries of another architecture's packages, for
 * cross builds of user space. Unpacked, never installed; no root is needed,
 * and the host's package lists do not change. It can be deleted at any time
 * (`quiz clean --cache`): the next build makes it again at the same place.
 *
 *	<cache>/sysroots/<arch>/usr/{include,lib,share/pkgconfig}
 *	<cache>/sysroots/<arch>/lib		a link to usr/lib, for linker scripts
 *	<cache>/sysroots/<arch>/packages.list	what it was made from; written last
 */

#include "base/error.h"
#include "base/str.h"
#include "spec/arch.h"
#include "sys/paths.h"

struct progress;

/* Where the sysroot of this architecture is, or would be. Caller frees. */
char *sysroot_path(const struct paths *paths, const struct arch *arch);

/* "s390x-linux-gnu": the name of the architecture's tools and library folders. Caller frees. */
char *sysroot_triplet(const struct arch *arch);

/*
 * Environment for programs that configure a build with it: pkg-config finds
 * the target's libraries and none of the host's.
 */
void sysroot_environment(const struct paths *paths, const struct arch *arch, struct strv *env);

/* ---- in the helper ---- */

#define SYSROOT_COMMAND "sysroot" /* quiz-image sysroot ARCH: nobody types it */

/* Makes it unless it is there: what OpenZFS's user space is built with. */
int sysroot_make(const struct paths *paths, const struct arch *arch, const struct progress *progress, struct error *err);
