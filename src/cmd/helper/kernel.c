/* SPDX-License-Identifier: MPL-2.0 */
/* quiz kernel: getting kernels, and what the store has. */

#include <stdio.h>
#include <string.h>

#include "cmd/helper/helper.h"
#include "cmd/helper/kernel.h"
#include "cmd/helper/kernel_build.h"
#include "image/kernel.h"
#include "image/kernel_add.h"
#include "image/kernel_fetch.h"
#include "image/store_draft.h"
#include "spec/arch.h"

/* ---- what getting one has in common ---- */

struct job {
	struct paths paths;
	const struct progress *progress;
	bool quiet;
	struct kernel_fetch_options fetch;
	struct kernel_add_options add;
};

static void print_done(const struct job *j, const struct kernel *k, const char *done, bool existed)
{
	char size[32];

	helper_progress_end();
	if (j->quiet)
		return;
	if (existed)
		printf("kernel %s is there already\n", k->id);
	else
		printf("kernel %s %s (%s, %s)\n", k->id, done, k->arch, format_size(k->bytes, size, sizeof(size)));
}

static void clean_store(void)
{
	struct paths p = { 0 };

	if (paths_init(&p, NULL) == 0)
		store_sweep(&kernel_store, &p);
	paths_clear(&p);
}

/* ---- fetch ---- */

struct fetch_words {
	char *arch, *suite;
	bool debug, quiet;
};

#define TEXT_ROW(type, field, letter, meta, complete, help)                                                            \
	{ #field, letter, OPTION_REQUIRED, 0, offsetof(struct type, field), option_set_text, NULL, meta, NULL, NULL,       \
	  complete, help }
#define PATH_ROW(type, field, meta, complete, help)                                                                    \
	{ #field, 0, OPTION_REQUIRED, 0, offsetof(struct type, field), option_set_path, NULL, meta, NULL, NULL, complete,  \
	  help }
#define FLAG_ROW(type, field, letter, help)                                                                            \
	{ #field, letter, OPTION_FLAG, 0, offsetof(struct type, field), option_set_flag, NULL, NULL, NULL, NULL, NULL,     \
	  help }

static const struct option_row fetch_rows[] = {
	TEXT_ROW(fetch_words, arch, 'a', "ARCH", "arch", "architecture [the host's]"),
	TEXT_ROW(fetch_words, suite, 0, "SUITE", NULL, "release of the distribution [the host's, or the first that has ARCH]"),
	FLAG_ROW(fetch_words, debug, 0, "the debug package too: vmlinux with all symbols (large)"),
	FLAG_ROW(fetch_words, quiet, 'q', "no progress and no result"),
};

static int fetch_work(void *ctx, struct error *err)
{
	struct job *j = ctx;
	struct kernel k = { 0 };
	bool existed = false;

	if (kernel_fetch_debian(&j->paths, &j->fetch, j->progress, &k, &existed, err) < 0)
		return -1;
	print_done(j, &k, "fetched", existed);
	kernel_clear(&k);
	return 0;
}

static int fetch_main(int argc, char **argv, struct error *err)
{
	static const char usage[] = "debian[:FLAVOUR-OR-VERSION]";
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct fetch_words o = { 0 };
	struct job j = { 0 };
	const char *source;
	int r = -1;

	if (command_options(fetch_rows, ARRAY_SIZE(fetch_rows), "kernel fetch", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 1, "kernel fetch", usage, err) < 0 ||
	    helper_find_arch(o.arch, &j.fetch.arch, err) < 0 || paths_init(&j.paths, err) < 0)
		goto out;
	source = words.n ? words.v[0] : "debian";
	if (!str_eq(source, "debian") && !str_starts(source, "debian:")) {
		error_set(err, ERROR_USAGE, "cannot fetch from '%s': only 'debian' has ready-made kernels", source);
		error_hint(err, "quiz kernel fetch debian:%s, or quiz kernel build %s", source, source);
		goto out;
	}
	j.fetch.wanted = source[6] == ':' && source[7] ? source + 7 : NULL;
	j.fetch.suite = o.suite;
	j.fetch.with_debug = o.debug;
	j.quiet = o.quiet;
	j.progress = helper_progress(o.quiet);
	r = helper_run(fetch_work, &j, clean_store);
out:
	paths_clear(&j.paths);
	free(o.arch);
	free(o.suite);
	return r;
}

/* ---- add ---- */

struct add_words {
	char *image, *modules, *config, *build, *name, *arch;
	bool quiet;
};

static const struct option_row add_rows[] = {
	PATH_ROW(add_words, image, "FILE", "file", "vmlinux, bzImage or what the architecture boots"),
	PATH_ROW(add_words, modules, "DIR", "dir", "its modules: .../lib/modules/RELEASE, or what has lib/modules in it"),
	PATH_ROW(add_words, config, "FILE", "file", "its .config"),
	PATH_ROW(add_words, build, "DIR", "dir", "its build tree, for external modules (linked, not copied)"),
	TEXT_ROW(add_words, name, 0, "ID", NULL, "name in the store [its release]"),
	TEXT_ROW(add_words, arch, 'a', "ARCH", "arch", "architecture [by the image]"),
	FLAG_ROW(add_words, quiet, 'q', "no progress and no result"),
};

static int add_work(void *ctx, struct error *err)
{
	struct job *j = ctx;
	struct kernel k = { 0 };
	bool existed = false;

	if (kernel_add(&j->paths, &j->add, j->progress, &k, &existed, err) < 0)
		return -1;
	if (existed) {
		error_set(err, ERROR_USAGE, "cannot add kernel '%s': the store has one of that name", k.id);
		error_hint(err, "quiz kernel rm %s, or --name ID", k.id);
		kernel_clear(&k);
		return -1;
	}
	print_done(j, &k, "added", false);
	kernel_clear(&k);
	return 0;
}

static int add_main(int argc, char **argv, struct error *err)
{
	static const char usage[] = "--image FILE [--modules DIR] [--config FILE] [--name ID]";
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct add_words o = { 0 };
	struct job j = { 0 };
	int r = -1;

	if (command_options(add_rows, ARRAY_SIZE(add_rows), "kernel add", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 0, "kernel add", usage, err) < 0 || helper_find_arch(o.arch, &j.add.arch, err) < 0 ||
	    paths_init(&j.paths, err) < 0)
		goto out;
	if (!o.image) {
		error_set(err, ERROR_USAGE, "'quiz kernel add' needs --image FILE");
		error_hint(err, "quiz kernel add %s", usage);
		goto out;
	}
	j.add.image = o.image;
	j.add.modules = o.modules;
	j.add.config = o.config;
	j.add.build = o.build;
	j.add.name = o.name;
	j.quiet = o.quiet;
	j.progress = helper_progress(o.quiet);
	r = helper_run(add_work, &j, clean_store);
out:
	paths_clear(&j.paths);
	free(o.image);
	free(o.modules);
	free(o.config);
	free(o.build);
	free(o.name);
	free(o.arch);
	return r;
}

/* ---- the table ---- */

static const struct subcommand subs[] = {
	{ "fetch", "debian[:FLAVOUR-OR-VERSION] [-a ARCH] [--suite S] [--debug]",
	  "Get a ready-made kernel of the distribution, without installing it", fetch_rows, ARRAY_SIZE(fetch_rows),
	  fetch_main },
	{ "build", KERNEL_BUILD_USAGE, KERNEL_BUILD_SUMMARY, kernel_build_options, KERNEL_BUILD_N_OPTIONS,
	  kernel_build_main },
	{ "add", "--image FILE [--modules DIR] [--config FILE] [--name ID]", "Copy a kernel of your own into the store",
	  add_rows, ARRAY_SIZE(add_rows), add_main },
	{ "list", "[--json]", "List the kernels in the store; * marks the default", command_json_rows,
	  ARRAY_SIZE(command_json_rows), kernel_list_main },
	{ "show", "[--json] [KERNEL]", "Show everything known of a kernel", command_json_rows, ARRAY_SIZE(command_json_rows),
	  kernel_show_main },
	{ "rm", "KERNEL...", "Remove kernels and say how much space that gave", NULL, 0, kernel_rm_main },
};

const struct command cmd_kernel = {
	.name = "kernel",
	.group = GROUP_MAKE,
	.usage = NULL,
	.summary = "Fetch, build, add, list, show and remove kernels",
	.help = "KERNEL is an id as `quiz kernel list` shows it, a version (6.1: the newest 6.1.x), a\n"
		"version with a flavour (6.12+kasan), or a flavour (cloud).\n",
	.subs = subs,
	.n_subs = ARRAY_SIZE(subs),
};
