/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Parsing by option tables: the walk over argv and the setters. The table of
 * a run is in run_options.c.
 */

#include "spec/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- Setters ---- */

int option_set_flag(void *field, const struct option_row *row, const struct option_source *source,
		    const char *value, struct error *err)
{
	bool v = true;

	if (value && parse_bool(value, &v, err) < 0)
		return -1;
	*(bool *)field = v;
	return 0;
}

int option_set_count(void *field, const struct option_row *row, const struct option_source *source,
		     const char *value, struct error *err)
{
	if (value)
		return parse_u32(value, 0, 9, field, err);
	++*(uint32_t *)field;
	return 0;
}

int option_set_u32(void *field, const struct option_row *row, const struct option_source *source, const char *value,
		   struct error *err)
{
	return parse_u32(value, 0, UINT32_MAX, field, err);
}

int option_set_size(void *field, const struct option_row *row, const struct option_source *source,
		    const char *value, struct error *err)
{
	return parse_size(value, field, err);
}

int option_set_duration(void *field, const struct option_row *row, const struct option_source *source,
			const char *value, struct error *err)
{
	return parse_duration(value, field, err);
}

int option_set_text(void *field, const struct option_row *row, const struct option_source *source,
		    const char *value, struct error *err)
{
	char **p = field;

	free(*p);
	*p = mem_strdup(value);
	return 0;
}

char *option_host_path(const struct option_source *source, const char *path)
{
	const char *home = getenv("HOME");

	if (home && (str_eq(path, "~") || str_starts(path, "~/")))
		return mem_printf("%s%s", home, path + 1);
	if (*path != '/' && source && source->base_dir)
		return mem_printf("%s/%s", source->base_dir, path);
	return mem_strdup(path);
}

int option_set_path(void *field, const struct option_row *row, const struct option_source *source,
		    const char *value, struct error *err)
{
	char **p = field;

	free(*p);
	*p = *value ? option_host_path(source, value) : NULL;
	return 0;
}

int option_set_choice(void *field, const struct option_row *row, const struct option_source *source,
		      const char *value, struct error *err)
{
	_cleanup_str_ struct str all = STR_INIT;

	for (int i = 0; row->choices[i]; i++) {
		if (str_eq(row->choices[i], value)) {
			*(int *)field = i;
			return 0;
		}
		str_addf(&all, "%s%s", i ? ", " : "", row->choices[i]);
	}
	return error_set(err, ERROR_USAGE, "'%s' is none of %s", value, str_cstr(&all));
}

int option_set_list(void *field, const struct option_row *row, const struct option_source *source,
		    const char *value, struct error *err)
{
	strv_add(field, value);
	return 0;
}

int option_set_paths(void *field, const struct option_row *row, const struct option_source *source,
		     const char *value, struct error *err)
{
	strv_add_take(field, option_host_path(source, value));
	return 0;
}

/* ---- Rows ---- */

const struct option_row *option_find(const struct option_row *rows, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(rows[i].name, name))
			return &rows[i];
	return NULL;
}

char *option_env_name(const char *prefix, const char *name)
{
	char *env = mem_printf("%s%s", prefix, name);

	for (char *p = env; *p; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	return env;
}

int option_set(const struct option_row *rows, size_t index, void *target, struct option_source *source,
	       const char *value, struct error *err)
{
	const struct option_row *row = &rows[index];
	void *field = (char *)target + row->offset;
	uint64_t *seen = &source->seen[index / 64];
	uint64_t bit = UINT64_C(1) << (index % 64);

	if ((row->flags & OPTION_REPLACES) && !(*seen & bit))
		row->reset(field);
	*seen |= bit;
	return row->set(field, row, source, value, err);
}

void options_defaults(const struct option_row *rows, size_t n, void *target)
{
	struct option_source builtin = { 0 };
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < n; i++)
		if (rows[i].fallback && option_set(rows, i, target, &builtin, rows[i].fallback, &err) < 0)
			abort(); /* our own table is wrong */
}

/* ---- The command line ---- */

struct parser {
	const struct option_row *rows;
	size_t n;
	const char *command;
	void *target;
	struct option_source source;
	int argc;
	char *const *argv;
	int next; /* index of the word after the current one */
};

static int unknown_option(const struct parser *p, const char *word, size_t len, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	_cleanup_free_ char *name = mem_strndup(word, len);
	const char *near;

	for (size_t i = 0; i < p->n; i++)
		if (!(p->rows[i].flags & OPTION_HIDDEN))
			strv_add(&names, p->rows[i].name);
	near = names.n && str_starts(name, "--") ? str_nearest(name + 2, (const char *const *)names.v) : NULL;
	error_set(err, ERROR_USAGE, "unknown option '%s'", name);
	if (near)
		return error_hint(err, "did you mean --%s? See: quiz help %s", near, p->command);
	return error_hint(err, "quiz help %s", p->command);
}

/* Sets a row from the command line; `shown` is how the user wrote it. */
static int set_row(struct parser *p, size_t i, const char *shown, const char *value, struct error *err)
{
	const struct option_row *row = &p->rows[i];

	if (!value && row->arg == OPTION_REQUIRED) {
		if (p->next >= p->argc) {
			error_set(err, ERROR_USAGE, "option '%s' needs a value: %s %s", shown, shown, row->metavar);
			return error_hint(err, "quiz help %s", p->command);
		}
		value = p->argv[p->next++];
	}
	if (option_set(p->rows, i, p->target, &p->source, value, err) < 0) {
		error_wrap(err, "option '%s'", shown);
		if (!err->hint[0])
			error_hint(err, "quiz help %s", p->command);
		return -1;
	}
	return 0;
}

/* "--name", "--name=value", "--no-name" */
static int parse_long(struct parser *p, const char *word, struct error *err)
{
	const char *eq = strchr(word, '=');
	size_t len = eq ? (size_t)(eq - word) : strlen(word);
	_cleanup_free_ char *shown = mem_strndup(word, len);
	const char *name = shown + 2;
	bool negated = false;

	for (;;) {
		for (size_t i = 0; i < p->n; i++) {
			if (!str_eq(p->rows[i].name, name) || (negated && p->rows[i].arg != OPTION_FLAG))
				continue;
			if (negated && eq)
				return error_set(err, ERROR_USAGE, "option '%s' takes no value", shown);
			return set_row(p, i, shown, negated ? "no" : eq ? eq + 1 : NULL, err);
		}
		if (negated || !str_starts(name, "no-"))
			return unknown_option(p, word, len, err);
		negated = true;
		name += 3;
	}
}

/* "-v", "-vq", "-m2G", "-m 2G" */
static int parse_short(struct parser *p, const char *word, struct error *err)
{
	for (const char *c = word + 1; *c; c++) {
		char shown[3] = { '-', *c, '\0' };
		size_t i = 0;

		while (i < p->n && p->rows[i].letter != *c)
			i++;
		if (i == p->n)
			return unknown_option(p, shown, 2, err);
		if (p->rows[i].arg == OPTION_REQUIRED)
			return set_row(p, i, shown, c[1] ? c + 1 : NULL, err);
		if (set_row(p, i, shown, NULL, err) < 0)
			return -1;
	}
	return 0;
}

int options_parse_table(const struct option_row *rows, size_t n, const char *command, enum options_mode mode,
			int argc, char *const *argv, void *target, struct strv *ret_words, bool *ret_exact,
			struct error *err)
{
	struct parser p = { .rows = rows, .n = n, .command = command, .target = target, .argc = argc, .argv = argv };

	if (ret_exact)
		*ret_exact = false;
	while (p.next < argc) {
		const char *word = argv[p.next];

		if (str_eq(word, "--")) {
			if (ret_exact)
				*ret_exact = true;
			p.next++;
			break;
		}
		if (word[0] != '-' || !word[1]) {
			if (mode == OPTIONS_STOP)
				break;
			strv_add(ret_words, word);
			p.next++;
			continue;
		}
		p.next++;
		if ((word[1] == '-' ? parse_long(&p, word, err) : parse_short(&p, word, err)) < 0)
			return -1;
	}
	while (p.next < argc)
		strv_add(ret_words, argv[p.next++]);
	return 0;
}

/* What the config names is a default: it is for one architecture, and -a may ask for another. */
static void keep_defaults(struct runspec *rs)
{
	if (rs->kernel)
		rs->config_kernel = take_ptr(rs->kernel);
	if (rs->root)
		rs->config_root = take_ptr(rs->root);
}

int options_parse_template(int argc, char *const *argv, struct runspec *rs, struct error *err)
{
	size_t n;
	const struct option_row *rows = template_options(&n);

	keep_defaults(rs);
	return options_parse_table(rows, n, "template make", OPTIONS_PERMUTE, argc, argv, rs, &rs->argv, NULL, err);
}

int options_parse(int argc, char *const *argv, struct runspec *rs, struct error *err)
{
	size_t n;
	const struct option_row *rows = run_options(&n);

	keep_defaults(rs);
	return options_parse_table(rows, n, "run", OPTIONS_STOP, argc, argv, rs, &rs->argv, &rs->argv_is_exact, err);
}
