/* SPDX-License-Identifier: MPL-2.0 */
/* What the run path asks: see openzfs.h. */

#include "image/openzfs.h"

#include <fts.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "image/elf_file.h"
#include "image/kernel.h"
#include "image/openzfs_build.h"
#include "sys/fs.h"

#define MODULES_DEP_MAX (16u << 20)

/* Is there a zfs.ko in the kernel's own module tree? */
static bool kernel_has_zfs(const struct kernel *kernel)
{
	_cleanup_free_ char *modules = kernel_modules_path(kernel);
	_cleanup_free_ char *path = modules ? fs_join(modules, "modules.dep") : NULL;
	_cleanup_str_ struct str text = STR_INIT;

	return path && fs_read(path, MODULES_DEP_MAX, &text, NULL) == 0 && strstr(str_cstr(&text), "/zfs.ko:");
}

static int check_licence(const struct openzfs_build *b, const struct kernel *kernel, struct error *err)
{
	_cleanup_free_ char *ko = openzfs_module_path(b->dir, OPENZFS_N_MODULES - 1);
	_cleanup_elf_ struct elf_file ef = ELF_FILE_INIT;
	_cleanup_free_ char *licence = NULL;

	if (elf_open(ko, &ef, err) < 0)
		return -1;
	licence = elf_modinfo(&ef, "license");
	if (licence && str_starts(licence, "GPL"))
		return 0;
	error_set(err, ERROR_MISSING, "cannot use OpenZFS in '%s' for zfs:gpl: its licence is %s", b->dir,
		  licence ? licence : "unknown");
	return error_hint(err, "quiz openzfs configure --gpl -k %s && quiz openzfs make -k %s", kernel->id, kernel->id);
}

/* A package's modules: in the kernel's own tree, or installed on the host for it. */
static int layer_of_package(const struct paths *paths, const struct kernel *kernel, bool *ret_found,
			    struct openzfs_stage *ret, struct error *err)
{
	struct openzfs_build b = { 0 };
	int rc = 0;

	*ret_found = true;
	ret->origin = OPENZFS_PACKAGE;
	if (kernel_has_zfs(kernel)) {
		strv_add(&ret->modules, "zfs");
		ret->describe = mem_printf("of kernel %s", kernel->id);
		return 0;
	}
	if (openzfs_find_host_package(paths, kernel, &b))
		rc = openzfs_stage_build(paths, &b, kernel, ret, err);
	else
		*ret_found = false;
	openzfs_build_clear(&b);
	return rc;
}

int openzfs_layer(const struct paths *paths, const struct openzfs_request *request, const struct kernel *kernel,
		  struct openzfs_stage *ret, struct error *err)
{
	_cleanup_(openzfs_stage_clear) struct openzfs_stage st = { 0 };
	bool has_tree = request->build_dir || (request->workspace_root && openzfs_is_tree(request->workspace_root));
	_cleanup_(openzfs_build_clear) struct openzfs_build b = { 0 };
	bool found = false;

	if (!has_tree && layer_of_package(paths, kernel, &found, &st, err) < 0)
		return -1;
	if (!found) {
		if (openzfs_find_build(paths, request, kernel, &b, err) < 0)
			return -1;
		b.keeps_calls = request->wants_trace;
		if (request->wants_gpl && check_licence(&b, kernel, err) < 0)
			return -1;
		if (openzfs_stage_build(paths, &b, kernel, &st, err) < 0)
			return -1;
		st.origin = b.origin;
		st.tree = take_ptr(b.tree);
		st.build_dir = take_ptr(b.dir);
	}
	*ret = st;
	st = (struct openzfs_stage){ 0 };
	return 0;
}

/* ---- is the build what the tree says? ---- */

static bool is_source(const char *name)
{
	return str_ends(name, ".c") || str_ends(name, ".h") || str_ends(name, ".S");
}

char *openzfs_newer_source(const struct openzfs_stage *st)
{
	static const char *const folders[] = { "module", "include" };
	_cleanup_free_ char *module = st->tree ? fs_join(st->tree, folders[0]) : NULL;
	_cleanup_free_ char *include = st->tree ? fs_join(st->tree, folders[1]) : NULL;
	char *const roots[] = { module, include, NULL };
	struct timespec built = { 0 };
	char *found = NULL;
	struct stat ko;
	FTSENT *e;
	FTS *fts;

	for (size_t i = 0; i < st->unstripped.n; i++)
		if (stat(st->unstripped.v[i], &ko) == 0 && ko.st_mtim.tv_sec > built.tv_sec)
			built = ko.st_mtim;
	if (!st->tree || built.tv_sec == 0)
		return NULL;
	fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	while (fts && !found && (e = fts_read(fts))) {
		/* zfs_gitrev.h and *.mod.c are made by the build itself, zfs.mod.c a moment before zfs.ko. */
		if (e->fts_info == FTS_F && is_source(e->fts_name) && !str_ends(e->fts_name, ".mod.c") &&
		    !str_eq(e->fts_name, "zfs_gitrev.h") && e->fts_statp->st_mtim.tv_sec > built.tv_sec)
			found = mem_strdup(e->fts_path);
	}
	if (fts)
		fts_close(fts);
	return found;
}
