/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* What fuzz targets share. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Like assert(), in every build. */
#define CHECK(cond)                                                                 \
	do {                                                                        \
		if (!(cond)) {                                                      \
			fprintf(stderr, "broken: %s (line %d)\n", #cond, __LINE__); \
			abort();                                                    \
		}                                                                   \
	} while (0)
