/* SPDX-License-Identifier: MPL-2.0 */
/* The table of sessions and their credit accounts. See session.h. */

#include "run/session.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/str.h"

/* Credit is given back in lumps, so that small reads do not double the traffic. */
#define CREDIT_LUMP (WIRE_WINDOW / 4)

struct session {
	struct sessions *table;
	uint16_t id; /* 0: free slot */
	struct peer peer;
	bool is_running, is_abandoned, sent_eof;
	uint32_t pid;
	size_t stdin_credit;
	size_t received[WIRE_N_STREAMS]; /* bytes that the guest sent and did not get credit back for */
	size_t consumed[WIRE_N_STREAMS]; /* of these, passed on and not yet credited */
	void (*tee)(void *ctx, unsigned stream, const void *mem, size_t n);
	void *tee_ctx;
};

struct sessions {
	struct channel *ch;
	struct session slots[WIRE_SESSIONS_MAX];
	uint16_t last_id;
};

struct sessions *sessions_new(void)
{
	return mem_alloc(sizeof(struct sessions));
}

void sessions_end(struct sessions *t)
{
	for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++) {
		struct session *s = &t->slots[i];

		if (s->id && !s->is_abandoned && s->peer.exited)
			s->peer.exited(s->peer.ctx, s, NULL);
		s->id = 0;
	}
}

void sessions_free(struct sessions *t)
{
	if (t)
		sessions_end(t);
	free(t);
}

void sessions_connect(struct sessions *t, struct channel *ch)
{
	t->ch = ch;
}

static struct session *find(struct sessions *t, uint16_t id)
{
	for (size_t i = 0; id && i < WIRE_SESSIONS_MAX; i++)
		if (t->slots[i].id == id)
			return &t->slots[i];
	return NULL;
}

struct session *session_start(struct sessions *t, const struct wire_start *m, const struct peer *peer)
{
	struct session *s = NULL;
	size_t n;

	for (size_t i = 0; i < WIRE_SESSIONS_MAX && !s; i++)
		if (!t->slots[i].id)
			s = &t->slots[i];
	if (!s) {
		errno = EAGAIN;
		return NULL;
	}
	do /* numbers are not reused soon, so that a late frame finds nobody */
		t->last_id++;
	while (!t->last_id || find(t, t->last_id));
	n = wire_put_start(channel_reserve(t->ch, WIRE_FRAME_MAX), WIRE_FRAME_MAX, t->last_id, m);
	if (!n) {
		channel_commit(t->ch, 0);
		errno = E2BIG;
		return NULL;
	}
	memset(s, 0, sizeof(*s));
	s->table = t;
	s->id = t->last_id;
	s->peer = *peer;
	s->stdin_credit = WIRE_WINDOW;
	channel_commit(t->ch, n);
	return s;
}

int session_start_error(const struct wire_started *m, const char *program, const char *where, struct error *err)
{
	bool is_absent = m->stage == WIRE_STAGE_EXEC && m->errnum == ENOENT && !*m->text;
	_cleanup_str_ struct str why = STR_INIT;

	if (*m->text)
		str_add_safe(&why, m->text, strlen(m->text), false);
	else
		str_add(&why, strerror((int)m->errnum));
	error_set(err, is_absent ? ERROR_MISSING : ERROR_GUEST, "cannot %s '%s' in %s: %s",
		  m->stage == WIRE_STAGE_EXEC ? "run" : "start", program, where, str_cstr(&why));
	if (m->stage == WIRE_STAGE_CHDIR)
		return error_hint(err, "--cwd takes a folder of the machine; the host's need --share or a workspace");
	if (m->stage == WIRE_STAGE_USER)
		return error_hint(err, "--user takes a name that the machine's root has, or a number");
	return -1;
}

static void on_started(struct session *s, const struct wire_started *m)
{
	s->is_running = m->errnum == 0;
	s->pid = m->pid;
	if (!s->is_abandoned)
		s->peer.started(s->peer.ctx, s, m);
	else if (s->is_running)
		session_signal(s, SIGHUP);
	if (m->errnum)
		s->id = 0;
}

static bool on_data(struct session *s, const struct wire_data *m)
{
	if (m->stream != WIRE_STDOUT && m->stream != WIRE_STDERR)
		return false;
	s->received[m->stream] += m->data.len;
	if (s->received[m->stream] > WIRE_WINDOW)
		return false;
	if (s->tee)
		s->tee(s->tee_ctx, m->stream, m->data.p, m->data.len);
	if (s->is_abandoned)
		session_consumed(s, m->stream, m->data.len);
	else
		s->peer.data(s->peer.ctx, s, m->stream, m->data.p, m->data.len);
	return true;
}

bool sessions_frame(struct sessions *t, const struct wire_frame *f)
{
	struct session *s = find(t, f->session);
	struct wire_started started;
	struct wire_data data;
	struct wire_eof eof;
	struct wire_credit credit;
	struct wire_exit ex;

	if (!s)
		return true; /* a late word of a session that is gone */
	switch (f->type) {
	case WIRE_STARTED:
		if (wire_get_started(f, &started) != WIRE_OK || s->is_running)
			return false;
		on_started(s, &started);
		return true;
	case WIRE_DATA:
		return wire_get_data(f, &data) == WIRE_OK && on_data(s, &data);
	case WIRE_EOF:
		if (wire_get_eof(f, &eof) != WIRE_OK || eof.stream >= WIRE_N_STREAMS)
			return false;
		if (!s->is_abandoned)
			s->peer.eof(s->peer.ctx, s, eof.stream);
		return true;
	case WIRE_CREDIT:
		if (wire_get_credit(f, &credit) != WIRE_OK || credit.bytes > WIRE_WINDOW - s->stdin_credit)
			return false;
		s->stdin_credit += credit.bytes;
		if (!s->is_abandoned && s->peer.writable)
			s->peer.writable(s->peer.ctx, s);
		return true;
	case WIRE_EXIT:
		if (wire_get_exit(f, &ex) != WIRE_OK || !s->is_running)
			return false;
		s->is_running = false;
		if (!s->is_abandoned)
			s->peer.exited(s->peer.ctx, s, &ex);
		s->id = 0;
		return true;
	}
	return false;
}

size_t session_room(const struct session *s)
{
	return s->is_running ? s->stdin_credit : 0;
}

size_t session_write(struct session *s, const void *mem, size_t n)
{
	const char *p = mem;
	size_t done = 0;

	while (done < n && s->stdin_credit && s->id) {
		size_t part = n - done;

		if (part > s->stdin_credit)
			part = s->stdin_credit;
		if (part > WIRE_DATA_MAX)
			part = WIRE_DATA_MAX;
		channel_send(s->table->ch, s->id, data, .stream = WIRE_STDIN, .data = { p + done, (uint32_t)part });
		s->stdin_credit -= part;
		done += part;
	}
	return done;
}

void session_eof(struct session *s)
{
	if (s->sent_eof)
		return;
	s->sent_eof = true;
	channel_send(s->table->ch, s->id, eof, .stream = WIRE_STDIN);
}

void session_consumed(struct session *s, unsigned stream, size_t n)
{
	s->consumed[stream] += n;
	if (s->consumed[stream] < CREDIT_LUMP)
		return;
	channel_send(s->table->ch, s->id, credit, .stream = (uint8_t)stream, .bytes = (uint32_t)s->consumed[stream]);
	s->received[stream] -= s->consumed[stream];
	s->consumed[stream] = 0;
}

size_t session_unread(const struct session *s, unsigned stream)
{
	return s->received[stream] - s->consumed[stream];
}

void session_signal(struct session *s, uint32_t signo)
{
	channel_send(s->table->ch, s->id, signal, .signo = signo);
}

void session_winsize(struct session *s, uint16_t rows, uint16_t cols)
{
	channel_send(s->table->ch, s->id, winsize, .rows = rows, .cols = cols);
}

void session_abandon(struct session *s)
{
	if (s->is_abandoned || !s->id)
		return;
	s->is_abandoned = true;
	/* What it has received and not passed on is thrown away. */
	for (unsigned i = 0; i < WIRE_N_STREAMS; i++)
		session_consumed(s, i, session_unread(s, i));
	session_eof(s);
	if (s->is_running)
		session_signal(s, SIGHUP);
}

void session_tee(struct session *s, void (*tee)(void *ctx, unsigned stream, const void *mem, size_t n), void *ctx)
{
	s->tee = tee;
	s->tee_ctx = ctx;
}

bool session_is_running(const struct session *s)
{
	return s->is_running;
}

uint32_t session_pid(const struct session *s)
{
	return s->pid;
}

size_t sessions_count(const struct sessions *t)
{
	size_t n = 0;

	for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++)
		n += t->slots[i].id != 0;
	return n;
}
