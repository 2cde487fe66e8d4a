/* SPDX-License-Identifier: MPL-2.0 */
/* Roots as things of the store: see root.h. */

#include "image/root.h"

#include <string.h>

#include "base/cleanup.h"
#include "spec/arch.h"
#include "sys/fs.h"

/* ---- what the store has to know ---- */

static const struct store_text texts[] = {
	{ "id", offsetof(struct root, id), true },
	{ "arch", offsetof(struct root, arch), true },
	{ "suite", offsetof(struct root, suite), false },
	{ "set", offsetof(struct root, set), false },
	{ "origin", offsetof(struct root, origin_text), false },
	{ "image", offsetof(struct root, image), true },
	{ "fstype", offsetof(struct root, fstype), true },
	{ "key", offsetof(struct root, key), true },
};

static int read_root(const json_t *manifest, void *thing, struct error *err)
{
	json_t *packages = json_object_get(manifest, "packages"), *package;
	struct root *r = thing;
	size_t i;

	if (strchr(r->image, '/'))
		return error_set(err, ERROR_UNSUPPORTED, "its 'image' is not a name");
	json_array_foreach(packages, i, package)
		if (json_is_string(package))
			strv_add(&r->packages, json_string_value(package));
	return 0;
}

static void write_root(const void *thing, json_t *manifest)
{
	const struct root *r = thing;
	json_t *packages = json_array();

	for (size_t i = 0; i < r->packages.n; i++)
		json_array_append_new(packages, json_string(r->packages.v[i]));
	json_object_set_new(manifest, "packages", packages);
}

static void clear_root(void *thing)
{
	root_clear(thing);
}

/* Place of its set in the table; added and unknown ones come last. */
static int set_rank(const struct root *r)
{
	size_t n;
	const struct root_set *sets = root_sets(&n);

	for (size_t i = 0; i < n; i++)
		if (str_eq(sets[i].name, r->set))
			return (int)i;
	return (int)n;
}

/* Negative when a comes first as a default. */
static int compare_rank(const struct root *a, const struct root *b)
{
	int r = set_rank(a) - set_rank(b);

	if (r)
		return r;
	if (a->created != b->created)
		return a->created > b->created ? -1 : 1;
	return strcmp(a->id, b->id);
}

static int rank(const void *a, const void *b)
{
	return compare_rank(a, b);
}

const struct store_kind root_store = {
	.noun = "root",
	.folder = "roots",
	.version = 1,
	.manifest_max = 8u << 20,
	STORE_KIND_STRUCT(struct root),
	.texts = texts,
	.n_texts = ARRAY_SIZE(texts),
	.read = read_root,
	.write = write_root,
	.clear = clear_root,
	.rank = rank,
};

int root_load(const char *dir, struct root *ret, struct error *err)
{
	return store_load(&root_store, dir, ret, err);
}

int root_list(const struct paths *p, struct root_list *ret, struct strv *ret_damaged, struct error *err)
{
	void *v;

	if (store_list(&root_store, p, &v, &ret->n, ret_damaged, err) < 0)
		return -1;
	ret->v = v;
	return 0;
}

void root_list_clear(struct root_list *list)
{
	store_list_clear(&root_store, list->v, list->n);
	*list = (struct root_list){ 0 };
}

/* ---- selection ---- */

bool root_has_package(const struct root *r, const char *package)
{
	size_t len = strlen(package);

	for (size_t i = 0; i < r->packages.n; i++) {
		const char *rest = r->packages.v[i] + len;

		if (strncmp(r->packages.v[i], package, len) != 0)
			continue;
		if (str_starts(rest, "t64"))
			rest += 3;
		if (!*rest || *rest == ' ')
			return true;
	}
	return r->packages.n == 0;
}

/* "a|b" is there when a or b is. */
static bool has_alternative(const struct root *r, const char *alternatives)
{
	_cleanup_strv_ struct strv names = STRV_INIT;

	strv_split(&names, alternatives, "|");
	for (size_t i = 0; i < names.n; i++)
		if (root_has_package(r, names.v[i]))
			return true;
	return names.n == 0;
}

static void add_lacking(struct str *out, const struct root *r, const struct strv *packages)
{
	for (size_t i = 0; packages && i < packages->n; i++)
		if (!has_alternative(r, packages->v[i]))
			str_addf(out, "%s%s", out->len ? " " : "", packages->v[i]);
}

static bool has_all(const struct root *r, const struct strv *packages)
{
	_cleanup_str_ struct str lacking = STR_INIT;

	add_lacking(&lacking, r, packages);
	return lacking.len == 0;
}

static bool answers_to(const struct root *r, const char *name)
{
	return !name || str_eq(r->set, name) || str_eq(r->suite, name);
}

/* "quiz root build [--set S] [--package P]... [-a ARCH]": a root that would do. */
static void hint_build(const char *arch, const char *set, const struct strv *packages, struct error *err)
{
	_cleanup_str_ struct str line = STR_INIT;
	bool is_native = str_eq(arch, arch_native()->name);

	if (is_native && !set && (!packages || !packages->n)) {
		error_hint(err, "quiz setup");
		return;
	}
	str_add(&line, "quiz root build");
	if (set && *set)
		str_addf(&line, " --set %s", set);
	for (size_t i = 0; packages && i < packages->n; i++)
		str_addf(&line, " --package %.*s", (int)strcspn(packages->v[i], "|"), packages->v[i]);
	if (!is_native)
		str_addf(&line, " -a %s", arch);
	error_hint(err, "%s", line.p);
}

static void set_missing(const struct root_list *list, const char *arch, const char *name, const struct root *nearest,
			const struct strv *packages, struct error *err)
{
	_cleanup_str_ struct str text = STR_INIT;

	if (nearest) {
		const struct root_set *set = root_set_find(nearest->set);

		add_lacking(&text, nearest, packages);
		error_set(err, ERROR_MISSING, "cannot use root '%s': it lacks %s", nearest->id, str_cstr(&text));
		hint_build(arch, set && set->is_bare ? NULL : nearest->set, packages, err);
		return;
	}
	store_add_ids(&root_store, list->v, list->n, arch, &text);
	if (!name)
		error_set(err, ERROR_MISSING, "cannot find a root for %s: there is none", arch);
	else
		error_set(err, ERROR_MISSING, "cannot find root '%s' for %s: there is %s", name, arch,
			  text.len ? text.p : "none");
	if (!name || root_set_find(name))
		hint_build(arch, name, packages, err);
	else
		error_hint(err, "quiz root list shows them; quiz root build or quiz root add makes one");
}

const struct root *root_select(const struct root_list *list, const char *arch, const char *name,
			       const struct strv *packages, struct error *err)
{
	const struct arch *known = arch ? arch_find(arch) : NULL;
	const char *want_arch = known ? known->name : arch ? arch : arch_native()->name;
	const struct root *found = NULL, *nearest = NULL;

	for (size_t i = 0; name && i < list->n; i++) {
		const struct root *r = &list->v[i];

		if (!str_eq(r->id, name))
			continue;
		if (arch && !str_eq(r->arch, want_arch)) {
			error_set(err, ERROR_USAGE, "cannot use root '%s' on %s: it is for %s", name, want_arch, r->arch);
			return NULL;
		}
		if (has_all(r, packages))
			return r;
		set_missing(list, r->arch, name, r, packages, err);
		return NULL;
	}
	for (size_t i = 0; i < list->n; i++) {
		const struct root *r = &list->v[i];

		if (!str_eq(r->arch, want_arch) || !answers_to(r, name))
			continue;
		if (!nearest || compare_rank(r, nearest) < 0)
			nearest = r;
		if (has_all(r, packages) && (!found || compare_rank(r, found) < 0))
			found = r;
	}
	if (!found)
		set_missing(list, want_arch, name, nearest, packages, err);
	return found;
}

static const void *select_in(const struct strv *ctx, const void *v, size_t n, const char *arch, const char *name, struct error *err)
{
	const struct root_list list = { .v = (struct root *)(uintptr_t)v, .n = n };

	return root_select(&list, arch, name, ctx, err);
}

int root_find(const struct paths *p, const char *arch, const char *name, const char *config_default,
	      const struct strv *packages, struct root *ret, struct error *err)
{
	return store_find(&root_store, p, arch, name, config_default, select_in, packages, ret, err);
}

int root_lock_shared(const struct root *r, struct error *err)
{
	return store_lock_shared(&root_store, r, err);
}

char *root_image_path(const struct root *r)
{
	return fs_join(r->dir, r->image);
}
