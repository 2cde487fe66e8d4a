/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The early modules are few: each costs a few milliseconds under emulation,
 * and whatever can wait is loaded from the module layer after the overlay
 * stands. libkmod works on the given tree only; the host's modprobe
 * configuration is kept out.
 */

#include "image/kernel_modules.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fts.h>
#include <libkmod.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/kernel_image.h"
#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/proc.h"

#define MODULE_MAX (256u << 20)

DEFINE_CLEANUP(FTS *, fts_close)
DEFINE_CLEANUP(struct kmod_ctx *, kmod_unref)
DEFINE_CLEANUP(struct kmod_list *, kmod_module_unref_list)
DEFINE_CLEANUP(struct archive *, archive_write_free)

/* What must work before the first mount, by purpose. Of a group with `is_choice` the first that exists is enough. */
static const struct purpose {
	const char *what;
	const char *virtio_suffix; /* on architectures with this transport (arch.virtio_suffix); NULL: on all */
	bool is_choice;
	const char *modules[4]; /* NULL-terminated when shorter */
} purposes[] = {
	/* x86_64's microvm is "-device", its q35 is "-pci": the table says the latter. */
	{ "the bus that the devices are on", "-pci", false, { "virtio_mmio", "virtio_pci" } },
	{ "the same", "-device", false, { "virtio_mmio", "virtio_pci" } },
	{ "the same", "-ccw", false, { "virtio_ccw" } },
	{ "disks", NULL, false, { "virtio_blk" } },
	{ "the agent's channel", NULL, false, { "virtio_console" } },
	{ "the file system of layers, and usually of the root", NULL, true, { "erofs", "squashfs", "ext4" } },
	{ "the overlay", NULL, false, { "overlay" } },
	/*
	 * Mounted only after a clone, but loaded before a template is saved: else every clone's kernel runs
	 * modprobe for each of the two, which is more than half of the code that a clone executes.
	 */
	{ "shares", NULL, false, { "9p", "9pnet_virtio" } },
	/* It tells the VMM where the kernel's own description is: without, no debugger makes sense of a vmcore. */
	{ "vmcores", NULL, false, { "qemu_fw_cfg" } },
};

/* ---- making the tree plain ---- */

static const char *const compressed_suffixes[] = { ".ko.xz", ".ko.zst", ".ko.gz" };

static bool is_compressed(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(compressed_suffixes); i++)
		if (str_ends(name, compressed_suffixes[i]))
			return true;
	return false;
}

static int decompress_file(const char *path, struct error *err)
{
	_cleanup_str_ struct str packed = STR_INIT, plain = STR_INIT;
	_cleanup_free_ char *to = mem_strndup(path, strlen(path) - strlen(strrchr(path, '.')));

	if (fs_read(path, MODULE_MAX, &packed, err) < 0)
		return -1;
	if (kernel_image_decompress(packed.p, packed.len, MODULE_MAX, &plain, err) < 0)
		return error_wrap(err, "cannot decompress module '%s'", path);
	if (fs_write_atomic(to, plain.p, plain.len, 0644, false, err) < 0)
		return -1;
	return unlink(path) < 0 ? error_sys(err, errno, "remove '%s'", path) : 0;
}

/* Two passes, so that the progress has a total. */
static int decompress_tree(const char *tree, const struct progress *progress, struct error *err)
{
	char *const roots[] = { (char *)(uintptr_t)tree, NULL };
	_cleanup_strv_ struct strv packed = STRV_INIT;
	_cleanup_(cleanup_fts_close) FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *e;

	if (!fts)
		return error_sys(err, errno, "walk '%s'", tree);
	while ((e = fts_read(fts)))
		if (e->fts_info == FTS_F && is_compressed(e->fts_path))
			strv_add(&packed, e->fts_path);
	if (packed.n)
		progress_stage(progress, "decompressing %zu modules", packed.n);
	for (size_t i = 0; i < packed.n; i++) {
		progress_count(progress, i, packed.n);
		if (decompress_file(packed.v[i], err) < 0)
			return -1;
	}
	return 0;
}

int kernel_modules_index(const char *usr, const char *release, const struct progress *progress, struct error *err)
{
	_cleanup_free_ char *tree = mem_printf("%s/lib/modules/%s", usr, release);
	const char *const argv[] = { "depmod", "-b", usr, release, NULL };

	if (decompress_tree(tree, progress, err) < 0)
		return -1;
	progress_stage(progress, "indexing modules");
	if (proc_run(argv, NULL, err) < 0) {
		error_wrap(err, "cannot index the modules in '%s'", tree);
		return err && err->kind == ERROR_MISSING ? error_hint(err, "sudo apt install kmod") : -1;
	}
	return 0;
}

/* ---- which and in which order ---- */

struct walk {
	const char *tree;
	struct strv *order; /* paths relative to tree */
};

static void visit(struct walk *w, struct kmod_module *m);

/* Of several modules behind one alias (crc32c: generic, and one per instruction set) the generic one works everywhere. */
static void visit_soft(struct walk *w, struct kmod_list *list)
{
	struct kmod_list *l, *chosen = NULL;

	kmod_list_foreach(l, list) {
		struct kmod_module *m = kmod_module_get_module(l);

		if (!chosen || strstr(kmod_module_get_name(m), "generic"))
			chosen = l;
		kmod_module_unref(m);
	}
	if (chosen) {
		struct kmod_module *m = kmod_module_get_module(chosen);

		visit(w, m);
		kmod_module_unref(m);
	}
}

static void visit(struct walk *w, struct kmod_module *m)
{
	_cleanup_(cleanup_kmod_module_unref_list) struct kmod_list *deps = NULL, *pre = NULL, *post = NULL;
	const char *path = kmod_module_get_path(m);
	const char *relative;
	struct kmod_list *l;

	if (!path) /* built in, or there is none */
		return;
	relative = str_starts(path, w->tree) ? path + strlen(w->tree) + 1 : path;
	if (strv_has(w->order, relative))
		return;
	deps = kmod_module_get_dependencies(m);
	kmod_list_foreach(l, deps) {
		struct kmod_module *d = kmod_module_get_module(l);

		visit(w, d);
		kmod_module_unref(d);
	}
	if (kmod_module_get_softdeps(m, &pre, &post) == 0)
		visit_soft(w, pre);
	if (!strv_has(w->order, relative))
		strv_add(w->order, relative);
}

/* True when the kernel has it, as a module (which is then in the order) or built in. */
static bool want(struct kmod_ctx *ctx, struct walk *w, const char *name)
{
	_cleanup_(cleanup_kmod_module_unref_list) struct kmod_list *list = NULL;
	struct kmod_list *l;
	bool found = false;

	if (kmod_module_new_from_lookup(ctx, name, &list) < 0)
		return false;
	kmod_list_foreach(l, list) {
		struct kmod_module *m = kmod_module_get_module(l);

		visit(w, m);
		found = true;
		kmod_module_unref(m);
	}
	return found;
}

static void want_all(struct kmod_ctx *ctx, struct walk *w, const struct arch *arch)
{
	for (size_t i = 0; i < ARRAY_SIZE(purposes); i++) {
		const struct purpose *p = &purposes[i];

		if (p->virtio_suffix && arch && !str_eq(p->virtio_suffix, arch->virtio_suffix))
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(p->modules) && p->modules[j]; j++)
			if (want(ctx, w, p->modules[j]) && p->is_choice)
				break;
	}
}

int kernel_modules_early(const char *usr, const char *release, const char *arch, const char *root_fstype,
			 struct strv *ret, struct error *err)
{
	static const char *const no_config[] = { NULL };
	_cleanup_free_ char *joined = mem_printf("%s/lib/modules/%s", usr, release);
	_cleanup_free_ char *tree = fs_real_path(joined, err);
	_cleanup_(cleanup_kmod_unref) struct kmod_ctx *ctx = NULL;
	struct walk w = { .tree = tree, .order = ret };

	if (!tree)
		return -1;
	ctx = kmod_new(tree, no_config);
	if (!ctx)
		return error_set(err, ERROR_SYSTEM, "cannot read the modules in '%s'", tree);
	kmod_set_log_priority(ctx, 0); /* it would write to our stderr */
	if (kmod_load_resources(ctx) < 0)
		return error_set(err, ERROR_SYSTEM, "cannot read the module index in '%s'", tree);
	want_all(ctx, &w, arch_find(arch));
	if (root_fstype)
		want(ctx, &w, root_fstype);
	kmod_unload_resources(ctx);
	return 0;
}

/* ---- the archive ---- */

/* strip --strip-debug where the module has debug sections and a strip for it is there; else it goes in as it is. */
static int read_stripped(const char *path, const char *arch, const char *tmp, struct str *ret, struct error *err)
{
	const struct arch *a = arch_find(arch);
	_cleanup_free_ char *cross = a ? mem_printf("%sstrip", a->cross_prefix) : NULL;
	bool is_native = str_eq(arch, arch_native()->name);
	const char *const argv[] = { is_native ? "strip" : cross, "--strip-debug", "-o", tmp, path, NULL };
	_cleanup_free_ char *tool = argv[0] ? fs_find_program(argv[0]) : NULL;
	int r;

	if (fs_read(path, MODULE_MAX, ret, err) < 0)
		return -1;
	if (!tool || !ret->len || !memmem(ret->p, ret->len, ".debug_info", strlen(".debug_info")))
		return 0;
	if (proc_run(argv, NULL, NULL) < 0) {
		unlink(tmp);
		return 0;
	}
	str_truncate(ret, 0);
	r = fs_read(tmp, MODULE_MAX, ret, err);
	unlink(tmp);
	return r;
}

static int archive_fail(struct archive *a, const char *path, struct error *err)
{
	return error_sys(err, archive_errno(a) > 0 ? archive_errno(a) : EIO, "write '%s'", path);
}

/* Owner root, time 0: equal modules make equal archives. */
static int add_entry(struct archive *a, const char *name, mode_t type, const struct str *content, const char *path,
		     struct error *err)
{
	struct archive_entry *e = archive_entry_new();
	int r = 0;

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, type);
	archive_entry_set_perm(e, type == AE_IFDIR ? 0755 : 0644);
	archive_entry_set_size(e, content ? (la_int64_t)content->len : 0);
	archive_entry_set_mtime(e, 0, 0);
	if (archive_write_header(a, e) != ARCHIVE_OK ||
	    (content && content->len && archive_write_data(a, content->p, content->len) < 0))
		r = archive_fail(a, path, err);
	archive_entry_free(e);
	return r;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int fill_cpio(struct archive *a, const char *tree, const char *arch, const struct strv *modules,
		     const char *path, struct error *err)
{
	_cleanup_free_ char *tmp = mem_printf("%s.strip", path);
	_cleanup_str_ struct str order = STR_INIT;

	for (size_t i = 0; i < modules->n; i++)
		str_addf(&order, "%s\n", base_name(modules->v[i]));
	/* The kernel makes no parent folders by itself. */
	if (add_entry(a, "quiz", AE_IFDIR, NULL, path, err) < 0 ||
	    add_entry(a, "quiz/modules", AE_IFDIR, NULL, path, err) < 0 ||
	    add_entry(a, "quiz/modules/order", AE_IFREG, &order, path, err) < 0)
		return -1;
	for (size_t i = 0; i < modules->n; i++) {
		_cleanup_free_ char *file = fs_join(tree, modules->v[i]);
		_cleanup_free_ char *name = mem_printf("quiz/modules/%s", base_name(modules->v[i]));
		_cleanup_str_ struct str content = STR_INIT;

		if (read_stripped(file, arch, tmp, &content, err) < 0 ||
		    add_entry(a, name, AE_IFREG, &content, path, err) < 0)
			return -1;
	}
	return 0;
}

int kernel_modules_cpio(const char *usr, const char *release, const char *arch, const struct strv *modules,
			const char *path, struct error *err)
{
	_cleanup_(cleanup_archive_write_free) struct archive *a = archive_write_new();
	_cleanup_free_ char *tree = mem_printf("%s/lib/modules/%s", usr, release);

	archive_write_set_format_cpio_newc(a);
	archive_write_add_filter_none(a);
	archive_write_set_bytes_in_last_block(a, 4);
	if (archive_write_open_filename(a, path) != ARCHIVE_OK)
		return archive_fail(a, path, err);
	if (fill_cpio(a, tree, arch, modules, path, err) < 0)
		return -1;
	return archive_write_close(a) != ARCHIVE_OK ? archive_fail(a, path, err) : 0;
}
