/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What building a root needs of the host, one check each, so that the failure
 * is named before anything was downloaded. Light: quiz doctor runs them too.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "sys/paths.h"

struct root_check {
	const char *name; /* for doctor: "subordinate user ids" */
	/* 0, or -1 with what is wrong and the mending command. */
	int (*run)(const struct paths *p, struct error *err);
};

const struct root_check *root_checks(size_t *ret_n);

/* All of them, up to the first that fails. */
int root_check_all(const struct paths *p, struct error *err);

/* The first range of at least 65536 ids that a text in the format of /etc/subuid gives a user, by name or number. Pure. */
bool root_check_find_range(const char *subid_text, const char *user, unsigned uid, unsigned long *ret_start,
			   unsigned long *ret_count);
