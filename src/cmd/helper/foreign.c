/* SPDX-License-Identifier: MPL-2.0 */
/* quiz-image foreign-namespace ARCH PROGRAM...: how root builds run another architecture's programs. Nobody types it. */

#include "cmd/helper/helper.h"
#include "image/root_foreign.h"
#include "spec/arch.h"

static int foreign_main(int argc, char **argv, struct error *err)
{
	const struct arch *arch = argc > 1 ? arch_find(argv[0]) : NULL;

	if (!arch)
		return error_set(err, ERROR_USAGE, "foreign-namespace wants an architecture and a program");
	return root_foreign_exec(arch, argv + 1, err);
}

const struct command cmd_foreign = {
	.name = ROOT_FOREIGN_COMMAND,
	.usage = "ARCH PROGRAM...",
	.summary = "Run a program where another architecture's programs can run",
	.is_hidden = true,
	.main = foreign_main,
};
