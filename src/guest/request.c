/* SPDX-License-Identifier: MPL-2.0 */
/*
 * At most one request is under way in a child (the job). Frames that must
 * keep their order behind it are copied aside; frames for sessions that exist
 * are not held up. When the copies fill their buffer the channel is left
 * unread, which is what backpressure is for.
 *
 * QUIESCE and FINISH end with settling: send every kernel message there
 * is, then the RESULT, and when that has left, be still or power off.
 */

#include "guest/request.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "guest/channel.h"
#include "guest/clock.h"
#include "guest/file.h"
#include "guest/finish.h"
#include "guest/handler.h"
#include "guest/kmsg.h"
#include "guest/log.h"
#include "guest/session.h"
#include "guest/spawn.h"

#define DEFERRED_MAX (6 * WIRE_FRAME_MAX)

static struct {
	pid_t pid; /* 0: none */
	uint32_t id;
	int fd;		     /* its report */
	uint32_t finish_flags; /* FINISH: settle afterwards */
	bool is_finish;
} job = { .fd = -1 };

struct job_report {
	int32_t failed, errnum;
	char text[1000];
};

static struct {
	enum { IDLE, DRAINING, LEAVING } state;
	enum { THEN_GO_ON, THEN_BE_STILL, THEN_POWER_OFF } then;
	uint32_t id;
	uint64_t deadline_ns;
} settle;

static struct {
	size_t start, end;
	uint8_t buf[DEFERRED_MAX];
} deferred;

static bool is_welcome, is_still, is_testing, has_failed;
static struct error error; /* the current handler's; too large for the stack of a recursion-free life */

void request_set_testing(void)
{
	is_testing = true;
}

bool request_is_welcome(void)
{
	return is_welcome;
}

bool request_is_still(void)
{
	return is_still;
}

void request_wake(void)
{
	is_still = false;
}

/* The errno that goes over the wire for an error that has none. */
static int error_errnum(const struct error *err)
{
	switch (err->kind) {
	case ERROR_SYSTEM:
		return err->errnum ? err->errnum : EIO;
	case ERROR_USAGE:
		return EINVAL;
	case ERROR_MISSING:
		return ENOENT;
	case ERROR_UNSUPPORTED:
		return EOPNOTSUPP;
	default:
		return EIO;
	}
}

static void send_result(uint32_t id, int errnum, const char *text)
{
	has_failed = has_failed || errnum;
	channel_send(result, 0, &(struct wire_result){ .id = id, .errnum = (uint32_t)errnum, .text = text });
}

static uint32_t frame_id(const struct wire_frame *f)
{
	const uint8_t *p = f->payload;

	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* ---- Settling ---- */

static void settle_begin(uint32_t id, int then)
{
	settle.state = DRAINING;
	settle.then = then;
	settle.id = id;
	settle.deadline_ns = clock_mono_ns() + KMSG_ALL_NS;
}

static void settle_advance(void)
{
	if (settle.state == DRAINING) {
		if (!kmsg_send_all(settle.deadline_ns) || !channel_can_answer())
			return;
		if (settle.then == THEN_BE_STILL)
			finish_read_counts(); /* for the clones */
		else if (kmsg_fd() >= 0 && !kmsg_is_all_read())
			finish_send_counts(true); /* it spoke faster than could be sent: the host does not know all */
		send_result(settle.id, 0, "");
		settle.state = LEAVING;
	}
	if (settle.state != LEAVING)
		return;
	if (settle.then == THEN_GO_ON) {
		settle.state = IDLE;
		return;
	}
	channel_flush();
	if (!channel_is_flushed())
		return;
	settle.state = IDLE;
	if (settle.then == THEN_BE_STILL)
		is_still = deferred.start == deferred.end; /* a frame behind QUIESCE is that next byte */
	else if (!is_testing)
		finish_power_off();
}

/* ---- The job ---- */

static _Noreturn void job_child(const struct handler *h, const struct wire_frame *f, int report)
{
	struct job_report r = { 0 };

	spawn_reset_signals();
	/* Other sessions' pipes must not be held open by a job that hangs. */
	dup2(report, 3);
	spawn_close_from(4);
	switch (h->run(f, &error)) {
	case HANDLER_FAILED:
		r.failed = 1;
		r.errnum = error_errnum(&error);
		file_path(r.text, sizeof(r.text), "%s", error.text);
		break;
	case HANDLER_MALFORMED: /* was decoded before the fork; can not be */
		r.failed = 1;
		r.errnum = EINVAL;
		break;
	default:
		break;
	}
	file_write_all(3, &r, sizeof(r));
	_exit(0);
}

/* False: no child could be made; error is set. */
static bool job_begin(const struct handler *h, const struct wire_frame *f)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0) {
		error_sys(&error, errno, "make a pipe");
		return false;
	}
	job.pid = fork();
	if (job.pid == 0)
		job_child(h, f, p[1]);
	close(p[1]);
	if (job.pid < 0) {
		error_sys(&error, errno, "make a process");
		job.pid = 0;
		close(p[0]);
		return false;
	}
	job.id = frame_id(f);
	job.fd = p[0];
	job.is_finish = false;
	return true;
}

bool request_reaped(pid_t pid, int wait_status)
{
	struct job_report r;

	if (job.pid == 0 || job.pid != pid)
		return false;
	job.pid = 0;
	if (read(job.fd, &r, sizeof(r)) != (ssize_t)sizeof(r)) {
		memset(&r, 0, sizeof(r));
		r.failed = 1;
		r.errnum = EFAULT;
		file_path(r.text, sizeof(r.text), "the process that did it was killed by signal %d: see the kernel log",
			  WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0);
	}
	r.text[sizeof(r.text) - 1] = '\0';
	close_fd(&job.fd);
	if (job.is_finish && !r.failed)
		settle_begin(job.id, job.finish_flags & WIRE_FINISH_POWER_OFF ? THEN_POWER_OFF : THEN_GO_ON);
	else
		send_result(job.id, r.failed ? r.errnum : 0, r.text);
	return true;
}

/* ---- Dispatch ---- */

static enum request_status handle_request(const struct handler *h, const struct wire_frame *f)
{
	enum handler_outcome o;

	if (f->len < 4)
		return REQUEST_BAD;
	error_clear(&error);
	if (h->type == WIRE_FINISH) {
		struct wire_finish m;

		if (wire_get_finish(f, &m) != WIRE_OK)
			return REQUEST_BAD;
		if (!(m.flags & WIRE_FINISH_SYNC)) {
			settle_begin(m.id, m.flags & WIRE_FINISH_POWER_OFF ? THEN_POWER_OFF : THEN_GO_ON);
			return REQUEST_DONE;
		}
		if (job_begin(h, f)) {
			job.is_finish = true;
			job.finish_flags = m.flags;
			return REQUEST_DONE;
		}
		o = HANDLER_FAILED;
	} else if (h->in_child) {
		struct wire_load_module m;

		if (wire_get_load_module(f, &m) != WIRE_OK)
			return REQUEST_BAD;
		if (job_begin(h, f))
			return REQUEST_DONE;
		o = HANDLER_FAILED;
	} else {
		o = h->run(f, &error);
	}
	if (o == HANDLER_MALFORMED)
		return REQUEST_BAD;
	if (o == HANDLER_FAILED)
		send_result(frame_id(f), error_errnum(&error), error.text);
	else if (o == HANDLER_THEN_STILL)
		settle_begin(frame_id(f), THEN_BE_STILL);
	else
		send_result(frame_id(f), 0, "");
	return REQUEST_DONE;
}

#define GET(name, f, m) (wire_get_##name(f, m) == WIRE_OK)

static bool handle_session(const struct wire_frame *f)
{
	union {
		struct wire_start start;
		struct wire_data data;
		struct wire_eof eof;
		struct wire_credit credit;
		struct wire_winsize winsize;
		struct wire_signal signal;
	} m;

	switch (f->type) {
	case WIRE_START:
		if (!GET(start, f, &m.start))
			return false;
		if ((m.start.flags & WIRE_START_IF_DONE) && has_failed) {
			session_refuse(f->session, ECANCELED, "a request before it has failed");
		} else {
			/* What was done is told before the program can do anything: a host that heard nothing may begin again. */
			channel_flush();
			session_start(f, &m.start);
		}
		return true;
	case WIRE_DATA:
		return GET(data, f, &m.data) && session_data(f->session, &m.data);
	case WIRE_EOF:
		return GET(eof, f, &m.eof) && session_eof(f->session, &m.eof);
	case WIRE_CREDIT:
		return GET(credit, f, &m.credit) && session_credit(f->session, &m.credit);
	case WIRE_WINSIZE:
		if (!GET(winsize, f, &m.winsize))
			return false;
		session_winsize(f->session, &m.winsize);
		return true;
	case WIRE_SIGNAL:
		if (!GET(signal, f, &m.signal))
			return false;
		session_signal(f->session, &m.signal);
		return true;
	}
	return false;
}

static bool handle_welcome(const struct wire_frame *f)
{
	struct wire_welcome m;

	if (is_welcome || !GET(welcome, f, &m))
		return false;
	if (m.version != WIRE_VERSION) {
		log_line("the host speaks version %u of the protocol, this agent %u", m.version, WIRE_VERSION);
		return false;
	}
	is_welcome = true;
	return true;
}

static bool handle_test(const struct wire_frame *f)
{
	struct wire_test m;

	if (!GET(test, f, &m))
		return false;
	if (is_testing || finish_is_test_machine())
		finish_test(m.what);
	else
		log_line("a test message on a machine without quiz.test=1");
	return true;
}

static enum request_status dispatch(const struct wire_frame *f)
{
	const struct handler *h = handler_find(f->type);
	struct wire_ping ping;

	if (h)
		return handle_request(h, f);
	switch (f->type) {
	case WIRE_PING:
		if (!GET(ping, f, &ping))
			return REQUEST_BAD;
		channel_send(pong, 0, &(struct wire_pong){ .nonce = ping.nonce });
		return REQUEST_DONE;
	case WIRE_TEST:
		return handle_test(f) ? REQUEST_DONE : REQUEST_BAD;
	default:
		return handle_session(f) ? REQUEST_DONE : REQUEST_BAD;
	}
}

static bool is_busy(void)
{
	return job.pid || settle.state != IDLE;
}

/* Must this frame keep its place behind what is under way? */
static bool must_wait(const struct wire_frame *f)
{
	if (!is_busy() && deferred.start == deferred.end)
		return false;
	if (f->type == WIRE_PING || f->type == WIRE_TEST)
		return false;
	return handler_find(f->type) || f->type == WIRE_START || !session_exists(f->session);
}

/* The frame with its header, as it came: the header lies right before the payload. */
static bool defer(const struct wire_frame *f)
{
	size_t n = WIRE_HEADER_SIZE + f->len;

	if (deferred.start == deferred.end)
		deferred.start = deferred.end = 0;
	if (n > sizeof(deferred.buf) - deferred.end)
		return false;
	memcpy(deferred.buf + deferred.end, f->payload - WIRE_HEADER_SIZE, n);
	deferred.end += n;
	return true;
}

enum request_status request_handle(const struct wire_frame *f)
{
	if (f->type == WIRE_WELCOME)
		return handle_welcome(f) ? REQUEST_DONE : REQUEST_BAD;
	if (!is_welcome && f->type != WIRE_PING)
		return REQUEST_BAD;
	if (must_wait(f))
		return defer(f) ? REQUEST_DONE : REQUEST_STALLED;
	return dispatch(f);
}

bool request_advance(void)
{
	settle_advance();
	while (!is_busy() && !is_still && deferred.start < deferred.end && channel_can_answer()) {
		struct wire_frame f;
		size_t size;

		if (wire_frame_get(deferred.buf + deferred.start, deferred.end - deferred.start, &f, &size) != WIRE_OK)
			return false;
		deferred.start += size;
		if (dispatch(&f) == REQUEST_BAD)
			return false;
		settle_advance();
	}
	return true;
}
