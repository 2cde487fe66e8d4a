/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* MEMDEV: block devices in memory, for pools and file systems under test. */

#include "base/error.h"
#include "wire/wire.h"

int memdev_make(const struct wire_memdev *m, struct error *err);
