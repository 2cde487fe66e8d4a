/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The tree for external modules: what `make -C build M=...` and OpenZFS's
 * configure look at, taken from the source and the build folder into one that
 * needs neither any more and may be moved. The list is that of the kernel's
 * own scripts/package/install-extmod-build: makefiles, headers, scripts and
 * their programs, generated headers, Module.symvers, .config, objtool. Source
 * and objects become one tree, as if it had been built in place.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/kbuild.h"
#include "sys/fs.h"

#define DEPTH_MAX 32

struct copy {
	const char *from, *to; /* the tops */
	bool skip_objects;     /* a build folder's: no .o, no .cmd */
	struct error *err;
};

/* Copies one file or link, making its folder. Modes and times are kept: make compares them. */
static int copy_one(const struct copy *c, const char *rel, const struct stat *st)
{
	_cleanup_free_ char *from = fs_join(c->from, rel);
	_cleanup_free_ char *to = fs_join(c->to, rel);
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char target[4096];
	ssize_t n;

	if (fs_mkdir_parents(to, c->err) < 0)
		return -1;
	if (S_ISREG(st->st_mode)) {
		if (fs_copy_file(from, to, st->st_mode & 0777, c->err) < 0)
			return -1;
		utimensat(AT_FDCWD, to, times, AT_SYMLINK_NOFOLLOW);
		return 0;
	}
	n = readlink(from, target, sizeof(target) - 1);
	if (n < 0)
		return error_sys(c->err, errno, "read link '%s'", from);
	target[n] = '\0';
	/* A link to a place outside the tree means nothing once the source is gone. */
	if (*target == '/')
		return 0;
	if (symlink(target, to) < 0 && errno != EEXIST)
		return error_sys(c->err, errno, "make link '%s'", to);
	return 0;
}

static bool is_left_out(const struct copy *c, const char *name)
{
	if (!c->skip_objects)
		return false;
	return str_ends(name, ".o") || str_ends(name, ".a") || str_ends(name, ".cmd") || str_ends(name, ".d");
}

static int copy_tree(const struct copy *c, const char *rel, unsigned depth)
{
	_cleanup_free_ char *path = fs_join(c->from, rel);
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : error_sys(c->err, errno, "look at '%s'", path);
	if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
		return copy_one(c, rel, &st);
	if (!S_ISDIR(st.st_mode) || depth > DEPTH_MAX)
		return 0;
	if (fs_list(path, &names, c->err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *child = mem_printf("%s/%s", rel, names.v[i]);

		if (!is_left_out(c, names.v[i]) && copy_tree(c, child, depth + 1) < 0)
			return -1;
	}
	return 0;
}

static bool is_makefile(const char *name)
{
	return str_starts(name, "Makefile") || str_starts(name, "Kbuild") || str_eq(name, "Platform");
}

/* The makefiles that lie directly in `rel` ("" is the top). */
static int copy_makefiles(const struct copy *c, const char *rel)
{
	_cleanup_free_ char *path = *rel ? fs_join(c->from, rel) : mem_strdup(c->from);
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (fs_list(path, &names, c->err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *child = *rel ? fs_join(rel, names.v[i]) : mem_strdup(names.v[i]);

		if (is_makefile(names.v[i]) && copy_tree(c, child, 0) < 0)
			return -1;
	}
	return 0;
}

/* Folders called include or scripts, and makefiles of platforms, anywhere below arch/<arch>. */
static int copy_arch(const struct copy *c, const char *rel, unsigned depth)
{
	_cleanup_free_ char *path = fs_join(c->from, rel);
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (depth > DEPTH_MAX || !fs_is_dir(path))
		return 0;
	if (fs_list(path, &names, c->err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *child = fs_join(rel, names.v[i]);
		_cleanup_free_ char *full = fs_join(c->from, child);
		struct stat st;
		int rc = 0;

		if (lstat(full, &st) < 0)
			continue;
		if (str_eq(names.v[i], "include") || str_eq(names.v[i], "scripts") ||
		    str_eq(names.v[i], "Kbuild.platforms") || str_eq(names.v[i], "Platform"))
			rc = copy_tree(c, child, 0);
		else if (S_ISDIR(st.st_mode))
			rc = copy_arch(c, child, depth + 1);
		if (rc < 0)
			return -1;
	}
	return 0;
}

int kbuild_export_tree(const struct kbuild *b, const char *to, struct error *err)
{
	static const char *const source_trees[] = { "include", "scripts" };
	static const char *const object_trees[] = {
		"include", "scripts", "Module.symvers", ".config", "tools/objtool/objtool", "tools/bpf/resolve_btfids",
	};
	const struct copy source = { .from = b->source.dir, .to = to, .err = err };
	const struct copy objects = { .from = b->obj, .to = to, .skip_objects = true, .err = err };
	_cleanup_free_ char *arch = mem_printf("arch/%s", b->arch->kernel_arch);
	_cleanup_free_ char *arch_include = mem_printf("%s/include", arch);
	_cleanup_free_ char *gdb = fs_join(b->source.dir, "scripts/gdb/vmlinux-gdb.py");
	_cleanup_free_ char *gdb_to = fs_join(to, "vmlinux-gdb.py");

	if (copy_makefiles(&source, "") < 0 || copy_makefiles(&source, arch) < 0 || copy_arch(&source, arch, 0) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(source_trees); i++)
		if (copy_tree(&source, source_trees[i], 0) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(object_trees); i++)
		if (copy_tree(&objects, object_trees[i], 0) < 0)
			return -1;
	if (copy_tree(&objects, arch_include, 0) < 0)
		return -1;
	/* gdb loads it from beside the scripts/ that it imports. */
	if (fs_exists(gdb) && fs_copy_file(gdb, gdb_to, 0644, err) < 0)
		return -1;
	return 0;
}
