/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Files from the network, over HTTP(S). A download goes to <path>.part, is
 * continued where it stopped (in this call, after a cut connection, or in a
 * later one), checked, and renamed to <path>: whatever is called <path> is
 * whole. Proxies come from the environment, as curl's.
 */

#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "sys/progress.h"

/*
 * Fetches url into path. sha256 (hex, NULL: none is known) is checked before
 * the rename. A part that was left by something else and spoils the sum is
 * dropped and fetched afresh once. ERROR_MISSING: the server does not have it
 * (404, 410); ERROR_SYSTEM with errnum: the disk; ERROR_TIMEOUT: no answer;
 * ERROR_UNSUPPORTED: whatever else the network does.
 */
int download_file(const char *url, const char *path, const char *sha256, const struct progress *progress,
		  struct error *err);

/* Fetches a text of at most max bytes. */
int download_text(const char *url, size_t max, struct str *ret, struct error *err);

/* The file's SHA-256 in hex. Caller frees; NULL on error. */
char *download_sha256(const char *path, struct error *err);
