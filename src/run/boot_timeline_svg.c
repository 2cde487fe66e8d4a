/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The timeline as a picture: two axes, one above the other. Above, the spans
 * of the measured run, one row each, over the time since the VMM's exec;
 * below, the initcalls that took long enough to be seen, over the kernel's
 * own time in the run with initcall_debug. No script, no font or image from
 * elsewhere: it can be mailed.
 */

#include <string.h>

#include "base/cleanup.h"
#include "run/boot_timeline.h"

#define WIDTH 1000
#define LEFT 330 /* labels */
#define RIGHT 70 /* figures after the last bar */
#define ROW 22
#define BAR 14
#define HEAD 64
#define AXIS 34
#define N_CALLS_MAX 30
/* Initcalls below this part of all are left out. */
#define VISIBLE_PART 0.004

static const char *const colours[] = { "#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d", "#eeca3b" };

static void add_xml(struct str *out, const char *text)
{
	_cleanup_str_ struct str safe = STR_INIT;

	str_add_safe(&safe, text, strlen(text), false);
	for (const char *c = str_cstr(&safe); *c; c++) {
		if (*c == '<')
			str_add(out, "&lt;");
		else if (*c == '>')
			str_add(out, "&gt;");
		else if (*c == '&')
			str_add(out, "&amp;");
		else if (*c == '"')
			str_add(out, "&quot;");
		else
			str_add_char(out, *c);
	}
}

/* A step of 1, 2 or 5 times a power of ten that gives at most ten marks. */
static double tick_step(double total)
{
	double step = 1;

	for (;;) {
		static const double parts[] = { 1, 2, 5 };

		for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
			if (total / (step * parts[i]) <= 10)
				return step * parts[i];
		step *= 10;
	}
}

static double x_of(double ms, double total)
{
	return LEFT + (WIDTH - LEFT - RIGHT) * (total > 0 ? ms / total : 0);
}

static void add_axis(struct str *out, double total, int top, int bottom)
{
	double step = tick_step(total);

	for (double at = 0; at <= total; at += step) {
		double x = x_of(at, total);

		str_addf(out, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#ddd\"/>\n", x, top, x, bottom);
		str_addf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"#666\">%g</text>\n", x, bottom + 16, at);
	}
}

static void add_bar(struct str *out, const char *name, double start, double end, double total, int y, const char *colour)
{
	double x = x_of(start, total), w = x_of(end, total) - x;

	str_addf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", LEFT - 8, y + BAR - 2);
	add_xml(out, name);
	str_addf(out, "</text>\n<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", x, y, w < 1 ? 1 : w, BAR,
		 colour);
	str_addf(out, "<text x=\"%.1f\" y=\"%d\" fill=\"#333\">%.1f</text>\n", x + (w < 1 ? 1 : w) + 4, y + BAR - 2, end - start);
}

static void add_heading(struct str *out, const char *text, int y, bool is_title)
{
	str_addf(out, "<text x=\"16\" y=\"%d\" font-size=\"%d\" font-weight=\"bold\">", y, is_title ? 17 : 13);
	add_xml(out, text);
	str_add(out, "</text>\n");
}

/* The longest ones that can be seen at all, in the order of time. */
static size_t pick_calls(const struct boot_timeline *t, double total, const struct boot_initcall **ret)
{
	double least = total * VISIBLE_PART;
	size_t n;

	for (;;) {
		n = 0;
		for (size_t i = 0; i < t->n_initcalls; i++) {
			if (t->initcalls[i].took_ms < least)
				continue;
			if (n < N_CALLS_MAX)
				ret[n] = &t->initcalls[i];
			n++;
		}
		if (n <= N_CALLS_MAX)
			return n;
		least *= 1.2;
	}
}

void boot_timeline_svg(const struct boot_timeline *t, struct str *out)
{
	const struct boot_initcall *calls[N_CALLS_MAX];
	double total = t->n_spans ? t->spans[t->n_spans - 1].end_ms : 0, kernel_total = 0;
	int height, spans_bottom = HEAD + (int)t->n_spans * ROW, calls_top;
	size_t n_calls;

	for (size_t i = 0; i < t->n_initcalls; i++)
		if (t->initcalls[i].start_ms + t->initcalls[i].took_ms > kernel_total)
			kernel_total = t->initcalls[i].start_ms + t->initcalls[i].took_ms;
	n_calls = pick_calls(t, kernel_total, calls);
	calls_top = spans_bottom + AXIS + 40;
	height = n_calls ? calls_top + (int)n_calls * ROW + AXIS + 8 : spans_bottom + AXIS + 8;

	str_addf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
		 "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		 WIDTH, height, WIDTH, height);
	add_heading(out, t->title ? t->title : "boot", 26, true);
	add_heading(out, "milliseconds since QEMU was started", 48, false);
	add_axis(out, total, HEAD - 4, spans_bottom);
	for (size_t i = 0; i < t->n_spans; i++)
		add_bar(out, t->spans[i].name, t->spans[i].start_ms, t->spans[i].end_ms, total, HEAD + (int)i * ROW + 2,
			colours[i % ARRAY_SIZE(colours)]);
	if (n_calls) {
		add_heading(out, "initcalls, milliseconds of kernel time (a run of its own, slower for its printing)",
			    calls_top - 12, false);
		add_axis(out, kernel_total, calls_top - 4, calls_top + (int)n_calls * ROW);
		for (size_t i = 0; i < n_calls; i++)
			add_bar(out, calls[i]->name, calls[i]->start_ms, calls[i]->start_ms + calls[i]->took_ms, kernel_total,
				calls_top + (int)i * ROW + 2, colours[0]);
	}
	str_add(out, "</svg>\n");
}
