/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Progress for people. On a terminal one line is redrawn at most ten times a
 * second; finished stages leave nothing behind unless they took long. Elsewhere
 * (a file, CI) each stage is a line, so that a log tells where the time went.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/helper/helper.h"
#include "sys/loop.h"

#define REDRAW_MS 100
#define BAR_WIDTH 24

static struct state {
	bool is_terminal, is_quiet;
	bool is_drawn;	     /* the line has something on it */
	char stage[256];
	char line[256];	     /* newest line of a program */
	uint64_t started_ms; /* of the stage */
	uint64_t drawn_ms;
	uint64_t done, total;
	enum { BYTES, PIECES, PERCENT } unit;
} state;

static unsigned width(void)
{
	struct winsize ws;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 20 ? ws.ws_col : 80;
}

static void add_bar(struct str *s)
{
	unsigned filled = (unsigned)(state.done * BAR_WIDTH / state.total);

	str_add(s, " [");
	for (unsigned i = 0; i < BAR_WIDTH; i++)
		str_add_char(s, i < filled ? '#' : '.');
	str_addf(s, "] %3u%%", (unsigned)(state.done * 100 / state.total));
}

static void add_numbers(struct str *s, uint64_t elapsed_ms)
{
	char speed[32], left[32], elapsed[32];

	if (state.total)
		add_bar(s);
	if (state.total && state.unit == PIECES)
		str_addf(s, " %" PRIu64 " of %" PRIu64, state.done, state.total);
	if (state.unit == BYTES && state.total && state.done && elapsed_ms > 500) {
		uint64_t per_second = state.done * 1000 / elapsed_ms;
		uint64_t left_ms = (state.total - state.done) * elapsed_ms / state.done;

		str_addf(s, " %s/s, %s left", format_size(per_second, speed, sizeof(speed)),
			 format_duration_ms(left_ms / 1000 * 1000, left, sizeof(left)));
	} else if (elapsed_ms >= 1000) {
		str_addf(s, " %s", format_duration_ms(elapsed_ms / 1000 * 1000, elapsed, sizeof(elapsed)));
	}
}

static void draw(bool force)
{
	_cleanup_str_ struct str s = STR_INIT;
	uint64_t now = loop_now_ms();
	unsigned columns;

	if (!state.is_terminal || state.is_quiet || (!force && now - state.drawn_ms < REDRAW_MS))
		return;
	state.drawn_ms = now;
	str_add(&s, state.stage);
	add_numbers(&s, now - state.started_ms);
	if (state.line[0])
		str_addf(&s, "  %s", state.line);
	columns = width() - 1;
	if (s.len > columns)
		str_truncate(&s, columns);
	fprintf(stderr, "\r%s\033[K", str_cstr(&s));
	fflush(stderr);
	state.is_drawn = true;
}

void helper_progress_end(void)
{
	if (state.is_drawn) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	state.is_drawn = false;
}

/* What programs print may hold anything. */
static void copy_safe(char *to, size_t n, const char *text)
{
	_cleanup_str_ struct str safe = STR_INIT;

	str_add_safe(&safe, text, strlen(text), false);
	snprintf(to, n, "%s", str_cstr(&safe));
}

static void on_stage(void *ctx, const char *text)
{
	(void)ctx;
	copy_safe(state.stage, sizeof(state.stage), text);
	state.line[0] = '\0';
	state.started_ms = loop_now_ms();
	state.done = state.total = 0;
	if (!state.is_terminal && !state.is_quiet)
		fprintf(stderr, "%s\n", state.stage);
	draw(true);
}

static void on_amount(uint64_t done, uint64_t total, int unit)
{
	state.done = done > total && total ? total : done;
	state.total = total;
	state.unit = unit;
	draw(false);
}

static void on_bytes(void *ctx, uint64_t done, uint64_t total)
{
	(void)ctx;
	on_amount(done, total, BYTES);
}

static void on_count(void *ctx, uint64_t done, uint64_t total)
{
	(void)ctx;
	on_amount(done, total, PIECES);
}

static void on_percent(void *ctx, unsigned percent)
{
	(void)ctx;
	on_amount(percent, 100, PERCENT);
}

static void on_program_line(void *ctx, const char *line)
{
	(void)ctx;
	copy_safe(state.line, sizeof(state.line), line);
	draw(false);
}

static void on_note(void *ctx, const char *text)
{
	_cleanup_str_ struct str safe = STR_INIT;
	bool was_drawn = state.is_drawn;

	(void)ctx;
	helper_progress_end();
	str_add_safe(&safe, text, strlen(text), true);
	fprintf(stderr, "%s\n", str_cstr(&safe));
	if (was_drawn)
		draw(true);
}

const struct progress *helper_progress(bool quiet)
{
	static const struct progress progress = {
		.stage = on_stage,
		.bytes = on_bytes,
		.count = on_count,
		.percent = on_percent,
		.line = on_program_line,
		.note = on_note,
	};

	state.is_quiet = quiet;
	state.is_terminal = isatty(STDERR_FILENO);
	state.started_ms = loop_now_ms();
	return &progress;
}
