/* SPDX-License-Identifier: MPL-2.0 */
/* The root store's light side: see root.h. */

#include "image/root.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "spec/arch.h"
#include "sys/fs.h"

#define MANIFEST_MAX (8u << 20)

DEFINE_CLEANUP(json_t *, json_decref)

/* ---- manifest ---- */

static const struct text_field {
	const char *name;
	size_t offset;
	bool is_required;
} text_fields[] = {
	{ "id", offsetof(struct root, id), true },
	{ "arch", offsetof(struct root, arch), true },
	{ "suite", offsetof(struct root, suite), false },
	{ "set", offsetof(struct root, set), false },
	{ "origin", offsetof(struct root, origin_text), false },
	{ "image", offsetof(struct root, image), true },
	{ "fstype", offsetof(struct root, fstype), true },
	{ "key", offsetof(struct root, key), true },
};

static char **text_of(struct root *r, const struct text_field *f)
{
	return (char **)((char *)r + f->offset);
}

static int read_manifest(const json_t *json, struct root *r, struct error *err)
{
	json_t *packages = json_object_get(json, "packages"), *package;
	size_t i;

	if (json_integer_value(json_object_get(json, "manifest")) != ROOT_MANIFEST_VERSION)
		return error_set(err, ERROR_UNSUPPORTED, "its version is not %d", ROOT_MANIFEST_VERSION);
	for (i = 0; i < ARRAY_SIZE(text_fields); i++) {
		const char *s = json_string_value(json_object_get(json, text_fields[i].name));

		if (!s && text_fields[i].is_required)
			return error_set(err, ERROR_MISSING, "'%s' is missing", text_fields[i].name);
		*text_of(r, &text_fields[i]) = mem_strdup(s ? s : "");
	}
	if (strchr(r->image, '/'))
		return error_set(err, ERROR_UNSUPPORTED, "its 'image' is not a name");
	r->created = (uint64_t)json_integer_value(json_object_get(json, "created"));
	r->bytes = (uint64_t)json_integer_value(json_object_get(json, "bytes"));
	json_array_foreach(packages, i, package)
		if (json_is_string(package))
			strv_add(&r->packages, json_string_value(package));
	return 0;
}

int root_load(const char *dir, struct root *ret, struct error *err)
{
	_cleanup_free_ char *path = fs_join(dir, "manifest.json");
	_cleanup_(cleanup_json_decref) json_t *json = NULL;
	_cleanup_str_ struct str text = STR_INIT;
	struct root r = { 0 };
	json_error_t je;

	if (fs_read(path, MANIFEST_MAX, &text, err) < 0)
		return -1;
	json = json_loadb(str_cstr(&text), text.len, 0, &je);
	if (!json)
		return error_set(err, ERROR_MISSING, "cannot read root manifest '%s': line %d: %s", path, je.line, je.text);
	if (read_manifest(json, &r, err) < 0) {
		root_clear(&r);
		return error_wrap(err, "cannot use root manifest '%s'", path);
	}
	r.dir = mem_strdup(dir);
	*ret = r;
	return 0;
}

int root_save(const char *dir, const struct root *r, struct error *err)
{
	_cleanup_(cleanup_json_decref) json_t *json = json_object();
	_cleanup_free_ char *path = fs_join(dir, "manifest.json");
	_cleanup_free_ char *text = NULL;
	json_t *packages = json_array();

	json_object_set_new(json, "manifest", json_integer(ROOT_MANIFEST_VERSION));
	for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++) {
		const char *s = *text_of((struct root *)(uintptr_t)r, &text_fields[i]);

		if (json_object_set_new(json, text_fields[i].name, json_string(s ? s : "")) < 0)
			return error_set(err, ERROR_USAGE, "cannot write root manifest '%s': '%s' is not UTF-8", path,
					 text_fields[i].name);
	}
	json_object_set_new(json, "created", json_integer((json_int_t)r->created));
	json_object_set_new(json, "bytes", json_integer((json_int_t)r->bytes));
	for (size_t i = 0; i < r->packages.n; i++)
		json_array_append_new(packages, json_string(r->packages.v[i]));
	json_object_set_new(json, "packages", packages);
	text = json_dumps(json, JSON_INDENT(2));
	if (!text)
		return error_set(err, ERROR_SYSTEM, "cannot write root manifest '%s': out of memory", path);
	return fs_write_atomic(path, text, strlen(text), 0644, true, err);
}

/* ---- list and selection ---- */

char *root_store_path(const struct paths *p)
{
	return fs_join(p->data, "roots");
}

bool root_is_valid_id(const char *id)
{
	if (!*id || *id == '.' || strlen(id) > 100)
		return false;
	for (; *id; id++)
		if (!((*id >= 'a' && *id <= 'z') || (*id >= 'A' && *id <= 'Z') || (*id >= '0' && *id <= '9') ||
		      strchr("._+-", *id)))
			return false;
	return true;
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

static int compare_in_list(const void *pa, const void *pb)
{
	const struct root *a = pa, *b = pb;
	const char *native = arch_native()->name;
	int r = str_eq(b->arch, native) - str_eq(a->arch, native);

	if (!r)
		r = strcmp(a->arch, b->arch);
	return r ? r : compare_rank(a, b);
}

int root_list(const struct paths *p, struct root_list *ret, struct strv *ret_broken, struct error *err)
{
	_cleanup_free_ char *store = root_store_path(p);
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct root_list list = { 0 };

	if (fs_list(store, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *dir = fs_join(store, names.v[i]);
		struct root r = { 0 };

		if (names.v[i][0] == '.' || !fs_is_dir(dir))
			continue;
		if (root_load(dir, &r, NULL) == 0)
			*VEC_PUSH(list.v, list.n) = r;
		else if (ret_broken)
			strv_add(ret_broken, names.v[i]);
	}
	if (list.n)
		qsort(list.v, list.n, sizeof(*list.v), compare_in_list);
	*ret = list;
	return 0;
}

void root_list_clear(struct root_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		root_clear(&list->v[i]);
	free(list->v);
	*list = (struct root_list){ 0 };
}

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
		add_lacking(&text, nearest, packages);
		error_set(err, ERROR_MISSING, "cannot use root '%s': it lacks %s", nearest->id, str_cstr(&text));
		hint_build(arch, nearest->set, packages, err);
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->v[i].arch, arch))
			str_addf(&text, "%s%s", text.len ? ", " : "", list->v[i].id);
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

int root_find(const struct paths *p, const char *arch, const char *name, const char *config_default,
	      const struct strv *packages, struct root *ret, struct error *err)
{
	const char *wanted = name && *name ? name : config_default && *config_default ? config_default : NULL;
	const struct arch *known = arch ? arch_find(arch) : NULL;
	struct root_list list = { 0 };
	const struct root *r;

	if (root_list(p, &list, NULL, err) < 0)
		return -1;
	r = root_select(&list, arch, wanted, packages, err);
	/* The config's default is for one architecture; asking for another one does not make it wrong. */
	if (!r && wanted && wanted != name && arch && !str_eq(known ? known->name : arch, arch_native()->name)) {
		if (err)
			error_clear(err);
		r = root_select(&list, arch, NULL, packages, err);
	}
	if (r) {
		size_t i = (size_t)(r - list.v);

		*ret = list.v[i];
		list.v[i] = (struct root){ 0 };
	} else if (wanted && wanted != name) {
		error_wrap(err, "the config's default root");
	}
	root_list_clear(&list);
	return r ? 0 : -1;
}

/* ---- locks and removal ---- */

static int lock_folder(const struct root *r, int operation, struct error *err)
{
	_cleanup_close_ int fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, ERROR_MISSING, "cannot use root '%s': %s", r->id, strerror(errno));
	while (flock(fd, operation) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK)
			return error_set(err, ERROR_BUSY, "cannot remove root '%s': a machine uses it", r->id);
		return error_sys(err, errno, "lock root '%s'", r->id);
	}
	/* Whoever removed it held the lock: what is locked now may be a folder without a name. */
	if (faccessat(fd, "manifest.json", F_OK, 0) < 0)
		return error_set(err, ERROR_MISSING, "cannot use root '%s': it was removed just now", r->id);
	return take_fd(&fd);
}

int root_lock_shared(const struct root *r, struct error *err)
{
	return lock_folder(r, LOCK_SH, err);
}

int root_remove(const struct root *r, uint64_t *ret_bytes, struct error *err)
{
	_cleanup_close_ int fd = lock_folder(r, LOCK_EX | LOCK_NB, err);
	_cleanup_free_ char *manifest = fs_join(r->dir, "manifest.json");

	if (fd < 0) {
		if (err && err->kind == ERROR_BUSY)
			error_hint(err, "quiz ps shows the machines, quiz stop ID ends one");
		return -1;
	}
	/* Without its manifest it is nobody's root any more, however far the rest gets. */
	if (unlink(manifest) < 0)
		return error_sys(err, errno, "remove '%s'", manifest);
	return fs_remove_tree(r->dir, ret_bytes, err);
}

int root_remove_damaged(const struct paths *p, const char *id, uint64_t *ret_bytes, struct error *err)
{
	_cleanup_free_ char *store = root_store_path(p);
	_cleanup_free_ char *dir = fs_join(store, id);

	if (!root_is_valid_id(id) || !fs_is_dir(dir)) {
		error_set(err, ERROR_MISSING, "cannot remove root '%s': there is none of that id", id);
		return error_hint(err, "quiz root list");
	}
	return fs_remove_tree(dir, ret_bytes, err);
}

char *root_image_path(const struct root *r)
{
	return fs_join(r->dir, r->image);
}
