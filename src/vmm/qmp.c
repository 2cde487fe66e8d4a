/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: one outgoing queue of struct command, in order. A
 * command is written (as far as the socket takes it), then waits for its
 * answer; answers are matched by id. A command that carries a descriptor is
 * a barrier: nothing behind it is written before it is answered.
 *
 * Incoming bytes are collected up to a newline (QEMU sends one object per
 * line), then parsed as a whole. Anything that is not an object, an answer
 * nobody waits for, and a line beyond the limit end the conversation: all
 * commands fail with the reason, then closed() is called.
 */

#include "vmm/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/fdpass.h"

struct command {
	struct command *next;
	uint64_t id;
	char *name;	   /* owned */
	struct str text;   /* the line to send */
	size_t sent;	   /* bytes of it written */
	int fd;		   /* owned; -1: none (or passed already) */
	bool is_barrier;
	qmp_reply_fn *done;
	void *ctx;
};

struct qmp {
	struct loop *loop;
	int fd; /* -1: closed */
	struct qmp_callbacks cb;
	bool debug;
	uint64_t next_id;
	struct command *first, **tail; /* unanswered, oldest first */
	size_t n_pending;
	struct str in;
};

static void on_ready(void *ctx, int fd, short events);

static void command_free(struct command *c)
{
	close_fd(&c->fd);
	str_clear(&c->text);
	free(c->name);
	free(c);
}

/* Takes a command out of the list, by its place. */
static struct command *unlink_command(struct qmp *q, struct command **at)
{
	struct command *c = *at;

	*at = c->next;
	if (q->tail == &c->next)
		q->tail = at;
	q->n_pending--;
	return c;
}

static void finish(struct command *c, const json_t *result, const struct error *err)
{
	if (c->done)
		c->done(c->ctx, result, err);
	command_free(c);
}

/* Every waiting command gets the reason. Callbacks may ask for more commands: those fail at once, fd being -1. */
static void fail_all(struct qmp *q, const struct error *why)
{
	while (q->first)
		finish(unlink_command(q, &q->first), NULL, why);
}

static void close_with(struct qmp *q, const struct error *why)
{
	if (q->fd < 0)
		return;
	loop_fd_remove(q->loop, q->fd);
	close_fd(&q->fd);
	fail_all(q, why);
	if (q->cb.closed)
		q->cb.closed(q->cb.ctx, why);
}

static _printf_(2, 3) void close_because(struct qmp *q, const char *fmt, ...)
{
	struct error err = ERROR_INIT;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	error_set(&err, ERROR_CHILD, "cannot talk to QEMU's monitor: %s", text);
	close_with(q, &err);
}

struct qmp *qmp_new(struct loop *loop, int fd_consumed, const struct qmp_callbacks *cb, bool debug)
{
	struct qmp *q = mem_alloc(sizeof(*q));

	fcntl(fd_consumed, F_SETFL, fcntl(fd_consumed, F_GETFL) | O_NONBLOCK);
	q->loop = loop;
	q->fd = fd_consumed;
	q->cb = *cb;
	q->debug = debug;
	q->tail = &q->first;
	loop_fd(loop, q->fd, POLLIN, on_ready, q);
	qmp_command(q, "qmp_capabilities", NULL, NULL, NULL);
	return q;
}

void qmp_free(struct qmp *q)
{
	struct error err = ERROR_INIT;

	if (!q)
		return;
	if (q->fd >= 0) {
		loop_fd_remove(q->loop, q->fd);
		close_fd(&q->fd);
	}
	error_set(&err, ERROR_CHILD, "cannot talk to QEMU's monitor: closed");
	fail_all(q, &err);
	str_clear(&q->in);
	free(q);
}

/* ---- Out ---- */

/* Writes what may be written; sets the watch for the rest. */
static void pump_out(struct qmp *q)
{
	short want = POLLIN;

	for (struct command *c = q->first; c; c = c->next) {
		while (c->sent < c->text.len) {
			ssize_t n = fdpass_send(q->fd, c->text.p + c->sent, c->text.len - c->sent, c->fd);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
				want |= POLLOUT;
				goto out;
			}
			/* What the server said before it closed is still to be read: the reader finds the end. */
			if (n < 0)
				goto out;
			c->sent += (size_t)n;
			close_fd(&c->fd);
		}
		if (c->is_barrier)
			break;
	}
out:
	loop_fd_events(q->loop, q->fd, want);
}

void qmp_command_fd(struct qmp *q, const char *name, json_t *args_consumed, int fd, qmp_reply_fn *done, void *ctx)
{
	struct command *c = mem_alloc(sizeof(*c));
	struct error err = ERROR_INIT;
	json_t *root;
	char *text;

	c->id = ++q->next_id;
	c->name = mem_strdup(name);
	c->done = done;
	c->ctx = ctx;
	c->fd = -1;
	root = json_pack("{s:s, s:o*, s:I}", "execute", name, "arguments", args_consumed, "id", (json_int_t)c->id);
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	if (!text)
		error_set(&err, ERROR_CHILD, "cannot send '%s' to QEMU's monitor: not representable as JSON", name);
	else if (q->fd < 0)
		error_set(&err, ERROR_CHILD, "cannot send '%s' to QEMU's monitor: it is gone", name);
	else if (q->n_pending >= QMP_PENDING_MAX)
		error_set(&err, ERROR_CHILD, "cannot send '%s' to QEMU's monitor: it has not answered the last %d commands",
			  name, QMP_PENDING_MAX);
	else if (fd >= 0 && (c->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
		error_sys(&err, errno, "duplicate a descriptor for QEMU");
	if (error_is_set(&err)) {
		free(text);
		finish(c, NULL, &err);
		return;
	}
	c->is_barrier = fd >= 0;
	str_add(&c->text, text);
	str_add_char(&c->text, '\n');
	free(text);
	if (q->debug)
		fprintf(stderr, "qmp> %s", c->text.p);
	*q->tail = c;
	q->tail = &c->next;
	q->n_pending++;
	pump_out(q);
}

void qmp_command(struct qmp *q, const char *name, json_t *args_consumed, qmp_reply_fn *done, void *ctx)
{
	qmp_command_fd(q, name, args_consumed, -1, done, ctx);
}

/* ---- In ---- */

static const char *text_or(const json_t *o, const char *key, const char *fallback)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : fallback;
}

static void on_answer(struct qmp *q, const json_t *msg, const json_t *error)
{
	const json_t *id = json_object_get(msg, "id");
	struct error err = ERROR_INIT;

	/* An error without an id: what we sent was not understood at all. */
	if (!json_is_integer(id)) {
		close_because(q, "%s", text_or(error, "desc", "an answer without an id"));
		return;
	}
	for (struct command **at = &q->first; *at; at = &(*at)->next) {
		struct command *c = *at;

		if (c->id != (uint64_t)json_integer_value(id))
			continue;
		if (c->sent < c->text.len) /* answers what was not asked yet */
			break;
		unlink_command(q, at);
		if (error) {
			_cleanup_str_ struct str why = STR_INIT;
			const char *desc = text_or(error, "desc", "no reason given");

			str_add_safe(&why, desc, strlen(desc), false);
			error_set(&err, ERROR_CHILD, "cannot do '%s' in QEMU: %s", c->name, str_cstr(&why));
			if (str_eq(text_or(error, "class", ""), "CommandNotFound"))
				err.kind = ERROR_UNSUPPORTED;
			finish(c, NULL, &err);
		} else {
			finish(c, json_object_get(msg, "return"), NULL);
		}
		if (q->fd >= 0)
			pump_out(q);
		return;
	}
	close_because(q, "an answer to no question");
}

static void on_line(struct qmp *q, const char *line, size_t len)
{
	json_error_t jerr;
	json_t *msg, *x;
	const char *event;

	while (len && (line[len - 1] == '\r' || line[len - 1] == ' '))
		len--;
	if (!len)
		return;
	if (q->debug)
		fprintf(stderr, "qmp< %.*s\n", (int)len, line);
	msg = json_loadb(line, len, 0, &jerr);
	if (!json_is_object(msg))
		close_because(q, "not an object: %s", msg ? "" : jerr.text);
	else if ((event = json_string_value(json_object_get(msg, "event")))) {
		if (q->cb.event)
			q->cb.event(q->cb.ctx, event, json_object_get(msg, "data"));
	} else if ((x = json_object_get(msg, "QMP"))) {
		if (q->cb.greeting)
			q->cb.greeting(q->cb.ctx, json_object_get(json_object_get(x, "version"), "qemu"));
	} else if ((x = json_object_get(msg, "error")))
		on_answer(q, msg, x);
	else if (json_object_get(msg, "return"))
		on_answer(q, msg, NULL);
	else
		close_because(q, "a message of no known kind");
	json_decref(msg);
}

/* Handles complete lines in q->in; `from`: where unseen bytes begin. */
static void take_lines(struct qmp *q, size_t from)
{
	size_t start = 0;

	while (q->fd >= 0 && from < q->in.len) {
		char *nl = memchr(q->in.p + from, '\n', q->in.len - from);

		if (!nl)
			break;
		from = (size_t)(nl - q->in.p) + 1;
		on_line(q, q->in.p + start, from - 1 - start);
		start = from;
	}
	if (start) {
		memmove(q->in.p, q->in.p + start, q->in.len - start);
		str_truncate(&q->in, q->in.len - start);
	}
	if (q->fd >= 0 && q->in.len > QMP_LINE_MAX)
		close_because(q, "a line of more than %u bytes", QMP_LINE_MAX);
}

/* 1: more may be there, 0: nothing now. */
static int read_some(struct qmp *q)
{
	char buf[16384];
	size_t seen = q->in.len;
	ssize_t n = recv(q->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0) {
		str_add_mem(&q->in, buf, (size_t)n);
		take_lines(q, seen);
		return q->fd >= 0;
	}
	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	close_because(q, "%s", n == 0 || errno == ECONNRESET ? "it hung up" : strerror(errno));
	return 0;
}

static void on_ready(void *ctx, int fd, short events)
{
	struct qmp *q = ctx;

	if (events & POLLOUT)
		pump_out(q);
	if (q->fd >= 0 && (events & ~POLLOUT))
		read_some(q); /* once per round: a flood does not starve the others */
}

void qmp_drain(struct qmp *q)
{
	/* Bounded: the peer is dead, so a socket buffer's worth is all there can be. */
	while (q->fd >= 0 && read_some(q))
		;
}
