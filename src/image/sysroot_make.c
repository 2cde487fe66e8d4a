/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation. apt resolves the development packages and all that they
 * depend on for the other architecture, against an empty list of installed
 * packages, and downloads them. Each is unpacked for its headers, libraries
 * and pkg-config files; nothing of it is run. Packages link libfoo.so to
 * /lib/<triplet>/libfoo.so.1: such links are turned to the sysroot's own file,
 * as the host's /lib is another architecture's.
 */

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/apt.h"
#include "image/deb.h"
#include "image/sysroot.h"
#include "sys/fs.h"
#include "sys/lock.h"
#include "sys/progress.h"

#define LIST_FILE "packages.list"

/*
 * What OpenZFS's configure looks for; each brings the library itself. curl is not for
 * linking: configure asks the host's curl-config, and then its header is included.
 */
static const char *const packages[] = {
	"libaio-dev",	"libattr1-dev", "libblkid-dev", "libcurl4-openssl-dev", "libssl-dev",
	"libtirpc-dev", "libudev-dev",	"uuid-dev",	"zlib1g-dev",
};

/* "lib/x" and "usr/lib/x" are one folder; what is neither a header nor a library stays out. */
static char *place(void *ctx, const char *path)
{
	static const char *const wanted[] = { "usr/include/", "usr/lib/", "usr/share/pkgconfig/" };

	(void)ctx;
	if (str_starts(path, "lib/"))
		return mem_printf("usr/%s", path);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (str_starts(path, wanted[i]))
			return mem_strdup(path);
	return NULL;
}

/* An absolute link, to where its target is in the sysroot (at the place where it will be published). */
static int turn_link(const char *link, const char *root, struct error *err)
{
	_cleanup_free_ char *inner = NULL, *target = NULL;
	char text[4096];
	ssize_t n = readlink(link, text, sizeof(text) - 1);

	if (n <= 0 || *text != '/')
		return 0;
	text[n] = '\0';
	inner = place(NULL, text + 1);
	if (inner)
		target = fs_join(root, inner);
	if (unlink(link) < 0 || (target && symlink(target, link) < 0))
		return error_sys(err, errno, "change the link '%s'", link);
	return 0;
}

static int turn_links(const char *dir, const char *root, struct error *err)
{
	char *const paths[] = { (char *)dir, NULL };
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *e;
	int r = 0;

	if (!fts)
		return error_sys(err, errno, "read folder '%s'", dir);
	while (r == 0 && (e = fts_read(fts)))
		if (e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE)
			r = turn_link(e->fts_path, root, err);
	fts_close(fts);
	return r;
}

static int download(struct apt *apt, const char *debs, const struct progress *progress, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;

	/* The lists' lock is ours; dpkg's is the host's, and nothing is installed. */
	strv_add_all(&words, (char *[]){ "install", "--download-only", "--yes", "--no-install-recommends", "-o",
					 "Debug::NoLocking=true", "-o", NULL });
	strv_addf(&words, "Dir::Cache::archives=%s/", debs);
	for (size_t i = 0; i < ARRAY_SIZE(packages); i++)
		strv_add(&words, packages[i]);
	progress_stage(progress, "downloading development packages for %s", apt->debian_arch);
	return apt_run(apt, &words, debs, 0, progress, err);
}

static int unpack(const char *debs, const char *dir, struct str *list, const struct progress *progress, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (fs_list(debs, &names, err) < 0)
		return -1;
	progress_stage(progress, "unpacking them");
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *deb = fs_join(debs, names.v[i]);

		if (!str_ends(deb, ".deb"))
			continue;
		progress_count(progress, i, names.n);
		if (deb_unpack(deb, dir, place, NULL, err) < 0)
			return -1;
		str_addf(list, "%s\n", names.v[i]);
	}
	return 0;
}

static int fill(struct apt *apt, const char *dir, const char *root, const struct progress *progress, struct error *err)
{
	_cleanup_free_ char *debs = fs_join(dir, "debs"), *partial = fs_join(debs, "partial"), *lib = fs_join(dir, "lib");
	_cleanup_free_ char *path = fs_join(dir, LIST_FILE);
	_cleanup_str_ struct str list = STR_INIT;

	if (fs_mkdir_p(partial, 0755, err) < 0 || apt_update(apt, progress, err) < 0 ||
	    download(apt, debs, progress, err) < 0 || unpack(debs, dir, &list, progress, err) < 0 ||
	    fs_remove_tree(debs, NULL, err) < 0 || turn_links(dir, root, err) < 0)
		return -1;
	if (symlink("usr/lib", lib) < 0)
		return error_sys(err, errno, "make the link '%s'", lib);
	return fs_write_atomic(path, str_cstr(&list), list.len, 0644, false, err);
}

static int make_locked(const struct paths *paths, const struct arch *arch, const char *root, const struct progress *progress,
		       struct error *err)
{
	_cleanup_apt_ struct apt apt = { .lock_fd = -1 };
	_cleanup_free_ char *suite = apt_suite_for(arch), *parent = mem_printf("%s/sysroots", paths->cache);
	_cleanup_free_ char *dir = NULL;
	struct apt_spec spec = { .suite = suite, .debian_arch = arch->debian };

	if (apt_open(paths, &spec, progress, &apt, err) < 0 || !(dir = fs_temp_dir(parent, arch->name, err)))
		return -1;
	if (fill(&apt, dir, root, progress, err) < 0 || fs_remove_tree(root, NULL, err) < 0 ||
	    fs_publish_dir(dir, root, err) < 0) {
		fs_remove_tree(dir, NULL, NULL);
		return error_wrap(err, "make a sysroot for %s", arch->name);
	}
	return 0;
}

int sysroot_make(const struct paths *paths, const struct arch *arch, const struct progress *progress, struct error *err)
{
	_cleanup_free_ char *root = sysroot_path(paths, arch), *list = fs_join(root, LIST_FILE);
	_cleanup_free_ char *lock_path = mem_printf("%s/sysroots/%s.lock", paths->cache, arch->name);
	_cleanup_close_ int lock = -1;

	if (fs_exists(list))
		return 0;
	lock = lock_take(lock_path, LOCK_EXCLUSIVE_MODE, true, "making a sysroot", NULL, err);
	if (lock < 0)
		return -1;
	return fs_exists(list) ? 0 : make_locked(paths, arch, root, progress, err);
}
