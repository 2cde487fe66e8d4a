/* SPDX-License-Identifier: MPL-2.0 */
/* quiz stop [--kill] ID...|--all: end machines. */

#include <signal.h>
#include <stdio.h>

#include "cmd/commands.h"
#include "run/client.h"

struct stop_options {
	bool kill, all;
};

static const struct option_row rows[] = {
	{ "kill", 0, OPTION_FLAG, 0, offsetof(struct stop_options, kill), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "do not ask the program first" },
	{ "all", 0, OPTION_FLAG, 0, offsetof(struct stop_options, all), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "all machines of yours" },
};

static int stop_one(const struct paths *p, const char *id, bool force, struct error *err)
{
	struct client *c;
	int r;

	if (client_open(p, id, "stop", &c, err) < 0)
		return -1;
	r = client_stop(c, force, err);
	client_free(c);
	return r;
}

static int stop_all(const struct paths *p, bool force, struct error *err)
{
	struct client_machine *v;
	size_t n;
	int r = 0;

	if (client_machines(p, &v, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (stop_one(p, v[i].id, force, err) < 0)
			r = -1;
	client_machines_free(v, n);
	return r;
}

static int stop_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct stop_options o = { 0 };

	if (command_options(rows, ARRAY_SIZE(rows), "stop", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, o.all ? 0 : 1, o.all ? 0 : 64, "stop", "[--kill] ID...|--all", err) < 0 ||
	    context_load(&ctx, err) < 0)
		return -1;
	if (o.all)
		return stop_all(&ctx.paths, o.kill, err);
	for (size_t i = 0; i < words.n; i++)
		if (stop_one(&ctx.paths, words.v[i], o.kill, err) < 0)
			return -1;
	return 0;
}

const struct command cmd_stop = {
	.name = "stop",
	.group = GROUP_UP,
	.usage = "[--kill] ID...|--all",
	.summary = "End a machine: TERM to its program, or at once with --kill",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.main = stop_main,
};
