/* SPDX-License-Identifier: MPL-2.0 */
/* What a report is called. See analyser_title.h. */

#include "run/analyser_title.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void title_add(char *to, size_t size, const char *text)
{
	size_t at = strlen(to), n = strlen(text);

	if (n > size - at - 1)
		n = size - at - 1;
	memcpy(to + at, text, n);
	to[at + n] = '\0';
}

static void addf(char *to, size_t size, const char *fmt, ...) _printf_(3, 4);
static void addf(char *to, size_t size, const char *fmt, ...)
{
	size_t n = strlen(to);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(to + n, size - n, fmt, ap);
	va_end(ap);
}

/* "func+0x12/0x34" becomes "func": where in a function is no part of a title. */
static void strip_offsets(char *text)
{
	char *p = text;

	while ((p = strstr(p, "+0x"))) {
		char *end = p + 3;

		while (isxdigit((unsigned char)*end) || (*end == '/' && end[1] == '0') ||
		       (*end == 'x' && end[-1] == '0'))
			end++;
		memmove(p, end, strlen(end) + 1);
	}
}

/* The line as a title: without the words that every line of its kind has. */
static void title_from_head(const struct report *r, char *title, size_t size)
{
	const char *head = r->head;
	char *p;

	if (str_starts(head, "---[ end Kernel panic - not syncing: "))
		head += strlen("---[ end Kernel panic - not syncing: ");
	else if (str_starts(head, "Kernel panic - not syncing: "))
		head += strlen("Kernel panic - not syncing: ");
	title[0] = '\0';
	title_add(title, size, head);
	p = strstr(title, " ]---");
	if (p)
		*p = '\0';
	/* "BUG kmalloc-64 (Tainted: G           O     ): Redzone overwritten" */
	p = strstr(title, " (Tainted: ");
	if (!p)
		p = strstr(title, " (Not tainted)");
	if (p && strchr(p, ')')) {
		const char *rest = strchr(p, ')') + 1;

		memmove(p, rest, strlen(rest) + 1);
	}
	/* "Internal error: Oops - BUG: 00000000f2000800 [#1] SMP", "illegal operation: 0001 ilc:1 [#1] SMP" */
	p = strstr(title, " ilc:");
	if (!p)
		p = strstr(title, ", sig: "); /* powerpc */
	if (!p)
		p = strstr(title, " [#");
	if (p) {
		while (p > title && (isxdigit((unsigned char)p[-1]) || p[-1] == ' '))
			p--;
		*p = '\0';
	}
	/* "BUG: KASAN: use-after-free in func+0x1/0x2 [mod]": the function is added in its own form. */
	p = strstr(title, " in ");
	if (p && r->finding->function[0] && strstr(p, "+0x"))
		*p = '\0';
	strip_offsets(title);
	for (p = title + strlen(title); p > title && strchr(". :", p[-1]); p--)
		p[-1] = '\0';
	if (!*title)
		title_add(title, size, finding_class_table[r->finding->class].meaning);
}

/* Without functions: the words of the title, numbers taken out. */
static void fingerprint_text(const struct finding *f, char *to, size_t size)
{
	bool dash = true;
	size_t o;

	to[0] = '\0';
	title_add(to, size, finding_class_table[f->class].name);
	title_add(to, size, ":");
	o = strlen(to);
	for (const char *p = f->title; *p && o + 2 < size && o < 120; p++) {
		if (isdigit((unsigned char)*p))
			continue;
		if (isalpha((unsigned char)*p) || *p == '_') {
			to[o++] = (char)tolower((unsigned char)*p);
			dash = false;
		} else if (!dash) {
			to[o++] = '-';
			dash = true;
		}
	}
	while (o > 0 && to[o - 1] == '-')
		o--;
	to[o] = '\0';
}

static void make_fingerprint(struct finding *f)
{
	if (!f->n_frames) {
		fingerprint_text(f, f->fingerprint, sizeof(f->fingerprint));
		return;
	}
	f->fingerprint[0] = '\0';
	title_add(f->fingerprint, sizeof(f->fingerprint), finding_class_table[f->class].name);
	for (uint32_t i = 0; i < f->n_frames; i++) {
		title_add(f->fingerprint, sizeof(f->fingerprint), ":");
		title_add(f->fingerprint, sizeof(f->fingerprint), f->frames[i]);
	}
}

void title_update(struct report *r)
{
	struct finding *f = r->finding;
	char base[FINDING_TITLE_MAX] = "";

	if (r->is_jump_to_null)
		title_add(base, sizeof(base), "jump to NULL");
	else if (r->row->title)
		title_add(base, sizeof(base), r->row->title);
	else if (f->class == FINDING_CLASS_WARN && f->file[0])
		addf(base, sizeof(base), "WARNING at %s:%u", f->file, f->line);
	else
		title_from_head(r, base, sizeof(base));
	if (f->class == FINDING_CLASS_BUG && r->row->title && f->file[0])
		addf(base, sizeof(base), " at %s:%u", f->file, f->line);

	memcpy(f->title, base, sizeof(base));
	if (f->function[0] && !(r->row->flags & CRASH_NO_FUNCTION) && !strstr(base, f->function)) {
		title_add(f->title, sizeof(f->title), " in ");
		title_add(f->title, sizeof(f->title), f->function);
		if (f->module[0])
			addf(f->title, sizeof(f->title), " [%s]", f->module);
	}
	if (r->has_message && !strstr(base, r->message))
		addf(f->title, sizeof(f->title), ": %s", r->message);
	make_fingerprint(f);
	r->is_stale = false;
}
