/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: a template is found by its key and believed only when
 * its manifest is the text that this run computed, followed by what publishing
 * added: the sizes of its files and the host's boot. The boot, because nothing
 * is synced (a hundred megabytes would have to be written while the user
 * waits): after a power cut a file system may have the names without the
 * content.
 *
 * Whoever uses one holds a shared flock on its lock file; removal takes it
 * exclusively first, then renames the folder away, so that a finder either has
 * the lock or sees nothing. An exclusive lock is only ever held for a moment
 * (removal, or somebody who asks whether it is in use), so a finder waits for
 * it: a spurious "none" would be a machine that boots for nothing. Locks go
 * with their processes: nothing has to be cleaned up after a crash but
 * temporary folders and <key>.maker files, whose locks tell that their makers
 * are dead.
 */

#include "run/template.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "run/template_place.h"
#include "sys/fs.h"
#include "sys/lock.h"

#define TMPFS_MAGIC_NUMBER 0x01021994
#define MANIFEST_MAX (1u << 20)
#define INFO_MAX (1u << 16)
/* Room that must stay free beside a template: others live on that file system too. */
#define SPARE_BYTES (256ull << 20)

/* The one place that the environment names, for tests and for machines with a small /dev/shm; NULL: none. */
static const char *named_place(void)
{
	const char *dir = getenv("QUIZ_TEMPLATE_DIR");

	return dir && *dir == '/' ? dir : NULL;
}

void template_places(const struct paths *p, char *ret[TEMPLATE_N_PLACES])
{
	const char *named = named_place();

	ret[0] = named ? mem_strdup(named) : mem_printf("/dev/shm/quiz-%u", (unsigned)geteuid());
	ret[1] = named ? NULL : mem_printf("%s/templates", p->cache);
}

void template_places_free(char *v[TEMPLATE_N_PLACES])
{
	for (int i = 0; i < TEMPLATE_N_PLACES; i++)
		free(v[i]);
}

bool template_place_is_safe(const char *dir)
{
	struct stat st;

	return dir && lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022);
}

static void set_paths(struct template *t)
{
	free(t->ram_path);
	free(t->state_path);
	free(t->console_path);
	t->ram_path = mem_printf("%s/ram", t->dir);
	t->state_path = mem_printf("%s/state", t->dir);
	t->console_path = mem_printf("%s/console.log", t->dir);
}

static struct template *template_new(const char *key, char *dir_consumed)
{
	struct template *t = mem_alloc(sizeof(*t));

	t->key = mem_strdup(key);
	t->dir = dir_consumed;
	t->lock_fd = t->maker_fd = -1;
	set_paths(t);
	return t;
}

static void template_destroy(struct template *t)
{
	free(t->key);
	free(t->dir);
	free(t->final_dir);
	free(t->ram_path);
	free(t->state_path);
	free(t->console_path);
	close_fd(&t->lock_fd);
	if (t->maker_lock)
		lock_remove(t->maker_lock, &t->maker_fd);
	free(t->maker_lock);
	free(t);
}

static int lock_use(const char *dir)
{
	_cleanup_free_ char *lock = mem_printf("%s/lock", dir);

	return lock_take_existing(lock, LOCK_SHARED_MODE, true, NULL);
}

static uint64_t size_of(const char *dir, const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", dir, name);
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* The whole manifest of a template in this folder. */
static void manifest_text(const char *dir, const char *text, struct str *out)
{
	_cleanup_str_ struct str boot = STR_INIT;

	fs_read("/proc/sys/kernel/random/boot_id", 64, &boot, NULL); /* none: one that never changes */
	str_addf(out, "%sram=%" PRIu64 "\nstate=%" PRIu64 "\nboot=%s\n", text, size_of(dir, "ram"), size_of(dir, "state"),
		 str_cstr(&boot));
}

static bool manifest_matches(const char *dir, const char *text)
{
	_cleanup_free_ char *path = mem_printf("%s/manifest", dir);
	_cleanup_str_ struct str have = STR_INIT;
	_cleanup_str_ struct str want = STR_INIT;

	manifest_text(dir, text, &want);
	return fs_read(path, MANIFEST_MAX, &have, NULL) == 0 && have.len == want.len &&
	       !memcmp(str_cstr(&have), str_cstr(&want), want.len);
}

int template_remove_dir(const char *dir, uint64_t *ret_bytes, struct error *err)
{
	_cleanup_free_ char *lock = mem_printf("%s/lock", dir);
	_cleanup_free_ char *gone = NULL;
	_cleanup_close_ int fd = lock_take_existing(lock, LOCK_EXCLUSIVE_MODE, false, err);
	const char *base = strrchr(dir, '/');

	if (ret_bytes)
		*ret_bytes = 0;
	/* One without a lock file is nobody's. */
	if (fd < 0 && (fs_exists(lock) || !fs_is_dir(dir)))
		return -1;
	gone = mem_printf("%.*s/.tmp-gone-%s.%d", (int)(base - dir), dir, base + 1, (int)getpid());
	if (rename(dir, gone) < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "remove '%s'", dir);
	close_fd(&fd); /* whoever waits for it learns that it is gone */
	return fs_remove_tree(gone, ret_bytes, err);
}

int template_find(const struct paths *p, const char *key, const char *text, struct template **ret)
{
	char *place[TEMPLATE_N_PLACES];
	int found = 0;

	template_places(p, place);
	for (int i = 0; i < TEMPLATE_N_PLACES && !found; i++) {
		char *dir = mem_printf("%s/%s", place[i], key);
		_cleanup_free_ char *used = mem_printf("%s/used", dir);
		_cleanup_close_ int fd = -1;

		if (!template_place_is_safe(place[i]) || (fd = lock_use(dir)) < 0) {
			free(dir);
			continue;
		}
		if (!manifest_matches(dir, text)) {
			close_fd(&fd);
			template_remove_dir(dir, NULL, NULL);
			free(dir);
			continue;
		}
		utimensat(AT_FDCWD, used, NULL, 0);
		*ret = template_new(key, dir);
		(*ret)->lock_fd = take_fd(&fd);
		found = 1;
	}
	template_places_free(place);
	return found;
}

static bool has_room(const char *dir, bool want_tmpfs, uint64_t bytes)
{
	struct statfs st;

	if (statfs(dir, &st) < 0 || (want_tmpfs && (unsigned long)st.f_type != TMPFS_MAGIC_NUMBER))
		return false;
	return (uint64_t)st.f_bavail * (uint64_t)st.f_bsize >= bytes + SPARE_BYTES;
}

static char *no_room_marker(const struct paths *p)
{
	char *place[TEMPLATE_N_PLACES], *path;

	template_places(p, place);
	path = mem_printf("%s/probes/no-room-%016" PRIx64, p->cache, hash_str(HASH_INIT, place[0]));
	template_places_free(place);
	return path;
}

bool template_want_of_room_is_news(const struct paths *p)
{
	_cleanup_free_ char *marker = no_room_marker(p);

	if (fs_exists(marker))
		return false;
	fs_mkdir_parents(marker, NULL);
	fs_write_atomic(marker, "", 0, 0644, false, NULL);
	return true;
}

struct template *template_begin(const struct paths *p, const char *key, uint64_t ram_bytes, const char **ret_why)
{
	char *place[TEMPLATE_N_PLACES];
	struct template *t = NULL;

	*ret_why = TEMPLATE_NO_ROOM;
	template_places(p, place);
	for (int i = 0; i < TEMPLATE_N_PLACES && !t; i++) {
		_cleanup_free_ char *lock = NULL;
		_cleanup_free_ char *tmp = NULL;
		int fd;

		if (!place[i])
			break;
		if (mkdir(place[i], 0700) < 0 && errno == ENOENT)
			fs_mkdir_p(place[i], 0700, NULL);
		/* Memory that the guest uses is some hundred megabytes; the file may grow to all of it. */
		if (!template_place_is_safe(place[i]) || !has_room(place[i], i == 0 && !named_place(), ram_bytes))
			continue;
		lock = mem_printf("%s/%s.maker", place[i], key);
		fd = lock_take_passing(lock, NULL);
		if (fd < 0) {
			*ret_why = "another run is making it";
			break;
		}
		tmp = fs_temp_dir(place[i], key, NULL);
		if (!tmp) {
			lock_remove(lock, &fd);
			continue;
		}
		t = template_new(key, take_ptr(tmp));
		t->final_dir = mem_printf("%s/%s", place[i], key);
		t->maker_lock = take_ptr(lock);
		t->maker_fd = fd;
		t->is_new = true;
		lock = no_room_marker(p);
		unlink(lock);
		*ret_why = NULL;
	}
	template_places_free(place);
	return t;
}

bool template_was_wanted(const struct paths *p, const char *key)
{
	_cleanup_free_ char *marker = mem_printf("%s/probes/wanted-%s", p->cache, key);
	_cleanup_close_ int fd = -1;

	if (fs_exists(marker))
		return true;
	fs_mkdir_parents(marker, NULL);
	fd = open(marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return false;
}

int template_publish(struct template *t, const char *text, const char *info_json, struct error *err)
{
	_cleanup_free_ char *manifest = mem_printf("%s/manifest", t->dir);
	_cleanup_free_ char *info = mem_printf("%s/info.json", t->dir);
	_cleanup_free_ char *used = mem_printf("%s/used", t->dir);
	_cleanup_free_ char *lock = mem_printf("%s/lock", t->dir);
	_cleanup_str_ struct str whole = STR_INIT;
	_cleanup_close_ int use = -1;

	manifest_text(t->dir, text, &whole);
	if (fs_write_atomic(info, info_json, strlen(info_json), 0600, false, err) < 0 ||
	    fs_write_atomic(used, "", 0, 0600, false, err) < 0 ||
	    fs_write_atomic(manifest, str_cstr(&whole), whole.len, 0600, false, err) < 0)
		return -1;
	use = lock_take(lock, LOCK_SHARED_MODE, false, NULL, NULL, err);
	if (use < 0)
		return -1;
	if (rename(t->dir, t->final_dir) < 0) {
		if (errno != EEXIST && errno != ENOTEMPTY)
			return error_sys(err, errno, "publish template '%s'", t->final_dir);
		template_remove_dir(t->final_dir, NULL, NULL); /* an older one, found unfit */
		if (rename(t->dir, t->final_dir) < 0)
			return error_sys(err, errno, "publish template '%s'", t->final_dir);
	}
	lock_remove(t->maker_lock, &t->maker_fd);
	t->lock_fd = take_fd(&use);
	t->is_new = false;
	free(t->dir);
	t->dir = take_ptr(t->final_dir);
	set_paths(t);
	return 0;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	if (t->is_new)
		fs_remove_tree(t->dir, NULL, NULL);
	template_destroy(t);
}

void template_discard(struct template *t)
{
	if (!t)
		return;
	if (t->is_new) {
		fs_remove_tree(t->dir, NULL, NULL);
	} else {
		_cleanup_free_ char *manifest = mem_printf("%s/manifest", t->dir);

		/* Others may be using it: then the last of them, or a sweep, removes what nobody finds any more. */
		unlink(manifest);
		close_fd(&t->lock_fd);
		template_remove_dir(t->dir, NULL, NULL);
	}
	template_destroy(t);
}
