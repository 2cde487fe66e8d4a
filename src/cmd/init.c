/* SPDX-License-Identifier: MPL-2.0 */
/* quiz init: makes the workspace's .quiz/ and records trust. */

#include <stdio.h>

#include "cmd/commands.h"

struct init_options {
	bool trust;
};

static const struct option_row options[] = {
	{ "trust", 0, OPTION_FLAG, 0, offsetof(struct init_options, trust), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "what this tree's .quiz/ brings may run on the host" },
};

static int init_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct init_options o = { 0 };
	struct paths paths = { 0 };
	struct workspace ws = { 0 };
	int rc;

	if (command_options(options, ARRAY_SIZE(options), "init", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 1, "init", "[--trust] [DIR]", err) < 0 || paths_init(&paths, err) < 0)
		return -1;
	rc = workspace_init(&paths, words.n ? words.v[0] : ".", o.trust, &ws, err);
	if (rc == 0)
		printf("workspace %s%s\n", ws.root, ws.is_trusted ? " (trusted)" : "");
	workspace_clear(&ws);
	paths_clear(&paths);
	return rc;
}

const struct command cmd_init = {
	.name = "init",
	.group = GROUP_SELF,
	.usage = "[--trust] [DIR]",
	.summary = "Make a workspace of this tree",
	.help = "A workspace is a folder with .quiz/ in it: its quiz.cfg, its profiles, what was\n"
		"built for it, and the records of its runs. Everything in .quiz/ is ignored by git.\n"
		"\n"
		"A tree may carry settings and profiles that reach the host (qemu, qemu-arg, share,\n"
		"make; host-setup and host-collect of profiles). They are refused until --trust has\n"
		"been given once. Trust belongs to this folder, not to its copies.\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.main = init_main,
};
