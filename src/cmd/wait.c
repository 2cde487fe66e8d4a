/* SPDX-License-Identifier: MPL-2.0 */
/* quiz wait ID: until the machine ends; its exit status, also when it has ended before it was asked. */

#include "cmd/commands.h"
#include "run/client.h"
#include "run/record.h"
#include "run/run.h"
#include "run/verdict.h"

/* `quiz -d` of a short program is over before anybody can wait for it: the record has the status then. */
static int of_record(const struct context *ctx, const char *id, int *ret_status, struct error *err)
{
	_cleanup_free_ char *runs = run_records_dir(&ctx->paths, &ctx->workspace);
	struct error ignored = ERROR_INIT;
	struct record_entry e;
	int r = -1;

	if (records_find(runs, id, &e, &ignored) < 0)
		return -1; /* err says that no such machine is up */
	error_clear(err);
	if (record_wait(&e, err) == 0 && e.result) {
		*ret_status = (int)json_integer_value(json_object_get(e.result, "status"));
		r = 0;
	} else if (err->kind == ERROR_NONE) {
		error_set(err, ERROR_SYSTEM, "run '%s' has no result: its quiz was killed", e.id);
		*ret_status = STATUS_LOST;
	}
	record_entry_clear(&e);
	return r;
}

static int wait_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct client *c;
	int r, status = 0;

	if (command_options(NULL, 0, "wait", argc, argv, NULL, &words, err) < 0 ||
	    command_want_words(&words, 1, 1, "wait", "ID", err) < 0 || context_load(&ctx, err) < 0)
		return -1;
	if (client_open(&ctx.paths, words.v[0], "wait", &c, err) < 0) {
		r = of_record(&ctx, words.v[0], &status, err);
	} else {
		r = client_wait(c, &status, err);
		client_free(c);
	}
	return command_status(r, status, err);
}

const struct command cmd_wait = {
	.name = "wait",
	.group = GROUP_UP,
	.usage = "ID",
	.summary = "Wait until a machine ends, or has ended; the status is its run's",
	.main = wait_main,
};
