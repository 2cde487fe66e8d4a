/* SPDX-License-Identifier: MPL-2.0 */
/* quiz [run] [options] [--] [program [argument...]] */

#include "cmd/commands.h"

static int run_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };

	if (context_load(&ctx, err) < 0 || options_parse(argc, argv, &ctx.defaults, err) < 0)
		return -1;
	return error_set(err, ERROR_UNSUPPORTED, "no engine yet");
}

const struct command cmd_run = {
	.name = "run",
	.group = GROUP_RUN,
	.usage = "[options] [--] [program [argument...]]",
	.summary = "Run a program in a fresh machine; without a program: a shell",
	.takes_run_options = true,
	.main = run_main,
};
