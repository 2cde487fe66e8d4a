/* SPDX-License-Identifier: MPL-2.0 */
/* Clients of a supervisor. See client.h. */

#include "run/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "run/channel.h"
#include "run/local.h"
#include "run/session.h"
#include "sys/term.h"

#define ANSWER_TIMEOUT_MS 5000
#define SESSION 1 /* each client has one session of its own */

enum client_end {
	CLIENT_GOES_ON,
	CLIENT_ENDED,	 /* status is set */
	CLIENT_DETACHED,
	CLIENT_NOT_STARTED, /* err is set */
	CLIENT_GONE,	 /* the supervisor closed the connection */
};

struct client {
	struct loop *loop;
	struct channel *ch;
	char *id;
	json_t *status;
	struct local *local;
	bool is_welcome, tty, is_watching, has_started, waits_verdict, stdout_only;
	size_t room;
	int n_signals, program_status;
	enum client_end end;
	struct error err, input_error;
	const char *program; /* borrowed; for errors */
	int fd;		     /* the channel's */
	void (*told)(const char *text); /* of a crash; or NULL */
	char *note;	     /* owned; text of the last CLIENT_NOTE */
	const struct client_stream *stream; /* borrowed; NULL: our own descriptors */
	bool input_ended;
};

static void pump(struct client *c);

static void stop(struct client *c, enum client_end end)
{
	if (c->end == CLIENT_GOES_ON)
		c->end = end;
	loop_stop(c->loop);
}

/* ---- outlet: our streams ---- */

static size_t outlet_room(void *ctx)
{
	struct client *c = ctx;

	/* A watcher has no credit of its own; terminals are slow enough. */
	return !c->has_started ? 0 : c->is_watching ? 4096 : c->room;
}

static void outlet_input(void *ctx, const void *mem, size_t n)
{
	struct client *c = ctx;

	channel_send(c->ch, SESSION, data, .stream = WIRE_STDIN, .data = { mem, (uint32_t)n });
	if (!c->is_watching)
		c->room -= n;
}

static void outlet_end(void *ctx)
{
	struct client *c = ctx;

	if (!c->is_watching)
		channel_send(c->ch, SESSION, eof, .stream = WIRE_STDIN);
}

static void outlet_input_lost(void *ctx, int errnum)
{
	struct client *c = ctx;

	error_sys(&c->input_error, errnum, LOCAL_INPUT);
}

static void outlet_consumed(void *ctx, unsigned stream, size_t n)
{
	struct client *c = ctx;

	if (!c->is_watching && c->end == CLIENT_GOES_ON && !c->stdout_only)
		channel_send(c->ch, SESSION, credit, .stream = (uint8_t)stream, .bytes = (uint32_t)n);
}

static void outlet_winsize(void *ctx, uint16_t rows, uint16_t cols)
{
	struct client *c = ctx;

	channel_send(c->ch, SESSION, winsize, .rows = rows, .cols = cols);
}

static void outlet_escape(void *ctx, char key)
{
	struct client *c = ctx;

	if (key == 'd')
		stop(c, CLIENT_DETACHED);
	else
		channel_send(c->ch, 0, client_stop, .force = 1);
}

static void outlet_lost(void *ctx, int errnum)
{
	struct client *c = ctx;

	if (errnum != EPIPE && !error_is_set(&c->err))
		error_sys(&c->err, errnum, LOCAL_OUTPUT);
	if (c->stdout_only)
		stop(c, CLIENT_DETACHED);
	else
		channel_send(c->ch, SESSION, signal, .signo = SIGPIPE);
}

/* Nobody sees any more what the program does; it hears of that by our going. */
static void outlet_hung_up(void *ctx)
{
	struct client *c = ctx;

	c->program_status = 128 + SIGHUP;
	stop(c, CLIENT_ENDED);
}

static void make_local(struct client *c, bool tty)
{
	c->tty = tty;
	const struct outlet o = { outlet_room,	    outlet_input,   outlet_end,	   outlet_input_lost,
				  outlet_consumed, outlet_winsize, outlet_escape, outlet_lost,	     outlet_hung_up, c };

	c->local = local_new(c->loop, &o);
}

/* ---- what the supervisor says ---- */

static void on_started(struct client *c, const struct wire_started *m)
{
	_cleanup_free_ char *where = mem_printf("machine %s", c->id);

	if (!m->errnum) {
		c->has_started = true;
		if (c->local && local_begin(c->local, c->tty, &c->err) < 0)
			stop(c, CLIENT_NOT_STARTED);
		pump(c);
		return;
	}
	c->program_status = m->stage == WIRE_STAGE_EXEC ? (m->errnum == ENOENT ? 127 : 126) : 125;
	session_start_error(m, c->program ? c->program : "a shell", where, &c->err);
	stop(c, CLIENT_NOT_STARTED);
}

static void on_drained(void *ctx)
{
	stop(ctx, CLIENT_ENDED);
}

static void ended(struct client *c, int status)
{
	c->program_status = status;
	if (c->local)
		local_drain(c->local, on_drained, c);
	else
		stop(c, CLIENT_ENDED);
}

static void on_output(struct client *c, const struct wire_data *m)
{
	unsigned stream = m->stream == WIRE_STDERR ? WIRE_STDERR : WIRE_STDOUT;

	if (c->stream) {
		if (m->stream == WIRE_STDOUT && c->stream->output &&
		    c->stream->output(c->stream->ctx, m->data.p, m->data.len, &c->err) < 0) {
			stop(c, CLIENT_NOT_STARTED);
			return;
		}
		if (m->stream == WIRE_STDERR && c->stream->said)
			c->stream->said(c->stream->ctx, m->data.p, m->data.len);
		channel_send(c->ch, SESSION, credit, .stream = m->stream, .bytes = m->data.len);
		pump(c); /* it may have waited for this */
	} else if (c->local) {
		local_output(c->local, stream, m->data.p, m->data.len);
	}
}

static void on_frame(void *ctx, const struct wire_frame *f)
{
	struct client *c = ctx;
	struct wire_client_welcome welcome;
	struct wire_client_verdict verdict;
	struct wire_client_note note;
	struct wire_started started;
	struct wire_data data;
	struct wire_credit credit;
	struct wire_exit ex;

	if (wire_get_client_welcome(f, &welcome) == WIRE_OK) {
		c->is_welcome = true;
		json_decref(c->status);
		c->status = json_loads(welcome.json, 0, NULL);
		stop(c, CLIENT_GOES_ON);
	} else if (wire_get_started(f, &started) == WIRE_OK) {
		on_started(c, &started);
	} else if (wire_get_data(f, &data) == WIRE_OK) {
		on_output(c, &data);
	} else if (wire_get_credit(f, &credit) == WIRE_OK) {
		c->room += credit.bytes;
		if (c->local)
			local_writable(c->local);
		pump(c);
	} else if (wire_get_exit(f, &ex) == WIRE_OK) {
		if (ex.how == WIRE_FAILED)
			error_set(&c->err, ERROR_GUEST, "in the guest: %s", strerror((int)ex.value));
		ended(c, ex.how == WIRE_EXITED ? (int)ex.value : ex.how == WIRE_FAILED ? 125 : 128 + (int)ex.value);
	} else if (wire_get_client_verdict(f, &verdict) == WIRE_OK) {
		if (c->waits_verdict)
			ended(c, (int)verdict.status);
		else if (c->told && str_eq(verdict.verdict, "crash"))
			c->told(verdict.json);
	} else if (wire_get_client_note(f, &note) == WIRE_OK) {
		free(c->note);
		c->note = mem_strdup(note.text);
		if (note.errnum)
			error_set(&c->err, ERROR_GUEST, "%s", note.text);
		ended(c, note.errnum ? 125 : 0);
	}
}

static void on_closed(void *ctx, const char *why)
{
	struct client *c = ctx;

	stop(c, CLIENT_GONE);
}

static void on_timeout(void *ctx)
{
	stop(ctx, CLIENT_ENDED);
}

static int connect_to(const char *path, struct error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return error_sys(err, errno, "make a socket");
	if (strlen(path) >= sizeof(addr.sun_path))
		return error_sys(err, ENAMETOOLONG, "connect to '%s'", path);
	strcpy(addr.sun_path, path); /* checked */
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_sys(err, errno, "connect to '%s'", path);
	return take_fd(&fd);
}

struct client *client_connect(const char *path, const char *id, const char *purpose, struct error *err)
{
	struct channel_callbacks cb = { .frame = on_frame, .closed = on_closed };
	struct client *c;
	uint64_t timer;
	struct loop *loop = loop_new();
	int fd = loop_catch_signals(loop, err) < 0 ? -1 : connect_to(path, err);

	if (fd < 0) {
		loop_free(loop);
		return NULL;
	}
	c = mem_alloc(sizeof(*c));
	c->loop = loop;
	c->id = mem_strdup(id);
	c->room = WIRE_WINDOW;
	cb.ctx = c;
	c->fd = fd;
	c->ch = channel_new(c->loop, fd, true, &cb);
	channel_send(c->ch, 0, client_hello, .version = WIRE_VERSION, .pid = (uint32_t)getpid(), .purpose = purpose);
	timer = loop_timer(c->loop, ANSWER_TIMEOUT_MS, on_timeout, c);
	loop_run(c->loop);
	loop_timer_remove(c->loop, timer);
	if (!c->is_welcome) {
		bool has_hung_up = c->end == CLIENT_GONE;

		client_free(c);
		if (has_hung_up)
			return error_sys(err, ECONNRESET, "ask machine '%s'", id), NULL;
		error_set(err, ERROR_TIMEOUT, "machine '%s' does not answer", id);
		error_hint(err, "quiz stop --kill %s", id);
		return NULL;
	}
	return c;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	local_free(c->local);
	channel_free(c->ch);
	json_decref(c->status);
	free(c->id);
	free(c->note);
	loop_free(c->loop);
	free(c);
}

const char *client_id(const struct client *c)
{
	return c->id;
}

const json_t *client_status(const struct client *c)
{
	return c->status;
}

const struct error *client_input_error(const struct client *c)
{
	return error_is_set(&c->input_error) ? &c->input_error : NULL;
}

/* ---- what clients do ---- */

static void on_end_signal(void *ctx, int signo)
{
	struct client *c = ctx;

	if (++c->n_signals > 1 || !c->has_started) {
		c->program_status = 128 + signo;
		stop(c, CLIENT_ENDED);
		return;
	}
	channel_send(c->ch, SESSION, signal, .signo = (uint32_t)signo);
}

static void watch_signals(struct client *c)
{
	loop_signal(c->loop, SIGINT, on_end_signal, c);
	loop_signal(c->loop, SIGTERM, on_end_signal, c);
	loop_signal(c->loop, SIGHUP, on_end_signal, c);
	signal(SIGPIPE, SIG_IGN);
}

/* Runs the loop; turns the ways to end into a status or an error. */
static int run_to_end(struct client *c, int *ret_status, struct error *err)
{
	c->end = CLIENT_GOES_ON;
	loop_run(c->loop);
	term_restore();
	switch (c->end) {
	case CLIENT_GONE:
		error_set(err, ERROR_GUEST, "machine %s is gone", c->id);
		*ret_status = 120;
		return -1;
	case CLIENT_NOT_STARTED:
		*err = c->err;
		*ret_status = c->program_status;
		return -1;
	case CLIENT_DETACHED:
		*ret_status = 0;
		return 0;
	default:
		*ret_status = c->program_status;
		if (error_is_set(&c->err)) {
			*err = c->err;
			return -1;
		}
		return 0;
	}
}

static int exec_message(struct client *c, struct wire_start *m, bool tty, int *ret_status, struct error *err)
{
	size_t n;

	if (tty)
		term_size(STDIN_FILENO, &m->rows, &m->cols);
	make_local(c, tty);
	watch_signals(c);
	n = wire_put_start(channel_reserve(c->ch, WIRE_FRAME_MAX), WIRE_FRAME_MAX, SESSION, m);
	channel_commit(c->ch, n);
	if (!n)
		return error_set(err, ERROR_USAGE, "the argument list is longer than %u bytes", WIRE_PAYLOAD_MAX);
	return run_to_end(c, ret_status, err);
}

int client_exec(struct client *c, const struct run_program *p, int *ret_status, struct error *err)
{
	struct wire_start m = program_message(p);

	c->program = p->argv.n ? p->argv.v[0] : NULL;
	return exec_message(c, &m, p->tty, ret_status, err);
}

int client_exec_planned(struct client *c, void (*told)(const char *text), int *ret_status, struct error *err)
{
	struct wire_start m = { .flags = WIRE_START_PLANNED, .cwd = "", .user = "" };

	c->told = told;
	c->program = json_string_value(json_object_get(c->status, "program"));
	return exec_message(c, &m, json_is_true(json_object_get(c->status, "tty")), ret_status, err);
}

int client_attach(struct client *c, bool take_over, int *ret_status, struct error *err)
{
	bool tty = take_over && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	uint16_t rows, cols;

	term_size(STDIN_FILENO, &rows, &cols);
	c->is_watching = true;
	make_local(c, tty);
	watch_signals(c);
	channel_send(c->ch, SESSION, client_attach, .write = take_over, .rows = rows, .cols = cols);
	return run_to_end(c, ret_status, err);
}

bool client_has_detached(const struct client *c)
{
	return c->end == CLIENT_DETACHED;
}

int client_follow_log(struct client *c, struct error *err)
{
	int status;

	c->stdout_only = true;
	make_local(c, false);
	watch_signals(c);
	channel_send(c->ch, 0, client_logs, .kinds = 1, .follow = 1);
	if (run_to_end(c, &status, err) < 0 && status != 120)
		return -1;
	error_clear(err); /* the machine's end is the end of its log */
	return 0;
}

int client_stop(struct client *c, bool force, struct error *err)
{
	int status = 0;

	watch_signals(c);
	channel_send(c->ch, 0, client_stop, .force = force);
	if (run_to_end(c, &status, err) < 0 && status == 120) {
		error_clear(err);
		return 0;
	}
	return status == 0 ? 0 : error_set(err, ERROR_GUEST, "machine %s was not stopped", c->id);
}

int client_wait(struct client *c, int *ret_status, struct error *err)
{
	watch_signals(c);
	c->waits_verdict = true;
	channel_send(c->ch, 0, client_wait, .machine = 1);
	return run_to_end(c, ret_status, err);
}

int client_dump(struct client *c, const char *path, struct error *err)
{
	int status;

	watch_signals(c);
	channel_send(c->ch, 0, client_dump, .path = path);
	return run_to_end(c, &status, err);
}

int client_gdb(struct client *c, char **ret_socket, struct error *err)
{
	int status, flags;

	channel_send(c->ch, 0, client_gdb, .unused = 0);
	if (run_to_end(c, &status, err) < 0)
		return -1;
	flags = fcntl(c->fd, F_GETFD);
	if (flags < 0 || fcntl(c->fd, F_SETFD, flags & ~FD_CLOEXEC) < 0)
		return error_sys(err, errno, "keep the connection to machine %s", c->id);
	*ret_socket = mem_strdup(c->note);
	return 0;
}

/* ---- streams ---- */

/* As long as there is credit: the guest's side sets the pace. */
static void pump(struct client *c)
{
	char buf[WIRE_DATA_MAX];

	while (c->stream && c->stream->input && !c->input_ended && c->has_started && c->room) {
		ssize_t n = c->stream->input(c->stream->ctx, buf, c->room < sizeof(buf) ? c->room : sizeof(buf), &c->err);

		if (n == CLIENT_INPUT_LATER)
			return;
		if (n < 0) {
			stop(c, CLIENT_NOT_STARTED);
			return;
		}
		if (n == 0) {
			c->input_ended = true;
			channel_send(c->ch, SESSION, eof, .stream = WIRE_STDIN);
			return;
		}
		channel_send(c->ch, SESSION, data, .stream = WIRE_STDIN, .data = { buf, (uint32_t)n });
		c->room -= (size_t)n;
	}
}

int client_run_stream(struct client *c, const struct wire_start *start, const struct client_stream *stream,
		      int *ret_status, struct error *err)
{
	size_t n = wire_put_start(channel_reserve(c->ch, WIRE_FRAME_MAX), WIRE_FRAME_MAX, SESSION, start);

	c->stream = stream;
	watch_signals(c);
	channel_commit(c->ch, n);
	if (!n)
		return error_set(err, ERROR_USAGE, "the path is too long");
	return run_to_end(c, ret_status, err);
}
