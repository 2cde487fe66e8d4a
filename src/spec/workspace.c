/* SPDX-License-Identifier: MPL-2.0 */
/* Finding and making .quiz/, and the record of which ones are trusted. */

#include "spec/workspace.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/fs.h"

static const char config_template[] =
	"# Settings for runs in this tree: the long names of quiz's options (quiz help run).\n"
	"# quiz config show prints what is in force and where it comes from.\n"
	"#\n"
	"# kernel = 6.12\n"
	"# profile = zfs,memdev\n"
	"# memory = 2G\n"
	"#\n"
	"# [profile.memdev]\n"
	"# count = 6\n";

/* What makes .quiz/ this one and no other: its path, device and inode. */
static char *identity(const char *dir)
{
	struct stat st;

	if (lstat(dir, &st) < 0)
		return NULL;
	return mem_printf("%s\n%" PRIu64 ":%" PRIu64 "\n", dir, (uint64_t)st.st_dev, (uint64_t)st.st_ino);
}

static char *trust_file(const struct paths *paths, const char *dir)
{
	return mem_printf("%s/trusted/%016" PRIx64, paths->state, hash_str(HASH_INIT, dir));
}

static bool is_trusted(const struct paths *paths, const char *dir)
{
	_cleanup_free_ char *file = trust_file(paths, dir), *want = identity(dir);
	_cleanup_str_ struct str have = STR_INIT;
	struct error err = ERROR_INIT;

	return want && fs_read(file, 8192, &have, &err) == 0 && str_eq(str_cstr(&have), want);
}

static bool is_ours(const char *dir)
{
	struct stat st;

	return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

int workspace_find(const struct paths *paths, const char *from, struct workspace *ret, struct error *err)
{
	_cleanup_free_ char *at = fs_real_path(from ? from : ".", err);

	if (!at)
		return error_wrap(err, "workspace");
	*ret = (struct workspace){ 0 };
	for (;;) {
		_cleanup_free_ char *dir = fs_join(at, ".quiz");
		char *slash;

		if (is_ours(dir)) {
			ret->is_trusted = is_trusted(paths, dir);
			ret->root = take_ptr(at);
			ret->dir = take_ptr(dir);
			return 0;
		}
		slash = strrchr(at, '/');
		if (!slash[1])
			return 0;
		slash[slash == at] = '\0'; /* the parent, "/" at last */
	}
}

static int write_new(const char *dir, const char *name, const char *text, struct error *err)
{
	_cleanup_free_ char *path = fs_join(dir, name);

	if (fs_exists(path))
		return 0;
	return fs_write_atomic(path, text, strlen(text), 0644, false, err);
}

int workspace_init(const struct paths *paths, const char *root, bool trust, struct workspace *ret, struct error *err)
{
	_cleanup_free_ char *real = fs_real_path(root, err), *dir = NULL;

	if (!real)
		return -1;
	dir = fs_join(real, ".quiz");
	if (fs_mkdir_p(dir, 0755, err) < 0)
		return -1;
	if (!is_ours(dir))
		return error_set(err, ERROR_USAGE, "cannot use '%s': it is not a folder of yours", dir);
	if (write_new(dir, ".gitignore", "*\n", err) < 0 || write_new(dir, "quiz.cfg", config_template, err) < 0)
		return -1;
	if (trust) {
		_cleanup_free_ char *file = trust_file(paths, dir), *text = identity(dir);

		if (!text)
			return error_sys(err, errno, "look at '%s'", dir);
		if (fs_mkdir_parents(file, err) < 0 || fs_write_atomic(file, text, strlen(text), 0600, true, err) < 0)
			return error_wrap(err, "trust of '%s'", real);
	}
	ret->is_trusted = is_trusted(paths, dir);
	ret->root = take_ptr(real);
	ret->dir = take_ptr(dir);
	return 0;
}

void workspace_clear(struct workspace *ws)
{
	free(ws->root);
	free(ws->dir);
	*ws = (struct workspace){ 0 };
}
