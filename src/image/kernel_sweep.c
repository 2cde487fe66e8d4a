/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What `quiz kernel build` keeps below the cache, reclaimed:
 *
 *	build/<id>-<key>/	objects: of folders, for the next build, and of what was interrupted
 *	build/<id>.lock		held while that kernel is being built
 *	sources/, git/		unpacked sources, and what was fetched for them; *.lock is held while it is
 *
 * A build that is under way keeps its objects, and all sources, as nothing
 * says which of them it reads.
 */

#include "image/kernel_sweep.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "sys/fs.h"
#include "sys/lock.h"

#define KEY_LENGTH 16

/* "6.1.192+kasan" of "6.1.192+kasan-0123456789abcdef"; NULL when it is no name of a build folder. Caller frees. */
static char *build_id(const char *name)
{
	size_t len = strlen(name);
	const char *key = name + len - KEY_LENGTH;

	if (len < KEY_LENGTH + 2 || key[-1] != '-' || strspn(key, "0123456789abcdef") != KEY_LENGTH)
		return NULL;
	return mem_strndup(name, len - KEY_LENGTH - 1);
}

static bool is_older(const char *path, uint64_t age_s)
{
	struct stat st;

	return lstat(path, &st) == 0 && (uint64_t)time(NULL) >= (uint64_t)st.st_mtime + age_s;
}

uint64_t kernel_builds_sweep(const struct paths *p, uint64_t max_age_s)
{
	_cleanup_free_ char *top = fs_join(p->cache, "build");
	_cleanup_strv_ struct strv names = STRV_INIT;
	uint64_t freed = 0;

	if (fs_list(top, &names, NULL) < 0)
		return 0;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(top, names.v[i]), *id = build_id(names.v[i]);
		_cleanup_free_ char *lock = mem_printf("%s/%s.lock", top, id ? id : "");
		_cleanup_close_ int fd = -1;
		uint64_t bytes = 0;

		if (!id || !fs_is_dir(path) || !is_older(path, max_age_s))
			continue;
		fd = lock_take(lock, LOCK_EXCLUSIVE_MODE, false, "quiz clean\n", NULL, NULL);
		if (fd >= 0 && fs_remove_tree(path, &bytes, NULL) == 0)
			freed += bytes;
	}
	return freed;
}

/* Is a kernel being built (build/), a source unpacked (sources/) or fetched (git/)? */
static bool is_any_locked(const struct paths *p, const char *folder)
{
	_cleanup_free_ char *top = fs_join(p->cache, folder);
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (fs_list(top, &names, NULL) < 0)
		return false;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(top, names.v[i]);

		if (str_ends(names.v[i], ".lock") && lock_is_held(path))
			return true;
	}
	return false;
}

uint64_t kernel_sources_remove(const struct paths *p)
{
	static const char *const folders[] = { "sources", "git" };
	uint64_t freed = 0;

	if (is_any_locked(p, "build") || is_any_locked(p, "sources") || is_any_locked(p, "git"))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_free_ char *path = fs_join(p->cache, folders[i]);
		uint64_t bytes = 0;

		fs_remove_tree(path, &bytes, NULL);
		freed += bytes;
	}
	return freed;
}
