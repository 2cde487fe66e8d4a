/* SPDX-License-Identifier: MPL-2.0 */
#include "run/unseen.h"

#include <string.h>

#include "run/run_plan.h"
#include "sys/fs.h"

/* A share there would hide what the machine has itself. */
static bool is_systems(const char *path)
{
	static const char *const folders[] = { "/usr", "/bin", "/sbin",  "/lib", "/lib32",
					       "/lib64", "/etc", "/proc", "/sys", "/dev" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (fs_lies_in(path, folders[i]))
			return true;
	return strrchr(path, '/') == path; /* in / itself */
}

/* Was it to be seen at the path that was typed? The machine's current folder is the host's only in a workspace. */
static bool is_shared(const struct run_facts *f, const char *path, bool is_relative)
{
	if (f->is_host_root || (f->wants_workspace && fs_lies_in(path, f->workspace->root)))
		return true;
	for (size_t i = 0; i < f->spec->n_shares && !is_relative; i++)
		if (!f->spec->shares[i].guest && fs_lies_in(path, f->spec->shares[i].host))
			return true;
	return false;
}

void unseen_hint(const struct run_facts *f, const struct run_plan *p, struct error *err)
{
	const char *program = p->program.argv.n ? p->program.argv.v[0] : "";
	_cleanup_free_ char *typed = strchr(program, '/') ? fs_join(f->cwd, program) : NULL;
	_cleanup_free_ char *path = typed ? fs_real_path(typed, NULL) : NULL;
	_cleanup_str_ struct str share = STR_INIT, dir = STR_INIT, file = STR_INIT;

	if (!path || (p->has_shared && is_shared(f, path, *program != '/')))
		return;
	if (is_systems(path)) {
		error_hint(err, "quiz --root host ...   (the host's own root, which has it)");
		return;
	}
	if (!p->has_shared) {
		error_hint(err, "quiz kernel fetch debian, and -k its id   (kernel '%s' has no 9p, which the host's folders need)",
			   p->kernel_id);
		return;
	}
	str_add_mem(&dir, path, (size_t)(strrchr(path, '/') - path));
	str_add(&share, "quiz --share ");
	str_add_shell(&share, str_cstr(&dir));
	str_add_char(&share, ' ');
	str_add_shell(&file, path);
	str_add(&share, str_cstr(&file));
	if (f->workspace->root && fs_lies_in(path, f->workspace->root))
		error_hint(err, "leave out --no-workspace, or: %s", str_cstr(&share));
	else if (!f->workspace->root && f->cwd[1] && fs_lies_in(path, f->cwd)) /* not in / itself */
		error_hint(err, "quiz init   (machines then see what is in '%s'), or: %s", f->cwd, str_cstr(&share));
	else
		error_hint(err, "%s", str_cstr(&share));
}

void unseen_hint_up(const char *id, const json_t *status, const char *program, struct error *err)
{
	const json_t *folders = json_object_get(status, "host_folders");
	_cleanup_free_ char *path = strchr(program, '/') ? fs_real_path(program, NULL) : NULL;
	_cleanup_str_ struct str file = STR_INIT, copy = STR_INIT;
	_cleanup_free_ char *copied = NULL;

	if (!path || is_systems(path))
		return;
	str_add_shell(&file, path);
	for (size_t i = 0; i < json_array_size(folders); i++) {
		const char *folder = json_string_value(json_array_get(folders, i));

		if (!folder || !fs_lies_in(path, folder))
			continue;
		if (*program != '/') /* the guest's current folder is another */
			error_hint(err, "quiz exec %s %s", id, str_cstr(&file));
		return;
	}
	copied = mem_printf("/tmp%s", strrchr(path, '/'));
	str_add_shell(&copy, copied);
	error_hint(err, "quiz cp %s %s:/tmp, then: quiz exec %s %s", str_cstr(&file), id, id, str_cstr(&copy));
}
