/* SPDX-License-Identifier: MPL-2.0 */
/* quiz config show: every value in force, and where it comes from. */

#include <jansson.h>
#include <stdio.h>

#include "cmd/commands.h"

/* Prints one value, or adds it to the JSON array. */
static void show(json_t *json, const char *section, const char *key, const char *value, const char *origin)
{
	_cleanup_free_ char *left = NULL;

	if (json) {
		json_array_append_new(json, json_pack("{s:s?, s:s, s:s?, s:s}", "profile", section, "key", key, "value",
						      value, "origin", origin));
		return;
	}
	if (section)
		left = mem_printf("[profile.%s] %s = %s", section, key, value);
	else
		left = mem_printf("%s = %s", key, value);
	printf("%-32s  # %s\n", left, origin);
}

/* Is value i still in force, or does a later one of the same key replace it? */
static bool is_in_force(const struct config *c, size_t i, const struct option_row *row)
{
	for (size_t j = i + 1; j < c->n_values; j++) {
		const struct config_value *a = &c->values[i], *b = &c->values[j];

		if (!str_eq(a->profile, b->profile) || !str_eq(a->key, b->key))
			continue;
		if (!row || !(row->flags & OPTION_LIST))
			return false;
		if ((row->flags & OPTION_REPLACES) && a->source != b->source)
			return false;
	}
	return true;
}

static void show_row(const struct config *c, json_t *json, const struct option_row *row)
{
	bool is_set = false;

	for (size_t i = 0; i < c->n_values; i++) {
		const struct config_value *v = &c->values[i];

		if (v->profile || !str_eq(v->key, row->name) || !is_in_force(c, i, row))
			continue;
		show(json, NULL, v->key, v->value, v->origin);
		is_set = true;
	}
	if (!is_set && row->fallback)
		show(json, NULL, row->name, row->fallback, "built-in");
}

static int show_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_context_ struct context ctx = { 0 };
	bool as_json = false;
	size_t n;
	const struct option_row *rows = run_options(&n);
	json_t *json;

	if (command_json_options("config show", argc, argv, &as_json, &words, err) < 0 ||
	    command_want_words(&words, 0, 0, "config show", "[--json]", err) < 0 || context_load(&ctx, err) < 0)
		return -1;
	json = as_json ? json_array() : NULL;
	for (size_t i = 0; i < ctx.config.n_sources && !json; i++)
		printf("# %s%s\n", ctx.config.sources[i].name, ctx.config.sources[i].exists ? "" : " (not there)");
	for (size_t i = 0; i < n; i++)
		if (!(rows[i].flags & (OPTION_HIDDEN | OPTION_LINE_ONLY)))
			show_row(&ctx.config, json, &rows[i]);
	for (size_t i = 0; i < ctx.config.n_values; i++) {
		const struct config_value *v = &ctx.config.values[i];

		if (v->profile && is_in_force(&ctx.config, i, NULL))
			show(json, v->profile, v->key, v->value, v->origin);
	}
	if (json) {
		command_print_json(json);
	}
	return 0;
}

static const struct subcommand subs[] = {
	{ "show", "[--json]", "Print each value in force with the file and line it came from", command_json_rows,
	  ARRAY_SIZE(command_json_rows), show_main },
};

/* `quiz config` alone shows, too. */
static int config_main(int argc, char **argv, struct error *err)
{
	if (!argc || argv[0][0] == '-')
		return show_main(argc, argv, err);
	error_set(err, ERROR_USAGE, "unknown subcommand 'quiz config %s'", argv[0]);
	return error_hint(err, "quiz config show");
}

const struct command cmd_config = {
	.name = "config",
	.group = GROUP_SELF,
	.usage = "[show] [--json]",
	.summary = "Show the configuration and where each value comes from",
	.help = "Sources, later ones win: built-in, /etc/quiz/quiz.cfg, $XDG_CONFIG_HOME/quiz/quiz.cfg,\n"
		"the workspace's .quiz/quiz.cfg, QUIZ_* environment, command line. See quiz.cfg(5).\n",
	.subs = subs,
	.n_subs = ARRAY_SIZE(subs),
	.main = config_main,
};
