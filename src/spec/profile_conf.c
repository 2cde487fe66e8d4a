/* SPDX-License-Identifier: MPL-2.0 */
/* Reading profile.conf: items, declarations, and the types of options. */

#include "spec/profile_conf.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "spec/ini.h"

#define N_ITEMS_MAX 2000

static int on_item(void *ctx, const struct ini_item *item, struct error *err)
{
	struct profile_items *items = ctx;
	struct profile_item *i;

	if (!*item->section)
		return error_set(err, ERROR_USAGE, "'%s' stands before the first [section]", item->key);
	if (items->n >= N_ITEMS_MAX)
		return error_set(err, ERROR_USAGE, "more than %d lines", N_ITEMS_MAX);
	i = VEC_PUSH(items->v, items->n);
	i->section = mem_strdup(item->section);
	i->key = mem_strdup(item->key);
	i->value = mem_strdup(item->value);
	i->line = item->line;
	return 0;
}

int profile_items_parse(struct profile_items *items, const char *text, size_t n, const char *name, struct error *err)
{
	if (ini_parse(text, n, name, on_item, items, err) < 0 || profile_effects_check(items, name, err) < 0) {
		profile_items_clear(items);
		return -1;
	}
	return 0;
}

void profile_items_clear(struct profile_items *items)
{
	for (size_t i = 0; i < items->n; i++) {
		free(items->v[i].section);
		free(items->v[i].key);
		free(items->v[i].value);
	}
	free(items->v);
	*items = (struct profile_items){ 0 };
}

/* ---- Types of options ---- */

static const char *const types[] = { "flag", "number", "size", "duration", "text", "name", NULL };

static bool is_known_type(const char *type)
{
	for (const char *const *t = types; *t; t++)
		if (str_eq(*t, type))
			return true;
	return strchr(type, '|') != NULL;
}

static bool is_choice(const char *choices, const char *value)
{
	_cleanup_strv_ struct strv all = STRV_INIT;

	strv_split(&all, choices, "|");
	return strv_has(&all, value);
}

int profile_value_check(const struct profile_option *o, const char *value, char **ret, struct error *err)
{
	uint64_t u64;
	uint32_t u32;
	bool flag;
	int rc = 0;

	if (!*value && !str_eq(o->type, "flag")) {
		*ret = mem_strdup(""); /* not given */
		return 0;
	}
	if (str_eq(o->type, "flag")) {
		rc = *value ? parse_bool(value, &flag, err) : 0;
		if (rc == 0)
			value = *value && flag ? "yes" : "no";
	} else if (str_eq(o->type, "number")) {
		rc = parse_u32(value, 0, UINT32_MAX, &u32, err);
	} else if (str_eq(o->type, "size")) {
		rc = parse_size(value, &u64, err);
	} else if (str_eq(o->type, "duration")) {
		rc = parse_duration(value, &u64, err);
	} else if (str_eq(o->type, "name")) {
		if (fnmatch("*[!A-Za-z0-9_.-]*", value, 0) == 0 || strlen(value) > 64)
			rc = error_set(err, ERROR_USAGE, "'%s' is no name of letters, digits, '_', '.' and '-'", value);
	} else if (strchr(o->type, '|') && !is_choice(o->type, value)) {
		rc = error_set(err, ERROR_USAGE, "'%s' is none of %s", value, o->type);
	}
	if (rc == 0)
		*ret = mem_strdup(value);
	return rc;
}

const struct profile_option *profile_option_find(const struct profile *p, const char *name)
{
	for (size_t i = 0; i < p->n_options; i++)
		if (str_eq(p->options[i].name, name))
			return &p->options[i];
	for (size_t i = 0; i < p->n_options; i++)
		if (strpbrk(p->options[i].name, "*?[") && fnmatch(p->options[i].name, name, 0) == 0)
			return &p->options[i];
	return NULL;
}

/* ---- Declarations ---- */

static int option_key(struct profile_option *o, const struct profile_item *item, struct error *err)
{
	const struct {
		const char *key;
		char **field;
	} keys[] = { { "type", &o->type }, { "default", &o->fallback }, { "help", &o->help }, { "module", &o->module } };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!str_eq(keys[i].key, item->key))
			continue;
		free(*keys[i].field);
		*keys[i].field = mem_strdup(item->value);
		return 0;
	}
	error_set(err, ERROR_USAGE, "unknown key '%s' in [option.%s]", item->key, o->name);
	return error_hint(err, "keys are type, default, help and module");
}

static int begin_option(struct profile *p, const char *name, struct error *err)
{
	struct profile_option *o;

	if (!*name || fnmatch("*[!]A-Za-z0-9_*?[-]*", name, 0) == 0)
		return error_set(err, ERROR_USAGE, "'%s' is no name of an option", name);
	for (size_t i = 0; i < p->n_options; i++)
		if (str_eq(p->options[i].name, name))
			return error_set(err, ERROR_USAGE, "option '%s' is declared twice", name);
	o = VEC_PUSH(p->options, p->n_options);
	o->name = mem_strdup(name);
	o->type = mem_strdup("text");
	o->fallback = mem_strdup("");
	o->help = mem_strdup("");
	return 0;
}

static int check_options(const struct profile *p, const char *file, struct error *err)
{
	for (size_t i = 0; i < p->n_options; i++) {
		const struct profile_option *o = &p->options[i];
		_cleanup_free_ char *value = NULL;

		if (!is_known_type(o->type))
			return error_set(err, ERROR_USAGE,
					 "%s: [option.%s]: unknown type '%s' (flag, number, size, duration, text, name, a|b)",
					 file, o->name, o->type);
		if (profile_value_check(o, o->fallback, &value, err) < 0)
			return error_wrap(err, "%s: default of [option.%s]", file, o->name);
	}
	return 0;
}

int profile_conf_declare(struct profile *p, const struct profile_items *items, const char *file, struct error *err)
{
	struct profile_scope scope = { .profile = p->name, .file = file };

	for (size_t i = 0; i < items->n; i++) {
		const struct profile_item *item = &items->v[i];
		bool is_option = str_starts(item->section, "option.");
		int rc = 0;

		if (is_option && !item->key)
			rc = begin_option(p, item->section + strlen("option."), err);
		else if (is_option)
			rc = option_key(&p->options[p->n_options - 1], item, err);
		else if (item->key && str_eq(item->section, "profile") && str_eq(item->key, "after"))
			strv_split(&p->after, item->value, " ,\t");
		else if (item->key && str_eq(item->section, "profile") && str_eq(item->key, "conflicts"))
			strv_split(&p->conflicts, item->value, " ,\t");
		else if (item->key && str_eq(item->section, "profile") && str_eq(item->key, "needs"))
			strv_split(&p->needs, item->value, " ,\t");
		else if (item->key && str_eq(item->section, "profile") && str_eq(item->key, "summary")) {
			free(p->summary);
			p->summary = mem_strdup(item->value);
		}
		if (rc < 0)
			return error_wrap(err, "%s:%u", scope.file, item->line);
	}
	if (!p->summary)
		return error_set(err, ERROR_USAGE, "%s: [profile] has no summary", file);
	return check_options(p, file, err);
}
