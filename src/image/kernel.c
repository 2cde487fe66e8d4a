/* SPDX-License-Identifier: MPL-2.0 */
/* The kernel store's light side: see kernel.h. */

#include "image/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/kernel_version.h"
#include "spec/arch.h"
#include "sys/fs.h"

#define MANIFEST_MAX (1u << 20)

DEFINE_CLEANUP(json_t *, json_decref)

static const char *const tristate_names[] = { [TRI_NO] = "no", [TRI_MODULE] = "module", [TRI_YES] = "yes" };
static const char *const entry_names[] = { [KERNEL_PVH] = "pvh", [KERNEL_IMAGE] = "image" };

const char *tristate_name(enum tristate t)
{
	return tristate_names[t];
}

/* Where a kernel of this origin ranks as a default. */
static int origin_rank(const char *origin)
{
	static const char *const order[] = { "built", "debian" };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (str_eq(origin, order[i]))
			return (int)i;
	return ARRAY_SIZE(order);
}

/* ---- manifest ---- */

struct text_field {
	const char *name;
	size_t offset;
	bool is_required;
};

static const struct text_field text_fields[] = {
	{ "id", offsetof(struct kernel, id), true },
	{ "release", offsetof(struct kernel, release), true },
	{ "version", offsetof(struct kernel, version), true },
	{ "flavour", offsetof(struct kernel, flavour), false },
	{ "origin", offsetof(struct kernel, origin), true },
	{ "origin_text", offsetof(struct kernel, origin_text), false },
	{ "arch", offsetof(struct kernel, arch), true },
	{ "boot_file", offsetof(struct kernel, boot_file), true },
	{ "key", offsetof(struct kernel, key), true },
};

static char **text_of(struct kernel *k, const struct text_field *f)
{
	return (char **)((char *)k + f->offset);
}

static int name_index(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(names[i], name))
			return (int)i;
	return -1;
}

static int read_texts(const json_t *root, struct kernel *k, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++) {
		const char *s = json_string_value(json_object_get(root, text_fields[i].name));

		if (!s && text_fields[i].is_required)
			return error_set(err, ERROR_MISSING, "'%s' is missing", text_fields[i].name);
		*text_of(k, &text_fields[i]) = mem_strdup(s ? s : "");
	}
	return 0;
}

static void read_features(const json_t *features, struct kernel *k)
{
	/* An unknown word counts as "no": a plan then does without, which is slower but never wrong. */
#define X(field, symbol, module)                                                                                       \
	do {                                                                                                           \
		int t_ = name_index(tristate_names, ARRAY_SIZE(tristate_names),                                        \
				    json_string_value(json_object_get(features, #field)));                             \
		k->field = t_ < 0 ? TRI_NO : (enum tristate)t_;                                                        \
	} while (0);
	KERNEL_FEATURES(X)
#undef X
}

static int read_manifest(const json_t *root, struct kernel *k, struct error *err)
{
	json_t *modules = json_object_get(root, "initrd_modules"), *m;
	int entry;
	size_t i;

	if (json_integer_value(json_object_get(root, "manifest")) != KERNEL_MANIFEST_VERSION)
		return error_set(err, ERROR_UNSUPPORTED, "its version is not %d", KERNEL_MANIFEST_VERSION);
	if (read_texts(root, k, err) < 0)
		return -1;
	entry = name_index(entry_names, ARRAY_SIZE(entry_names), json_string_value(json_object_get(root, "entry")));
	if (entry < 0)
		return error_set(err, ERROR_UNSUPPORTED, "its 'entry' is unknown");
	k->entry = (enum kernel_entry)entry;
	k->created = (uint64_t)json_integer_value(json_object_get(root, "created"));
	k->bytes = (uint64_t)json_integer_value(json_object_get(root, "bytes"));
	json_array_foreach(modules, i, m)
		if (json_is_string(m))
			strv_add(&k->initrd_modules, json_string_value(m));
	read_features(json_object_get(root, "features"), k);
	return 0;
}

static bool has_part(const struct kernel *k, const char *part)
{
	_cleanup_free_ char *path = fs_join(k->dir, part);

	return fs_exists(path);
}

int kernel_load(const char *dir, struct kernel *ret, struct error *err)
{
	_cleanup_free_ char *path = fs_join(dir, "manifest.json");
	_cleanup_(cleanup_json_decref) json_t *root = NULL;
	_cleanup_str_ struct str text = STR_INIT;
	struct kernel k = { 0 };
	json_error_t je;

	if (fs_read(path, MANIFEST_MAX, &text, err) < 0)
		return -1;
	root = json_loadb(str_cstr(&text), text.len, 0, &je);
	if (!root)
		return error_set(err, ERROR_MISSING, "cannot read kernel manifest '%s': line %d: %s", path, je.line,
				 je.text);
	if (read_manifest(root, &k, err) < 0) {
		kernel_clear(&k);
		return error_wrap(err, "cannot use kernel manifest '%s'", path);
	}
	k.dir = mem_strdup(dir);
	k.has_build = has_part(&k, "build/Makefile");
	k.has_debug = has_part(&k, "debug/vmlinux");
	k.has_modules = has_part(&k, "modules/lib/modules");
	*ret = k;
	return 0;
}

int kernel_save(const char *dir, const struct kernel *k, struct error *err)
{
	_cleanup_(cleanup_json_decref) json_t *root = json_object();
	_cleanup_free_ char *path = fs_join(dir, "manifest.json");
	_cleanup_free_ char *text = NULL;
	json_t *features = json_object(), *modules = json_array();

	json_object_set_new(root, "manifest", json_integer(KERNEL_MANIFEST_VERSION));
	for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++) {
		const char *s = *text_of((struct kernel *)(uintptr_t)k, &text_fields[i]);

		/* What is not UTF-8 (an odd tree's name) makes json_string() return NULL. */
		if (json_object_set_new(root, text_fields[i].name, json_string(s ? s : "")) < 0)
			return error_set(err, ERROR_USAGE, "cannot write kernel manifest '%s': '%s' is not UTF-8", path,
					 text_fields[i].name);
	}
	json_object_set_new(root, "entry", json_string(entry_names[k->entry]));
	json_object_set_new(root, "created", json_integer((json_int_t)k->created));
	json_object_set_new(root, "bytes", json_integer((json_int_t)k->bytes));
#define X(field, symbol, module) json_object_set_new(features, #field, json_string(tristate_names[k->field]));
	KERNEL_FEATURES(X)
#undef X
	json_object_set_new(root, "features", features);
	for (size_t i = 0; i < k->initrd_modules.n; i++)
		json_array_append_new(modules, json_string(k->initrd_modules.v[i]));
	json_object_set_new(root, "initrd_modules", modules);
	text = json_dumps(root, JSON_INDENT(2));
	if (!text)
		return error_set(err, ERROR_SYSTEM, "cannot write kernel manifest '%s': out of memory", path);
	return fs_write_atomic(path, text, strlen(text), 0644, true, err);
}

/* ---- list and selection ---- */

char *kernel_store_path(const struct paths *p)
{
	return fs_join(p->data, "kernels");
}

static int compare_versions(const struct kernel *a, const struct kernel *b)
{
	struct kernel_version va, vb;
	bool has_a = kernel_version_parse(a->version, &va, NULL) == 0;
	bool has_b = kernel_version_parse(b->version, &vb, NULL) == 0;

	if (!has_a || !has_b)
		return has_a - has_b;
	return kernel_version_compare(&va, &vb);
}

/* Plain flavour first: nobody wants to get KASAN without having asked for it. */
static int compare_flavours(const struct kernel *a, const struct kernel *b)
{
	return (*a->flavour != '\0') - (*b->flavour != '\0');
}

static int compare_age(const struct kernel *a, const struct kernel *b)
{
	if (a->created != b->created)
		return a->created > b->created ? -1 : 1;
	return strcmp(a->id, b->id);
}

/* Negative when a comes first as a default. */
static int compare_rank(const struct kernel *a, const struct kernel *b)
{
	int r = compare_flavours(a, b);

	if (!r)
		r = origin_rank(a->origin) - origin_rank(b->origin);
	if (!r)
		r = compare_versions(b, a);
	return r ? r : compare_age(a, b);
}

/* Negative when a is the better answer to a name that gives a version. */
static int compare_newest(const struct kernel *a, const struct kernel *b)
{
	int r = compare_flavours(a, b);

	if (!r)
		r = compare_versions(b, a);
	if (!r)
		r = origin_rank(a->origin) - origin_rank(b->origin);
	return r ? r : compare_age(a, b);
}

static int compare_in_list(const void *pa, const void *pb)
{
	const struct kernel *a = pa, *b = pb;
	const char *native = arch_native()->name;
	int r = str_eq(b->arch, native) - str_eq(a->arch, native);

	if (!r)
		r = strcmp(a->arch, b->arch);
	return r ? r : compare_rank(a, b);
}

int kernel_list(const struct paths *p, struct kernel_list *ret, struct strv *ret_broken, struct error *err)
{
	_cleanup_free_ char *store = kernel_store_path(p);
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct kernel_list list = { 0 };

	if (fs_list(store, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *dir = fs_join(store, names.v[i]);
		struct kernel k = { 0 };

		if (names.v[i][0] == '.' || !fs_is_dir(dir))
			continue;
		if (kernel_load(dir, &k, NULL) == 0)
			*VEC_PUSH(list.v, list.n) = k;
		else if (ret_broken)
			strv_add(ret_broken, names.v[i]);
	}
	if (list.n)
		qsort(list.v, list.n, sizeof(*list.v), compare_in_list);
	*ret = list;
	return 0;
}

void kernel_list_clear(struct kernel_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		kernel_clear(&list->v[i]);
	free(list->v);
	*list = (struct kernel_list){ 0 };
}

/* Same flavours, in any order: "kasan+lockdep" is "lockdep+kasan". "" is none. */
static bool same_flavours(const char *a, const char *b)
{
	_cleanup_strv_ struct strv va = STRV_INIT, vb = STRV_INIT;

	strv_split(&va, a, "+");
	strv_split(&vb, b, "+");
	for (size_t i = 0; i < va.n; i++)
		if (!strv_has(&vb, va.v[i]))
			return false;
	return va.n == vb.n;
}

struct query {
	const char *arch;
	struct kernel_version version; /* of a VERSION[+FLAVOUR] */
	bool has_version;
	const char *flavour;	       /* NULL: any, the plain one first */
};

static bool query_matches(const struct query *q, const struct kernel *k)
{
	struct kernel_version have;

	if (!str_eq(k->arch, q->arch))
		return false;
	if (q->flavour && !same_flavours(q->flavour, k->flavour))
		return false;
	if (!q->has_version)
		return true;
	if (kernel_version_parse(k->version, &have, NULL) == 0 && kernel_version_matches(&q->version, &have))
		return true;
	/* A tree's own kernel may call itself 6.16.0-next-20250618 in its release only. */
	return kernel_version_parse(k->release, &have, NULL) == 0 && kernel_version_matches(&q->version, &have);
}

static const struct kernel *best(const struct kernel_list *list, const struct query *q,
				 int (*compare)(const struct kernel *, const struct kernel *))
{
	const struct kernel *found = NULL;

	for (size_t i = 0; i < list->n; i++)
		if (query_matches(q, &list->v[i]) && (!found || compare(&list->v[i], found) < 0))
			found = &list->v[i];
	return found;
}

static const struct kernel *find_exact(const struct kernel_list *list, const char *arch, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->v[i].id, name))
			return &list->v[i];
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->v[i].release, name) && str_eq(list->v[i].arch, arch))
			return &list->v[i];
	return NULL;
}

/* The ids of an architecture, for "there is: a, b, c". */
static void add_ids(struct str *out, const struct kernel_list *list, const char *arch)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->v[i].arch, arch))
			str_addf(out, "%s%s", out->len ? ", " : "", list->v[i].id);
}

static void set_missing(const struct kernel_list *list, const char *arch, const char *name, struct error *err)
{
	_cleanup_str_ struct str have = STR_INIT;
	bool is_native = str_eq(arch, arch_native()->name);
	const char *option = is_native ? "" : " -a ";

	add_ids(&have, list, arch);
	if (!name)
		error_set(err, ERROR_MISSING, "cannot find a kernel for %s: none is installed", arch);
	else if (have.len)
		error_set(err, ERROR_MISSING, "cannot find kernel '%s' for %s: installed are %s", name, arch, have.p);
	else
		error_set(err, ERROR_MISSING, "cannot find kernel '%s' for %s: none is installed", name, arch);
	if (!name && is_native)
		error_hint(err, "quiz setup");
	else if (!name)
		error_hint(err, "quiz kernel fetch debian -a %s", arch);
	else
		error_hint(err, "quiz kernel list, quiz kernel fetch debian:%s%s%s or quiz kernel build %s%s%s", name,
			   option, is_native ? "" : arch, name, option, is_native ? "" : arch);
}

const struct kernel *kernel_select(const struct kernel_list *list, const char *arch, const char *name,
				   struct error *err)
{
	const struct arch *known = arch ? arch_find(arch) : NULL;
	struct query q = { .arch = known ? known->name : arch ? arch : arch_native()->name };
	const struct kernel *k;

	if (!name || !*name) {
		k = best(list, &q, compare_rank);
		if (!k)
			set_missing(list, q.arch, NULL, err);
		return k;
	}
	k = find_exact(list, q.arch, name);
	if (k && arch && !str_eq(k->arch, q.arch)) {
		error_set(err, ERROR_USAGE, "cannot use kernel '%s' on %s: it is for %s", name, q.arch, k->arch);
		return NULL;
	}
	if (k)
		return k;
	if (kernel_version_parse(name, &q.version, NULL) == 0 && (!*q.version.rest || *q.version.rest == '+')) {
		q.has_version = true;
		if (*q.version.rest)
			q.flavour = q.version.rest + 1;
	} else {
		q.flavour = name[0] == '+' ? name + 1 : name;
	}
	k = best(list, &q, compare_newest);
	if (!k)
		set_missing(list, q.arch, name, err);
	return k;
}

/* A name that can be a folder of the store. */
static bool is_folder_name(const char *name)
{
	return name && *name && *name != '.' && !strchr(name, '/');
}

int kernel_find(const struct paths *p, const char *arch, const char *name, const char *config_default,
		struct kernel *ret, struct error *err)
{
	_cleanup_free_ char *store = kernel_store_path(p);
	const char *wanted = name && *name ? name : config_default;
	const struct arch *known = arch ? arch_find(arch) : NULL;
	struct kernel_list list = { 0 };
	const struct kernel *k;
	int r = -1;

	/* The usual case costs one file, not the whole store. */
	if (is_folder_name(wanted)) {
		_cleanup_free_ char *dir = fs_join(store, wanted);
		struct kernel one = { 0 };

		if (kernel_load(dir, &one, NULL) == 0) {
			if (!arch || str_eq(one.arch, known ? known->name : arch)) {
				*ret = one;
				return 0;
			}
			kernel_clear(&one);
		}
	}
	if (kernel_list(p, &list, NULL, err) < 0)
		return -1;
	/* The config's default is for one architecture; asking for another one does not make it wrong. */
	k = kernel_select(&list, arch, wanted, err);
	if (!k && wanted && wanted != name && arch && !str_eq(known ? known->name : arch, arch_native()->name)) {
		if (err)
			error_clear(err);
		k = kernel_select(&list, arch, NULL, err);
	}
	if (k) {
		for (size_t i = 0; i < list.n; i++)
			if (&list.v[i] == k) {
				*ret = list.v[i];
				list.v[i] = (struct kernel){ 0 };
				break;
			}
		r = 0;
	} else if (wanted && wanted != name) {
		error_wrap(err, "the config's default kernel");
	}
	kernel_list_clear(&list);
	return r;
}

/* ---- locks and removal ---- */

static int lock_folder(const struct kernel *k, int operation, struct error *err)
{
	_cleanup_close_ int fd = open(k->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, ERROR_MISSING, "cannot use kernel '%s': %s", k->id, strerror(errno));
	while (flock(fd, operation) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK)
			return error_set(err, ERROR_BUSY, "cannot remove kernel '%s': a machine uses it", k->id);
		return error_sys(err, errno, "lock kernel '%s'", k->id);
	}
	/* Whoever removed it held the lock: what is locked now may be a folder without a name. */
	if (faccessat(fd, "manifest.json", F_OK, 0) < 0)
		return error_set(err, ERROR_MISSING, "cannot use kernel '%s': it was removed just now", k->id);
	return take_fd(&fd);
}

int kernel_lock_shared(const struct kernel *k, struct error *err)
{
	return lock_folder(k, LOCK_SH, err);
}

int kernel_remove(const struct kernel *k, uint64_t *ret_bytes, struct error *err)
{
	_cleanup_close_ int fd = lock_folder(k, LOCK_EX | LOCK_NB, err);
	_cleanup_free_ char *manifest = fs_join(k->dir, "manifest.json");

	if (fd < 0) {
		if (err && err->kind == ERROR_BUSY)
			error_hint(err, "quiz ps shows the machines, quiz stop ID ends one");
		return -1;
	}
	/* Without its manifest it is nobody's kernel any more, however far the rest gets. */
	if (unlink(manifest) < 0)
		return error_sys(err, errno, "remove '%s'", manifest);
	return fs_remove_tree(k->dir, ret_bytes, err);
}

int kernel_remove_broken(const struct paths *p, const char *id, uint64_t *ret_bytes, struct error *err)
{
	_cleanup_free_ char *store = kernel_store_path(p);
	_cleanup_free_ char *dir = is_folder_name(id) ? fs_join(store, id) : NULL;

	if (!dir || !fs_is_dir(dir)) {
		error_set(err, ERROR_MISSING, "cannot remove kernel '%s': there is none of this id", id);
		return error_hint(err, "quiz kernel list");
	}
	return fs_remove_tree(dir, ret_bytes, err);
}

/* ---- parts ---- */

char *kernel_boot_path(const struct kernel *k)
{
	return fs_join(k->dir, k->boot_file);
}

char *kernel_layer_path(const struct kernel *k)
{
	_cleanup_free_ char *path = fs_join(k->dir, "layer");

	return fs_is_dir(path) ? take_ptr(path) : NULL;
}

char *kernel_modules_path(const struct kernel *k)
{
	_cleanup_free_ char *path = mem_printf("%s/modules/lib/modules/%s", k->dir, k->release);

	return fs_is_dir(path) ? take_ptr(path) : NULL;
}

char *kernel_build_path(const struct kernel *k)
{
	_cleanup_free_ char *path = fs_join(k->dir, "build");

	return k->has_build ? take_ptr(path) : NULL;
}
