/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Title and fingerprint of a report: the words for people, which say what
 * and where, and the same for comparing one run's findings with another's.
 * Both are made again with each function that is found.
 */

#include <stddef.h>

#include "run/analyser_report.h"

/* Title and fingerprint from what is known so far. */
void title_update(struct report *r);

/* Appends to a text of at most size bytes, cut to what fits. Much cheaper than printf, which would be half of the work. */
void title_add(char *to, size_t size, const char *text);
