/* SPDX-License-Identifier: MPL-2.0 */
/* quiz attach [ID]: the terminal of a run's program, from another terminal. */

#include <stdio.h>

#include "cmd/commands.h"
#include "run/client.h"

struct attach_options {
	bool watch;
};

static const struct option_row rows[] = {
	{ "watch", 'w', OPTION_FLAG, 0, offsetof(struct attach_options, watch), option_set_flag, NULL, NULL, NULL, NULL,
	  NULL, "only look: what you type stays here" },
};

static int attach_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct attach_options o = { 0 };
	struct client *c;
	int r, status = 0;

	if (command_options(rows, ARRAY_SIZE(rows), "attach", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 1, "attach", "[--watch] [ID]", err) < 0 || context_load(&ctx, err) < 0 ||
	    client_open(&ctx.paths, words.n ? words.v[0] : ".", "attach", &c, err) < 0)
		return -1;
	r = client_attach(c, !o.watch, &status, err);
	if (r == 0 && client_has_detached(c)) /* the cursor is where the program left it */
		fprintf(stderr, "\n[detached from %s: its program goes on]\n", client_id(c));
	client_free(c);
	return command_status(r, status, err);
}

const struct command cmd_attach = {
	.name = "attach",
	.group = GROUP_UP,
	.usage = "[--watch] [ID]",
	.summary = "Take over or watch the program's terminal; Ctrl-] d detaches",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.main = attach_main,
};
