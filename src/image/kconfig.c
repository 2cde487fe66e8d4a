/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Reading and merging of configuration fragments; what came of them is
 * judged in kconfig_check.c. The syntax is described in kconfig.h.
 */

#include "image/kconfig.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/fs.h"

/* Fragments that pull in fragments that ...: deeper than this is a mistake. */
#define WITH_DEPTH_MAX 8

void kconfig_clear(struct kconfig *k)
{
	for (size_t i = 0; i < k->n_requests; i++) {
		free(k->requests[i].symbol);
		free(k->requests[i].value);
		free(k->requests[i].origin);
	}
	for (size_t i = 0; i < k->n_conflicts; i++) {
		free(k->conflicts[i].symbol);
		free(k->conflicts[i].loser);
		free(k->conflicts[i].winner);
	}
	free(k->requests);
	free(k->conflicts);
	strv_clear(&k->fragments);
	*k = (struct kconfig){ 0 };
}

static bool is_symbol(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_')
			return false;
	return true;
}

/* y, m, n, a number, a hex number or a quoted string without line breaks. */
static bool is_value(const char *v)
{
	size_t len = strlen(v);

	if (str_eq(v, "y") || str_eq(v, "m") || str_eq(v, "n"))
		return true;
	if (*v == '"')
		return len >= 2 && v[len - 1] == '"' && !strchr(v, '\n');
	if (*v == '-')
		v++;
	return *v && (str_starts(v, "0x") ? strspn(v + 2, "0123456789abcdefABCDEF") == strlen(v + 2)
					  : strspn(v, "0123456789") == strlen(v));
}

static int add_conflict(struct kconfig *k, const struct kconfig_request *old, const struct kconfig_request *now,
			struct error *err)
{
	struct kconfig_conflict *c;

	if (old->is_required && now->is_required) {
		error_set(err, ERROR_USAGE, "cannot configure the kernel: %s wants CONFIG_%s=%s, %s wants CONFIG_%s=%s",
			  old->origin, old->symbol, old->value, now->origin, now->symbol, now->value);
		return error_hint(err, "leave one of the two out");
	}
	c = VEC_PUSH(k->conflicts, k->n_conflicts);
	c->symbol = mem_strdup(old->symbol);
	c->loser = mem_printf("%s (%s)", old->value, old->origin);
	c->winner = mem_printf("%s (%s)", now->value, now->origin);
	return 0;
}

/* Consumes the request. A required one of ours is not undone by one that is only wanted. */
static int add_request(struct kconfig *k, struct kconfig_request *now, struct error *err)
{
	struct kconfig_request *slot = NULL;

	for (size_t i = 0; i < k->n_requests && !slot; i++)
		if (str_eq(k->requests[i].symbol, now->symbol))
			slot = &k->requests[i];
	if (!slot) {
		slot = VEC_PUSH(k->requests, k->n_requests);
	} else if (str_eq(slot->value, now->value)) {
		now->is_required |= slot->is_required;
	} else if (!now->is_users && slot->is_required && !now->is_required) {
		struct kconfig_request tmp = *now;

		*now = *slot;
		*slot = tmp;
		if (add_conflict(k, slot, now, err) < 0)
			return -1;
	} else if (!now->is_users && add_conflict(k, slot, now, err) < 0) {
		return -1;
	}
	free(slot->symbol);
	free(slot->value);
	free(slot->origin);
	*slot = *now;
	*now = (struct kconfig_request){ 0 };
	return 0;
}

int kconfig_add_symbol(struct kconfig *k, const char *symbol, const char *value, const char *origin, bool is_required,
		       struct error *err)
{
	struct kconfig_request r = { .is_required = is_required, .is_users = str_starts(origin, "--") };
	int rc;

	if (str_starts(symbol, "CONFIG_"))
		symbol += strlen("CONFIG_");
	if (!is_symbol(symbol))
		return error_set(err, ERROR_USAGE, "%s: '%s' is not a configuration symbol", origin, symbol);
	if (!is_value(value))
		return error_set(err, ERROR_USAGE, "%s: '%s' is not a value for CONFIG_%s", origin, value, symbol);
	r.symbol = mem_strdup(symbol);
	r.value = mem_strdup(value);
	r.origin = mem_strdup(origin);
	rc = add_request(k, &r, err);
	free(r.symbol);
	free(r.value);
	free(r.origin);
	return rc;
}

/* ---- One text ---- */

struct reader {
	struct kconfig *k;
	const struct strv *dirs;
	const char *name;
	const struct kernel_version *version;
	unsigned line, depth;
	bool is_users, is_required, is_active;
};

static int add_text(struct kconfig *k, const struct strv *dirs, const char *name, const char *text, size_t n,
		    bool is_users, const struct kernel_version *version, unsigned depth, struct error *err);
static int add_named(struct kconfig *k, const struct strv *dirs, const char *name, const struct kernel_version *version,
		     unsigned depth, struct error *err);

/* Fragments speak of 6.9; its release candidates and -next trees on the way to it have what it has. */
static int compare_minor(const struct kernel_version *a, const struct kernel_version *b)
{
	for (int i = 0; i < 2; i++)
		if (a->part[i] != b->part[i])
			return a->part[i] < b->part[i] ? -1 : 1;
	return 0;
}

/* "since 5.13 until 6.9 on x86_64 aarch64", any part of it. */
static int read_condition(struct reader *r, const struct strv *words, struct error *err)
{
	r->is_active = true;
	for (size_t i = 0; i < words->n; i += 2) {
		bool since = str_eq(words->v[i], "since"), on = str_eq(words->v[i], "on");
		struct kernel_version v;

		if ((on || str_eq(words->v[i], "off")) && i + 1 < words->n) {
			const struct strv archs = { .v = words->v + i + 1, .n = words->n - i - 1 };

			if ((r->k->arch && strv_has(&archs, r->k->arch)) != on)
				r->is_active = false;
			return 0;
		}
		if ((!since && !str_eq(words->v[i], "until")) || i + 1 >= words->n)
			return error_set(
			    err, ERROR_USAGE,
			    "%s:%u: expected 'since VERSION', 'until VERSION', 'on ARCH...' or 'off ARCH...'", r->name,
			    r->line);
		if (kernel_version_parse(words->v[i + 1], &v, err) < 0)
			return error_wrap(err, "%s:%u", r->name, r->line);
		/* A tree without a number of its own (master, next) is newer than all of them. */
		if (r->version->n_parts == 0 ? !since : (compare_minor(r->version, &v) >= 0) != since)
			r->is_active = false;
	}
	return 0;
}

static int read_directive(struct reader *r, const char *text, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;

	strv_split(&words, text, " \t,");
	if (!words.n)
		return 0;
	if (str_eq(words.v[0], "summary"))
		return 0;
	if (str_eq(words.v[0], "without") && words.n == 2 && str_eq(words.v[1], "default"))
		return 0; /* kconfig_is_without_default() */
	if (str_eq(words.v[0], "required") || str_eq(words.v[0], "wanted")) {
		r->is_required = str_eq(words.v[0], "required");
		return 0;
	}
	if (str_eq(words.v[0], "always")) {
		r->is_active = true;
		return 0;
	}
	if (str_eq(words.v[0], "since") || str_eq(words.v[0], "until") || str_eq(words.v[0], "on") ||
	    str_eq(words.v[0], "off"))
		return read_condition(r, &words, err);
	if (str_eq(words.v[0], "with")) {
		for (size_t i = 1; i < words.n && r->is_active; i++)
			if (add_named(r->k, r->dirs, words.v[i], r->version, r->depth + 1, err) < 0)
				return error_wrap(err, "%s:%u", r->name, r->line);
		return 0;
	}
	return error_set(err, ERROR_USAGE, "%s:%u: '#: %s' is not known", r->name, r->line, words.v[0]);
}

static int read_line(struct reader *r, char *line, struct error *err)
{
	static const char not_set[] = " is not set";
	struct kconfig_request now = { .is_required = r->is_required, .is_users = r->is_users };
	const char *symbol = line, *value;
	char *eq;
	int rc;

	if (str_starts(line, "#:"))
		return read_directive(r, line + 2, err);
	if (str_starts(line, "# CONFIG_") && str_ends(line, not_set)) {
		symbol = line + 2;
		line[strlen(line) - strlen(not_set)] = '\0';
		value = "n";
	} else if (*line == '#' || !*line) {
		return 0;
	} else {
		eq = strchr(line, '=');
		if (!eq || !str_starts(line, "CONFIG_"))
			return error_set(err, ERROR_USAGE, "%s:%u: expected CONFIG_SYMBOL=value, not '%s'", r->name,
					 r->line, line);
		*eq = '\0';
		value = eq + 1;
	}
	if (!is_symbol(symbol + strlen("CONFIG_")) || !is_value(value))
		return error_set(err, ERROR_USAGE, "%s:%u: '%s=%s' is not a symbol and a value", r->name, r->line,
				 symbol, value);
	if (!r->is_active)
		return 0;
	now.symbol = mem_strdup(symbol + strlen("CONFIG_"));
	now.value = mem_strdup(value);
	now.origin = mem_printf("%s:%u", r->name, r->line);
	rc = add_request(r->k, &now, err);
	free(now.symbol);
	free(now.value);
	free(now.origin);
	return rc;
}

static int add_text(struct kconfig *k, const struct strv *dirs, const char *name, const char *text, size_t n,
		    bool is_users, const struct kernel_version *version, unsigned depth, struct error *err)
{
	struct reader r = {
		.k = k,
		.dirs = dirs,
		.name = name,
		.version = version,
		.depth = depth,
		.is_users = is_users,
		.is_required = is_users,
		.is_active = true,
	};

	for (size_t at = 0; at < n;) {
		const char *nl = memchr(text + at, '\n', n - at);
		size_t len = nl ? (size_t)(nl - text) - at : n - at;
		_cleanup_free_ char *line = mem_strndup(text + at, len);

		len = strlen(line);
		while (len && isspace((unsigned char)line[len - 1]))
			line[--len] = '\0';
		r.line++;
		if (read_line(&r, line, err) < 0)
			return -1;
		if (!nl)
			break;
		at = (size_t)(nl - text) + 1;
	}
	return 0;
}

int kconfig_add_text(struct kconfig *k, const struct strv *dirs, const char *name, const char *text, size_t n,
		     bool is_users, const struct kernel_version *version, struct error *err)
{
	return add_text(k, dirs, name, text, n, is_users, version, 0, err);
}

/* ---- Files ---- */

static int no_such_fragment(const struct strv *dirs, const char *name, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	const char *near;

	for (size_t i = 0; i < dirs->n; i++)
		fs_list(dirs->v[i], &names, NULL);
	near = names.n ? str_nearest(name, (const char *const *)names.v) : NULL;
	error_set(err, ERROR_MISSING, "cannot find kernel configuration fragment '%s'", name);
	if (near)
		return error_hint(err, "did you mean '%s'?", near);
	return dirs->n ? error_hint(err, "those that there are: ls %s", dirs->v[dirs->n - 1]) : -1;
}

static int add_named(struct kconfig *k, const struct strv *dirs, const char *name, const struct kernel_version *version,
		     unsigned depth, struct error *err)
{
	_cleanup_str_ struct str text = STR_INIT;

	if (depth > WITH_DEPTH_MAX)
		return error_set(err, ERROR_USAGE, "fragment '%s' is nested too deeply", name);
	if (strv_has(&k->fragments, name))
		return 0;
	if (!*name || strchr(name, '/') || *name == '.')
		return error_set(err, ERROR_USAGE, "'%s' is not the name of a fragment", name);
	strv_add(&k->fragments, name);
	for (size_t i = 0; i < dirs->n; i++) {
		_cleanup_free_ char *path = fs_join(dirs->v[i], name);

		if (!fs_exists(path))
			continue;
		if (fs_read(path, KCONFIG_FRAGMENT_MAX, &text, err) < 0)
			return -1;
		return add_text(k, dirs, name, str_cstr(&text), text.len, false, version, depth, err);
	}
	return no_such_fragment(dirs, name, err);
}

int kconfig_add_fragment(struct kconfig *k, const struct strv *dirs, const char *name,
			 const struct kernel_version *version, struct error *err)
{
	return add_named(k, dirs, name, version, 0, err);
}

int kconfig_add_file(struct kconfig *k, const struct strv *dirs, const char *path, const struct kernel_version *version,
		     struct error *err)
{
	_cleanup_str_ struct str text = STR_INIT;

	if (fs_read(path, KCONFIG_FRAGMENT_MAX, &text, err) < 0)
		return -1;
	strv_add(&k->fragments, path);
	return add_text(k, dirs, path, str_cstr(&text), text.len, true, version, 0, err);
}

static int by_symbol(const void *a, const void *b)
{
	const struct kconfig_request *const *x = a, *const *y = b;

	return strcmp((*x)->symbol, (*y)->symbol);
}

void kconfig_write(const struct kconfig *k, struct str *out)
{
	_cleanup_free_ const struct kconfig_request **sorted = mem_alloc((k->n_requests + 1) * sizeof(*sorted));

	for (size_t i = 0; i < k->n_requests; i++)
		sorted[i] = &k->requests[i];
	qsort(sorted, k->n_requests, sizeof(*sorted), by_symbol);
	for (size_t i = 0; i < k->n_requests; i++) {
		const struct kconfig_request *r = sorted[i];

		if (str_eq(r->value, "n"))
			str_addf(out, "# CONFIG_%s is not set\n", r->symbol);
		else
			str_addf(out, "CONFIG_%s=%s\n", r->symbol, r->value);
	}
}

bool kconfig_is_without_default(const struct strv *dirs, const char *name)
{
	for (size_t i = 0; i < dirs->n; i++) {
		_cleanup_free_ char *path = fs_join(dirs->v[i], name);
		_cleanup_str_ struct str text = STR_INIT;

		if (fs_read(path, KCONFIG_FRAGMENT_MAX, &text, NULL) == 0)
			return strstr(str_cstr(&text), "\n#: without default\n");
	}
	return false;
}

char *kconfig_summary(const char *path)
{
	static const char key[] = "#: summary ";
	_cleanup_str_ struct str text = STR_INIT;
	const char *at;

	if (fs_read(path, KCONFIG_FRAGMENT_MAX, &text, NULL) < 0)
		return mem_strdup("");
	at = strstr(str_cstr(&text), key);
	if (!at)
		return mem_strdup("");
	at += strlen(key);
	return mem_strndup(at, strcspn(at, "\n"));
}
