/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From the sections of profile.conf to effects. Each kind of section is a
 * table of option rows over a small struct, filled by the same setters as the
 * command line, and a function that moves the struct into the set. So keys,
 * types and "did you mean" have one mechanism, and quiz-profile(7) can be
 * checked against the tables.
 */

#include <stdlib.h>
#include <string.h>

#include "spec/ini.h"
#include "spec/profile_conf.h"

#define COUNT_MAX 64 /* devices of one kind from one section */

/* What any section's keys can set. One struct for all: a section uses its part. */
struct effect {
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

static int set_words(void *field, const struct option_row *row, const struct option_source *source, const char *value,
		     struct error *err)
{
	strv_split(field, value, " ,\t");
	return 0;
}

/* Several values of one option: "a+b", as a comma would end the option. */
static int set_plus_words(void *field, const struct option_row *row, const struct option_source *source,
			  const char *value, struct error *err)
{
	strv_split(field, value, " ,+\t");
	return 0;
}

/* Part of a device name. */
static int set_prefix(void *field, const struct option_row *row, const struct option_source *source,
		      const char *value, struct error *err)
{
	size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	if (value[n] || n > 16)
		return error_set(err, ERROR_USAGE, "'%s' is no name of at most 16 letters, digits, - and _", value);
	return option_set_text(field, row, source, *value ? value : NULL, err);
}

static int set_count(void *field, const struct option_row *row, const struct option_source *source, const char *value,
		     struct error *err)
{
	return parse_u32(value, 0, COUNT_MAX, field, err);
}

/* 0, or a power of two from 512 to 64 KiB. */
static int set_sector(void *field, const struct option_row *row, const struct option_source *source,
		      const char *value, struct error *err)
{
	uint64_t v;

	if (parse_size(value, &v, err) < 0)
		return -1;
	if (v && (v < 512 || v > 65536 || (v & (v - 1))))
		return error_set(err, ERROR_USAGE, "'%s' is no sector size: a power of two from 512 to 65536", value);
	*(uint32_t *)field = (uint32_t)v;
	return 0;
}

static int set_device_size(void *field, const struct option_row *row, const struct option_source *source,
			   const char *value, struct error *err)
{
	uint64_t v;

	if (parse_size(value, &v, err) < 0)
		return -1;
	if (v < 512 || v > UINT64_C(1) << 50)
		return error_set(err, ERROR_USAGE, "'%s' is no size of a device", value);
	*(uint64_t *)field = (v + 511) & ~UINT64_C(511);
	return 0;
}

#define AT(field)	     offsetof(struct effect, field)
#define KEY(name, field, fn) { name, 0, OPTION_REQUIRED, 0, AT(field), fn, NULL, NULL, NULL, NULL, NULL, NULL }
#define KEY_OR(name, field, fn, fallback)                                                                              \
	{ name, 0, OPTION_REQUIRED, 0, AT(field), fn, NULL, NULL, fallback, NULL, NULL, NULL }

/* [profile] and, except for the declarations at the end, [when.CONDITION] and directives */
static const struct option_row profile_rows[] = {
	KEY("modules", modules, set_words),
	KEY("packages", packages, set_words),
	KEY("kernel", symbols, set_words),
	KEY("kconfig", kconfig, set_words),
	KEY("append", append, set_words),
	KEY("collect", collect, set_words),
	KEY("memory", memory_bytes, option_set_size),
	KEY("cpus", cpus, option_set_u32),
	KEY("strict", is_strict, option_set_flag),
	KEY("openzfs", wants_openzfs, option_set_flag),
	KEY("pci", wants_pci, option_set_flag),
	KEY("udev", wants_udev, option_set_flag),
	KEY("user", user, option_set_text),
	KEY("program", program, option_set_text),
	KEY("needs", needs, set_words),
	KEY("template", is_template_safe, option_set_flag),
	KEY("summary", summary, option_set_text),
	KEY("after", after, set_words),
	KEY("conflicts", conflicts, set_words),
};
#define N_DECLARATIONS 3 /* summary, after, conflicts: last in the table */

static const struct option_row module_rows[] = {
	KEY("if", condition, option_set_text),
	KEY("params", params, option_set_text),
	KEY("optional", is_optional, option_set_flag),
};

static const struct option_row memdev_rows[] = {
	KEY("if", condition, option_set_text),
	KEY_OR("prefix", prefix, set_prefix, "quizm"),
	KEY_OR("count", count, set_count, "1"),
	KEY_OR("size", size_bytes, set_device_size, "100M"),
	KEY("sector", sector, set_sector),
};

static const struct option_row disk_rows[] = {
	KEY("if", condition, option_set_text),
	KEY_OR("prefix", prefix, set_prefix, "quizb"),
	KEY_OR("count", count, set_count, "1"),
	KEY_OR("size", size_bytes, set_device_size, "1G"),
	KEY("logical", logical, set_sector),
	KEY("physical", physical, set_sector),
	KEY("rotational", is_rotational, option_set_flag),
	KEY_OR("discard", has_discard, option_set_flag, "yes"),
	KEY("iops", iops, option_set_size),
	KEY("bps", bps, option_set_size),
	KEY("persist", persist, set_prefix),
	KEY("serial", serial, set_prefix),
};

static const struct option_row net_rows[] = {
	KEY("if", condition, option_set_text),
	KEY("name", net_name, set_prefix),
	KEY("forward", forwards, set_plus_words),
	KEY("restrict", is_restricted, option_set_flag),
};

static const struct option_row hook_rows[] = {
	KEY("if", condition, option_set_text),
};

/* ---- From the filled struct into the set ---- */

struct group {
	struct profile_set *set;
	const char *profile;
	const char *arg; /* after the dot of the section's name, or "" */
	const char *dir; /* of profile.conf, for kconfig; NULL: a directive */
	struct effect e;
};

static void add_needs(struct profile_need **arr, size_t *n, const char *profile, const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++) {
		struct profile_need *need = VEC_PUSH(*arr, *n);

		need->profile = mem_strdup(profile);
		need->name = mem_strdup(names->v[i]);
	}
}

static struct profile_module *add_module(struct profile_set *set, const char *profile, const char *name)
{
	struct profile_module *m;

	for (size_t i = 0; i < set->n_modules; i++)
		if (str_eq(set->modules[i].name, name))
			return &set->modules[i];
	m = VEC_PUSH(set->modules, set->n_modules);
	m->profile = mem_strdup(profile);
	m->name = mem_strdup(name);
	m->params = mem_strdup("");
	return m;
}

static int end_profile(struct group *g, struct error *err)
{
	struct profile_set *set = g->set;
	struct effect *e = &g->e;

	for (size_t i = 0; i < e->modules.n; i++)
		add_module(set, g->profile, e->modules.v[i]);
	add_needs(&set->packages, &set->n_packages, g->profile, &e->packages);
	add_needs(&set->symbols, &set->n_symbols, g->profile, &e->symbols);
	for (size_t i = 0; i < e->kconfig.n && g->dir; i++)
		strv_addf(&set->kconfig, "%s/%s", g->dir, e->kconfig.v[i]);
	strv_add_all(&set->append, e->append.v);
	strv_add_all(&set->collect, e->collect.v);
	if (e->memory_bytes > set->memory_min_bytes)
		set->memory_min_bytes = e->memory_bytes;
	if (e->cpus > set->cpus_min)
		set->cpus_min = e->cpus;
	set->is_strict |= e->is_strict;
	set->wants_openzfs |= e->wants_openzfs;
	set->wants_pci |= e->wants_pci;
	set->wants_udev |= e->wants_udev;
	if (e->user) {
		free(set->run_as);
		set->run_as = take_ptr(e->user);
	}
	if (e->program) {
		free(set->program);
		set->program = take_ptr(e->program);
	}
	return 0;
}

static void add_params(struct profile_module *m, const char *params)
{
	char *joined = *m->params ? mem_printf("%s %s", m->params, params) : mem_strdup(params);

	free(m->params);
	m->params = joined;
}

static int end_module(struct group *g, struct error *err)
{
	struct profile_module *m;

	if (!*g->arg)
		return error_set(err, ERROR_USAGE, "a module's section looks like [module.NAME]");
	m = add_module(g->set, g->profile, g->arg);
	if (g->e.params && *g->e.params)
		add_params(m, g->e.params);
	m->is_optional |= g->e.is_optional;
	return 0;
}

static int end_memdev(struct group *g, struct error *err)
{
	struct profile_memdev *m;

	if (!g->e.count)
		return 0;
	m = VEC_PUSH(g->set->memdevs, g->set->n_memdevs);
	m->profile = mem_strdup(g->profile);
	m->prefix = take_ptr(g->e.prefix);
	m->count = g->e.count;
	m->size_bytes = g->e.size_bytes;
	m->sector_bytes = g->e.sector;
	return 0;
}

static int end_disk(struct group *g, struct error *err)
{
	struct effect *e = &g->e;
	struct profile_disk *d;

	if (!e->count)
		return 0;
	if (e->logical && e->physical && e->physical < e->logical)
		return error_set(err, ERROR_USAGE, "the physical sector is smaller than the logical one");
	d = VEC_PUSH(g->set->disks, g->set->n_disks);
	d->profile = mem_strdup(g->profile);
	d->prefix = take_ptr(e->prefix);
	d->count = e->count;
	d->size_bytes = e->size_bytes;
	d->logical_block = e->logical;
	d->physical_block = e->physical;
	d->is_rotational = e->is_rotational;
	d->has_discard = e->has_discard;
	d->iops_limit = e->iops;
	d->bytes_per_second_limit = e->bps;
	d->persist = take_ptr(e->persist);
	d->serial = take_ptr(e->serial);
	return 0;
}

static int end_net(struct group *g, struct error *err)
{
	struct profile_net *n = VEC_PUSH(g->set->nets, g->set->n_nets);

	n->profile = mem_strdup(g->profile);
	n->name = take_ptr(g->e.net_name);
	n->forwards = g->e.forwards;
	g->e.forwards = (struct strv)STRV_INIT;
	n->is_restricted = g->e.is_restricted;
	return 0;
}

static int end_nothing(struct group *g, struct error *err)
{
	return 0;
}

/* [env] NAME = value */
static int key_env(struct group *g, const char *key, const char *value, struct error *err)
{
	strv_addf(&g->set->env, "%s=%s", key, value);
	return 0;
}

/* [write] /sys/... = value; "?" before the path: it may be missing */
static int key_write(struct group *g, const char *key, const char *value, struct error *err)
{
	bool is_optional = *key == '?';
	const char *path = key + is_optional;
	struct profile_write *w;

	if (!str_starts(path, "/sys/") && !str_starts(path, "/proc/"))
		return error_set(err, ERROR_USAGE, "'%s' is no file in /sys or /proc", path);
	w = VEC_PUSH(g->set->writes, g->set->n_writes);
	w->profile = mem_strdup(g->profile);
	w->path = mem_strdup(path);
	w->value = mem_strdup(value);
	w->is_optional = is_optional;
	return 0;
}

/* The kinds of sections. rows or key, not both. */
static const struct section {
	const char *name;
	const struct option_row *rows;
	size_t n_rows;
	int (*end)(struct group *g, struct error *err);
	int (*key)(struct group *g, const char *key, const char *value, struct error *err);
	bool is_free; /* any keys; read elsewhere */
} sections[] = {
	{ "profile", profile_rows, ARRAY_SIZE(profile_rows), end_profile, NULL, false },
	{ "when", profile_rows, ARRAY_SIZE(profile_rows) - N_DECLARATIONS, end_profile, NULL, false },
	{ "module", module_rows, ARRAY_SIZE(module_rows), end_module, NULL, false },
	{ "memdev", memdev_rows, ARRAY_SIZE(memdev_rows), end_memdev, NULL, false },
	{ "disk", disk_rows, ARRAY_SIZE(disk_rows), end_disk, NULL, false },
	{ "net", net_rows, ARRAY_SIZE(net_rows), end_net, NULL, false },
	{ "hook", hook_rows, ARRAY_SIZE(hook_rows), end_nothing, NULL, false },
	{ "env", NULL, 0, end_nothing, key_env, false },
	{ "write", NULL, 0, end_nothing, key_write, false },
	{ "option", NULL, 0, end_nothing, NULL, true },
};

static void effect_clear(struct effect *e)
{
	struct strv *lists[] = { &e->modules, &e->packages, &e->symbols,   &e->kconfig,	 &e->append,
				 &e->collect, &e->needs,    &e->after, &e->conflicts, &e->forwards };
	char *texts[] = { e->summary, e->user,	  e->program, e->condition, e->params,
			  e->prefix,  e->persist, e->serial,  e->net_name };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		strv_clear(lists[i]);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
}

/* ---- Substitution and conditions ---- */

static const char *lookup(const struct profile_scope *scope, const char *name, size_t n)
{
	for (size_t i = 0; i < scope->n_values; i++)
		if (strlen(scope->values[i].name) == n && !memcmp(scope->values[i].name, name, n))
			return scope->values[i].value;
	return NULL;
}

/* Replaces ${option}. Caller frees. NULL: an option that does not exist. */
static char *substitute(const struct profile_scope *scope, const char *text, struct error *err)
{
	_cleanup_str_ struct str out = STR_INIT;

	while (*text) {
		const char *start = strstr(text, "${"), *end = start ? strchr(start, '}') : NULL;
		const char *value;

		if (!end)
			break;
		str_add_mem(&out, text, (size_t)(start - text));
		value = lookup(scope, start + 2, (size_t)(end - start - 2));
		if (!value) {
			error_set(err, ERROR_USAGE, "'%.*s' names no option of the profile", (int)(end - start + 1), start);
			return NULL;
		}
		str_add(&out, value);
		text = end + 1;
	}
	str_add(&out, text);
	return str_take(&out);
}

bool profile_is_true(const char *value)
{
	return value && *value && !str_eq(value, "no") && !str_eq(value, "off") && !str_eq(value, "false") &&
	       !str_eq(value, "0");
}

/* NAME, !NAME or NAME=VALUE */
static int condition(const struct profile_scope *scope, const char *text, bool *ret, struct error *err)
{
	bool negated = *text == '!';
	const char *name = text + negated, *eq = strchr(name, '=');
	size_t n = eq ? (size_t)(eq - name) : strlen(name);
	const char *value = lookup(scope, name, n);

	if (!value)
		return error_set(err, ERROR_USAGE, "'%.*s' names no option of the profile", (int)n, name);
	*ret = (eq ? str_eq(value, eq + 1) : profile_is_true(value)) != negated;
	return 0;
}

/* ---- Groups ---- */

static const struct section *section_find(const char *name, const char **ret_arg)
{
	const char *dot = strchr(name, '.');
	size_t n = dot ? (size_t)(dot - name) : strlen(name);

	*ret_arg = dot ? dot + 1 : "";
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (strlen(sections[i].name) == n && !memcmp(sections[i].name, name, n))
			return &sections[i];
	return NULL;
}

static int unknown_section(const char *name, struct error *err)
{
	const char *names[ARRAY_SIZE(sections) + 1] = { NULL };
	const char *near;

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		names[i] = sections[i].name;
	near = str_nearest(name, names);
	error_set(err, ERROR_USAGE, "unknown section [%s]", name);
	return near ? error_hint(err, "did you mean [%s]?", near) : error_hint(err, "man quiz-profile");
}

static int unknown_key(const struct section *s, const char *key, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	const char *near;

	for (size_t i = 0; i < s->n_rows; i++)
		strv_add(&names, s->rows[i].name);
	near = names.n ? str_nearest(key, (const char *const *)names.v) : NULL;
	error_set(err, ERROR_USAGE, "unknown key '%s' in [%s]", key, s->name);
	return near ? error_hint(err, "did you mean '%s'?", near) : error_hint(err, "man quiz-profile");
}

static size_t group_end(const struct profile_items *items, size_t begin)
{
	size_t i = begin + 1;

	while (i < items->n && items->v[i].key)
		i++;
	return i;
}

/* Does the group hold under the scope's options: [when.CONDITION], if = ... */
static int group_holds(const struct profile_scope *scope, const struct profile_items *items, size_t begin, size_t end,
		       bool *ret, struct error *err)
{
	const char *arg;
	const struct section *s = section_find(items->v[begin].section, &arg);

	*ret = true;
	if (str_eq(s->name, "when"))
		return condition(scope, arg, ret, err);
	for (size_t i = begin + 1; i < end && s->rows; i++) {
		_cleanup_free_ char *value = NULL;

		if (!str_eq(items->v[i].key, "if"))
			continue;
		value = substitute(scope, items->v[i].value, err);
		if (!value)
			return -1;
		*ret = profile_is_true(value);
	}
	return 0;
}

/* Fills g->e from the keys of a group. */
static int group_fill(struct group *g, const struct section *s, const struct profile_scope *scope,
		      const struct profile_items *items, size_t begin, size_t end, struct error *err)
{
	options_defaults(s->rows, s->n_rows, &g->e);
	for (size_t i = begin + 1; i < end; i++) {
		const struct profile_item *item = &items->v[i];
		_cleanup_free_ char *value = substitute(scope, item->value, err);
		const struct option_row *row;
		struct option_source source = { 0 };
		int rc;

		if (!value)
			return error_wrap(err, "%s:%u: %s", scope->file, item->line, item->key);
		if (!*value) /* an option that was not given */
			continue;
		if (s->key) {
			rc = s->key(g, item->key, value, err);
		} else {
			row = option_find(s->rows, s->n_rows, item->key);
			rc = row ? row->set((char *)&g->e + row->offset, row, &source, value, err)
				 : unknown_key(s, item->key, err);
		}
		if (rc < 0)
			return error_wrap(err, "%s:%u: %s", scope->file, item->line, item->key);
	}
	return 0;
}

static int group_apply(struct profile_set *set, const struct profile_scope *scope, const struct profile_items *items,
		       size_t begin, size_t end, struct error *err)
{
	struct group g = { .set = set, .profile = scope->profile };
	_cleanup_free_ char *dir = mem_strdup(scope->file);
	char *slash = strrchr(dir, '/');
	const struct section *s = section_find(items->v[begin].section, &g.arg);
	bool holds;
	int rc;

	if (slash) {
		*slash = '\0';
		g.dir = dir;
	}
	if (s->is_free)
		return 0;
	if (group_holds(scope, items, begin, end, &holds, err) < 0)
		return error_wrap(err, "%s:%u", scope->file, items->v[begin].line);
	if (!holds)
		return 0;
	rc = group_fill(&g, s, scope, items, begin, end, err);
	if (rc == 0 && s->end(&g, err) < 0)
		rc = error_wrap(err, "%s:%u", scope->file, items->v[begin].line);
	effect_clear(&g.e);
	return rc;
}

/* Options of pattern rows (`[option.zfs_*] module = zfs`) are parameters of that module. */
static void apply_module_options(struct profile_set *set, const struct profile_scope *scope)
{
	for (size_t i = 0; i < scope->n_values; i++) {
		const struct profile_value *v = &scope->values[i];
		_cleanup_free_ char *param = NULL;

		if (!v->option || !v->option->module || !*v->value)
			continue;
		param = mem_printf("%s=%s", v->name, v->value);
		add_params(add_module(set, scope->profile, v->option->module), param);
	}
}

int profile_effects_apply(struct profile_set *set, const struct profile_scope *scope, const struct profile_items *items,
			  struct error *err)
{
	for (size_t i = 0; i < items->n; i = group_end(items, i))
		if (group_apply(set, scope, items, i, group_end(items, i), err) < 0)
			return -1;
	apply_module_options(set, scope);
	return 0;
}

int profile_effects_needs(const struct profile_scope *scope, const struct profile_items *items, struct strv *ret,
			  struct error *err)
{
	for (size_t i = 0, end; i < items->n; i = end) {
		bool holds;

		end = group_end(items, i);
		if (!str_eq(items->v[i].section, "profile") && !str_starts(items->v[i].section, "when."))
			continue;
		if (group_holds(scope, items, i, end, &holds, err) < 0)
			return error_wrap(err, "%s:%u", scope->file, items->v[i].line);
		for (size_t k = i + 1; k < end && holds; k++)
			if (str_eq(items->v[k].key, "needs"))
				strv_split(ret, items->v[k].value, " ,\t");
	}
	return 0;
}

int profile_effects_last(const struct profile_scope *scope, const struct profile_items *items, const char *key,
			 const char **ret, struct error *err)
{
	*ret = NULL;
	for (size_t i = 0, end; i < items->n; i = end) {
		bool holds;

		end = group_end(items, i);
		if (!str_eq(items->v[i].section, "profile") && !str_starts(items->v[i].section, "when."))
			continue;
		if (group_holds(scope, items, i, end, &holds, err) < 0)
			return error_wrap(err, "%s:%u", scope->file, items->v[i].line);
		for (size_t k = i + 1; k < end && holds; k++)
			if (str_eq(items->v[k].key, key))
				*ret = items->v[k].value;
	}
	return 0;
}

int profile_effects_check(const struct profile_items *items, const char *file, struct error *err)
{
	const struct section *s = NULL;
	const char *arg;

	for (size_t i = 0; i < items->n; i++) {
		const struct profile_item *item = &items->v[i];
		int rc = 0;

		if (!item->key) {
			s = section_find(item->section, &arg);
			rc = s ? 0 : unknown_section(item->section, err);
		} else if (s && s->rows && !option_find(s->rows, s->n_rows, item->key)) {
			rc = unknown_key(s, item->key, err);
		}
		if (rc < 0)
			return error_wrap(err, "%s:%u", file, item->line);
	}
	return 0;
}

int profile_hook_wanted(const struct profile_scope *scope, const struct profile_items *items, enum profile_phase phase,
			bool *ret, struct error *err)
{
	*ret = true;
	for (size_t i = 0, end; i < items->n; i = end) {
		const char *section = items->v[i].section;

		end = group_end(items, i);
		if (str_starts(section, "hook.") && str_eq(section + strlen("hook."), profile_phase_name(phase)) &&
		    group_holds(scope, items, i, end, ret, err) < 0)
			return error_wrap(err, "%s:%u", scope->file, items->v[i].line);
	}
	return 0;
}
