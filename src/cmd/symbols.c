/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The helper program quiz-symbols: the commands that read debug information
 * and therefore link libelf and libdw. quiz execs it; users never see its name.
 */

#include "cmd/command.h"
#include "cmd/helper/symbols.h"

static const struct command *const table[] = {
	&cmd_symbolize,
	NULL,
};

int main(int argc, char **argv)
{
	return command_main(table, argc, argv);
}
