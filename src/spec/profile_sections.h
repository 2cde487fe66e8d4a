/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The sections of profile.conf: for each kind a table of keys over one struct,
 * filled by the same setters as the command line, and a function that moves
 * the struct into the set. Inside of the profile loader, see profile_conf.h.
 */

#include "spec/options.h"
#include "spec/profile.h"

/* What any section's keys can set. One struct for all: a section uses its part. */
struct profile_effect {
	/* profile, when */
	struct strv modules, packages, symbols, kconfig, append, collect, needs;
	struct strv after, conflicts; /* declarations: profile_conf.c reads them */
	char *summary;
	uint64_t memory_bytes;
	uint32_t cpus;
	bool is_strict, wants_openzfs, wants_pci, wants_udev, is_template_safe;
	char *user, *program;
	/* module, memdev, disk, net, hook */
	char *condition;
	char *params;
	bool is_optional;
	char *prefix, *persist, *serial, *net_name;
	uint32_t count, sector, logical, physical;
	uint64_t size_bytes, iops, bps;
	bool is_rotational, has_discard, is_restricted;
	struct strv forwards;
};

/* One group of items while it is applied. */
struct profile_group {
	struct profile_set *set;
	const char *profile;
	const char *arg; /* after the dot of the section's name, or "" */
	const char *dir; /* of profile.conf, for kconfig; NULL: a directive */
	struct profile_effect e;
};

/* The kinds of sections. rows or key, not both. */
struct profile_section {
	const char *name;
	const struct option_row *rows;
	size_t n_rows;
	int (*end)(struct profile_group *g, struct error *err);
	int (*key)(struct profile_group *g, const char *key, const char *value, struct error *err);
	bool is_free; /* any keys; read elsewhere */
};

/* Section of a name such as "module.zfs"; *ret_arg: what follows the dot, or "". NULL: unknown. */
const struct profile_section *profile_section_find(const char *name, const char **ret_arg);

/* ERROR_USAGE with the nearest section or key. */
int profile_section_unknown(const char *name, struct error *err);
int profile_section_unknown_key(const struct profile_section *s, const char *key, struct error *err);

void profile_effect_clear(struct profile_effect *e);

/* The set's module of that name, new if need be; more parameters for it. */
struct profile_module *profile_set_add_module(struct profile_set *set, const char *profile, const char *name);
void profile_module_add_params(struct profile_module *m, const char *params);
