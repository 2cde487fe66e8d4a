/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The kernel's own counters (oops_count, warn_count, tainted, ...) at the end
 * of a run, and at its start if that is not the boot, where they are 0: a check
 * of the findings that needs no console.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/finding.h"

#define KERNEL_COUNTERS_MAX 16

struct kernel_counter {
	char name[48];
	uint64_t start, end;
	bool has_end;
};

struct kernel_counters {
	struct kernel_counter v[KERNEL_COUNTERS_MAX];
	size_t n;
};

/* Names that are too long or too many are ignored. */
void kernel_counters_set(struct kernel_counters *c, bool is_end, const char *name, uint64_t value);

/* What an increase must be explained by, and what it is if it is not. */
struct counter_rule {
	const char *name;
	unsigned taint_bit;    /* of "tainted" */
	uint32_t explained_by; /* bits 1 << class */
	enum finding_class class;
	const char *title;
	bool is_exact; /* goes up once with each report, so both can be counted */
};

/* The next rule from *pos on (begin with 0) whose counter has increased, and by how much; NULL at the end. */
const struct counter_rule *kernel_counters_next(const struct kernel_counters *c, size_t *pos, uint64_t *ret_increase);
