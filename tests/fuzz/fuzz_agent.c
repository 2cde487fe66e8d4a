/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The agent's side of the channel under any bytes from the host, in any
 * pieces: framing, order of requests, waiting behind a job, settling. What a
 * request does to a machine is replaced; that it is done once, in order and
 * answered once, is checked.
 *
 * Input: bytes of the channel; 0xfe 0xNN ends the piece in hand, and lets the job end when NN is odd.
 *
 * sources: src/guest/channel.c src/guest/file.c src/guest/kmsg.c src/guest/log.c src/wire/wire.c src/base/error.c
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

static int fuzz_fork(void);
static int fuzz_pipe2(int p[2], int flags);
#define fork fuzz_fork
#define pipe2 fuzz_pipe2
#define sync() ((void)0)
#include "../../src/guest/handler.c"
#include "../../src/guest/request.c"
#undef fork
#undef pipe2
#undef sync

static unsigned n_asked, n_answered; /* requests accepted, RESULTs sent */
static int report_fd = -1;

/* ---- What would act upon the machine ---- */

static int fuzz_fork(void)
{
	return 4711; /* a child that does nothing until fuzz lets it end */
}

static int fuzz_pipe2(int p[2], int flags)
{
	int r = pipe2(p, flags);

	if (r == 0)
		report_fd = dup(p[1]);
	return r;
}

int disk_mount_image(const struct wire_mount_image *m, struct error *err) { return m->flags ? error_set(err, ERROR_USAGE, "no") : 0; }
int disk_make_node(const struct wire_node *m, struct error *err) { return error_sys(err, ENOENT, "%s", m->path); }
int root_assemble(const struct wire_assemble *m, struct error *err) { return m->layers.n ? 0 : error_set(err, ERROR_MISSING, "none"); }
bool root_is_assembled(void) { return true; }
int root_share(const struct wire_share *m, struct error *err) { return strlen(m->tag) ? 0 : error_set(err, ERROR_USAGE, "no tag"); }
int identity_apply(const struct wire_identity *m, struct error *err) { return m->entropy.len > 3 ? 0 : error_set(err, ERROR_GUEST, "x"); }
bool identity_is_known(void) { return false; }
void net_loopback_up(void) {}
int net_configure(const struct wire_network *m, struct error *err) { return error_set(err, ERROR_UNSUPPORTED, "%s", m->mac); }
int memdev_make(const struct wire_memdev *m, struct error *err) { return m->count ? 0 : error_set(err, ERROR_USAGE, "0"); }
int module_load(const char *module, const char *params, struct error *err) { return error_sys(err, ENOENT, "%s", module); }
void finish_open_counts(void) {}
void identity_open(void) {}
void finish_send_counts(bool is_kmsg_read) {}
void finish_read_counts(void) {}
void finish_power_off(void) { abort(); /* testing is set */ }
bool finish_is_test_machine(void) { return false; }
void finish_test(uint32_t what) {}
void spawn_close_from(int first) {}
void spawn_reset_signals(void) {}
int automount_touch(const char *path, struct error *err) { return strlen(path) < 9 ? 0 : error_sys(err, EIO, "mount"); }
int spare_make(struct error *err) { return 0; }

static bool open_sessions[65536];
void session_refuse(uint16_t number, int errnum, const char *text) { open_sessions[number] = false; }
void session_start(const struct wire_frame *f, const struct wire_start *m) { open_sessions[f->session] = m->argv.n > 0; }
bool session_exists(uint16_t number) { return open_sessions[number]; }
bool session_data(uint16_t number, const struct wire_data *m) { return m->stream == 0; }
bool session_eof(uint16_t number, const struct wire_eof *m) { return m->stream == 0; }
bool session_credit(uint16_t number, const struct wire_credit *m) { return m->stream != 0; }
void session_winsize(uint16_t number, const struct wire_winsize *m) {}
void session_signal(uint16_t number, const struct wire_signal *m) {}

/* ---- The host ---- */

static int host = -1;
static uint8_t inbox[4 * WIRE_FRAME_MAX];
static size_t inbox_len;

/* What the agent says must be messages of its direction. */
static void listen_to_agent(void)
{
	struct wire_frame f;
	size_t at = 0, n;
	ssize_t r;

	while ((r = recv(host, inbox + inbox_len, sizeof(inbox) - inbox_len, MSG_DONTWAIT)) > 0) {
		inbox_len += (size_t)r;
		at = 0;
		for (;;) {
			enum wire_status st = wire_frame_get(inbox + at, inbox_len - at, &f, &n);

			CHECK(st != WIRE_BAD);
			if (st == WIRE_MORE)
				break;
			CHECK(f.type == WIRE_RESULT || f.type == WIRE_PONG || f.type == WIRE_STAGE);
			n_answered += f.type == WIRE_RESULT;
			at += n;
		}
		memmove(inbox, inbox + at, inbox_len - at);
		inbox_len -= at;
	}
}

static void end_job(void)
{
	struct job_report r = { .failed = 0 };

	if (!job.pid)
		return;
	CHECK(write(report_fd, &r, sizeof(r)) == sizeof(r));
	close(report_fd);
	report_fd = -1;
	CHECK(request_reaped(4711, 0));
}

/* What quiz_init.c's turn() does with what has come. False: the conversation is over. */
static bool take_frames(void)
{
	for (;;) {
		struct wire_frame f;
		size_t n;
		enum wire_status st;

		if (request_is_still() && channel_was_heard())
			request_wake();
		if (!channel_can_answer())
			return true;
		st = channel_peek(&f, &n);
		if (st == WIRE_MORE)
			return true;
		if (st == WIRE_BAD)
			return false;
		switch (request_handle(&f)) {
		case REQUEST_STALLED:
			return true;
		case REQUEST_BAD:
			return false;
		case REQUEST_DONE:
			n_asked += handler_find(f.type) != NULL;
			channel_drop(n);
		}
		if (!request_advance())
			return false;
	}
}

static bool feed(const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t w = send(host, p, n < 4096 ? n : 4096, MSG_DONTWAIT);

		if (w > 0) {
			p += w;
			n -= (size_t)w;
		} else {
			end_job(); /* full: nothing but the job holds it up */
		}
		if (channel_fill() != CHANNEL_UP || !take_frames() || !request_advance())
			return false;
		channel_flush();
		listen_to_agent();
	}
	return true;
}

static void reset(void)
{
	int ch[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ch) < 0)
		abort();
	host = ch[0];
	channel_open(ch[1]);
	channel_reset();
	memset(&settle, 0, sizeof(settle));
	deferred.start = deferred.end = 0;
	job.pid = 0;
	is_welcome = is_still = false;
	is_testing = true;
	inbox_len = 0;
	n_asked = n_answered = 0;
	memset(open_sessions, 0, sizeof(open_sessions));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t welcome[] = { 6, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0 };
	bool alive;
	size_t start = 0;

	reset();
	alive = feed(welcome, sizeof(welcome));
	CHECK(alive && request_is_welcome());
	for (size_t i = 0; alive && i < size; i++) {
		if (data[i] != 0xfe || i + 1 == size)
			continue;
		alive = feed(data + start, i - start);
		if (data[i + 1] & 1)
			end_job();
		alive = alive && request_advance() && take_frames();
		start = i + 2;
		i++;
	}
	if (alive && start < size)
		alive = feed(data + start, size - start);
	/* Each request is answered exactly once, when all jobs have ended. */
	for (int i = 0; alive && i < 10000 && (is_busy() || deferred.start < deferred.end); i++) {
		end_job();
		alive = request_advance() && take_frames();
		channel_flush();
		listen_to_agent();
	}
	if (alive) {
		channel_flush();
		listen_to_agent();
		CHECK(n_answered == n_asked);
	}
	channel_close();
	close(host);
	close_fd(&job.fd);
	close_fd(&report_fd);
	return 0;
}
