/* SPDX-License-Identifier: MPL-2.0 */
/* quiz profile list|show: what profile.conf says, for people and programs. */

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "spec/profile.h"

static json_t *words_json(const struct strv *words)
{
	json_t *a = json_array();

	for (size_t i = 0; i < words->n; i++)
		json_array_append_new(a, json_string(words->v[i]));
	return a;
}

static json_t *profile_json(const struct profile *p)
{
	json_t *options = json_array(), *hooks = json_array();

	for (size_t i = 0; i < p->n_options; i++) {
		const struct profile_option *o = &p->options[i];

		json_array_append_new(options, json_pack("{s:s, s:s, s:s, s:s}", "name", o->name, "type", o->type, "default",
							 o->fallback, "help", o->help));
	}
	for (int i = 0; i < PROFILE_N_PHASES; i++)
		if (p->has_hook[i])
			json_array_append_new(hooks, json_string(profile_phase_name((enum profile_phase)i)));
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:s?}", "name", p->name, "summary", p->summary,
			 "origin", p->origin, "dir", p->dir, "needs", words_json(&p->needs), "after",
			 words_json(&p->after), "conflicts", words_json(&p->conflicts), "options", options, "hooks",
			 hooks, "files", p->has_files, "problem",
			 p->problem);
}

/* Workspace, configuration and folders, as a run would see them. */
static int find_dirs(struct profile_dirs *dirs, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };

	if (context_load(&ctx, err) < 0)
		return -1;
	profile_dirs_init(dirs, &ctx.paths, &ctx.workspace);
	return 0;
}

/* The healthy ones and the broken ones, each on its line; the status tells of the broken ones too. */
static int print_profiles(const struct profile *list, size_t n, bool as_json, struct error *err)
{
	_cleanup_str_ struct str broken = STR_INIT;
	json_t *json = as_json ? json_array() : NULL;
	const char *first = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct profile *p = &list[i];

		if (json)
			json_array_append_new(json, profile_json(p));
		else
			printf("%-12s  %-9s  %s%s\n", p->name, p->origin, p->problem ? "broken: " : "",
			       p->problem ? p->problem : p->summary);
		if (!p->problem)
			continue;
		str_addf(&broken, "%s'%s'", first ? ", " : "", p->name);
		first = first ? first : p->name;
	}
	if (json)
		command_print_json(json);
	if (!first)
		return 0;
	error_set(err, ERROR_USAGE, "can not be used: %s", str_cstr(&broken));
	return error_hint(err, "quiz profile show %s says why", first);
}

static int list_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	bool as_json = false;
	struct profile_dirs dirs = { 0 };
	struct profile *list = NULL;
	size_t n = 0;
	int rc;

	if (command_json_options("profile list", argc, argv, &as_json, &words, err) < 0 ||
	    command_want_words(&words, 0, 0, "profile list", "[--json]", err) < 0 || find_dirs(&dirs, err) < 0)
		return -1;
	rc = profile_list(&dirs, &list, &n, err);
	if (rc == 0)
		rc = print_profiles(list, n, as_json, err);
	for (size_t i = 0; i < n; i++)
		profile_clear(&list[i]);
	free(list);
	profile_dirs_clear(&dirs);
	return rc;
}

static void print_words(const char *label, const struct strv *words)
{
	if (!words->n)
		return;
	printf("%-10s", label);
	for (size_t i = 0; i < words->n; i++)
		printf(" %s", words->v[i]);
	putchar('\n');
}

static void print_profile(const struct profile *p)
{
	printf("%s: %s\n%-10s %s (%s)\n", p->name, p->summary, "folder", p->dir, p->origin);
	print_words("needs", &p->needs);
	print_words("after", &p->after);
	print_words("conflicts", &p->conflicts);
	for (int i = 0; i < PROFILE_N_PHASES; i++)
		if (p->has_hook[i])
			printf("%-10s %s\n", "hook", profile_phase_name((enum profile_phase)i));
	if (p->has_files)
		printf("%-10s %s/files\n", "layer", p->dir);
	if (p->n_options)
		puts("\noptions:");
	for (size_t i = 0; i < p->n_options; i++) {
		const struct profile_option *o = &p->options[i];
		_cleanup_free_ char *left = mem_printf("%s=%s", o->name, o->type);

		printf("  %-28s  %s", left, o->help);
		if (*o->fallback)
			printf(" [%s]", o->fallback);
		putchar('\n');
	}
}

static int show_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	bool as_json = false;
	struct profile_dirs dirs = { 0 };
	struct profile p = { 0 };
	int rc;

	if (command_json_options("profile show", argc, argv, &as_json, &words, err) < 0 ||
	    command_want_words(&words, 1, 1, "profile show", "[--json] NAME", err) < 0 || find_dirs(&dirs, err) < 0)
		return -1;
	rc = profile_load(&dirs, words.v[0], &p, err);
	if (rc == 0 && as_json)
		command_print_json(profile_json(&p));
	else if (rc == 0)
		print_profile(&p);
	profile_clear(&p);
	profile_dirs_clear(&dirs);
	return rc;
}

static const struct subcommand subs[] = {
	{ "list", "[--json]", "List all profiles and where they come from", command_json_rows, ARRAY_SIZE(command_json_rows), list_main },
	{ "show", "[--json] NAME", "Show what a profile needs, its options and its hooks", command_json_rows,
	  ARRAY_SIZE(command_json_rows), show_main },
};

const struct command cmd_profile = {
	.name = "profile",
	.group = GROUP_MAKE,
	.summary = "List profiles and show what they do",
	.help = "A profile is a folder that adds something to a machine; -p names them in a run:\n"
		"    quiz -p zfs,memdev:count=3,size=1G zpool status\n"
		"They are looked for in the workspace's .quiz/profiles, in $XDG_CONFIG_HOME/quiz/profiles\n"
		"and among those that come with quiz. How to write one: man quiz-profile.\n",
	.subs = subs,
	.n_subs = ARRAY_SIZE(subs),
};
