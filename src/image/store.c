/* SPDX-License-Identifier: MPL-2.0 */
/* What kernels and roots share as things in the store: see store.h. */

#include "image/store.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "spec/arch.h"
#include "sys/fs.h"

DEFINE_CLEANUP(json_t *, json_decref)

/* ---- members of a thing ---- */

static char **text_at(const void *thing, size_t offset)
{
	return (char **)((uintptr_t)thing + offset);
}

static uint64_t *number_at(const void *thing, size_t offset)
{
	return (uint64_t *)((uintptr_t)thing + offset);
}

static const char *id_of(const struct store_kind *kind, const void *thing)
{
	return *text_at(thing, kind->id);
}

static const char *arch_of(const struct store_kind *kind, const void *thing)
{
	return *text_at(thing, kind->arch);
}

static const char *dir_of(const struct store_kind *kind, const void *thing)
{
	return *text_at(thing, kind->dir);
}

static void *nth(const struct store_kind *kind, const void *v, size_t i)
{
	return (void *)((uintptr_t)v + i * kind->size);
}

/* ---- manifest ---- */

static int read_manifest(const struct store_kind *kind, const json_t *manifest, void *thing, struct error *err)
{
	if (json_integer_value(json_object_get(manifest, "manifest")) != kind->version)
		return error_set(err, ERROR_UNSUPPORTED, "its version is not %d", kind->version);
	for (size_t i = 0; i < kind->n_texts; i++) {
		const struct store_text *t = &kind->texts[i];
		const char *s = json_string_value(json_object_get(manifest, t->name));

		if (!s && t->is_required)
			return error_set(err, ERROR_MISSING, "'%s' is missing", t->name);
		*text_at(thing, t->offset) = mem_strdup(s ? s : "");
	}
	*number_at(thing, kind->created) = (uint64_t)json_integer_value(json_object_get(manifest, "created"));
	*number_at(thing, kind->bytes) = (uint64_t)json_integer_value(json_object_get(manifest, "bytes"));
	return kind->read(manifest, thing, err);
}

int store_load(const struct store_kind *kind, const char *dir, void *ret, struct error *err)
{
	_cleanup_free_ char *path = fs_join(dir, "manifest.json");
	_cleanup_(cleanup_json_decref) json_t *manifest = NULL;
	_cleanup_str_ struct str text = STR_INIT;
	json_error_t je;

	if (fs_read(path, kind->manifest_max, &text, err) < 0)
		return -1;
	manifest = json_loadb(str_cstr(&text), text.len, 0, &je);
	if (!manifest)
		return error_set(err, ERROR_MISSING, "cannot read %s manifest '%s': line %d: %s", kind->noun, path, je.line,
				 je.text);
	memset(ret, 0, kind->size);
	*text_at(ret, kind->dir) = mem_strdup(dir);
	if (read_manifest(kind, manifest, ret, err) < 0) {
		kind->clear(ret);
		return error_wrap(err, "cannot use %s manifest '%s'", kind->noun, path);
	}
	return 0;
}

int store_save(const struct store_kind *kind, const char *dir, const void *thing, struct error *err)
{
	_cleanup_(cleanup_json_decref) json_t *manifest = json_object();
	_cleanup_free_ char *path = fs_join(dir, "manifest.json");
	_cleanup_free_ char *text = NULL;

	json_object_set_new(manifest, "manifest", json_integer(kind->version));
	for (size_t i = 0; i < kind->n_texts; i++) {
		const char *s = *text_at(thing, kind->texts[i].offset);

		/* What is not UTF-8 (an odd tree's name) makes json_string() return NULL. */
		if (json_object_set_new(manifest, kind->texts[i].name, json_string(s ? s : "")) < 0)
			return error_set(err, ERROR_USAGE, "cannot write %s manifest '%s': '%s' is not UTF-8", kind->noun, path,
					 kind->texts[i].name);
	}
	json_object_set_new(manifest, "created", json_integer((json_int_t)*number_at(thing, kind->created)));
	json_object_set_new(manifest, "bytes", json_integer((json_int_t)*number_at(thing, kind->bytes)));
	kind->write(thing, manifest);
	text = json_dumps(manifest, JSON_INDENT(2));
	if (!text)
		return error_set(err, ERROR_SYSTEM, "cannot write %s manifest '%s': out of memory", kind->noun, path);
	return fs_write_atomic(path, text, strlen(text), 0644, true, err);
}

/* ---- list and selection ---- */

char *store_path(const struct store_kind *kind, const struct paths *p)
{
	return fs_join(p->data, kind->folder);
}

bool store_is_valid_id(const char *id)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~-");

	return n && n <= 100 && !id[n] && isalnum((unsigned char)*id);
}

static int compare_in_list(const void *a, const void *b, void *ctx)
{
	const struct store_kind *kind = ctx;
	const char *native = arch_native()->name, *arch_a = arch_of(kind, a), *arch_b = arch_of(kind, b);
	int r = str_eq(arch_b, native) - str_eq(arch_a, native);

	if (!r)
		r = strcmp(arch_a, arch_b);
	return r ? r : kind->rank(a, b);
}

int store_list(const struct store_kind *kind, const struct paths *p, void **ret_v, size_t *ret_n,
	       struct strv *ret_damaged, struct error *err)
{
	_cleanup_free_ char *store = store_path(kind, p);
	_cleanup_strv_ struct strv names = STRV_INIT;
	void *v;
	size_t n = 0;

	if (fs_list(store, &names, err) < 0)
		return -1;
	v = mem_alloc((names.n + 1) * kind->size);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *dir = fs_join(store, names.v[i]);

		if (names.v[i][0] == '.' || !fs_is_dir(dir))
			continue;
		if (store_load(kind, dir, nth(kind, v, n), NULL) == 0)
			n++;
		else if (ret_damaged)
			strv_add(ret_damaged, names.v[i]);
	}
	qsort_r(v, n, kind->size, compare_in_list, (void *)(uintptr_t)kind);
	*ret_v = v;
	*ret_n = n;
	return 0;
}

void store_list_clear(const struct store_kind *kind, void *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		kind->clear(nth(kind, v, i));
	free(v);
}

void store_add_ids(const struct store_kind *kind, const void *v, size_t n, const char *arch, struct str *out)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(arch_of(kind, nth(kind, v, i)), arch))
			str_addf(out, "%s%s", out->len ? ", " : "", id_of(kind, nth(kind, v, i)));
}

/* ---- answers ---- */

/*
 * A folder's times are those of the last tick of the clock: something that is
 * published in the same tick would not show. So only a store that has been
 * left alone for a moment is worth a note.
 */
#define NOTE_AFTER_S 2
#define NOTE_MAX 256

/* The note on a question: its path, and what is before the id in it. */
struct note {
	char *path, *stamp; /* owned; stamp NULL: none is to be made */
};

static void note_clear(struct note *n)
{
	free(n->path);
	free(n->stamp);
}

static void note_init(struct note *n, const struct store_kind *kind, const struct paths *p, const char *arch, const char *name,
		      const char *config_default, const struct strv *ctx)
{
	_cleanup_free_ char *store = store_path(kind, p);
	const char *const words[] = { store, arch ? arch : "", name ? name : "", config_default ? config_default : "" };
	uint64_t h = HASH_INIT;
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		h = hash_mem(h, words[i], strlen(words[i]) + 1);
	for (size_t i = 0; ctx && i < ctx->n; i++)
		h = hash_mem(h, ctx->v[i], strlen(ctx->v[i]) + 1);
	n->path = mem_printf("%s/probes/%s-%016" PRIx64, p->cache, kind->folder, h);
	if (stat(store, &st) == 0 && (time(NULL) - st.st_mtime > NOTE_AFTER_S || time(NULL) < st.st_mtime))
		n->stamp = mem_printf("%016" PRIx64 " ", fs_stamp(store));
}

/* What was answered when the store was as it is now. */
static bool answer_noted(const struct note *n, const struct store_kind *kind, const struct paths *p, void *ret)
{
	_cleanup_str_ struct str text = STR_INIT;
	_cleanup_free_ char *store = NULL;
	_cleanup_free_ char *dir = NULL;

	if (!n->stamp || fs_read(n->path, NOTE_MAX, &text, NULL) < 0 || !str_starts(str_cstr(&text), n->stamp) ||
	    !store_is_valid_id(text.p + strlen(n->stamp)))
		return false;
	store = store_path(kind, p);
	dir = fs_join(store, text.p + strlen(n->stamp));
	return store_load(kind, dir, ret, NULL) == 0;
}

static void note_answer(const struct note *n, const char *id)
{
	_cleanup_free_ char *text = n->stamp ? mem_printf("%s%s", n->stamp, id) : NULL;

	if (text && fs_mkdir_parents(n->path, NULL) == 0)
		fs_write_atomic(n->path, text, strlen(text), 0644, false, NULL);
}

static int answer_from_all(const struct store_kind *kind, const struct paths *p, const char *arch, const char *wanted,
			   bool is_typed, store_select_fn *select, const struct strv *ctx, void *ret, struct error *err)
{
	const struct arch *known = arch ? arch_find(arch) : NULL;
	const void *found;
	void *v;
	size_t n;

	if (store_list(kind, p, &v, &n, NULL, err) < 0)
		return -1;
	found = select(ctx, v, n, arch, wanted, err);
	if (!found && wanted && !is_typed && arch && !str_eq(known ? known->name : arch, arch_native()->name)) {
		if (err)
			error_clear(err);
		found = select(ctx, v, n, arch, NULL, err);
	}
	if (found) {
		void *mine = nth(kind, v, ((uintptr_t)found - (uintptr_t)v) / kind->size);

		memcpy(ret, mine, kind->size);
		memset(mine, 0, kind->size);
	} else if (wanted && !is_typed) {
		error_wrap(err, "the config's default %s", kind->noun);
	}
	store_list_clear(kind, v, n);
	return found ? 0 : -1;
}

int store_find(const struct store_kind *kind, const struct paths *p, const char *arch, const char *name,
	       const char *config_default, store_select_fn *select, const struct strv *ctx, void *ret, struct error *err)
{
	bool is_typed = name && *name;
	const char *wanted = is_typed ? name : config_default && *config_default ? config_default : NULL;
	struct note note = { 0 };
	int r = 0;

	note_init(&note, kind, p, arch, name, config_default, ctx);
	if (!answer_noted(&note, kind, p, ret)) {
		r = answer_from_all(kind, p, arch, wanted, is_typed, select, ctx, ret, err);
		if (r == 0)
			note_answer(&note, id_of(kind, ret));
	}
	note_clear(&note);
	return r;
}

/* ---- locks and removal ---- */

static int lock_folder(const struct store_kind *kind, const void *thing, int operation, struct error *err)
{
	_cleanup_close_ int fd = open(dir_of(kind, thing), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *id = id_of(kind, thing);

	if (fd < 0)
		return error_set(err, ERROR_MISSING, "cannot use %s '%s': %s", kind->noun, id, strerror(errno));
	while (flock(fd, operation) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK)
			return error_set(err, ERROR_BUSY, "cannot remove %s '%s': a machine uses it", kind->noun, id);
		return error_sys(err, errno, "lock %s '%s'", kind->noun, id);
	}
	/* Whoever removed it held the lock: what is locked now may be a folder without a name. */
	if (faccessat(fd, "manifest.json", F_OK, 0) < 0)
		return error_set(err, ERROR_MISSING, "cannot use %s '%s': it was removed just now", kind->noun, id);
	return take_fd(&fd);
}

int store_lock_shared(const struct store_kind *kind, const void *thing, struct error *err)
{
	return lock_folder(kind, thing, LOCK_SH, err);
}

int store_remove(const struct store_kind *kind, const void *thing, uint64_t *ret_bytes, struct error *err)
{
	_cleanup_close_ int fd = lock_folder(kind, thing, LOCK_EX | LOCK_NB, err);
	_cleanup_free_ char *manifest = fs_join(dir_of(kind, thing), "manifest.json");

	if (fd < 0) {
		if (err && err->kind == ERROR_BUSY)
			error_hint(err, "quiz ps shows the machines, quiz stop ID ends one");
		return -1;
	}
	/* Without its manifest it is no thing of the store any more, however far the rest gets. */
	if (unlink(manifest) < 0)
		return error_sys(err, errno, "remove '%s'", manifest);
	return fs_remove_tree(dir_of(kind, thing), ret_bytes, err);
}

int store_remove_id(const struct store_kind *kind, const struct paths *p, const char *id, uint64_t *ret_bytes,
		    bool *ret_is_damaged, struct error *err)
{
	_cleanup_free_ char *store = store_path(kind, p);
	_cleanup_free_ char *dir = *id && *id != '.' && !strchr(id, '/') ? fs_join(store, id) : NULL;
	_cleanup_free_ void *thing = mem_alloc(kind->size);
	int r;

	if (!dir || !fs_is_dir(dir)) {
		error_set(err, ERROR_MISSING, "cannot remove %s '%s': there is none of that id", kind->noun, id);
		return error_hint(err, "quiz %s list", kind->noun);
	}
	*ret_is_damaged = store_load(kind, dir, thing, NULL) < 0;
	if (*ret_is_damaged)
		return fs_remove_tree(dir, ret_bytes, err);
	r = store_remove(kind, thing, ret_bytes, err);
	kind->clear(thing);
	return r;
}
