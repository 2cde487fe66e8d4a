/* SPDX-License-Identifier: MPL-2.0 */
/*
 *	source ──> fragments ──> id and key ──┬─> in the store with this key: done
 *	                                      └─> configure ──> compile ──> collect ──> publish
 *
 * One lock for each id: who comes second waits, and then finds it done. The
 * key (source, configuration, compiler family) lies in the kernel's folder as
 * build.key. What is published is only what make has finished; a build that
 * is cut anywhere leaves objects in its build folder and nothing in the store.
 * The lock lasts as long as any process of the build: make's compilers outlive
 * a quiz that was killed, for a moment.
 */

#include "image/kernel_build.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/kbuild.h"
#include "image/kernel.h"
#include "sys/fs.h"
#include "sys/lock.h"
#include "sys/loop.h"
#include "sys/proc.h"

#define KEY_FILE "build.key"

void kernel_build_result_clear(struct kernel_build_result *r)
{
	kernel_clear(&r->kernel);
	free(r->report);
	*r = (struct kernel_build_result){ 0 };
}

static void kbuild_clear(struct kbuild *b)
{
	kernel_source_clear(&b->source);
	kconfig_clear(&b->kconfig);
	free(b->id);
	free(b->flavour);
	free(b->key);
	free(b->localversion);
	free(b->obj);
	free(b->log_path);
	close_fd(&b->log_fd);
	close_fd(&b->lock_fd);
	strv_clear(&b->make);
	strv_clear(&b->env);
	strv_clear(&b->first_errors);
}

static const struct progress *waiting_progress; /* lock_take()'s callback has no context */

static void on_wait(const char *holder)
{
	progress_note(waiting_progress, "waiting for %s", *holder ? holder : "another quiz");
}

static int take_lock(struct kbuild *b, struct error *err)
{
	_cleanup_free_ char *path = mem_printf("%s/build/%s.lock", b->paths->cache, b->id);
	_cleanup_free_ char *who = mem_printf("pid %d: building kernel %s\n", (int)getpid(), b->id);

	waiting_progress = b->progress;
	b->lock_fd = lock_take(path, LOCK_EXCLUSIVE_MODE, true, who, on_wait, err);
	return b->lock_fd < 0 ? -1 : 0;
}

/* ---- What is in the store already ---- */

/* 1: the same thing is there (*ret); 0: build (old->id set: and replace that one); -1: somebody else's. */
static int look_in_store(struct kbuild *b, struct kernel *ret, struct kernel *old, struct error *err)
{
	_cleanup_free_ char *store = store_path(&kernel_store, b->paths);
	_cleanup_free_ char *dir = fs_join(store, b->id);
	_cleanup_free_ char *key_path = fs_join(dir, KEY_FILE);
	_cleanup_str_ struct str key = STR_INIT;
	struct kernel k = { 0 };

	if (kernel_load(dir, &k, NULL) < 0)
		return 0;
	if (fs_read(key_path, 256, &key, NULL) == 0 && str_eq(str_cstr(&key), b->key) &&
	    b->source.kind != KERNEL_SOURCE_TREE) {
		*ret = k;
		return 1;
	}
	if (!str_eq(k.origin, "built") || !str_eq(k.origin_text, b->source.text)) {
		error_set(err, ERROR_USAGE, "cannot build kernel '%s': the store has one of that name, made from %s", b->id,
			  k.origin_text ? k.origin_text : k.origin);
		kernel_clear(&k);
		return error_hint(err, "give this one another name (--name), or: quiz kernel rm %s", b->id);
	}
	*old = k;
	return 0;
}

/* ---- Compiling ---- */

static int prepare(struct kbuild *b, struct error *err)
{
	b->obj = mem_printf("%s/build/%s-%s", b->paths->cache, b->id, b->key);
	b->log_path = mem_printf("%s/build/%s.log", b->paths->cache, b->id);
	if (kbuild_check_folders(b, err) < 0 || kbuild_check_tools(b, err) < 0)
		return -1;
	if (fs_mkdir_p(b->obj, 0755, err) < 0)
		return -1;
	b->log_fd = open(b->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (b->log_fd < 0)
		return error_sys(err, errno, "open '%s'", b->log_path);
	kbuild_make_init(b);
	return 0;
}

/* Where vmlinux itself boots, a stripped copy of it is the image: by PVH, and on architectures that have no other. */
static bool boots_vmlinux(const struct kbuild *b, const char *config)
{
	return kernel_config_value(config, "PVH") == TRI_YES || str_eq(b->arch->image, "vmlinux");
}

static int compile(struct kbuild *b, struct error *err)
{
	const char *targets[5];
	_cleanup_free_ char *log = fs_join(b->obj, "ccache.log");
	_cleanup_str_ struct str config = STR_INIT;
	_cleanup_free_ char *config_path = fs_join(b->obj, ".config");
	size_t n = 0;

	if (fs_read(config_path, KCONFIG_MAX, &config, err) < 0)
		return -1;
	unlink(log);
	kbuild_count(b);
	targets[n++] = "vmlinux";
	if (!boots_vmlinux(b, str_cstr(&config)))
		targets[n++] = b->arch->image;
	if (kernel_config_value(str_cstr(&config), "MODULES") == TRI_YES)
		targets[n++] = "modules";
	if (kernel_config_value(str_cstr(&config), "GDB_SCRIPTS") == TRI_YES)
		targets[n++] = "scripts_gdb";
	targets[n] = NULL;
	return kbuild_make(b, "compiling", targets, err);
}

/* ---- Collecting ---- */

static int copy_from_obj(const struct kbuild *b, const char *name, const char *dir, const char *to, struct error *err)
{
	_cleanup_free_ char *from = fs_join(b->obj, name);
	_cleanup_free_ char *path = fs_join(dir, to);

	return fs_mkdir_parents(path, err) < 0 ? -1 : fs_copy_file(from, path, 0644, err);
}

static int strip_vmlinux(const struct kbuild *b, const char *dir, struct error *err)
{
	_cleanup_free_ char *strip = kbuild_tool(b, "strip");
	_cleanup_free_ char *from = fs_join(b->obj, "vmlinux");
	_cleanup_free_ char *to = fs_join(dir, "vmlinux");
	const char *argv[] = { strip, "--strip-all", "-o", to, from, NULL };

	return proc_run(argv, NULL, err);
}

/* Modules twice: stripped for the guest, whole for symbols. depmod is finish's. */
static int install_modules(struct kbuild *b, const char *dir, struct error *err)
{
	_cleanup_free_ char *guest = mem_printf("INSTALL_MOD_PATH=%s/layer/usr", dir);
	_cleanup_free_ char *debug = mem_printf("INSTALL_MOD_PATH=%s/debug", dir);
	const char *for_guest[] = { guest, "INSTALL_MOD_STRIP=1", "DEPMOD=true", "modules_install", NULL };
	const char *for_debug[] = { debug, "DEPMOD=true", "modules_install", NULL };

	if (kbuild_make(b, "installing modules of", for_guest, err) < 0 ||
	    kbuild_make(b, "installing symbols of", for_debug, err) < 0)
		return -1;
	return 0;
}

/* modules_install leaves links to the source and the build folder, both of which may go away. */
static void remove_links(const char *modules)
{
	static const char *const names[] = { "build", "source" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = fs_join(modules, names[i]);

		unlink(path);
	}
}

static int read_release(const struct kbuild *b, char **ret, struct error *err)
{
	_cleanup_free_ char *path = fs_join(b->obj, "include/config/kernel.release");
	_cleanup_str_ struct str text = STR_INIT;

	if (fs_read(path, 256, &text, err) < 0)
		return -1;
	*ret = mem_strndup(str_cstr(&text), strcspn(str_cstr(&text), "\n"));
	return 0;
}

static int collect(struct kbuild *b, struct kernel_draft *draft, struct error *err)
{
	_cleanup_free_ char *build = fs_join(draft->at.dir, "build");
	_cleanup_free_ char *vmlinux_link = fs_join(build, "vmlinux");
	_cleanup_free_ char *symvers = fs_join(b->obj, "Module.symvers");
	_cleanup_free_ char *key_path = fs_join(draft->at.dir, KEY_FILE);
	_cleanup_free_ char *config_path = fs_join(b->obj, ".config");
	_cleanup_free_ char *layer_modules = NULL, *debug_modules = NULL;
	_cleanup_str_ struct str config = STR_INIT;
	struct kernel *k = &draft->k;

	if (read_release(b, &k->release, err) < 0 || fs_read(config_path, KCONFIG_MAX, &config, err) < 0)
		return -1;
	progress_stage(b->progress, "collecting %s", b->id);
	if (boots_vmlinux(b, str_cstr(&config))) {
		k->boot_file = mem_strdup("vmlinux");
		if (strip_vmlinux(b, draft->at.dir, err) < 0)
			return -1;
	} else {
		_cleanup_free_ char *image = mem_printf("arch/%s/boot/%s", b->arch->kernel_arch, b->arch->image);

		k->boot_file = mem_strdup("image");
		if (copy_from_obj(b, image, draft->at.dir, "image", err) < 0)
			return -1;
	}
	if (copy_from_obj(b, "vmlinux", draft->at.dir, "debug/vmlinux", err) < 0 ||
	    copy_from_obj(b, "System.map", draft->at.dir, "System.map", err) < 0 ||
	    copy_from_obj(b, ".config", draft->at.dir, "config", err) < 0)
		return -1;
	if (fs_exists(symvers)) { /* there is none without CONFIG_MODULES */
		if (install_modules(b, draft->at.dir, err) < 0 || kbuild_export_tree(b, build, err) < 0)
			return -1;
		layer_modules = mem_printf("%s/layer/usr/lib/modules/%s", draft->at.dir, k->release);
		debug_modules = mem_printf("%s/debug/lib/modules/%s", draft->at.dir, k->release);
		remove_links(layer_modules);
		remove_links(debug_modules);
		if (symlink("../debug/vmlinux", vmlinux_link) < 0)
			return error_sys(err, errno, "make link '%s'", vmlinux_link);
	}
	k->version = mem_strdup(b->source.version);
	k->flavour = mem_strdup(b->flavour);
	k->origin = mem_strdup("built");
	k->origin_text = mem_strdup(b->source.text);
	k->arch = mem_strdup(b->arch->name);
	return fs_write_atomic(key_path, b->key, strlen(b->key), 0644, false, err);
}

static int publish(struct kbuild *b, struct kernel *old, struct error *err)
{
	_cleanup_free_ char *doing = mem_printf("building kernel %s", b->id);
	struct kernel_draft draft = KERNEL_DRAFT_INIT;
	bool exists = false;

	if (kernel_draft_begin(b->paths, b->id, doing, b->progress, &draft, &exists, err) < 0)
		return -1;
	if (exists && (!old->id || draft.k.created != old->created)) { /* fetched or added under this name in the meantime */
		kernel_draft_abort(&draft);
		return error_set(err, ERROR_BUSY, "cannot publish kernel '%s': another one of that name came in between", b->id);
	}
	if ((exists && store_draft_replace(&draft.at, &draft.k, err) < 0) || collect(b, &draft, err) < 0) {
		kernel_draft_abort(&draft);
		return -1;
	}
	if (kernel_draft_finish(&draft, b->progress, err) < 0)
		return -1;
	b->result->kernel = draft.k;
	draft.k = (struct kernel){ 0 };
	kernel_draft_abort(&draft);
	return 0;
}

/* Configures, in a build folder that goes away again unless it was there before or is wanted. */
static int try_configuration(struct kbuild *b, struct error *err)
{
	_cleanup_free_ char *obj = mem_printf("%s/build/%s-%s", b->paths->cache, b->id, b->key);
	bool was_there = fs_exists(obj);
	int rc = prepare(b, err) < 0 ? -1 : kbuild_configure(b, err);

	if (!was_there && !b->req->keep_objects)
		fs_remove_tree(obj, NULL, NULL);
	b->result->kernel.id = mem_strdup(b->id);
	return rc;
}

static int build_it(struct kbuild *b, struct error *err)
{
	struct kernel old = { 0 };
	int rc;

	if (b->req->is_dry)
		return try_configuration(b, err);
	rc = look_in_store(b, &b->result->kernel, &old, err);
	if (rc == 1) {
		b->result->was_there = true;
		return 0;
	}
	if (rc < 0 || prepare(b, err) < 0 || kbuild_configure(b, err) < 0 || compile(b, err) < 0) {
		kernel_clear(&old);
		return -1;
	}
	kbuild_statistics(b);
	rc = publish(b, &old, err);
	kernel_clear(&old);
	if (rc == 0 && b->source.kind != KERNEL_SOURCE_TREE && !b->req->keep_objects) {
		progress_stage(b->progress, "cleaning up");
		rc = fs_remove_tree(b->obj, NULL, err);
	}
	return rc;
}

int kernel_build(const struct paths *p, const struct kernel_build_request *req, const struct progress *progress,
		 struct kernel_build_result *ret, struct error *err)
{
	struct kernel_build_result result = { 0 };
	struct kbuild b = {
		.paths = p, .req = req, .progress = progress, .result = &result, .log_fd = -1, .lock_fd = -1,
	};
	uint64_t start = loop_now_ms();
	int rc = -1;

	if (arch_choose(req->arch, &b.arch, err) == 0 &&
	    kernel_source_get(p, req->kind, req->what, progress, &b.source, err) == 0 && kbuild_plan(&b, err) == 0 &&
	    take_lock(&b, err) == 0)
		rc = build_it(&b, err);
	kbuild_clear(&b);
	if (rc < 0 && err && err->kind == ERROR_SYSTEM && (err->errnum == ENOSPC || err->errnum == EDQUOT) && !*err->hint)
		kbuild_hint_room(err);
	if (rc < 0) {
		kernel_build_result_clear(&result);
		return -1;
	}
	result.elapsed_ms = loop_now_ms() - start;
	*ret = result;
	return 0;
}
