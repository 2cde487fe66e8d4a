/* SPDX-License-Identifier: MPL-2.0 */

#include "agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

char agent_result_text[512];

_Noreturn void fail(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

const char *agent_cannot_run(void)
{
	int st = system("unshare -Urpfm --mount-proc --kill-child true 2>/dev/null");

	if (!getenv("QUIZ_AGENT"))
		return "QUIZ_AGENT does not name the agent";
	if (st != 0)
		return "user namespaces do not work here (unshare -Urpfm --mount-proc)";
	return NULL;
}

/* As PID 1 of its own namespaces; QUIZ_AGENT_RUNNER is an emulator in front of it. */
static void run_agent(void)
{
	const char *argv[16] = { "unshare", "-Urpfm", "--mount-proc", "--kill-child" };
	size_t n = 4;

	if (getenv("QUIZ_AGENT_RUNNER"))
		argv[n++] = getenv("QUIZ_AGENT_RUNNER");
	argv[n++] = getenv("QUIZ_AGENT");
	argv[n++] = "--agent-fd";
	argv[n++] = "10";
	argv[n++] = "--kmsg-fd";
	argv[n++] = "11";
	execvp(argv[0], (char **)argv);
}

void agent_start_raw(struct agent *a)
{
	int ch[2], kmsg[2];

	memset(a, 0, sizeof(*a));
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, ch) == 0, "socketpair");
	check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, kmsg) == 0, "socketpair");
	a->pid = fork();
	if (a->pid == 0) {
		dup2(ch[1], 10);
		dup2(kmsg[1], 11);
		if (!getenv("QUIZ_TEST_VERBOSE"))
			freopen("/dev/null", "w", stderr);
		for (int fd = 3; fd < 100; fd++)
			if (fd != 10 && fd != 11)
				close(fd);
		run_agent();
		_exit(126);
	}
	close(ch[1]);
	close(kmsg[1]);
	a->fd = ch[0];
	a->kmsg = kmsg[0];
}

void agent_start(struct agent *a)
{
	struct wire_frame f;
	struct wire_hello hello;
	struct wire_stage stage;

	agent_start_raw(a);
	check(agent_next(a, 10000, &f), "no HELLO");
	check(wire_get_hello(&f, &hello) == WIRE_OK, "first message is %s", wire_type_name(f.type));
	check(hello.version_min <= WIRE_VERSION && hello.version_max >= WIRE_VERSION, "versions %u-%u", hello.version_min,
	      hello.version_max);
	check(strlen(hello.agent) == 20, "agent id '%s'", hello.agent);
	do {
		check(agent_next(a, 10000, &f), "no STAGE");
		check(wire_get_stage(&f, &stage) == WIRE_OK, "%s instead of STAGE", wire_type_name(f.type));
	} while (stage.stage != WIRE_AT_CHANNEL);
	SEND(a, welcome, 0, .version = WIRE_VERSION);
}

int agent_wait(struct agent *a)
{
	int st;

	check(waitpid(a->pid, &st, 0) == a->pid, "waitpid");
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

void agent_stop(struct agent *a)
{
	close(a->fd);
	close(a->kmsg);
	check(agent_wait(a) == 3, "the agent does not end when its channel is closed");
}

/* Writes may need reads in between: both sides have bounded buffers. */
void agent_send(struct agent *a, const void *frame, size_t n)
{
	const uint8_t *p = frame;

	while (n > 0) {
		ssize_t w = send(a->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		struct pollfd fd = { .fd = a->fd, .events = POLLOUT };

		if (w > 0) {
			p += w;
			n -= (size_t)w;
			continue;
		}
		check(errno == EAGAIN, "cannot write to the agent: %s", strerror(errno));
		if (a->start + a->len < sizeof(a->buf))
			fd.events |= POLLIN;
		check(poll(&fd, 1, 10000) > 0, "the agent takes nothing");
		if (fd.revents & POLLIN) {
			ssize_t r = read(a->fd, a->buf + a->start + a->len, sizeof(a->buf) - a->start - a->len);

			check(r > 0, "the agent is gone");
			a->len += (size_t)r;
		}
	}
}

static bool fill(struct agent *a, int ms, bool *ret_eof)
{
	struct pollfd fd = { .fd = a->fd, .events = POLLIN };
	ssize_t r;

	*ret_eof = false;
	memmove(a->buf, a->buf + a->start, a->len);
	a->start = 0;
	if (poll(&fd, 1, ms) <= 0)
		return false;
	r = read(a->fd, a->buf + a->len, sizeof(a->buf) - a->len);
	if (r <= 0) {
		*ret_eof = true;
		return false;
	}
	a->len += (size_t)r;
	return true;
}

bool agent_next(struct agent *a, int ms, struct wire_frame *ret)
{
	for (;;) {
		size_t size;
		bool eof;

		switch (wire_frame_get(a->buf + a->start, a->len, ret, &size)) {
		case WIRE_OK:
			a->start += size;
			a->len -= size;
			return true;
		case WIRE_BAD:
			fail("the agent sent bytes that are no message");
		case WIRE_MORE:
			break;
		}
		if (!fill(a, ms, &eof)) {
			check(!eof, "the agent closed the channel");
			return false;
		}
	}
}

bool agent_has_closed(struct agent *a, int ms)
{
	bool eof = false;

	while (!eof) {
		a->start = a->len = 0;
		if (!fill(a, ms, &eof) && !eof)
			return false;
	}
	return true;
}

uint32_t agent_result(struct agent *a, uint32_t id)
{
	struct wire_result r;
	struct wire_frame f;

	for (;;) {
		check(agent_next(a, 10000, &f), "no RESULT for request %u", id);
		if (f.type != WIRE_RESULT)
			continue;
		check(wire_get_result(&f, &r) == WIRE_OK, "RESULT does not decode");
		check(r.id == id, "RESULT for %u while waiting for %u", r.id, id);
		snprintf(agent_result_text, sizeof(agent_result_text), "%s", r.text);
		return r.errnum;
	}
}

void job_begin(struct agent *a, struct job *j, uint16_t number, const struct wire_start *m)
{
	static uint8_t frame[WIRE_FRAME_MAX];
	struct wire_start start = *m;
	size_t n;

	j->number = number;
	j->in_credit = WIRE_WINDOW;
	j->out = calloc(1, 1);
	j->err = calloc(1, 1);
	if (!start.umask)
		start.umask = 0xffff;
	n = wire_put_start(frame, sizeof(frame), number, &start);
	check(n > 0, "START does not fit");
	agent_send(a, frame, n);
	job_feed(a, j);
}

void job_feed(struct agent *a, struct job *j)
{
	while (j->in_sent < j->in_len && j->in_credit) {
		size_t n = j->in_len - j->in_sent;

		if (n > j->in_credit)
			n = j->in_credit;
		if (n > WIRE_DATA_MAX)
			n = WIRE_DATA_MAX;
		SEND(a, data, j->number, .stream = WIRE_STDIN,
		     .data = { .p = (const uint8_t *)j->in + j->in_sent, .len = (uint32_t)n });
		j->in_sent += n;
		j->in_credit -= n;
	}
	if (j->in && j->in_sent == j->in_len && !j->keep_in_open && !j->in_eof_sent) {
		SEND(a, eof, j->number, .stream = WIRE_STDIN);
		j->in_eof_sent = true;
	}
}

static void take(uint8_t **buf, size_t *len, const struct wire_bytes *b)
{
	*buf = realloc(*buf, *len + b->len + 1);
	memcpy(*buf + *len, b->p, b->len);
	*len += b->len;
	(*buf)[*len] = '\0';
}

static void on_data(struct agent *a, struct job *j, const struct wire_data *m)
{
	check(j->is_started, "DATA before STARTED");
	if (m->stream == WIRE_STDOUT) {
		check(!j->out_eof, "DATA of stdout after its EOF");
		take(&j->out, &j->out_len, &m->data);
	} else {
		check(m->stream == WIRE_STDERR && !j->err_eof, "DATA of stream %u", m->stream);
		take(&j->err, &j->err_len, &m->data);
	}
	if (!j->no_credit)
		SEND(a, credit, j->number, .stream = m->stream, .bytes = m->data.len);
}

bool job_frame(struct agent *a, struct job *j, const struct wire_frame *f)
{
	union {
		struct wire_started started;
		struct wire_data data;
		struct wire_eof eof;
		struct wire_credit credit;
		struct wire_exit exit;
	} m;

	if (f->session != j->number)
		return false;
	check(!j->is_over, "%s after the end of session %u", wire_type_name(f->type), j->number);
	switch (f->type) {
	case WIRE_STARTED:
		check(wire_get_started(f, &m.started) == WIRE_OK, "STARTED does not decode");
		check(!j->is_started, "two STARTED");
		j->is_started = m.started.errnum == 0;
		j->is_over = !j->is_started;
		j->stage = m.started.stage;
		j->start_errnum = m.started.errnum;
		j->pid = m.started.pid;
		snprintf(j->start_text, sizeof(j->start_text), "%s", m.started.text);
		return true;
	case WIRE_DATA:
		check(wire_get_data(f, &m.data) == WIRE_OK, "DATA does not decode");
		on_data(a, j, &m.data);
		return true;
	case WIRE_EOF:
		check(wire_get_eof(f, &m.eof) == WIRE_OK, "EOF does not decode");
		if (m.eof.stream == WIRE_STDOUT)
			j->out_eof = true;
		else
			j->err_eof = true;
		return true;
	case WIRE_CREDIT:
		check(wire_get_credit(f, &m.credit) == WIRE_OK && m.credit.stream == WIRE_STDIN, "CREDIT");
		j->in_credit += m.credit.bytes;
		job_feed(a, j);
		return true;
	case WIRE_EXIT:
		check(wire_get_exit(f, &m.exit) == WIRE_OK, "EXIT does not decode");
		j->how = m.exit.how;
		j->value = m.exit.value;
		j->is_over = true;
		return true;
	}
	fail("%s in a session", wire_type_name(f->type));
}

void job_finish(struct agent *a, struct job *j)
{
	struct wire_frame f;

	while (!j->is_over) {
		check(agent_next(a, 20000, &f), "nothing more of session %u (%zu bytes so far)", j->number, j->out_len);
		if (f.session)
			check(job_frame(a, j, &f), "a frame for session %u", f.session);
	}
}

void job_free(struct job *j)
{
	free(j->out);
	free(j->err);
}

void job_run(struct agent *a, struct job *j, uint16_t number, const struct wire_start *m)
{
	job_begin(a, j, number, m);
	job_finish(a, j);
}
