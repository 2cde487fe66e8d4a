/* SPDX-License-Identifier: MPL-2.0 */
/* quiz wait ID: until the machine ends; its exit status. */

#include "cmd/commands.h"
#include "run/client.h"

static int wait_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct client *c;
	int r, status = 0;

	if (command_options(NULL, 0, "wait", argc, argv, NULL, &words, err) < 0 ||
	    command_want_words(&words, 1, 1, "wait", "ID", err) < 0 || context_load(&ctx, err) < 0 ||
	    client_open(&ctx.paths, words.v[0], "wait", &c, err) < 0)
		return -1;
	r = client_wait(c, &status, err);
	client_free(c);
	return command_status(r, status, err);
}

const struct command cmd_wait = {
	.name = "wait",
	.group = GROUP_UP,
	.usage = "ID",
	.summary = "Wait until a machine ends; the status is its run's",
	.main = wait_main,
};
