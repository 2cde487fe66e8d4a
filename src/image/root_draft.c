/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A maker's temporary folder is "<store>/.tmp-<id>.<pid>.<n>", and it holds
 * "<store>/.lock-<id>" while it lives. So who has the lock of an id knows that
 * every other temporary folder of that id is dead, whatever its pid says now.
 */

#include "image/root_draft.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/root.h"
#include "sys/fs.h"
#include "sys/lock.h"

static const struct progress *waiting_progress; /* lock_take()'s callback has no context */

static void on_wait(const char *holder)
{
	progress_stage(waiting_progress, "waiting for %s", *holder ? holder : "another quiz");
}

static char *lock_path(const struct paths *p, const char *id)
{
	return mem_printf("%s/roots/.lock-%s", p->data, id);
}

/* "<store>/.tmp-<id>.<pid>.<n>" is of this id? Ids may have dots in them. */
static bool is_temp_of(const char *name, const char *id)
{
	size_t n = strlen(id);

	return str_starts(name, ".tmp-") && strncmp(name + 5, id, n) == 0 && name[5 + n] == '.' &&
	       strspn(name + 6 + n, "0123456789.") == strlen(name + 6 + n);
}

/* The caller holds the id's lock. */
static void sweep_id(const struct paths *p, const char *id)
{
	_cleanup_free_ char *store = root_store_path(p);
	_cleanup_strv_ struct strv names = STRV_INIT;

	fs_list(store, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(store, names.v[i]);

		if (is_temp_of(names.v[i], id))
			fs_remove_tree(path, NULL, NULL);
	}
}

int root_draft_begin(const struct paths *p, const char *id, const char *doing, const struct progress *progress,
		     struct root_draft *ret, struct error *err)
{
	_cleanup_free_ char *store = root_store_path(p);
	_cleanup_free_ char *who = mem_printf("pid %d: %s", (int)getpid(), doing);
	_cleanup_free_ char *lock = NULL;
	struct root_draft d = ROOT_DRAFT_INIT;

	if (!root_is_valid_id(id))
		return error_set(err, ERROR_USAGE,
				 "cannot name a root '%s': letters, digits and ._+- will do, at most 100, the first no dot", id);
	lock = lock_path(p, id);
	waiting_progress = progress;
	d.lock_fd = lock_take(lock, LOCK_EXCLUSIVE_MODE, true, who, on_wait, err);
	if (d.lock_fd < 0)
		return -1;
	sweep_id(p, id);
	d.final_dir = fs_join(store, id);
	if (fs_exists(d.final_dir)) {
		root_draft_abort(&d);
		error_set(err, ERROR_USAGE, "cannot make root '%s': there is one of that name", id);
		return error_hint(err, "quiz root rm %s, or --name another", id);
	}
	d.dir = fs_temp_dir(store, id, err);
	if (!d.dir) {
		root_draft_abort(&d);
		return -1;
	}
	d.root.id = mem_strdup(id);
	*ret = d;
	return 0;
}

int root_draft_finish(struct root_draft *d, struct error *err)
{
	d->root.created = (uint64_t)time(NULL);
	d->root.bytes = fs_tree_bytes(d->dir);
	if (root_save(d->dir, &d->root, err) < 0 || fs_publish_dir(d->dir, d->final_dir, err) < 0)
		return -1;
	free(d->dir);
	d->dir = NULL;
	d->root.dir = mem_strdup(d->final_dir);
	return 0;
}

void root_draft_abort(struct root_draft *d)
{
	if (d->dir)
		fs_remove_tree(d->dir, NULL, NULL);
	close_fd(&d->lock_fd);
	root_clear(&d->root);
	free(d->dir);
	free(d->final_dir);
	*d = (struct root_draft)ROOT_DRAFT_INIT;
}
