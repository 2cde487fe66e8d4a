/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The supervisor's socket, <runtime>/<id>/sock in a 0700 folder: other quiz
 * processes of the same user join the machine here. They speak the agent's
 * messages with session numbers of their own; each of their sessions is a
 * session of ours whose peer is the client.
 *
 * A client harms nobody: what it sends is checked as strictly as what the
 * guest sends, its output waits in its own queue, which flow control bounds
 * (watchers, which have no credit, are cut off when they do not keep up), and
 * when it goes its programs get HUP.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "run/supervisor_state.h"
#include "sys/fs.h"
#include "sys/listener.h"

#define CLIENTS_MAX 128
#define WATCH_QUEUE_MAX (1u << 20) /* bytes that a watcher may lag behind */

/* A session that a client opened. */
struct remote {
	struct client *client; /* NULL: free */
	struct session *session;
	uint16_t number; /* the client's */
	size_t room;	 /* stdin bytes that the client may still send */
	bool is_program; /* the program of the run: what becomes of it is the run's result */
};

struct client {
	struct server *server; /* NULL: free */
	struct channel *ch;
	bool is_known;	    /* said HELLO */
	bool waits_program, waits_machine, follows_log, waits_dump, has_gdb, waits_gdb;
	uint16_t watch;	    /* session number under which it sees the program; 0: does not */
	bool watch_writes;
	struct remote remotes[WIRE_SESSIONS_MAX];
};

struct server {
	struct supervisor *s;
	struct listener *listener;
	char *path; /* owned */
	struct client *clients[CLIENTS_MAX];
};

static void client_drop(struct client *c);

/* ---- a client's session, seen from the guest ---- */

static void remote_started(void *ctx, struct session *session, const struct wire_started *m)
{
	struct remote *r = ctx;
	uint16_t number = r->number;
	uint8_t *buf = channel_reserve(r->client->ch, WIRE_FRAME_MAX);
	struct channel *ch = r->client->ch;

	if (r->is_program)
		program_note_started(r->client->server->s, m);
	if (r->is_program && !m->errnum)
		r->client->server->s->program = session;
	if (m->errnum)
		r->client = NULL;
	channel_commit(ch, wire_put_started(buf, WIRE_FRAME_MAX, number, m));
}

static void remote_data(void *ctx, struct session *session, unsigned stream, const void *mem, size_t n)
{
	struct remote *r = ctx;

	channel_send(r->client->ch, r->number, data, .stream = (uint8_t)stream, .data = { mem, (uint32_t)n });
}

static void remote_eof(void *ctx, struct session *session, unsigned stream)
{
	struct remote *r = ctx;

	channel_send(r->client->ch, r->number, eof, .stream = (uint8_t)stream);
}

static void remote_writable(void *ctx, struct session *session)
{
	struct remote *r = ctx;
	size_t more = session_room(session);

	if (more <= r->room) /* less: somebody attached has typed as well */
		return;
	more -= r->room;
	r->room += more;
	channel_send(r->client->ch, r->number, credit, .stream = WIRE_STDIN, .bytes = (uint32_t)more);
}

static void remote_exited(void *ctx, struct session *session, const struct wire_exit *m)
{
	struct remote *r = ctx;
	struct client *c = r->client;
	struct supervisor *s = c->server->s;
	uint16_t number = r->number;
	bool was_program = r->is_program;

	if (r->is_program)
		s->program = NULL;
	if (r->is_program && m) {
		program_note_exited(c->server->s, m);
		server_program_ended(c->server, m);
	}
	r->client = NULL;
	if (m)
		channel_commit(c->ch, wire_put_exit(channel_reserve(c->ch, WIRE_FRAME_MAX), WIRE_FRAME_MAX, number, m));
	if (was_program && m && s->is_stopping && s->state == SUP_AFTER)
		sup_wind_down(s);
}

static struct remote *find_remote(struct client *c, uint16_t number)
{
	for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++)
		if (c->remotes[i].client && c->remotes[i].number == number)
			return &c->remotes[i];
	return NULL;
}

static bool start_remote(struct client *c, const struct wire_frame *f)
{
	const struct wire_started refused = { .stage = WIRE_STAGE_LIMIT, .errnum = EAGAIN, .text = "too many sessions" };
	const struct wire_started not_yet = { .stage = WIRE_STAGE_FORK, .errnum = EBUSY, .text = "the machine is not ready" };
	struct peer peer = { remote_started, remote_data, remote_eof, remote_writable, remote_exited, NULL };
	struct supervisor *s = c->server->s;
	const struct wire_started *why = &refused;
	struct remote *r = NULL;
	struct wire_start m;

	if (wire_get_start(f, &m) != WIRE_OK || !f->session || find_remote(c, f->session))
		return false;
	for (size_t i = 0; i < WIRE_SESSIONS_MAX && !r; i++)
		if (!c->remotes[i].client)
			r = &c->remotes[i];
	if (s->state != SUP_PROGRAM && s->state != SUP_AFTER) {
		why = &not_yet;
		r = NULL;
	}
	if (r) {
		*r = (struct remote){ .client = c, .number = f->session, .room = WIRE_WINDOW,
				      .is_program = m.flags & WIRE_START_PLANNED };
		if (r->is_program) {
			struct wire_start planned = program_message(&s->opt.plan->program);

			planned.rows = m.rows;
			planned.cols = m.cols;
			m = planned;
		}
		peer.ctx = r;
		r->session = session_start(s->sessions, &m, &peer);
		if (r->session)
			return true;
		r->client = NULL;
	}
	channel_commit(c->ch, wire_put_started(channel_reserve(c->ch, WIRE_FRAME_MAX), WIRE_FRAME_MAX, f->session, why));
	return true;
}

/* ---- watching the program ---- */

static void on_program_output(void *ctx, unsigned stream, const void *mem, size_t n)
{
	struct server *sv = ctx;

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = sv->clients[i];

		if (!c || !c->watch || channel_queued(c->ch) > WATCH_QUEUE_MAX)
			continue;
		channel_send(c->ch, c->watch, data, .stream = (uint8_t)stream, .data = { mem, (uint32_t)n });
	}
}

static bool attach(struct client *c, const struct wire_frame *f)
{
	struct supervisor *s = c->server->s;
	struct wire_client_attach m;
	struct wire_started started = { .text = "" };

	if (wire_get_client_attach(f, &m) != WIRE_OK || !f->session)
		return false;
	if (!s->program || !session_is_running(s->program)) {
		started.errnum = ESRCH;
		started.text = "the program has ended";
	} else {
		c->watch = f->session;
		c->watch_writes = m.write;
		started.pid = session_pid(s->program);
		session_tee(s->program, on_program_output, c->server);
		/* A size that differs and then fits makes a full-screen program draw itself again. */
		if (m.write && s->opt.plan->program.tty && m.rows > 1) {
			session_winsize(s->program, (uint16_t)(m.rows - 1), m.cols);
			session_winsize(s->program, m.rows, m.cols);
		}
	}
	channel_commit(c->ch, wire_put_started(channel_reserve(c->ch, WIRE_FRAME_MAX), WIRE_FRAME_MAX, f->session, &started));
	return true;
}

/* Input of a watcher that took over the terminal: bounded by the program's own credit, the rest is lost as on a real line. */
static bool watcher_frame(struct client *c, const struct wire_frame *f)
{
	struct session *program = c->server->s->program;
	struct wire_data data;
	struct wire_winsize ws;
	struct wire_signal sig;

	if (!c->watch_writes || !program)
		return true;
	switch (f->type) {
	case WIRE_DATA:
		if (wire_get_data(f, &data) != WIRE_OK)
			return false;
		session_write(program, data.data.p, data.data.len);
		return true;
	case WIRE_WINSIZE:
		if (wire_get_winsize(f, &ws) != WIRE_OK)
			return false;
		session_winsize(program, ws.rows, ws.cols);
		return true;
	case WIRE_SIGNAL:
		if (wire_get_signal(f, &sig) != WIRE_OK)
			return false;
		session_signal(program, sig.signo);
		return true;
	}
	return true;
}

/* ---- what clients say ---- */

static void send_welcome(struct client *c)
{
	struct supervisor *s = c->server->s;
	_cleanup_free_ char *json = server_status(c->server->s);

	channel_send(c->ch, 0, client_welcome, .version = WIRE_VERSION, .id = s->opt.record->id,
		     .state = sup_state_name(s->state), .json = json);
}

static void stop_machine(struct supervisor *s, bool force)
{
	if (!force && s->state == SUP_PROGRAM && s->program && session_is_running(s->program)) {
		session_signal(s->program, SIGTERM);
		return;
	}
	/* The program of --keep belongs to a client; who asks twice does not want to wait for it. */
	if (!force && s->state == SUP_AFTER && s->program && session_is_running(s->program) && !s->is_stopping) {
		s->is_stopping = true;
		session_signal(s->program, SIGTERM);
		return;
	}
	if (!force && s->state == SUP_AFTER) {
		sup_wind_down(s);
		return;
	}
	s->out->facts.interrupted_by = SIGTERM;
	sup_die(s, 0);
}

static void send_note(struct client *c, const struct error *err, const char *text)
{
	channel_send(c->ch, 0, client_note, .errnum = err ? (err->errnum ? (uint32_t)err->errnum : EIO) : 0,
		     .text = err ? err->text : text);
}

/*
 * Whoever asked is still there or not; at the run's end the server is gone
 * before the VMM, whose open commands then fail.
 */
static void on_dumped(void *ctx, const struct error *err)
{
	struct server *sv = ((struct supervisor *)ctx)->server;

	for (size_t i = 0; sv && i < CLIENTS_MAX; i++)
		if (sv->clients[i] && sv->clients[i]->waits_dump) {
			sv->clients[i]->waits_dump = false;
			send_note(sv->clients[i], err, "");
		}
}

static void on_gdb(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;
	struct server *sv = s->server;
	const char *path = sv && s->guest ? vmm_gdb_socket(guest_vmm(s->guest)) : NULL;

	for (size_t i = 0; sv && i < CLIENTS_MAX; i++)
		if (sv->clients[i] && sv->clients[i]->waits_gdb) {
			sv->clients[i]->waits_gdb = false;
			send_note(sv->clients[i], err, path ? path : "");
		}
}

static void dump(struct client *c, const char *path)
{
	struct supervisor *s = c->server->s;
	struct error err = ERROR_INIT;

	if (s->is_dumping) {
		error_set(&err, ERROR_BUSY, "another vmcore is being written");
		send_note(c, &err, "");
		return;
	}
	c->waits_dump = true;
	debugger_dump(s, path, on_dumped, s);
}

/* Its connection is its hold on the stub. */
static void hold_gdb(struct client *c)
{
	struct supervisor *s = c->server->s;
	unsigned before = s->n_debuggers;

	if (c->has_gdb)
		return;
	c->waits_gdb = true;
	debugger_attach(s, on_gdb, s);
	c->has_gdb = s->n_debuggers > before;
}

static bool control_frame(struct client *c, const struct wire_frame *f)
{
	struct supervisor *s = c->server->s;
	struct wire_client_stop stop;
	struct wire_client_wait wait;
	struct wire_client_logs logs;
	struct wire_client_dump m;

	switch (f->type) {
	case WIRE_CLIENT_STATUS:
		send_welcome(c);
		return true;
	case WIRE_CLIENT_STOP:
		if (wire_get_client_stop(f, &stop) != WIRE_OK)
			return false;
		stop_machine(s, stop.force);
		return true;
	case WIRE_CLIENT_WAIT:
		if (wire_get_client_wait(f, &wait) != WIRE_OK)
			return false;
		c->waits_machine |= wait.machine;
		c->waits_program |= !wait.machine;
		return true;
	case WIRE_CLIENT_LOGS:
		if (wire_get_client_logs(f, &logs) != WIRE_OK)
			return false;
		c->follows_log = logs.follow;
		return true;
	case WIRE_CLIENT_DUMP:
		if (wire_get_client_dump(f, &m) != WIRE_OK || *m.path != '/')
			return false;
		dump(c, m.path);
		return true;
	case WIRE_CLIENT_GDB:
		hold_gdb(c);
		return true;
	}
	return false;
}

static bool session_frame(struct client *c, const struct wire_frame *f)
{
	struct remote *r = find_remote(c, f->session);
	struct wire_data data;
	struct wire_credit credit;
	struct wire_eof eof;
	struct wire_winsize ws;
	struct wire_signal sig;

	if (f->session == c->watch)
		return watcher_frame(c, f);
	if (!r)
		return true; /* a late word to a program that has ended */
	switch (f->type) {
	case WIRE_DATA:
		if (wire_get_data(f, &data) != WIRE_OK || data.data.len > r->room)
			return false;
		r->room -= data.data.len;
		session_write(r->session, data.data.p, data.data.len);
		return true;
	case WIRE_EOF:
		if (wire_get_eof(f, &eof) != WIRE_OK)
			return false;
		session_eof(r->session);
		return true;
	case WIRE_CREDIT:
		if (wire_get_credit(f, &credit) != WIRE_OK || credit.stream >= WIRE_N_STREAMS ||
		    credit.bytes > session_unread(r->session, credit.stream))
			return false;
		session_consumed(r->session, credit.stream, credit.bytes);
		return true;
	case WIRE_WINSIZE:
		if (wire_get_winsize(f, &ws) != WIRE_OK)
			return false;
		session_winsize(r->session, ws.rows, ws.cols);
		return true;
	case WIRE_SIGNAL:
		if (wire_get_signal(f, &sig) != WIRE_OK)
			return false;
		session_signal(r->session, sig.signo);
		return true;
	}
	return false;
}

static bool client_frame(struct client *c, const struct wire_frame *f)
{
	struct wire_client_hello hello;

	if (!c->is_known) {
		if (wire_get_client_hello(f, &hello) != WIRE_OK || hello.version != WIRE_VERSION)
			return false;
		c->is_known = true;
		send_welcome(c);
		return true;
	}
	if (f->type == WIRE_START)
		return start_remote(c, f);
	if (f->type == WIRE_CLIENT_ATTACH)
		return attach(c, f);
	return f->session ? session_frame(c, f) : control_frame(c, f);
}

static void on_client_frame(void *ctx, const struct wire_frame *f)
{
	struct client *c = ctx;

	if (c->server && !client_frame(c, f))
		client_drop(c);
}

static void on_client_closed(void *ctx, const char *why)
{
	client_drop(ctx);
}

static void client_drop(struct client *c)
{
	struct server *sv = c->server;

	if (!sv)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (sv->clients[i] == c)
			sv->clients[i] = NULL;
	for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++) {
		if (!c->remotes[i].client)
			continue;
		session_abandon(c->remotes[i].session);
		if (c->remotes[i].is_program) { /* nobody hears of its end any more */
			sv->s->program = NULL;
			server_program_ended(sv, &(struct wire_exit){ .how = WIRE_SIGNALLED, .value = SIGHUP });
		}
	}
	if (c->has_gdb)
		debugger_detach(sv->s);
	channel_free(c->ch);
	free(c);
}

static void on_connection(void *ctx, int fd_consumed)
{
	struct server *sv = ctx;
	struct channel_callbacks cb = { .frame = on_client_frame, .closed = on_client_closed };
	struct client *c;
	size_t slot = 0;

	while (slot < CLIENTS_MAX && sv->clients[slot])
		slot++;
	if (slot == CLIENTS_MAX) {
		close(fd_consumed);
		return;
	}
	c = mem_alloc(sizeof(*c));
	c->server = sv;
	cb.ctx = c;
	c->ch = channel_new(sv->s->loop, fd_consumed, true, &cb);
	sv->clients[slot] = c;
}

int server_new(struct supervisor *s, struct server **ret, struct error *err)
{
	_cleanup_free_ char *path = mem_printf("%s/sock", s->opt.run_dir);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct server *sv;

	if (fd < 0)
		return error_sys(err, errno, "make a socket");
	if (strlen(path) >= sizeof(addr.sun_path)) {
		error_set(err, ERROR_USAGE, "cannot listen at '%s': the path is too long for a socket", path);
		return error_hint(err, "set XDG_RUNTIME_DIR to a shorter path");
	}
	strcpy(addr.sun_path, path); /* checked */
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 64) < 0)
		return error_sys(err, errno, "listen at '%s'", path);
	sv = mem_alloc(sizeof(*sv));
	sv->s = s;
	sv->path = take_ptr(path);
	sv->listener = listener_new(s->loop, take_fd(&fd), on_connection, sv);
	*ret = sv;
	return 0;
}

void server_free(struct server *sv)
{
	if (!sv)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (sv->clients[i]) {
			channel_free(sv->clients[i]->ch);
			free(sv->clients[i]);
		}
	listener_free(sv->listener);
	unlink(sv->path);
	free(sv->path);
	free(sv);
}

void server_program_ended(struct server *sv, const struct wire_exit *m)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = sv->clients[i];

		if (c && c->watch) {
			channel_commit(c->ch, wire_put_exit(channel_reserve(c->ch, WIRE_FRAME_MAX), WIRE_FRAME_MAX, c->watch, m));
			c->watch = 0;
		}
		if (c && c->waits_program)
			channel_send(c->ch, 0, client_verdict, .status = m->how == WIRE_EXITED ? m->value : 128 + m->value,
				     .verdict = "ended", .json = "{}");
	}
}

void server_verdict(struct server *sv, int status, const char *verdict, const char *json)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (sv->clients[i] && (sv->clients[i]->waits_machine || sv->clients[i]->waits_program))
			channel_send(sv->clients[i]->ch, 0, client_verdict, .status = (uint32_t)status, .verdict = verdict,
				     .json = strlen(json) < WIRE_PAYLOAD_MAX / 2 ? json : "{}");
}

static bool runs_program(const struct client *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->remotes); i++)
		if (c->remotes[i].client && c->remotes[i].is_program)
			return true;
	return false;
}

void server_crashed(struct server *sv, const char *text)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (sv->clients[i] && runs_program(sv->clients[i]) && strlen(text) < WIRE_PAYLOAD_MAX / 2)
			channel_send(sv->clients[i]->ch, 0, client_verdict, .status = STATUS_CRASH, .verdict = "crash", .json = text);
}

void server_console_line(struct server *sv, const char *text, size_t n)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = sv->clients[i];

		if (c && c->follows_log && channel_queued(c->ch) <= WATCH_QUEUE_MAX)
			channel_send(c->ch, 0, data, .stream = WIRE_STDOUT, .data = { text, (uint32_t)n });
	}
}
