/* SPDX-License-Identifier: MPL-2.0 */
/*
 * quiz setup: what a first run needs, a kernel and a root, in the way that
 * costs least: the distribution's ready-made kernel and a minimal root. What
 * is there already is left alone, so it may be called at any time.
 */

#include <stdio.h>

#include "cmd/helper/helper.h"
#include "image/kernel.h"
#include "image/root.h"
#include "spec/arch.h"

struct setup_options {
	char *arch; /* owned */
};

static const struct option_row rows[] = {
	{ "arch", 'a', OPTION_REQUIRED, 0, offsetof(struct setup_options, arch), option_set_text, NULL, "ARCH", NULL, NULL,
	  "arch", "architecture of the machines (default: the host's)" },
};

static int has_kernel(const struct paths *p, const char *arch, bool *ret, struct error *err)
{
	struct kernel_list list;

	if (kernel_list(p, &list, NULL, err) < 0)
		return -1;
	*ret = kernel_select(&list, arch, NULL, NULL) != NULL;
	kernel_list_clear(&list);
	return 0;
}

static int has_root(const struct paths *p, const char *arch, bool *ret, struct error *err)
{
	struct root_list list;

	if (root_list(p, &list, NULL, err) < 0)
		return -1;
	*ret = root_select(&list, arch, NULL, NULL, NULL) != NULL;
	root_list_clear(&list);
	return 0;
}

static int setup_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct setup_options o = { 0 };
	const struct arch *arch;
	bool kernel, root;
	int status = 0;

	if (command_options(rows, ARRAY_SIZE(rows), "setup", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 0, "setup", "[-a ARCH]", err) < 0 || arch_choose(o.arch, &arch, err) < 0 ||
	    context_load(&ctx, err) < 0)
		return -1;
	free(o.arch);
	if (has_kernel(&ctx.paths, arch->name, &kernel, err) < 0 || has_root(&ctx.paths, arch->name, &root, err) < 0)
		return -1;
	if (!kernel) {
		char *fetch[] = { "fetch", "debian", "-a", (char *)arch->name, NULL };

		status = command_run(&cmd_kernel, 4, fetch, err);
	}
	if (status == 0 && !root) {
		char *build[] = { "build", "--set", "minimal", "-a", (char *)arch->name, NULL };

		status = command_run(&cmd_root, 5, build, err);
	}
	if (status == 0 && kernel && root)
		fputs("a kernel and a root are there already\n", stderr);
	return status;
}

const struct command cmd_setup = {
	.name = "setup",
	.group = GROUP_MAKE,
	.usage = "[-a ARCH]",
	.summary = "Get a default kernel and root",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.main = setup_main,
};
