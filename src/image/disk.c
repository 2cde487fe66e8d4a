/* SPDX-License-Identifier: MPL-2.0 */
/* Disk files. A set is held by an exclusive flock(2) on its file "lock", which says by whom. */

#include "image/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fs.h"
#include "sys/lock.h"

static int check_size(const char *name, uint64_t bytes, struct error *err)
{
	if (bytes >= DISK_BYTES_MIN && bytes <= DISK_BYTES_MAX)
		return 0;
	return error_set(err, ERROR_USAGE, "cannot make disk '%s': %" PRIu64 " bytes is not between 512 and 64T", name, bytes);
}

uint64_t disk_round(uint64_t bytes)
{
	return (bytes + 4095) & ~4095ULL;
}

int disk_make(const char *dir, const char *name, uint64_t bytes, char **ret_path, struct error *err)
{
	_cleanup_free_ char *path = mem_printf("%s/%s.img", dir, name);
	_cleanup_close_ int fd = -1;

	if (check_size(name, bytes, err) < 0)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_sys(err, errno, "create disk '%s'", path);
	if (ftruncate(fd, (off_t)disk_round(bytes)) < 0) {
		int saved = errno;

		unlink(path);
		return error_sys(err, saved, "make disk '%s' %" PRIu64 " bytes large", path, bytes);
	}
	*ret_path = take_ptr(path);
	return 0;
}

static bool is_valid_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-");

	return n && n <= 64 && !name[n] && *name != '.';
}

static char *set_path(const struct paths *p, const char *name)
{
	return mem_printf("%s/disks/%s", p->state, name);
}

static int check_name(const char *name, struct error *err)
{
	if (is_valid_name(name))
		return 0;
	return error_set(err, ERROR_USAGE,
			 "cannot name a disk set '%s': letters, digits and ._+- will do, at most 64, the first no dot", name);
}

int disk_set_take(const struct paths *p, const char *name, const char *who, struct error *err)
{
	_cleanup_free_ char *dir = NULL;
	_cleanup_free_ char *lock_path = NULL;
	struct error held = ERROR_INIT;
	struct stat by_fd, by_name;
	int fd;

	if (check_name(name, err) < 0)
		return -1;
	dir = set_path(p, name);
	lock_path = mem_printf("%s/lock", dir);
	for (;;) {
		fd = lock_take(lock_path, LOCK_EXCLUSIVE_MODE, false, who, NULL, &held);
		if (fd < 0)
			break;
		/* It may have been removed between our opening and locking: what we hold must be what others find. */
		if (fstat(fd, &by_fd) == 0 && stat(lock_path, &by_name) == 0 && by_fd.st_ino == by_name.st_ino)
			return fd;
		close(fd);
	}
	if (held.kind == ERROR_BUSY) {
		const char *by = strstr(held.text, " by ");

		error_set(err, ERROR_BUSY, "cannot use disks '%s': %s has them", name, by ? by + 4 : "another run");
		return error_hint(err, "quiz ps shows who; another persist= name, or quiz stop ID");
	}
	if (err)
		*err = held;
	return -1;
}

int disk_set_get(const struct paths *p, const char *name, unsigned index, uint64_t bytes, char **ret_path,
		 uint64_t *ret_bytes, struct error *err)
{
	_cleanup_free_ char *dir = set_path(p, name);
	_cleanup_free_ char *path = mem_printf("%s/%u.img", dir, index);
	uint64_t want = disk_round(bytes);
	struct stat st;

	if (check_name(name, err) < 0)
		return -1;
	if (index > DISK_INDEX_MAX)
		return error_set(err, ERROR_USAGE, "cannot make disk %u of '%s': %u is the last", index, name, DISK_INDEX_MAX);
	if (lstat(path, &st) < 0) {
		_cleanup_free_ char *file = mem_printf("%u", index);

		if (errno != ENOENT)
			return error_sys(err, errno, "look at disk '%s'", path);
		if (!bytes)
			return error_set(err, ERROR_MISSING, "cannot use disk %u of '%s': it was never made, so it needs a size",
					 index, name);
		if (fs_mkdir_p(dir, 0700, err) < 0 || disk_make(dir, file, bytes, ret_path, err) < 0)
			return -1;
		*ret_bytes = want;
		return 0;
	}
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_UNSUPPORTED, "cannot use disk '%s': it is no file", path);
	if (bytes && (uint64_t)st.st_size != want) {
		char have[32], asked[32];

		error_set(err, ERROR_USAGE, "cannot use disk %u of '%s' with size %s: it was made with %s", index, name,
			  format_size(want, asked, sizeof(asked)), format_size((uint64_t)st.st_size, have, sizeof(have)));
		return error_hint(err, "quiz disk rm %s throws its disks away, or give another persist= name", name);
	}
	*ret_path = take_ptr(path);
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

static char *read_holder(const char *lock_path)
{
	_cleanup_str_ struct str line = STR_INIT;
	struct str safe = STR_INIT;

	if (!lock_is_held(lock_path))
		return NULL;
	if (fs_read(lock_path, 4096, &line, NULL) < 0 || !line.len)
		return mem_strdup("another run");
	str_add_safe(&safe, line.p, strcspn(line.p, "\n"), false);
	return str_take(&safe);
}

static void fill_set(struct disk_set *s, const char *dir, const char *name)
{
	_cleanup_strv_ struct strv files = STRV_INIT;
	_cleanup_free_ char *lock_path = mem_printf("%s/lock", dir);

	s->name = mem_strdup(name);
	s->holder = read_holder(lock_path);
	fs_list(dir, &files, NULL);
	for (size_t i = 0; i < files.n; i++) {
		_cleanup_free_ char *path = fs_join(dir, files.v[i]);
		struct stat st;

		if (!str_ends(files.v[i], ".img") || lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		s->n_disks++;
		s->capacity += (uint64_t)st.st_size;
		s->bytes += (uint64_t)st.st_blocks * 512;
		if ((uint64_t)st.st_mtime > s->used)
			s->used = (uint64_t)st.st_mtime;
	}
}

int disk_set_list(const struct paths *p, struct disk_set_list *ret, struct error *err)
{
	_cleanup_free_ char *top = fs_join(p->state, "disks");
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct disk_set_list list = { 0 };

	if (fs_list(top, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *dir = fs_join(top, names.v[i]);

		if (is_valid_name(names.v[i]) && fs_is_dir(dir))
			fill_set(VEC_PUSH(list.v, list.n), dir, names.v[i]);
	}
	*ret = list;
	return 0;
}

void disk_set_list_clear(struct disk_set_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->v[i].name);
		free(list->v[i].holder);
	}
	free(list->v);
	*list = (struct disk_set_list){ 0 };
}

int disk_set_remove(const struct paths *p, const char *name, uint64_t *ret_bytes, struct error *err)
{
	_cleanup_free_ char *dir = NULL;
	_cleanup_close_ int fd = -1;

	if (check_name(name, err) < 0)
		return -1;
	dir = set_path(p, name);
	if (!fs_is_dir(dir)) {
		error_set(err, ERROR_MISSING, "cannot remove disks '%s': there are none of that name", name);
		return error_hint(err, "quiz disk list");
	}
	fd = disk_set_take(p, name, "quiz disk rm", err);
	if (fd < 0)
		return -1;
	return fs_remove_tree(dir, ret_bytes, err);
}
