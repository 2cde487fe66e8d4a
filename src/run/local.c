/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: output waits in one queue per stream, and is written
 * when poll(2) reports the descriptor ready. A ready pipe takes PIPE_BUF bytes
 * without blocking whatever its mode; regular files and terminals take what
 * they take. Input is read only while the guest has room for it, so a slow
 * guest stops the writer at the other end of our stdin, as a pipe would.
 */

#include "run/local.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/term.h"
#include "wire/wire.h"

#define ESCAPE_KEY 0x1d /* Ctrl-] */

struct stream {
	int fd;
	struct str queue;
	size_t head; /* queue bytes before this are written */
	bool is_broken, is_regular;
	size_t piece;
};

struct local {
	struct loop *loop;
	struct outlet outlet;
	bool tty, is_terminal, is_reading, saw_end, escape_pending, has_begun;
	struct stream out[WIRE_N_STREAMS]; /* [0] unused */
	void (*drained)(void *ctx);
	void *drained_ctx;
};

static void on_writable(void *ctx, int fd, short events);
static void on_input(void *ctx, int fd, short events);

static void init_stream(struct stream *s, int fd)
{
	struct stat st;

	s->fd = fd;
	s->piece = PIPE_BUF;
	if (fstat(fd, &st) < 0)
		s->is_broken = true; /* closed by whoever started us: output goes nowhere */
	else if (S_ISREG(st.st_mode)) {
		s->is_regular = true;
		s->piece = WIRE_WINDOW;
	}
}

struct local *local_new(struct loop *loop, const struct outlet *outlet)
{
	struct local *l = mem_alloc(sizeof(*l));

	l->loop = loop;
	l->outlet = *outlet;
	init_stream(&l->out[WIRE_STDOUT], STDOUT_FILENO);
	init_stream(&l->out[WIRE_STDERR], STDERR_FILENO);
	return l;
}

void local_free(struct local *l)
{
	if (!l)
		return;
	term_restore();
	loop_fd_remove(l->loop, STDIN_FILENO);
	for (unsigned i = WIRE_STDOUT; i < WIRE_N_STREAMS; i++) {
		loop_fd_remove(l->loop, l->out[i].fd);
		str_clear(&l->out[i].queue);
	}
	free(l);
}

static void on_winch(void *ctx, int signo)
{
	struct local *l = ctx;
	uint16_t rows, cols;

	(void)signo;
	term_size(STDIN_FILENO, &rows, &cols);
	l->outlet.winsize(l->outlet.ctx, rows, cols);
}

/* Stopped from outside and continued: the shell has set its own mode meanwhile. */
static void on_cont(void *ctx, int signo)
{
	(void)ctx;
	(void)signo;
	if (term_is_raw())
		term_raw(STDIN_FILENO, NULL);
}

int local_begin(struct local *l, bool tty, struct error *err)
{
	l->has_begun = true;
	l->saw_end = false;
	l->tty = tty;
	l->is_terminal = tty && isatty(STDIN_FILENO);
	if (!tty)
		term_restore();
	if (tty) {
		if (l->is_terminal && term_raw(STDIN_FILENO, err) < 0)
			return -1;
		loop_signal(l->loop, SIGWINCH, on_winch, l);
		loop_signal(l->loop, SIGCONT, on_cont, l);
		on_winch(l, SIGWINCH); /* it may have changed while the machine started */
	}
	local_writable(l);
	return 0;
}

static void end_input(struct local *l)
{
	if (l->saw_end)
		return;
	l->saw_end = true;
	loop_fd_remove(l->loop, STDIN_FILENO);
	l->outlet.end_of_input(l->outlet.ctx);
}

bool local_has_no_input(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	struct stat st;

	if (fstat(STDIN_FILENO, &st) < 0)
		return true;
	if (S_ISREG(st.st_mode))
		return st.st_size > 0 && lseek(STDIN_FILENO, 0, SEEK_CUR) >= st.st_size; /* those of /proc have no size */
	if (S_ISCHR(st.st_mode))
		return st.st_rdev == makedev(1, 3); /* null(4): Documentation/admin-guide/devices.txt */
	return poll(&p, 1, 0) > 0 && !(p.revents & POLLIN) && (p.revents & POLLHUP);
}

/* Takes escape sequences out of what the user typed. Returns what is left. */
static size_t filter_escapes(struct local *l, char *buf, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (l->escape_pending) {
			l->escape_pending = false;
			if (buf[i] == 'd' || buf[i] == 'k') {
				l->outlet.escape(l->outlet.ctx, buf[i]);
				continue;
			}
			if (buf[i] != ESCAPE_KEY)
				l->outlet.input(l->outlet.ctx, "\x1d", 1);
		} else if (buf[i] == ESCAPE_KEY) {
			l->escape_pending = true;
			continue;
		}
		buf[kept++] = buf[i];
	}
	return kept;
}

static void on_input(void *ctx, int fd, short events)
{
	struct local *l = ctx;
	char buf[WIRE_DATA_MAX];
	size_t room = l->outlet.room(l->outlet.ctx);
	ssize_t n;

	if (room < 2) { /* one byte is kept for a held-back escape */
		loop_fd_events(l->loop, fd, 0);
		return;
	}
	n = read(fd, buf, room - 1 < sizeof(buf) ? room - 1 : sizeof(buf));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0 && l->is_terminal && (events & POLLHUP))
		l->outlet.hung_up(l->outlet.ctx);
	if (n <= 0) {
		if (n < 0 && errno != EBADF) /* EBADF: nohup's, open for writing only, as good as closed */
			l->outlet.input_lost(l->outlet.ctx, errno);
		end_input(l);
		return;
	}
	if (l->tty)
		n = (ssize_t)filter_escapes(l, buf, (size_t)n);
	if (n > 0)
		l->outlet.input(l->outlet.ctx, buf, (size_t)n);
}

void local_writable(struct local *l)
{
	if (l->saw_end || !l->has_begun)
		return;
	if (fcntl(STDIN_FILENO, F_GETFD) < 0) {
		end_input(l);
		return;
	}
	loop_fd(l->loop, STDIN_FILENO, POLLIN, on_input, l);
}

static size_t pending(const struct stream *s)
{
	return s->queue.len - s->head;
}

static void check_drained(struct local *l)
{
	void (*done)(void *ctx) = l->drained;

	if (!done || pending(&l->out[WIRE_STDOUT]) || pending(&l->out[WIRE_STDERR]))
		return;
	l->drained = NULL;
	done(l->drained_ctx);
}

/* It takes no more: the rest is thrown away, and the program hears of it if it was stdout. */
static void break_stream(struct local *l, unsigned i, int errnum)
{
	struct stream *s = &l->out[i];

	l->outlet.consumed(l->outlet.ctx, i, pending(s));
	s->is_broken = true;
	s->head = 0;
	str_truncate(&s->queue, 0);
	loop_fd_remove(l->loop, s->fd);
	if (i == WIRE_STDOUT)
		l->outlet.output_lost(l->outlet.ctx, errnum);
}

static bool write_some(struct local *l, unsigned i)
{
	struct stream *s = &l->out[i];
	size_t part = pending(s) < s->piece ? pending(s) : s->piece;
	ssize_t n = write(s->fd, s->queue.p + s->head, part);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (n < 0) {
		break_stream(l, i, errno);
		return false;
	}
	s->head += (size_t)n;
	l->outlet.consumed(l->outlet.ctx, i, (size_t)n);
	if (!pending(s)) {
		s->head = 0;
		str_truncate(&s->queue, 0);
		loop_fd_remove(l->loop, s->fd);
		return false;
	}
	return true;
}

static void on_writable(void *ctx, int fd, short events)
{
	struct local *l = ctx;
	struct pollfd pf = { .fd = fd, .events = POLLOUT };

	(void)events;
	for (unsigned i = WIRE_STDOUT; i < WIRE_N_STREAMS; i++) {
		if (l->out[i].fd != fd || !pending(&l->out[i]))
			continue;
		/* As long as it stays ready: one turn of the loop per page would be slow. */
		for (int round = 0; round < 64; round++)
			if (!write_some(l, i) || poll(&pf, 1, 0) <= 0 || !(pf.revents & (POLLOUT | POLLERR | POLLHUP)))
				break;
	}
	check_drained(l);
}

void local_output(struct local *l, unsigned stream, const void *mem, size_t n)
{
	struct stream *s = &l->out[stream];

	if (s->is_broken) {
		l->outlet.consumed(l->outlet.ctx, stream, n);
		return;
	}
	if (s->head > WIRE_WINDOW) { /* keep the queue's storage bounded */
		memmove(s->queue.p, s->queue.p + s->head, pending(s));
		s->queue.len -= s->head;
		s->head = 0;
	}
	str_add_mem(&s->queue, mem, n);
	loop_fd(l->loop, s->fd, POLLOUT, on_writable, l);
	if (s->is_regular)
		on_writable(l, s->fd, POLLOUT);
}

void local_drain(struct local *l, void (*done)(void *ctx), void *ctx)
{
	l->drained = done;
	l->drained_ctx = ctx;
	check_drained(l);
}
