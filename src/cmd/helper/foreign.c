/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What quiz asks of the helper for other architectures; nobody types it.
 *
 *	quiz-image foreign-namespace ARCH PROGRAM...	how root builds run another architecture's programs
 *	quiz-image sysroot ARCH				what cross builds of user space need
 */

#include "cmd/helper/helper.h"
#include "image/root_foreign.h"
#include "image/sysroot.h"
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

static int sysroot_main(int argc, char **argv, struct error *err)
{
	const struct arch *arch = argc == 1 ? arch_find(argv[0]) : NULL;
	struct context ctx = { 0 };
	int r;

	if (!arch)
		return error_set(err, ERROR_USAGE, SYSROOT_COMMAND " wants an architecture");
	if (context_load(&ctx, err) < 0)
		return -1;
	r = sysroot_make(&ctx.paths, arch, helper_progress(false), err);
	helper_progress_end();
	context_clear(&ctx);
	return r;
}

const struct command cmd_sysroot = {
	.name = SYSROOT_COMMAND,
	.usage = "ARCH",
	.summary = "Get the libraries that programs for another architecture are built with",
	.is_hidden = true,
	.main = sysroot_main,
};
