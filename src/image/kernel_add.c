/* SPDX-License-Identifier: MPL-2.0 */
/* `quiz kernel add`: whatever the user has. Release and architecture are read from the files. */

#include "image/kernel_add.h"

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/kernel_image.h"
#include "image/kernel_make.h"
#include "image/kernel_version.h"
#include "sys/fs.h"

DEFINE_CLEANUP(FTS *, fts_close)

struct facts {
	char *release, *version; /* owned */
	char *tree;		 /* owned; the module tree, or NULL */
	const struct arch *arch;
};

static void facts_clear(struct facts *f)
{
	free(f->release);
	free(f->version);
	free(f->tree);
}

static bool is_module_tree(const char *dir)
{
	_cleanup_free_ char *order = fs_join(dir, "modules.order");
	_cleanup_free_ char *kernel = fs_join(dir, "kernel");

	return fs_exists(order) || fs_is_dir(kernel);
}

/* The one module tree in <dir>/lib/modules or <dir>/usr/lib/modules. Caller frees; NULL. */
static char *tree_below(const char *dir)
{
	static const char *const places[] = { "lib/modules", "usr/lib/modules", "." };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_free_ char *base = fs_join(dir, places[i]);
		_cleanup_strv_ struct strv names = STRV_INIT;
		char *found = NULL;

		if (fs_list(base, &names, NULL) < 0)
			continue;
		for (size_t j = 0; j < names.n; j++) {
			char *tree = fs_join(base, names.v[j]);

			if (is_module_tree(tree) && !found)
				found = tree;
			else
				free(tree);
		}
		if (found)
			return found;
	}
	return NULL;
}

static int find_tree(const struct kernel_add_options *o, struct facts *f, struct error *err)
{
	if (!o->modules)
		return 0;
	f->tree = is_module_tree(o->modules) ? fs_real_path(o->modules, err) : tree_below(o->modules);
	if (!f->tree)
		return error_set(err, ERROR_USAGE,
				 "cannot find modules in '%s': neither it nor lib/modules/* in it has a 'kernel' folder",
				 o->modules);
	return 0;
}

static int find_arch(const struct kernel_add_options *o, const struct str *image, struct facts *f, struct error *err)
{
	const char *seen = kernel_image_arch(image->p, image->len);

	f->arch = o->arch ? o->arch : seen ? arch_find(seen) : NULL;
	if (f->arch && seen && !str_eq(f->arch->name, seen))
		return error_set(err, ERROR_USAGE, "cannot add '%s' for %s: it is a kernel for %s", o->image,
				 f->arch->name, seen);
	if (!f->arch) {
		error_set(err, ERROR_USAGE, "cannot tell which architecture '%s' is for", o->image);
		return error_hint(err, "quiz kernel add -a ARCH ...");
	}
	return 0;
}

/* Modules are loaded by their release, so their folder's name counts more than what the image says. */
static int find_release(const struct kernel_add_options *o, const struct str *image, struct facts *f,
			struct error *err)
{
	_cleanup_free_ char *said = kernel_image_release(image->p, image->len);
	struct kernel_version v;
	size_t n;

	if (f->tree)
		f->release = mem_strdup(strrchr(f->tree, '/') + 1);
	else
		f->release = said ? take_ptr(said) : o->name ? mem_strdup(o->name) : NULL;
	if (!f->release) {
		error_set(err, ERROR_USAGE, "cannot tell the release of '%s'", o->image);
		return error_hint(err, "quiz kernel add --name ID ...");
	}
	if (f->tree && said && !str_eq(said, f->release))
		return error_set(err, ERROR_USAGE, "cannot add '%s': it is kernel %s, but the modules are for %s",
				 o->image, said, f->release);
	if (kernel_version_parse(f->release, &v, NULL) < 0) {
		f->version = mem_strdup("0");
		return 0;
	}
	n = strlen(f->release) - strlen(v.rest);
	f->version = mem_strndup(f->release, n);
	return 0;
}

/* Everything but the links "build" and "source", which point to where the kernel was built. */
static int copy_tree(const char *from, const char *to, struct error *err)
{
	char *const roots[] = { (char *)(uintptr_t)from, NULL };
	_cleanup_(cleanup_fts_close) FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	size_t skip = strlen(from);
	FTSENT *e;

	if (!fts)
		return error_sys(err, errno, "walk '%s'", from);
	while ((e = fts_read(fts))) {
		_cleanup_free_ char *target = mem_printf("%s%s", to, e->fts_path + skip);

		if (e->fts_info == FTS_D && fs_mkdir_p(target, 0755, err) < 0)
			return -1;
		if (e->fts_info == FTS_F && fs_copy_file(e->fts_path, target, 0644, err) < 0)
			return -1;
		if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR)
			return error_sys(err, e->fts_errno, "read '%s'", e->fts_path);
	}
	return 0;
}

static int copy_into(const char *from, const char *dir, const char *name, struct error *err)
{
	_cleanup_free_ char *to = fs_join(dir, name);

	return fs_copy_file(from, to, 0644, err);
}

static int fill(const struct kernel_add_options *o, struct facts *f, struct kernel_draft *d,
		const struct progress *progress, struct error *err)
{
	_cleanup_free_ char *real = fs_real_path(o->image, err);
	_cleanup_free_ char *to = mem_printf("%s/layer/usr/lib/modules/%s", d->at.dir, f->release);
	_cleanup_free_ char *build = fs_join(d->at.dir, "build");

	if (!real || copy_into(o->image, d->at.dir, "image", err) < 0)
		return -1;
	if (o->config && copy_into(o->config, d->at.dir, "config", err) < 0)
		return -1;
	if (f->tree) {
		progress_stage(progress, "copying the modules of %s", f->release);
		if (copy_tree(f->tree, to, err) < 0)
			return -1;
	}
	if (o->build) {
		_cleanup_free_ char *tree = fs_real_path(o->build, err);

		if (!tree)
			return -1;
		if (symlink(tree, build) < 0)
			return error_sys(err, errno, "make link '%s'", build);
	}
	d->k.release = take_ptr(f->release);
	d->k.version = take_ptr(f->version);
	d->k.flavour = mem_strdup("");
	d->k.origin = mem_strdup("added");
	d->k.origin_text = mem_strdup(real);
	d->k.arch = mem_strdup(f->arch->name);
	d->k.boot_file = mem_strdup("image");
	return 0;
}

static int add(const struct paths *p, const struct kernel_add_options *o, struct facts *f,
	       const struct progress *progress, struct kernel *ret, bool *ret_existed, struct error *err)
{
	_cleanup_str_ struct str image = STR_INIT;
	struct kernel_draft d = KERNEL_DRAFT_INIT;
	const char *id;
	int r = 0;

	if (kernel_image_read(o->image, &image, err) < 0 || find_tree(o, f, err) < 0 ||
	    find_arch(o, &image, f, err) < 0 || find_release(o, &image, f, err) < 0)
		return -1;
	id = o->name ? o->name : f->release;
	if (kernel_draft_begin(p, id, "adding a kernel", progress, &d, ret_existed, err) < 0)
		return -1;
	if (!*ret_existed)
		r = fill(o, f, &d, progress, err) < 0 ? -1 : kernel_draft_finish(&d, progress, err);
	if (r == 0) {
		*ret = d.k;
		d.k = (struct kernel){ 0 };
	}
	kernel_draft_abort(&d);
	return r;
}

int kernel_add(const struct paths *p, const struct kernel_add_options *o, const struct progress *progress,
	       struct kernel *ret, bool *ret_existed, struct error *err)
{
	struct facts f = { 0 };
	int r = add(p, o, &f, progress, ret, ret_existed, err);

	facts_clear(&f);
	return r;
}
