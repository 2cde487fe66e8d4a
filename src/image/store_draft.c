/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A maker's temporary folder is "<store>/.tmp-<id>.<pid>.<n>" (fs_temp_dir),
 * and it holds "<store>/.locks/<id>" while it lives. So who has the lock of an
 * id knows that every temporary folder of that id is dead, whatever its
 * process number says by now. A published folder without a manifest is the
 * rest of a removal that was interrupted. "<store>/.old-<id>.<pid>.<n>" was
 * replaced while somebody used it, and goes when nobody does any more.
 */

#include "image/store_draft.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fs.h"
#include "sys/lock.h"

/* ---- leftovers ---- */

/* The id in ".tmp-<id>.<pid>.<n>"; NULL: it is no such name. Ids may have dots in them. Caller frees. */
static char *temp_id(const char *name)
{
	size_t end = strlen(name), from = strlen(".tmp-");

	if (!str_starts(name, ".tmp-"))
		return NULL;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;

		while (end > from && isdigit((unsigned char)name[end - 1]))
			end--, digits++;
		if (!digits || end <= from + 1 || name[--end] != '.')
			return NULL;
	}
	return mem_strndup(name + from, end - from);
}

static bool is_half_removed(const char *dir)
{
	_cleanup_free_ char *manifest = fs_join(dir, "manifest.json");
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Whoever is removing it right now holds the lock. */
	return fd >= 0 && !fs_exists(manifest) && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static bool is_unused_old(const char *name, const char *dir)
{
	_cleanup_close_ int fd = str_starts(name, ".old-") ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static char *lock_path(const char *store, const char *id)
{
	return mem_printf("%s/.locks/%s", store, id);
}

/* `held`: the id whose lock the caller has; NULL: none. Others' are tried, never waited for. */
static uint64_t sweep(const char *store, const char *held)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	uint64_t sum = 0;

	fs_list(store, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(store, names.v[i]);
		_cleanup_free_ char *id = temp_id(names.v[i]);
		_cleanup_free_ char *lock = id ? lock_path(store, id) : NULL;
		_cleanup_close_ int fd = -1;
		uint64_t bytes = 0;

		if (id && !str_eq(id, held)) {
			fd = lock_take(lock, LOCK_EXCLUSIVE_MODE, false, "quiz: sweeping", NULL, NULL);
			if (fd < 0)
				continue;
		} else if (!id && !is_unused_old(names.v[i], path) && (names.v[i][0] == '.' || !is_half_removed(path))) {
			continue;
		}
		if (fs_remove_tree(path, &bytes, NULL) == 0)
			sum += bytes;
	}
	return sum;
}

uint64_t store_sweep(const struct store_kind *kind, const struct paths *p)
{
	_cleanup_free_ char *store = store_path(kind, p);

	return sweep(store, NULL);
}

/* ---- begin, publish, end ---- */

static const struct progress *waiting_progress; /* lock_take()'s callback has no context */

static void on_wait(const char *holder)
{
	progress_note(waiting_progress, "waiting for %s", *holder ? holder : "another quiz");
}

/* In the store already: loaded into *thing. 0: it is not; -1: what is there is no thing of this kind. */
static int load_existing(const struct store_draft *d, const char *id, void *thing, struct error *err)
{
	struct error why = ERROR_INIT;

	if (!fs_exists(d->final_dir))
		return 0;
	if (store_load(d->kind, d->final_dir, thing, &why) == 0)
		return 1;
	error_set(err, ERROR_MISSING, "cannot make %s '%s': the store has a damaged one: %s", d->kind->noun, id, why.text);
	return error_hint(err, "quiz %s rm %s", d->kind->noun, id);
}

int store_draft_begin(const struct store_kind *kind, const struct paths *p, const char *id, const char *doing,
		      const struct progress *progress, struct store_draft *ret, void *thing, bool *ret_exists,
		      struct error *err)
{
	_cleanup_free_ char *store = store_path(kind, p);
	_cleanup_free_ char *lock = lock_path(store, id);
	_cleanup_free_ char *who = mem_printf("pid %d: %s", (int)getpid(), doing);
	struct store_draft d = { .kind = kind, .lock_fd = -1 };
	int r;

	if (!store_is_valid_id(id))
		return error_set(err, ERROR_USAGE,
				 "cannot name a %s '%s': letters, digits and ._+~- will do, at most 100, a letter or digit first",
				 kind->noun, id);
	waiting_progress = progress;
	d.lock_fd = lock_take(lock, LOCK_EXCLUSIVE_MODE, true, who, on_wait, err);
	if (d.lock_fd < 0)
		return -1;
	sweep(store, id);
	d.final_dir = fs_join(store, id);
	r = load_existing(&d, id, thing, err);
	if (r == 0) {
		memset(thing, 0, kind->size);
		*(char **)((uintptr_t)thing + kind->id) = mem_strdup(id);
		d.dir = fs_temp_dir(store, id, err);
		if (!d.dir)
			kind->clear(thing);
	}
	if (r < 0 || (r == 0 && !d.dir)) {
		store_draft_end(&d);
		return -1;
	}
	*ret_exists = r > 0;
	*ret = d;
	return 0;
}

int store_draft_replace(struct store_draft *draft, void *thing, struct error *err)
{
	const struct store_kind *kind = draft->kind;
	_cleanup_free_ char *store = mem_strndup(draft->final_dir, (size_t)(strrchr(draft->final_dir, '/') - draft->final_dir));
	const char *id = strrchr(draft->final_dir, '/') + 1;

	draft->dir = fs_temp_dir(store, id, err);
	if (!draft->dir)
		return -1;
	draft->replaces = true;
	kind->clear(thing);
	memset(thing, 0, kind->size);
	*(char **)((uintptr_t)thing + kind->id) = mem_strdup(id);
	return 0;
}

/* The old one takes the name of the draft, which says for whom it stays: ".old-" where there was ".tmp-". */
static int exchange(struct store_draft *draft, struct error *err)
{
	char *name = strrchr(draft->dir, '/') + 1;
	_cleanup_free_ char *tmp = mem_strdup(draft->dir);

	memcpy(name, ".old-", sizeof(".old-") - 1); /* what stands behind it stays */
	if (rename(tmp, draft->dir) < 0)
		return error_sys(err, errno, "rename '%s'", tmp);
	if (fs_exchange_dir(draft->dir, draft->final_dir, err) < 0)
		return -1;
	if (is_unused_old(name, draft->dir))
		fs_remove_tree(draft->dir, NULL, NULL);
	return 0;
}

int store_draft_publish(struct store_draft *draft, void *thing, struct error *err)
{
	const struct store_kind *kind = draft->kind;

	*(uint64_t *)((uintptr_t)thing + kind->created) = (uint64_t)time(NULL);
	*(uint64_t *)((uintptr_t)thing + kind->bytes) = fs_tree_bytes(draft->dir);
	if (store_save(kind, draft->dir, thing, err) < 0 ||
	    (draft->replaces && fs_exists(draft->final_dir) ? exchange(draft, err) : fs_publish_dir(draft->dir, draft->final_dir, err)) < 0)
		return -1;
	free(draft->dir);
	draft->dir = NULL;
	kind->clear(thing);
	return store_load(kind, draft->final_dir, thing, err);
}

void store_draft_end(struct store_draft *draft)
{
	if (draft->dir)
		fs_remove_tree(draft->dir, NULL, NULL);
	free(draft->dir);
	free(draft->final_dir);
	close_fd(&draft->lock_fd);
	*draft = (struct store_draft)STORE_DRAFT_INIT;
}
