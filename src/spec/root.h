/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A root image in the store, as pure data: <data>/roots/<id>/ with
 * root.erofs (or .squashfs, .ext4) and manifest.json.
 */

#include <stdint.h>

#include "base/str.h"

struct root {
	char *id;	  /* "debian-bookworm-minimal" */
	char *arch;	  /* arch.name */
	char *suite;	  /* "bookworm" or "" */
	char *set;	  /* "minimal", "zfs", ... or "" for an added one */
	char *origin_text;
	char *dir;	  /* absolute folder */
	char *image;	  /* file name in dir */
	char *fstype;	  /* "erofs", "squashfs", "ext4" */
	char *key;	  /* content key */
	uint64_t created, bytes;
	struct strv packages; /* "name version" each, sorted; empty when unknown */
};

void root_clear(struct root *r);
