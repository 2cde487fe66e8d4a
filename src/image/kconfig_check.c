/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What became of the requests. Kconfig drops silently what it does not know,
 * what has unmet dependencies and what something else selects, so the .config
 * that came out is compared with every single request. For those that are
 * missing the source's Kconfig files are searched once: no entry means that
 * this version has no such symbol, else the entry's "depends on" lines say
 * why it did not take.
 */

#include "image/kconfig.h"

#include <ctype.h>
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "sys/fs.h"

#define KCONFIG_FILE_MAX (1024 * 1024)
#define SOURCE_DEPTH_MAX 16

char *kconfig_value(const char *config_text, const char *symbol)
{
	_cleanup_free_ char *key = mem_printf("CONFIG_%s=", symbol);
	size_t len = strlen(key);

	for (const char *p = config_text; (p = strstr(p, key)); p += len)
		if (p == config_text || p[-1] == '\n')
			return mem_strndup(p + len, strcspn(p + len, "\r\n"));
	return mem_strdup("n");
}

void kconfig_check_clear(struct kconfig_check *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].actual);
		free(c->v[i].depends);
	}
	free(c->v);
	*c = (struct kconfig_check){ 0 };
}

/* ---- The source's Kconfig files ---- */

static struct kconfig_result *find_missing(struct kconfig_check *c, const char *symbol, size_t len)
{
	for (size_t i = 0; i < c->n; i++) {
		const char *s = c->v[i].request->symbol;

		if (c->v[i].outcome == KCONFIG_UNKNOWN && strlen(s) == len && !memcmp(s, symbol, len))
			return &c->v[i];
	}
	return NULL;
}

/* "config FOO" and "menuconfig FOO" begin an entry; anything else in the first column ends it. */
static void scan_kconfig(struct kconfig_check *c, const char *text)
{
	struct kconfig_result *now = NULL;

	while (*text) {
		size_t len = strcspn(text, "\n");
		const char *p = text;
		bool indented = *p == ' ' || *p == '\t';

		while (*p == ' ' || *p == '\t')
			p++;
		if (str_starts(p, "menuconfig "))
			p += strlen("menu");
		if (str_starts(p, "config ") && p + 7 < text + len) {
			size_t n;

			p += strlen("config ");
			p += strspn(p, " \t");
			n = strcspn(p, " \t\r\n");
			now = find_missing(c, p, n);
			if (now)
				now->outcome = KCONFIG_NOT_TAKEN;
		} else if (now && indented && str_starts(p, "depends on ")) {
			const char *what = p + strlen("depends on ");
			_cleanup_free_ char *old = now->depends;
			_cleanup_free_ char *expr = mem_strndup(what, (size_t)(text + len - what));

			now->depends = old ? mem_printf("%s && %s", old, expr) : mem_strdup(expr);
		} else if (!indented && len) {
			now = NULL;
		}
		text += len;
		if (*text)
			text++;
	}
}

static int scan_dir(struct kconfig_check *c, const char *dir, unsigned depth, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (depth > SOURCE_DEPTH_MAX)
		return 0;
	if (fs_list(dir, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(dir, names.v[i]);
		_cleanup_str_ struct str text = STR_INIT;
		struct stat st;

		if (names.v[i][0] == '.' || lstat(path, &st) < 0)
			continue;
		/* Directories without one are looked into as well: arch/ and drivers/ nest at will. */
		if (S_ISDIR(st.st_mode)) {
			if (depth == 0 && (str_eq(names.v[i], "Documentation") || str_eq(names.v[i], "tools") ||
					   str_eq(names.v[i], "include") || str_eq(names.v[i], "LICENSES")))
				continue;
			if (scan_dir(c, path, depth + 1, err) < 0)
				return -1;
		} else if (S_ISREG(st.st_mode) && str_starts(names.v[i], "Kconfig")) {
			if (fs_read(path, KCONFIG_FILE_MAX, &text, err) < 0)
				return -1;
			scan_kconfig(c, str_cstr(&text));
		}
	}
	return 0;
}

/* ---- The comparison ---- */

static void count_symbols(const char *text, struct kconfig_check *ret)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len > 2 && str_starts(text, "CONFIG_") && text[len - 2] == '=') {
			ret->n_builtin += text[len - 1] == 'y';
			ret->n_module += text[len - 1] == 'm';
		}
		text += len;
		if (*text)
			text++;
	}
}

int kconfig_check(const struct kconfig *k, const char *config_text, const char *source_dir,
		  struct kconfig_check *ret, struct error *err)
{
	struct kconfig_check c = { 0 };
	_cleanup_free_ char *modules = kconfig_value(config_text, "MODULES");
	bool is_any_missing = false, has_modules = str_eq(modules, "y");

	count_symbols(config_text, &c);
	for (size_t i = 0; i < k->n_requests; i++) {
		const struct kconfig_request *r = &k->requests[i];
		_cleanup_free_ char *actual = kconfig_value(config_text, r->symbol);
		struct kconfig_result *res;

		if (str_eq(actual, r->value))
			continue;
		res = VEC_PUSH(c.v, c.n);
		res->request = r;
		/* Unknown until its entry is found. */
		res->outcome = !str_eq(actual, "n") ? KCONFIG_CHANGED :
			       source_dir	    ? KCONFIG_UNKNOWN :
						      KCONFIG_NOT_TAKEN;
		if (res->outcome == KCONFIG_CHANGED && str_eq(r->value, "m") && !has_modules)
			res->depends = mem_strdup("MODULES");
		is_any_missing |= res->outcome == KCONFIG_UNKNOWN;
		res->actual = take_ptr(actual);
	}
	if (is_any_missing && scan_dir(&c, source_dir, 0, err) < 0) {
		kconfig_check_clear(&c);
		return error_wrap(err, "search the kernel's Kconfig files");
	}
	*ret = c;
	return 0;
}

static void add_result(const struct kconfig_result *r, bool with_origin, struct str *out)
{
	str_addf(out, "%s=%s", r->request->symbol, r->request->value);
	if (r->outcome == KCONFIG_CHANGED)
		str_addf(out, " (is %s%s%s)", r->actual, r->depends ? "; needs " : "", r->depends ? r->depends : "");
	else if (r->outcome == KCONFIG_NOT_TAKEN && r->depends)
		str_addf(out, " (needs %s)", r->depends);
	else if (r->outcome == KCONFIG_UNKNOWN && with_origin)
		str_add(out, " (this version has no such symbol)");
	if (with_origin)
		str_addf(out, ", asked for by %s", r->request->origin);
}

void kconfig_check_report(const struct kconfig_check *c, const struct kconfig *k, struct str *out)
{
	static const struct {
		enum kconfig_outcome outcome;
		const char *title;
	} kinds[] = {
		{ KCONFIG_NOT_TAKEN, "not taken" },
		{ KCONFIG_CHANGED, "set to something else" },
		{ KCONFIG_UNKNOWN, "unknown in this version" },
	};

	for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		size_t n = 0;

		for (size_t i = 0; i < c->n; i++) {
			if (c->v[i].outcome != kinds[kind].outcome)
				continue;
			if (n++)
				str_add(out, ", ");
			else
				str_addf(out, "%s: ", kinds[kind].title);
			add_result(&c->v[i], false, out);
		}
		if (n)
			str_add_char(out, '\n');
	}
	for (size_t i = 0; i < k->n_conflicts; i++)
		str_addf(out, "conflicting: %s: %s gives way to %s\n", k->conflicts[i].symbol, k->conflicts[i].loser,
			 k->conflicts[i].winner);
}

int kconfig_check_required(const struct kconfig_check *c, struct error *err)
{
	_cleanup_str_ struct str text = STR_INIT;
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (!c->v[i].request->is_required)
			continue;
		str_add(&text, n++ ? "; CONFIG_" : "CONFIG_");
		add_result(&c->v[i], true, &text);
	}
	if (!n)
		return 0;
	return error_set(err, ERROR_UNSUPPORTED, "cannot configure the kernel as wanted: %s", str_cstr(&text));
}
