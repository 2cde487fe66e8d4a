/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Files between the host and a machine that is up, for `quiz cp`: one session
 * that carries an archive (wire/files.h), which is made on one side and
 * unpacked on the other (wire/tree.h), piece by piece as flow control lets it.
 *
 * Files, folders, holes, modes, modification times, symbolic and hard links
 * are kept. Owners, set-id bits, fifos and device nodes are kept only on the
 * way into the guest: nothing of that kind comes out of one.
 *
 * As with cp(1), an existing folder as destination gets the source under its
 * last name; otherwise the destination is the new name. An existing file is
 * replaced, an existing folder of the same name is joined.
 */

#include "base/error.h"
#include "run/client.h"

/* Removes from an artifacts folder the files that carried bytes for copies which were killed. */
void copy_sweep(const char *artifacts);

/* note hears of each thing that was left out. */
int copy_from_guest(struct client *c, const char *guest_path, const char *host_path, void (*note)(const char *text),
		    struct error *err);
int copy_to_guest(struct client *c, const char *host_path, const char *guest_path, void (*note)(const char *text),
		  struct error *err);
