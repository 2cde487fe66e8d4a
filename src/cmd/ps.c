/* SPDX-License-Identifier: MPL-2.0 */
/* quiz ps: the machines of this user that are up. */

#include <stdio.h>

#include "cmd/commands.h"
#include "run/client.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void print_json(const struct client_machine *v, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, v[i].status ? json_incref(v[i].status)
						     : json_pack("{s:s, s:s}", "id", v[i].id, "state", "no answer"));
	command_print_json(a);
}

/* "lab:server", joined by commas; "-" for a machine that is alone. */
static void networks_of(const json_t *status, struct str *out)
{
	const json_t *a = json_object_get(status, "networks"), *n;
	size_t i;

	json_array_foreach(a, i, n)
		str_addf(out, "%s%s:%s", out->len ? "," : "", text_of(n, "name"), text_of(n, "host"));
	if (!out->len)
		str_add_char(out, '-');
}

static void print_row(const struct client_machine *m)
{
	_cleanup_str_ struct str networks = STR_INIT, row = STR_INIT;
	char age[32], memory[32], cpu[32];
	const char *profiles;

	if (!m->status) {
		printf("%-6s  no answer\n", m->id);
		return;
	}
	profiles = text_of(m->status, "profiles");
	networks_of(m->status, &networks);
	str_addf(&row, "%-6s  %-8s  %-12s  %-10s  %-10s  %-10s  %-16s  %-12s  %s", m->id, text_of(m->status, "state"),
		 format_duration_ms(m->age_ms, age, sizeof(age)),
		 format_duration_ms((uint64_t)json_integer_value(json_object_get(m->status, "cpu_ms")), cpu, sizeof(cpu)),
		 format_size((uint64_t)json_integer_value(json_object_get(m->status, "memory")), memory, sizeof(memory)),
		 *profiles ? profiles : "-", text_of(m->status, "kernel"), str_cstr(&networks),
		 text_of(m->status, "program"));
	command_print_row(str_cstr(&row));
}

static int ps_main(int argc, char **argv, struct error *err)
{
	_cleanup_context_ struct context ctx = { 0 };
	_cleanup_strv_ struct strv words = STRV_INIT;
	bool as_json = false;
	struct client_machine *v;
	size_t n;

	if (command_json_options("ps", argc, argv, &as_json, &words, err) < 0 ||
	    command_want_words(&words, 0, 0, "ps", "[--json]", err) < 0 || context_load(&ctx, err) < 0 ||
	    client_machines(&ctx.paths, &v, &n, err) < 0)
		return -1;
	if (as_json) {
		print_json(v, n);
	} else {
		if (n)
			printf("%-6s  %-8s  %-12s  %-10s  %-10s  %-10s  %-16s  %-12s  %s\n", "ID", "STATE", "AGE", "CPU", "MEMORY",
			       "PROFILES", "KERNEL", "NETWORKS", "PROGRAM");
		for (size_t i = 0; i < n; i++)
			print_row(&v[i]);
	}
	client_machines_free(v, n);
	return 0;
}

const struct command cmd_ps = {
	.name = "ps",
	.group = GROUP_UP,
	.usage = "[--json]",
	.summary = "List the machines that are up",
	.options = command_json_rows,
	.n_options = ARRAY_SIZE(command_json_rows),
	.main = ps_main,
};
