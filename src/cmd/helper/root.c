/* SPDX-License-Identifier: MPL-2.0 */
/* quiz root: making roots, and what the store has. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "cmd/helper/helper.h"
#include "cmd/helper/root.h"
#include "image/root.h"
#include "image/root_build.h"
#include "spec/arch.h"
#include "sys/loop.h"
#include "sys/proc.h"

struct words {
	char *set, *suite, *arch, *mirror, *name;
	struct strv packages;
	bool in_machine, quiet;
};

static void words_clear(struct words *w)
{
	free(w->set);
	free(w->suite);
	free(w->arch);
	free(w->mirror);
	free(w->name);
	strv_clear(&w->packages);
}

#define TEXT_ROW(field, letter, meta, complete, help)                                                                  \
	{ #field, letter, OPTION_REQUIRED, 0, offsetof(struct words, field), option_set_text, NULL, meta, NULL, NULL,      \
	  complete, help }
#define NAME_ROW TEXT_ROW(name, 0, "ID", NULL, "name in the store [made from the rest]")
#define ARCH_ROW TEXT_ROW(arch, 'a', "ARCH", "arch", "architecture [the host's]")
#define QUIET_ROW                                                                                                      \
	{ "quiet", 'q', OPTION_FLAG, 0, offsetof(struct words, quiet), option_set_flag, NULL, NULL, NULL, NULL, NULL,      \
	  "no progress and no result" }

static const struct option_row build_rows[] = {
	TEXT_ROW(set, 0, "SET", NULL, "package set: minimal, zfs, zts, debug or tiny [minimal]"),
	{ "package", 0, OPTION_REQUIRED, OPTION_LIST, offsetof(struct words, packages), option_set_list, NULL, "NAME", NULL,
	  NULL, NULL, "one more package; may be given several times" },
	TEXT_ROW(suite, 0, "SUITE", NULL, "release of the distribution [the host's, or the first that has ARCH]"),
	ARCH_ROW,
	TEXT_ROW(mirror, 0, "URL", NULL, "where packages come from [the host's apt sources]"),
	{ "in-machine", 0, OPTION_FLAG, 0, offsetof(struct words, in_machine), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "install the packages in a machine: what other architectures get where this host can not run their programs" },
	NAME_ROW,
	QUIET_ROW,
};

static const struct option_row add_rows[] = {
	NAME_ROW,
	ARCH_ROW,
	QUIET_ROW,
};

static void print_done(const struct root *r, const char *done, uint64_t started_ms)
{
	char size[32], took[32];

	helper_progress_end();
	printf("root %s %s (%s, %s, %zu package%s) in %s\n", r->id, done, r->arch, format_size(r->bytes, size, sizeof(size)),
	       r->packages.n, r->packages.n == 1 ? "" : "s", format_duration_ms(loop_now_ms() - started_ms, took, sizeof(took)));
}

/* Everything is cleaned up by now: we end as the signal wanted. */
static void end_as_signalled(const struct error *err)
{
	if (err->kind != ERROR_SYSTEM || err->errnum != EINTR || !proc_passed_signal())
		return;
	helper_progress_end();
	fflush(NULL);
	signal(proc_passed_signal(), SIG_DFL);
	raise(proc_passed_signal());
}

static int build_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv rest = STRV_INIT;
	struct root_build_options opt = { 0 };
	uint64_t started = loop_now_ms();
	struct root root = { 0 };
	struct paths paths = { 0 };
	struct words w = { 0 };
	int r = -1;

	if (command_options(build_rows, ARRAY_SIZE(build_rows), "root build", argc, argv, &w, &rest, err) == 0 &&
	    command_want_words(&rest, 0, 0, "root build", "[options]", err) == 0 && helper_find_arch(w.arch, &opt.arch, err) == 0 &&
	    paths_init(&paths, err) == 0) {
		opt.set = w.set;
		opt.packages = &w.packages;
		opt.suite = w.suite;
		opt.mirror = w.mirror;
		opt.in_machine = w.in_machine;
		opt.id = w.name;
		r = root_build(&paths, &opt, helper_progress(w.quiet), &root, err);
		if (r < 0)
			end_as_signalled(err);
		else if (!w.quiet)
			print_done(&root, "built", started);
	}
	root_clear(&root);
	paths_clear(&paths);
	words_clear(&w);
	return r;
}

static int add_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv rest = STRV_INIT;
	struct root_add_options opt = { 0 };
	uint64_t started = loop_now_ms();
	struct root root = { 0 };
	struct paths paths = { 0 };
	struct words w = { 0 };
	int r = -1;

	if (command_options(add_rows, ARRAY_SIZE(add_rows), "root add", argc, argv, &w, &rest, err) == 0 &&
	    command_want_words(&rest, 1, 1, "root add", "DIR|TARBALL|IMAGE [--name ID] [-a ARCH]", err) == 0 &&
	    helper_find_arch(w.arch, &opt.arch, err) == 0 && paths_init(&paths, err) == 0) {
		opt.id = w.name;
		r = root_add(&paths, rest.v[0], &opt, helper_progress(w.quiet), &root, err);
		if (r == 0 && !w.quiet)
			print_done(&root, "added", started);
	}
	root_clear(&root);
	paths_clear(&paths);
	words_clear(&w);
	return r;
}

static const struct subcommand subs[] = {
	{ "build", "[--set SET] [--package P]... [--suite S] [-a ARCH]", "Build a root from the distribution's packages",
	  build_rows, ARRAY_SIZE(build_rows), build_main },
	{ "add", "DIR|TARBALL|IMAGE [--name ID] [-a ARCH]", "Take a root of your own into the store", add_rows,
	  ARRAY_SIZE(add_rows), add_main },
	{ "list", "[--json]", "List the roots in the store; * marks the default", command_json_rows, ARRAY_SIZE(command_json_rows),
	  root_list_main },
	{ "show", "[--json] [ROOT]", "Show everything known of a root, its packages too", command_json_rows, ARRAY_SIZE(command_json_rows),
	  root_show_main },
	{ "rm", "ROOT...", "Remove roots and say how much space that gave", NULL, 0, root_rm_main },
};

const struct command cmd_root = {
	.name = "root",
	.group = GROUP_MAKE,
	.usage = NULL,
	.summary = "Build, add, list, show and remove root images",
	.help = "ROOT is an id as `quiz root list` shows it, a package set (zfs: the newest of it), or a\n"
		"release (trixie). Packages come from where the host's own come from; nothing is installed\n"
		"on the host, and no root is needed. An image that is added (EROFS, squashfs, ext4) is\n"
		"taken as it is; a folder or a tarball becomes an EROFS image.\n",
	.subs = subs,
	.n_subs = ARRAY_SIZE(subs),
};
