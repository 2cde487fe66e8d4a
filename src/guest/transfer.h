/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * FILES_OUT and FILES_IN sessions, in their own process: a tree to standard
 * output, or from standard input, as the archive of wire/files.h, by way of a
 * carrier (wire/carrier.h) when one is named and can be opened. What went
 * wrong is said on standard error.
 */

/* Both return the process's exit status: 0, or an errno. carrier "": none. */
int transfer_out(const char *path, const char *carrier);
int transfer_in(const char *path, const char *name, const char *carrier);
