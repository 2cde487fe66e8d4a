/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The quiz program: the array of commands, and the rule that tells a command
 * from a program. A command word counts as the first argument only; anything
 * else is a run: `quiz -p zfs zfs list`, `quiz -- ps`.
 */

#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/commands.h"
#include "spec/status.h"

/* Commands that live in a helper program: what `quiz help` says of them. */
#define HELPER(var, word, heading, text, file)                                                                         \
	static const struct command var = { .name = word, .group = heading, .summary = text, .program = file }

HELPER(helper_setup, "setup", GROUP_MAKE, "Get a default kernel and root", "quiz-image");
HELPER(helper_kernel, "kernel", GROUP_MAKE, "Fetch, build, add, list, show and remove kernels", "quiz-image");
HELPER(helper_root, "root", GROUP_MAKE, "Build, add, list, show and remove root images", "quiz-image");
HELPER(helper_symbolize, "symbolize", GROUP_LOOK, "Put source lines to addresses of a kernel log", "quiz-symbols");

const struct command *const quiz_commands[] = {
	/* programs in machines */
	&cmd_run,
	/* machines that are up */
	&cmd_ps,
	&cmd_exec,
	&cmd_shell,
	&cmd_attach,
	&cmd_cp,
	&cmd_logs,
	&cmd_dump,
	&cmd_gdb,
	&cmd_wait,
	&cmd_stop,
	/* what to boot */
	&helper_setup,
	&helper_kernel,
	&helper_root,
	&cmd_openzfs,
	&cmd_profile,
	&cmd_template,
	/* what was, and the machinery */
	&cmd_verdict,
	&cmd_boot_time,
	&cmd_runs,
	&helper_symbolize,
	&cmd_disk,
	&cmd_config,
	&cmd_init,
	&cmd_doctor,
	&cmd_clean,
	&cmd_completion,
	&cmd_help,
	&cmd_version,
	NULL,
};

/* Words that are kept free for commands to come. */
static const char *const reserved[] = { "suite", "matrix", "bisect", "watch", NULL };

static int run_reserved(const char *word, struct error *err)
{
	error_set(err, ERROR_USAGE, "'%s' is reserved for a command to come", word);
	return error_hint(err, "to run a program of that name: quiz -- %s", word);
}

static int dispatch(int argc, char **argv, struct error *err)
{
	const char *word = argc ? argv[0] : NULL;
	const struct command *cmd = word ? command_find(quiz_commands, word) : NULL;

	if (cmd)
		return command_run(cmd, argc - 1, argv + 1, err);
	for (const char *const *r = reserved; word && *r; r++)
		if (str_eq(*r, word))
			return run_reserved(word, err);
	if (str_eq(word, "--help") || str_eq(word, "-h"))
		return cmd_help.main(0, NULL, err);
	if (str_eq(word, "--version"))
		return cmd_version.main(0, NULL, err);
	return cmd_run.main(argc, argv, err);
}

int main(int argc, char **argv)
{
	struct error err = ERROR_INIT;
	int status;

	command_guard_streams();
	status = argc ? dispatch(argc - 1, argv + 1, &err) : STATUS_SETUP;
	if (status < 0) {
		command_print_error(&err);
		status = STATUS_SETUP;
	}
	return command_close_stdout(status);
}
