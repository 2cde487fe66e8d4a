/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * From an archive or a folder to the EROFS image of a root, in one pass and
 * without unpacking: owners, modes and capabilities are what the archive says,
 * whoever runs us. Device nodes, sockets and what lies below /dev, /proc, /sys
 * and /run are left out; the layout becomes merged-usr; mount points are there.
 * In quiz-image only (libarchive).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "sys/progress.h"

struct root_image {
	uint64_t bytes;
	char *key;	      /* owned; of the content */
	struct strv packages; /* "name version" each, sorted; empty when it has no dpkg database */
	char *os_id, *os_suite; /* owned; ID and VERSION_CODENAME of its os-release, or NULL */
};

void root_image_clear(struct root_image *ri);
#define _cleanup_root_image_ _cleanup_(root_image_clear)

struct root_image_options {
	bool with_defaults; /* add what a root of our own making has: hostname, hosts, a root user without password */
};

/* Any tar that libarchive reads (compressed or not) to the new file image_path. */
int root_image_from_archive(const char *archive, const char *image_path, const struct root_image_options *opt,
			    const struct progress *progress, struct root_image *ret, struct error *err);

/* A folder of the host that holds a root. */
int root_image_from_dir(const char *dir, const char *image_path, const struct progress *progress, struct root_image *ret,
			struct error *err);

/* Installed packages of a dpkg status file, "name version" each, sorted. Pure. */
void root_image_packages(const char *dpkg_status, struct strv *ret);

/* The value of KEY in an os-release file, unquoted. Caller frees; NULL when absent. Pure. */
char *root_image_os_release(const char *text, const char *key);
