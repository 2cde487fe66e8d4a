/* SPDX-License-Identifier: MPL-2.0 */
/*
 * modules.dep of a distribution kernel has half a megabyte and is needed once,
 * so it is mapped, not read. The mapping lives in the forked child that loads
 * modules (request.c): the module's code may oops, and that must not be PID 1.
 */

#include "guest/module.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "guest/abi.h"
#include "guest/file.h"
#include "guest/log.h"

/* Start and length of a module's name within a path: the last component up to ".ko". */
static const char *name_of(const char *path, size_t path_len, size_t *ret_len)
{
	size_t start = path_len, len = 0;

	while (start > 0 && path[start - 1] != '/')
		start--;
	while (start + len < path_len && path[start + len] != '.')
		len++;
	*ret_len = len;
	return path + start;
}

static bool same_name(const char *a, size_t a_len, const char *b, size_t b_len)
{
	const char *x = name_of(a, a_len, &a_len), *y = name_of(b, b_len, &b_len);

	if (a_len != b_len || a_len == 0)
		return false;
	for (size_t i = 0; i < a_len; i++)
		if ((x[i] == '-' ? '_' : x[i]) != (y[i] == '-' ? '_' : y[i]))
			return false;
	return true;
}

bool module_same_name(const char *a, const char *b)
{
	return same_name(a, strlen(a), b, strlen(b));
}

static size_t line_len(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return (size_t)((nl ? nl : end) - p);
}

int module_dep_each(const char *dep, size_t len, const char *name, int (*fn)(void *ctx, const char *path, bool is_last),
		    void *ctx)
{
	const char *end = dep + len;

	for (const char *p = dep; p < end; p += line_len(p, end) + 1) {
		size_t n = line_len(p, end);
		const char *colon = memchr(p, ':', n);
		char path[FILE_PATH_MAX];

		if (!colon || !same_name(p, (size_t)(colon - p), name, strlen(name)))
			continue;
		/* "self.ko: needs1.ko needs2.ko": from the last word to the first, which is self. */
		for (size_t e = n; e > 0;) {
			size_t s;
			int r;

			while (e > 0 && (p[e - 1] == ' ' || p[e - 1] == ':'))
				e--;
			for (s = e; s > 0 && p[s - 1] != ' ';)
				s--;
			if (s == e)
				break;
			if (e - s >= sizeof(path))
				return -ENAMETOOLONG;
			memcpy(path, p + s, e - s);
			path[e - s] = '\0';
			r = fn(ctx, path, s == 0);
			if (r < 0)
				return r;
			e = s;
		}
		return 1;
	}
	return 0;
}

/* Next word of a line; its length in *ret_len. NULL at the end. */
static const char *next_word(const char **p, const char *end, size_t *ret_len)
{
	const char *word;

	while (*p < end && **p == ' ')
		++*p;
	word = *p;
	while (*p < end && **p != ' ')
		++*p;
	*ret_len = (size_t)(*p - word);
	return *ret_len ? word : NULL;
}

static bool word_is(const char *word, size_t len, const char *s)
{
	return word && strlen(s) == len && memcmp(word, s, len) == 0;
}

int module_words_each(const char *text, size_t len, const char *keyword, const char *name,
		      int (*fn)(void *ctx, const char *word), void *ctx)
{
	const char *end = text + len;
	int count = 0;

	for (const char *line = text; line < end; line += line_len(line, end) + 1) {
		const char *p = line, *line_end = line + line_len(line, end), *word;
		size_t n;

		word = next_word(&p, line_end, &n);
		if (!word_is(word, n, keyword))
			continue;
		word = next_word(&p, line_end, &n);
		if (!word || !same_name(word, n, name, strlen(name)))
			continue;
		while ((word = next_word(&p, line_end, &n))) {
			char buf[256];
			int r;

			if (word_is(word, n, "post:"))
				break;
			if (word_is(word, n, "pre:") || n >= sizeof(buf))
				continue;
			memcpy(buf, word, n);
			buf[n] = '\0';
			r = fn(ctx, buf);
			if (r < 0)
				return r;
			count++;
		}
	}
	return count;
}

bool module_list_has(const char *list, size_t len, const char *name)
{
	const char *end = list + len;

	for (const char *p = list; p < end; p += line_len(p, end) + 1)
		if (same_name(p, line_len(p, end), name, strlen(name)))
			return true;
	return false;
}

static bool same_param(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((a[i] == '-' ? '_' : a[i]) != (b[i] == '-' ? '_' : b[i]))
			return false;
	return true;
}

/* By the module's file: a parameter of mode 0 has no node in sysfs. */
static bool is_declared(const char *text, size_t len, const char *param, size_t n)
{
	static const char *const keys[] = { "parmtype=", "parm=" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *at = text, *end = text + len;
		size_t key = strlen(keys[i]);

		for (; (at = memmem(at, (size_t)(end - at), keys[i], key)); at++)
			if ((size_t)(end - at) > key + n && at[key + n] == ':' && same_param(at + key, param, n))
				return true;
	}
	return false;
}

bool module_unknown_param(const char *text, size_t len, const char *params, char *ret, size_t size)
{
	bool quoted = false;

	while (*params) {
		size_t n = strcspn(params, "= ");

		if (n && n < size && !is_declared(text, len, params, n)) {
			memcpy(ret, params, n);
			ret[n] = '\0';
			return true;
		}
		for (; *params && (quoted || *params != ' '); params++)
			quoted ^= *params == '"';
		while (*params == ' ')
			params++;
	}
	return false;
}

int module_load_file(const char *path, const char *params)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = strlen(path);
	int flags = len > 3 && strcmp(path + len - 3, ".ko") == 0 ? 0 : QMODULE_INIT_COMPRESSED_FILE;

	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, params ? params : "", flags) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* Loaded modules have initstate; what is built in has at most parameters. */
static bool is_loaded(const char *name)
{
	char path[512];
	size_t len;

	name = name_of(name, strlen(name), &len);
	if (file_path(path, sizeof(path), "/sys/module/%.*s/initstate", (int)len, name) < 0)
		return false;
	for (char *p = path + strlen("/sys/module/"); *p; p++)
		if (*p == '-')
			*p = '_';
	return access(path, F_OK) == 0;
}

/* Maps a whole file; an empty or missing one is "". */
static const char *map_file(const char *dir, const char *name, size_t *ret_len)
{
	char path[FILE_PATH_MAX];
	_cleanup_close_ int fd = -1;
	struct stat st;
	void *p;

	*ret_len = 0;
	if (file_path(path, sizeof(path), "%s/%s", dir, name) < 0)
		return "";
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
		return "";
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		return "";
	*ret_len = (size_t)st.st_size;
	return p;
}


/* What depmod(8) wrote, mapped when first asked for. */
enum index { DEP, BUILTIN, ALIAS, SOFTDEP, N_INDEXES };

struct load {
	char dir[512];
	const char *params;
	char failed[FILE_PATH_MAX]; /* what could not be loaded */
	char unknown[64];	    /* the parameter that it does not have, or "" */
	unsigned depth;		    /* of names that led to names */
	const char *text[N_INDEXES];
	size_t len[N_INDEXES];
};

#define DEPTH_MAX 8 /* aliases and soft dependencies may go in circles */

/* Maps it on first use; then text[i] and len[i] hold. A call of its own, as arguments have no order of evaluation. */
static void need_index(struct load *l, enum index i)
{
	static const char *const names[N_INDEXES] = { "modules.dep", "modules.builtin", "modules.alias", "modules.softdep" };

	if (!l->text[i])
		l->text[i] = map_file(l->dir, names[i], &l->len[i]);
}

static int load_name(struct load *l, const char *name, const char *params);

static bool has_unknown_param(struct load *l, const char *path, const char *params)
{
	size_t path_len = strlen(path), len;
	const char *text;

	if (!params || !*params || path_len < 3 || strcmp(path + path_len - 3, ".ko") != 0)
		return false;
	text = map_file("", path, &len);
	return len && module_unknown_param(text, len, params, l->unknown, sizeof(l->unknown));
}

/* A soft dependency: whether it can be loaded does not matter. */
static int load_soft(void *ctx, const char *word)
{
	struct load *l = ctx;

	load_name(l, word, "");
	return 0;
}

static int load_one(void *ctx, const char *path, bool is_last)
{
	struct load *l = ctx;
	char full[2 * FILE_PATH_MAX], name[256];
	const char *params = is_last ? l->params : "", *start;
	size_t len;
	int r;

	if (is_loaded(path))
		return 0;
	start = name_of(path, strlen(path), &len);
	need_index(l, SOFTDEP);
	if (file_path(name, sizeof(name), "%.*s", (int)len, start) == 0)
		module_words_each(l->text[SOFTDEP], l->len[SOFTDEP], "softdep", name, load_soft, l);
	r = path[0] == '/' ? file_path(full, sizeof(full), "%s", path) :
			     file_path(full, sizeof(full), "%s/%s", l->dir, path);
	if (r == 0)
		r = has_unknown_param(l, full, params) ? -EINVAL : module_load_file(full, params);
	if (r < 0)
		file_path(l->failed, sizeof(l->failed), "%s", path);
	return r;
}

static int load_alias(void *ctx, const char *word)
{
	struct load *l = ctx;

	return load_name(l, word, "");
}

/* 0, or -errno with l->failed; -ESRCH: nothing of that name. */
static int load_name(struct load *l, const char *name, const char *params)
{
	const char *outer = l->params;
	int r;

	if (is_loaded(name))
		return 0;
	if (l->depth == DEPTH_MAX)
		return -ESRCH;
	l->depth++;
	l->params = params;
	need_index(l, DEP);
	r = module_dep_each(l->text[DEP], l->len[DEP], name, load_one, l);
	l->params = outer;
	if (r == 0) {
		need_index(l, BUILTIN);
		r = module_list_has(l->text[BUILTIN], l->len[BUILTIN], name);
	}
	if (r == 0) {
		need_index(l, ALIAS);
		r = module_words_each(l->text[ALIAS], l->len[ALIAS], "alias", name, load_alias, l);
	}
	l->depth--;
	return r < 0 ? r : r > 0 ? 0 : -ESRCH;
}

static int explain(const struct load *l, int r, const char *path, const char *module, struct error *err)
{
	if (l->unknown[0])
		return error_set(err, ERROR_USAGE, "cannot load module '%s': it has no parameter '%s'", path, l->unknown);
	if (r == -ENOKEY)
		return error_sys(err, -r, "load module '%s' (unsigned, and this kernel wants signatures)", path);
	if (r == -ENOEXEC)
		return error_sys(err, -r, "load module '%s' (built for another kernel? the kernel log says more)", path);
	if (r == -EOPNOTSUPP)
		return error_sys(err, -r, "load module '%s' (compressed, and this kernel cannot decompress it)", path);
	if (r == -ENOENT && strcmp(path, module) != 0)
		return error_sys(err, -r, "load module '%s', which '%s' needs", path, module);
	return error_sys(err, -r, "load module '%s'", path);
}

int module_load(const char *module, const char *params, struct error *err)
{
	static struct load l;
	struct utsname u;
	int r;

	if (module[0] == '/') {
		r = is_loaded(module) ? 0 : has_unknown_param(&l, module, params) ? -EINVAL : module_load_file(module, params);
		return r < 0 ? explain(&l, r, module, module, err) : 0;
	}
	uname(&u);
	file_path(l.dir, sizeof(l.dir), "/lib/modules/%s", u.release);
	r = load_name(&l, module, params);
	if (r == -ESRCH)
		return error_set(err, ERROR_MISSING, "modules.dep, modules.builtin and modules.alias of %s do not have it", l.dir);
	return r < 0 ? explain(&l, r, l.failed, module, err) : 0;
}

int module_load_initramfs(const char *dir)
{
	static char order[65536];
	char path[FILE_PATH_MAX];
	int n_loaded = 0;

	if (file_path(path, sizeof(path), "%s/order", dir) < 0 || file_read(path, order, sizeof(order)) <= 0)
		return 0;
	for (char *line = order, *next; *line; line = next) {
		size_t len = strcspn(line, "\n");
		char *params;
		int r;

		next = line + len + (line[len] == '\n');
		line[len] = '\0';
		/* "path[ :params]" */
		params = strstr(line, " :");
		if (params) {
			*params = '\0';
			params += 2;
		}
		if (!*line)
			continue;
		r = file_path(path, sizeof(path), "%s/%s", dir, line);
		if (r == 0)
			r = module_load_file(path, params);
		if (r < 0)
			log_line("module %s of the initramfs does not load: %s", line, strerror(-r));
		else
			n_loaded++;
		/* The initramfs is memory of the machine, and of every template of it. */
		unlink(path);
	}
	return n_loaded;
}
