/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Making roots: `quiz root build` from the distribution's packages by
 * mmdebstrap, `quiz root add` from what the user has. In quiz-image only.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"
#include "spec/arch.h"
#include "spec/root.h"
#include "sys/paths.h"
#include "sys/progress.h"

struct root_build_options {
	const char *set;	   /* name of a set; NULL: "minimal" */
	const struct strv *packages; /* more packages, or NULL */
	const char *suite;	   /* NULL: the host's, or the first that has the architecture */
	const struct arch *arch;   /* NULL: the host's */
	const char *mirror;	   /* URL, for hosts without apt sources of that distribution; NULL: the host's own sources */
	bool in_machine;	   /* install in a machine of the architecture, even where its programs can be run here */
	const char *id;		   /* NULL: made from suite, set and packages */
};

/*
 * Builds and publishes. Takes about a minute and downloads what is not in
 * <cache>/downloads. The full log is <state>/logs/root-<id>.log; a failure
 * names it.
 */
int root_build(const struct paths *p, const struct root_build_options *opt, const struct progress *progress,
	       struct root *ret, struct error *err);

struct root_add_options {
	const char *id;		 /* NULL: from the file's name */
	const struct arch *arch; /* NULL: the host's */
};

/* Adds a folder, a tarball (any compression), or an EROFS, squashfs or ext4 image, known by its magic. */
int root_add(const struct paths *p, const char *source, const struct root_add_options *opt,
	     const struct progress *progress, struct root *ret, struct error *err);

/* What a file is: "erofs", "squashfs", "ext4" by its magic, else NULL (perhaps an archive). */
const char *root_add_image_type(const void *head, size_t n);

/* The id of a root with these properties: "debian-bookworm-minimal+gdb-s390x". Caller frees. Pure. */
char *root_build_id(const char *os, const char *suite, const char *set, const struct strv *packages,
		    const struct arch *arch);

/*
 * From deb822 sources those of `suite` itself, without its -updates and
 * -security: what a build falls back on when their lists can not be had. Pure.
 */
void root_build_base_sources(const char *sources, const char *suite, struct str *out);

/* Is this apt's complaint that it could not get a list of <suite>-updates or <suite>-security? Pure. */
bool root_build_lacks_updates(const char *line, const char *suite);
