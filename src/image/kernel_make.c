/* SPDX-License-Identifier: MPL-2.0 */
/* From a draft folder to a published kernel; the store's part is store_draft.c. */

#include "image/kernel_make.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/kernel.h"
#include "image/kernel_image.h"
#include "image/kernel_modules.h"
#include "sys/fs.h"

#define CONFIG_MAX (4u << 20)
#define INDEX_MAX (32u << 20)

DEFINE_CLEANUP(FTS *, fts_close)

int kernel_draft_begin(const struct paths *p, const char *id, const char *doing, const struct progress *progress,
		       struct kernel_draft *ret, bool *ret_exists, struct error *err)
{
	return store_draft_begin(&kernel_store, p, id, doing, progress, &ret->at, &ret->k, ret_exists, err);
}

void kernel_draft_abort(struct kernel_draft *draft)
{
	store_draft_end(&draft->at);
	kernel_clear(&draft->k);
}

/* ---- features ---- */

enum tristate kernel_config_value(const char *config_text, const char *symbol)
{
	_cleanup_free_ char *name = mem_printf("CONFIG_%s=", symbol);
	size_t n = strlen(name);

	for (const char *s = config_text; (s = strstr(s, name)); s += n) {
		if (s != config_text && s[-1] != '\n')
			continue;
		return s[n] == 'y' ? TRI_YES : s[n] == 'm' ? TRI_MODULE : TRI_NO;
	}
	return TRI_NO;
}

struct facts {
	struct str config, builtin, dep; /* texts; empty when there is none */
};

/* Is "/<module>.ko" in an index? Names there use - and _ as the source files do. */
static bool index_has(const struct str *index, const char *module)
{
	_cleanup_free_ char *name = mem_printf("/%s.ko", module);

	return strstr(str_cstr(index), name) != NULL;
}

static enum tristate feature(const struct facts *f, const char *symbol, const char *module)
{
	enum tristate t = kernel_config_value(str_cstr(&f->config), symbol);

	if (f->config.len) /* a module that the package does not ship is none */
		return t == TRI_MODULE && !(module && index_has(&f->dep, module)) ? TRI_NO : t;
	if (module && index_has(&f->builtin, module))
		return TRI_YES;
	return module && index_has(&f->dep, module) ? TRI_MODULE : TRI_NO;
}

/* A text that may be absent. */
static int read_optional(const char *path, size_t max, struct str *ret, struct error *err)
{
	return fs_exists(path) ? fs_read(path, max, ret, err) : 0;
}

static int read_features(const char *dir, const char *tree, struct kernel *k, struct error *err)
{
	_cleanup_free_ char *config = fs_join(dir, "config");
	_cleanup_free_ char *builtin = fs_join(tree, "modules.builtin");
	_cleanup_free_ char *dep = fs_join(tree, "modules.dep");
	struct facts f = { 0 };
	int r = -1;

	if (read_optional(config, CONFIG_MAX, &f.config, err) == 0 &&
	    read_optional(builtin, INDEX_MAX, &f.builtin, err) == 0 &&
	    read_optional(dep, INDEX_MAX, &f.dep, err) == 0) {
#define X(field, symbol, module) k->field = feature(&f, symbol, module);
		KERNEL_FEATURES(X)
#undef X
		if (k->entry == KERNEL_PVH) /* seen with our own eyes */
			k->pvh = TRI_YES;
		if (f.dep.len)
			k->modules = TRI_YES;
		r = 0;
	}
	str_clear(&f.config);
	str_clear(&f.builtin);
	str_clear(&f.dep);
	return r;
}

/* ---- content key ---- */

static int hash_file(const char *path, uint64_t *h, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	static unsigned char buf[1 << 17];
	ssize_t n;

	if (fd < 0)
		return error_sys(err, errno, "open '%s'", path);
	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "read '%s'", path);
		*h = hash_mem(*h, buf, (size_t)n);
	}
	return 0;
}

static int compare_entries(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Names, links and content; not times, so that fetching again gives the same key. */
static int hash_tree(const char *dir, const char *name, uint64_t *h, struct error *err)
{
	_cleanup_free_ char *top = fs_join(dir, name);
	char *roots[] = { top, NULL };
	_cleanup_(cleanup_fts_close) FTS *fts = NULL;
	size_t skip = strlen(dir);
	FTSENT *e;

	if (!fs_exists(top))
		return 0;
	fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, compare_entries);
	if (!fts)
		return error_sys(err, errno, "walk '%s'", top);
	while ((e = fts_read(fts))) {
		char link[4096];
		ssize_t n;

		if (e->fts_info == FTS_DP)
			continue;
		*h = hash_str(*h, e->fts_path + skip);
		if (e->fts_info == FTS_F && hash_file(e->fts_path, h, err) < 0)
			return -1;
		if (e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE) {
			n = readlink(e->fts_path, link, sizeof(link));
			*h = hash_mem(*h, link, n > 0 ? (size_t)n : 0);
		}
	}
	return 0;
}

static int make_key(const char *dir, struct kernel *k, struct error *err)
{
	const char *const parts[] = { k->boot_file, "config", "initrd.cpio", "layer" };
	uint64_t h = hash_str(hash_str(HASH_INIT, k->release), k->arch);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (hash_tree(dir, parts[i], &h, err) < 0)
			return -1;
	free(k->key);
	k->key = mem_printf("%016llx", (unsigned long long)h);
	return 0;
}

/* ---- finish ---- */

/* Puts <dir>/<name> into the layer as boot/<name>-<release>, where guests look for it. */
static int add_boot_file(const struct kernel_draft *d, const char *name, struct error *err)
{
	_cleanup_free_ char *from = fs_join(d->at.dir, name);
	_cleanup_free_ char *to = mem_printf("%s/layer/boot/%s-%s", d->at.dir, name, d->k.release);

	if (!fs_exists(from))
		return 0;
	if (fs_mkdir_parents(to, err) < 0)
		return -1;
	return link(from, to) == 0 ? 0 : fs_copy_file(from, to, 0644, err);
}

/*
 * A root may have another file system than the layers. Its modules would cost every boot, so they are in an archive of
 * their own that takes the place of initrd.cpio for such a root.
 */
static int add_root_archives(const struct kernel_draft *d, const char *usr, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(kernel_root_fstypes); i++) {
		_cleanup_free_ char *path = kernel_initrd_path(d->at.dir, kernel_root_fstypes[i]);
		_cleanup_strv_ struct strv modules = STRV_INIT;

		if (kernel_modules_early(usr, d->k.release, d->k.arch, kernel_root_fstypes[i], &modules, err) < 0)
			return -1;
		if (modules.n > d->k.initrd_modules.n &&
		    kernel_modules_cpio(usr, d->k.release, d->k.arch, &modules, path, err) < 0)
			return -1;
	}
	return 0;
}

static int finish_modules(struct kernel_draft *d, const char *usr, const struct progress *progress, struct error *err)
{
	_cleanup_free_ char *link_path = fs_join(d->at.dir, "modules");
	_cleanup_free_ char *cpio = kernel_initrd_path(d->at.dir, NULL);

	if (kernel_modules_index(usr, d->k.release, progress, err) < 0)
		return -1;
	strv_clear(&d->k.initrd_modules);
	if (kernel_modules_early(usr, d->k.release, d->k.arch, NULL, &d->k.initrd_modules, err) < 0)
		return -1;
	if (d->k.initrd_modules.n &&
	    kernel_modules_cpio(usr, d->k.release, d->k.arch, &d->k.initrd_modules, cpio, err) < 0)
		return -1;
	if (add_root_archives(d, usr, err) < 0)
		return -1;
	if (symlink("layer/usr", link_path) < 0)
		return error_sys(err, errno, "make link '%s'", link_path);
	return 0;
}

static int finish(struct kernel_draft *d, const struct progress *progress, struct error *err)
{
	_cleanup_free_ char *usr = fs_join(d->at.dir, "layer/usr");
	_cleanup_free_ char *tree = mem_printf("%s/lib/modules/%s", usr, d->k.release);
	char *boot_file = NULL;

	progress_stage(progress, "preparing the kernel image");
	if (kernel_image_prepare(d->at.dir, d->k.boot_file, d->k.arch, &boot_file, &d->k.entry, err) < 0)
		return -1;
	free(d->k.boot_file);
	d->k.boot_file = boot_file;
	if (fs_is_dir(tree) && finish_modules(d, usr, progress, err) < 0)
		return -1;
	if (add_boot_file(d, "config", err) < 0 || add_boot_file(d, "System.map", err) < 0)
		return -1;
	progress_stage(progress, "publishing kernel %s", d->k.id);
	if (read_features(d->at.dir, tree, &d->k, err) < 0 || make_key(d->at.dir, &d->k, err) < 0)
		return -1;
	return store_draft_publish(&d->at, &d->k, err);
}

int kernel_draft_finish(struct kernel_draft *draft, const struct progress *progress, struct error *err)
{
	if (finish(draft, progress, err) == 0)
		return 0;
	kernel_draft_abort(draft);
	return -1;
}
