/* SPDX-License-Identifier: MPL-2.0 */
/* `quiz kernel build`: the words on the command line become one request. */

#include "cmd/helper/kernel_build.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "cmd/command.h"
#include "cmd/helper/helper.h"
#include "image/kconfig.h"
#include "image/kernel_build.h"
#include "spec/profile.h"
#include "sys/fs.h"
#include "sys/proc.h"

struct options {
	char *tree, *git, *name, *arch; /* owned */
	struct strv flavours, configs, profiles, enable, disable, module;
	uint32_t jobs;
	bool use_llvm, keep, is_quiet, list_flavours, is_dry;
};

#define FIELD(f) offsetof(struct options, f)

const struct option_row kernel_build_options[KERNEL_BUILD_N_OPTIONS] = {
	{ "tree", 0, OPTION_REQUIRED, 0, FIELD(tree), option_set_path, .metavar = "DIR", .complete = "dir",
	  .help = "build the source in DIR, which is not written to" },
	{ "git", 0, OPTION_REQUIRED, 0, FIELD(git), option_set_text, .metavar = "URL[@REF]",
	  .help = "build what is at REF (a branch, a tag; default HEAD) of a git repository" },
	{ "flavour", 'F', OPTION_REQUIRED, OPTION_LIST, FIELD(flavours), option_set_list, .metavar = "NAME",
	  .help = "add a flavour: debug, kasan, ubsan, lockdep, kmemleak, kcsan, coverage, zts, ... or tiny" },
	{ "config", 0, OPTION_REQUIRED, OPTION_LIST, FIELD(configs), option_set_list, .metavar = "FRAGMENT",
	  .complete = "file", .help = "add a kernel configuration fragment, a file or one of quiz's" },
	{ "profile", 'p', OPTION_REQUIRED, OPTION_LIST, FIELD(profiles), option_set_list, .metavar = "LIST",
	  .complete = "profile", .help = "add what these profiles want of a kernel" },
	{ "enable", 'e', OPTION_REQUIRED, OPTION_LIST, FIELD(enable), option_set_list, .metavar = "SYMBOL[=VALUE]",
	  .help = "set a configuration symbol to y, or to VALUE" },
	{ "disable", 'd', OPTION_REQUIRED, OPTION_LIST, FIELD(disable), option_set_list, .metavar = "SYMBOL",
	  .help = "unset a configuration symbol" },
	{ "module", 'm', OPTION_REQUIRED, OPTION_LIST, FIELD(module), option_set_list, .metavar = "SYMBOL",
	  .help = "set a configuration symbol to m" },
	{ "llvm", 0, OPTION_FLAG, 0, FIELD(use_llvm), option_set_flag, .help = "build with clang and lld" },
	{ "jobs", 'j', OPTION_REQUIRED, 0, FIELD(jobs), option_set_u32, .metavar = "N",
	  .help = "run N compilers at once (default: one for each CPU)" },
	{ "name", 'n', OPTION_REQUIRED, 0, FIELD(name), option_set_text, .metavar = "ID",
	  .help = "call it ID (default: made from version and flavours)" },
	{ "arch", 'a', OPTION_REQUIRED, 0, FIELD(arch), option_set_text, .metavar = "ARCH", .complete = "arch",
	  .help = "build for another architecture, with its cross compiler" },
	{ "keep", 0, OPTION_FLAG, 0, FIELD(keep), option_set_flag, .help = "keep the build folder" },
	{ "dry-run", 0, OPTION_FLAG, 0, FIELD(is_dry), option_set_flag,
	  .help = "only configure, and say which symbols did not take" },
	{ "flavours", 0, OPTION_FLAG, 0, FIELD(list_flavours), option_set_flag,
	  .help = "list the fragments that there are, and what they are for" },
	{ "quiet", 'q', OPTION_FLAG, 0, FIELD(is_quiet), option_set_flag, .help = "no progress" },
};

static void options_clear(struct options *o)
{
	free(o->tree);
	free(o->git);
	free(o->name);
	free(o->arch);
	strv_clear(&o->flavours);
	strv_clear(&o->configs);
	strv_clear(&o->profiles);
	strv_clear(&o->enable);
	strv_clear(&o->disable);
	strv_clear(&o->module);
}
#define _cleanup_options_ _cleanup_(options_clear)

static int list_fragments(const struct paths *p, struct error *err)
{
	const char *const dirs[] = { p->share, p->config };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		_cleanup_free_ char *dir = fs_join(dirs[i], "kconfig");
		_cleanup_strv_ struct strv names = STRV_INIT;

		if (fs_list(dir, &names, err) < 0)
			return -1;
		for (size_t j = 0; j < names.n; j++) {
			_cleanup_free_ char *path = fs_join(dir, names.v[j]);
			_cleanup_free_ char *summary = kconfig_summary(path);

			if (!fs_is_dir(path))
				printf("%-14s %s\n", names.v[j], summary);
		}
	}
	return 0;
}

/* One source; none at all means the folder we are in if it is a kernel tree, else what the distribution has. */
static int choose_source(const struct options *o, const struct strv *words, struct kernel_build_request *req,
			 struct error *err)
{
	size_t n = words->n + (o->tree != NULL) + (o->git != NULL);

	if (n > 1)
		return error_set(err, ERROR_USAGE, "say one of VERSION, --tree and --git");
	if (o->git) {
		req->kind = KERNEL_SOURCE_GIT;
		req->what = o->git;
	} else if (words->n) {
		req->kind = kernel_source_kind_of(words->v[0]);
		req->what = words->v[0];
	} else if (o->tree || (fs_exists("Kbuild") && fs_is_dir("arch"))) {
		req->kind = KERNEL_SOURCE_TREE;
		req->what = o->tree ? o->tree : ".";
	} else {
		req->kind = KERNEL_SOURCE_PACKAGE;
		req->what = "linux-source";
	}
	return 0;
}

/* "a,b+c": commas and pluses join flavours, as they are written in a kernel's id. */
static void split_flavours(const struct strv *given, struct strv *ret)
{
	for (size_t i = 0; i < given->n; i++) {
		_cleanup_strv_ struct strv parts = STRV_INIT;

		strv_split(&parts, given->v[i], ",+");
		for (size_t j = 0; j < parts.n; j++)
			if (!strv_has(ret, parts.v[j]))
				strv_add(ret, parts.v[j]);
	}
}

/* Their fragments are taken as --config, their symbols unless something has them already. */
static int add_profiles(const struct strv *lists, struct kernel_build_request *req, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	struct profile_dirs dirs = { 0 };
	struct profile_set set = { 0 };
	int rc = context_load(&ctx, err);

	for (size_t i = 0; i < lists->n && rc == 0; i++)
		rc = profile_parse_list(lists->v[i], &ctx.defaults.profiles, &ctx.defaults.n_profiles, err);
	if (rc < 0)
		return -1;
	profile_dirs_init(&dirs, &ctx.paths, &ctx.workspace);
	rc = profile_resolve(&dirs, &ctx.config, &ctx.defaults, &set, err);
	if (rc == 0) {
		strv_add_all(&req->configs, set.kconfig.v);
		for (size_t i = 0; i < set.n_symbols; i++)
			strv_addf(&req->needs, "%s:%s", set.symbols[i].profile, set.symbols[i].name);
		profile_set_clear(&set);
	}
	profile_dirs_clear(&dirs);
	return rc;
}

static void print_result(const struct kernel_build_result *r)
{
	const struct kernel *k = &r->kernel;
	char time[32], size[32];

	if (*r->report)
		fprintf(stderr, "%s", r->report);
	format_duration_ms(r->elapsed_ms, time, sizeof(time));
	format_size(k->bytes, size, sizeof(size));
	fprintf(stderr, "%s: built in %s, %u objects, %s", k->id, time, r->n_objects, size);
	if (!r->has_ccache)
		fprintf(stderr, " (with ccache installed the next build would be quicker)");
	else if (r->n_hits + r->n_misses)
		fprintf(stderr, "; %u of %u compilations from ccache", r->n_hits, r->n_hits + r->n_misses);
	fprintf(stderr, "\n");
}

static void print_dry(const struct kernel_build_result *r)
{
	printf("%s%s: %u symbols built in, %u as modules\n", r->report, r->kernel.id, r->n_builtin, r->n_module);
}

static int build(const struct paths *p, const struct options *o, struct kernel_build_request *req, struct error *err)
{
	struct kernel_build_result result = { 0 };
	int rc;

	proc_end_together();
	rc = kernel_build(p, req, helper_progress(o->is_quiet), &result, err);
	helper_progress_end();
	if (rc < 0)
		return -1;
	if (req->is_dry) {
		print_dry(&result);
		kernel_build_result_clear(&result);
		return 0;
	}
	if (result.was_there)
		fprintf(stderr, "%s: there already, made from the same source and configuration\n", result.kernel.id);
	else if (!o->is_quiet)
		print_result(&result);
	printf("%s\n", result.kernel.id);
	kernel_build_result_clear(&result);
	return 0;
}

int kernel_build_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_options_ struct options o = { 0 };
	struct kernel_build_request req = { 0 };
	struct paths paths;
	int rc = -1;

	if (command_options(kernel_build_options, KERNEL_BUILD_N_OPTIONS, "kernel build", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 1, "kernel build", KERNEL_BUILD_USAGE, err) < 0 || paths_init(&paths, err) < 0)
		return -1;
	if (o.list_flavours) {
		rc = list_fragments(&paths, err);
		paths_clear(&paths);
		return rc;
	}
	split_flavours(&o.flavours, &req.flavours);
	strv_add_all(&req.configs, o.configs.v);
	for (size_t i = 0; i < o.enable.n; i++)
		strv_add(&req.settings, o.enable.v[i]);
	for (size_t i = 0; i < o.disable.n; i++)
		strv_addf(&req.settings, "%s=n", o.disable.v[i]);
	for (size_t i = 0; i < o.module.n; i++)
		strv_addf(&req.settings, "%s=m", o.module.v[i]);
	req.name = o.name;
	req.arch = o.arch;
	req.jobs = o.jobs;
	req.use_llvm = o.use_llvm;
	req.keep_objects = o.keep;
	req.is_dry = o.is_dry;
	if ((!o.profiles.n || add_profiles(&o.profiles, &req, err) == 0) && choose_source(&o, &words, &req, err) == 0)
		rc = build(&paths, &o, &req, err);
	strv_clear(&req.flavours);
	strv_clear(&req.configs);
	strv_clear(&req.needs);
	strv_clear(&req.settings);
	paths_clear(&paths);
	return rc;
}
