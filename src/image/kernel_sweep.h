/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* Reclaims what building kernels leaves in the cache, for `quiz clean`; both return the bytes given back. */

#include <stdint.h>

#include "sys/paths.h"

/* Build folders that nothing was begun in for so long (0: all), except those of builds under way. */
uint64_t kernel_builds_sweep(const struct paths *p, uint64_t max_age_s);

/* All unpacked and fetched sources, unless a build is under way. */
uint64_t kernel_sources_remove(const struct paths *p);
