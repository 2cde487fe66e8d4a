/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Inside of the profile loader: profile.conf as read (items in groups, one
 * group per section), the values of a profile's options, and the step that
 * turns groups into effects. Others use spec/profile.h.
 *
 *	profile_conf.c	  text -> items, the declarations among them -> struct profile
 *	profile_effects.c items + option values -> struct profile_set
 *	profile.c	  which profiles, with what options, in what order
 */

#include "spec/profile.h"

/* key NULL begins the group of a section. */
struct profile_item {
	char *section, *key, *value; /* owned */
	unsigned line;
};

struct profile_items {
	struct profile_item *v;
	size_t n;
};

/* name is for errors. */
int profile_items_parse(struct profile_items *items, const char *text, size_t n, const char *name, struct error *err);
void profile_items_clear(struct profile_items *items);

/* One option with its value for this run. */
struct profile_value {
	char *name, *value; /* owned; checked against the option's type; a flag is "yes" or "no" */
	const struct profile_option *option; /* borrowed; may be a pattern row */
	bool is_default;
};

/* What a condition or ${name} is looked up in. */
struct profile_scope {
	const char *profile;
	const char *file; /* for errors */
	const struct profile_value *values;
	size_t n_values;
};

/* Fills the declarations (summary, needs, after, conflicts, options) of *p. */
int profile_conf_declare(struct profile *p, const struct profile_items *items, const char *file, struct error *err);

/* Checks and normalises a value by an option's type. Caller frees *ret. */
int profile_value_check(const struct profile_option *o, const char *value, char **ret, struct error *err);
/* The row of an option's name: exact, else the first pattern that matches. */
const struct profile_option *profile_option_find(const struct profile *p, const char *name);

/* False, "no", "off", "0" and nothing are false. */
bool profile_is_true(const char *value);

/* All groups, in order, into the set. */
int profile_effects_apply(struct profile_set *set, const struct profile_scope *scope, const struct profile_items *items,
			  struct error *err);

/* Names in `needs`, those of conditional sections that hold included. */
int profile_effects_needs(const struct profile_scope *scope, const struct profile_items *items, struct strv *ret,
			  struct error *err);

/* The last value of `key` in [profile] and the conditional sections that hold; borrowed; NULL: none. */
int profile_effects_last(const struct profile_scope *scope, const struct profile_items *items, const char *key,
			 const char **ret, struct error *err);

/* Unknown sections and keys, whatever the conditions. */
int profile_effects_check(const struct profile_items *items, const char *file, struct error *err);

/* Is the hook wanted under these options ([hook.<phase>] if = ...)? */
int profile_hook_wanted(const struct profile_scope *scope, const struct profile_items *items, enum profile_phase phase,
			bool *ret, struct error *err);
