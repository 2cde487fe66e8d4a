/* SPDX-License-Identifier: MPL-2.0 */
/* The fake VMM's script: lines to actions. The language is described in fake_qemu.c. */

#include <stdlib.h>
#include <string.h>

#include "sys/fs.h"
#include "fake_qemu.h"

/* "a\nb\x1b" as bytes; a final newline unless the text ends in "\c". */
static char *unescape(const char *text)
{
	struct str s = STR_INIT;
	char hex[3] = "";

	for (; *text; text++) {
		if (*text != '\\') {
			str_add_char(&s, *text);
			continue;
		}
		switch (*++text) {
		case 'n':
			str_add_char(&s, '\n');
			break;
		case 'c':
			return str_take(&s);
		case 'x':
			memcpy(hex, text + 1, strnlen(text + 1, 2));
			str_add_char(&s, (char)strtol(hex, NULL, 16));
			text += strnlen(text + 1, 2);
			break;
		case '\0':
			return str_take(&s);
		default:
			str_add_char(&s, *text);
		}
	}
	str_add_char(&s, '\n');
	return str_take(&s);
}

static char *next_word(char **rest)
{
	char *word = *rest + strspn(*rest, " \t");
	size_t n = strcspn(word, " \t");

	*rest = word + n;
	if (**rest)
		*(*rest)++ = '\0';
	return word;
}

static void add_line(struct script *s, char *line)
{
	static const char *const texts[] = { "console", "stdout", "stderr", "stderr-vmm" };
	const char *kind = next_word(&line);
	struct action *a;
	char *end;

	if (!*kind || *kind == '#')
		return;
	if (!str_eq(kind, "at") && !str_eq(kind, "on"))
		fake_die("script: a line begins with 'at' or 'on', not '%s'", kind);
	a = VEC_PUSH(s->v, s->n);
	a->is_program = str_eq(kind, "on");
	a->when = mem_strdup(next_word(&line));
	a->verb = mem_strdup(next_word(&line));
	if (!*a->verb)
		fake_die("script: no verb for '%s'", a->when);
	a->rest = mem_strdup(line);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (str_eq(a->verb, texts[i])) {
			free(a->rest);
			a->rest = unescape(line);
		}
	a->number = strtol(a->rest, &end, 0);
	a->after = end + strspn(end, " ");
}

void script_load(struct script *s, const char *path)
{
	_cleanup_str_ struct str text = STR_INIT;
	struct error err = ERROR_INIT;
	char *line, *nl;

	if (fs_read(path, 1 << 20, &text, &err) < 0)
		fake_die("%s", err.text);
	for (line = text.p; line && *line; line = nl) {
		nl = strchr(line, '\n');
		if (nl)
			*nl++ = '\0';
		add_line(s, line);
		if (!nl)
			break;
	}
}
