/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * INI text: config files and profile.conf. Takes bytes, not files.
 *
 *	# comment, ; comment		at the start of a line only
 *	[section]
 *	key = value			spaces around key and value are dropped
 *	    more of the value		an indented line goes on, joined by one space
 *
 * Limits: INI_TEXT_MAX bytes, INI_VALUE_MAX per value, no NUL. Why this is not
 * inih: docs/decisions/001-ini.md.
 */

#include <stddef.h>

#include "base/error.h"

#define INI_TEXT_MAX (256 * 1024)
#define INI_VALUE_MAX (16 * 1024)

struct ini_item {
	const char *section; /* "" before the first */
	const char *key;     /* NULL: the section has just begun */
	const char *value;   /* "" when nothing follows the '=' */
	unsigned line;	     /* where the key stands, from 1 */
};

/* 0, or -1 with err set, which ends the parsing. Strings live until it returns. */
typedef int ini_fn(void *ctx, const struct ini_item *item, struct error *err);

/* name is for errors: "<name>:<line>: ...". Errors of fn get that prefix too. */
int ini_parse(const char *text, size_t n, const char *name, ini_fn *fn, void *ctx, struct error *err);
