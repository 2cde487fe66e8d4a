/* SPDX-License-Identifier: MPL-2.0 */
/* Kernels as things of the store: see kernel.h. What a name means is in kernel_select(). */

#include "image/kernel.h"

#include <string.h>

#include "base/cleanup.h"
#include "image/kernel_version.h"
#include "spec/arch.h"
#include "sys/fs.h"

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

static const struct store_text texts[] = {
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

static int name_index(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(names[i], name))
			return (int)i;
	return -1;
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

static bool has_part(const struct kernel *k, const char *part)
{
	_cleanup_free_ char *path = fs_join(k->dir, part);

	return fs_exists(path);
}

static int read_kernel(const json_t *manifest, void *thing, struct error *err)
{
	json_t *modules = json_object_get(manifest, "initrd_modules"), *m;
	struct kernel *k = thing;
	int entry =
	    name_index(entry_names, ARRAY_SIZE(entry_names), json_string_value(json_object_get(manifest, "entry")));
	size_t i;

	if (entry < 0)
		return error_set(err, ERROR_UNSUPPORTED, "its 'entry' is unknown");
	k->entry = (enum kernel_entry)entry;
	json_array_foreach (modules, i, m)
		if (json_is_string(m))
			strv_add(&k->initrd_modules, json_string_value(m));
	read_features(json_object_get(manifest, "features"), k);
	k->has_build = has_part(k, "build/Makefile");
	k->has_debug = has_part(k, "debug/vmlinux");
	k->has_modules = has_part(k, "modules/lib/modules");
	return 0;
}

static void write_kernel(const void *thing, json_t *manifest)
{
	const struct kernel *k = thing;
	json_t *features = json_object(), *modules = json_array();

	json_object_set_new(manifest, "entry", json_string(entry_names[k->entry]));
#define X(field, symbol, module) json_object_set_new(features, #field, json_string(tristate_names[k->field]));
	KERNEL_FEATURES(X)
#undef X
	json_object_set_new(manifest, "features", features);
	for (size_t i = 0; i < k->initrd_modules.n; i++)
		json_array_append_new(modules, json_string(k->initrd_modules.v[i]));
	json_object_set_new(manifest, "initrd_modules", modules);
}

static void clear_kernel(void *thing)
{
	kernel_clear(thing);
}

/* ---- rank ---- */

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

static int rank(const void *a, const void *b)
{
	return compare_rank(a, b);
}

const struct store_kind kernel_store = {
	.noun = "kernel",
	.folder = "kernels",
	.version = 1,
	.manifest_max = 1u << 20,
	STORE_KIND_STRUCT(struct kernel),
	.texts = texts,
	.n_texts = ARRAY_SIZE(texts),
	.read = read_kernel,
	.write = write_kernel,
	.clear = clear_kernel,
	.rank = rank,
};

int kernel_load(const char *dir, struct kernel *ret, struct error *err)
{
	return store_load(&kernel_store, dir, ret, err);
}

int kernel_list(const struct paths *p, struct kernel_list *ret, struct strv *ret_damaged, struct error *err)
{
	void *v;

	if (store_list(&kernel_store, p, &v, &ret->n, ret_damaged, err) < 0)
		return -1;
	ret->v = v;
	return 0;
}

void kernel_list_clear(struct kernel_list *list)
{
	store_list_clear(&kernel_store, list->v, list->n);
	*list = (struct kernel_list){ 0 };
}

/* ---- selection ---- */

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
	const char *flavour; /* NULL: any, the plain one first */
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

/* "https://host/linux.git v6.12 (0123456789ab)": what --git takes. */
static void add_git_words(const char *text, struct str *out)
{
	const char *commit = strrchr(text, '('), *ref = commit && commit > text + 1 ? commit - 1 : text + strlen(text);
	_cleanup_free_ char *words = mem_strndup(text, (size_t)(ref - text));
	char *space = strrchr(words, ' ');

	if (space)
		*space = '@';
	str_add(out, " --git ");
	str_add_shell(out, words);
}

void kernel_build_again(const struct kernel *k, struct str *out)
{
	const char *text = k->origin_text ? k->origin_text : "", *suite = strrchr(text, '(');
	struct kernel_version v;

	str_add(out, "quiz kernel build");
	if (str_starts(text, "linux-source"))
		str_addf(out, " %.*s", (int)strcspn(text, " "), text);
	else if (str_eq(k->origin, "debian") && suite && kernel_version_parse(k->version, &v, NULL) == 0)
		str_addf(out, " linux-source-%u.%u/%.*s", v.part[0], v.part[1], (int)strcspn(suite + 1, ")"), suite + 1);
	else if (str_starts(text, "folder ")) {
		str_add(out, " --tree ");
		str_add_shell(out, text + strlen("folder "));
	} else if (str_eq(k->origin, "built") && !str_starts(text, "kernel.org "))
		add_git_words(text, out);
	else
		str_addf(out, " %s", k->version);
	if (!str_eq(k->arch, arch_native()->name))
		str_addf(out, " -a %s", k->arch);
}

static void set_missing(const struct kernel_list *list, const char *arch, const char *name, struct error *err)
{
	const char *plus = name ? strchr(name, '+') : NULL;
	_cleanup_str_ struct str have = STR_INIT;
	bool is_native = str_eq(arch, arch_native()->name);
	const char *option = is_native ? "" : " -a ";
	struct kernel_version version;

	store_add_ids(&kernel_store, list->v, list->n, arch, &have);
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
	else if (plus > name)
		error_hint(err, "quiz kernel list, or quiz kernel build %.*s --flavour %s%s%s", (int)(plus - name), name, plus + 1,
			   option, is_native ? "" : arch);
	else if (plus || kernel_version_parse(name, &version, NULL) < 0) /* a flavour by itself, if anything */
		error_hint(err, "quiz kernel list, or quiz kernel build --flavour %s%s%s", plus ? plus + 1 : name, option,
			   is_native ? "" : arch);
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

static const void *select_in(const struct strv *ctx, const void *v, size_t n, const char *arch, const char *name, struct error *err)
{
	const struct kernel_list list = { .v = (struct kernel *)(uintptr_t)v, .n = n };

	(void)ctx;
	return kernel_select(&list, arch, name, err);
}

int kernel_find(const struct paths *p, const char *arch, const char *name, const char *config_default,
		struct kernel *ret, struct error *err)
{
	const char *wanted = name && *name ? name : config_default;
	const struct arch *known = arch ? arch_find(arch) : NULL;

	/* The usual case costs one file, not the whole store. */
	if (wanted && store_is_valid_id(wanted)) {
		_cleanup_free_ char *store = store_path(&kernel_store, p);
		_cleanup_free_ char *dir = fs_join(store, wanted);
		struct kernel one;

		if (kernel_load(dir, &one, NULL) == 0) {
			if (!arch || str_eq(one.arch, known ? known->name : arch)) {
				*ret = one;
				return 0;
			}
			kernel_clear(&one);
		}
	}
	return store_find(&kernel_store, p, arch, name, config_default, select_in, NULL, ret, err);
}

int kernel_lock_shared(const struct kernel *k, struct error *err)
{
	return store_lock_shared(&kernel_store, k, err);
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

const char *const kernel_root_fstypes[2] = { "squashfs", "ext4" };

char *kernel_initrd_path(const char *dir, const char *root_fstype)
{
	for (size_t i = 0; root_fstype && i < ARRAY_SIZE(kernel_root_fstypes); i++)
		if (str_eq(root_fstype, kernel_root_fstypes[i]))
			return mem_printf("%s/initrd-%s.cpio", dir, root_fstype);
	return fs_join(dir, "initrd.cpio");
}

char *kernel_build_path(const struct kernel *k)
{
	_cleanup_free_ char *path = fs_join(k->dir, "build");

	return k->has_build ? take_ptr(path) : NULL;
}
