/* SPDX-License-Identifier: MPL-2.0 */
/* From bytes of the console and records of kmsg to the lines of a lane. */

#include "run/analyser_state.h"
#include "run/analyser_title.h"

#include <stdio.h>
#include <string.h>

#include "wire/wire.h"

static void console_piece(struct analyser *a, const char *line, size_t n)
{
	struct lane *lane = &a->lanes[LANE_CONSOLE];
	struct log_line l;

	log_line_parse(line, n, lane->n_lines == 1, &l);
	a->n_dropped_lines += l.n_dropped;
	lane_line(a, lane, &l, line, n);
}

/* A carriage return ends a line, too: what a progress bar leaves before the kernel speaks, or all that a log has. */
static void console_line(struct analyser *a, const char *line, size_t n)
{
	const char *end = line + n, *cr;

	a->lanes[LANE_CONSOLE].n_lines++;
	while (end > line && end[-1] == '\r')
		end--;
	for (; (cr = memchr(line, '\r', (size_t)(end - line))); line = cr + 1)
		if (cr > line)
			console_piece(a, line, (size_t)(cr - line));
	console_piece(a, line, (size_t)(end - line));
}

/* The buffer is full, and no end of a line in sight: what follows is thrown away, unless carriage returns are those ends. */
static void console_overlong(struct analyser *a, struct lane *lane)
{
	const char *cr = memrchr(lane->partial, '\r', lane->n_partial);
	size_t n = cr ? (size_t)(cr - lane->partial) : lane->n_partial;

	console_line(a, lane->partial, n);
	lane->is_overlong = !cr;
	lane->n_partial = cr ? lane->n_partial - n - 1 : 0;
	memmove(lane->partial, lane->partial + n + 1, lane->n_partial);
}

void analyser_template_log(struct analyser *a, const void *mem, size_t n, uint64_t now_ms)
{
	struct lane *lane = &a->lanes[LANE_CONSOLE];

	a->is_past_unknown = !mem;
	if (!mem)
		return;
	analyser_console(a, mem, n, now_ms);
	while (lane->n_open)
		lane_close(a, lane, 0);
	lane->cut_here = 0;
	a->has_hang = a->has_panic = a->panic_is_over = false;
}

/* Titles say all that is known: once after each piece of input rather than with each function of a stack. */
static void refresh_titles(struct analyser *a)
{
	if (!a->has_stale)
		return;
	a->has_stale = false;
	a->set.generation++;
	for (unsigned i = 0; i < N_LANES; i++)
		for (unsigned j = 0; j < a->lanes[i].n_open; j++)
			if (a->lanes[i].open[j].is_stale)
				title_update(&a->lanes[i].open[j]);
}

void analyser_console(struct analyser *a, const void *mem, size_t n, uint64_t now_ms)
{
	struct lane *lane = &a->lanes[LANE_CONSOLE];
	const char *p = mem, *end = p + n;

	a->now_ms = now_ms;
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p), room = LINE_MAX_BYTES - lane->n_partial;

		if (lane->is_overlong) {
			lane->is_overlong = !nl;
		} else if (nl && !lane->n_partial && len <= LINE_MAX_BYTES) {
			console_line(a, p, len);
		} else if (len >= room) {
			memcpy(lane->partial + lane->n_partial, p, room);
			lane->n_partial = LINE_MAX_BYTES;
			console_overlong(a, lane);
			p += room;
			continue;
		} else {
			memcpy(lane->partial + lane->n_partial, p, len);
			lane->n_partial += len;
			if (nl) {
				console_line(a, lane->partial, lane->n_partial);
				lane->n_partial = 0;
			}
		}
		p = nl ? nl + 1 : end;
	}
	refresh_titles(a);
}

/* /dev/kmsg writes control bytes as \xNN: turns them back. In place; returns the length. */
static size_t unescape(char *text, size_t n)
{
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned v;

		if (text[i] == '\\' && i + 3 < n && text[i + 1] == 'x' && sscanf(text + i + 2, "%2x", &v) == 1 &&
		    (v == '\n' || v == '\\' || v == '\t')) {
			text[o++] = (char)v;
			i += 3;
		} else {
			text[o++] = text[i];
		}
	}
	return o;
}

void analyser_kmsg(struct analyser *a, uint64_t seq, unsigned level, uint64_t time_us, const char *text,
		   uint64_t now_ms)
{
	struct lane *lane = &a->lanes[LANE_KMSG];
	struct log_line l = { .is_stamped = true, .has_time = true, .time_us = time_us };
	char buf[LINE_MAX_BYTES];
	size_t n = strnlen(text, sizeof(buf) - 1);
	char *p = buf, *end;

	a->now_ms = now_ms;
	trust_sequence(a, seq);
	memcpy(buf, text, n);
	buf[n] = '\0';
	n = unescape(buf, n);
	end = buf + n;
	while (p < end) {
		char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);

		lane->n_lines++;
		l.text = p;
		l.len = len;
		if (level & WIRE_KMSG_BY_PROGRAM)
			trust_program_said(a, &l);
		else
			lane_line(a, lane, &l, p, len);
		p += len + 1;
	}
	refresh_titles(a);
}

void input_finish(struct analyser *a)
{
	struct lane *lane = &a->lanes[LANE_CONSOLE];

	if (lane->n_partial)
		console_line(a, lane->partial, lane->n_partial);
	lane->n_partial = 0;
}
