/* SPDX-License-Identifier: MPL-2.0 */
/* Which files make sense of a machine's memory, and how gdb, crash and drgn are told of them. */

#include "run/debug_files.h"

#include <string.h>
#include <unistd.h>

#include "image/kernel.h"
#include "sys/fs.h"

#define TREE_DEPTH 4 /* folders below the user's tree in which his modules are looked for */

void debug_files_of(const struct kernel *k, const struct strv *modules, struct debug_files *ret)
{
	_cleanup_free_ char *full = fs_join(k->dir, "debug/vmlinux");
	_cleanup_free_ char *boots = fs_join(k->dir, k->boot_file);
	_cleanup_free_ char *constants = fs_join(k->dir, "build/scripts/gdb/linux/constants.py");
	char *scripts = fs_join(k->dir, "build/vmlinux-gdb.py");
	char *folder;

	*ret = (struct debug_files){ .kernel_id = mem_strdup(k->id), .has_debug = fs_exists(full) };
	ret->vmlinux = mem_strdup(ret->has_debug ? full : boots);
	if (fs_exists(scripts) && fs_exists(constants)) /* the latter is made by the kernel's build */
		ret->gdb_scripts = scripts;
	else
		free(scripts);
	strv_addf(&ret->folders, "%s/debug/lib/modules", k->dir);
	folder = kernel_modules_path(k);
	if (folder)
		strv_add_take(&ret->folders, folder);
	if (modules)
		strv_add_all(&ret->modules, modules->v);
}

int debug_files_find(const struct paths *paths, const char *kernel_id, const json_t *modules, struct debug_files *ret,
		     struct error *err)
{
	_cleanup_strv_ struct strv list = STRV_INIT;
	struct kernel k = { 0 };
	const json_t *m;
	size_t i;

	if (kernel_find(paths, NULL, kernel_id, NULL, &k, err) < 0)
		return -1;
	json_array_foreach(modules, i, m)
		if (json_is_string(m))
			strv_add(&list, json_string_value(m));
	debug_files_of(&k, list.n ? &list : NULL, ret);
	kernel_clear(&k);
	return 0;
}

void debug_files_clear(struct debug_files *d)
{
	free(d->kernel_id);
	free(d->vmlinux);
	free(d->gdb_scripts);
	strv_clear(&d->folders);
	strv_clear(&d->modules);
	*d = (struct debug_files){ 0 };
}

/* "/x/zfs.ko" is module zfs. */
static char *module_name(const char *path)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	return mem_strndup(base, strcspn(base, "."));
}

void debug_files_commands(const struct debug_files *d, const char *vmcore, const char *indent, struct str *out)
{
	str_addf(out, "%scrash ", indent);
	str_add_shell(out, d->vmlinux);
	str_add_char(out, ' ');
	str_add_shell(out, vmcore);
	for (size_t i = 0; i < d->modules.n; i++) {
		_cleanup_free_ char *name = module_name(d->modules.v[i]);

		str_addf(out, "\n%s  crash> mod -s %s %s", indent, name, d->modules.v[i]);
	}
	str_addf(out, "\n%sdrgn -c ", indent);
	str_add_shell(out, vmcore);
	str_add(out, " -s ");
	str_add_shell(out, d->vmlinux);
	for (size_t i = 0; i < d->modules.n; i++) {
		str_add(out, " -s ");
		str_add_shell(out, d->modules.v[i]);
	}
	str_add_char(out, '\n');
	if (!d->has_debug)
		str_addf(out, "%s(kernel '%s' has no debug information in the store, which both need: quiz kernel fetch debian "
			      "--debug, or a kernel of quiz kernel build)\n",
			 indent, d->kernel_id);
}

/* A string of gdb's python. */
static void add_quoted(struct str *out, const char *text)
{
	str_add_char(out, '"');
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			str_add_char(out, '\\');
		str_add_char(out, *p);
	}
	str_add_char(out, '"');
}

void debug_files_gdb(const struct debug_files *d, const char *share, const char *tree, const char *socket,
		     struct str *out)
{
	str_addf(out, "source %s/gdb/quiz.py\n", share);
	if (d->gdb_scripts)
		str_addf(out, "source %s\n", d->gdb_scripts);
	for (size_t i = 0; i < d->modules.n; i++) {
		_cleanup_free_ char *name = module_name(d->modules.v[i]);

		str_addf(out, "python quiz_modules.know(\"%s\", ", name);
		add_quoted(out, d->modules.v[i]);
		str_add(out, ")\n");
	}
	for (size_t i = 0; i < d->folders.n; i++) {
		str_add(out, "python quiz_modules.look_in(");
		add_quoted(out, d->folders.v[i]);
		str_add(out, ")\n");
	}
	if (tree) {
		str_add(out, "python quiz_modules.look_in(");
		add_quoted(out, tree);
		str_addf(out, ", %u)\n", TREE_DEPTH);
	}
	str_addf(out, "target remote %s\nquiz-modules\n", socket);
}
