/* SPDX-License-Identifier: MPL-2.0 */
/*
 * quiz boot-time: where the time goes from the exec of QEMU to the program's
 * first instruction. A few cold runs of `true` are measured by the stages in
 * their records (the median one is shown); one more, with initcall_debug,
 * tells what the kernel did in its part. That one prints much and is slower,
 * so its times are the kernel's own and are kept apart.
 */

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/commands.h"
#include "run/boot_timeline.h"
#include "run/run.h"
#include "sys/fs.h"

#define USAGE	 "[-a ARCH] [-k KERNEL] [-n RUNS] [--plot FILE.svg]"
#define LOG_MAX	 (64u << 20)
#define RUNS_MAX 1000
/* Shorter silences in the log are not worth a line. */
#define GAP_MS	  5.0
#define N_LONGEST 12

struct boot_time_options {
	char *arch, *kernel, *plot, *machine; /* owned */
	uint32_t n_runs;
	bool json;
};

static const struct option_row options[] = {
	{ "arch", 'a', OPTION_REQUIRED, 0, offsetof(struct boot_time_options, arch), option_set_text, NULL, "ARCH",
	  NULL, NULL, "arch", "architecture of the machine (default: the host's)" },
	{ "kernel", 'k', OPTION_REQUIRED, 0, offsetof(struct boot_time_options, kernel), option_set_text, NULL,
	  "KERNEL", NULL, NULL, "kernel", "kernel to boot" },
	{ "runs", 'n', OPTION_REQUIRED, 0, offsetof(struct boot_time_options, n_runs), option_set_u32, NULL, "N", "5",
	  NULL, NULL, "boot N times and show the median" },
	{ "plot", 0, OPTION_REQUIRED, 0, offsetof(struct boot_time_options, plot), option_set_path, NULL, "FILE.svg",
	  NULL, NULL, "file", "write the timeline as a picture" },
	{ "machine", 0, OPTION_REQUIRED, 0, offsetof(struct boot_time_options, machine), option_set_text, NULL, "TYPE",
	  NULL, NULL, NULL, "machine type: auto, microvm, q35" },
	{ "json", 0, OPTION_FLAG, 0, offsetof(struct boot_time_options, json), option_set_flag, NULL, NULL, NULL, NULL,
	  NULL, "print JSON" },
};

static struct str captured; /* what run_execute() printed: the run's result as JSON, last */

static void capture(const char *text)
{
	str_add(&captured, text);
}

/* The line that begins with '{': findings may be printed before it. */
static json_t *captured_result(void)
{
	const char *p = str_cstr(&captured), *last = NULL;

	for (; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (*p == '{')
			last = p;
	return last ? json_loadb(last, strcspn(last, "\n"), 0, NULL) : NULL;
}

/* One cold run of `true`. Returns its result, or NULL. console: gets the path of its log; may be NULL. */
static json_t *run_once(const struct boot_time_options *o, const char *append, char **ret_console, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	struct run_request req = {
		.paths = &ctx.paths, .workspace = &ctx.workspace, .config = &ctx.config, .spec = &ctx.defaults
	};
	_cleanup_strv_ struct strv line = STRV_INIT;
	_cleanup_free_ char *records = NULL;
	json_t *result;
	int status;

	strv_add(&line, "--cold");
	strv_add(&line, "--json");
	strv_add(&line, "--no-tty");
	if (o->arch)
		strv_addf(&line, "--arch=%s", o->arch);
	if (o->kernel)
		strv_addf(&line, "--kernel=%s", o->kernel);
	if (o->machine)
		strv_addf(&line, "--machine=%s", o->machine);
	if (append)
		strv_addf(&line, "--append=%s", append);
	strv_add(&line, "--");
	strv_add(&line, "true");
	str_clear(&captured);
	if (context_load(&ctx, err) < 0 || options_parse((int)line.n, line.v, &ctx.defaults, err) < 0 ||
	    run_execute(&req, capture, &status, err) < 0)
		return NULL;
	result = captured_result();
	if (!result || status) {
		error_set(err, ERROR_GUEST, "cannot measure the boot: the run ended with status %d", status);
		error_hint(err, "quiz run --cold%s%s%s%s true", o->arch ? " -a " : "", o->arch ? o->arch : "",
			   o->kernel ? " -k " : "", o->kernel ? o->kernel : "");
		json_decref(result);
		return NULL;
	}
	if (ret_console) {
		records = run_records_dir(&ctx.paths, &ctx.workspace);
		*ret_console =
		    mem_printf("%s/%s/console.log", records, json_string_value(json_object_get(result, "id")));
	}
	return result;
}

static double program_ms(const json_t *result)
{
	const json_t *stages = json_object_get(result, "stages");

	return json_number_value(json_object_get(json_array_get(stages, json_array_size(stages) - 1), "ms"));
}

static int by_program(const void *a, const void *b)
{
	double x = program_ms(*(json_t *const *)a), y = program_ms(*(json_t *const *)b);

	return x < y ? -1 : x > y;
}

/* What ends at each stage. */
static const struct {
	const char *stage, *text;
} spans[] = {
	{ "again", "machines given up (the host is busy)" },
	{ "kernel", "QEMU's start, up to the kernel's clock" },
	{ "init", "kernel, up to the agent's first instruction" },
	{ "mounts", "agent: /proc, /sys, /dev" },
	{ "modules", "agent: kernel modules" },
	{ "channel", "agent: its channel" },
	{ "images", "root and module images" },
	{ "cloned", "identity" },
	{ "layers", "layers" },
	{ "root", "overlay and the new root" },
	{ "devices", "devices and shares" },
	{ "program", "the program's exec" },
};

static const char *span_text(const char *stage)
{
	for (size_t i = 0; i < ARRAY_SIZE(spans); i++)
		if (str_eq(spans[i].stage, stage))
			return spans[i].text;
	return stage;
}

static void add_spans(const json_t *result, struct boot_timeline *t)
{
	int n_cpus = (int)json_integer_value(json_object_get(result, "cpus"));
	const json_t *stage;
	size_t i;

	json_array_foreach(json_object_get(result, "stages"), i, stage)
	    boot_timeline_add(t, span_text(json_string_value(json_object_get(stage, "name"))),
			      json_number_value(json_object_get(stage, "ms")));
	t->title = mem_printf("boot of %s (%s, %s, %d CPU%s)", json_string_value(json_object_get(result, "kernel")),
			      json_string_value(json_object_get(result, "machine")),
			      json_string_value(json_object_get(result, "accel")), n_cpus, n_cpus == 1 ? "" : "s");
}

/* The ordinary runs: the median one becomes the spans. */
static int measure(const struct boot_time_options *o, struct boot_timeline *t, struct error *err)
{
	json_t **results = mem_alloc(o->n_runs * sizeof(*results));
	uint32_t n = 0;
	int rc = -1;

	for (; n < o->n_runs; n++) {
		results[n] = run_once(o, NULL, NULL, err);
		if (!results[n])
			goto out;
		if (!json_array_size(json_object_get(results[n], "stages"))) {
			error_set(err, ERROR_GUEST, "cannot measure the boot: the agent told no stages");
			n++;
			goto out;
		}
	}
	qsort(results, n, sizeof(*results), by_program);
	add_spans(results[n / 2], t);
	rc = 0;
out:
	for (uint32_t i = 0; i < n; i++)
		json_decref(results[i]);
	free(results);
	return rc;
}

static int read_initcalls(const struct boot_time_options *o, struct boot_timeline *t, struct error *err)
{
	_cleanup_str_ struct str log = STR_INIT;
	_cleanup_free_ char *console = NULL;
	json_t *result = run_once(o, "initcall_debug log_buf_len=4M", &console, err);

	json_decref(result);
	if (!result || fs_read(console, LOG_MAX, &log, err) < 0)
		return -1;
	boot_timeline_read_log(t, str_cstr(&log), GAP_MS);
	return 0;
}

static void print_json(const struct boot_timeline *t)
{
	json_t *spans_json = json_array(), *calls = json_array();
	json_t *all = json_pack("{s:s, s:o, s:o}", "title", t->title, "spans", spans_json, "initcalls", calls);

	for (size_t i = 0; i < t->n_spans; i++)
		json_array_append_new(spans_json, json_pack("{s:s, s:f, s:f}", "name", t->spans[i].name, "start_ms",
							    t->spans[i].start_ms, "end_ms", t->spans[i].end_ms));
	for (size_t i = 0; i < t->n_initcalls; i++)
		json_array_append_new(calls, json_pack("{s:s, s:f, s:f}", "name", t->initcalls[i].name, "start_ms",
						       t->initcalls[i].start_ms, "took_ms", t->initcalls[i].took_ms));
	json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(all);
}

static int show(const struct boot_time_options *o, const struct boot_timeline *t, struct error *err)
{
	_cleanup_str_ struct str text = STR_INIT;

	if (o->plot) {
		boot_timeline_svg(t, &text);
		if (fs_write_atomic(o->plot, str_cstr(&text), text.len, 0644, false, err) < 0)
			return -1;
		str_clear(&text);
	}
	if (o->json) {
		print_json(t);
		return 0;
	}
	boot_timeline_print(t, N_LONGEST, &text);
	fputs(str_cstr(&text), stdout);
	return 0;
}

static int boot_time_main(int argc, char **argv, struct error *err)
{
	_cleanup_boot_timeline_ struct boot_timeline t = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct boot_time_options o = { 0 };
	int rc = -1;

	if (command_options(options, ARRAY_SIZE(options), "boot-time", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 0, "boot-time", USAGE, err) < 0)
		goto out;
	if (o.n_runs < 1 || o.n_runs > RUNS_MAX) {
		error_set(err, ERROR_USAGE, "--runs is a number from 1 to %d", RUNS_MAX);
		goto out;
	}
	if (measure(&o, &t, err) == 0 && read_initcalls(&o, &t, err) == 0)
		rc = show(&o, &t, err);
out:
	str_clear(&captured);
	free(o.arch);
	free(o.kernel);
	free(o.plot);
	free(o.machine);
	return rc;
}

const struct command cmd_boot_time = {
	.name = "boot-time",
	.group = GROUP_LOOK,
	.usage = USAGE,
	.summary = "Show where the time goes until the program starts",
	.help = "Boots a machine a few times without a template and shows the median: QEMU, the\n"
		"kernel, each stage of the agent. Then once more with initcall_debug, for the\n"
		"kernel's longest initcalls and the silences between them. With --plot also as a\n"
		"picture.\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.main = boot_time_main,
};
