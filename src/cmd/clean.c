/* SPDX-License-Identifier: MPL-2.0 */
/*
 * quiz clean: sweeps what crashes left behind, and what can be made again.
 * What is in use stays: machines answer on their sockets, templates, records,
 * kernels and roots are locked, downloads carry the number of their process.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "image/kernel.h"
#include "image/kernel_sweep.h"
#include "image/layer.h"
#include "image/root.h"
#include "image/store_draft.h"
#include "run/client.h"
#include "run/record.h"
#include "run/run.h"
#include "run/template.h"
#include "sys/fs.h"
#include "sys/host.h"

#define LAYER_BYTES_MAX (UINT64_C(16) << 30)
/* An interrupted build is taken up again within days or never. */
#define BUILD_AGE_MAX_S (UINT64_C(30) * 86400)
#define LAYER_AGE_MAX_S (UINT64_C(30) * 86400)

struct clean_options {
	bool cache, runs;
};

static const struct option_row options[] = {
	{ "cache", 0, OPTION_FLAG, 0, offsetof(struct clean_options, cache), option_set_flag, NULL, NULL, NULL, NULL,
	  NULL,
	  "remove all templates, layers, downloads, package lists, probes, sources and build folders of kernels, too: "
	  "they "
	  "are made again" },
	{ "runs", 0, OPTION_FLAG, 0, offsetof(struct clean_options, runs), option_set_flag, NULL, NULL, NULL, NULL,
	  NULL, "remove the records of all runs that have ended, too" },
};

static void report(const char *what, uint64_t bytes)
{
	char size[32];

	if (bytes)
		printf("%-28s %s\n", what, format_size(bytes, size, sizeof(size)));
}

/* Process number in ".tmp-<tag>.<pid>.<n>", or 0. */
static pid_t temp_owner(const char *name)
{
	const char *last = strrchr(name, '.'), *at = last;

	if (!str_starts(name, ".tmp-") || !last)
		return 0;
	while (at > name && at[-1] != '.')
		at--;
	return at > name ? (pid_t)strtol(at, NULL, 10) : 0;
}

/* Half-made things of processes that are gone. */
static uint64_t sweep_temporary(const char *dir)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	uint64_t freed = 0;

	if (fs_list(dir, &names, NULL) < 0)
		return 0;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(dir, names.v[i]);
		pid_t owner = temp_owner(names.v[i]);
		uint64_t bytes = 0;

		if (owner > 0 && !host_has_process(owner) && fs_remove_tree(path, &bytes, NULL) == 0)
			freed += bytes;
	}
	return freed;
}

static uint64_t remove_below(const char *dir, const char *name)
{
	_cleanup_free_ char *path = fs_join(dir, name);
	uint64_t bytes = 0;

	fs_remove_tree(path, &bytes, NULL);
	return bytes;
}

static int clean_cache(const struct context *ctx, bool all, struct error *err)
{
	const struct template_limits kept = { ctx->defaults.template_count, ctx->defaults.template_bytes,
					      ctx->defaults.template_age_ms };
	const struct template_limits none = { 0, 0, 0 };
	uint64_t freed = 0;

	report("templates", templates_sweep(&ctx->paths, all ? &none : &kept));
	if (layer_sweep(&ctx->paths, all ? 0 : LAYER_BYTES_MAX, all ? 0 : LAYER_AGE_MAX_S, &freed, err) < 0)
		return -1;
	report("layers", freed);
	report("build folders of kernels", kernel_builds_sweep(&ctx->paths, all ? 0 : BUILD_AGE_MAX_S));
	if (all) {
		report("sources of kernels", kernel_sources_remove(&ctx->paths));
		report("downloads", remove_below(ctx->paths.cache, "downloads"));
		report("probes", remove_below(ctx->paths.cache, "probes"));
		report("sysroots", remove_below(ctx->paths.cache, "sysroots"));
		report("package lists", remove_below(ctx->paths.cache, "apt"));
		report("initramfs", remove_below(ctx->paths.cache, "initrd"));
	}
	return 0;
}

static int clean_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_context_ struct context ctx = { 0 };
	struct clean_options o = { 0 };
	struct client_machine *machines = NULL;
	_cleanup_free_ char *runs = NULL, *downloads = NULL, *sysroots = NULL;
	size_t n = 0;
	uint64_t before;

	if (command_options(options, ARRAY_SIZE(options), "clean", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 0, "clean", "[--cache] [--runs]", err) < 0 || context_load(&ctx, err) < 0)
		return -1;
	runs = run_records_dir(&ctx.paths, &ctx.workspace);
	downloads = fs_join(ctx.paths.cache, "downloads");
	sysroots = fs_join(ctx.paths.cache, "sysroots");
	if (client_machines(&ctx.paths, &machines, &n, err) < 0) /* drops the folders of dead ones */
		return -1;
	client_machines_free(machines, n);
	report("half-made kernels and roots",
	       store_sweep(&kernel_store, &ctx.paths) + store_sweep(&root_store, &ctx.paths));
	report("half-made downloads", sweep_temporary(downloads) + sweep_temporary(sysroots));
	if (clean_cache(&ctx, o.cache, err) < 0)
		return -1;
	before = fs_tree_bytes(runs);
	records_prune(runs, o.runs ? 0 : ctx.defaults.keep_runs);
	report("records of runs", before - fs_tree_bytes(runs));
	return 0;
}

const struct command cmd_clean = {
	.name = "clean",
	.group = GROUP_SELF,
	.usage = "[--cache] [--runs]",
	.summary = "Sweep what crashes left behind and what is beyond the limits",
	.help = "Machines that are up, kernels, roots and disks are left alone.\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.main = clean_main,
};
