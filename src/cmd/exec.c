/* SPDX-License-Identifier: MPL-2.0 */
/* quiz exec ID PROGRAM..., quiz shell [ID]: further programs in a machine that is up. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "run/client.h"
#include "spec/status.h"
#include "run/unseen.h"

/* The kernel's crash as the machine's supervisor knows it, or NULL. Caller frees. */
static char *crash_of(const struct client *c)
{
	const char *title = json_string_value(json_object_get(client_status(c), "crash"));
	const char *text = json_string_value(json_object_get(client_status(c), "crash_text"));

	if (!title)
		return NULL;
	return text ? mem_strdup(text) : mem_printf("quiz: crash: %s\n", title);
}

/*
 * A program that ended well while the kernel crashed has not. In a machine that had crashed before it is somebody who
 * looks at what is left, and his programs' status is their own.
 */
static void tell_crash(const struct context *ctx, const char *id, int *status)
{
	_cleanup_free_ char *crash = NULL;
	struct client *c;

	if (client_open(&ctx->paths, id, "verdict", &c, NULL) < 0)
		return;
	crash = crash_of(c);
	client_free(c);
	if (!crash)
		return;
	fputs(crash, stderr);
	*status = STATUS_CRASH;
}

static int run_in(const char *id, const struct runspec *rs, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	struct run_program p = { .has_stdin = true };
	_cleanup_free_ char *before = NULL;
	struct client *c;
	int r, status = 0;

	if (context_load(&ctx, err) < 0 || client_open(&ctx.paths, id, "exec", &c, err) < 0)
		return -1;
	p.argv = rs->argv; /* borrowed */
	p.cwd = rs->cwd;
	p.user = rs->user;
	p.tty = rs->tty == TTY_FORCE || (rs->tty == TTY_AUTO && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
	if (p.tty && getenv("TERM"))
		strv_addf(&p.env, "TERM=%s", getenv("TERM"));
	runspec_add_env(rs, &p.env);
	before = crash_of(c);
	r = client_exec(c, &p, &status, err);
	if (r == 0 && !before)
		tell_crash(&ctx, client_id(c), &status);
	if (r < 0 && err->kind == ERROR_MISSING && p.argv.n)
		unseen_hint_up(client_id(c), client_status(c), p.argv.v[0], err);
	strv_clear(&p.env);
	if (client_input_error(c))
		command_print_error(client_input_error(c));
	client_free(c);
	return command_status(r, status, err);
}

/* Of the options of a run those that make sense for a further program: no machine is made here. */
static int parse(const char *name, int argc, char **argv, struct runspec *rs, struct error *err)
{
	size_t n;
	const struct option_row *rows = program_options(&n);

	runspec_init(rs);
	return options_parse_table(rows, n, name, OPTIONS_STOP, argc, argv, rs, &rs->argv, NULL, err);
}

static int exec_main(int argc, char **argv, struct error *err)
{
	struct runspec rs;
	char *id;
	int r = -1;

	if (parse("exec", argc, argv, &rs, err) == 0) {
		if (rs.argv.n < 2) {
			error_set(err, ERROR_USAGE, "quiz exec wants the id of a machine and a program");
			error_hint(err, "quiz exec [options] ID PROGRAM...   (. is the newest machine)");
		} else {
			id = rs.argv.v[0];
			rs.argv.v++; /* the program is what follows the id */
			rs.argv.n--;
			r = run_in(id, &rs, err);
			rs.argv.v--;
			rs.argv.n++;
		}
	}
	runspec_clear(&rs);
	return r;
}

static int shell_main(int argc, char **argv, struct error *err)
{
	struct runspec rs;
	int r = -1;

	if (parse("shell", argc, argv, &rs, err) == 0) {
		_cleanup_free_ char *id = mem_strdup(rs.argv.n ? rs.argv.v[0] : ".");

		if (rs.argv.n > 1) {
			error_set(err, ERROR_USAGE, "quiz shell takes one id at most");
		} else {
			strv_clear(&rs.argv);
			r = run_in(id, &rs, err);
		}
	}
	runspec_clear(&rs);
	return r;
}

const struct command cmd_exec = {
	.name = "exec",
	.group = GROUP_UP,
	.usage = "[options] ID PROGRAM [argument...]",
	.summary = "Run a further program in a machine that is up",
	.option_table = program_options,
	.main = exec_main,
};

const struct command cmd_shell = {
	.name = "shell",
	.group = GROUP_UP,
	.usage = "[options] [ID]",
	.summary = "Open a shell in a machine that is up (default: the newest)",
	.option_table = program_options,
	.main = shell_main,
};
