/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From the items of profile.conf to effects: options are put into values,
 * conditions are weighed, and what holds is filled into the section's struct
 * and moved into the set (profile_sections.c).
 */

#include <string.h>

#include "spec/profile_conf.h"
#include "spec/profile_sections.h"

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
	const struct profile_section *s = profile_section_find(items->v[begin].section, &arg);

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

/* What is just an option's value is the user's doing, and the profile's line means nothing to him. */
static int bad_value(const struct profile_scope *scope, const struct profile_item *item, struct error *err)
{
	size_t n = strcspn(item->value, "}");

	if (!scope->profile || !str_starts(item->value, "${") || item->value[n] != '}' || item->value[n + 1])
		return error_wrap(err, "%s:%u: %s", scope->file, item->line, item->key);
	error_wrap(err, "profile '%s': option '%.*s'", scope->profile, (int)n - 2, item->value + 2);
	return error_hint(err, "quiz profile show %s", scope->profile);
}

/* Fills g->e from the keys of a group. */
static int group_fill(struct profile_group *g, const struct profile_section *s, const struct profile_scope *scope,
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
				 : profile_section_unknown_key(s, item->key, err);
		}
		if (rc < 0)
			return bad_value(scope, item, err);
	}
	return 0;
}

static int group_apply(struct profile_set *set, const struct profile_scope *scope, const struct profile_items *items,
		       size_t begin, size_t end, struct error *err)
{
	struct profile_group g = { .set = set, .profile = scope->profile };
	_cleanup_free_ char *dir = mem_strdup(scope->file);
	char *slash = strrchr(dir, '/');
	const struct profile_section *s = profile_section_find(items->v[begin].section, &g.arg);
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
	profile_effect_clear(&g.e);
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
		profile_module_add_params(profile_set_add_module(set, scope->profile, v->option->module), param);
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

/* The values of a key in [profile] and the [when.*] that hold, in order. */
static int values_of(const struct profile_scope *scope, const struct profile_items *items, const char *key,
		     void (*take)(void *ctx, const char *value), void *ctx, struct error *err)
{
	for (size_t i = 0, end; i < items->n; i = end) {
		bool holds;

		end = group_end(items, i);
		if (!str_eq(items->v[i].section, "profile") && !str_starts(items->v[i].section, "when."))
			continue;
		if (group_holds(scope, items, i, end, &holds, err) < 0)
			return error_wrap(err, "%s:%u", scope->file, items->v[i].line);
		for (size_t k = i + 1; k < end && holds; k++)
			if (str_eq(items->v[k].key, key))
				take(ctx, items->v[k].value);
	}
	return 0;
}

static void take_words(void *ctx, const char *value)
{
	strv_split(ctx, value, " ,\t");
}

static void take_last(void *ctx, const char *value)
{
	*(const char **)ctx = value;
}

int profile_effects_needs(const struct profile_scope *scope, const struct profile_items *items, struct strv *ret,
			  struct error *err)
{
	return values_of(scope, items, "needs", take_words, ret, err);
}

int profile_effects_last(const struct profile_scope *scope, const struct profile_items *items, const char *key,
			 const char **ret, struct error *err)
{
	*ret = NULL;
	return values_of(scope, items, key, take_last, ret, err);
}

int profile_effects_check(const struct profile_items *items, const char *file, struct error *err)
{
	const struct profile_section *s = NULL;
	const char *arg;

	for (size_t i = 0; i < items->n; i++) {
		const struct profile_item *item = &items->v[i];
		int rc = 0;

		if (!item->key) {
			s = profile_section_find(item->section, &arg);
			rc = s ? 0 : profile_section_unknown(item->section, err);
		} else if (s && s->rows && !option_find(s->rows, s->n_rows, item->key)) {
			rc = profile_section_unknown_key(s, item->key, err);
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
