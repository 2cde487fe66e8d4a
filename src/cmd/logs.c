/* SPDX-License-Identifier: MPL-2.0 */
/* quiz logs [-f] ID: the kernel log of a machine or of a run that has ended, and the output of a background program. */

#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "run/client.h"
#include "run/record.h"
#include "run/run.h"
#include "sys/fs.h"

#define LOG_MAX (256u << 20)

struct logs_options {
	bool follow, output;
};

static const struct option_row rows[] = {
	{ "follow", 'f', OPTION_FLAG, 0, offsetof(struct logs_options, follow), option_set_flag, NULL, NULL, NULL, NULL,
	  NULL, "go on until the machine ends" },
	{ "output", 'o', OPTION_FLAG, 0, offsetof(struct logs_options, output), option_set_flag, NULL, NULL, NULL, NULL,
	  NULL, "what a program in the background (-d) has printed, instead of the kernel log" },
};

static int print_file(const char *dir, const char *name, struct error *err)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", dir, name);
	_cleanup_str_ struct str text = STR_INIT;

	if (fs_read(path, LOG_MAX, &text, err) < 0)
		return -1;
	fwrite(str_cstr(&text), 1, text.len, stdout);
	fflush(stdout);
	return 0;
}

static int of_record(const struct context *ctx, const char *id, const char *name, struct error *err)
{
	_cleanup_free_ char *runs = run_records_dir(&ctx->paths, &ctx->workspace);
	struct record_entry e;
	int r;

	if (records_find(runs, id, &e, err) < 0)
		return -1;
	r = print_file(e.dir, name, err);
	record_entry_clear(&e);
	return r;
}

static int logs_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct logs_options o = { 0 };
	struct client *c = NULL;
	const char *id, *name, *dir;
	struct error gone = ERROR_INIT;
	int r;

	if (command_options(rows, ARRAY_SIZE(rows), "logs", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 1, "logs", "[-f] [-o] [ID]", err) < 0 || context_load(&ctx, err) < 0)
		return -1;
	id = words.n ? words.v[0] : ".";
	name = o.output ? "output.log" : "console.log";
	if (client_open(&ctx.paths, id, "logs", &c, &gone) < 0)
		return of_record(&ctx, id, name, err);
	dir = json_string_value(json_object_get(client_status(c), "record"));
	r = dir ? print_file(dir, name, err) : 0;
	if (r == 0 && o.follow)
		r = client_follow_log(c, err);
	client_free(c);
	return r;
}

const struct command cmd_logs = {
	.name = "logs",
	.group = GROUP_UP,
	.usage = "[-f] [-o] [ID]",
	.summary = "Show the kernel log of a machine or of an ended run",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.main = logs_main,
};
