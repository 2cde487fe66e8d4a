/* SPDX-License-Identifier: MPL-2.0 */
/* quiz help: from the tables, nothing by hand. */

#include <stdio.h>

#include "cmd/commands.h"
#include "cmd/rows.h"
#include "spec/status.h"

static int print_status(void)
{
	size_t n;
	const struct status_row *rows = status_table(&n);

	puts("exit status:\n"
	     "  0-255  the program's own; 128+n when signal n ended it");
	for (size_t i = 0; i < n; i++)
		printf("  %-5d  %s\n", rows[i].number, rows[i].meaning);
	puts("\nA program may return these itself: result.json has the unambiguous verdict.");
	return 0;
}

static void print_group(const char *group)
{
	printf("\n%s:\n", group);
	for (const struct command *const *c = quiz_commands; *c; c++)
		if (!(*c)->is_hidden && str_eq((*c)->group, group))
			printf("  %-12s  %s\n", (*c)->name, (*c)->summary);
}

static int print_overview(void)
{
	static const char *const groups[] = { GROUP_RUN, GROUP_UP, GROUP_MAKE, GROUP_LOOK, GROUP_SELF };

	puts("usage: quiz [options] [--] [program [argument...]]\n"
	     "       quiz COMMAND ...\n"
	     "\n"
	     "Runs a program in a fresh virtual machine and brings back its output, its exit\n"
	     "status, its files and what the kernel said. Without a program: a shell.");
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		print_group(groups[i]);
	puts("\n"
	     "quiz help run     the options of a run\n"
	     "quiz help NAME    a command\n"
	     "quiz help status  exit statuses\n"
	     "\n"
	     "A command's name counts as the first word only: quiz -- ps runs the program ps.");
	return 0;
}

static int unknown(const char *name, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	const char *near;

	for (const struct command *const *c = quiz_commands; *c; c++)
		strv_add(&names, (*c)->name);
	near = str_nearest(name, (const char *const *)names.v);
	error_set(err, ERROR_USAGE, "there is no command '%s'", name);
	return near ? error_hint(err, "quiz help %s", near) : error_hint(err, "quiz help");
}

static int help_main(int argc, char **argv, struct error *err)
{
	const struct command *cmd;

	if (!argc)
		return print_overview();
	if (str_eq(argv[0], "--rows")) {
		_cleanup_str_ struct str rows = STR_INIT;

		if (rows_collect(&rows, err) < 0)
			return -1;
		fputs(str_cstr(&rows), stdout);
		return 0;
	}
	if (str_eq(argv[0], "status"))
		return print_status();
	cmd = command_find(quiz_commands, argv[0]);
	if (!cmd)
		return unknown(argv[0], err);
	if (cmd->program || argc > 1) { /* a helper, or `quiz help kernel fetch` */
		char *words[] = { argc > 1 ? argv[1] : (char *)"--help", (char *)"--help", NULL };

		return command_run(cmd, argc > 1 ? 2 : 1, words, err);
	}
	command_print_help(cmd);
	return 0;
}

const struct command cmd_help = {
	.name = "help",
	.group = GROUP_SELF,
	.usage = "[COMMAND [SUBCOMMAND] | status]",
	.summary = "Print help from the tables that the parser reads",
	.main = help_main,
};
