/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Known issues: a text file of fingerprints or patterns that a project lives
 * with for now. One per line:
 *
 *	# comment
 *	PATTERN			free text: why, since when, link
 *
 * The pattern ends at the first blank and is matched by finding_is_listed(). A
 * finding that is known is told with its text and does not count. A whole
 * class, and a pattern that means everything, are errors.
 */

#include "base/error.h"
#include "run/finding.h"

struct known_issue {
	char *pattern, *text; /* owned */
};

struct known_issues {
	struct known_issue *v; /* owned */
	size_t n;
};

#define KNOWN_ISSUES_MAX_BYTES (1024 * 1024)

/* Parses a file's content; name is for errors (ERROR_USAGE with name:line). Appends to ki. */
int known_issues_parse(struct known_issues *ki, const char *name, const char *text, size_t n, struct error *err);
int known_issues_load(struct known_issues *ki, const char *path, struct error *err);
void known_issues_copy(struct known_issues *to, const struct known_issues *from); /* `to` is overwritten */
void known_issues_clear(struct known_issues *ki);

/* The first that means this finding, or NULL. Borrowed. */
const struct known_issue *known_issues_find(const struct known_issues *ki, const struct finding *f);
