/* SPDX-License-Identifier: MPL-2.0 */
/* Reading and rewriting apt sources: see apt_sources.h. */

#include "image/apt_sources.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

void apt_sources_clear(struct apt_sources *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].uris);
		free(s->v[i].suites);
		free(s->v[i].components);
		free(s->v[i].types);
		free(s->v[i].options);
	}
	free(s->v);
	*s = (struct apt_sources){ 0 };
}

/* ---- one-line format: deb [option=value ...] uri suite [component ...] ---- */

/* sources.list(5): the options whose deb822 field has another name. */
static const struct {
	const char *option, *field;
} option_fields[] = {
	{ "lang", "Languages" },
	{ "target", "Targets" },
};

static void add_option(struct str *out, const char *word)
{
	const char *eq = strchr(word, '=');
	_cleanup_free_ char *name = NULL;
	const char *field;

	if (!eq)
		return;
	name = mem_strndup(word, (size_t)(eq - word));
	if (str_starts(name, "arch")) /* ours to say */
		return;
	field = name;
	for (size_t i = 0; i < ARRAY_SIZE(option_fields); i++)
		if (str_eq(name, option_fields[i].option))
			field = option_fields[i].field;
	str_addf(out, "%s: ", field);
	for (const char *c = eq + 1; *c; c++)
		str_add_char(out, *c == ',' ? ' ' : *c);
	str_add_char(out, '\n');
}

static void parse_line(struct apt_sources *s, const char *line)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_str_ struct str options = STR_INIT, components = STR_INIT;
	_cleanup_free_ char *text = mem_strndup(line, strcspn(line, "#"));
	struct apt_source *src;
	char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;

	if (open && close) {
		_cleanup_strv_ struct strv opts = STRV_INIT;

		*close = '\0';
		strv_split(&opts, open + 1, " \t");
		for (size_t i = 0; i < opts.n; i++)
			add_option(&options, opts.v[i]);
		memset(open, ' ', (size_t)(close - open) + 1);
	}
	strv_split(&words, text, " \t\r");
	if (words.n < 3 || (!str_eq(words.v[0], "deb") && !str_eq(words.v[0], "deb-src")))
		return;
	for (size_t i = 3; i < words.n; i++)
		str_addf(&components, "%s%s", i > 3 ? " " : "", words.v[i]);
	src = VEC_PUSH(s->v, s->n);
	src->types = mem_strdup(words.v[0]);
	src->uris = mem_strdup(words.v[1]);
	src->suites = mem_strdup(words.v[2]);
	src->components = str_take(&components);
	src->options = str_take(&options);
	src->is_enabled = true;
}

/* ---- deb822 ---- */

static bool is_field(const char *name, size_t n, const char *wanted)
{
	return strlen(wanted) == n && strncasecmp(name, wanted, n) == 0;
}

/* value with its continuation lines, trimmed; the caller frees. */
static char *unfold(const char *value)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct str out = STR_INIT;

	strv_split(&words, value, " \t\r\n");
	for (size_t i = 0; i < words.n; i++)
		str_addf(&out, "%s%s", i ? " " : "", words.v[i]);
	return str_take(&out);
}

static void take_field(struct apt_source *src, struct str *options, const char *field, size_t len)
{
	const char *colon = memchr(field, ':', len);
	_cleanup_free_ char *raw = NULL;
	size_t name_len;
	char **slot = NULL;

	if (!colon)
		return;
	name_len = (size_t)(colon - field);
	raw = mem_strndup(colon + 1, len - name_len - 1);
	if (is_field(field, name_len, "Types"))
		slot = &src->types;
	else if (is_field(field, name_len, "URIs"))
		slot = &src->uris;
	else if (is_field(field, name_len, "Suites"))
		slot = &src->suites;
	else if (is_field(field, name_len, "Components"))
		slot = &src->components;
	if (slot) {
		free(*slot);
		*slot = unfold(raw);
	} else if (is_field(field, name_len, "Enabled")) {
		_cleanup_free_ char *value = unfold(raw);
		bool on;

		src->is_enabled = parse_bool(value, &on, NULL) < 0 || on;
	} else if (!is_field(field, name_len, "Architectures")) {
		str_add_mem(options, field, len);
		str_add_char(options, '\n');
	}
}

/* End of the field that begins at s: its line and all continuation lines. */
static size_t field_length(const char *s)
{
	size_t n = strcspn(s, "\n");

	while (s[n] == '\n' && (s[n + 1] == ' ' || s[n + 1] == '\t'))
		n += 1 + strcspn(s + n + 1, "\n");
	return n;
}

static void end_paragraph(struct apt_sources *s, struct apt_source *src, struct str *options)
{
	if (src->types && src->uris && src->suites) {
		if (!src->components)
			src->components = mem_strdup("");
		src->options = str_take(options);
		*VEC_PUSH(s->v, s->n) = *src;
	} else {
		free(src->types);
		free(src->uris);
		free(src->suites);
		free(src->components);
	}
	str_truncate(options, 0);
	*src = (struct apt_source){ .is_enabled = true };
}

static void parse_deb822(struct apt_sources *s, const char *text)
{
	struct apt_source src = { .is_enabled = true };
	_cleanup_str_ struct str options = STR_INIT;

	while (*text) {
		size_t n;

		if (*text == '#') {
			n = strcspn(text, "\n");
		} else if (text[strspn(text, " \t\r")] == '\n') {
			end_paragraph(s, &src, &options);
			n = strspn(text, " \t\r");
		} else {
			n = field_length(text);
			take_field(&src, &options, text, n);
		}
		text += n;
		if (*text == '\n')
			text++;
	}
	end_paragraph(s, &src, &options);
}

void apt_sources_parse(struct apt_sources *s, const char *name, const char *text)
{
	_cleanup_strv_ struct strv lines = STRV_INIT;

	if (str_ends(name, ".sources")) {
		parse_deb822(s, text);
		return;
	}
	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++)
		parse_line(s, lines.v[i]);
}

/* ---- deriving ---- */

static bool has_word(const char *words, const char *word)
{
	_cleanup_strv_ struct strv v = STRV_INIT;

	strv_split(&v, words, " ");
	return strv_has(&v, word);
}

/* What follows the release's name in a suite, where all releases have such a suite. */
static const char *const regular_suffixes[] = { "", "-updates", "-security", "/updates" };
/* Suites that are one piece. */
static const char *const rolling[] = { "sid", "unstable", "experimental" };
static const char *const aliases[] = { "stable", "oldstable", "testing", "unstable", "sid" };

static bool is_in(const char *const *list, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i], word))
			return true;
	return false;
}

/* The suite for the query that takes the place of this one of the host; NULL: none. Caller frees. */
static char *derive_suite(const struct apt_sources_query *q, const char *suite)
{
	const char *suffix = NULL;
	size_t n = strlen(q->host_suite);

	if (str_starts(suite, q->host_suite) && (!suite[n] || strchr("-/", suite[n]))) {
		suffix = suite + n;
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(aliases) && !suffix; i++) {
			size_t len = strlen(aliases[i]);

			if (str_starts(suite, aliases[i]) && (!suite[len] || strchr("-/", suite[len])))
				suffix = suite + len;
		}
		if (!suffix)
			return NULL;
	}
	if (str_eq(q->suite, q->host_suite))
		return mem_strdup(suite);
	if (!is_in(regular_suffixes, ARRAY_SIZE(regular_suffixes), suffix))
		return NULL;
	if (*suffix && is_in(rolling, ARRAY_SIZE(rolling), q->suite))
		return NULL;
	return mem_printf("%s%s", q->suite, suffix);
}

size_t apt_sources_derive(const struct apt_sources *s, const struct apt_sources_query *q, struct str *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct apt_source *src = &s->v[i];
		_cleanup_strv_ struct strv suites = STRV_INIT, derived = STRV_INIT;

		if (!src->is_enabled || !has_word(src->types, "deb") || !has_word(src->components, "main"))
			continue;
		strv_split(&suites, src->suites, " ");
		for (size_t j = 0; j < suites.n; j++) {
			_cleanup_free_ char *d = derive_suite(q, suites.v[j]);

			if (d && !strv_has(&derived, d))
				strv_add(&derived, d);
		}
		if (!derived.n)
			continue;
		str_addf(out, "%sTypes: deb%s\nURIs: %s\nSuites:", n ? "\n" : "", q->with_source ? " deb-src" : "",
			 src->uris);
		for (size_t j = 0; j < derived.n; j++)
			str_addf(out, " %s", derived.v[j]);
		str_addf(out, "\nComponents: %s\nArchitectures: %s\n%s", q->components, q->archs, src->options);
		n++;
	}
	return n;
}
