/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The helper program quiz-image: the commands that make kernels, roots and
 * OpenZFS layers and therefore link libarchive, libcurl, libkmod and libelf.
 * quiz execs it; users never see its name.
 */

#include "cmd/command.h"
#include "cmd/helper/helper.h"

static const struct command *const table[] = {
	&cmd_kernel,
	&cmd_root,
	&cmd_foreign,
	&cmd_sysroot,
	&cmd_setup,
	NULL,
};

int main(int argc, char **argv)
{
	return command_main(table, argc, argv);
}
