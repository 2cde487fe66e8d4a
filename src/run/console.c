/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: the kernel prints one record as one or more console
 * lines "[    1.234567] text" with the record's time; a record of several
 * lines repeats the prefix. A held line is settled by the first record of its
 * time or later. Held lines are few (only serious messages reach
 * the console), bounded all the same: the oldest is written when there are
 * too many.
 */

#include "run/console.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define HELD_MAX 4096
#define LINE_MAX_BYTES 8192
#define LOG_MAX_BYTES (64u << 20) /* what a guest can fill of the host's disk with its words; the verdict sees all of them */

struct held {
	uint64_t time_us;
	char *line; /* owned, whole, without newline */
};

struct console {
	int fd;
	uint64_t written; /* bytes */
	struct str partial;
	struct held *held;
	size_t n_held;
	uint64_t next_seq, last_kmsg_us;
	void (*watch)(void *ctx, const char *text, size_t n);
	void *watch_ctx;
};

struct console *console_new(int log_fd_consumed)
{
	struct console *c = mem_alloc(sizeof(*c));

	c->fd = log_fd_consumed;
	c->held = mem_alloc(HELD_MAX * sizeof(*c->held));
	return c;
}

static void put_line(struct console *c, const char *line)
{
	static const char full[] = "[quiz: console.log is full]\n";
	size_t n = strlen(line);
	struct str out = STR_INIT;

	str_add_mem(&out, line, n);
	str_add_char(&out, '\n');
	if (c->fd >= 0 && c->written > LOG_MAX_BYTES) {
		if (write(c->fd, full, sizeof(full) - 1) < 0) {
			/* Then it ends without a word. */
		}
		close_fd(&c->fd);
	}
	for (size_t done = 0; c->fd >= 0 && done < out.len;) {
		ssize_t w = write(c->fd, out.p + done, out.len - done);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			break; /* a full disk: the verdict does not need the file */
		done += (size_t)w;
		c->written += (size_t)w;
	}
	if (c->watch)
		c->watch(c->watch_ctx, out.p, out.len);
	str_clear(&out);
}

/* "[   12.345678][ T1] text": the time. False: no kernel time. */
static bool parse_prefix(const char *line, uint64_t *ret_us)
{
	const char *p = line;
	uint64_t s = 0, us = 0;
	int digits = 0;

	if (*p++ != '[')
		return false;
	while (*p == ' ')
		p++;
	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9' && s < 1000000000; p++)
		s = s * 10 + (uint64_t)(*p - '0');
	if (*p++ != '.')
		return false;
	for (; *p >= '0' && *p <= '9' && digits < 6; p++, digits++)
		us = us * 10 + (uint64_t)(*p - '0');
	if (digits != 6 || *p != ']')
		return false;
	*ret_us = s * 1000000 + us;
	return true;
}

static void hold(struct console *c, const char *line, uint64_t time_us)
{
	if (c->n_held == HELD_MAX) { /* half of them at once: a machine that prints without end moves each line once */
		for (size_t i = 0; i < HELD_MAX / 2; i++) {
			put_line(c, c->held[i].line);
			free(c->held[i].line);
		}
		c->n_held -= HELD_MAX / 2;
		memmove(c->held, c->held + HELD_MAX / 2, c->n_held * sizeof(*c->held));
	}
	c->held[c->n_held++] = (struct held){ time_us, mem_strdup(line) };
}

static void take_line(struct console *c, char *line, size_t n)
{
	uint64_t us;

	while (n && (line[n - 1] == '\r' || line[n - 1] == '\n'))
		line[--n] = '\0';
	if (!n)
		return;
	if (!parse_prefix(line, &us))
		put_line(c, line);
	else if (!c->next_seq || us > c->last_kmsg_us)
		hold(c, line, us);
}

void console_bytes(struct console *c, const void *mem, size_t n)
{
	const char *p = mem;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n' || c->partial.len >= LINE_MAX_BYTES) {
			if (c->partial.p)
				take_line(c, c->partial.p, c->partial.len);
			str_truncate(&c->partial, 0);
		}
		if (p[i] != '\n' && p[i] != '\0')
			str_add_char(&c->partial, p[i]);
	}
}

/*
 * Records come complete and in order, so everything that the console said up
 * to this record's time is in the log now, unless records were lost: then the
 * console's copy is all there is.
 */
static void settle_held(struct console *c, uint64_t time_us, bool had_gap)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n_held; i++) {
		struct held *h = &c->held[i];

		if (h->time_us > time_us) {
			c->held[kept++] = *h;
			continue;
		}
		if (had_gap)
			put_line(c, h->line);
		free(h->line);
	}
	c->n_held = kept;
}

void console_kmsg(struct console *c, uint64_t seq, unsigned level, uint64_t time_us, const char *text)
{
	_cleanup_str_ struct str line = STR_INIT;
	const char *p = text;

	(void)level;
	if (seq < c->next_seq)
		return; /* sent twice */
	bool had_gap = c->next_seq && seq > c->next_seq;
	if (had_gap) {
		str_addf(&line, "** %" PRIu64 " messages lost **", seq - c->next_seq);
		put_line(c, line.p);
	}
	settle_held(c, time_us, had_gap);
	c->next_seq = seq + 1;
	c->last_kmsg_us = time_us;
	do { /* a record may have several lines: each gets the prefix, as on the console */
		size_t n = strcspn(p, "\n");

		str_truncate(&line, 0);
		str_addf(&line, "[%5" PRIu64 ".%06" PRIu64 "] ", time_us / 1000000, time_us % 1000000);
		str_add_mem(&line, p, n);
		put_line(c, line.p);
		p += n;
	} while (*p++ == '\n' && *p);
}

void console_flush(struct console *c)
{
	if (c->partial.len)
		take_line(c, c->partial.p, c->partial.len);
	str_truncate(&c->partial, 0);
	for (size_t i = 0; i < c->n_held; i++) {
		put_line(c, c->held[i].line);
		free(c->held[i].line);
	}
	c->n_held = 0;
}

void console_restart(struct console *c)
{
	console_flush(c);
	/* A template made of the next one has its log for its own, and so has every clone. */
	if (c->fd >= 0 && ftruncate(c->fd, 0) == 0)
		c->written = 0;
	c->next_seq = 0;
	c->last_kmsg_us = 0;
}

void console_watch(struct console *c, void (*line)(void *ctx, const char *text, size_t n), void *ctx)
{
	c->watch = line;
	c->watch_ctx = ctx;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	console_flush(c);
	str_clear(&c->partial);
	free(c->held);
	close_fd(&c->fd);
	free(c);
}
