/* SPDX-License-Identifier: MPL-2.0 */
/*
 * quiz gdb ID [GDB-ARGUMENT...]: gdb on a machine that is up.
 *
 * This process becomes gdb and hands it the connection to the supervisor, which
 * is the hold on the machine's gdb stub: however gdb ends, the connection ends
 * with it, and the supervisor takes the stub away and lets the machine go on.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "run/client.h"
#include "run/debug_files.h"
#include "spec/arch.h"
#include "sys/fs.h"

#define USAGE "ID [GDB-ARGUMENT...]"

static int find_gdb(const char *arch, char **ret, struct error *err)
{
	bool is_foreign = arch && !str_eq(arch, arch_native()->name);
	const char *name = is_foreign ? "gdb-multiarch" : "gdb";

	*ret = fs_find_program(name);
	if (*ret)
		return 0;
	error_set(err, ERROR_MISSING, "%s is not installed", name);
	return error_hint(err, "apt-get install %s", name);
}

/* Beside the socket: it goes with the run. */
static int write_commands(const struct context *ctx, const struct debug_files *d, const char *socket, char **ret,
			  struct error *err)
{
	_cleanup_str_ struct str text = STR_INIT;

	debug_files_gdb(d, ctx->paths.share, ctx->workspace.root ? ctx->workspace.root : ".", socket, &text);
	*ret = mem_printf("%s-commands-%d", socket, (int)getpid());
	return fs_write_atomic(*ret, text.p, text.len, 0600, false, err);
}

static int become_gdb(const struct context *ctx, struct client *c, char **more, struct error *err)
{
	_cleanup_strv_ struct strv argv = STRV_INIT;
	_cleanup_free_ char *gdb = NULL;
	_cleanup_free_ char *socket = NULL;
	_cleanup_free_ char *commands = NULL;
	const json_t *about = client_status(c);
	struct debug_files d;

	if (find_gdb(json_string_value(json_object_get(about, "arch")), &gdb, err) < 0 ||
	    debug_files_find(&ctx->paths, json_string_value(json_object_get(about, "kernel")),
			     json_object_get(about, "debug_modules"), &d, err) < 0)
		return -1;
	if (client_gdb(c, &socket, err) == 0 && write_commands(ctx, &d, socket, &commands, err) == 0) {
		if (!d.has_debug)
			fprintf(stderr, "quiz: kernel '%s' has no debug information in the store: only its symbols are known\n",
				d.kernel_id);
		strv_add(&argv, gdb);
		strv_add(&argv, "-q");
		strv_add(&argv, d.vmlinux);
		strv_add(&argv, "-x");
		strv_add(&argv, commands);
		strv_add_all(&argv, more);
		execv(gdb, argv.v);
		error_sys(err, errno, "run '%s'", gdb);
	}
	debug_files_clear(&d);
	return -1;
}

static int gdb_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	struct client *c;
	int r;

	/* What follows the id is gdb's, dashes and all. */
	if (argc && str_eq(argv[0], "--")) {
		argc--;
		argv++;
	}
	if (argc < 1 || *argv[0] == '-') {
		error_set(err, ERROR_USAGE, "quiz gdb wants the id of a machine");
		return error_hint(err, "quiz gdb " USAGE "   (. is the newest machine)");
	}
	if (context_load(&ctx, err) < 0 || client_open(&ctx.paths, argv[0], "gdb", &c, err) < 0)
		return -1;
	r = become_gdb(&ctx, c, argv + 1, err);
	client_free(c);
	return r;
}

const struct command cmd_gdb = {
	.name = "gdb",
	.group = GROUP_UP,
	.usage = USAGE,
	.summary = "Look into a machine with gdb, modules at their addresses",
	.help = "The machine stands still while gdb has it, and runs on when gdb is left. The kernel's own\n"
		"gdb scripts (lx-dmesg, lx-ps, ...) are there if the kernel was built with them; the\n"
		"command quiz-modules loads the symbols of modules again. A machine that was started\n"
		"with --gdb waits at its first instruction: 'hbreak start_kernel' and 'continue'.\n",
	.main = gdb_main,
};
