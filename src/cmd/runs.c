/* SPDX-License-Identifier: MPL-2.0 */
/* quiz runs list|show|rm: the records of this workspace's (or user's) runs. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "run/record.h"
#include "run/run.h"
#include "sys/fs.h"

static void add_program(const json_t *result, struct str *out)
{
	json_t *words = json_object_get(result, "program"), *w;
	size_t i;

	json_array_foreach(words, i, w) {
		str_add(out, i ? " " : "");
		str_add_shell(out, json_string_value(w) ? json_string_value(w) : "?");
	}
	if (!out->len)
		str_add(out, "shell");
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* Of a run without a result. */
static const char *state_of(const struct record_entry *e)
{
	return e->is_alive ? "running" : "killed: no result";
}

static void print_row(const struct record_entry *e)
{
	_cleanup_str_ struct str program = STR_INIT;
	_cleanup_str_ struct str safe = STR_INIT, row = STR_INIT;
	char age[32], took[32];
	uint64_t now = (uint64_t)time(NULL) * 1000;

	add_program(e->result, &program);
	str_add_safe(&safe, str_cstr(&program), program.len, false);
	format_duration_ms(now > e->started_ms ? now - e->started_ms : 0, age, sizeof(age));
	if (!e->result) {
		printf("%-6s  %-12s  %s\n", e->id, age, state_of(e));
		return;
	}
	format_duration_ms((uint64_t)json_integer_value(json_object_get(e->result, "duration_ms")), took, sizeof(took));
	str_addf(&row, "%-6s  %-12s  %-12s  %3d  %-10s  %-16s  %s", e->id, age, text_of(e->result, "verdict"),
	       (int)json_integer_value(json_object_get(e->result, "status")), took, text_of(e->result, "kernel"),
	       str_cstr(&safe));
	command_print_row(str_cstr(&row));
}

static int list_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_free_ char *dir = NULL;
	bool as_json = false;
	struct record_entry *v;
	size_t n;

	if (command_json_options("runs list", argc, argv, &as_json, &words, err) < 0 ||
	    command_want_words(&words, 0, 0, "runs list", "[--json]", err) < 0 || context_load(&ctx, err) < 0)
		return -1;
	dir = run_records_dir(&ctx.paths, &ctx.workspace);
	if (records_list(dir, &v, &n, err) < 0)
		return -1;
	if (as_json) {
		json_t *a = json_array();

		for (size_t i = 0; i < n; i++)
			if (v[i].result)
				json_array_append(a, v[i].result);
		json_dumpf(a, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
		json_decref(a);
	} else {
		for (size_t i = 0; i < n; i++)
			print_row(&v[i]);
	}
	records_free(v, n);
	return 0;
}

/* Everything below artifacts/, with sizes; links are shown, not followed. */
static void print_tree(const char *dir, const char *prefix)
{
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (fs_list(dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(dir, names.v[i]);
		_cleanup_free_ char *shown = mem_printf("%s%s", prefix, names.v[i]);
		_cleanup_str_ struct str safe = STR_INIT;
		struct stat st;
		char size[32];

		if (lstat(path, &st) < 0)
			continue;
		str_add_safe(&safe, shown, strlen(shown), false);
		printf("  %-10s  %s%s\n", format_size((uint64_t)st.st_size, size, sizeof(size)), str_cstr(&safe),
		       S_ISDIR(st.st_mode) ? "/" : "");
		if (S_ISDIR(st.st_mode)) {
			_cleanup_free_ char *deeper = mem_printf("%s/", shown);

			print_tree(path, deeper);
		}
	}
}

static void print_findings(const json_t *result)
{
	json_t *f;
	size_t i;

	json_array_foreach(json_object_get(result, "findings"), i, f)
		printf("finding   %s: %s\n", text_of(f, "class"), text_of(f, "title"));
}

static void print_notes(const json_t *result)
{
	json_t *note;
	size_t i;

	json_array_foreach(json_object_get(result, "notes"), i, note)
		if (json_is_string(note))
			printf("note      %s\n", json_string_value(note));
}

/* As it is reached from here: below the current folder without that. Borrowed from path. */
static const char *from_here(const char *path)
{
	char cwd[4096];
	size_t n = getcwd(cwd, sizeof(cwd)) ? strlen(cwd) : 0;

	return n > 1 && !strncmp(path, cwd, n) && path[n] == '/' ? path + n + 1 : path;
}

static void print_entry(const struct record_entry *e)
{
	_cleanup_free_ char *artifacts = mem_printf("%s/artifacts", e->dir), *output = mem_printf("%s/output.log", e->dir);
	_cleanup_str_ struct str program = STR_INIT;
	char took[32];

	add_program(e->result, &program);
	printf("run       %s\nfolder    %s\n", e->id, from_here(e->dir));
	if (!e->result) {
		printf("state     %s\n", state_of(e));
	} else {
		printf("program   %s\n", program.p);
		printf("verdict   %s, status %d\n", text_of(e->result, "verdict"),
		       (int)json_integer_value(json_object_get(e->result, "status")));
		if (*text_of(e->result, "error"))
			printf("error     %s\n", text_of(e->result, "error"));
		if (*text_of(e->result, "lost"))
			printf("lost      %s\n", text_of(e->result, "lost"));
		print_notes(e->result);
		printf("kernel    %s\nroot      %s\n", text_of(e->result, "kernel"), text_of(e->result, "root"));
		printf("took      %s%s\n",
		       format_duration_ms((uint64_t)json_integer_value(json_object_get(e->result, "duration_ms")), took, sizeof(took)),
		       json_is_true(json_object_get(e->result, "is_clone")) ? ", a clone" : ", booted");
		print_findings(e->result);
	}
	printf("console   %s/console.log\n", from_here(e->dir));
	if (fs_exists(output)) /* of a program in the background */
		printf("output    %s\n", from_here(output));
	printf("artifacts %s\n", from_here(artifacts));
	print_tree(artifacts, "");
}

static int show_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_free_ char *dir = NULL;
	bool as_json = false;
	struct record_entry e;

	if (command_json_options("runs show", argc, argv, &as_json, &words, err) < 0 ||
	    command_want_words(&words, 0, 1, "runs show", "[--json] [ID]", err) < 0 || context_load(&ctx, err) < 0)
		return -1;
	dir = run_records_dir(&ctx.paths, &ctx.workspace);
	if (records_find(dir, words.n ? words.v[0] : ".", &e, err) < 0)
		return -1;
	if (as_json)
		command_print_json(e.result ? json_incref(e.result)
					    : json_pack("{s:s, s:s}", "id", e.id, "state", state_of(&e)));
	else
		print_entry(&e);
	record_entry_clear(&e);
	return 0;
}

static int rm_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_free_ char *dir = NULL;

	if (command_options(NULL, 0, "runs rm", argc, argv, NULL, &words, err) < 0 ||
	    command_want_words(&words, 1, 1024, "runs rm", "ID...", err) < 0 || context_load(&ctx, err) < 0)
		return -1;
	dir = run_records_dir(&ctx.paths, &ctx.workspace);
	for (size_t i = 0; i < words.n; i++) {
		struct record_entry e;
		int r;

		if (records_find(dir, words.v[i], &e, err) < 0)
			return -1;
		if (e.is_alive)
			r = error_set(err, ERROR_BUSY, "run '%s' is under way", e.id);
		else
			r = fs_remove_tree(e.dir, NULL, err);
		record_entry_clear(&e);
		if (r < 0)
			return -1;
	}
	return 0;
}

static const struct subcommand subs[] = {
	{ "list", "[--json]", "List runs, newest first", command_json_rows, ARRAY_SIZE(command_json_rows), list_main },
	{ "show", "[--json] [ID]", "Show a run's result, findings and files (default: the newest)", command_json_rows,
	  ARRAY_SIZE(command_json_rows), show_main },
	{ "rm", "ID...", "Remove records", NULL, 0, rm_main },
};

const struct command cmd_runs = {
	.name = "runs",
	.group = GROUP_LOOK,
	.summary = "List, show and remove the records of runs",
	.subs = subs,
	.n_subs = ARRAY_SIZE(subs),
};
