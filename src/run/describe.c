/* SPDX-License-Identifier: MPL-2.0 */
/*
 * --dry-run: the plan for people, one "what  text" per line, and from the same
 * lines the plan for programs, so that both say the same.
 */

#include <stdbool.h>
#include <string.h>

#include <jansson.h>

#include "run/facts.h"
#include "run/run.h"

static json_t *words(const struct strv *v)
{
	json_t *a = json_array();

	for (size_t i = 0; i < v->n; i++) {
		_cleanup_str_ struct str safe = STR_INIT;

		str_add_safe(&safe, v->v[i], strlen(v->v[i]), true);
		json_array_append_new(a, json_string(str_cstr(&safe)));
	}
	return a;
}

/* The lines that begin with a word, without it. */
static json_t *lines_of(const char *text, const char *word)
{
	json_t *a = json_array();
	size_t n = strlen(word);

	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		const char *what = line + n + strspn(line + n, " ");
		_cleanup_str_ struct str safe = STR_INIT;

		if (strncmp(line, word, n) != 0 || line[n] != ' ')
			continue;
		str_add_safe(&safe, what, strcspn(what, "\n"), false);
		json_array_append_new(a, json_string(str_cstr(&safe)));
	}
	return a;
}

static void add_json(const struct run_plan *p, const struct strv *argv, struct str *out)
{
	static const char *const kinds[][2] = { { "layer", "layers" }, { "boot", "boot" }, { "clone", "clone" },
						{ "init", "init_hooks" }, { "collect", "collect_hooks" } };
	_cleanup_str_ struct str text = STR_INIT;
	_cleanup_free_ char *dumped = NULL;
	json_t *o = json_object();

	run_plan_describe(p, &text);
	json_object_set_new(o, "kernel", json_string(p->kernel_id));
	json_object_set_new(o, "root", p->root_id ? json_string(p->root_id) : json_string("host"));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		json_object_set_new(o, kinds[i][1], lines_of(str_cstr(&text), kinds[i][0]));
	json_object_set_new(o, "program", words(&p->program.argv));
	json_object_set_new(o, "template", p->can_template ? json_string(p->template_key) : json_null());
	json_object_set_new(o, "command", words(argv));
	dumped = json_dumps(o, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(o);
	str_addf(out, "%s\n", dumped ? dumped : "{}");
}

static void add_text(const struct run_plan *p, const struct strv *argv, struct str *out)
{
	run_plan_describe(p, out);
	str_add(out, "command  ");
	for (size_t i = 0; i < argv->n; i++) {
		str_add_char(out, ' ');
		str_add_shell(out, argv->v[i]);
	}
	str_add_char(out, '\n');
}

int run_describe(const struct run_request *req, struct str *out, struct error *err)
{
	struct run_facts f = { .paths = req->paths, .workspace = req->workspace, .config = req->config, .spec = req->spec,
			       .is_dry = true };
	const struct vmm_options vo = { .run_dir = "<run>", .empty_dir = "<run>" };
	_cleanup_strv_ struct strv argv = STRV_INIT;
	struct run_plan plan = { 0 };
	int r = -1;

	if (facts_gather(&f, err) == 0 && plan_make(&f, &plan, err) == 0 &&
	    vmm_plan(&plan.machine, &f.caps, &vo, &argv, err) == 0) {
		(req->spec->json ? add_json : add_text)(&plan, &argv, out);
		r = 0;
	}
	run_plan_clear(&plan);
	facts_clear(&f);
	return r;
}
