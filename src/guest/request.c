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
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "guest/channel.h"
#include "guest/clock.h"
#include "guest/disk.h"
#include "guest/file.h"
#include "guest/finish.h"
#include "guest/identity.h"
#include "guest/kmsg.h"
#include "guest/log.h"
#include "guest/memdev.h"
#include "guest/module.h"
#include "guest/net.h"
#include "guest/root.h"
#include "guest/session.h"
#include "guest/spare.h"
#include "guest/spawn.h"

#define DEFERRED_MAX (6 * WIRE_FRAME_MAX)

/* What a handler says. */
enum outcome {
	DONE,	   /* RESULT: success */
	FAILED,	   /* RESULT: the error */
	LATER,	   /* RESULT comes by itself */
	MALFORMED, /* the frame did not decode */
};

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

static void send_stage(enum wire_boot_stage stage)
{
	channel_send(stage, 0, &(struct wire_stage){ .stage = stage, .mono_ns = clock_mono_ns() });
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

/* ---- Handlers of requests ---- */

static enum outcome outcome_of(int r)
{
	return r < 0 ? FAILED : DONE;
}

static enum outcome do_mount_image(const struct wire_frame *f)
{
	struct wire_mount_image m;

	if (wire_get_mount_image(f, &m) != WIRE_OK)
		return MALFORMED;
	if (disk_mount_image(&m, &error) < 0)
		return FAILED;
	send_stage(identity_is_known() ? WIRE_AT_LAYERS : WIRE_AT_IMAGES);
	return DONE;
}

static void settle_begin(uint32_t id, int then)
{
	settle.state = DRAINING;
	settle.then = then;
	settle.id = id;
	settle.deadline_ns = clock_mono_ns() + KMSG_ALL_NS;
}

static enum outcome do_quiesce(const struct wire_frame *f)
{
	struct wire_quiesce m;

	if (wire_get_quiesce(f, &m) != WIRE_OK)
		return MALFORMED;
	finish_open_counts();
	identity_open();
	settle_begin(m.id, THEN_BE_STILL);
	return LATER;
}

static enum outcome do_identity(const struct wire_frame *f)
{
	struct wire_identity m;

	if (wire_get_identity(f, &m) != WIRE_OK)
		return MALFORMED;
	if (identity_apply(&m, &error) < 0)
		return FAILED;
	send_stage(WIRE_AT_CLONED);
	return DONE;
}

static enum outcome do_assemble(const struct wire_frame *f)
{
	struct wire_assemble m;

	if (wire_get_assemble(f, &m) != WIRE_OK)
		return MALFORMED;
	if (root_assemble(&m, &error) < 0)
		return FAILED;
	net_loopback_up();
	send_stage(WIRE_AT_ROOT);
	return DONE;
}

static enum outcome do_share(const struct wire_frame *f)
{
	struct wire_share m;

	if (wire_get_share(f, &m) != WIRE_OK)
		return MALFORMED;
	if (root_share(&m, &error) < 0)
		return FAILED;
	if (root_is_assembled())
		send_stage(WIRE_AT_DEVICES);
	return DONE;
}

static enum outcome do_spare(const struct wire_frame *f)
{
	struct wire_spare m;

	if (wire_get_spare(f, &m) != WIRE_OK)
		return MALFORMED;
	return outcome_of(spare_make(&error));
}

static int write_file(const struct wire_write_file *m, struct error *err)
{
	int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, r; /* a fifo must not hold up PID 1 */
	_cleanup_close_ int fd = -1;

	if (m->path[0] != '/')
		return error_set(err, ERROR_USAGE, "'%s' is no absolute path", m->path);
	if (m->flags & WIRE_WRITE_CREATE)
		flags |= O_CREAT | (m->flags & WIRE_WRITE_APPEND ? 0 : O_TRUNC);
	if (m->flags & WIRE_WRITE_APPEND)
		flags |= O_APPEND;
	fd = open(m->path, flags, m->mode & 07777);
	if (fd < 0 && errno == ENOENT && (m->flags & WIRE_WRITE_CREATE)) {
		r = file_make_dirs(m->path, false, 0755);
		if (r < 0)
			return error_sys(err, -r, "make the folders of '%s'", m->path);
		fd = open(m->path, flags, m->mode & 07777);
	}
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR) && (m->flags & WIRE_WRITE_OPTIONAL))
		return 0;
	if (fd < 0)
		return error_sys(err, errno, "open '%s'", m->path);
	r = file_write_all(fd, m->data.p, m->data.len);
	if (r < 0)
		return error_sys(err, -r, "write '%s'", m->path);
	/* An old file may have another mode, and writing takes set-id bits away. */
	if ((m->flags & WIRE_WRITE_CREATE) && !(m->flags & WIRE_WRITE_APPEND) && fchmod(fd, m->mode & 07777) < 0)
		return error_sys(err, errno, "set the mode of '%s'", m->path);
	return 0;
}

static enum outcome do_write_file(const struct wire_frame *f)
{
	struct wire_write_file m;

	if (wire_get_write_file(f, &m) != WIRE_OK)
		return MALFORMED;
	return outcome_of(write_file(&m, &error));
}

static enum outcome do_make_dir(const struct wire_frame *f)
{
	struct wire_make_dir m;
	int r;

	if (wire_get_make_dir(f, &m) != WIRE_OK)
		return MALFORMED;
	r = m.path[0] == '/' ? file_make_dirs(m.path, true, m.mode & 07777) : -EINVAL;
	return r < 0 ? outcome_of(error_sys(&error, -r, "make '%s'", m.path)) : DONE;
}

static enum outcome do_load_module(const struct wire_frame *f)
{
	struct wire_load_module m;

	if (wire_get_load_module(f, &m) != WIRE_OK)
		return MALFORMED;
	if (module_load(m.module, m.params, &error) < 0 && !(m.flags & WIRE_MODULE_OPTIONAL))
		return FAILED;
	return DONE;
}

static enum outcome do_memdev(const struct wire_frame *f)
{
	struct wire_memdev m;

	if (wire_get_memdev(f, &m) != WIRE_OK)
		return MALFORMED;
	if (memdev_make(&m, &error) < 0)
		return FAILED;
	send_stage(WIRE_AT_DEVICES);
	return DONE;
}

static enum outcome do_node(const struct wire_frame *f)
{
	struct wire_node m;

	if (wire_get_node(f, &m) != WIRE_OK)
		return MALFORMED;
	if (disk_make_node(&m, &error) < 0)
		return FAILED;
	send_stage(WIRE_AT_DEVICES);
	return DONE;
}

static enum outcome do_network(const struct wire_frame *f)
{
	struct wire_network m;

	if (wire_get_network(f, &m) != WIRE_OK)
		return MALFORMED;
	return outcome_of(net_configure(&m, &error));
}

static enum outcome do_counters(const struct wire_frame *f)
{
	struct wire_counters m;

	if (wire_get_counters(f, &m) != WIRE_OK)
		return MALFORMED;
	finish_send_counts();
	return DONE;
}

/* Runs in the job's child when a sync was asked for, else not at all. */
static enum outcome do_finish(const struct wire_frame *f)
{
	struct wire_finish m;

	if (wire_get_finish(f, &m) != WIRE_OK)
		return MALFORMED;
	if (m.flags & WIRE_FINISH_SYNC)
		sync();
	return DONE;
}

/*
 * Every request. in_child: its work may block for long or end in an oops,
 * which must hit a child; what a child does to mounts, modules and
 * files is as good as if PID 1 had done it.
 */
static const struct request {
	uint16_t type;
	bool in_child;
	enum outcome (*run)(const struct wire_frame *f);
} requests[] = {
	{ WIRE_MOUNT_IMAGE, false, do_mount_image },
	{ WIRE_QUIESCE, false, do_quiesce },
	{ WIRE_IDENTITY, false, do_identity },
	{ WIRE_ASSEMBLE, false, do_assemble },
	{ WIRE_SHARE, false, do_share },
	{ WIRE_WRITE_FILE, false, do_write_file },
	{ WIRE_LOAD_MODULE, true, do_load_module },
	{ WIRE_MEMDEV, false, do_memdev },
	{ WIRE_NODE, false, do_node },
	{ WIRE_NETWORK, false, do_network },
	{ WIRE_COUNTERS, false, do_counters },
	{ WIRE_FINISH, true, do_finish },
	{ WIRE_MAKE_DIR, false, do_make_dir },
	{ WIRE_SPARE, false, do_spare },
};

static const struct request *find_request(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].type == type)
			return &requests[i];
	return NULL;
}

/* ---- The job ---- */

static _Noreturn void job_child(const struct request *rq, const struct wire_frame *f, int report)
{
	struct job_report r = { 0 };

	spawn_reset_signals();
	/* Other sessions' pipes must not be held open by a job that hangs. */
	dup2(report, 3);
	spawn_close_from(4);
	switch (rq->run(f)) {
	case FAILED:
		r.failed = 1;
		r.errnum = error_errnum(&error);
		file_path(r.text, sizeof(r.text), "%s", error.text);
		break;
	case MALFORMED: /* was decoded before the fork; can not be */
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
static bool job_begin(const struct request *rq, const struct wire_frame *f)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0) {
		error_sys(&error, errno, "make a pipe");
		return false;
	}
	job.pid = fork();
	if (job.pid == 0)
		job_child(rq, f, p[1]);
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

/* ---- Settling ---- */

static void settle_advance(void)
{
	if (settle.state == DRAINING) {
		if (!kmsg_send_all(settle.deadline_ns) || !channel_can_answer())
			return;
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

/* ---- Dispatch ---- */

static enum request_status handle_request(const struct request *rq, const struct wire_frame *f)
{
	enum outcome o;

	if (f->len < 4)
		return REQUEST_BAD;
	error_clear(&error);
	if (rq->type == WIRE_FINISH) {
		struct wire_finish m;

		if (wire_get_finish(f, &m) != WIRE_OK)
			return REQUEST_BAD;
		if (!(m.flags & WIRE_FINISH_SYNC)) {
			settle_begin(m.id, m.flags & WIRE_FINISH_POWER_OFF ? THEN_POWER_OFF : THEN_GO_ON);
			return REQUEST_DONE;
		}
		if (job_begin(rq, f)) {
			job.is_finish = true;
			job.finish_flags = m.flags;
			return REQUEST_DONE;
		}
		o = FAILED;
	} else if (rq->in_child) {
		struct wire_load_module m;

		if (wire_get_load_module(f, &m) != WIRE_OK)
			return REQUEST_BAD;
		if (job_begin(rq, f))
			return REQUEST_DONE;
		o = FAILED;
	} else {
		o = rq->run(f);
	}
	if (o == MALFORMED)
		return REQUEST_BAD;
	if (o == FAILED)
		send_result(frame_id(f), error_errnum(&error), error.text);
	else if (o == DONE)
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
			session_start(f->session, &m.start);
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
	const struct request *rq = find_request(f->type);
	struct wire_ping ping;

	if (rq)
		return handle_request(rq, f);
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
	return find_request(f->type) || f->type == WIRE_START || !session_exists(f->session);
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
