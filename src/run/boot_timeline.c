/* SPDX-License-Identifier: MPL-2.0 */
/* The data of `quiz boot-time`: reading the kernel's log, and the table. */

#include "run/boot_timeline.h"

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"

#define NAME_MAX_BYTES 80

void boot_timeline_clear(struct boot_timeline *t)
{
	for (size_t i = 0; i < t->n_spans; i++)
		free(t->spans[i].name);
	for (size_t i = 0; i < t->n_initcalls; i++)
		free(t->initcalls[i].name);
	for (size_t i = 0; i < t->n_gaps; i++)
		free(t->gaps[i].text);
	free(t->title);
	free(t->spans);
	free(t->initcalls);
	free(t->gaps);
	*t = (struct boot_timeline){ 0 };
}

void boot_timeline_add(struct boot_timeline *t, const char *name, double end_ms)
{
	double start = t->n_spans ? t->spans[t->n_spans - 1].end_ms : 0;
	struct boot_span *s;

	if (t->n_spans && str_eq(t->spans[t->n_spans - 1].name, name)) {
		if (end_ms > start)
			t->spans[t->n_spans - 1].end_ms = end_ms;
		return;
	}
	s = VEC_PUSH(t->spans, t->n_spans);
	s->name = mem_strdup(name);
	s->start_ms = start;
	s->end_ms = end_ms < start ? start : end_ms;
}

/* ---- The kernel's log ---- */

/* "[    0.123456]" anywhere near the start of the line; returns what follows the time, or NULL. */
static const char *read_time(const char *line, const char *end, double *ret_ms)
{
	const char *p = memchr(line, '[', (size_t)(end - line));
	char *after;
	double s;

	if (!p || p - line > 64)
		return NULL;
	p++;
	while (p < end && *p == ' ')
		p++;
	if (p == end || !isdigit((unsigned char)*p))
		return NULL;
	s = strtod(p, &after);
	if (after >= end || *after != ']' || s < 0 || s > 1e6)
		return NULL;
	*ret_ms = s * 1000;
	return after + 1;
}

/* The text after the time and the caller's "[    T1]". */
static const char *skip_caller(const char *p, const char *end)
{
	while (p < end && *p == ' ')
		p++;
	if (p < end && *p == '[') {
		const char *close = memchr(p, ']', (size_t)(end - p));

		if (close)
			p = close + 1;
	}
	while (p < end && *p == ' ')
		p++;
	return p;
}

/* "pci_init+0x0/0x40 [mod]" -> "pci_init" */
static char *function_name(const char *p, const char *end)
{
	size_t n = 0;

	while (p + n < end && n < NAME_MAX_BYTES && (isalnum((unsigned char)p[n]) || p[n] == '_' || p[n] == '.'))
		n++;
	return n ? mem_strndup(p, n) : NULL;
}

static bool has_prefix(const char *p, const char *end, const char *prefix)
{
	size_t n = strlen(prefix);

	return (size_t)(end - p) >= n && !memcmp(p, prefix, n);
}

static void add_initcall(struct boot_timeline *t, const char *text, const char *end, double now_ms)
{
	static const char after[] = " after ";
	const char *p = memmem(text, (size_t)(end - text), after, strlen(after));
	char *name = function_name(text + strlen("initcall "), end);
	struct boot_initcall *c;
	double us;

	if (!p || !name) {
		free(name);
		return;
	}
	us = strtod(p + strlen(after), NULL);
	if (us < 0 || us > 1e9)
		us = 0;
	c = VEC_PUSH(t->initcalls, t->n_initcalls);
	c->name = name;
	c->took_ms = us / 1000;
	c->start_ms = now_ms > c->took_ms ? now_ms - c->took_ms : 0;
}

static int longer_gap_first(const void *a, const void *b)
{
	const struct boot_gap *x = a, *y = b;

	return x->took_ms < y->took_ms ? 1 : x->took_ms > y->took_ms ? -1 : 0;
}

void boot_timeline_read_log(struct boot_timeline *t, const char *log, double gap_ms)
{
	bool in_initcall = false;
	double last_ms = -1, now_ms;
	const char *end;

	for (const char *line = log; *line; line = *end ? end + 1 : end) {
		const char *text;

		end = line + strcspn(line, "\n");
		text = read_time(line, end, &now_ms);
		if (!text)
			continue;
		text = skip_caller(text, end);
		/* Time inside of an initcall is accounted for there. */
		if (last_ms >= 0 && !in_initcall && now_ms - last_ms >= gap_ms) {
			struct boot_gap *g = VEC_PUSH(t->gaps, t->n_gaps);
			size_t len = (size_t)(end - text);

			g->text = mem_strndup(text, len > NAME_MAX_BYTES ? NAME_MAX_BYTES : len);
			g->start_ms = last_ms;
			g->took_ms = now_ms - last_ms;
		}
		last_ms = now_ms;
		if (has_prefix(text, end, "calling "))
			in_initcall = true;
		else if (has_prefix(text, end, "initcall ")) {
			in_initcall = false;
			add_initcall(t, text, end, now_ms);
		}
	}
	if (t->n_gaps)
		qsort(t->gaps, t->n_gaps, sizeof(*t->gaps), longer_gap_first);
}

/* ---- The table ---- */

static int longer_call_first(const void *a, const void *b)
{
	const struct boot_initcall *const *x = a, *const *y = b;

	return (*x)->took_ms < (*y)->took_ms ? 1 : (*x)->took_ms > (*y)->took_ms ? -1 : 0;
}

static void print_initcalls(const struct boot_timeline *t, size_t n_longest, struct str *out)
{
	const struct boot_initcall **sorted = mem_alloc(t->n_initcalls * sizeof(*sorted));
	double sum = 0;

	for (size_t i = 0; i < t->n_initcalls; i++) {
		sorted[i] = &t->initcalls[i];
		sum += t->initcalls[i].took_ms;
	}
	qsort(sorted, t->n_initcalls, sizeof(*sorted), longer_call_first);
	str_addf(out, "\n%zu initcalls took %.1f ms; the longest:\n", t->n_initcalls, sum);
	for (size_t i = 0; i < t->n_initcalls && i < n_longest; i++)
		str_addf(out, "%9.1f  %s\n", sorted[i]->took_ms, sorted[i]->name);
	free(sorted);
}

void boot_timeline_print(const struct boot_timeline *t, size_t n_longest, struct str *out)
{
	str_addf(out, "%s\n\n  at (ms)   took\n", t->title ? t->title : "boot");
	for (size_t i = 0; i < t->n_spans; i++)
		str_addf(out, "%9.1f %6.1f  %s\n", t->spans[i].start_ms, t->spans[i].end_ms - t->spans[i].start_ms,
			 t->spans[i].name);
	if (t->n_spans)
		str_addf(out, "%9.1f         in all\n", t->spans[t->n_spans - 1].end_ms);
	if (t->n_initcalls)
		print_initcalls(t, n_longest, out);
	if (t->n_gaps)
		str_addf(out, "\nbetween initcalls, the longest silences and what was said after them:\n");
	for (size_t i = 0; i < t->n_gaps && i < n_longest; i++) {
		str_addf(out, "%9.1f  ", t->gaps[i].took_ms);
		str_add_safe(out, t->gaps[i].text, strlen(t->gaps[i].text), false);
		str_add_char(out, '\n');
	}
}
