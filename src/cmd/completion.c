/* SPDX-License-Identifier: MPL-2.0 */
/*
 * quiz completion bash|zsh: prints a completion made from the rows of all
 * commands. `make install` puts it where the shells look.
 *
 * bash: tables as associative arrays. zsh: one _arguments call per command.
 * The functions over them are files of their own, completion/quiz.<shell>. What
 * the words of a kind are (kernels, machines) is asked of quiz when it is wanted.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/rows.h"
#include "spec/arch.h"
#include "sys/fs.h"

#define FIXED_BYTES_MAX 65536

/* One line of command_rows(), split. Points into the caller's text. */
struct row {
	char *kind, *command, *name, *usage, *letter, *complete, *help, *fallback, *where;
};

/* Splits the next line off *text (modifies it). */
static bool next_row(char **text, struct row *ret)
{
	char **fields[] = { &ret->kind,	    &ret->command, &ret->name,	   &ret->usage, &ret->letter,
			    &ret->complete, &ret->help,	   &ret->fallback, &ret->where };
	char *line = strsep(text, "\n");

	if (!line || !*line)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		char *f = strsep(&line, "\t");

		*fields[i] = f ? f : (char *)"";
	}
	return true;
}

static bool is_option(const struct row *r)
{
	return str_starts(r->kind, "option");
}

/* ---- both ---- */

/* Kinds of words, and what lists them: one at the beginning of each line. */
static const char *const lists[][2] = {
	{ "kernel", "quiz kernel list" },     { "root", "quiz root list" }, { "profile", "quiz profile list" },
	{ "template", "quiz template list" }, { "run", "quiz runs list" },  { "disk", "quiz disk list" },
	{ "machine", "quiz ps" },
};

/* What the words of a command are of; of all others they are files. */
static const char *const words[][2] = {
	{ "exec", "machine" },	       { "shell", "machine" },	  { "attach", "machine" },     { "logs", "machine" },
	{ "wait", "machine" },	       { "stop", "machine" },	  { "dump", "machine" },       { "gdb", "machine" },
	{ "kernel show", "kernel" },   { "kernel rm", "kernel" }, { "root show", "root" },     { "root rm", "root" },
	{ "template show", "template" }, { "template rm", "template" }, { "runs show", "run" }, { "runs rm", "run" },
	{ "profile show", "profile" }, { "disk rm", "disk" },	  { "help", "command" },       { "completion", "(bash zsh)" },
};

/* What completes an option or a word: "file", a kind, or "(one other)" where the words are few and known. */
static char *action_of(const char *complete)
{
	_cleanup_str_ struct str s = STR_INIT;
	size_t n;
	const struct arch *archs = arch_table(&n);

	if (!str_eq(complete, "arch"))
		return mem_strdup(complete);
	for (size_t i = 0; i < n; i++)
		str_addf(&s, "%c%s", i ? ' ' : '(', archs[i].name);
	str_add_char(&s, ')');
	return str_take(&s);
}

/* ---- bash ---- */

/* Appends `word` to the value of `key` in a bash table that is printed at the end. */
struct table {
	struct strv keys, values;
};

static void table_add(struct table *t, const char *key, const char *word)
{
	for (size_t i = 0; i < t->keys.n; i++) {
		char *joined;

		if (!str_eq(t->keys.v[i], key))
			continue;
		joined = mem_printf("%s%s%s", t->values.v[i], *t->values.v[i] ? " " : "", word);
		free(t->values.v[i]);
		t->values.v[i] = joined;
		return;
	}
	strv_add(&t->keys, key);
	strv_add(&t->values, word);
}

static void table_print(struct table *t, const char *name)
{
	printf("declare -gA %s=(\n", name);
	for (size_t i = 0; i < t->keys.n; i++)
		printf("\t['%s']='%s'\n", t->keys.v[i], t->values.v[i]);
	puts(")");
	strv_clear(&t->keys);
	strv_clear(&t->values);
}

/* What `option` of `command` takes. */
static void table_add_option(struct table *t, const struct row *r, const char *option, const char *action)
{
	_cleanup_free_ char *key = mem_printf("%s %s", r->command, option);

	table_add(t, key, action);
}

static void print_bash(char *rows)
{
	struct table commands = { 0 }, subs = { 0 }, options = { 0 }, takes = { 0 }, may_take = { 0 }, of_words = { 0 };
	struct table of_lists = { 0 };
	struct row r;

	while (next_row(&rows, &r)) {
		_cleanup_free_ char *longer = mem_printf("--%s", r.name);
		_cleanup_free_ char *shorter = mem_printf("-%s", r.letter);
		_cleanup_free_ char *action = action_of(r.complete);

		if (str_eq(r.kind, "command"))
			table_add(&commands, r.command, "");
		else if (str_eq(r.kind, "sub"))
			table_add(&subs, r.command, r.name);
		if (!is_option(&r))
			continue;
		table_add(&options, r.command, longer);
		if (*r.letter)
			table_add(&options, r.command, shorter);
		if (!*r.usage)
			continue;
		table_add_option(&may_take, &r, longer, action);
		if (!str_eq(r.kind, "option"))
			continue;
		table_add_option(&takes, &r, longer, action);
		if (*r.letter)
			table_add_option(&takes, &r, shorter, action);
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		table_add(&of_words, words[i][0], words[i][1]);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		table_add(&of_lists, lists[i][0], lists[i][1]);
	puts("# bash completion of quiz, made by: quiz completion bash");
	table_print(&commands, "_quiz_commands");
	table_print(&subs, "_quiz_subs");
	table_print(&options, "_quiz_options");
	table_print(&takes, "_quiz_takes");
	table_print(&may_take, "_quiz_may_take");
	table_print(&of_words, "_quiz_words");
	table_print(&of_lists, "_quiz_lists");
	putchar('\n');
}

/* ---- zsh ---- */

/* Help inside of [...] in single quotes. */
static void print_zsh_text(const char *s)
{
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\''", stdout);
		else if (strchr("[]:\\", *s))
			printf("\\%c", *s);
		else
			putchar(*s);
	}
}

/* "(one other)" stays as it is. Caller frees. */
static char *zsh_action(const char *complete)
{
	_cleanup_free_ char *action = action_of(complete);

	if (str_eq(action, "dir"))
		return mem_strdup("_files -/");
	if (str_eq(action, "file"))
		return mem_strdup("_files");
	return *action && *action != '(' ? mem_printf("_quiz_list %s", action) : take_ptr(action);
}

/* What the words of a command or "command sub" are. Caller frees. */
static char *zsh_words(const char *command)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_eq(words[i][0], command))
			return zsh_action(words[i][1]);
	return mem_strdup("_files");
}

static void print_zsh_option(const struct row *r)
{
	_cleanup_free_ char *action = zsh_action(r->complete);

	for (int i = *r->letter ? 0 : 1; i < 2; i++) {
		bool optional = str_eq(r->kind, "option?");

		if (i == 0)
			printf("\t'*-%s[", r->letter);
		else
			printf("\t'*--%s%s[", r->name, !*r->usage ? "" : optional ? "=-" : "=");
		print_zsh_text(r->help);
		putchar(']');
		if (*r->usage && !(optional && i == 0)) {
			fputs(optional ? "::" : ":", stdout);
			print_zsh_text(r->usage);
			printf(":%s", action);
		}
		puts("' \\");
	}
}

/* Rows of one kind for one command (or sub). rows is copied, as splitting changes it. */
static void print_zsh_options(const char *rows, const char *command)
{
	_cleanup_free_ char *copy = mem_strdup(rows);
	_cleanup_free_ char *of_words = zsh_words(command);
	char *at = copy;
	struct row r;

	puts("\t_arguments -S \\");
	while (next_row(&at, &r))
		if (is_option(&r) && str_eq(r.command, command))
			print_zsh_option(&r);
	if (str_eq(command, "run"))
		puts("\t'(-):program:_command_names -e' '*::argument:_normal'");
	else if (str_eq(command, "exec"))
		puts("\t'(-):machine:_quiz_list machine' '*::argument:_normal'");
	else
		printf("\t'*:word:%s'\n", of_words);
}

static void print_zsh_function(const char *rows, const char *command)
{
	_cleanup_free_ char *copy = mem_strdup(rows);
	_cleanup_strv_ struct strv subs = STRV_INIT;
	char *at = copy;
	struct row r;

	printf("\n_quiz_command_%s() {\n", command);
	while (next_row(&at, &r))
		if (str_eq(r.kind, "sub") && str_eq(r.command, command))
			strv_add(&subs, r.name);
	if (subs.n) {
		puts("\tif (( CURRENT == 2 )); then");
		fputs("\t\tcompadd --", stdout);
		for (size_t i = 0; i < subs.n; i++)
			printf(" %s", subs.v[i]);
		puts("\n\t\treturn\n\tfi\n\tcase $words[2] in");
		for (size_t i = 0; i < subs.n; i++) {
			_cleanup_free_ char *full = mem_printf("%s %s", command, subs.v[i]);

			printf("\t%s) shift words; (( CURRENT-- ))\n", subs.v[i]);
			print_zsh_options(rows, full);
			puts("\t;;");
		}
		puts("\tesac");
	} else {
		print_zsh_options(rows, command);
	}
	puts("}");
}

static void print_zsh(const char *rows)
{
	_cleanup_free_ char *copy = mem_strdup(rows), *again = mem_strdup(rows);
	char *at = copy;
	struct row r;

	puts("#compdef quiz\n# zsh completion of quiz, made by: quiz completion zsh\n\ntypeset -gA _quiz_lists=(");
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		printf("\t%s '%s'\n", lists[i][0], lists[i][1]);
	puts(")");
	while (next_row(&at, &r))
		if (str_eq(r.kind, "command"))
			print_zsh_function(rows, r.command);
	puts("\ntypeset -ga _quiz_commands=(");
	at = again;
	while (next_row(&at, &r)) {
		if (!str_eq(r.kind, "command"))
			continue;
		printf("\t'%s:", r.command);
		print_zsh_text(r.help);
		puts("'");
	}
	puts(")\n");
}

/* What does not come from tables: a file of share/completion. */
static int print_fixed(const char *shell, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_str_ struct str text = STR_INIT;
	struct paths paths = { 0 };

	if (paths_init(&paths, err) < 0)
		return -1;
	path = mem_printf("%s/completion/quiz.%s", paths.share, shell);
	paths_clear(&paths);
	if (fs_read(path, FIXED_BYTES_MAX, &text, err) < 0)
		return -1;
	fwrite(text.p, 1, text.len, stdout);
	return 0;
}

static int completion_main(int argc, char **argv, struct error *err)
{
	_cleanup_str_ struct str rows = STR_INIT;
	bool is_zsh = argc == 1 && str_eq(argv[0], "zsh");

	if (argc != 1 || (!is_zsh && !str_eq(argv[0], "bash"))) {
		error_set(err, ERROR_USAGE, "which shell: bash or zsh?");
		return error_hint(err, "quiz completion bash");
	}
	if (rows_collect(&rows, err) < 0)
		return -1;
	if (is_zsh)
		print_zsh(str_cstr(&rows));
	else
		print_bash(rows.p);
	return print_fixed(argv[0], err);
}

const struct command cmd_completion = {
	.name = "completion",
	.group = GROUP_SELF,
	.usage = "bash|zsh",
	.summary = "Print a completion for the shell",
	.help = "make install puts them where the shells look. Without an installation:\n"
		"    source <(quiz completion bash)\n",
	.main = completion_main,
};
