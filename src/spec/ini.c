/* SPDX-License-Identifier: MPL-2.0 */
/* One pass over the lines; the current key is handed on when the next line shows that its value is complete. */

#include "spec/ini.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"

struct ini {
	ini_fn *fn;
	void *ctx;
	const char *name;
	struct str section, key, value;
	unsigned line;	   /* being read */
	unsigned key_line; /* where `key` stands; 0: no key is pending */
};

static int emit(struct ini *p, const struct ini_item *item, struct error *err)
{
	if (p->fn(p->ctx, item, err) < 0)
		return error_wrap(err, "%s:%u", p->name, item->line);
	return 0;
}

static int flush_key(struct ini *p, struct error *err)
{
	struct ini_item item = { str_cstr(&p->section), str_cstr(&p->key), str_cstr(&p->value), p->key_line };

	if (!p->key_line)
		return 0;
	p->key_line = 0;
	return emit(p, &item, err);
}

static int bad(struct ini *p, const char *what, struct error *err)
{
	return error_set(err, ERROR_USAGE, "%s:%u: %s", p->name, p->line, what);
}

static int begin_section(struct ini *p, const char *text, size_t n, struct error *err)
{
	const char *end = memchr(text, ']', n);
	struct ini_item item = { NULL, NULL, "", p->line };

	if (!end || end != text + n - 1 || end == text + 1)
		return bad(p, "a section looks like [name]", err);
	str_truncate(&p->section, 0);
	str_add_mem(&p->section, text + 1, n - 2);
	item.section = str_cstr(&p->section);
	return emit(p, &item, err);
}

static int begin_key(struct ini *p, const char *text, size_t n, struct error *err)
{
	const char *eq = memchr(text, '=', n), *value;
	size_t key_len;

	if (!eq || eq == text)
		return bad(p, "neither 'key = value' nor '[section]'", err);
	for (key_len = (size_t)(eq - text); isspace((unsigned char)text[key_len - 1]); key_len--)
		;
	for (value = eq + 1; value < text + n && isspace((unsigned char)*value); value++)
		;
	str_truncate(&p->key, 0);
	str_add_mem(&p->key, text, key_len);
	str_truncate(&p->value, 0);
	str_add_mem(&p->value, value, (size_t)(text + n - value));
	p->key_line = p->line;
	return 0;
}

/* One line without its newline. */
static int line(struct ini *p, const char *text, size_t n, struct error *err)
{
	bool is_indented = n && isspace((unsigned char)*text);

	while (n && isspace((unsigned char)text[n - 1]))
		n--;
	while (n && isspace((unsigned char)*text)) {
		text++;
		n--;
	}
	if (!n || *text == '#' || *text == ';')
		return 0;
	if (n > INI_VALUE_MAX || p->value.len + n > INI_VALUE_MAX)
		return bad(p, "the value is too long", err);
	if (is_indented && p->key_line) {
		str_addf(&p->value, "%s%.*s", p->value.len ? " " : "", (int)n, text);
		return 0;
	}
	if (flush_key(p, err) < 0)
		return -1;
	str_truncate(&p->value, 0);
	return *text == '[' ? begin_section(p, text, n, err) : begin_key(p, text, n, err);
}

int ini_parse(const char *text, size_t n, const char *name, ini_fn *fn, void *ctx, struct error *err)
{
	struct ini p = { .fn = fn, .ctx = ctx, .name = name };
	int rc = 0;

	if (n > INI_TEXT_MAX)
		return error_set(err, ERROR_USAGE, "%s: larger than %d KiB", name, INI_TEXT_MAX / 1024);
	if (memchr(text, '\0', n))
		return error_set(err, ERROR_USAGE, "%s: not a text file", name);
	while (n && rc == 0) {
		const char *nl = memchr(text, '\n', n);
		size_t len = nl ? (size_t)(nl - text) : n;

		p.line++;
		rc = line(&p, text, len, err);
		text += len + (nl != NULL);
		n -= len + (nl != NULL);
	}
	if (rc == 0)
		rc = flush_key(&p, err);
	str_clear(&p.section);
	str_clear(&p.key);
	str_clear(&p.value);
	return rc;
}
