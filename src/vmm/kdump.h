/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What QEMU's kdump-compressed cores lack for the tools that read them.
 *
 * makedumpfile's flattened form of a kdump-compressed core: the core's pieces
 * in the order in which they were written, each with its place, for outputs
 * that can not seek. QEMU before 8.2 writes kdump formats in this form only;
 * crash reads it, drgn (libkdumpfile) does not.
 */

#include "base/error.h"

/*
 * Puts a flattened core (read from its beginning) together in to_fd, an empty file. Returns 1 when it was
 * one, 0 when the file is something else (to_fd is untouched), -1 on error.
 */
int kdump_unflatten(int from_fd, int to_fd, struct error *err);

/*
 * QEMU does not know the guest's uname, so it leaves it out; libkdumpfile
 * believes nothing of a core without. Fills it in where it is missing: the
 * release is in the core's vmcoreinfo. A core without vmcoreinfo, and a file
 * that is none, stay as they are.
 */
int kdump_add_uname(int fd, struct error *err);
