/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Every value of every source is kept, in order, with its origin; applying
 * them in that order is the merge. Values are checked while loading by setting
 * them into a runspec that is thrown away.
 */

#include "spec/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spec/ini.h"
#include "sys/fs.h"

#define ENV_PREFIX	 "QUIZ_"
#define ENV_NO_ROW	 SIZE_MAX /* a QUIZ_* variable that may be a profile's option */
#define PROFILE_SECTION	 "profile."
#define N_CONFIG_VALUES_MAX 4096

struct loader {
	struct config *c;
	struct runspec scratch;
	const char *name;
	bool trusted;
};

static void add_source(struct config *c, const char *name, const char *base_dir, bool exists)
{
	struct config_source *s = VEC_PUSH(c->sources, c->n_sources);

	s->name = mem_strdup(name);
	s->base_dir = mem_strdup(base_dir);
	s->exists = exists;
}

static struct config_value *add_value(struct config *c, const char *profile, const char *key, const char *value,
				      char *origin_consumed, size_t row)
{
	struct config_value *v = VEC_PUSH(c->values, c->n_values);

	v->profile = mem_strdup(profile);
	v->key = mem_strdup(key);
	v->value = mem_strdup(value);
	v->origin = origin_consumed;
	v->row = row;
	v->source = c->n_sources - 1;
	return v;
}

/* Is the value one that the option takes? */
static int check_value(struct runspec *scratch, size_t row, const char *value, struct error *err)
{
	struct option_source source = { 0 };
	size_t n;

	return option_set(run_options(&n), row, scratch, &source, value, err);
}

static int unknown_key(const char *key, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	size_t n;
	const struct option_row *rows = run_options(&n);
	const char *near;

	for (size_t i = 0; i < n; i++)
		if (!(rows[i].flags & (OPTION_HIDDEN | OPTION_LINE_ONLY)))
			strv_add(&names, rows[i].name);
	near = str_nearest(key, (const char *const *)names.v);
	error_set(err, ERROR_USAGE, "unknown key '%s'", key);
	return near ? error_hint(err, "did you mean '%s'?", near) : error_hint(err, "man quiz.cfg");
}

static int run_key(struct loader *l, const struct ini_item *item, struct error *err)
{
	size_t n;
	const struct option_row *rows = run_options(&n);
	const struct option_row *row = option_find(rows, n, item->key);

	if (!row)
		return unknown_key(item->key, err);
	if (row->flags & OPTION_LINE_ONLY)
		return error_set(err, ERROR_USAGE, "'%s' is an option for the command line only", item->key);
	if ((row->flags & OPTION_TRUST) && !l->trusted) {
		error_set(err, ERROR_USAGE, "'%s' reaches the host, and this workspace is not trusted", item->key);
		return error_hint(err, "look at the file; then: quiz init --trust");
	}
	if (check_value(&l->scratch, (size_t)(row - rows), item->value, err) < 0)
		return error_wrap(err, "%s", item->key);
	add_value(l->c, NULL, item->key, item->value, mem_printf("%s:%u", l->name, item->line), (size_t)(row - rows));
	return 0;
}

static int on_item(void *ctx, const struct ini_item *item, struct error *err)
{
	struct loader *l = ctx;
	const char *profile = str_starts(item->section, PROFILE_SECTION) ? item->section + strlen(PROFILE_SECTION) : NULL;

	if (profile ? !*profile : !str_eq(item->section, "") && !str_eq(item->section, "quiz")) {
		error_set(err, ERROR_USAGE, "unknown section [%s]", item->section);
		return error_hint(err, "sections are [quiz] and [profile.NAME]");
	}
	if (!item->key)
		return 0;
	if (l->c->n_values >= N_CONFIG_VALUES_MAX)
		return error_set(err, ERROR_USAGE, "more than %d values", N_CONFIG_VALUES_MAX);
	if (!profile)
		return run_key(l, item, err);
	add_value(l->c, profile, item->key, item->value, mem_printf("%s:%u", l->name, item->line), 0);
	return 0;
}

int config_parse(struct config *c, const char *text, size_t n, const char *name, const char *base_dir, bool trusted,
		 struct error *err)
{
	struct loader l = { .c = c, .name = name, .trusted = trusted };
	int rc;

	add_source(c, name, base_dir, true);
	runspec_init(&l.scratch);
	rc = ini_parse(text, n, name, on_item, &l, err);
	runspec_clear(&l.scratch);
	return rc;
}

/* A file that is not there is fine. */
static int load_file(struct config *c, const char *path, const char *base_dir, bool trusted, struct error *err)
{
	_cleanup_str_ struct str text = STR_INIT;

	if (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		add_source(c, path, base_dir, false);
		return 0;
	}
	if (fs_read(path, INI_TEXT_MAX, &text, err) < 0)
		return -1;
	return config_parse(c, str_cstr(&text), text.len, path, base_dir, trusted, err);
}

static int load_environment(struct config *c, struct error *err)
{
	size_t n;
	const struct option_row *rows = run_options(&n);
	struct runspec scratch;
	int rc = 0;

	add_source(c, "environment", NULL, true);
	runspec_init(&scratch);
	for (size_t i = 0; i < n && rc == 0; i++) {
		_cleanup_free_ char *name = option_env_name(ENV_PREFIX, rows[i].name);
		const char *value = getenv(name);

		if (!value || (rows[i].flags & OPTION_LINE_ONLY))
			continue;
		if (check_value(&scratch, i, value, err) < 0)
			rc = error_wrap(err, "environment variable %s", name);
		else
			add_value(c, NULL, rows[i].name, value, take_ptr(name), i);
	}
	runspec_clear(&scratch);
	for (char **e = environ; *e && rc == 0; e++) {
		const char *eq = strchr(*e, '=');
		_cleanup_free_ char *name = eq && str_starts(*e, ENV_PREFIX) ? mem_strndup(*e, (size_t)(eq - *e)) : NULL;

		if (name)
			add_value(c, NULL, name, eq + 1, mem_strdup(name), ENV_NO_ROW);
	}
	return rc;
}

int config_load(const struct paths *paths, const struct workspace *ws, struct config *ret, struct error *err)
{
	_cleanup_free_ char *sys = fs_join(paths->sysconf, "quiz.cfg"), *user = fs_join(paths->config, "quiz.cfg");
	_cleanup_free_ char *local = ws->dir ? fs_join(ws->dir, "quiz.cfg") : NULL;

	*ret = (struct config){ 0 };
	if (load_file(ret, sys, paths->sysconf, true, err) < 0 ||
	    load_file(ret, user, paths->config, true, err) < 0 ||
	    (local && load_file(ret, local, ws->root, ws->is_trusted, err) < 0) ||
	    load_environment(ret, err) < 0) {
		config_clear(ret);
		return -1;
	}
	return 0;
}

void config_clear(struct config *c)
{
	for (size_t i = 0; i < c->n_sources; i++) {
		free(c->sources[i].name);
		free(c->sources[i].base_dir);
	}
	for (size_t i = 0; i < c->n_values; i++) {
		free(c->values[i].profile);
		free(c->values[i].key);
		free(c->values[i].value);
		free(c->values[i].origin);
	}
	free(c->sources);
	free(c->values);
	*c = (struct config){ 0 };
}

int config_apply(const struct config *c, struct runspec *rs, struct error *err)
{
	struct option_source source = { 0 };
	size_t current = SIZE_MAX, n;
	const struct option_row *rows = run_options(&n);

	for (size_t i = 0; i < c->n_values; i++) {
		const struct config_value *v = &c->values[i];

		if (v->profile || v->row == ENV_NO_ROW)
			continue;
		if (v->source != current) {
			current = v->source;
			source = (struct option_source){ .base_dir = c->sources[current].base_dir };
		}
		if (option_set(rows, v->row, rs, &source, v->value, err) < 0)
			return error_wrap(err, "%s: %s", v->origin, v->key);
	}
	return 0;
}

const struct config_value *config_profile_value(const struct config *c, const char *profile, const char *option)
{
	_cleanup_free_ char *prefix = mem_printf(ENV_PREFIX "%s_", profile);
	_cleanup_free_ char *upper = option_env_name(prefix, option);

	for (size_t i = c->n_values; i-- > 0;) {
		const struct config_value *v = &c->values[i];

		if (v->profile ? str_eq(v->profile, profile) && str_eq(v->key, option)
			       : v->row == ENV_NO_ROW && str_eq(v->key, upper))
			return v;
	}
	return NULL;
}
