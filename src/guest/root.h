/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The machine's root: an overlay over the mounted layers, and the host
 * folders in it.
 *
 *	MOUNT_IMAGE ... or SHARE with HOST_ROOT --> root_assemble() --> SHARE ...
 */

#include <stdbool.h>

#include "base/error.h"
#include "wire/wire.h"

/* ASSEMBLE: builds the overlay and moves root there. Once. */
int root_assemble(const struct wire_assemble *m, struct error *err);
bool root_is_assembled(void);

/* SHARE */
int root_share(const struct wire_share *m, struct error *err);
