/* SPDX-License-Identifier: MPL-2.0 */
/* quiz openzfs configure|make|stage|status: the tree's own build, aimed at kernels of the store. */

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "image/kernel.h"
#include "image/openzfs.h"
#include "image/openzfs_make.h"
#include "sys/fs.h"
#include "sys/loop.h"

struct openzfs_options {
	struct strv kernels;
	char *arch;
	bool debug, gpl, json;
	char *build;
};

#define ROW(field_, name_, letter_, arg_, flags_, set_, metavar_, complete_, help_)                                    \
	{                                                                                                              \
		.name = name_, .letter = letter_, .arg = arg_, .flags = flags_,                                        \
		.offset = offsetof(struct openzfs_options, field_), .set = set_, .metavar = metavar_,                  \
		.complete = complete_, .help = help_                                                                   \
	}

#define ROW_KERNEL                                                                                                     \
	ROW(kernels, "kernel", 'k', OPTION_REQUIRED, OPTION_LIST, option_set_list, "KERNEL", "kernel",                 \
	    "the kernel to build for; may be given several times")

#define ROW_ARCH                                                                                                       \
	ROW(arch, "arch", 'a', OPTION_REQUIRED, 0, option_set_text, "ARCH", "arch",                                    \
	    "architecture of the kernel [the host's]; another one is built with a cross compiler")

static const struct option_row configure_rows[] = {
	ROW_KERNEL,
	ROW_ARCH,
	ROW(debug, "debug", 0, OPTION_FLAG, 0, option_set_flag, NULL, NULL, "with assertions (--enable-debug)"),
	ROW(gpl, "gpl", 0, OPTION_FLAG, 0, option_set_flag, NULL, NULL,
	    "modules that call themselves GPL, for kernels with lockdep; not to be distributed"),
};

static const struct option_row make_rows[] = { ROW_KERNEL, ROW_ARCH };

static const struct option_row status_rows[] = {
	ROW_KERNEL,
	ROW_ARCH,
	ROW(json, "json", 0, OPTION_FLAG, 0, option_set_flag, NULL, NULL, "print JSON"),
	ROW(build, "build", 0, OPTION_REQUIRED, 0, option_set_path, "DIR", "dir",
	    "a build that is not the workspace's"),
};

static void options_clear(struct openzfs_options *o)
{
	strv_clear(&o->kernels);
	free(o->arch);
	free(o->build);
}

/* Kernels that were asked for, else the one that a run here would take. All owned. */
struct kernels {
	struct kernel *v;
	size_t n;
};

static void kernels_clear(struct kernels *k)
{
	for (size_t i = 0; i < k->n; i++)
		kernel_clear(&k->v[i]);
	free(k->v);
}

static int find_kernels(const struct context *ctx, const struct openzfs_options *o, struct kernels *ret,
			struct error *err)
{
	for (size_t i = 0; i < (o->kernels.n ? o->kernels.n : 1); i++) {
		const char *name = o->kernels.n ? o->kernels.v[i] : NULL;
		struct kernel k = { 0 };

		if (kernel_find(&ctx->paths, o->arch ? o->arch : ctx->defaults.arch, name, ctx->defaults.kernel, &k, err) < 0)
			return -1;
		*VEC_PUSH(ret->v, ret->n) = k;
	}
	return 0;
}

/* The tree to build: the workspace, which is made where there is none yet and this is an OpenZFS tree. */
static int find_tree(struct context *ctx, struct error *err)
{
	_cleanup_free_ char *here = NULL;

	if (ctx->workspace.root)
		return 0;
	here = fs_real_path(".", err);
	if (!here)
		return -1;
	if (openzfs_is_tree(here)) {
		fprintf(stderr, "making a workspace of %s\n", here);
		return workspace_init(&ctx->paths, here, false, &ctx->workspace, err);
	}
	error_set(err, ERROR_USAGE, "cannot build OpenZFS here: '%s' is in no workspace and no OpenZFS tree", here);
	return error_hint(err, "cd to the tree's top folder");
}

/* What all subwords start with. */
struct job {
	struct context ctx;
	struct openzfs_options o;
	struct strv words;
	struct kernels kernels;
};

static void job_clear(struct job *j)
{
	context_clear(&j->ctx);
	options_clear(&j->o);
	strv_clear(&j->words);
	kernels_clear(&j->kernels);
}

#define _cleanup_job_ _cleanup_(job_clear)

static int job_begin(struct job *j, const struct option_row *rows, size_t n, const char *name, int argc, char **argv,
		     struct error *err)
{
	if (command_options(rows, n, name, argc, argv, &j->o, &j->words, err) < 0 || context_load(&j->ctx, err) < 0)
		return -1;
	return find_kernels(&j->ctx, &j->o, &j->kernels, err);
}

/* ---- configure, make ---- */

static int configure_main(int argc, char **argv, struct error *err)
{
	_cleanup_job_ struct job j = { 0 };
	_cleanup_strv_ struct strv args = STRV_INIT;

	if (job_begin(&j, configure_rows, ARRAY_SIZE(configure_rows), "openzfs configure", argc, argv, err) < 0 ||
	    find_tree(&j.ctx, err) < 0)
		return -1;
	if (j.o.debug)
		strv_add(&args, "--debug");
	if (j.o.gpl)
		strv_add(&args, "--gpl");
	strv_add_all(&args, j.words.v);
	for (size_t i = 0; i < j.kernels.n; i++)
		if (openzfs_configure(&j.ctx.paths, j.ctx.workspace.root, &j.kernels.v[i], &args, err) < 0)
			return -1;
	return 0;
}

static int stage_one(const struct job *j, const struct kernel *k, struct error *err)
{
	struct openzfs_request request = { .workspace_root = j->ctx.workspace.root, .build_dir = j->o.build };
	struct openzfs_stage st = { 0 };
	uint64_t start = loop_now_ms();

	if (openzfs_layer(&j->ctx.paths, &request, k, &st, err) < 0)
		return -1;
	fprintf(stderr, "%s for kernel %s: %s (%llu ms)\n", st.describe, k->id,
		st.is_restaged ? "staged" : "nothing to stage", (unsigned long long)(loop_now_ms() - start));
	openzfs_stage_clear(&st);
	return 0;
}

static int make_main(int argc, char **argv, struct error *err)
{
	_cleanup_job_ struct job j = { 0 };

	if (job_begin(&j, make_rows, ARRAY_SIZE(make_rows), "openzfs make", argc, argv, err) < 0 ||
	    find_tree(&j.ctx, err) < 0)
		return -1;
	for (size_t i = 0; i < j.kernels.n; i++)
		if (openzfs_make_targets(&j.ctx.paths, j.ctx.workspace.root, &j.kernels.v[i], j.words.v, j.words.n,
					 err) < 0 ||
		    stage_one(&j, &j.kernels.v[i], err) < 0)
			return -1;
	return 0;
}

static int stage_main(int argc, char **argv, struct error *err)
{
	_cleanup_job_ struct job j = { 0 };

	if (job_begin(&j, status_rows, ARRAY_SIZE(status_rows), "openzfs stage", argc, argv, err) < 0 ||
	    command_want_words(&j.words, 0, 0, "openzfs stage", "[-k KERNEL]... [-a ARCH] [--build DIR]", err) < 0)
		return -1;
	for (size_t i = 0; i < j.kernels.n; i++)
		if (stage_one(&j, &j.kernels.v[i], err) < 0)
			return -1;
	return 0;
}

/* ---- status ---- */

static const char *const origin_names[] = {
	[OPENZFS_QUIZ_BUILD] = "quiz",
	[OPENZFS_TREE] = "tree",
	[OPENZFS_NAMED] = "named",
	[OPENZFS_PACKAGE] = "package",
};

static json_t *words_json(const struct strv *words)
{
	json_t *a = json_array();

	for (size_t i = 0; i < words->n; i++)
		json_array_append_new(a, json_string(words->v[i]));
	return a;
}

static json_t *status_json(const struct kernel *k, const struct openzfs_status *s)
{
	return json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:o, s:I, s:I, s:I, s:b, s:b, s:o}", "kernel",
			 k->id, "build", s->build_dir, "origin", s->build_dir ? origin_names[s->origin] : NULL,
			 "describe", s->describe, "commit", s->commit, "commit_why", s->commit_why, "version", s->version, "licence", s->licence,
			 "configured_with", words_json(&s->args), "built", (json_int_t)s->built, "staged",
			 (json_int_t)s->staged, "installed", (json_int_t)s->installed, "user_space", s->has_user_space,
			 "reseed", s->has_reseed, "stale", words_json(&s->stale));
}

static void print_time(const char *what, uint64_t when)
{
	char text[64] = "never", age[32];
	time_t t = (time_t)when, now = time(NULL);
	struct tm tm;

	if (when && localtime_r(&t, &tm)) {
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
		format_duration_ms(now > t ? (uint64_t)(now - t) * 1000 : 0, age, sizeof(age));
		printf("  %-11s %s (%s ago)\n", what, text, age);
	} else {
		printf("  %-11s %s\n", what, text);
	}
}

static void print_status(const struct kernel *k, const struct openzfs_status *s)
{
	printf("kernel %s\n", k->id);
	if (s->commit || s->version)
		printf("  %-11s %s\n", "tree", s->commit ? s->commit : s->version);
	if (s->commit_why)
		printf("  %-11s %s\n", "", s->commit_why);
	if (s->build_dir) {
		printf("  %-11s %s, %s%s%s\n", "build", s->describe, s->build_dir, s->licence ? ", " : "",
		       s->licence ? s->licence : "");
		for (size_t i = 0; i < s->args.n; i++)
			printf("  %-11s %s\n", i ? "" : "configured", s->args.v[i]);
		print_time("built", s->built);
		print_time("staged", s->staged);
		if (s->installed)
			print_time("installed", s->installed);
		printf("  %-11s %s\n", "user space", s->has_user_space ? "from the build" : "the root's own");
		printf("  %-11s %s\n", "clones",
		       s->has_reseed ? "can have ZFS loaded" : "load ZFS themselves (no reseeding module)");
	}
	for (size_t i = 0; i < s->stale.n; i++)
		printf("  %-11s %s\n", i ? "" : "stale", s->stale.v[i]);
	if (s->stale.n == 0)
		printf("  %-11s the next run uses what the tree says\n", "current");
}

static int status_main(int argc, char **argv, struct error *err)
{
	_cleanup_job_ struct job j = { 0 };
	json_t *all = NULL;
	int rc = 0;

	if (job_begin(&j, status_rows, ARRAY_SIZE(status_rows), "openzfs status", argc, argv, err) < 0 ||
	    command_want_words(&j.words, 0, 0, "openzfs status", "[-k KERNEL]... [-a ARCH] [--json]", err) < 0)
		return -1;
	all = json_array();
	for (size_t i = 0; rc == 0 && i < j.kernels.n; i++) {
		struct openzfs_request request = { .workspace_root = j.ctx.workspace.root, .build_dir = j.o.build };
		struct openzfs_status s = { 0 };

		rc = openzfs_status(&j.ctx.paths, &request, &j.kernels.v[i], &s, err);
		if (rc == 0 && j.o.json)
			json_array_append_new(all, status_json(&j.kernels.v[i], &s));
		else if (rc == 0)
			print_status(&j.kernels.v[i], &s);
		openzfs_status_clear(&s);
	}
	if (rc == 0 && j.o.json)
		command_print_json(all);
	else
		json_decref(all);
	return rc;
}

static const struct subcommand subs[] = {
	{ "configure", "[-k KERNEL]... [-a ARCH] [--debug] [--gpl] [-- configure options]",
	  "Configure the tree for kernels of the store", configure_rows, ARRAY_SIZE(configure_rows), configure_main },
	{ "make", "[-k KERNEL]... [-a ARCH] [target...]",
	  "Build it; 'install' adds the tests; 'modules', 'programs', 'tools' (no zdb, no ztest) build only those",
	  make_rows, ARRAY_SIZE(make_rows), make_main },
	{ "stage", "[-k KERNEL]... [-a ARCH] [--build DIR]", "Bring the layer up to date (a run does that by itself)",
	  status_rows, ARRAY_SIZE(status_rows), stage_main },
	{ "status", "[-k KERNEL]... [-a ARCH] [--json]", "Show what the next run would use", status_rows, ARRAY_SIZE(status_rows),
	  status_main },
};

const struct command cmd_openzfs = {
	.name = "openzfs",
	.group = GROUP_MAKE,
	.summary = "Configure, make and stage an OpenZFS worktree",
	.help = "Everything that is built lies in .quiz/openzfs/<kernel>/ of the worktree, so one\n"
		"tree serves several kernels and two worktrees never meet. A tree that you have\n"
		"configured and made yourself for the same kernel is used as well: the newest wins.\n"
		"\n"
		"	quiz openzfs configure --debug && quiz openzfs make\n"
		"	quiz --make -p zfs,memdev zpool create tank quizm0 '&&' zpool status\n",
	.subs = subs,
	.n_subs = ARRAY_SIZE(subs),
};
