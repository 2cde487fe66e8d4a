/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From a build folder to a layer, without `make install`.
 *
 * An install relinks every program, copies 2,500 files of tests and 70 MB of
 * debug information; the inner loop needs none of it. What is taken is listed
 * in tables: the modules, copied without their debug sections, and the real
 * programs and libraries (libtool keeps them in .libs/ behind wrapper
 * scripts), which only have to forget that they were linked in the build tree.
 *
 * home/stage.stamp says from which file, at which time and size, each staged
 * file was made. The check that nothing has changed is: make the list of what
 * there is now, by stat(2), and compare it with that text. When they differ,
 * only lines that are not in the old text are worked on. A build that is
 * going on meanwhile changes a file between list and copy, so the list is
 * made again afterwards; what was packed in between is packed again by
 * image/layer.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/elf_file.h"
#include "image/elf_module.h"
#include "image/openzfs_build.h"
#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/lock.h"
#include "sys/proc.h"

#define STAMP_MAX   (1u << 20)
#define STAGE_TRIES 5
#define LIB_DIR	    "usr/local/lib" /* real files; programs built by quiz have it as their RUNPATH */

enum item_kind {
	ITEM_MODULE,  /* kernel module: debug sections left out */
	ITEM_PROGRAM, /* executable or library: debug sections stripped, forgets the build tree */
	ITEM_FILE,    /* as it is */
};

struct item {
	enum item_kind kind;
	char *from, *to;  /* owned; to is relative to stage/ */
	char *line;	  /* owned; its line in the stamp file */
	bool keeps_calls; /* ITEM_MODULE: for the function tracer */
};

struct plan {
	struct item *v; /* owned */
	size_t n;
	struct str body; /* all lines: equal bodies mean that nothing has changed */
	bool keeps_calls;
};

/* Programs: the name in the build, where 2.1 keeps it below cmd/, and its folder in the guest. */
static const struct program_row {
	const char *name, *old_dir, *to;
} programs[] = {
	{ "zpool", "zpool", "usr/local/sbin" },
	{ "zfs", "zfs", "usr/local/sbin" },
	{ "zdb", "zdb", "usr/local/sbin" },
	{ "zed", "zed", "usr/local/sbin" },
	{ "zhack", "zhack", "usr/local/sbin" },
	{ "zinject", "zinject", "usr/local/sbin" },
	{ "zstream", "zstream", "usr/local/sbin" },
	{ "zgenhostid", "zgenhostid", "usr/local/sbin" },
	{ "zfs_ids_to_path", "zfs_ids_to_path", "usr/local/sbin" },
	{ "ztest", "ztest", "usr/local/sbin" },
	{ "raidz_test", "raidz_test", "usr/local/bin" },
	{ "mount.zfs", "mount_zfs", "usr/sbin" },
	{ "zvol_id", "zvol_id", "usr/lib/udev" },
};

static const char *const libraries[] = {
	"libnvpair", "libuutil", "libzfs", "libzfs_core", "libzfsbootenv", "libzpool"
};

/* Plain files that the build generates, or that are in the tree. */
static const struct file_row {
	const char *from, *to;
} files[] = {
	{ "udev/rules.d/60-zvol.rules", "usr/lib/udev/rules.d/60-zvol.rules" },
	{ "udev/rules.d/69-vdev.rules", "usr/lib/udev/rules.d/69-vdev.rules" },
	{ "udev/rules.d/90-zfs.rules", "usr/lib/udev/rules.d/90-zfs.rules" },
	{ "cmd/arcstat/arcstat", "usr/local/bin/arcstat" },
	{ "cmd/arcstat", "usr/local/bin/arcstat" },
	{ "cmd/arc_summary/arc_summary3", "usr/local/bin/arc_summary" },
	{ "cmd/arc_summary", "usr/local/bin/arc_summary" },
	{ "cmd/zarcstat", "usr/local/bin/zarcstat" },
	{ "cmd/zarcsummary", "usr/local/bin/zarcsummary" },
	{ "cmd/dbufstat/dbufstat", "usr/local/bin/dbufstat" },
	{ "cmd/dbufstat", "usr/local/bin/dbufstat" },
	{ "cmd/zilstat", "usr/local/bin/zilstat" },
};

void openzfs_stage_programs(struct strv *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		strv_add(ret, programs[i].name);
}

void openzfs_stage_clear(struct openzfs_stage *st)
{
	strv_clear(&st->dirs);
	strv_clear(&st->modules);
	strv_clear(&st->unstripped);
	free(st->describe);
	free(st->tree);
	free(st->build_dir);
	free(st->reseed);
	free(st->reseed_params);
	*st = (struct openzfs_stage){ 0 };
}

/* ---- the list of what there is ---- */

static void plan_clear(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].from);
		free(p->v[i].to);
		free(p->v[i].line);
	}
	free(p->v);
	str_clear(&p->body);
	*p = (struct plan){ 0 };
}

/* Adds a file that exists. */
static void plan_add(struct plan *p, enum item_kind kind, const char *from, char *to_consumed)
{
	struct item *it = VEC_PUSH(p->v, p->n);

	it->kind = kind;
	it->from = mem_strdup(from);
	it->to = to_consumed;
	it->keeps_calls = p->keeps_calls;
	it->line = mem_printf("file %016llx%s %s %s", (unsigned long long)fs_stamp(from),
			      kind == ITEM_MODULE && p->keeps_calls ? "+trace" : "", it->to, from);
	str_addf(&p->body, "%s\n", it->line);
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static char *guest_module_path(const char *release, const char *name)
{
	return mem_printf("usr/lib/modules/%s/extra/%s.ko", release, name);
}

static void plan_modules(struct plan *p, const struct openzfs_build *b, const char *release, const char *reseed_ko)
{
	for (size_t i = 0; i < OPENZFS_N_MODULES; i++) {
		_cleanup_free_ char *ko = openzfs_module_path(b->dir, i);

		if (ko)
			plan_add(p, ITEM_MODULE, ko, guest_module_path(release, openzfs_module_names[i]));
	}
	if (reseed_ko)
		plan_add(p, ITEM_MODULE, reseed_ko, guest_module_path(release, OPENZFS_RESEED_MODULE));
}

/* The libtool link lib<name>.so says which file is the current one. */
static void plan_library(struct plan *p, const char *libs_dir, const char *name)
{
	_cleanup_free_ char *link = mem_printf("%s/%s.so", libs_dir, name);
	_cleanup_free_ char *path = NULL;
	char target[256];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	if (n <= 0)
		return;
	target[n] = '\0';
	path = fs_join(libs_dir, target);
	if (!strchr(target, '/') && is_file(path))
		plan_add(p, ITEM_PROGRAM, path, mem_printf(LIB_DIR "/%s", target));
}

static void plan_user_space(struct plan *p, const char *dir)
{
	_cleanup_free_ char *new_libs = fs_join(dir, ".libs");
	bool is_new = fs_is_dir(new_libs);

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		const struct program_row *row = &programs[i];
		_cleanup_free_ char *path = is_new ? fs_join(new_libs, row->name)
						   : mem_printf("%s/cmd/%s/.libs/%s", dir, row->old_dir, row->name);
		/* What uses no library of the tree is linked without a wrapper. */
		_cleanup_free_ char *plain =
		    is_new ? fs_join(dir, row->name) : mem_printf("%s/cmd/%s/%s", dir, row->old_dir, row->name);

		if (is_file(path))
			plan_add(p, ITEM_PROGRAM, path, fs_join(row->to, row->name));
		else if (is_file(plain))
			plan_add(p, ITEM_PROGRAM, plain, fs_join(row->to, row->name));
	}
	for (size_t i = 0; i < ARRAY_SIZE(libraries); i++) {
		_cleanup_free_ char *old_libs = mem_printf("%s/lib/%s/.libs", dir, libraries[i]);

		plan_library(p, is_new ? new_libs : old_libs, libraries[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = fs_join(dir, files[i].from);

		if (is_file(path))
			plan_add(p, ITEM_FILE, path, mem_strdup(files[i].to));
	}
}

static void plan_make(struct plan *p, const struct openzfs_build *b, const char *release, const char *reseed_ko)
{
	p->keeps_calls = b->keeps_calls;
	plan_modules(p, b, release, reseed_ko);
	if (b->origin != OPENZFS_PACKAGE)
		plan_user_space(p, b->dir);
}

/* ---- what the stamp file says ---- */

struct stamp {
	struct str text;   /* owned; whole file */
	const char *body;  /* borrowed from text; "" when there is none */
	struct strv needs; /* modules of the kernel that ours depend on */
	char *reseed;	   /* owned; parameters, or NULL */
};

#define STAMP_MAGIC "quiz-openzfs-stage 2\n"

static void stamp_clear(struct stamp *s)
{
	str_clear(&s->text);
	strv_clear(&s->needs);
	free(s->reseed);
	*s = (struct stamp){ .body = "" };
}

/* A stamp that can not be read means: stage everything. */
static void stamp_load(const char *home, struct stamp *ret)
{
	_cleanup_free_ char *path = fs_join(home, "stage.stamp");
	_cleanup_free_ char *stage = fs_join(home, "stage");
	const char *line;

	*ret = (struct stamp){ .body = "" };
	if (!fs_is_dir(stage) || fs_read(path, STAMP_MAX, &ret->text, NULL) < 0 ||
	    !str_starts(str_cstr(&ret->text), STAMP_MAGIC))
		return;
	line = ret->text.p + strlen(STAMP_MAGIC);
	while (*line && !str_starts(line, "file ")) {
		size_t n = strcspn(line, "\n");

		if (str_starts(line, "needs "))
			strv_add_take(&ret->needs, mem_strndup(line + 6, n - 6));
		else if (str_starts(line, "reseed ") && !ret->reseed)
			ret->reseed = mem_strndup(line + 7, n - 7);
		line += n + (line[n] == '\n');
	}
	ret->body = line;
}

static bool has_line(const char *body, const char *line)
{
	size_t n = strlen(line);

	for (const char *p = body; (p = strstr(p, line)); p++)
		if ((p == body || p[-1] == '\n') && p[n] == '\n')
			return true;
	return false;
}

/* ---- copying ---- */

static const char *strip_program(const struct kernel *kernel, char **ret_path)
{
	const struct arch *arch = arch_find(kernel->arch);
	_cleanup_free_ char *name =
	    arch && arch != arch_native() ? mem_printf("%sstrip", arch->cross_prefix) : mem_strdup("strip");

	*ret_path = fs_find_program(name);
	return *ret_path;
}

/* A copy next to its place, worked on there, then renamed over it. */
static int stage_program(const struct item *it, const char *to, const struct kernel *kernel, struct error *err)
{
	_cleanup_free_ char *tmp = mem_printf("%s.new", to);
	_cleanup_free_ char *strip = NULL;

	if (fs_copy_file(it->from, tmp, 0755, err) < 0)
		return -1;
	if (strip_program(kernel, &strip)) {
		const char *argv[] = { strip, "--strip-debug", tmp, NULL };
		struct error ignored = ERROR_INIT;

		/* A script, or a foreign file: it stays as it is. */
		(void)proc_run(argv, NULL, &ignored);
	}
	if (elf_set_rpath(tmp, "/" LIB_DIR, err) < 0) {
		if (!err || err->kind != ERROR_UNSUPPORTED)
			return -1;
		error_clear(err);
	}
	if (rename(tmp, to) < 0)
		return error_sys(err, errno, "rename '%s'", tmp);
	return 0;
}

/*
 * The loader finds a library by its SONAME: beside the file, and, for
 * programs that were linked without a RUNPATH, in the multiarch folder that
 * Debian's loader knows without a cache.
 */
static int link_library(const char *stage, const struct item *it, const struct kernel *kernel, struct error *err)
{
	_cleanup_elf_ struct elf_file ef = ELF_FILE_INIT;
	const struct arch *arch = arch_find(kernel->arch);
	_cleanup_free_ char *soname = NULL, *beside = NULL, *multiarch = NULL, *target = NULL;
	const char *base = strrchr(it->to, '/') + 1;

	if (elf_open(it->from, &ef, err) < 0)
		return -1;
	soname = elf_soname(&ef);
	if (!soname || strchr(soname, '/'))
		return 0;
	beside = mem_printf("%s/" LIB_DIR "/%s", stage, soname);
	target = mem_printf("/" LIB_DIR "/%s", base);
	unlink(beside);
	if (!str_eq(soname, base) && symlink(base, beside) < 0)
		return error_sys(err, errno, "make link '%s'", beside);
	if (!arch || !arch->cross_prefix)
		return 0;
	multiarch =
	    mem_printf("%s/usr/lib/%.*s/%s", stage, (int)strlen(arch->cross_prefix) - 1, arch->cross_prefix, soname);
	if (fs_mkdir_parents(multiarch, err) < 0)
		return -1;
	unlink(multiarch);
	if (symlink(target, multiarch) < 0)
		return error_sys(err, errno, "make link '%s'", multiarch);
	return 0;
}

static int stage_module(const struct item *it, const char *to, const char *release, bool keeps_calls, struct error *err)
{
	_cleanup_elf_ struct elf_file ef = ELF_FILE_INIT;
	_cleanup_free_ char *is_for = openzfs_module_release(it->from);

	if (!str_eq(is_for, release))
		return error_set(err, ERROR_MISSING, "cannot use '%s': it is for kernel %s, not %s", it->from,
				 is_for ? is_for : "(unknown)", release);
	if (elf_open(it->from, &ef, err) < 0)
		return -1;
	return keeps_calls ? elf_copy_module(&ef, to, err) : elf_copy_module_untraced(&ef, to, NULL, err);
}

static int stage_item(const char *stage, const struct item *it, const struct kernel *kernel, struct error *err)
{
	_cleanup_free_ char *to = fs_join(stage, it->to);
	struct stat st;

	if (fs_mkdir_parents(to, err) < 0)
		return -1;
	switch (it->kind) {
	case ITEM_MODULE:
		return stage_module(it, to, kernel->release, it->keeps_calls, err);
	case ITEM_PROGRAM:
		if (stage_program(it, to, kernel, err) < 0)
			return -1;
		return str_starts(it->to, LIB_DIR "/") ? link_library(stage, it, kernel, err) : 0;
	case ITEM_FILE:
		if (stat(it->from, &st) < 0)
			return error_sys(err, errno, "read '%s'", it->from);
		return fs_copy_file(it->from, to, st.st_mode & 0777, err);
	}
	return 0;
}

/* Files of an earlier build that this one does not have. */
static void remove_old(const char *stage, const char *old_body, const struct plan *plan)
{
	_cleanup_strv_ struct strv lines = STRV_INIT;

	strv_split(&lines, old_body, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		_cleanup_strv_ struct strv words = STRV_INIT;
		_cleanup_free_ char *path = NULL;
		bool is_kept = false;

		strv_split(&words, lines.v[i], " ");
		if (words.n < 4 || words.v[2][0] == '/' || strstr(words.v[2], ".."))
			continue;
		for (size_t k = 0; k < plan->n; k++)
			is_kept = is_kept || str_eq(plan->v[k].to, words.v[2]);
		path = fs_join(stage, words.v[2]);
		if (!is_kept)
			unlink(path);
	}
}

/* ---- what the machine needs besides ---- */

/* Modules of the kernel that ours depend on, as names. */
static void find_needs(const struct openzfs_build *b, struct strv *needs)
{
	for (size_t i = 0; i < OPENZFS_N_MODULES; i++) {
		_cleanup_free_ char *ko = openzfs_module_path(b->dir, i);
		_cleanup_elf_ struct elf_file ef = ELF_FILE_INIT;
		_cleanup_strv_ struct strv names = STRV_INIT;
		_cleanup_free_ char *depends = NULL;

		if (!ko || elf_open(ko, &ef, NULL) < 0)
			continue;
		depends = elf_modinfo(&ef, "depends");
		strv_split(&names, depends ? depends : "", ",");
		for (size_t k = 0; k < names.n; k++) {
			bool is_ours = false;

			for (size_t m = 0; m < OPENZFS_N_MODULES; m++)
				is_ours = is_ours || str_eq(names.v[k], openzfs_module_names[m]);
			if (!is_ours && !strv_has(needs, names.v[k]))
				strv_add(needs, names.v[k]);
		}
	}
}

/*
 * `modprobe zfs`, as people and the test suite type it, without running
 * depmod over the kernel's thousands of modules: an install command comes
 * before modules.dep.
 */
static int write_modprobe(const char *stage, const struct plan *plan, const struct strv *needs, struct error *err)
{
	_cleanup_free_ char *path = fs_join(stage, "etc/modprobe.d/quiz-openzfs.conf");
	_cleanup_str_ struct str text = STR_INIT, chain = STR_INIT;

	for (size_t i = 0; i < needs->n; i++)
		str_addf(&chain, "/sbin/modprobe %s; ", needs->v[i]);
	str_add(&text, "# written by quiz: the modules are loaded by path, there is no depmod\n");
	for (size_t i = 0; i < plan->n; i++) {
		_cleanup_free_ char *name = openzfs_module_name(plan->v[i].to);

		if (plan->v[i].kind != ITEM_MODULE || str_eq(name, OPENZFS_RESEED_MODULE))
			continue;
		str_addf(&chain, "[ -d /sys/module/%s ] || /sbin/insmod /%s", name, plan->v[i].to);
		str_addf(&text, "install %s { %s $CMDLINE_OPTS; }\n", name, str_cstr(&chain));
		str_add(&chain, " && ");
	}
	return fs_mkdir_parents(path, err) < 0 ? -1 : fs_write_atomic(path, text.p, text.len, 0644, false, err);
}

/* What is in the layer besides the items. */
static int write_rest(const struct openzfs_build *b, const struct plan *plan, const char *stage, struct stamp *stamp,
		      struct error *err)
{
	/* The kernel tries again with each transaction group while it can not write its pool cache. */
	_cleanup_free_ char *etc = fs_join(stage, "etc/zfs");
	_cleanup_free_ char *spl = openzfs_module_path(b->dir, 0);

	strv_clear(&stamp->needs);
	find_needs(b, &stamp->needs);
	free(stamp->reseed);
	stamp->reseed = spl ? openzfs_reseed_params(spl) : NULL;
	if (fs_mkdir_p(etc, 0755, err) < 0)
		return -1;
	return write_modprobe(stage, plan, &stamp->needs, err);
}

static int stamp_save(const char *home, const struct stamp *stamp, const struct plan *plan, struct error *err)
{
	_cleanup_free_ char *path = fs_join(home, "stage.stamp");
	_cleanup_str_ struct str text = STR_INIT;

	str_add(&text, STAMP_MAGIC);
	for (size_t i = 0; i < stamp->needs.n; i++)
		str_addf(&text, "needs %s\n", stamp->needs.v[i]);
	if (stamp->reseed)
		str_addf(&text, "reseed %s\n", stamp->reseed);
	str_add(&text, str_cstr(&plan->body));
	return fs_write_atomic(path, text.p, text.len, 0644, false, err);
}

/* A stage that was killed leaves half a file beside the whole one, and all that lies here goes into the layer. */
static void sweep(const char *stage, const struct plan *plan)
{
	_cleanup_strv_ struct strv done = STRV_INIT;

	for (size_t i = 0; i < plan->n; i++) {
		_cleanup_free_ char *dir = fs_join(stage, plan->v[i].to);

		*strrchr(dir, '/') = '\0';
		if (strv_has(&done, dir))
			continue;
		fs_sweep_temp_files(dir);
		strv_add(&done, dir);
	}
}

/* One pass: works on what the old stamp does not have. */
static int stage_once(const struct openzfs_build *b, const struct plan *plan, const struct kernel *kernel,
		      struct stamp *stamp, struct error *err)
{
	_cleanup_free_ char *stage = fs_join(b->home, "stage");

	for (size_t i = 0; i < plan->n; i++)
		if (!has_line(stamp->body, plan->v[i].line) && stage_item(stage, &plan->v[i], kernel, err) < 0)
			return error_wrap(err, "stage OpenZFS");
	remove_old(stage, stamp->body, plan);
	sweep(stage, plan);
	if (write_rest(b, plan, stage, stamp, err) < 0)
		return -1;
	return stamp_save(b->home, stamp, plan, err);
}

/* Stages under the lock until the list stays the same. Leaves plan and stamp as they are at the end. */
static int stage_all(const struct openzfs_build *b, const struct kernel *kernel, const char *reseed_ko,
		     struct plan *plan, struct stamp *stamp, struct error *err)
{
	_cleanup_free_ char *lock = fs_join(b->home, "stage.lock");
	_cleanup_close_ int fd = lock_take(lock, LOCK_EXCLUSIVE_MODE, true, "staging OpenZFS", NULL, err);

	if (fd < 0)
		return -1;
	for (int i = 0; i < STAGE_TRIES; i++) {
		stamp_clear(stamp);
		stamp_load(b->home, stamp);
		plan_clear(plan);
		plan_make(plan, b, kernel->release, reseed_ko);
		if (str_eq(stamp->body, str_cstr(&plan->body)))
			return 0;
		if (stage_once(b, plan, kernel, stamp, err) < 0)
			return -1;
	}
	error_set(err, ERROR_BUSY, "cannot stage OpenZFS from '%s': it does not come to rest", b->dir);
	return error_hint(err, "wait until the build there has ended");
}

/* ---- the answer ---- */

static void fill(const struct openzfs_build *b, const struct plan *plan, const struct stamp *stamp,
		 struct openzfs_stage *ret)
{
	_cleanup_free_ char *install = fs_join(b->home, "install");

	if (fs_is_dir(install) && b->origin != OPENZFS_PACKAGE)
		strv_add(&ret->dirs, install);
	strv_addf(&ret->dirs, "%s/stage", b->home);
	for (size_t i = 0; i < stamp->needs.n; i++)
		strv_add(&ret->modules, stamp->needs.v[i]);
	for (size_t i = 0; i < plan->n; i++) {
		const struct item *it = &plan->v[i];
		_cleanup_free_ char *name = openzfs_module_name(it->to);

		if (str_eq(it->to, "usr/local/sbin/zpool"))
			ret->has_user_space = true;
		if (it->kind != ITEM_MODULE)
			continue;
		if (!str_eq(name, OPENZFS_RESEED_MODULE)) {
			strv_addf(&ret->modules, "/%s", it->to);
			strv_add(&ret->unstripped, it->from);
		} else if (stamp->reseed) {
			ret->reseed = mem_printf("/%s", it->to);
			ret->reseed_params = mem_strdup(stamp->reseed);
		}
	}
}

int openzfs_stage_build(const struct paths *paths, const struct openzfs_build *b, const struct kernel *kernel,
			struct openzfs_stage *ret, struct error *err)
{
	_cleanup_(stamp_clear) struct stamp stamp = { .body = "" };
	_cleanup_(plan_clear) struct plan plan = { 0 };
	_cleanup_free_ char *reseed_ko = openzfs_reseed_module(paths, kernel, false);

	stamp_load(b->home, &stamp);
	plan_make(&plan, b, kernel->release, reseed_ko);
	if (!str_eq(stamp.body, str_cstr(&plan.body))) {
		free(reseed_ko);
		reseed_ko = openzfs_reseed_module(paths, kernel, true);
		if (fs_mkdir_p(b->home, 0755, err) < 0 || stage_all(b, kernel, reseed_ko, &plan, &stamp, err) < 0)
			return -1;
		ret->is_restaged = true;
	}
	fill(b, &plan, &stamp, ret);
	ret->describe = openzfs_describe(b);
	return 0;
}
