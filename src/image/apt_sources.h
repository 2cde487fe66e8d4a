/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The host's apt sources, read and rewritten as text; pure. Both formats of
 * sources.list(5): one line per source, and deb822 paragraphs.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"

struct apt_source {
	char *uris, *suites, *components, *types; /* owned; space separated, as written */
	char *options;	 /* owned; all other fields as deb822 lines ("Signed-By: ...\n") */
	bool is_enabled;
};

struct apt_sources {
	struct apt_source *v; /* owned */
	size_t n;
};

/* Adds what a file says. name ends in ".sources" for deb822. Lines that make no sense are skipped, as apt has judged them. */
void apt_sources_parse(struct apt_sources *s, const char *name, const char *text);
void apt_sources_clear(struct apt_sources *s);
#define _cleanup_apt_sources_ _cleanup_(apt_sources_clear)

struct apt_sources_query {
	const char *host_suite; /* VERSION_CODENAME of os-release */
	const char *suite;	/* wanted; may be the same */
	const char *archs;	/* "s390x amd64" */
	const char *components; /* "main contrib": replaces what is there */
	bool with_source;
};

/*
 * The deb822 text for the wanted suite: the host's sources of its own
 * distribution (a suite named like the host's, with main in it), with the
 * suite's name exchanged. Returns how many sources it has; 0: the host has
 * none of its own distribution.
 */
size_t apt_sources_derive(const struct apt_sources *s, const struct apt_sources_query *q, struct str *out);
