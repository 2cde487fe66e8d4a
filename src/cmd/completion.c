/* SPDX-License-Identifier: MPL-2.0 */
/*
 * quiz completion bash|zsh: prints a completion made from the rows of all
 * commands. `make install` puts it where the shells look.
 *
 * bash: tables as associative arrays ("command" or "command sub" to its words)
 * and one fixed function over them. zsh: one _arguments call per command.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/rows.h"

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

/* ---- bash ---- */

static const char bash_function[] =
	"_quiz_values() { # KIND: the words that there are of it\n"
	"\tcase $1 in\n"
	"\tkernel|root|profile) quiz \"$1\" list 2>/dev/null | awk 'NR > skip { print $1 }' skip=\"$([ \"$1\" = profile ] && "
	"echo 0 || echo 1)\" ;;\n"
	"\tarch) echo \"x86_64 aarch64 s390x ppc64le riscv64\" ;;\n"
	"\tmachine) quiz ps 2>/dev/null | awk 'NR > 1 { print $1 }' ;;\n"
	"\tcommand) echo \"${!_quiz_commands[*]}\" ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"_quiz() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} key=run first=1 i word kind need=\n"
	"\tCOMPREPLY=()\n"
	"\tif [ \"$COMP_CWORD\" -eq 1 ] && [ \"${cur#-}\" = \"$cur\" ]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"${!_quiz_commands[*]}\" -- \"$cur\"; compgen -c -- \"$cur\")\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tif [ \"$COMP_CWORD\" -gt 1 ] && [ -n \"${_quiz_commands[${COMP_WORDS[1]}]+x}\" ]; then\n"
	"\t\tkey=${COMP_WORDS[1]} first=2\n"
	"\t\tif [ \"$COMP_CWORD\" -eq 2 ] && [ -n \"${_quiz_subs[$key]+x}\" ] && [ \"${cur#-}\" = \"$cur\" ]; then\n"
	"\t\t\tmapfile -t COMPREPLY < <(compgen -W \"${_quiz_subs[$key]}\" -- \"$cur\")\n"
	"\t\t\treturn\n"
	"\t\tfi\n"
	"\t\tcase \" ${_quiz_subs[$key]} \" in\n"
	"\t\t*\" ${COMP_WORDS[2]} \"*) key=\"$key ${COMP_WORDS[2]}\" first=3 ;;\n"
	"\t\tesac\n"
	"\tfi\n"
	"\tfor ((i = first; i < COMP_CWORD; i++)); do # a word that is neither option nor value: the program's\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tif [ -n \"$need\" ]; then need=; continue; fi\n"
	"\t\tif [ -n \"${_quiz_takes[$key $word]+x}\" ]; then need=$word\n"
	"\t\telif [ \"$word\" = -- ] || [ \"${word#-}\" = \"$word\" ]; then\n"
	"\t\t\tif [ \"$key\" = run ]; then mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return; fi\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tif [ -n \"$need\" ]; then\n"
	"\t\tkind=${_quiz_takes[$key $need]}\n"
	"\t\tcase $kind in\n"
	"\t\tdir) mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") ;;\n"
	"\t\tfile | text) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
	"\t\t*) mapfile -t COMPREPLY < <(compgen -W \"$(_quiz_values \"$kind\")\" -- \"$cur\") ;;\n"
	"\t\tesac\n"
	"\telif [ \"${cur#-}\" != \"$cur\" ]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"${_quiz_options[$key]}\" -- \"$cur\")\n"
	"\telif [ \"$key\" = run ]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -c -f -- \"$cur\")\n"
	"\telse\n"
	"\t\tcase $key in\n"
	"\t\thelp) kind=command ;;\n"
	"\t\t'kernel '* | 'root '* | 'profile '*) kind=${key%% *} ;;\n"
	"\t\texec | shell | attach | logs | stop | wait | dump | gdb) kind=machine ;;\n"
	"\t\t*) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n"
	"\t\tesac\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$(_quiz_values \"$kind\")\" -- \"$cur\")\n"
	"\tfi\n"
	"}\n"
	"complete -F _quiz quiz\n";

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

static void print_bash(char *rows)
{
	struct table commands = { 0 }, subs = { 0 }, options = { 0 }, takes = { 0 };
	struct row r;

	while (next_row(&rows, &r)) {
		_cleanup_free_ char *longer = mem_printf("--%s", r.name);
		_cleanup_free_ char *shorter = mem_printf("-%s", r.letter);
		_cleanup_free_ char *takes_long = mem_printf("%s %s", r.command, longer);
		_cleanup_free_ char *takes_short = mem_printf("%s %s", r.command, shorter);
		const char *kind = *r.complete ? r.complete : "text";

		if (str_eq(r.kind, "command"))
			table_add(&commands, r.command, "");
		else if (str_eq(r.kind, "sub"))
			table_add(&subs, r.command, r.name);
		if (!is_option(&r))
			continue;
		table_add(&options, r.command, longer);
		if (*r.letter)
			table_add(&options, r.command, shorter);
		if (!*r.usage || !str_eq(r.kind, "option"))
			continue;
		table_add(&takes, takes_long, kind);
		if (*r.letter)
			table_add(&takes, takes_short, kind);
	}
	puts("# bash completion of quiz, made by: quiz completion bash");
	table_print(&commands, "_quiz_commands");
	table_print(&subs, "_quiz_subs");
	table_print(&options, "_quiz_options");
	table_print(&takes, "_quiz_takes");
	putchar('\n');
	fputs(bash_function, stdout);
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

static const char *zsh_action(const char *complete)
{
	static const char *const actions[][2] = {
		{ "dir", "_files -/" },
		{ "file", "_files" },
		{ "kernel", "_quiz_list kernel" },
		{ "root", "_quiz_list root" },
		{ "profile", "_quiz_list profile" },
		{ "arch", "(x86_64 aarch64 s390x ppc64le riscv64)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (str_eq(actions[i][0], complete))
			return actions[i][1];
	return "";
}

static void print_zsh_option(const struct row *r)
{
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
			printf(":%s", zsh_action(r->complete));
		}
		puts("' \\");
	}
}

/* Rows of one kind for one command (or sub). rows is copied, as splitting changes it. */
static void print_zsh_options(const char *rows, const char *command)
{
	_cleanup_free_ char *copy = mem_strdup(rows);
	char *at = copy;
	struct row r;

	puts("\t_arguments -S \\");
	while (next_row(&at, &r))
		if (is_option(&r) && str_eq(r.command, command))
			print_zsh_option(&r);
	puts(str_eq(command, "run") ? "\t'(-):program:_command_names -e' '*::argument:_normal'" : "\t'*:word:_files'");
}

static void print_zsh_function(const char *rows, const char *command)
{
	_cleanup_free_ char *copy = mem_strdup(rows);
	_cleanup_strv_ struct strv subs = STRV_INIT;
	char *at = copy;
	struct row r;

	printf("\n_quiz_%s() {\n", command);
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
	_cleanup_free_ char *copy = mem_strdup(rows);
	char *at = copy;
	struct row r;

	puts("#compdef quiz\n# zsh completion of quiz, made by: quiz completion zsh\n\n"
	     "_quiz_list() {\n"
	     "\tlocal -a found\n"
	     "\tfound=(${(f)\"$(quiz $1 list 2>/dev/null)\"})\n"
	     "\t[[ $1 == profile ]] || shift found\n"
	     "\tcompadd -- ${found%% *}\n"
	     "}");
	while (next_row(&at, &r))
		if (str_eq(r.kind, "command"))
			print_zsh_function(rows, r.command);
	puts("\n_quiz() {\n\tlocal -a commands\n\tcommands=(");
	free(copy);
	copy = mem_strdup(rows);
	at = copy;
	while (next_row(&at, &r)) {
		if (!str_eq(r.kind, "command"))
			continue;
		printf("\t'%s:", r.command);
		print_zsh_text(r.help);
		puts("'");
	}
	puts("\t)\n"
	     "\tif (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
	     "\t\t_describe command commands\n"
	     "\t\t_command_names -e\n"
	     "\telif (( $+functions[_quiz_$words[2]] )) && [[ $words[2] != list ]]; then\n"
	     "\t\tlocal name=$words[2]\n"
	     "\t\tshift words; (( CURRENT-- ))\n"
	     "\t\t_quiz_$name\n"
	     "\telse\n"
	     "\t\t_quiz_run\n"
	     "\tfi\n"
	     "}\n\n"
	     "_quiz \"$@\"");
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
	return 0;
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
