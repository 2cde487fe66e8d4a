/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * FILES_OUT and FILES_IN sessions, in their own process: a tree to standard
 * output, or from standard input, as the archive of wire/files.h. What went
 * wrong is said on standard error.
 */

/* Both return the process's exit status: 0, or an errno. */
int transfer_out(const char *path);
int transfer_in(const char *path, const char *name);
