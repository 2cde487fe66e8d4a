/* SPDX-License-Identifier: MPL-2.0 */
/*
 * EXIT must be the last word of a session, but must not wait for what a
 * program left running with its streams inherited. So when the program has
 * been reaped, each stream owes exactly what lay in its pipe at that moment
 * (FIONREAD; for a terminal, whose buffer does not tell, at most what one can
 * hold), and not a byte more. Pipes that live on go to guest/drain.h afterwards.
 *
 * poll(2) reports a hung-up descriptor again and again, so one that may not
 * be read now (no credit, no room) is left out of the array altogether.
 */

#include "guest/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guest/abi.h"
#include "guest/channel.h"
#include "guest/clock.h"
#include "guest/drain.h"
#include "guest/finish.h"
#include "guest/kmsg.h"
#include "guest/spare.h"
#include "guest/spawn.h"
#include "guest/terminal.h"

#define EXIT_RECORDS 64 /* of the kernel's log, sent before the end of a program that is not the last */
#define TTY_PENDING_MAX (128 * 1024) /* more than a pty buffers in the kernel (64 KiB and a page) */
#define LEFT_LOOK_NS 1000000000u /* whatever wakes the agent, its terminals are looked at no more often */
#define CREDIT_MAX (1u << 30)
#define CREDIT_STEP (WIRE_WINDOW / 4) /* give credit back in pieces of this size */

enum state {
	FREE = 0,
	STARTING,
	RUNNING,
	ENDED,
};

struct output {
	int fd;		  /* -1: at its end, EOF was sent */
	bool is_ready;	  /* poll said so */
	uint64_t left_ns; /* when a terminal was last seen that nobody has open; 0: it is not one */
	uint32_t credit;  /* bytes that the host still takes */
	uint32_t owed;	  /* ENDED: bytes still to be sent */
};

static struct session {
	enum state state;
	uint16_t number;
	bool is_tty, is_files, is_hook, is_last, has_said_all, has_ended;
	pid_t pid;
	int report_fd;		/* STARTING: end of file when execve succeeded */
	int in_fd;		/* -1: closed */
	bool in_eof, in_broken; /* the host's end of file; the program's closed end */
	struct terminal_end end;
	uint32_t in_start, in_len, in_taken; /* ring; bytes passed on and not yet credited */
	struct output out[WIRE_N_STREAMS]; /* by stream number; [0] unused */
	int wait_status;
	struct rusage usage;
	uint64_t last_deadline_ns; /* is_last, and all its output is out: until when the kernel may go on talking */
	uint8_t in[WIRE_WINDOW];
} sessions[WIRE_SESSIONS_MAX];

static uint8_t scratch[WIRE_DATA_MAX];
static bool is_program_reported;

static struct session *find(uint16_t number)
{
	for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++)
		if (sessions[i].state != FREE && sessions[i].number == number)
			return &sessions[i];
	return NULL;
}

bool session_exists(uint16_t number)
{
	return find(number) != NULL;
}

/* Everything but the ring's memory. */
static void clear(struct session *s)
{
	close_fd(&s->report_fd);
	close_fd(&s->in_fd);
	close_fd(&s->out[WIRE_STDOUT].fd);
	close_fd(&s->out[WIRE_STDERR].fd);
	s->state = FREE;
}

static void send_started(uint16_t number, enum wire_start_stage stage, int errnum, pid_t pid, const char *text)
{
	channel_send(started, number,
		     &(struct wire_started){
			     .stage = (uint8_t)stage, .errnum = (uint32_t)errnum, .pid = (uint32_t)pid, .text = text });
}

static int open_tty(struct session *s, const struct wire_start *m, struct spawn_fds *fds)
{
	struct winsize ws = { .ws_row = m->rows, .ws_col = m->cols };
	struct termios tio;
	int unlock = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	s->in_fd = master;
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return -1;
	fds->in = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fds->in < 0)
		return -1;
	fds->out = fds->err = fds->in;
	if (tcgetattr(fds->in, &tio) == 0) {
		tio.c_iflag |= IUTF8;
		tcsetattr(fds->in, TCSANOW, &tio);
	}
	if (ws.ws_row && ws.ws_col)
		ioctl(master, TIOCSWINSZ, &ws);
	s->out[WIRE_STDOUT].fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
	return s->out[WIRE_STDOUT].fd < 0 ? -1 : 0;
}

static int open_pipes(struct session *s, const struct wire_start *m, struct spawn_fds *fds)
{
	bool wants_in = (m->flags & WIRE_START_STDIN) || m->kind == WIRE_KIND_FILES_IN;

	if (!wants_in) {
		fds->in = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fds->in < 0)
			return -1;
	}
	return spawn_make_pipes(wants_in ? &s->in_fd : NULL, &s->out[WIRE_STDOUT].fd, &s->out[WIRE_STDERR].fd, fds);
}

/* The process that a template had ready, with its pipes. */
static bool take_spare(struct session *s, const struct wire_frame *f, const struct wire_start *m)
{
	struct spare_ends e;

	if (!spare_take(f, m, &e))
		return false;
	s->pid = e.pid;
	s->in_fd = e.in;
	s->out[WIRE_STDOUT].fd = e.out;
	s->out[WIRE_STDERR].fd = e.err;
	s->report_fd = e.report;
	return true;
}

static struct session *new_session(uint16_t number, const struct wire_start *m)
{
	for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++) {
		struct session *s = &sessions[i];

		if (s->state != FREE)
			continue;
		memset(s, 0, offsetof(struct session, in));
		s->number = number;
		s->is_files = m->kind == WIRE_KIND_FILES_OUT || m->kind == WIRE_KIND_FILES_IN;
		s->is_tty = (m->flags & WIRE_START_TTY) && !s->is_files;
		s->is_hook = m->flags & WIRE_START_HOOK;
		s->is_last = m->flags & WIRE_START_LAST;
		s->report_fd = s->in_fd = -1;
		for (size_t k = 0; k < WIRE_N_STREAMS; k++)
			s->out[k] = (struct output){ .fd = -1, .credit = WIRE_WINDOW };
		return s;
	}
	return NULL;
}

void session_refuse(uint16_t number, int errnum, const char *text)
{
	send_started(number, WIRE_STAGE_LIMIT, errnum, 0, text);
}

void session_start(const struct wire_frame *f, const struct wire_start *m)
{
	struct spawn_fds fds = { -1, -1, -1, -1, false };
	uint16_t number = f->session;
	struct session *s;
	char why[128];
	int e;

	if (number == 0 || find(number)) {
		session_refuse(number, EBUSY, "a session of that number is open");
		return;
	}
	if (m->kind > WIRE_KIND_FILES_IN) {
		send_started(number, WIRE_STAGE_FORK, EOPNOTSUPP, 0, "this agent cannot start that kind of session");
		return;
	}
	s = new_session(number, m);
	if (!s) {
		session_refuse(number, EAGAIN, "too many programs at once");
		return;
	}
	if (take_spare(s, f, m)) {
		s->state = STARTING;
		return;
	}
	fds.is_tty = s->is_tty;
	if ((s->is_tty ? open_tty(s, m, &fds) : open_pipes(s, m, &fds)) < 0 ||
	    spawn_make_pipe(&s->report_fd, &fds.report, false) < 0 || (s->pid = fork()) < 0) {
		e = errno;
		snprintf(why, sizeof(why), "cannot make %sa process: %m", s->is_tty ? "a terminal and " : "");
		spawn_close_fds(&fds);
		clear(s);
		send_started(number, WIRE_STAGE_FORK, e, 0, why);
		return;
	}
	if (s->pid == 0)
		spawn_child(m, &fds);
	spawn_close_fds(&fds);
	s->state = STARTING;
}

/* Reads the exec report. STARTING ends here, one way or the other. */
static void check_started(struct session *s)
{
	struct spawn_report r;
	ssize_t n;

	do
		n = read(s->report_fd, &r, sizeof(r));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n == (ssize_t)sizeof(r)) {
		r.text[sizeof(r.text) - 1] = '\0';
		send_started(s->number, r.stage, r.errnum, 0, r.text);
		clear(s);
		return;
	}
	s->state = s->has_ended ? ENDED : RUNNING; /* the pipe is closed with the others */
	send_started(s->number, WIRE_STAGE_OK, 0, s->pid, "");
	if (!is_program_reported && !s->is_hook && !s->is_files) {
		is_program_reported = true;
		channel_send(stage, 0, &(struct wire_stage){ .stage = WIRE_AT_PROGRAM, .mono_ns = clock_mono_ns() });
	}
}

bool session_reaped(pid_t pid, int wait_status, const struct rusage *ru)
{
	for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++) {
		struct session *s = &sessions[i];

		if (s->state == FREE || s->has_ended || s->pid != pid)
			continue;
		s->has_ended = true;
		s->wait_status = wait_status;
		s->usage = *ru;
		for (size_t k = WIRE_STDOUT; k < WIRE_N_STREAMS; k++) {
			int pending = TTY_PENDING_MAX;

			if (s->out[k].fd >= 0 && !s->is_tty && ioctl(s->out[k].fd, FIONREAD, &pending) < 0)
				pending = 0;
			s->out[k].owed = (uint32_t)pending;
		}
		if (s->state == RUNNING)
			s->state = ENDED;
		return true;
	}
	return false;
}

/* siginfo_t to what wait4(2) says. */
static int wait_status_of(const siginfo_t *si)
{
	return si->si_code == CLD_EXITED ? si->si_status << 8 : si->si_status | (si->si_code == CLD_DUMPED ? 0x80 : 0);
}

bool session_last_has_ended(void)
{
	for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++) {
		struct session *s = &sessions[i];
		siginfo_t si = { 0 };
		struct rusage ru; /* 64-bit architectures have the kernel's in the C library's form */

		if (s->state == FREE || !s->is_last || s->has_ended || sizeof(long) < 8)
			continue;
		if (syscall(SYS_waitid, P_PID, s->pid, &si, WEXITED | WNOHANG | WNOWAIT, &ru) < 0 || si.si_pid != s->pid)
			return false;
		return session_reaped(s->pid, wait_status_of(&si), &ru);
	}
	return false;
}

/* ---- stdin ---- */

static void credit_stdin(struct session *s)
{
	if (s->in_taken < CREDIT_STEP)
		return;
	channel_send(credit, s->number, &(struct wire_credit){ .stream = WIRE_STDIN, .bytes = s->in_taken });
	s->in_taken = 0;
}

static void write_stdin(struct session *s)
{
	while (s->in_len > 0) {
		uint32_t chunk = WIRE_WINDOW - s->in_start;
		ssize_t n;

		if (chunk > s->in_len)
			chunk = s->in_len;
		n = write(s->in_fd, s->in + s->in_start, chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			/* Nobody reads any more. No credit comes back either, so the host stops reading its source. */
			s->in_broken = true;
			s->in_len = 0;
			break;
		}
		s->end.last = (char)s->in[s->in_start + (uint32_t)n - 1];
		s->in_start = (s->in_start + (uint32_t)n) % WIRE_WINDOW;
		s->in_len -= (uint32_t)n;
		s->in_taken += (uint32_t)n;
	}
	credit_stdin(s);
	if (s->in_eof && !s->in_broken && s->is_tty && !terminal_type_end(&s->end, s->in_fd))
		return;
	if (s->in_eof || s->in_broken)
		close_fd(&s->in_fd);
}

bool session_data(uint16_t number, const struct wire_data *m)
{
	struct session *s = find(number);
	uint32_t end, chunk;

	if (m->stream != WIRE_STDIN)
		return false;
	if (!s || s->in_fd < 0 || s->has_ended || s->in_broken)
		return true;
	if (s->in_eof || m->data.len > WIRE_WINDOW - s->in_len)
		return false;
	end = (s->in_start + s->in_len) % WIRE_WINDOW;
	chunk = WIRE_WINDOW - end;
	if (chunk > m->data.len)
		chunk = m->data.len;
	memcpy(s->in + end, m->data.p, chunk);
	memcpy(s->in, (const uint8_t *)m->data.p + chunk, m->data.len - chunk);
	s->in_len += m->data.len;
	if (s->state == RUNNING)
		write_stdin(s);
	return true;
}

bool session_eof(uint16_t number, const struct wire_eof *m)
{
	struct session *s = find(number);

	if (m->stream != WIRE_STDIN)
		return false;
	if (!s || s->in_fd < 0 || s->has_ended)
		return true;
	s->in_eof = true;
	if (s->state == RUNNING)
		write_stdin(s);
	return true;
}

/* ---- stdout, stderr ---- */

bool session_credit(uint16_t number, const struct wire_credit *m)
{
	struct session *s = find(number);

	if (m->stream != WIRE_STDOUT && m->stream != WIRE_STDERR)
		return false;
	if (!s)
		return true;
	if (m->bytes > CREDIT_MAX - s->out[m->stream].credit)
		return false;
	s->out[m->stream].credit += m->bytes;
	return true;
}

static void end_output(struct session *s, enum wire_stream k)
{
	if (s->is_tty || !s->has_ended)
		close_fd(&s->out[k].fd);
	else
		drain_take(&s->out[k].fd);
	channel_send(eof, s->number, &(struct wire_eof){ .stream = (uint8_t)k });
}

/* One DATA at most, so that streams take turns. True when more may be there. */
static bool pump_output(struct session *s, enum wire_stream k)
{
	struct output *o = &s->out[k];
	uint32_t most = WIRE_DATA_MAX;
	ssize_t n;

	if (o->fd < 0)
		return false;
	if (s->state == ENDED && o->owed == 0) {
		end_output(s, k);
		return false;
	}
	if (o->credit == 0 || !channel_can_stream() || (s->state == RUNNING && !o->is_ready))
		return false;
	o->is_ready = false;
	if (most > o->credit)
		most = o->credit;
	if (s->state == ENDED && most > o->owed)
		most = o->owed;
	do
		n = read(o->fd, scratch, most);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN && s->state != ENDED)
		return false;
	if (n < 0 && errno == EIO && s->is_tty && s->state == RUNNING) { /* to close it would be a hang-up for its program */
		o->left_ns = clock_mono_ns();
		return false;
	}
	o->left_ns = 0;
	if (n <= 0) { /* a terminal whose last user has closed it says EIO */
		if (n == 0 || errno != EAGAIN)
			close_fd(&o->fd);
		if (o->fd < 0)
			channel_send(eof, s->number, &(struct wire_eof){ .stream = (uint8_t)k });
		else
			end_output(s, k);
		return false;
	}
	terminal_repeat_end(&s->end, o->fd);
	o->credit -= (uint32_t)n;
	if (s->state == ENDED)
		o->owed -= (uint32_t)n;
	channel_send(data, s->number,
		     &(struct wire_data){ .stream = (uint8_t)k, .data = { .p = scratch, .len = (uint32_t)n } });
	return true;
}

static uint64_t micros(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000u + (uint64_t)tv->tv_usec;
}

static void send_exit(struct session *s)
{
	struct wire_exit m = {
		.how = WIRE_EXITED,
		.value = (uint32_t)WEXITSTATUS(s->wait_status),
		.user_us = micros(&s->usage.ru_utime),
		.system_us = micros(&s->usage.ru_stime),
		.maxrss_kib = (uint64_t)s->usage.ru_maxrss,
	};

	if (WIFSIGNALED(s->wait_status)) {
		m.how = WIRE_SIGNALLED;
		m.value = (uint32_t)WTERMSIG(s->wait_status);
	} else if (s->is_files && m.value) {
		m.how = WIRE_FAILED;
	}
	channel_send(exit, s->number, &m);
}

/* What FINISH would send, without its round trip: the machine has nothing else to do. False: not all of it is out yet. */
static bool has_said_all(struct session *s)
{
	if (!s->is_last || s->has_said_all)
		return true;
	if (!s->last_deadline_ns)
		s->last_deadline_ns = clock_mono_ns() + KMSG_ALL_NS;
	if (!kmsg_send_all(s->last_deadline_ns) || !channel_can_answer())
		return false;
	finish_send_counts(true);
	s->has_said_all = true;
	return true;
}

/* Whatever is possible now. */
static void advance(struct session *s)
{
	if (s->state == STARTING && channel_can_answer())
		check_started(s);
	if (s->state == RUNNING && s->in_fd >= 0 && (s->in_len || s->in_eof) && !s->in_broken)
		write_stdin(s);
	if (s->state != RUNNING && s->state != ENDED)
		return;
	pump_output(s, WIRE_STDOUT);
	pump_output(s, WIRE_STDERR);
	if (s->state != ENDED)
		return;
	while (pump_output(s, WIRE_STDOUT) || pump_output(s, WIRE_STDERR))
		;
	if (s->out[WIRE_STDOUT].fd >= 0 || s->out[WIRE_STDERR].fd >= 0 || !has_said_all(s) || !channel_can_answer())
		return;
	if (!s->is_last)
		kmsg_forward(EXIT_RECORDS); /* what the kernel said of it is known before its end is */
	send_exit(s);
	if (s->is_last)
		channel_flush(); /* nothing that is left to do is worth waiting for */
	clear(s);
}

/* ---- control ---- */

void session_winsize(uint16_t number, const struct wire_winsize *m)
{
	struct session *s = find(number);
	struct winsize ws = { .ws_row = m->rows, .ws_col = m->cols };

	if (s && s->is_tty && s->out[WIRE_STDOUT].fd >= 0)
		ioctl(s->out[WIRE_STDOUT].fd, TIOCSWINSZ, &ws); /* the kernel sends SIGWINCH if it differs */
}

void session_signal(uint16_t number, const struct wire_signal *m)
{
	struct session *s = find(number);
	pid_t group = 0;

	if (!s || s->has_ended || m->signo > 64)
		return;
	if (s->is_tty && s->out[WIRE_STDOUT].fd >= 0)
		group = tcgetpgrp(s->out[WIRE_STDOUT].fd);
	if (group <= 0)
		group = s->pid;
	/* A child that has not come to setsid() yet has no group of its own. */
	if (kill(-group, (int)m->signo) < 0 && errno == ESRCH)
		kill(s->pid, (int)m->signo);
}

/* ---- the loop's side ---- */

/* Which output stands at a place of the array, if one does. */
static struct output *polled[SESSION_POLL_MAX];

static void add(struct pollfd *fds, size_t *n, int fd, short events, struct output *o)
{
	polled[*n] = o;
	fds[(*n)++] = (struct pollfd){ .fd = fd, .events = events };
}

/* Somebody may open it again; poll would tell all the time that nobody has yet. */
static bool is_left(const struct output *o)
{
	return o->left_ns && clock_mono_ns() - o->left_ns < LEFT_LOOK_NS;
}

size_t session_poll(struct pollfd *fds)
{
	bool can_stream = channel_can_stream();
	size_t n = 0;

	for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++) {
		struct session *s = &sessions[i];

		if (s->state == FREE)
			continue;
		if (s->state == STARTING) {
			add(fds, &n, s->report_fd, POLLIN, NULL);
			continue;
		}
		if (s->in_fd >= 0 && (s->in_len || s->in_eof) && !s->in_broken)
			add(fds, &n, s->in_fd, POLLOUT, NULL);
		for (size_t k = WIRE_STDOUT; k < WIRE_N_STREAMS; k++)
			if (s->out[k].fd >= 0 && s->out[k].credit && can_stream && !is_left(&s->out[k]))
				add(fds, &n, s->out[k].fd, POLLIN, &s->out[k]);
	}
	for (size_t i = n, end = n + drain_poll(fds + n); i < end; i++)
		polled[n++] = NULL;
	return n;
}

void session_run(const struct pollfd *fds, size_t n)
{
	static size_t first;
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		any = any || fds[i].revents;
		if (polled[i] && fds[i].revents)
			polled[i]->is_ready = true;
	}
	/* Start with another one each time: the channel's room is what they compete for. */
	first = (first + 1) % WIRE_SESSIONS_MAX;
	for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++) {
		struct session *s = &sessions[(first + i) % WIRE_SESSIONS_MAX];

		if (s->state != FREE)
			advance(s);
	}
	if (any)
		drain_run();
}
