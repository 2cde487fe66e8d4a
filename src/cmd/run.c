/* SPDX-License-Identifier: MPL-2.0 */
/* quiz [run] [options] [--] [program [argument...]] */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "run/background.h"
#include "image/kernel.h"
#include "image/openzfs.h"
#include "run/run.h"
#include "spec/arch.h"
#include "spec/status.h"
#include "sys/term.h"

/* A terminal that is the program's, in raw mode, does not go back to the left by itself. */
static void print(const char *text)
{
	bool is_raw = term_is_raw();

	if (is_raw)
		fputs("\r\n", stderr);
	for (const char *p = text; *p; p++) {
		if (*p == '\n' && is_raw)
			fputc('\r', stderr);
		fputc(*p, stderr);
	}
}

/* --make: a build that fails is the result, shown as the compiler printed it. */
static int make_first(const struct context *ctx, int *ret_status, struct error *err)
{
	const struct runspec *rs = &ctx->defaults;
	struct kernel kernel = { 0 };
	const struct arch *arch;
	int r;

	if (!ctx->workspace.root) {
		error_set(err, ERROR_USAGE, "--make wants a workspace: this folder lies in none");
		return error_hint(err, "quiz init, in the source tree");
	}
	if (arch_choose(rs->arch, &arch, err) < 0 ||
	    kernel_find(&ctx->paths, arch->name, rs->kernel, rs->config_kernel, &kernel, err) < 0)
		return -1;
	r = openzfs_make(&ctx->paths, ctx->workspace.root, &kernel, rs->make_target ? rs->make_target : "", err);
	kernel_clear(&kernel);
	if (r < 0 && err->kind == ERROR_CHILD) {
		command_print_error(err);
		*ret_status = STATUS_SETUP;
		return 0;
	}
	return r;
}

/* The guest does not have the program: was a command meant? Not by a path. */
static void hint_command(const struct runspec *rs)
{
	const char *program = rs->argv.n && !strchr(rs->argv.v[0], '/') ? rs->argv.v[0] : NULL;

	for (const struct command *const *c = quiz_commands; program && !rs->quiet && *c; c++)
		if (!(*c)->is_hidden && str_distance(program, (*c)->name) <= 1 + (strlen(program) > 4)) {
			fprintf(stderr, "hint: did you mean the command: quiz %s?\n", (*c)->name);
			return;
		}
}

static int run_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	bool is_absent = false;
	struct run_request req = { .paths = &ctx.paths, .workspace = &ctx.workspace, .config = &ctx.config,
				   .spec = &ctx.defaults, .ret_is_absent = &is_absent };
	bool in_background;
	int status = 0;

	if (context_load(&ctx, err) < 0 || options_parse(argc, argv, &ctx.defaults, err) < 0)
		return -1;
	if (ctx.defaults.dry_run) {
		_cleanup_str_ struct str text = STR_INIT;

		if (run_describe(&req, &text, err) < 0)
			return -1;
		fputs(str_cstr(&text), stdout);
		return 0;
	}
	if (ctx.defaults.do_make && make_first(&ctx, &status, err) < 0)
		return -1;
	if (status)
		return status;
	/* The supervisor of a background run has no terminal to look at. */
	in_background = background_is_wanted(&ctx.defaults);
	if (in_background && ctx.defaults.tty == TTY_AUTO)
		ctx.defaults.tty = !ctx.defaults.detach && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? TTY_FORCE : TTY_NEVER;
	if ((in_background ? background_execute : run_execute)(&req, print, &status, err) < 0)
		return -1;
	if (is_absent)
		hint_command(&ctx.defaults);
	return status;
}

const struct command cmd_run = {
	.name = "run",
	.group = GROUP_RUN,
	.usage = "[options] [--] [program [argument...]]",
	.summary = "Run a program in a fresh machine; without a program: a shell",
	.option_table = run_options,
	.main = run_main,
};
