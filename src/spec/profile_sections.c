/* SPDX-License-Identifier: MPL-2.0 */
/* Keys of profile.conf: tables, setters, and what each section adds to the set. */

#include "spec/profile_sections.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 64 /* devices of one kind from one section */

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

#define AT(field)	     offsetof(struct profile_effect, field)
#define KEY(name, field, fn, help) { name, 0, OPTION_REQUIRED, 0, AT(field), fn, NULL, NULL, NULL, NULL, NULL, help }
#define KEY_OR(name, field, fn, fallback, help)                                                                        \
	{ name, 0, OPTION_REQUIRED, 0, AT(field), fn, NULL, NULL, fallback, NULL, NULL, help }

/* [profile] and, except for the declarations at the end, [when.CONDITION] and directives */
static const struct option_row profile_rows[] = {
	KEY("modules", modules, set_words,
	    "kernel modules to load, in this order"),
	KEY("packages", packages, set_words,
	    "packages that the root must have"),
	KEY("kernel", symbols, set_words,
	    "configuration symbols that the kernel must have, built in or as modules"),
	KEY("kconfig", kconfig, set_words,
	    "kernel configuration fragments in the profile's folder, for: quiz kernel build -p NAME"),
	KEY("append", append, set_words,
	    "kernel options; they make a template of their own"),
	KEY("collect", collect, set_words,
	    "paths of the guest that are brought back at the end"),
	KEY("memory", memory_bytes, option_set_size,
	    "least memory of the machine"),
	KEY("cpus", cpus, option_set_u32,
	    "least number of vCPUs"),
	KEY("strict", is_strict, option_set_flag,
	    "as --strict"),
	KEY("openzfs", wants_openzfs, option_set_flag,
	    "the workspace's OpenZFS build is laid over the root"),
	KEY("pci", wants_pci, option_set_flag,
	    "the machine needs PCI"),
	KEY("udev", wants_udev, option_set_flag,
	    "udevd runs in the guest"),
	KEY("user", user, option_set_text,
	    "user of the program, unless --user says otherwise"),
	KEY("program", program, option_set_text,
	    "absolute guest path of a program that the run's program is handed to, with its arguments"),
	KEY("needs", needs, set_words,
	    "profiles that come along and take effect before this one"),
	KEY("template", is_template_safe, option_set_flag,
	    "the effects, guest-init included, may be part of a prepared template"),
	KEY("summary", summary, option_set_text,
	    "one line for lists; every profile has one"),
	KEY("after", after, set_words,
	    "profiles that take effect before this one when they are there"),
	KEY("conflicts", conflicts, set_words,
	    "profiles that can not be used together with this one"),
};
#define N_DECLARATIONS 3 /* summary, after, conflicts: last in the table */

static const struct option_row module_rows[] = {
	KEY("if", condition, option_set_text,
	    "the section counts only when this is true"),
	KEY("params", params, option_set_text,
	    "parameters of the module"),
	KEY("optional", is_optional, option_set_flag,
	    "a module that is not there is no failure"),
};

static const struct option_row memdev_rows[] = {
	KEY("if", condition, option_set_text,
	    "the section counts only when this is true"),
	KEY_OR("prefix", prefix, set_prefix, "quizm",
	       "name of the nodes in /dev, followed by a number"),
	KEY_OR("count", count, set_count, "1",
	       "how many, at most 64"),
	KEY_OR("size", size_bytes, set_device_size, "100M",
	       "size of each"),
	KEY("sector", sector, set_sector,
	    "logical sector size"),
};

static const struct option_row disk_rows[] = {
	KEY("if", condition, option_set_text,
	    "the section counts only when this is true"),
	KEY_OR("prefix", prefix, set_prefix, "quizb",
	       "name of the nodes in /dev, followed by a number"),
	KEY_OR("count", count, set_count, "1",
	       "how many, at most 64"),
	KEY_OR("size", size_bytes, set_device_size, "1G",
	       "size of each"),
	KEY("logical", logical, set_sector,
	    "logical sector size"),
	KEY("physical", physical, set_sector,
	    "physical sector size"),
	KEY("rotational", is_rotational, option_set_flag,
	    "say that it is a hard disk"),
	KEY_OR("discard", has_discard, option_set_flag, "yes",
	       "take discards"),
	KEY("iops", iops, option_set_size,
	    "most operations per second"),
	KEY("bps", bps, option_set_size,
	    "most bytes per second"),
	KEY("persist", persist, set_prefix,
	    "keep them between runs under this name"),
	KEY("serial", serial, set_prefix,
	    "prefix of the serial numbers"),
};

static const struct option_row net_rows[] = {
	KEY("if", condition, option_set_text,
	    "the section counts only when this is true"),
	KEY("name", net_name, set_prefix,
	    "a private network of that name; without it: user networking"),
	KEY("forward", forwards, set_plus_words,
	    "ports of the host that lead into the guest"),
	KEY("restrict", is_restricted, option_set_flag,
	    "no way out to the host's networks"),
};

static const struct option_row hook_rows[] = {
	KEY("if", condition, option_set_text,
	    "the hook runs only when this is true"),
};

/* ---- From the filled struct into the set ---- */

static void add_needs(struct profile_need **arr, size_t *n, const char *profile, const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++) {
		struct profile_need *need = VEC_PUSH(*arr, *n);

		need->profile = mem_strdup(profile);
		need->name = mem_strdup(names->v[i]);
	}
}

struct profile_module *profile_set_add_module(struct profile_set *set, const char *profile, const char *name)
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

static int end_profile(struct profile_group *g, struct error *err)
{
	struct profile_set *set = g->set;
	struct profile_effect *e = &g->e;

	for (size_t i = 0; i < e->modules.n; i++)
		profile_set_add_module(set, g->profile, e->modules.v[i]);
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

void profile_module_add_params(struct profile_module *m, const char *params)
{
	char *joined = *m->params ? mem_printf("%s %s", m->params, params) : mem_strdup(params);

	free(m->params);
	m->params = joined;
}

static int end_module(struct profile_group *g, struct error *err)
{
	struct profile_module *m;

	if (!*g->arg)
		return error_set(err, ERROR_USAGE, "a module's section looks like [module.NAME]");
	m = profile_set_add_module(g->set, g->profile, g->arg);
	if (g->e.params && *g->e.params)
		profile_module_add_params(m, g->e.params);
	m->is_optional |= g->e.is_optional;
	return 0;
}

static int end_memdev(struct profile_group *g, struct error *err)
{
	_cleanup_strv_ struct strv loop = STRV_INIT;
	struct profile_memdev *m;

	if (!g->e.count)
		return 0;
	strv_add(&loop, "BLK_DEV_LOOP"); /* what they are made of */
	add_needs(&g->set->symbols, &g->set->n_symbols, g->profile, &loop);
	profile_set_add_module(g->set, g->profile, "loop"); /* if it is not built in */
	m = VEC_PUSH(g->set->memdevs, g->set->n_memdevs);
	m->profile = mem_strdup(g->profile);
	m->prefix = take_ptr(g->e.prefix);
	m->count = g->e.count;
	m->size_bytes = g->e.size_bytes;
	m->sector_bytes = g->e.sector;
	return 0;
}

static int end_disk(struct profile_group *g, struct error *err)
{
	struct profile_effect *e = &g->e;
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
	d->physical_block = e->physical ? e->physical : e->logical; /* never the smaller one */
	d->is_rotational = e->is_rotational;
	d->has_discard = e->has_discard;
	d->iops_limit = e->iops;
	d->bytes_per_second_limit = e->bps;
	d->persist = take_ptr(e->persist);
	d->serial = take_ptr(e->serial);
	return 0;
}

void profile_add_module(struct profile_set *set, const char *who, const char *name)
{
	profile_set_add_module(set, who, name);
}

static int end_net(struct profile_group *g, struct error *err)
{
	struct profile_net *n = VEC_PUSH(g->set->nets, g->set->n_nets);

	profile_set_add_module(g->set, g->profile, "virtio_net");
	n->profile = mem_strdup(g->profile);
	n->name = take_ptr(g->e.net_name);
	n->forwards = g->e.forwards;
	g->e.forwards = (struct strv)STRV_INIT;
	n->is_restricted = g->e.is_restricted;
	return 0;
}

static int end_nothing(struct profile_group *g, struct error *err)
{
	return 0;
}

/* [env] NAME = value */
static int key_env(struct profile_group *g, const char *key, const char *value, struct error *err)
{
	strv_addf(&g->set->env, "%s=%s", key, value);
	return 0;
}

/* [write] /sys/... = value; "?" before the path: it may be missing */
static int key_write(struct profile_group *g, const char *key, const char *value, struct error *err)
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

static const struct profile_section sections[] = {
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

const struct option_row *profile_section_keys(size_t index, const char **ret_name, size_t *ret_n)
{
	if (index >= ARRAY_SIZE(sections))
		return NULL;
	*ret_name = sections[index].name;
	*ret_n = sections[index].n_rows;
	return sections[index].rows ? sections[index].rows : profile_rows;
}

void profile_effect_clear(struct profile_effect *e)
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

const struct profile_section *profile_section_find(const char *name, const char **ret_arg)
{
	const char *dot = strchr(name, '.');
	size_t n = dot ? (size_t)(dot - name) : strlen(name);

	*ret_arg = dot ? dot + 1 : "";
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (strlen(sections[i].name) == n && !memcmp(sections[i].name, name, n))
			return &sections[i];
	return NULL;
}

int profile_section_unknown(const char *name, struct error *err)
{
	const char *names[ARRAY_SIZE(sections) + 1] = { NULL };
	const char *near;

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		names[i] = sections[i].name;
	near = str_nearest(name, names);
	error_set(err, ERROR_USAGE, "unknown section [%s]", name);
	return near ? error_hint(err, "did you mean [%s]?", near) : error_hint(err, "man quiz-profile");
}

int profile_section_unknown_key(const struct profile_section *s, const char *key, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	const char *near;

	for (size_t i = 0; i < s->n_rows; i++)
		strv_add(&names, s->rows[i].name);
	near = names.n ? str_nearest(key, (const char *const *)names.v) : NULL;
	error_set(err, ERROR_USAGE, "unknown key '%s' in [%s]", key, s->name);
	return near ? error_hint(err, "did you mean '%s'?", near) : error_hint(err, "man quiz-profile");
}
