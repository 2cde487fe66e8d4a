/* SPDX-License-Identifier: MPL-2.0 */
/* quiz template list|show|make|rm: booted machines that runs are cloned from. */

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd/commands.h"
#include "run/run.h"
#include "run/template.h"
#include "sys/fs.h"

static json_t *entry_json(const struct template_entry *e)
{
	json_t *o = e->info ? json_loads(e->info, 0, NULL) : NULL;

	if (!o)
		o = json_object();
	json_object_set_new(o, "key", json_string(e->key));
	json_object_set_new(o, "folder", json_string(e->dir));
	json_object_set_new(o, "bytes", json_integer((json_int_t)e->bytes));
	json_object_set_new(o, "made", json_integer((json_int_t)e->made));
	json_object_set_new(o, "used", json_integer((json_int_t)e->used));
	json_object_set_new(o, "in_use", json_boolean(e->in_use));
	json_object_set_new(o, "is_failed", json_boolean(e->is_failed));
	json_object_set_new(o, "stale", e->stale ? json_string(e->stale) : json_null());
	return o;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "?";
}

static void add_word(struct str *out, const char *label, const char *value)
{
	if (*value)
		str_addf(out, "%s%s%s", out->len ? "; " : "", label, value);
}

/* Which runs it is for, beyond what has a column, and whether there is anything to know of it. */
static void describe(const struct template_entry *e, const json_t *o, struct str *out)
{
	add_word(out, "-p ", json_string_value(json_object_get(o, "profiles")) ? text_of(o, "profiles") : "");
	add_word(out, "layer ", json_string_value(json_object_get(o, "layers")) ? text_of(o, "layers") : "");
	add_word(out, "", json_string_value(json_object_get(o, "machine")) ? text_of(o, "machine") : "");
	if (e->is_failed || str_eq(text_of(o, "kind"), "prepared")) {
		if (!out->len)
			str_add(out, "no profiles");
	} else {
		str_addf(out, "%sany profiles", out->len ? "; " : "");
	}
	if (e->in_use)
		str_add(out, " [in use]");
	if (e->is_failed)
		str_addf(out, " [could not be prepared, and is not tried again: %s]", text_of(o, "failed"));
	else if (e->stale)
		str_addf(out, " [serves no run any more, will be removed: %s]", e->stale);
}

/* Are they the same in every word that a row has? */
static bool look_the_same(const json_t *a, const json_t *b)
{
	static const char *const words[] = { "kind", "kernel", "root", "memory", "cpus", "profiles", "layers", "machine" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		json_t *x = json_object_get(a, words[i]), *y = json_object_get(b, words[i]);

		if (x != y && !json_equal(x, y))
			return false;
	}
	return true;
}

/* Of "stamp kind path" (run/plan_template.c): the path of the first one of a's files that b was not made with; NULL: none. */
static const char *other_file(const json_t *a, const json_t *b)
{
	json_t *mine, *its;
	size_t i, k;

	json_array_foreach(json_object_get(a, "files"), i, mine) {
		const char *path = json_string_value(mine) ? strchr(json_string_value(mine), '/') : NULL;
		bool has = false;

		json_array_foreach(json_object_get(b, "files"), k, its)
			has = has || json_equal(mine, its);
		if (!has && path)
			return path;
	}
	return NULL;
}

/* Another quiz, or another QEMU: two rows of the same words have their reason, too. */
static void tell_from_others(const struct template_entry *v, size_t n, size_t at, const json_t *o, struct str *out)
{
	const char *path = NULL;

	for (size_t i = 0; i < n && !path && !v[at].stale && !v[at].is_failed; i++) {
		json_t *other = i == at || v[i].stale || v[i].is_failed ? NULL : entry_json(&v[i]);

		path = other && look_the_same(o, other) ? other_file(o, other) : NULL;
		json_decref(other);
	}
	if (path)
		str_addf(out, " [made with %s]", path);
}

/* Of columns whose content may be long. */
struct widths {
	int kernel, root;
};

static int wider(int width, const char *text)
{
	return (int)strlen(text) > width ? (int)strlen(text) : width;
}

static struct widths widths_of(const struct template_entry *v, size_t n)
{
	struct widths w = { (int)strlen("KERNEL"), (int)strlen("ROOT") };

	for (size_t i = 0; i < n; i++) {
		json_t *o = entry_json(&v[i]);

		w.kernel = wider(w.kernel, text_of(o, "kernel"));
		w.root = wider(w.root, text_of(o, "root"));
		json_decref(o);
	}
	return w;
}

/* The at-th of them. */
static void print_row(const struct template_entry *v, size_t n, size_t at, const struct widths *w)
{
	const struct template_entry *e = &v[at];
	json_t *o = entry_json(e);
	_cleanup_str_ struct str what = STR_INIT;
	uint64_t now = (uint64_t)time(NULL);
	char size[32], memory[32], used[32];

	describe(e, o, &what);
	tell_from_others(v, n, at, o, &what);
	printf("%.8s  %-8s  %-*s  %-*s  %-8s  %4" JSON_INTEGER_FORMAT "  %-8s  %-12s  %s\n", e->key,
	       e->is_failed ? "none" : text_of(o, "kind"), w->kernel, text_of(o, "kernel"), w->root, text_of(o, "root"),
	       format_size((uint64_t)json_integer_value(json_object_get(o, "memory")), memory, sizeof(memory)),
	       json_integer_value(json_object_get(o, "cpus")), format_size(e->bytes, size, sizeof(size)),
	       format_duration_ms((now > e->used ? now - e->used : 0) * 1000, used, sizeof(used)), str_cstr(&what));
	json_decref(o);
}

static int list_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	bool as_json = false;
	struct template_entry *v;
	uint64_t sum = 0;
	char size[32];
	size_t n, n_failed = 0;

	if (command_json_options("template list", argc, argv, &as_json, &words, err) < 0 ||
	    command_want_words(&words, 0, 0, "template list", "[--json]", err) < 0 || context_load(&ctx, err) < 0 ||
	    templates_list(&ctx.paths, &v, &n, err) < 0)
		return -1;
	if (as_json) {
		json_t *a = json_array();

		for (size_t i = 0; i < n; i++)
			json_array_append_new(a, entry_json(&v[i]));
		command_print_json(a);
	} else if (n) {
		const struct widths w = widths_of(v, n);

		printf("%-8s  %-8s  %-*s  %-*s  %-8s  %4s  %-8s  %-12s  %s\n", "TEMPLATE", "KIND", w.kernel, "KERNEL", w.root, "ROOT",
		       "MEMORY", "CPUS", "SPACE", "USED (AGO)", "FOR RUNS WITH");
		for (size_t i = 0; i < n; i++) {
			print_row(v, n, i, &w);
			sum += v[i].bytes;
			n_failed += v[i].is_failed;
		}
		printf("%zu booted machine%s to clone runs from, %s. A base one has booted, and serves runs with any profiles\n"
		       "whose layers are of the kinds that it names, or that have none; a prepared one has the named profiles set\n"
		       "up, and their layers mounted. First runs make them; they can be removed at any time (quiz template rm,\n"
		       "quiz clean).\n",
		       n - n_failed, n - n_failed == 1 ? "" : "s", format_size(sum, size, sizeof(size)));
	}
	templates_free(v, n);
	return 0;
}

static int show_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct template_entry *v;
	size_t n;
	int r = -1;

	if (command_options(NULL, 0, "template show", argc, argv, NULL, &words, err) < 0 ||
	    command_want_words(&words, 1, 1, "template show", "TEMPLATE", err) < 0 || context_load(&ctx, err) < 0 ||
	    templates_list(&ctx.paths, &v, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n && r < 0; i++) {
		_cleanup_free_ char *manifest = mem_printf("%s/manifest", v[i].dir);
		_cleanup_str_ struct str text = STR_INIT;

		if (!str_starts(v[i].key, words.v[0]))
			continue;
		const struct widths w = widths_of(&v[i], 1);

		if (v[i].is_failed) {
			print_row(v, n, i, &w);
			r = 0;
			continue;
		}
		if (fs_read(manifest, 1 << 20, &text, err) < 0)
			break;
		print_row(v, n, i, &w);
		printf("folder %s\nEvery run with exactly these properties is a clone of it:\n%s", v[i].dir, str_cstr(&text));
		r = 0;
	}
	templates_free(v, n);
	if (r < 0 && !error_is_set(err)) {
		error_set(err, ERROR_MISSING, "there is no template '%s'", words.v[0]);
		error_hint(err, "quiz template list");
	}
	return r;
}

static void print(const char *text)
{
	fputs(text, stderr);
}

/* A run of `true` with these options leaves a template behind. */
static int make_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	struct run_request req = { .paths = &ctx.paths, .workspace = &ctx.workspace, .config = &ctx.config,
				   .spec = &ctx.defaults };
	int status = 0;

	if (context_load(&ctx, err) < 0 || options_parse_template(argc, argv, &ctx.defaults, err) < 0)
		return -1;
	if (ctx.defaults.argv.n)
		return error_set(err, ERROR_USAGE, "quiz template make takes the options of a machine, but no program");
	strv_add(&ctx.defaults.argv, "true");
	ctx.defaults.tty = TTY_NEVER;
	ctx.defaults.cold = false; /* the config's: for runs */
	return run_execute(&req, print, &status, err) < 0 ? -1 : status;
}

static int rm_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	uint64_t sum = 0;
	char size[32];

	if (command_options(NULL, 0, "template rm", argc, argv, NULL, &words, err) < 0 ||
	    command_want_words(&words, 1, 1024, "template rm", "TEMPLATE...", err) < 0 || context_load(&ctx, err) < 0)
		return -1;
	for (size_t i = 0; i < words.n; i++) {
		uint64_t bytes;

		if (template_remove(&ctx.paths, words.v[i], &bytes, err) < 0)
			return -1;
		sum += bytes;
	}
	fprintf(stderr, "%s freed\n", format_size(sum, size, sizeof(size)));
	return 0;
}

static const struct subcommand subs[] = {
	{ "list", "[--json]", "List templates, most recently used first", command_json_rows, ARRAY_SIZE(command_json_rows), list_main },
	{ "show", "TEMPLATE", "Show what a template is of", NULL, 0, show_main },
	{ "make", "[options]", "Make the template that runs with these options are cloned from", .option_table = template_options,
	  .main = make_main },
	{ "rm", "TEMPLATE...", "Remove templates", NULL, 0, rm_main },
};

const struct command cmd_template = {
	.name = "template",
	.group = GROUP_MAKE,
	.summary = "List, show, make and remove the machines that runs are cloned from",
	.subs = subs,
	.n_subs = ARRAY_SIZE(subs),
};
