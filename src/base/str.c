/* SPDX-License-Identifier: MPL-2.0 */
/* Byte strings, string arrays and parsing of what people type. See str.h. */

#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static _Noreturn void mem_abort(void)
{
	static const char msg[] = "quiz: out of memory\n";
	ssize_t n = write(STDERR_FILENO, msg, sizeof(msg) - 1);

	(void)n;
	_exit(125);
}

void *mem_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		mem_abort();
	return p;
}

void *mem_realloc(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		mem_abort();
	return p;
}

char *mem_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = mem_alloc(len + 1);

	memcpy(p, s, len);
	return p;
}

char *mem_strdup(const char *s)
{
	return s ? mem_strndup(s, strlen(s)) : NULL;
}

char *mem_printf(const char *fmt, ...)
{
	struct str s = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	return str_take(&s);
}

void *vec_push_(void **arr, size_t *n, size_t elem_size)
{
	/* Full exactly when n is 0 or a power of two: double then. */
	if ((*n & (*n - 1)) == 0)
		*arr = mem_realloc(*arr, (*n ? *n * 2 : 1) * elem_size);
	void *elem = (char *)*arr + *n * elem_size;
	memset(elem, 0, elem_size);
	(*n)++;
	return elem;
}

static void str_reserve(struct str *s, size_t extra)
{
	size_t need = s->len + extra + 1;

	if (need <= s->cap)
		return;
	size_t cap = s->cap ? s->cap : 64;
	while (cap < need)
		cap *= 2;
	s->p = mem_realloc(s->p, cap);
	s->cap = cap;
}

void str_clear(struct str *s)
{
	free(s->p);
	*s = (struct str)STR_INIT;
}

void str_truncate(struct str *s, size_t len)
{
	if (len >= s->len)
		return;
	s->len = len;
	s->p[len] = '\0';
}

void str_add_mem(struct str *s, const void *mem, size_t n)
{
	str_reserve(s, n);
	if (n)
		memcpy(s->p + s->len, mem, n);
	s->len += n;
	s->p[s->len] = '\0';
}

void str_add(struct str *s, const char *text)
{
	str_add_mem(s, text, strlen(text));
}

void str_add_line(struct str *s, const void *mem, size_t n)
{
	str_reserve(s, n + 1);
	if (n)
		memcpy(s->p + s->len, mem, n);
	s->len += n;
	s->p[s->len++] = '\n';
	s->p[s->len] = '\0';
}

void str_add_char(struct str *s, char c)
{
	str_add_mem(s, &c, 1);
}

void str_vaddf(struct str *s, const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	str_reserve(s, 63);
	int n = vsnprintf(s->p + s->len, s->cap - s->len, fmt, ap);
	if (n >= 0 && (size_t)n >= s->cap - s->len) {
		str_reserve(s, (size_t)n);
		vsnprintf(s->p + s->len, s->cap - s->len, fmt, again);
	}
	if (n > 0)
		s->len += (size_t)n;
	va_end(again);
}

void str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(s, fmt, ap);
	va_end(ap);
}

const char *str_cstr(const struct str *s)
{
	return s->p ? s->p : "";
}

char *str_take(struct str *s)
{
	char *p = s->p ? s->p : mem_strdup("");

	*s = (struct str)STR_INIT;
	return p;
}

void strv_clear(struct strv *sv)
{
	for (size_t i = 0; i < sv->n; i++)
		free(sv->v[i]);
	free(sv->v);
	*sv = (struct strv)STRV_INIT;
}

void strv_add_take(struct strv *sv, char *s_consumed)
{
	if (sv->n + 2 > sv->cap) {
		sv->cap = sv->cap ? sv->cap * 2 : 8;
		sv->v = mem_realloc(sv->v, sv->cap * sizeof(char *));
	}
	sv->v[sv->n++] = s_consumed;
	sv->v[sv->n] = NULL;
}

void strv_add(struct strv *sv, const char *s)
{
	strv_add_take(sv, mem_strdup(s));
}

void strv_addf(struct strv *sv, const char *fmt, ...)
{
	struct str s = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	strv_add_take(sv, str_take(&s));
}

void strv_add_all(struct strv *sv, char *const *v)
{
	for (; v && *v; v++)
		strv_add(sv, *v);
}

bool strv_has(const struct strv *sv, const char *s)
{
	for (size_t i = 0; i < sv->n; i++)
		if (!strcmp(sv->v[i], s))
			return true;
	return false;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *sv)
{
	if (sv->n)
		qsort(sv->v, sv->n, sizeof(*sv->v), compare_texts);
}

void strv_split(struct strv *sv, const char *s, const char *seps)
{
	while (*s) {
		size_t skip = strspn(s, seps);
		size_t n;

		s += skip;
		n = strcspn(s, seps);
		if (n)
			strv_add_take(sv, mem_strndup(s, n));
		s += n;
	}
}

bool str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return !strcmp(a, b);
}

bool str_starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !strcmp(s + n - m, suffix);
}

/* Shared by sizes and durations: digits[.digits], then the unit is left in *ret_unit. */
static int parse_number(const char *s, double *ret, const char **ret_unit)
{
	const char *p = s;
	double v = 0, scale = 1;
	bool any = false;

	for (; isdigit((unsigned char)*p); p++, any = true)
		v = v * 10 + (*p - '0');
	if (*p == '.') {
		for (p++; isdigit((unsigned char)*p); p++, any = true)
			v += (*p - '0') * (scale /= 10);
	}
	if (!any || v > 1e18)
		return -1;
	*ret = v;
	*ret_unit = p;
	return 0;
}

int parse_size(const char *s, uint64_t *ret_bytes, struct error *err)
{
	static const char units[] = "KMGTP";
	double v, factor = 1;
	const char *u;

	if (parse_number(s, &v, &u) < 0)
		goto bad;
	if (*u) {
		const char *at = strchr(units, toupper((unsigned char)*u));

		if (at) {
			for (const char *k = units; k <= at; k++)
				factor *= 1024;
			u++;
			if (*u == 'i' || *u == 'I')
				u++;
		}
		if (*u == 'B' || *u == 'b')
			u++;
	}
	if (*u || v * factor >= 9.2e18)
		goto bad;
	*ret_bytes = (uint64_t)(v * factor);
	return 0;
bad:
	return error_set(err, ERROR_USAGE, "'%s' is not a size (such as 512M or 2G)", s);
}

int parse_duration(const char *s, uint64_t *ret_ms, struct error *err)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "", 1000 },	 { "ms", 1 },	      { "s", 1000 },
		      { "m", 60e3 },	 { "min", 60e3 },     { "h", 3600e3 },
		      { "d", 86400e3 } };
	const char *u;
	double v;

	if (parse_number(s, &v, &u) == 0)
		for (size_t i = 0; i < ARRAY_SIZE(units); i++)
			if (!strcmp(u, units[i].unit) && v * units[i].ms < 9.2e18) {
				*ret_ms = (uint64_t)(v * units[i].ms + 0.5);
				return 0;
			}
	return error_set(err, ERROR_USAGE, "'%s' is not a time (such as 30s, 500ms or 5m)", s);
}

int parse_bool(const char *s, bool *ret, struct error *err)
{
	static const char *const yes[] = { "yes", "on", "true", "1" };
	static const char *const no[] = { "no", "off", "false", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (!strcasecmp(s, yes[i])) {
			*ret = true;
			return 0;
		}
		if (!strcasecmp(s, no[i])) {
			*ret = false;
			return 0;
		}
	}
	return error_set(err, ERROR_USAGE, "'%s' is neither yes nor no", s);
}

int parse_u32(const char *s, uint32_t min, uint32_t max, uint32_t *ret, struct error *err)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(s, &end, 10);
	if (!isdigit((unsigned char)*s) || *end || errno || v < min || v > max)
		return error_set(err, ERROR_USAGE, "'%s' is not a number from %u to %u", s, min, max);
	*ret = (uint32_t)v;
	return 0;
}

char *format_size(uint64_t bytes, char *buf, size_t n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)bytes;
	size_t i = 0;

	while (v >= 1024 && i + 1 < ARRAY_SIZE(units)) {
		v /= 1024;
		i++;
	}
	snprintf(buf, n, i && v < 10 ? "%.1f %s" : "%.0f %s", v, units[i]);
	return buf;
}

char *format_duration_ms(uint64_t ms, char *buf, size_t n)
{
	uint64_t s = ms / 1000;

	if (ms < 10000)
		snprintf(buf, n, "%.1f s", (double)ms / 1000);
	else if (s < 60)
		snprintf(buf, n, "%" PRIu64 " s", s);
	else if (s < 3600)
		snprintf(buf, n, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, n, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
	else
		snprintf(buf, n, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s % 86400 / 3600);
	return buf;
}

char *format_age(uint64_t age_s, char *buf, size_t n)
{
	static const struct {
		uint64_t seconds;
		const char *unit;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && age_s < units[i].seconds)
		i++;
	snprintf(buf, n, "%" PRIu64 " %s", age_s / units[i].seconds, units[i].unit);
	return buf;
}

/* Length of the valid UTF-8 sequence at p, or 0. C1 controls do not count as valid text. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;

	if (!len || len > n || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if (p[0] == 0xc2 && p[1] < 0xa0)
		return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90))
		return 0;
	return len;
}

void str_add_safe(struct str *s, const void *mem, size_t n, bool keep_newlines)
{
	const unsigned char *p = mem;

	for (size_t i = 0; i < n;) {
		unsigned char c = p[i];
		size_t len;

		if ((c >= 0x20 && c < 0x7f) || c == '\t' || (keep_newlines && c == '\n')) {
			str_add_char(s, (char)c);
			i++;
		} else if (c >= 0x80 && (len = utf8_len(p + i, n - i))) {
			str_add_mem(s, p + i, len);
			i += len;
		} else {
			str_addf(s, "\\x%02x", c);
			i++;
		}
	}
}

void str_add_shell(struct str *s, const char *word)
{
	if (*word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789_-./:=,+@%^") == strlen(word)) {
		str_add(s, word);
		return;
	}
	str_add_char(s, '\'');
	for (; *word; word++) {
		if (*word == '\'')
			str_add(s, "'\\''");
		else
			str_add_char(s, *word);
	}
	str_add_char(s, '\'');
}

size_t str_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t row[65];

	if (la > 64 || lb > 64)
		return 64;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diag = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diag + (a[i - 1] != b[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diag = row[j];
			row[j] = best;
		}
	}
	return row[lb];
}

const char *str_nearest(const char *word, const char *const *list)
{
	const char *best = NULL;
	size_t best_d = strlen(word) <= 3 ? 2 : strlen(word) / 3 + 2;

	for (; *list; list++) {
		size_t d = str_distance(word, *list);

		if (d < best_d) {
			best_d = d;
			best = *list;
		}
	}
	return best;
}

uint64_t hash_mem(uint64_t h, const void *mem, size_t n)
{
	const unsigned char *p = mem;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h;
}

uint64_t hash_str(uint64_t h, const char *s)
{
	return hash_mem(h, s, strlen(s) + 1);
}
