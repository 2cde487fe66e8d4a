/* SPDX-License-Identifier: MPL-2.0 */
/* quiz [run] [options] [--] [program [argument...]] */

#include <stdio.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "run/background.h"
#include "run/run.h"

static void print(const char *text)
{
	fputs(text, stderr);
}

static int run_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	struct run_request req = { .paths = &ctx.paths, .workspace = &ctx.workspace, .config = &ctx.config,
				   .spec = &ctx.defaults };
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
	if (!background_is_wanted(&ctx.defaults))
		return run_execute(&req, print, &status, err) < 0 ? -1 : status;
	/* The supervisor has no terminal to look at. */
	if (ctx.defaults.tty == TTY_AUTO)
		ctx.defaults.tty = !ctx.defaults.detach && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? TTY_FORCE : TTY_NEVER;
	return background_execute(&req, print, &status, err) < 0 ? -1 : status;
}

const struct command cmd_run = {
	.name = "run",
	.group = GROUP_RUN,
	.usage = "[options] [--] [program [argument...]]",
	.summary = "Run a program in a fresh machine; without a program: a shell",
	.takes_run_options = true,
	.main = run_main,
};
