/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: watches live in arrays that poll(2) takes as they are.
 * Removal while callbacks run only marks an entry; the arrays are packed
 * before the next poll, so that indices stay valid during a round. A signal
 * handler writes the signal's number into a pipe, which is a watch like any
 * other. Timers are few (a heartbeat, some deadlines): a plain list, scanned.
 *
 * A deadline that passes while we get no CPU says nothing: what was waited
 * for may have come as well. So a timer goes off only after a poll that began
 * after its time, or lasted until it, and after everything that this poll has
 * found.
 */

#include "sys/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

struct fd_watch {
	loop_fd_fn *fn; /* NULL: removed */
	void *ctx;
};

struct timer {
	uint64_t id, due_ms; /* id 0: removed */
	loop_timer_fn *fn;
	void *ctx;
};

struct signal_watch {
	int signo;
	loop_signal_fn *fn;
	void *ctx;
	struct sigaction old;
};

struct child_watch {
	pid_t pid; /* 0: removed */
	loop_child_fn *fn;
	void *ctx;
};

struct loop {
	struct pollfd *pfds;
	struct fd_watch *fds;
	size_t n_fds, n_pfds, cap_fds;
	struct timer *timers;
	size_t n_timers;
	uint64_t next_timer;
	struct signal_watch *signals;
	size_t n_signals;
	struct child_watch *children;
	size_t n_children;
	bool has_dead, is_stopped, sigchld_set, has_pipe;
};

/*
 * The handler has no context: one pipe for the process. [1] is written by handlers of whichever loop is newest.
 * A forked child has our handlers and our pipe: its signals are none of ours.
 */
static int signal_pipe[2] = { -1, -1 };
static pid_t signal_owner;

static void on_signal(int signo)
{
	int saved = errno;
	unsigned char c = (unsigned char)signo;
	ssize_t n = getpid() == signal_owner ? write(signal_pipe[1], &c, 1) : 0;

	(void)n; /* full pipe: as many wake-ups as fit are pending already */
	errno = saved;
}

uint64_t loop_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t loop_now_ms(void)
{
	return loop_now_ns() / 1000000u;
}

struct loop *loop_new(void)
{
	return mem_alloc(sizeof(struct loop));
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n_signals; i++)
		sigaction(l->signals[i].signo, &l->signals[i].old, NULL);
	if (l->has_pipe) {
		close_fd(&signal_pipe[0]);
		close_fd(&signal_pipe[1]);
	}
	free(l->pfds);
	free(l->fds);
	free(l->timers);
	free(l->signals);
	free(l->children);
	free(l);
}

static ssize_t find_fd(const struct loop *l, int fd)
{
	for (size_t i = 0; i < l->n_fds; i++)
		if (l->fds[i].fn && l->pfds[i].fd == (fd >= 0 ? fd : -1))
			return (ssize_t)i;
	/* A quiet watch is stored as ~fd, which poll(2) skips. */
	for (size_t i = 0; i < l->n_fds; i++)
		if (l->fds[i].fn && l->pfds[i].fd == ~fd)
			return (ssize_t)i;
	return -1;
}

void loop_fd(struct loop *l, int fd, short events, loop_fd_fn *fn, void *ctx)
{
	ssize_t i = find_fd(l, fd);

	if (i < 0) {
		if (l->n_fds == l->cap_fds) {
			l->cap_fds = l->cap_fds ? l->cap_fds * 2 : 16;
			l->pfds = mem_realloc(l->pfds, l->cap_fds * sizeof(*l->pfds));
			l->fds = mem_realloc(l->fds, l->cap_fds * sizeof(*l->fds));
		}
		i = (ssize_t)l->n_fds++;
	}
	l->fds[i] = (struct fd_watch){ .fn = fn, .ctx = ctx };
	l->pfds[i] = (struct pollfd){ .fd = events ? fd : ~fd, .events = events };
}

void loop_fd_events(struct loop *l, int fd, short events)
{
	ssize_t i = find_fd(l, fd);

	if (i < 0)
		return;
	l->pfds[i].fd = events ? fd : ~fd;
	l->pfds[i].events = events;
}

void loop_fd_remove(struct loop *l, int fd)
{
	ssize_t i = find_fd(l, fd);

	if (i < 0)
		return;
	l->fds[i].fn = NULL;
	l->pfds[i].fd = -1;
	l->pfds[i].revents = 0;
	l->has_dead = true;
}

uint64_t loop_timer(struct loop *l, uint64_t delay_ms, loop_timer_fn *fn, void *ctx)
{
	struct timer *t = NULL;

	for (size_t i = 0; i < l->n_timers; i++)
		if (!l->timers[i].id)
			t = &l->timers[i];
	if (!t)
		t = VEC_PUSH(l->timers, l->n_timers);
	*t = (struct timer){ .id = ++l->next_timer, .due_ms = loop_now_ms() + delay_ms, .fn = fn, .ctx = ctx };
	return t->id;
}

void loop_timer_remove(struct loop *l, uint64_t id)
{
	for (size_t i = 0; id && i < l->n_timers; i++)
		if (l->timers[i].id == id)
			l->timers[i].id = 0;
}

static void read_signals(void *ctx, int fd, short events)
{
	struct loop *l = ctx;
	unsigned char buf[64];
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)events;
	for (ssize_t k = 0; k < n; k++)
		for (size_t i = 0; i < l->n_signals; i++)
			if (l->signals[i].signo == buf[k])
				l->signals[i].fn(l->signals[i].ctx, buf[k]);
}

int loop_catch_signals(struct loop *l, struct error *err)
{
	if (signal_pipe[0] < 0 || signal_owner != getpid()) {
		close_fd(&signal_pipe[0]);
		close_fd(&signal_pipe[1]);
		if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
			return error_sys(err, errno, "make a pipe for signals");
		signal_owner = getpid();
	}
	l->has_pipe = true;
	loop_fd(l, signal_pipe[0], POLLIN, read_signals, l);
	return 0;
}

void loop_signal(struct loop *l, int signo, loop_signal_fn *fn, void *ctx)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	if (loop_catch_signals(l, NULL) < 0)
		abort();
	for (size_t i = 0; i < l->n_signals; i++)
		if (l->signals[i].signo == signo) {
			l->signals[i].fn = fn;
			l->signals[i].ctx = ctx;
			return;
		}
	struct signal_watch *w = VEC_PUSH(l->signals, l->n_signals);
	w->signo = signo;
	w->fn = fn;
	w->ctx = ctx;
	sigfillset(&sa.sa_mask);
	sigaction(signo, &sa, &w->old);
}

/* Several SIGCHLD may be one: every watched child is asked. */
static void reap(void *ctx, int signo)
{
	struct loop *l = ctx;

	(void)signo;
	for (size_t i = 0; i < l->n_children; i++) {
		struct child_watch w = l->children[i];
		int status;

		if (!w.pid || waitpid(w.pid, &status, WNOHANG) != w.pid)
			continue;
		l->children[i].pid = 0;
		w.fn(w.ctx, w.pid, status);
	}
}

static void reap_now(void *ctx)
{
	reap(ctx, SIGCHLD);
}

void loop_child(struct loop *l, pid_t pid, loop_child_fn *fn, void *ctx)
{
	struct child_watch *w = NULL;

	if (!l->sigchld_set) {
		loop_signal(l, SIGCHLD, reap, l);
		l->sigchld_set = true;
	}
	for (size_t i = 0; i < l->n_children; i++)
		if (!l->children[i].pid)
			w = &l->children[i];
	if (!w)
		w = VEC_PUSH(l->children, l->n_children);
	*w = (struct child_watch){ .pid = pid, .fn = fn, .ctx = ctx };
	/* It may have ended before the handler was there. */
	loop_timer(l, 0, reap_now, l);
}

void loop_child_remove(struct loop *l, pid_t pid)
{
	for (size_t i = 0; i < l->n_children; i++)
		if (l->children[i].pid == pid)
			l->children[i].pid = 0;
}

static void pack(struct loop *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_fds; i++)
		if (l->fds[i].fn) {
			l->fds[n] = l->fds[i];
			l->pfds[n++] = l->pfds[i];
		}
	l->n_fds = n;
	l->has_dead = false;
}

static int next_timeout_ms(const struct loop *l, uint64_t now)
{
	uint64_t best = UINT64_MAX;

	for (size_t i = 0; i < l->n_timers; i++)
		if (l->timers[i].id && l->timers[i].due_ms < best)
			best = l->timers[i].due_ms;
	if (best == UINT64_MAX)
		return -1;
	if (best <= now)
		return 0;
	return best - now > 1000000000 ? 1000000000 : (int)(best - now);
}

/* Those that were due then; what the callbacks of this round make waits for the next one. */
static void run_timers(struct loop *l, uint64_t last_id, uint64_t when_ms)
{
	for (size_t i = 0; i < l->n_timers && !l->is_stopped; i++) {
		struct timer t = l->timers[i];

		if (!t.id || t.id > last_id || t.due_ms > when_ms)
			continue;
		l->timers[i].id = 0;
		t.fn(t.ctx);
	}
}

void loop_run(struct loop *l)
{
	uint64_t asked_ms, last_timer;
	int n, timeout_ms;

	l->is_stopped = false;
	while (!l->is_stopped) {
		if (l->has_dead)
			pack(l);
		l->n_pfds = l->n_fds;
		asked_ms = loop_now_ms();
		timeout_ms = next_timeout_ms(l, asked_ms);
		last_timer = l->next_timer;
		n = poll(l->pfds, l->n_pfds, timeout_ms);
		if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOMEM)
			abort(); /* EFAULT, EINVAL: a bug of ours */
		for (size_t i = 0; n > 0 && i < l->n_pfds && !l->is_stopped; i++) {
			short re = l->pfds[i].revents;

			if (!re || !l->fds[i].fn || l->pfds[i].fd < 0)
				continue;
			l->pfds[i].revents = 0;
			l->fds[i].fn(l->fds[i].ctx, l->pfds[i].fd, re);
		}
		if (!l->is_stopped)
			run_timers(l, last_timer, n == 0 && timeout_ms > 0 ? asked_ms + (uint64_t)timeout_ms : asked_ms);
	}
}

void loop_stop(struct loop *l)
{
	l->is_stopped = true;
}
