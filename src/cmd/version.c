/* SPDX-License-Identifier: MPL-2.0 */
/* quiz version */

#include <stdio.h>

#include "cmd/commands.h"
#include "config.h"

static int version_main(int argc, char **argv, struct error *err)
{
	puts("quiz " QUIZ_VERSION);
	return 0;
}

const struct command cmd_version = {
	.name = "version",
	.group = GROUP_SELF,
	.usage = "",
	.summary = "Print the version",
	.main = version_main,
};
