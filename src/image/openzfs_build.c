/* SPDX-License-Identifier: MPL-2.0 */
/* Which builds of OpenZFS there are, and which one is for a kernel. */

#include "image/openzfs_build.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "image/elf_file.h"
#include "sys/fs.h"

#define META_MAX (64u << 10)

const char *const openzfs_module_names[OPENZFS_N_MODULES] = {
	"spl", "zavl", "znvpair", "zunicode", "zcommon", "icp", "zlua", "zzstd", "zfs",
};

/* Folders below module/ in 2.1; later versions have the files in module/ itself, a package all in one folder. */
static const char *const module_dirs[OPENZFS_N_MODULES] = {
	"spl", "avl", "nvpair", "unicode", "zcommon", "icp", "lua", "zstd", "zfs",
};

#define MODULE_ZFS (OPENZFS_N_MODULES - 1)

void openzfs_build_clear(struct openzfs_build *b)
{
	free(b->tree);
	free(b->dir);
	free(b->home);
	free(b->release);
	*b = (struct openzfs_build){ 0 };
}

char *openzfs_home(const char *workspace_root, const struct kernel *kernel)
{
	return mem_printf("%s/.quiz/openzfs/%s", workspace_root, kernel->id);
}

/* Value of a "Name:  value" line of META. Caller frees. */
static char *meta_value(const char *meta, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = meta; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (strncmp(line, name, n) != 0 || line[n] != ':')
			continue;
		line += n + 1;
		line += strspn(line, " \t");
		return mem_strndup(line, strcspn(line, " \t\r\n"));
	}
	return NULL;
}

char *openzfs_meta_value(const char *tree, const char *name)
{
	_cleanup_free_ char *path = fs_join(tree, "META");
	_cleanup_str_ struct str meta = STR_INIT;

	if (fs_read(path, META_MAX, &meta, NULL) < 0)
		return NULL;
	return meta_value(str_cstr(&meta), name);
}

bool openzfs_is_tree(const char *dir)
{
	_cleanup_free_ char *name = openzfs_meta_value(dir, "Name");

	return str_eq(name, "zfs");
}

char *openzfs_meta_version(const char *tree)
{
	_cleanup_free_ char *version = openzfs_meta_value(tree, "Version");
	_cleanup_free_ char *release = openzfs_meta_value(tree, "Release");

	if (!version)
		return NULL;
	return release ? mem_printf("%s-%s", version, release) : take_ptr(version);
}

char *openzfs_describe(const struct openzfs_build *b)
{
	_cleanup_free_ char *path = fs_join(b->dir, "include/zfs_gitrev.h");
	_cleanup_free_ char *said = fs_join(b->home, "describe");
	_cleanup_str_ struct str text = STR_INIT;
	const char *quote, *end;
	struct stat st;
	char *version;

	/* Ours knows more (zfs_gitrev.h is not made by `make -C module`), unless the user has built by hand since. */
	if (stat(said, &st) == 0 && st.st_mtim.tv_sec >= b->mtime_ns / 1000000000 &&
	    fs_read(said, 256, &text, NULL) == 0)
		return mem_strndup(str_cstr(&text), strcspn(str_cstr(&text), "\n"));
	str_truncate(&text, 0);
	if (fs_read(path, 4096, &text, NULL) == 0 && (quote = strchr(str_cstr(&text), '"')) &&
	    (end = strchr(quote + 1, '"')) && end > quote + 1 && !str_starts(quote, "\"unknown"))
		return mem_strndup(quote + 1, (size_t)(end - quote - 1));
	version = b->tree ? openzfs_meta_version(b->tree) : NULL;
	return version ? version : mem_strdup("unknown");
}

char *openzfs_module_path(const char *build_dir, size_t i)
{
	const char *name = openzfs_module_names[i];
	char *candidates[] = {
		mem_printf("%s/module/%s.ko", build_dir, name),
		mem_printf("%s/module/%s/%s.ko", build_dir, module_dirs[i], name),
		mem_printf("%s/%s.ko", build_dir, name),
	};
	char *found = NULL;

	for (size_t c = 0; c < ARRAY_SIZE(candidates); c++)
		if (!found && fs_exists(candidates[c]))
			found = take_ptr(candidates[c]);
	for (size_t c = 0; c < ARRAY_SIZE(candidates); c++)
		free(candidates[c]);
	return found;
}

char *openzfs_module_release(const char *ko_path)
{
	_cleanup_elf_ struct elf_file ef = ELF_FILE_INIT;
	_cleanup_free_ char *vermagic = NULL;

	if (elf_open(ko_path, &ef, NULL) < 0)
		return NULL;
	vermagic = elf_modinfo(&ef, "vermagic");
	return vermagic ? mem_strndup(vermagic, strcspn(vermagic, " ")) : NULL;
}

char *openzfs_module_name(const char *module)
{
	const char *base = strrchr(module, '/');

	base = base ? base + 1 : module;
	return mem_strndup(base, str_ends(base, ".ko") ? strlen(base) - 3 : strlen(base));
}

/* ---- choosing ---- */

/* Looks at one build folder. home and tree are consumed. */
static void look_at(struct openzfs_build *b, enum openzfs_origin origin, const char *dir, char *tree_consumed,
		    char *home_consumed)
{
	_cleanup_free_ char *ko = openzfs_module_path(dir, MODULE_ZFS);
	struct stat st;

	*b = (struct openzfs_build){
		.origin = origin, .dir = mem_strdup(dir), .tree = tree_consumed, .home = home_consumed
	};
	if (!ko || stat(ko, &st) < 0)
		return;
	b->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	b->release = openzfs_module_release(ko);
}

/* "make it": the hint of every failure here. */
static int want_make(const struct openzfs_build *b, const struct kernel *kernel, struct error *err)
{
	if (b->origin == OPENZFS_NAMED)
		return error_hint(err, "configure and make it there with --with-linux=%s/build", kernel->dir);
	return error_hint(err, "quiz openzfs make -k %s", kernel->id);
}

/* A build folder of ours whose kernel was replaced by another one of the same id is of no use. */
static int check_key(const struct openzfs_build *b, const struct kernel *kernel, struct error *err)
{
	struct openzfs_configured c = { 0 };
	int rc;

	if (b->origin != OPENZFS_QUIZ_BUILD)
		return 0;
	rc = openzfs_configured_load(b->home, &c, err);
	if (rc == 0 && c.kernel_key && !str_eq(c.kernel_key, kernel->key)) {
		rc = error_set(err, ERROR_MISSING,
			       "cannot use OpenZFS in '%s': kernel '%s' has been made anew since it was configured",
			       b->dir, kernel->id);
		want_make(b, kernel, err);
	}
	openzfs_configured_clear(&c);
	return rc;
}

/* Why none of the candidates will do. */
static int explain(const struct openzfs_build *v, size_t n, const struct kernel *kernel, struct error *err)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].release) {
			error_set(
			    err, ERROR_MISSING,
			    "cannot use OpenZFS in '%s': its modules are for kernel %s, and this machine's is %s (%s)",
			    v[i].dir, v[i].release, kernel->release, kernel->id);
			return want_make(&v[i], kernel, err);
		}
	error_set(err, ERROR_MISSING, "cannot use OpenZFS in '%s': it has not been built for kernel '%s'",
		  v[n - 1].tree ? v[n - 1].tree : v[n - 1].dir, kernel->id);
	return want_make(&v[n - 1], kernel, err);
}

static int no_candidate(const struct openzfs_request *request, const struct kernel *kernel, struct error *err)
{
	if (request->workspace_root)
		error_set(err, ERROR_MISSING,
			  "cannot find OpenZFS for kernel '%s': the workspace '%s' is no OpenZFS tree", kernel->id,
			  request->workspace_root);
	else
		error_set(err, ERROR_MISSING, "cannot find OpenZFS for kernel '%s': this folder is in no workspace",
			  kernel->id);
	return error_hint(err,
			  "in an OpenZFS tree: quiz init && quiz openzfs make -k %s; or name a build: -p zfs:build=DIR",
			  kernel->id);
}

/* Not the workspace's: what quiz keeps for it lies in the cache. */
static void look_outside(const struct paths *paths, enum openzfs_origin origin, const char *dir,
			 const struct kernel *kernel, struct openzfs_build *b)
{
	char *home =
	    mem_printf("%s/openzfs/%016llx-%s", paths->cache, (unsigned long long)hash_str(HASH_INIT, dir), kernel->id);

	look_at(b, origin, dir, openzfs_is_tree(dir) ? mem_strdup(dir) : NULL, home);
}

bool openzfs_find_host_package(const struct paths *paths, const struct kernel *kernel, struct openzfs_build *ret)
{
	static const char *const places[] = { "updates/dkms", "updates", "extra/zfs", "extra", "kernel/zfs" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_free_ char *dir = mem_printf("/lib/modules/%s/%s", kernel->release, places[i]);
		struct openzfs_build b = { 0 };

		look_outside(paths, OPENZFS_PACKAGE, dir, kernel, &b);
		if (str_eq(b.release, kernel->release)) {
			*ret = b;
			return true;
		}
		openzfs_build_clear(&b);
	}
	return false;
}

int openzfs_find_build(const struct paths *paths, const struct openzfs_request *request, const struct kernel *kernel,
		       struct openzfs_build *ret, struct error *err)
{
	const char *root = request->workspace_root;
	struct openzfs_build v[2] = { 0 };
	size_t n = 0, best = SIZE_MAX;
	int rc = -1;

	if (request->build_dir) {
		look_outside(paths, OPENZFS_NAMED, request->build_dir, kernel, &v[n++]);
	} else if (root && openzfs_is_tree(root)) {
		_cleanup_free_ char *home = openzfs_home(root, kernel);
		_cleanup_free_ char *dir = fs_join(home, "build");

		look_at(&v[n++], OPENZFS_QUIZ_BUILD, dir, mem_strdup(root), mem_strdup(home));
		look_at(&v[n++], OPENZFS_TREE, root, mem_strdup(root), mem_strdup(home));
	}
	for (size_t i = 0; i < n; i++)
		if (str_eq(v[i].release, kernel->release) && (best == SIZE_MAX || v[i].mtime_ns > v[best].mtime_ns))
			best = i;
	if (n == 0)
		rc = no_candidate(request, kernel, err);
	else if (best == SIZE_MAX)
		rc = explain(v, n, kernel, err);
	else
		rc = check_key(&v[best], kernel, err);
	if (rc == 0) {
		*ret = v[best];
		v[best] = (struct openzfs_build){ 0 };
	}
	for (size_t i = 0; i < n; i++)
		openzfs_build_clear(&v[i]);
	return rc;
}

/* ---- home/configured: lines "key ...", "kernel ...", "home ...", "arg ..." ---- */

void openzfs_configured_clear(struct openzfs_configured *c)
{
	free(c->kernel_key);
	free(c->kernel_text);
	free(c->home);
	strv_clear(&c->args);
	*c = (struct openzfs_configured){ 0 };
}

int openzfs_configured_load(const char *home, struct openzfs_configured *ret, struct error *err)
{
	_cleanup_free_ char *path = fs_join(home, "configured");
	_cleanup_str_ struct str text = STR_INIT;
	_cleanup_strv_ struct strv lines = STRV_INIT;

	*ret = (struct openzfs_configured){ 0 };
	if (!fs_exists(path))
		return 0;
	if (fs_read(path, META_MAX, &text, err) < 0)
		return -1;
	strv_split(&lines, str_cstr(&text), "\n");
	for (size_t i = 0; i < lines.n; i++) {
		const char *line = lines.v[i];

		if (str_starts(line, "key ") && !ret->kernel_key)
			ret->kernel_key = mem_strdup(line + 4);
		else if (str_starts(line, "kernel ") && !ret->kernel_text)
			ret->kernel_text = mem_strdup(line + 7);
		else if (str_starts(line, "home ") && !ret->home)
			ret->home = mem_strdup(line + 5);
		else if (str_starts(line, "arg "))
			strv_add(&ret->args, line + 4);
	}
	return 0;
}

bool openzfs_configured_is_moved(const struct openzfs_configured *c, const char *home)
{
	struct stat was, is;

	/* By another way to the same folder it is the same. */
	return c->home && !str_eq(c->home, home) &&
	       (stat(c->home, &was) < 0 || stat(home, &is) < 0 || was.st_dev != is.st_dev || was.st_ino != is.st_ino);
}

int openzfs_configured_save(const char *home, const struct openzfs_configured *c, struct error *err)
{
	_cleanup_free_ char *path = fs_join(home, "configured");
	_cleanup_str_ struct str text = STR_INIT;

	str_addf(&text, "key %s\nkernel %s\nhome %s\n", c->kernel_key, c->kernel_text, c->home);
	for (size_t i = 0; i < c->args.n; i++) {
		if (strchr(c->args.v[i], '\n'))
			return error_set(err, ERROR_USAGE,
					 "cannot keep the configure argument '%s': it has a line break", c->args.v[i]);
		str_addf(&text, "arg %s\n", c->args.v[i]);
	}
	return fs_write_atomic(path, text.p, text.len, 0644, false, err);
}
