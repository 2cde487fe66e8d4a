/* SPDX-License-Identifier: MPL-2.0 */
/* What all programs with commands share: finding and running one, help from its rows, errors. */

#include "cmd/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "spec/status.h"
#include "sys/fs.h"
#include "sys/mend.h"
#include "sys/term.h"

void command_print_error(const struct error *err)
{
	_cleanup_str_ struct str safe = STR_INIT;
	struct error e = *err;

	mend_hint(&e);
	str_add_safe(&safe, e.text, strlen(e.text), true);
	fprintf(stderr, "quiz: %s\n", str_cstr(&safe));
	if (e.hint[0]) {
		str_truncate(&safe, 0);
		str_add_safe(&safe, e.hint, strlen(e.hint), true);
		fprintf(stderr, "hint: %s\n", str_cstr(&safe));
	}
}

const struct command *command_find(const struct command *const *table, const char *name)
{
	for (; *table; table++)
		if (str_eq((*table)->name, name))
			return *table;
	return NULL;
}

const struct option_row *command_option_rows(const struct command *cmd, size_t *ret_n)
{
	if (cmd->option_table)
		return cmd->option_table(ret_n);
	*ret_n = cmd->n_options;
	return cmd->options;
}

const struct option_row *subcommand_option_rows(const struct subcommand *sub, size_t *ret_n)
{
	if (sub->option_table)
		return sub->option_table(ret_n);
	*ret_n = sub->n_options;
	return sub->options;
}

/* ---- Help ---- */

static void print_option(const struct option_row *row)
{
	_cleanup_str_ struct str left = STR_INIT;

	if (row->flags & OPTION_HIDDEN)
		return;
	if (row->letter)
		str_addf(&left, "-%c, --%s", row->letter, row->name);
	else
		str_addf(&left, "    --%s", row->name);
	if (row->arg == OPTION_REQUIRED)
		str_addf(&left, " %s", row->metavar);
	else if (row->arg == OPTION_OPTIONAL)
		str_addf(&left, "[=%s]", row->metavar);
	printf("  %-28s  %s", str_cstr(&left), row->help);
	if (row->fallback && !str_eq(row->fallback, "0"))
		printf(" [%s]", row->fallback);
	putchar('\n');
}

static void print_options(const struct option_row *rows, size_t n)
{
	if (!n)
		return;
	puts("\noptions:");
	for (size_t i = 0; i < n; i++)
		print_option(&rows[i]);
}

static void print_sub_usage(const struct command *cmd, const struct subcommand *sub)
{
	size_t n;
	const struct option_row *rows = subcommand_option_rows(sub, &n);

	printf("usage: quiz %s %s%s%s\n\n%s.\n", cmd->name, sub->name, sub->usage ? " " : "",
	       sub->usage ? sub->usage : "", sub->summary);
	print_options(rows, n);
}

/* The bytes of the first n characters; n is where a character of several bytes may end. */
static size_t bytes_of(const char *text, size_t n)
{
	size_t at = 0;

	for (; text[at]; at++)
		if (((unsigned char)text[at] & 0xc0) != 0x80 && n-- == 0)
			break;
	return at;
}

void command_print_row(const char *row)
{
	uint16_t rows, columns = 0;

	if (isatty(STDOUT_FILENO))
		term_size(STDOUT_FILENO, &rows, &columns);
	if (columns > 20 && row[bytes_of(row, columns)])
		printf("%.*s...\n", (int)bytes_of(row, columns - 3u), row);
	else
		puts(row);
}

void command_print_json(json_t *json_consumed)
{
	json_dumpf(json_consumed, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json_consumed);
}

void command_print_help(const struct command *cmd)
{
	size_t n;
	const struct option_row *rows = command_option_rows(cmd, &n);

	if (cmd->usage)
		printf("usage: quiz %s%s%s\n", cmd->name, *cmd->usage ? " " : "", cmd->usage);
	else
		printf("usage: quiz %s SUBCOMMAND ...\n", cmd->name);
	printf("\n%s.\n", cmd->summary);
	if (cmd->help)
		printf("\n%s", cmd->help);
	if (cmd->n_subs)
		puts("\nsubcommands:");
	for (size_t i = 0; i < cmd->n_subs; i++) {
		_cleanup_free_ char *left = mem_printf("%s%s%s", cmd->subs[i].name, cmd->subs[i].usage ? " " : "",
						       cmd->subs[i].usage ? cmd->subs[i].usage : "");

		if (strlen(left) > 30)
			printf("  %s\n  %30s  %s\n", left, "", cmd->subs[i].summary);
		else
			printf("  %-30s  %s\n", left, cmd->subs[i].summary);
	}
	print_options(rows, n);
}

/* ---- Rows for completion and tests ---- */

struct table_row {
	const char *kind, *command, *name, *usage, *complete, *help, *fallback, *where;
	char letter;
};

static void add_row(struct str *out, const struct table_row *r)
{
	const char letter[2] = { r->letter, '\0' };
	const char *fields[] = { r->kind,     r->command, r->name,     r->usage, letter,
				 r->complete, r->help,	  r->fallback, r->where };

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		str_addf(out, "%s%c", fields[i] ? fields[i] : "", i + 1 < ARRAY_SIZE(fields) ? '\t' : '\n');
}

void command_option_table(struct str *out, const char *kind, const char *command, const struct option_row *rows,
			  size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct option_row *o = &rows[i];
		_cleanup_str_ struct str choices = STR_INIT;

		if (o->flags & OPTION_HIDDEN)
			continue;
		for (const char *const *c = o->choices; c && *c; c++)
			str_addf(&choices, "%c%s", c == o->choices ? '(' : ' ', *c);
		str_add(&choices, choices.len ? ")" : "");
		add_row(out, &(struct table_row){ .kind = o->arg == OPTION_OPTIONAL ? "option?" : kind,
						  .command = command,
						  .name = o->name,
						  .usage = o->metavar,
						  .letter = o->letter,
						  .complete = o->complete ? o->complete : str_cstr(&choices),
						  .help = o->help,
						  .fallback = o->fallback,
						  .where = o->flags & OPTION_LINE_ONLY ? "line"
							   : o->flags & OPTION_TRUST   ? "trust"
										       : NULL });
	}
}

void command_rows(const struct command *const *table, struct str *out)
{
	for (; *table; table++) {
		const struct command *cmd = *table;
		size_t n;
		const struct option_row *rows = command_option_rows(cmd, &n);

		if (cmd->is_hidden || cmd->program)
			continue;
		add_row(out, &(struct table_row){
				 .kind = "command", .command = cmd->name, .usage = cmd->usage, .help = cmd->summary });
		command_option_table(out, "option", cmd->name, rows, n);
		for (size_t i = 0; i < cmd->n_subs; i++) {
			_cleanup_free_ char *name = mem_printf("%s %s", cmd->name, cmd->subs[i].name);
			size_t n_own;
			const struct option_row *own = subcommand_option_rows(&cmd->subs[i], &n_own);

			add_row(out, &(struct table_row){ .kind = "sub",
							  .command = cmd->name,
							  .name = cmd->subs[i].name,
							  .usage = cmd->subs[i].usage,
							  .help = cmd->subs[i].summary });
			command_option_table(out, "option", name, own, n_own);
		}
	}
}

/* ---- Running one ---- */

static bool is_help(const char *word)
{
	return str_eq(word, "--help") || str_eq(word, "-h");
}

/* Replaces this process by the helper that has the command. */
static int exec_program(const struct command *cmd, int argc, char **argv, struct error *err)
{
	struct paths paths = { 0 };
	_cleanup_free_ char *file = NULL;
	_cleanup_strv_ struct strv args = STRV_INIT;
	int errnum;

	if (paths_init(&paths, err) < 0)
		return -1;
	file = fs_join(paths.libexec, cmd->program);
	paths_clear(&paths);
	strv_add(&args, file);
	strv_add(&args, cmd->name);
	for (int i = 0; i < argc; i++)
		strv_add(&args, argv[i]);
	fflush(NULL);
	execv(file, args.v);
	errnum = errno;
	error_sys(err, errnum, "start '%s'", file);
	return errnum == ENOENT ? error_hint(err, "this installation is not whole: make install") : -1;
}

/* `quiz openzfs -a s390x make`: the subword goes first, whatever options stand before it. */
static void find_sub(const struct command *cmd, int argc, char **argv)
{
	for (int i = 1; argc && argv[0][0] == '-' && i < argc; i++)
		for (size_t k = 0; k < cmd->n_subs; k++)
			if (str_eq(argv[i], cmd->subs[k].name)) {
				char *name = argv[i];

				memmove(argv + 1, argv, (size_t)i * sizeof(*argv));
				argv[0] = name;
				return;
			}
}

static int run_sub(const struct command *cmd, int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	const char *near;

	if (!cmd->main)
		find_sub(cmd, argc, argv);
	for (size_t i = 0; argc && i < cmd->n_subs; i++) {
		const struct subcommand *sub = &cmd->subs[i];

		strv_add(&names, sub->name);
		if (!str_eq(sub->name, argv[0]))
			continue;
		if (argc > 1 && is_help(argv[1])) {
			print_sub_usage(cmd, sub);
			return 0;
		}
		return sub->main(argc - 1, argv + 1, err);
	}
	if (cmd->main)
		return cmd->main(argc, argv, err);
	if (!argc) {
		error_set(err, ERROR_USAGE, "'quiz %s' needs a subcommand", cmd->name);
		return error_hint(err, "quiz help %s", cmd->name);
	}
	near = str_nearest(argv[0], (const char *const *)names.v);
	error_set(err, ERROR_USAGE, "unknown subcommand 'quiz %s %s'", cmd->name, argv[0]);
	return near ? error_hint(err, "did you mean: quiz %s %s?", cmd->name, near)
		    : error_hint(err, "quiz help %s", cmd->name);
}

int command_run(const struct command *cmd, int argc, char **argv, struct error *err)
{
	if (cmd->program)
		return exec_program(cmd, argc, argv, err);
	if (argc && is_help(argv[0])) {
		command_print_help(cmd);
		return 0;
	}
	return cmd->n_subs ? run_sub(cmd, argc, argv, err) : cmd->main(argc, argv, err);
}

void command_guard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(STATUS_SETUP);
}

int command_close_stdout(int status)
{
	struct error err = ERROR_INIT;

	int errnum = fflush(stdout) ? errno : ferror(stdout) ? EIO : 0;

	if (!errnum || errnum == EPIPE) /* whoever read it has enough */
		return status;
	error_sys(&err, errnum, "write to stdout");
	command_print_error(&err);
	return status ? status : STATUS_SETUP;
}

int command_main(const struct command *const *table, int argc, char **argv)
{
	struct error err = ERROR_INIT;
	const struct command *cmd = argc > 1 ? command_find(table, argv[1]) : NULL;
	int status;

	command_guard_streams();
	if (argc == 2 && str_eq(argv[1], "--rows")) {
		_cleanup_str_ struct str rows = STR_INIT;

		command_rows(table, &rows);
		fputs(str_cstr(&rows), stdout);
		return 0;
	}
	if (!cmd) {
		error_set(&err, ERROR_USAGE, "%s is a part of quiz and is started by it", argv[0]);
		command_print_error(&err);
		return STATUS_SETUP;
	}
	status = command_run(cmd, argc - 2, argv + 2, &err);
	if (status < 0) {
		command_print_error(&err);
		status = STATUS_SETUP;
	}
	return command_close_stdout(status);
}

/* ---- For the commands themselves ---- */

int command_status(int r, int status, const struct error *err)
{
	if (r == 0 || !status)
		return r < 0 ? -1 : status;
	command_print_error(err);
	return status;
}

int command_options(const struct option_row *rows, size_t n, const char *name, int argc, char **argv, void *target,
		    struct strv *ret_words, struct error *err)
{
	options_defaults(rows, n, target);
	return options_parse_table(rows, n, name, OPTIONS_PERMUTE, argc, argv, target, ret_words, NULL, err);
}

const struct option_row command_json_rows[1] = {
	{ "json", 0, OPTION_FLAG, 0, 0, option_set_flag, NULL, NULL, NULL, NULL, NULL, "print JSON" },
};

int command_json_options(const char *name, int argc, char **argv, bool *ret_json, struct strv *ret_words,
			 struct error *err)
{
	return command_options(command_json_rows, ARRAY_SIZE(command_json_rows), name, argc, argv, ret_json, ret_words,
			       err);
}

int command_want_words(const struct strv *words, size_t min, size_t max, const char *name, const char *usage,
		       struct error *err)
{
	if (words->n >= min && words->n <= max)
		return 0;
	if (words->n > max)
		error_set(err, ERROR_USAGE, "unexpected argument '%s'", words->v[max]);
	else
		error_set(err, ERROR_USAGE, "'quiz %s' needs more arguments", name);
	return error_hint(err, "quiz %s %s", name, usage);
}

int context_load(struct context *ctx, struct error *err)
{
	*ctx = (struct context){ 0 };
	if (paths_init(&ctx->paths, err) < 0 || workspace_find(&ctx->paths, NULL, &ctx->workspace, err) < 0 ||
	    config_load(&ctx->paths, &ctx->workspace, &ctx->config, err) < 0) {
		context_clear(ctx);
		return -1;
	}
	runspec_init(&ctx->defaults);
	return config_apply(&ctx->config, &ctx->defaults, err);
}

void context_clear(struct context *ctx)
{
	runspec_clear(&ctx->defaults);
	config_clear(&ctx->config);
	workspace_clear(&ctx->workspace);
	paths_clear(&ctx->paths);
}
