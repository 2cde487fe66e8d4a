/* SPDX-License-Identifier: MPL-2.0 */
/*
 * All templates: which there are, which of them can serve a run at all, and
 * keeping them within bounds.
 *
 * A change of kernel, root, QEMU or agent never makes an old template serve:
 * its key is another one. It only makes it useless, and useless ones of a
 * hundred megabytes would push the useful ones out. So info.json names the
 * files behind a template with their stamps, and one whose files are not what
 * they were is removed.
 *
 * A preparation that failed leaves "<key>.failed" in the place, which says so
 * to the next run of that kind: trying again would fail again, behind
 * everybody's back and at everybody's cost. It goes when the key changes, as
 * anything changes that could mend it, and with `quiz template rm`.
 */

#include "run/template.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "run/template_place.h"
#include "sys/fs.h"
#include "sys/lock.h"

#define INFO_MAX (1u << 16)
#define MANIFEST_MAX (1u << 20)
#define FAILED ".failed"
#define MAKER ".maker"
#define TEMPORARY ".tmp-"
#define GONE "gone-"

/*
 * The environment may name any folder as the place, a home even, and what is
 * not ours there stays as it is: a template's folder is named by its key, 16
 * hexadecimal digits, and so is all else that belongs to one.
 */
#define KEY_DIGITS 16

static bool begins_with_key(const char *name)
{
	return strspn(name, "0123456789abcdef") == KEY_DIGITS;
}

static bool is_key(const char *name)
{
	return begins_with_key(name) && !name[KEY_DIGITS];
}

/* A key and this ending. */
static bool is_beside(const char *name, const char *ending)
{
	return begins_with_key(name) && str_eq(name + KEY_DIGITS, ending);
}

static uint64_t mtime_of(const char *dir, const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", dir, name);
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_mtime : 0;
}

static int recent_first(const void *a, const void *b)
{
	const struct template_entry *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? 1 : -1;
	return strcmp(x->key, y->key);
}

/* "stamp kind path", see plan_template.c. The path when that file is not what it was, else NULL. */
static const char *changed_file(const char *entry)
{
	char kind = 0;
	uint64_t stamp;
	int at = 0;

	if (!entry || sscanf(entry, "%16" SCNx64 " %c %n", &stamp, &kind, &at) != 2 || !at)
		return NULL; /* says nothing */
	return stamp == (kind == 'f' ? fs_identity(entry + at) : fs_stamp(entry + at)) ? NULL : entry + at;
}

/* Why no run can ever be served by it; caller frees. NULL: one might. */
static char *find_stale(const char *dir, const char *info_text)
{
	_cleanup_free_ char *path = dir ? mem_printf("%s/manifest", dir) : NULL;
	_cleanup_str_ struct str manifest = STR_INIT;
	_cleanup_str_ struct str boot = STR_INIT;
	json_t *info = info_text ? json_loads(info_text, 0, NULL) : NULL;
	char *why = NULL;
	json_t *file;
	size_t i;

	json_array_foreach(json_object_get(info, "files"), i, file) {
		const char *path_changed = changed_file(json_string_value(file));

		if (!why && path_changed)
			why = mem_printf("%s has changed", path_changed);
	}
	json_decref(info);
	if (!why && path && fs_read(path, MANIFEST_MAX, &manifest, NULL) == 0 &&
	    fs_read("/proc/sys/kernel/random/boot_id", 64, &boot, NULL) == 0 && boot.len &&
	    !strstr(str_cstr(&manifest), str_cstr(&boot)))
		why = mem_strdup("the host was booted since");
	return why;
}

static void load_failed(const char *place, const char *name, struct template_entry *e)
{
	_cleanup_str_ struct str text = STR_INIT;

	memset(e, 0, sizeof(*e));
	e->key = mem_strndup(name, strlen(name) - strlen(FAILED));
	e->dir = mem_printf("%s/%s", place, name);
	if (fs_read(e->dir, INFO_MAX, &text, NULL) == 0)
		e->info = str_take(&text);
	e->made = e->used = mtime_of(place, name);
	e->is_failed = true;
	e->stale = find_stale(NULL, e->info);
}

static void load_entry(const char *place, const char *key, struct template_entry *e)
{
	_cleanup_free_ char *info = mem_printf("%s/%s/info.json", place, key);
	_cleanup_free_ char *lock = mem_printf("%s/%s/lock", place, key);
	_cleanup_str_ struct str text = STR_INIT;

	memset(e, 0, sizeof(*e));
	e->key = mem_strdup(key);
	e->dir = mem_printf("%s/%s", place, key);
	if (fs_read(info, INFO_MAX, &text, NULL) == 0)
		e->info = str_take(&text);
	e->bytes = fs_tree_bytes(e->dir);
	e->made = mtime_of(e->dir, "manifest");
	e->used = mtime_of(e->dir, "used");
	e->in_use = lock_is_held(lock);
	e->stale = find_stale(e->dir, e->info);
}

int templates_list(const struct paths *p, struct template_entry **ret, size_t *ret_n, struct error *err)
{
	char *place[TEMPLATE_N_PLACES];
	struct template_entry *v = NULL;
	size_t n = 0;

	template_places(p, place);
	for (int i = 0; i < TEMPLATE_N_PLACES; i++) {
		_cleanup_strv_ struct strv names = STRV_INIT;

		if (!template_place_is_safe(place[i]) || fs_list(place[i], &names, NULL) < 0)
			continue;
		for (size_t k = 0; k < names.n; k++) {
			_cleanup_free_ char *manifest = mem_printf("%s/%s/manifest", place[i], names.v[k]);

			if (is_beside(names.v[k], FAILED))
				load_failed(place[i], names.v[k], VEC_PUSH(v, n));
			else if (is_key(names.v[k]) && fs_exists(manifest))
				load_entry(place[i], names.v[k], VEC_PUSH(v, n));
		}
	}
	template_places_free(place);
	if (n)
		qsort(v, n, sizeof(*v), recent_first);
	*ret = v;
	*ret_n = n;
	return 0;
}

void templates_free(struct template_entry *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].key);
		free(v[i].dir);
		free(v[i].info);
		free(v[i].stale);
	}
	free(v);
}

static char *failed_path(const struct paths *p, const char *key)
{
	char *place[TEMPLATE_N_PLACES];
	char *path;

	template_places(p, place);
	path = template_place_is_safe(place[0]) ? mem_printf("%s/%s" FAILED, place[0], key) : NULL;
	template_places_free(place);
	return path;
}

void template_note_failed(const struct paths *p, const char *key, const char *info_json)
{
	_cleanup_free_ char *path = failed_path(p, key);

	if (path)
		fs_write_atomic(path, info_json, strlen(info_json), 0600, false, NULL);
}

bool template_has_failed(const struct paths *p, const char *key)
{
	_cleanup_free_ char *path = failed_path(p, key);

	return path && fs_exists(path);
}

static int remove_entry(const struct template_entry *e, uint64_t *ret_bytes, struct error *err)
{
	*ret_bytes = 0;
	if (!e->is_failed)
		return template_remove_dir(e->dir, ret_bytes, err);
	return unlink(e->dir) < 0 && errno != ENOENT ? error_sys(err, errno, "remove '%s'", e->dir) : 0;
}

int template_remove(const struct paths *p, const char *key, uint64_t *ret_bytes, struct error *err)
{
	struct template_entry *v;
	size_t n, at = SIZE_MAX, hits = 0;
	int r = -1;

	*ret_bytes = 0;
	if (templates_list(p, &v, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (str_starts(v[i].key, key)) {
			at = i;
			hits++;
		}
	if (hits != 1) {
		error_set(err, ERROR_MISSING, hits ? "template '%s' is not unique" : "there is no template '%s'", key);
		error_hint(err, "quiz template list");
	} else if (remove_entry(&v[at], ret_bytes, err) < 0) {
		error_wrap(err, "template '%s'", v[at].key);
	} else {
		r = 0;
	}
	templates_free(v, n);
	return r;
}

/* A published folder that was discarded while others used it. */
static uint64_t sweep_discarded(const char *dir)
{
	_cleanup_free_ char *manifest = mem_printf("%s/manifest", dir);
	uint64_t bytes = 0;

	return fs_is_dir(dir) && !fs_exists(manifest) && template_remove_dir(dir, &bytes, NULL) == 0 ? bytes : 0;
}

/*
 * A temporary folder ".tmp-<key>.<pid>.<n>" whose maker's lock is free is a
 * dead maker's, and so is a "<key>.maker" that is free.
 */
static uint64_t sweep_dead(const char *place)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	uint64_t sum = 0;

	if (!template_place_is_safe(place) || fs_list(place, &names, NULL) < 0)
		return 0;
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.v[i], *key = name + strlen(TEMPORARY);
		bool is_gone;
		_cleanup_free_ char *lock = NULL;
		_cleanup_free_ char *path = NULL;
		uint64_t bytes;

		path = mem_printf("%s/%s", place, name);
		if (!str_starts(name, TEMPORARY)) {
			if (is_beside(name, MAKER))
				lock_sweep(path);
			else if (is_key(name))
				sum += sweep_discarded(path);
			continue;
		}
		is_gone = str_starts(key, GONE);
		if (is_gone)
			key += strlen(GONE);
		lock = mem_printf("%s/%.*s" MAKER, place, KEY_DIGITS, key);
		if (!begins_with_key(key) || key[KEY_DIGITS] != '.' || (!is_gone && lock_is_held(lock)))
			continue;
		if (fs_remove_tree(path, &bytes, NULL) == 0)
			sum += bytes;
	}
	return sum;
}

uint64_t templates_sweep(const struct paths *p, const struct template_limits *limits)
{
	struct template_entry *v;
	uint64_t freed = 0, kept_bytes = 0, now = (uint64_t)time(NULL);
	size_t n, kept = 0;
	char *place[TEMPLATE_N_PLACES];

	template_places(p, place);
	for (int i = 0; i < TEMPLATE_N_PLACES; i++)
		freed += sweep_dead(place[i]);
	template_places_free(place);
	if (templates_list(p, &v, &n, NULL) < 0)
		return freed;
	for (size_t i = 0; i < n; i++) {
		bool too_old = limits->age_ms && now > v[i].used && (now - v[i].used) * 1000 > limits->age_ms;
		uint64_t bytes;

		if (v[i].is_failed && !v[i].stale && !too_old && limits->count)
			continue;
		if (!v[i].is_failed && (v[i].in_use || (!v[i].stale && !too_old && kept < limits->count &&
							kept_bytes + v[i].bytes <= limits->bytes))) {
			kept++;
			kept_bytes += v[i].bytes;
			continue;
		}
		if (remove_entry(&v[i], &bytes, NULL) == 0)
			freed += bytes;
	}
	templates_free(v, n);
	return freed;
}
