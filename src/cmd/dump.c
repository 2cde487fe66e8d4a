/* SPDX-License-Identifier: MPL-2.0 */
/* quiz dump ID [FILE]: the memory of a machine as a vmcore, or that of a run that left one. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "run/client.h"
#include "run/debug_files.h"
#include "run/record.h"
#include "run/run.h"
#include "sys/fs.h"

#define USAGE "ID [FILE]"

static int print_commands(const struct paths *p, const json_t *about, const char *vmcore, struct error *err)
{
	_cleanup_str_ struct str text = STR_INIT;
	const char *kernel = json_string_value(json_object_get(about, "kernel"));
	struct debug_files d;

	if (debug_files_find(p, kernel, json_object_get(about, "debug_modules"), &d, err) < 0)
		return -1;
	str_addf(&text, "%s\n", vmcore);
	debug_files_commands(&d, vmcore, "", &text);
	fputs(str_cstr(&text), stdout);
	debug_files_clear(&d);
	return 0;
}

/* A run that has ended: what --dump or --on-crash=dump left. */
static int of_record(const struct context *ctx, const char *id, const struct error *gone, struct error *err)
{
	_cleanup_free_ char *runs = run_records_dir(&ctx->paths, &ctx->workspace);
	_cleanup_free_ char *path = NULL;
	struct record_entry e;
	int r = -1;

	if (records_find(runs, id, &e, NULL) < 0) {
		*err = *gone;
		return -1;
	}
	path = mem_printf("%s/vmcore", e.dir);
	if (!fs_exists(path)) {
		error_set(err, ERROR_MISSING, "run %s has ended and left no vmcore", e.id);
		error_hint(err, "quiz --dump ...   (writes one when the machine crashes or hangs)");
	} else {
		r = print_commands(&ctx->paths, e.result, path, err);
	}
	record_entry_clear(&e);
	return r;
}

/* FILE as an absolute path, as the machine's supervisor has a folder of its own; default: in the record. */
static int target_path(const struct client *c, const char *file, char **ret, struct error *err)
{
	const char *record = json_string_value(json_object_get(client_status(c), "record"));
	char cwd[4096];

	if (file && *file != '/') {
		if (!getcwd(cwd, sizeof(cwd)))
			return error_sys(err, errno, "find the current folder");
		*ret = mem_printf("%s/%s", cwd, file);
	} else {
		*ret = file ? mem_strdup(file) : mem_printf("%s/vmcore", record ? record : "/");
	}
	return 0;
}

static int dump_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_free_ char *path = NULL;
	struct error gone = ERROR_INIT;
	struct client *c;
	int r = -1;

	if (command_options(NULL, 0, "dump", argc, argv, NULL, &words, err) < 0 ||
	    command_want_words(&words, 1, 2, "dump", USAGE, err) < 0 || context_load(&ctx, err) < 0)
		return -1;
	if (client_open(&ctx.paths, words.v[0], "dump", &c, &gone) < 0)
		return of_record(&ctx, words.v[0], &gone, err);
	if (target_path(c, words.n > 1 ? words.v[1] : NULL, &path, err) == 0 && client_dump(c, path, err) == 0)
		r = print_commands(&ctx.paths, client_status(c), path, err);
	client_free(c);
	return r;
}

const struct command cmd_dump = {
	.name = "dump",
	.group = GROUP_UP,
	.usage = USAGE,
	.summary = "Write the memory of a machine as a vmcore, for crash and drgn",
	.help = "Prints the vmcore's path and the command lines that open it. The machine stands still\n"
		"while it is written and runs on afterwards. FILE is by default 'vmcore' in the run's\n"
		"record. For a run that has ended: the vmcore that --dump has left.\n",
	.main = dump_main,
};
