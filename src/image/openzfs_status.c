/* SPDX-License-Identifier: MPL-2.0 */
/* `quiz openzfs status`: what the next run would use, and why that is not what the tree says. */

#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "image/elf_file.h"
#include "image/openzfs_build.h"
#include "image/openzfs_make.h"
#include "sys/fs.h"

void openzfs_status_clear(struct openzfs_status *s)
{
	free(s->build_dir);
	free(s->describe);
	free(s->commit);
	free(s->commit_why);
	free(s->version);
	free(s->licence);
	strv_clear(&s->args);
	strv_clear(&s->stale);
	*s = (struct openzfs_status){ 0 };
}

static uint64_t mtime_of(const char *dir, const char *name)
{
	_cleanup_free_ char *path = fs_join(dir, name);
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_mtim.tv_sec : 0;
}

static char *licence_of(const struct openzfs_build *b)
{
	_cleanup_free_ char *ko = openzfs_module_path(b->dir, OPENZFS_N_MODULES - 1);
	_cleanup_elf_ struct elf_file ef = ELF_FILE_INIT;

	return ko && elf_open(ko, &ef, NULL) == 0 ? elf_modinfo(&ef, "license") : NULL;
}

/* The tree moved on since the build. */
static void find_stale(const struct openzfs_build *b, struct openzfs_status *s)
{
	struct openzfs_stage look = { .tree = b->tree };
	_cleanup_free_ char *newer = NULL, *ko = NULL, *zpool = NULL;

	for (size_t i = 0; i < OPENZFS_N_MODULES; i++) {
		ko = openzfs_module_path(b->dir, i);
		if (ko)
			strv_add(&look.unstripped, ko);
		free(take_ptr(ko));
	}
	newer = openzfs_newer_source(&look);
	strv_clear(&look.unstripped);
	if (newer)
		strv_addf(&s->stale, "%s is newer than the modules", newer);
	if (s->commit && !str_eq(s->commit, s->describe) && !str_starts(s->describe, s->commit) &&
	    !strstr(s->describe, s->commit))
		strv_addf(&s->stale, "the tree is at %s, the build at %s", s->commit, s->describe);
	if (s->installed && s->installed < s->built)
		strv_add(&s->stale, "the installed tests are older than the build (quiz openzfs make install)");
}

static bool has_zpool(const char *dir)
{
	static const char *const names[] = { ".libs/zpool", "zpool", "cmd/zpool/.libs/zpool" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (mtime_of(dir, names[i]))
			return true;
	return false;
}

int openzfs_status(const struct paths *paths, const struct openzfs_request *request, const struct kernel *kernel,
		   struct openzfs_status *ret, struct error *err)
{
	_cleanup_(openzfs_configured_clear) struct openzfs_configured c = { 0 };
	_cleanup_(openzfs_build_clear) struct openzfs_build b = { 0 };
	_cleanup_free_ char *reseed = openzfs_reseed_module(paths, kernel, false);
	_cleanup_(openzfs_status_clear) struct openzfs_status s = { .has_reseed = reseed != NULL };
	struct error why = ERROR_INIT;

	if (request->workspace_root) {
		s.commit = openzfs_git_describe(request->workspace_root, &s.commit_why);
		s.version = openzfs_meta_version(request->workspace_root);
	}
	if (openzfs_find_build(paths, request, kernel, &b, &why) < 0) {
		if (why.kind != ERROR_MISSING)
			return error_set(err, why.kind, "%s", why.text);
		strv_addf(&s.stale, "%s (%s)", why.text, why.hint);
	} else {
		s.build_dir = mem_strdup(b.dir);
		s.origin = b.origin;
		s.describe = openzfs_describe(&b);
		s.licence = licence_of(&b);
		s.built = (uint64_t)(b.mtime_ns / 1000000000);
		s.staged = mtime_of(b.home, "stage.stamp");
		s.installed = mtime_of(b.home, "install");
		s.has_user_space = has_zpool(b.dir);
		if (b.origin == OPENZFS_QUIZ_BUILD && openzfs_configured_load(b.home, &c, err) < 0)
			return -1;
		strv_add_all(&s.args, c.args.v);
		if (openzfs_configured_is_moved(&c, b.home))
			strv_addf(&s.stale, "the tree lay in another place when it was configured, '%s'; the next make builds it anew",
				  c.home);
		find_stale(&b, &s);
	}
	*ret = s;
	s = (struct openzfs_status){ 0 };
	return 0;
}
