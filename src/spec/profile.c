/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From the profiles that a run asks for to one set of effects.
 *
 * 1. Gather: load each asked-for profile, work out its options (its own
 *    defaults < config files < environment < -p), then do the same for what it
 *    needs under these options, until nothing new comes.
 * 2. Check: conflicts, and host hooks of an untrusted workspace.
 * 3. Order: depth first over `needs` and `after`, starting in the order of the
 *    command line, so that a profile comes after all that it builds on.
 * 4. Apply each one's sections (profile_effects.c) and add its hooks.
 */

#include "spec/profile.h"

#include <stdlib.h>
#include <string.h>

#include "spec/ini.h"
#include "spec/profile_conf.h"
#include "sys/fs.h"

#define N_PROFILES_MAX 64

static const char *const phase_names[PROFILE_N_PHASES] = {
	[PROFILE_HOST_SETUP] = "host-setup",
	[PROFILE_GUEST_INIT] = "guest-init",
	[PROFILE_GUEST_COLLECT] = "guest-collect",
	[PROFILE_HOST_COLLECT] = "host-collect",
};

/* WHITE --visit--> GREY --all before it are placed--> BLACK */
enum node_color {
	NODE_WHITE,
	NODE_GREY,
	NODE_BLACK,
};

struct node {
	struct profile profile;
	struct profile_items items;
	char *file; /* profile.conf */
	struct profile_value *values;
	size_t n_values;
	struct strv needs; /* under the values */
	bool is_untrusted;
	enum node_color color;
};

struct resolver {
	const struct profile_dirs *dirs;
	const struct config *config;
	struct node *nodes;
	size_t n_nodes;
	size_t *order; /* indices of nodes, in order of effect */
	size_t n_order;
	struct strv path; /* names on the way to the node being visited */
};

const char *profile_phase_name(enum profile_phase phase)
{
	return phase_names[phase];
}

void profile_dirs_init(struct profile_dirs *d, const struct paths *paths, const struct workspace *ws)
{
	d->workspace = ws->dir ? fs_join(ws->dir, "profiles") : NULL;
	d->user = fs_join(paths->config, "profiles");
	d->shipped = fs_join(paths->share, "profiles");
	d->workspace_is_trusted = ws->is_trusted;
}

void profile_dirs_clear(struct profile_dirs *d)
{
	free(d->workspace);
	free(d->user);
	free(d->shipped);
	*d = (struct profile_dirs){ 0 };
}

/* ---- Loading one ---- */

struct place {
	const char *dir, *origin;
};

#define N_PLACES 3

static void places(const struct profile_dirs *dirs, struct place ret[N_PLACES])
{
	ret[0] = (struct place){ dirs->workspace, "workspace" };
	ret[1] = (struct place){ dirs->user, "user" };
	ret[2] = (struct place){ dirs->shipped, "shipped" };
}

/* Names of all profiles, each once, sorted. */
static int names_of_all(const struct profile_dirs *dirs, struct strv *ret, struct error *err)
{
	struct place p[N_PLACES];

	places(dirs, p);
	for (size_t i = 0; i < N_PLACES; i++) {
		_cleanup_strv_ struct strv names = STRV_INIT;

		if (p[i].dir && fs_list(p[i].dir, &names, err) < 0)
			return -1;
		for (size_t k = 0; k < names.n; k++) {
			_cleanup_free_ char *conf = mem_printf("%s/%s/profile.conf", p[i].dir, names.v[k]);

			if (fs_exists(conf) && !strv_has(ret, names.v[k]))
				strv_add(ret, names.v[k]);
		}
	}
	strv_sort(ret);
	return 0;
}

static int unknown_profile(const struct profile_dirs *dirs, const char *name, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct error ignored = ERROR_INIT;
	const char *near = NULL;

	if (names_of_all(dirs, &names, &ignored) == 0 && names.n)
		near = str_nearest(name, (const char *const *)names.v);
	error_set(err, ERROR_USAGE, "there is no profile '%s'", name);
	return near ? error_hint(err, "did you mean '%s'? See: quiz profile list", near)
		    : error_hint(err, "quiz profile list");
}

static void node_clear(struct node *n)
{
	profile_clear(&n->profile);
	profile_items_clear(&n->items);
	for (size_t i = 0; i < n->n_values; i++) {
		free(n->values[i].name);
		free(n->values[i].value);
	}
	free(n->values);
	free(n->file);
	strv_clear(&n->needs);
	*n = (struct node){ 0 };
}

static int node_read(struct node *n, struct error *err)
{
	_cleanup_str_ struct str text = STR_INIT;
	_cleanup_free_ char *files = fs_join(n->profile.dir, "files");

	if (fs_read(n->file, INI_TEXT_MAX, &text, err) < 0 ||
	    profile_items_parse(&n->items, str_cstr(&text), text.len, n->file, err) < 0 ||
	    profile_conf_declare(&n->profile, &n->items, n->file, err) < 0)
		return -1;
	n->profile.has_files = fs_is_dir(files);
	for (int i = 0; i < PROFILE_N_PHASES; i++) {
		_cleanup_free_ char *hook = fs_join(n->profile.dir, phase_names[i]);

		n->profile.has_hook[i] = fs_exists(hook);
		if (n->profile.has_hook[i] && !fs_is_executable(hook)) {
			error_set(err, ERROR_USAGE, "profile '%s': '%s' is not executable", n->profile.name, hook);
			return error_hint(err, "chmod +x %s", hook);
		}
	}
	return 0;
}

/* Where it is, not yet what it says. ERROR_USAGE with the nearest name. */
static int node_find(const struct profile_dirs *dirs, const char *name, struct node *ret, struct error *err)
{
	struct place p[N_PLACES];

	places(dirs, p);
	for (size_t i = 0; i < N_PLACES; i++) {
		_cleanup_free_ char *dir = p[i].dir ? fs_join(p[i].dir, name) : NULL;
		_cleanup_free_ char *file = dir ? fs_join(dir, "profile.conf") : NULL;

		if (!file || !fs_exists(file))
			continue;
		*ret = (struct node){ .is_untrusted = i == 0 && !dirs->workspace_is_trusted };
		ret->profile.name = mem_strdup(name);
		ret->profile.dir = take_ptr(dir);
		ret->profile.origin = mem_strdup(p[i].origin);
		ret->file = take_ptr(file);
		return 0;
	}
	return unknown_profile(dirs, name, err);
}

static int node_load(const struct profile_dirs *dirs, const char *name, struct node *ret, struct error *err)
{
	struct node n = { 0 };

	if (node_find(dirs, name, &n, err) < 0)
		return -1;
	if (node_read(&n, err) < 0) {
		node_clear(&n);
		return -1;
	}
	*ret = n;
	return 0;
}

/* ---- Options ---- */

static int unknown_option(const struct profile *p, const char *name, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	const char *near;

	for (size_t i = 0; i < p->n_options; i++)
		strv_add(&names, p->options[i].name);
	near = names.n ? str_nearest(name, (const char *const *)names.v) : NULL;
	error_set(err, ERROR_USAGE, "profile '%s' has no option '%s'", p->name, name);
	return near ? error_hint(err, "did you mean '%s'? See: quiz profile show %s", near, p->name)
		    : error_hint(err, "quiz profile show %s", p->name);
}

/* Sets an option; origin names the config file or variable, NULL: the command line. */
static int node_set(struct node *n, const char *name, const char *value, const char *origin, struct error *err)
{
	const struct profile_option *o = profile_option_find(&n->profile, name);
	struct profile_value *v = NULL;
	char *checked = NULL;
	int rc = 0;

	if (!o) {
		rc = unknown_option(&n->profile, name, err);
	} else {
		/* Where there is a default, "count=" is a variable of a script that was not set, not a wish. */
		if (!str_eq(o->type, "flag") && (!value || (!*value && *o->fallback))) {
			error_set(err, ERROR_USAGE, "profile '%s': option '%s' needs a value", n->profile.name, name);
			rc = error_hint(err, "quiz profile show %s", n->profile.name);
		} else if (profile_value_check(o, value ? value : "yes", &checked, err) < 0) {
			rc = error_wrap(err, "profile '%s': option '%s'", n->profile.name, name);
		}
	}
	if (!o || rc < 0)
		return origin ? error_wrap(err, "%s", origin) : -1;
	for (size_t i = 0; i < n->n_values; i++)
		if (str_eq(n->values[i].name, name))
			v = &n->values[i];
	if (!v) {
		v = VEC_PUSH(n->values, n->n_values);
		v->name = mem_strdup(name);
		v->option = o;
	}
	free(v->value);
	v->value = checked;
	v->is_default = str_eq(checked, o->fallback) || (!*o->fallback && str_eq(checked, "no"));
	return 0;
}

/* Defaults, then config files, then environment. */
static int node_defaults(struct node *n, const struct config *config, struct error *err)
{
	const struct profile *p = &n->profile;

	for (size_t i = 0; i < p->n_options; i++)
		if (!strpbrk(p->options[i].name, "*?[") &&
		    node_set(n, p->options[i].name, p->options[i].fallback, n->file, err) < 0)
			return -1;
	for (size_t i = 0; i < config->n_values; i++) {
		const struct config_value *v = &config->values[i];

		if (str_eq(v->profile, p->name) && node_set(n, v->key, v->value, v->origin, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < p->n_options; i++) {
		const struct config_value *v = config_profile_value(config, p->name, p->options[i].name);

		if (v && !v->profile && *v->value && node_set(n, p->options[i].name, v->value, v->origin, err) < 0)
			return -1;
	}
	return 0;
}

/* "key=value" or "key" from the command line. */
static int node_words(struct node *n, const struct strv *words, struct error *err)
{
	for (size_t i = 0; i < words->n; i++) {
		const char *eq = strchr(words->v[i], '=');
		_cleanup_free_ char *key = eq ? mem_strndup(words->v[i], (size_t)(eq - words->v[i])) :
						mem_strdup(words->v[i]);

		if (node_set(n, key, eq ? eq + 1 : NULL, NULL, err) < 0)
			return -1;
	}
	return 0;
}

static struct profile_scope node_scope(const struct node *n)
{
	return (struct profile_scope){ n->profile.name, n->file, n->values, n->n_values };
}

/* ---- Gathering and ordering ---- */

static struct node *find_node(struct resolver *r, const char *name)
{
	for (size_t i = 0; i < r->n_nodes; i++)
		if (str_eq(r->nodes[i].profile.name, name))
			return &r->nodes[i];
	return NULL;
}

/* Adds a profile unless it is there, with what its options come to without a command line. */
static int add_node(struct resolver *r, const char *name, struct error *err)
{
	struct node n = { 0 };

	if (find_node(r, name))
		return 0;
	if (r->n_nodes >= N_PROFILES_MAX)
		return error_set(err, ERROR_USAGE, "more than %d profiles", N_PROFILES_MAX);
	if (node_load(r->dirs, name, &n, err) < 0)
		return -1;
	*VEC_PUSH(r->nodes, r->n_nodes) = n;
	return node_defaults(&r->nodes[r->n_nodes - 1], r->config, err);
}

static int gather(struct resolver *r, const struct runspec *rs, struct error *err)
{
	for (size_t i = 0; i < rs->n_profiles; i++)
		if (add_node(r, rs->profiles[i].name, err) < 0 ||
		    node_words(find_node(r, rs->profiles[i].name), &rs->profiles[i].options, err) < 0)
			return -1;
	for (size_t i = 0; i < r->n_nodes; i++) { /* grows while we walk */
		struct profile_scope scope = node_scope(&r->nodes[i]);
		_cleanup_strv_ struct strv needs = STRV_INIT;

		if (profile_effects_needs(&scope, &r->nodes[i].items, &needs, err) < 0)
			return -1;
		for (size_t k = 0; k < needs.n; k++)
			if (add_node(r, needs.v[k], err) < 0)
				return error_wrap(err, "profile '%s' needs '%s'", r->nodes[i].profile.name, needs.v[k]);
		r->nodes[i].needs = needs;
		needs = (struct strv)STRV_INIT;
	}
	return 0;
}

static int check(struct resolver *r, struct error *err)
{
	for (size_t i = 0; i < r->n_nodes; i++) {
		const struct profile *p = &r->nodes[i].profile;

		for (size_t k = 0; k < p->conflicts.n; k++)
			if (find_node(r, p->conflicts.v[k])) {
				error_set(err, ERROR_USAGE, "profiles '%s' and '%s' can not be used together", p->name,
					  p->conflicts.v[k]);
				return error_hint(err, "leave one out, or one that needs it; quiz profile show %s", p->name);
			}
		if (r->nodes[i].is_untrusted && (p->has_hook[PROFILE_HOST_SETUP] || p->has_hook[PROFILE_HOST_COLLECT])) {
			error_set(err, ERROR_MISSING,
				  "profile '%s' of this workspace runs programs on the host, and the workspace is not trusted",
				  p->name);
			return error_hint(err, "look at %s; then: quiz init --trust", p->dir);
		}
	}
	return 0;
}

static int cycle(struct resolver *r, const char *name, struct error *err)
{
	_cleanup_str_ struct str text = STR_INIT;
	size_t i = 0;

	while (!str_eq(r->path.v[i], name))
		i++;
	for (; i < r->path.n; i++)
		str_addf(&text, "%s -> ", r->path.v[i]);
	str_add(&text, name);
	error_set(err, ERROR_USAGE, "profiles build on each other in a circle: %s", str_cstr(&text));
	return error_hint(err, "look at 'needs' and 'after': quiz profile show %s", name);
}

static int visit(struct resolver *r, struct node *n, struct error *err)
{
	const struct strv *before[] = { &n->needs, &n->profile.after };

	if (n->color == NODE_BLACK)
		return 0;
	if (n->color == NODE_GREY)
		return cycle(r, n->profile.name, err);
	n->color = NODE_GREY;
	strv_add(&r->path, n->profile.name);
	for (size_t b = 0; b < ARRAY_SIZE(before); b++)
		for (size_t i = 0; i < before[b]->n; i++) {
			struct node *other = find_node(r, before[b]->v[i]);

			if (other && visit(r, other, err) < 0)
				return -1;
		}
	free(r->path.v[--r->path.n]);
	r->path.v[r->path.n] = NULL;
	n->color = NODE_BLACK;
	*VEC_PUSH(r->order, r->n_order) = (size_t)(n - r->nodes);
	return 0;
}

/* ---- Effects ---- */

static void add_print(struct profile_set *set, const struct node *n)
{
	_cleanup_str_ struct str s = STR_INIT;
	char sep = ':';

	str_add(&s, n->profile.name);
	for (size_t i = 0; i < n->n_values; i++) {
		if (n->values[i].is_default)
			continue;
		str_addf(&s, "%c%s=%s", sep, n->values[i].name, n->values[i].value);
		sep = ',';
	}
	strv_add(&set->prints, str_cstr(&s));
}

static void add_option_env(struct strv *env, const char *prefix, const struct profile_value *v)
{
	_cleanup_free_ char *name = option_env_name(prefix, v->name);

	strv_addf(env, "%s=%s", name, v->value);
}

/* A hook sees its own options twice, and those of the others. */
static void hook_env(const struct resolver *r, const struct node *n, struct strv *env)
{
	_cleanup_str_ struct str names = STR_INIT;

	for (size_t i = 0; i < r->n_order; i++) {
		const struct node *other = &r->nodes[r->order[i]];
		_cleanup_free_ char *prefix = mem_printf("QUIZ_%s_", other->profile.name);

		str_addf(&names, "%s%s", i ? " " : "", other->profile.name);
		for (size_t k = 0; k < other->n_values; k++)
			add_option_env(env, prefix, &other->values[k]);
	}
	for (size_t k = 0; k < n->n_values; k++)
		add_option_env(env, "QUIZ_OPT_", &n->values[k]);
	strv_addf(env, "QUIZ_PROFILE=%s", n->profile.name);
	strv_addf(env, "QUIZ_PROFILES=%s", str_cstr(&names));
}

static int apply(const struct resolver *r, const struct node *n, struct profile_set *set, struct error *err)
{
	struct profile_scope scope = node_scope(n);
	const char *template;

	strv_add(&set->names, n->profile.name);
	add_print(set, n);
	if (profile_effects_apply(set, &scope, &n->items, err) < 0 ||
	    profile_effects_last(&scope, &n->items, "template", &template, err) < 0)
		return -1;
	set->is_template_safe &= profile_is_true(template);
	if (n->profile.has_files) {
		struct profile_layer *l = VEC_PUSH(set->layers, set->n_layers);

		l->profile = mem_strdup(n->profile.name);
		l->dir = fs_join(n->profile.dir, "files");
	}
	for (int i = 0; i < PROFILE_N_PHASES; i++) {
		struct profile_hook *h;
		bool wanted;

		if (profile_hook_wanted(&scope, &n->items, (enum profile_phase)i, &wanted, err) < 0)
			return -1;
		if (!n->profile.has_hook[i] || !wanted)
			continue;
		h = VEC_PUSH(set->hooks, set->n_hooks);
		h->profile = mem_strdup(n->profile.name);
		h->phase = (enum profile_phase)i;
		h->path = fs_join(n->profile.dir, phase_names[i]);
		hook_env(r, n, &h->env);
	}
	return 0;
}

static int resolve(struct resolver *r, const struct runspec *rs, struct profile_set *set, struct error *err)
{
	if (gather(r, rs, err) < 0 || check(r, err) < 0)
		return -1;
	for (size_t i = 0; i < r->n_nodes; i++)
		if (visit(r, &r->nodes[i], err) < 0)
			return -1;
	for (size_t i = 0; i < r->n_order; i++)
		if (apply(r, &r->nodes[r->order[i]], set, err) < 0)
			return -1;
	return 0;
}

int profile_resolve(const struct profile_dirs *dirs, const struct config *config, const struct runspec *rs,
		    struct profile_set *ret, struct error *err)
{
	struct resolver r = { .dirs = dirs, .config = config };
	struct profile_set set = { .is_template_safe = true };
	int rc = resolve(&r, rs, &set, err);

	for (size_t i = 0; i < r.n_nodes; i++)
		node_clear(&r.nodes[i]);
	free(r.nodes);
	free(r.order);
	strv_clear(&r.path);
	if (rc < 0)
		profile_set_clear(&set);
	else
		*ret = set;
	return rc;
}

int profile_apply_directives(struct profile_set *set, const char *profile, const char *text, size_t n,
			     struct error *err)
{
	_cleanup_free_ char *file = mem_printf("host-setup of profile '%s'", profile);
	struct profile_scope scope = { .profile = profile, .file = file };
	struct profile_items items = { 0 };
	const char *template = NULL;
	int rc;

	if (profile_items_parse(&items, text, n, file, err) < 0)
		return -1;
	rc = profile_effects_apply(set, &scope, &items, err);
	if (rc == 0)
		rc = profile_effects_last(&scope, &items, "template", &template, err);
	if (template)
		set->is_template_safe &= profile_is_true(template);
	profile_items_clear(&items);
	return rc;
}

/* ---- List and show ---- */

int profile_load(const struct profile_dirs *dirs, const char *name, struct profile *ret, struct error *err)
{
	struct node n = { 0 };

	if (node_load(dirs, name, &n, err) < 0)
		return -1;
	*ret = n.profile;
	n.profile = (struct profile){ 0 };
	node_clear(&n);
	return 0;
}

/* What can be said of one that can not be read: its name, its place and why. */
static int profile_broken(const struct profile_dirs *dirs, const char *name, const struct error *why,
			  struct profile *ret, struct error *err)
{
	struct node n = { 0 };

	if (node_find(dirs, name, &n, err) < 0)
		return -1;
	*ret = (struct profile){ .name = take_ptr(n.profile.name),
				 .dir = take_ptr(n.profile.dir),
				 .origin = take_ptr(n.profile.origin),
				 .summary = mem_strdup(""),
				 .problem = mem_strdup(why->text) };
	node_clear(&n);
	return 0;
}

int profile_list(const struct profile_dirs *dirs, struct profile **ret, size_t *ret_n, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct profile *list = NULL;
	size_t n = 0;

	if (names_of_all(dirs, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct error why = ERROR_INIT, gone = ERROR_INIT;
		struct profile p = { 0 };

		if (profile_load(dirs, names.v[i], &p, &why) == 0 ||
		    profile_broken(dirs, names.v[i], &why, &p, &gone) == 0)
			*VEC_PUSH(list, n) = p;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}
