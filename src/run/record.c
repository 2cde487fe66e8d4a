/* SPDX-License-Identifier: MPL-2.0 */
/* Records of runs. The folder's own lock file tells the living from the dead. */

#include "run/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fs.h"
#include "sys/lock.h"

#define ID_LENGTH 5
#define RESULT_MAX (8u << 20)

/* Easy to read aloud and to type: no l, o, 0, 1. */
static void make_id(char id[ID_LENGTH + 1])
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char r[ID_LENGTH];

	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		memset(r, (int)getpid() & 0xff, sizeof(r));
	for (int i = 0; i < ID_LENGTH; i++)
		id[i] = letters[r[i] % (i ? 32 : 24)];
	id[ID_LENGTH] = '\0';
}

int record_new(const char *runs_dir, struct record *ret, struct error *err)
{
	_cleanup_free_ char *lock = NULL;
	char id[ID_LENGTH + 1];

	for (int tries = 0;; tries++) {
		_cleanup_free_ char *dir = NULL;

		make_id(id);
		dir = mem_printf("%s/%s", runs_dir, id);
		if (mkdir(dir, 0755) == 0) {
			ret->dir = take_ptr(dir);
			break;
		}
		if (errno == ENOENT && tries < 2) {
			if (fs_mkdir_p(runs_dir, 0755, err) < 0)
				return -1;
			continue;
		}
		if (errno != EEXIST || tries > 100)
			return error_sys(err, errno, "make the run's folder '%s'", dir);
	}
	ret->id = mem_strdup(id);
	ret->artifacts = mem_printf("%s/artifacts", ret->dir);
	lock = mem_printf("%s/lock", ret->dir);
	ret->lock_fd = lock_take(lock, LOCK_EXCLUSIVE_MODE, false, NULL, NULL, err);
	if (ret->lock_fd >= 0 && mkdir(ret->artifacts, 0755) == 0)
		return 0;
	if (ret->lock_fd >= 0)
		error_sys(err, errno, "make folder '%s'", ret->artifacts);
	if (rmdir(ret->dir) < 0)
		fs_remove_tree(ret->dir, NULL, NULL);
	return -1;
}

void record_clear(struct record *r)
{
	free(r->id);
	free(r->dir);
	free(r->artifacts);
	if (r->lock_fd > 0)
		close(r->lock_fd);
	*r = (struct record){ .lock_fd = -1 };
}

int record_open_console(const struct record *r, struct error *err)
{
	_cleanup_free_ char *path = mem_printf("%s/console.log", r->dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0)
		return error_sys(err, errno, "create '%s'", path);
	return fd;
}

int record_finish(const struct record *r, const json_t *result, struct error *err)
{
	_cleanup_free_ char *path = mem_printf("%s/result.json", r->dir);
	_cleanup_free_ char *text = json_dumps(result, JSON_INDENT(2) | JSON_PRESERVE_ORDER);

	if (!text)
		return error_set(err, ERROR_SYSTEM, "cannot write '%s': the result is not valid text", path);
	return fs_write_atomic(path, text, strlen(text), 0644, false, err);
}

static bool is_alive(const char *dir)
{
	_cleanup_free_ char *lock = mem_printf("%s/lock", dir);

	return lock_is_held(lock);
}

static json_t *load_result(const char *dir)
{
	_cleanup_free_ char *path = mem_printf("%s/result.json", dir);
	_cleanup_str_ struct str text = STR_INIT;

	return fs_read(path, RESULT_MAX, &text, NULL) == 0 ? json_loads(str_cstr(&text), 0, NULL) : NULL;
}

int record_wait(struct record_entry *e, struct error *err)
{
	_cleanup_free_ char *path = mem_printf("%s/lock", e->dir);
	int fd = lock_take_existing(path, LOCK_SHARED_MODE, true, err);

	if (fd < 0)
		return -1;
	close(fd);
	json_decref(e->result);
	e->result = load_result(e->dir);
	e->is_alive = false;
	return 0;
}

static void load_entry(const char *runs_dir, const char *id, struct record_entry *e)
{
	struct stat st;

	memset(e, 0, sizeof(*e));
	e->id = mem_strdup(id);
	e->dir = mem_printf("%s/%s", runs_dir, id);
	e->is_alive = is_alive(e->dir);
	e->result = load_result(e->dir);
	if (e->result)
		e->started_ms = (uint64_t)json_integer_value(json_object_get(e->result, "started_ms"));
	else if (stat(e->dir, &st) == 0)
		e->started_ms = (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
}

void record_entry_clear(struct record_entry *e)
{
	free(e->id);
	free(e->dir);
	json_decref(e->result);
	*e = (struct record_entry){ 0 };
}

void records_free(struct record_entry *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		record_entry_clear(&v[i]);
	free(v);
}

static int newest_first(const void *a, const void *b)
{
	const struct record_entry *x = a, *y = b;

	if (x->started_ms != y->started_ms)
		return x->started_ms < y->started_ms ? 1 : -1;
	return strcmp(x->id, y->id);
}

int records_list(const char *runs_dir, struct record_entry **ret, size_t *ret_n, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct record_entry *v = NULL;
	size_t n = 0;

	if (fs_list(runs_dir, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		if (*names.v[i] != '.')
			load_entry(runs_dir, names.v[i], VEC_PUSH(v, n));
	if (n)
		qsort(v, n, sizeof(*v), newest_first);
	*ret = v;
	*ret_n = n;
	return 0;
}

int records_find(const char *runs_dir, const char *id, struct record_entry *ret, struct error *err)
{
	struct record_entry *v;
	size_t n, found = SIZE_MAX, hits = 0;

	if (records_list(runs_dir, &v, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (str_eq(id, ".") ? i == 0 : str_starts(v[i].id, id)) {
			found = i;
			hits++;
		}
		if (str_eq(v[i].id, id)) {
			hits = 1;
			break;
		}
	}
	if (hits == 1) {
		*ret = v[found];
		v[found] = (struct record_entry){ 0 };
		records_free(v, n);
		return 0;
	}
	records_free(v, n);
	if (str_eq(id, "."))
		return error_set(err, ERROR_MISSING, "nothing has been run here yet");
	error_set(err, ERROR_MISSING, hits ? "run '%s' is not unique" : "there is no run '%s'", id);
	return error_hint(err, "quiz runs list");
}

struct age {
	char *path;
	time_t mtime;
};

static int oldest_first(const void *a, const void *b)
{
	const struct age *x = a, *y = b;

	return (x->mtime > y->mtime) - (x->mtime < y->mtime);
}

void records_prune(const char *runs_dir, uint32_t keep)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct age *v = NULL;
	size_t n = 0;

	if (fs_list(runs_dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = mem_printf("%s/%s", runs_dir, names.v[i]);
		struct stat st;

		if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		struct age *a = VEC_PUSH(v, n);
		a->mtime = st.st_mtime;
		a->path = take_ptr(path);
	}
	if (n)
		qsort(v, n, sizeof(*v), oldest_first);
	for (size_t i = 0; i < n; i++) {
		bool is_dead = !is_alive(v[i].path);
		_cleanup_free_ char *disks = mem_printf("%s/disks", v[i].path);

		if (i + keep < n && is_dead)
			fs_remove_tree(v[i].path, NULL, NULL);
		else if (is_dead && fs_exists(disks)) /* of a run that was killed */
			fs_remove_tree(disks, NULL, NULL);
		free(v[i].path);
	}
	free(v);
}
