/* SPDX-License-Identifier: MPL-2.0 */
/* Bounds of the layer cache. An image that a machine has open may be removed: its bytes stay until the machine ends. */

#include "image/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fs.h"

#define IN_USE_S 600 /* between layer_get() and the VMM's open(2), however slow the host */

struct cached {
	char *name; /* owned */
	uint64_t bytes;
	time_t used;
	bool is_temp; /* of a builder that was killed, if it is old */
	bool is_dir;  /* where it laid a tree out */
};

static int compare_used(const void *pa, const void *pb)
{
	const struct cached *a = pa, *b = pb;

	return (a->used > b->used) - (a->used < b->used);
}

static int drop(const char *dir, int dir_fd, const struct cached *c, uint64_t *freed, struct error *err)
{
	_cleanup_free_ char *path = fs_join(dir, c->name);

	if (c->is_dir)
		return fs_remove_tree(path, NULL, err);
	if (unlinkat(dir_fd, c->name, 0) < 0 && errno != ENOENT)
		return error_sys(err, errno, "remove layer '%s'", c->name);
	*freed += c->bytes;
	return 0;
}

int layer_sweep(const struct paths *p, uint64_t max_bytes, uint64_t max_age_s, uint64_t *ret_freed, struct error *err)
{
	_cleanup_free_ char *dir = fs_join(p->cache, "layers");
	_cleanup_close_ int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct cached *all = NULL;
	uint64_t sum = 0, freed = 0;
	size_t n = 0;
	time_t now = time(NULL);
	int r = 0;

	if (ret_freed)
		*ret_freed = 0;
	if (dir_fd < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "open '%s'", dir);
	if (fs_list(dir, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct stat st;

		if (str_starts(names.v[i], ".lock-") || fstatat(dir_fd, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !(S_ISREG(st.st_mode) || (S_ISDIR(st.st_mode) && str_starts(names.v[i], ".tmp-"))))
			continue;
		struct cached *c = VEC_PUSH(all, n);
		c->name = mem_strdup(names.v[i]);
		c->bytes = (uint64_t)st.st_blocks * 512;
		c->used = st.st_mtime;
		c->is_temp = str_starts(c->name, ".tmp-");
		c->is_dir = S_ISDIR(st.st_mode);
		sum += c->bytes;
	}
	if (n)
		qsort(all, n, sizeof(*all), compare_used);
	for (size_t i = 0; r == 0 && i < n; i++) {
		time_t age = now - all[i].used;

		if (age < IN_USE_S)
			continue;
		if (all[i].is_temp || (uint64_t)age > max_age_s || (max_bytes && sum - freed > max_bytes))
			r = drop(dir, dir_fd, &all[i], &freed, err);
	}
	for (size_t i = 0; i < n; i++)
		free(all[i].name);
	free(all);
	if (ret_freed)
		*ret_freed = freed;
	return r;
}
