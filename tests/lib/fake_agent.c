/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The fake VMM's guest agent: answers every request with success unless the
 * script has it otherwise, and runs programs that are lists of actions.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_qemu.h"

/* A session. It goes on at action `at` whenever something has changed: time, credit, input. */
struct program {
	struct program *next;
	struct fake *f;
	uint16_t session;
	struct strv argv, env;
	char *cwd, *user;  /* owned */
	struct script own; /* of a built-in program */
	size_t at;
	bool is_waiting, is_trapping;
	struct str out[WIRE_N_STREAMS]; /* to send */
	uint64_t credit[WIRE_N_STREAMS];
	struct str in;
	bool in_eof;
	uint64_t timer;
};

static uint8_t frame_buf[WIRE_FRAME_MAX];

/* ---- Towards the host ---- */

static void on_agent(void *ctx, int fd, short events);

static void pump(struct fake *f)
{
	while (f->agent >= 0 && f->out.len) {
		ssize_t n = send(f->agent, f->out.p, f->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0)
			break;
		memmove(f->out.p, f->out.p + n, f->out.len - (size_t)n);
		str_truncate(&f->out, f->out.len - (size_t)n);
	}
	if (f->agent >= 0)
		loop_fd_events(f->loop, f->agent, (short)(POLLIN | (f->out.len ? POLLOUT : 0)));
}

void agent_write(struct fake *f, const void *mem, size_t n)
{
	if (f->agent_hangs || f->agent < 0)
		return;
	str_add_mem(&f->out, mem, n);
	pump(f);
}

#define SAY(f, name, session, ...)                                                                                     \
	agent_write(f, frame_buf,                                                                                      \
		    wire_put_##name(frame_buf, sizeof(frame_buf), session, &(struct wire_##name){ __VA_ARGS__ }))

void agent_kmsg(struct fake *f, long level, const char *text)
{
	f->kmsg_seq++;
	SAY(f, kmsg, 0, .seq = f->kmsg_seq, .level = (uint8_t)level, .time_us = f->kmsg_seq * 1000, .text = text);
}

static void say_stage(struct fake *f, uint32_t stage)
{
	SAY(f, stage, 0, .stage = stage, .mono_ns = stage * 1000000ull);
}

static void say_result(struct fake *f, uint32_t id, uint32_t errnum, const char *text)
{
	SAY(f, result, 0, .id = id, .errnum = errnum, .text = text);
}

/* ---- Programs ---- */

static const struct {
	const char *name, *verb, *rest;
} builtins[] = {
	{ "true", "exit", "0" }, { "false", "exit", "1" },
	{ "echo", "words", "" }, { "cat", "cat", "" },
	{ "sleep", "wait", "" }, { "uname", "stdout", "Linux fake 6.1.0-fake #1 SMP x86_64 GNU/Linux\n" },
	{ "sh", "shell", "" },
};

static void add_own(struct program *p, const char *verb, const char *rest)
{
	struct action *a = VEC_PUSH(p->own.v, p->own.n);

	a->verb = mem_strdup(verb);
	a->rest = mem_strdup(rest);
	a->number = strtol(rest, NULL, 0);
	a->after = "";
}

/* Copies the actions that are meant for this program. False: there is no such program. */
static bool find_actions(struct program *p)
{
	const struct script *s = &p->f->script;
	const char *name = p->argv.n ? p->argv.v[0] : "sh", *base = strrchr(name, '/');
	const char *const names[] = { name, base ? base + 1 : name, "*" };

	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		bool found = false;

		for (size_t i = 0; i < s->n; i++)
			if (s->v[i].is_program && str_eq(s->v[i].when, names[k])) {
				struct action *a = VEC_PUSH(p->own.v, p->own.n);

				*a = s->v[i]; /* texts stay the script's, which is never freed */
				found = true;
			}
		if (found)
			return true;
		for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
			if (str_eq(builtins[i].name, names[k])) {
				bool is_sleep = str_eq(builtins[i].name, "sleep") && p->argv.n > 1;
				char ms[32];

				snprintf(ms, sizeof(ms), "%.0f", is_sleep ? strtod(p->argv.v[1], NULL) * 1000 : 0);
				add_own(p, builtins[i].verb, is_sleep ? ms : builtins[i].rest);
				return true;
			}
	}
	return false;
}

static void program_free(struct program *p)
{
	for (struct program **at = &p->f->programs; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	loop_timer_remove(p->f->loop, p->timer);
	strv_clear(&p->argv);
	strv_clear(&p->env);
	for (int i = 0; i < WIRE_N_STREAMS; i++)
		str_clear(&p->out[i]);
	str_clear(&p->in);
	free(p->cwd);
	free(p->user);
	free(p->own.v);
	free(p);
}

/* As much as the host gives credit for. False: something is left. */
static bool flush(struct program *p)
{
	bool is_empty = true;

	for (uint8_t i = WIRE_STDOUT; i <= WIRE_STDERR; i++) {
		struct str *s = &p->out[i];

		while (s->len && p->credit[i]) {
			size_t n = s->len < WIRE_DATA_MAX ? s->len : WIRE_DATA_MAX;

			n = n < p->credit[i] ? n : p->credit[i];
			SAY(p->f, data, p->session, .stream = i, .data = { s->p, (uint32_t)n });
			p->credit[i] -= n;
			memmove(s->p, s->p + n, s->len - n);
			str_truncate(s, s->len - n);
		}
		is_empty = is_empty && !s->len;
	}
	return is_empty;
}

static void end(struct program *p, uint8_t how, uint32_t value)
{
	flush(p);
	SAY(p->f, eof, p->session, .stream = WIRE_STDOUT);
	SAY(p->f, eof, p->session, .stream = WIRE_STDERR);
	SAY(p->f, exit, p->session, .how = how, .value = value, .user_us = 1000, .system_us = 1000, .maxrss_kib = 1024);
	program_free(p);
}

/* Input is taken as it comes, and its credit given back. */
static size_t take_input(struct program *p, bool keep)
{
	size_t n = p->in.len;

	if (!n)
		return 0;
	if (keep)
		str_add_mem(&p->out[WIRE_STDOUT], p->in.p, n);
	str_truncate(&p->in, 0);
	SAY(p->f, credit, p->session, .stream = WIRE_STDIN, .bytes = (uint32_t)n);
	return n;
}

static void shell(struct program *p)
{
	unsigned status = 0;

	if (p->argv.n == 3 && str_eq(p->argv.v[1], "-c"))
		sscanf(p->argv.v[2], "exit %u", &status);
	end(p, WIRE_EXITED, status);
}

static void go_on(struct program *p);

static void on_waited(void *ctx)
{
	struct program *p = ctx;

	p->timer = 0;
	p->is_waiting = false;
	p->at++;
	go_on(p);
}

static void add_words(struct program *p, const char *between, size_t from)
{
	for (size_t i = from; i < p->argv.n; i++)
		str_addf(&p->out[WIRE_STDOUT], "%s%s", i > from ? between : "", p->argv.v[i]);
	str_add_char(&p->out[WIRE_STDOUT], '\n');
}

static void add_env(struct program *p, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < p->env.n; i++)
		if (!strncmp(p->env.v[i], name, n) && p->env.v[i][n] == '=')
			str_addf(&p->out[WIRE_STDOUT], "%s\n", p->env.v[i] + n + 1);
}

/* One action: true when the next one may follow at once. Ends (and frees) the program at times: *ret_over. */
static bool step(struct program *p, const struct action *a, bool *ret_over)
{
	struct str *out = &p->out[WIRE_STDOUT];

	if (str_eq(a->verb, "exit") || str_eq(a->verb, "signal")) {
		*ret_over = true;
		end(p, str_eq(a->verb, "exit") ? WIRE_EXITED : WIRE_SIGNALLED, (uint32_t)a->number);
		return false;
	}
	if (str_eq(a->verb, "shell")) {
		*ret_over = true;
		shell(p);
		return false;
	}
	if (str_eq(a->verb, "wait")) {
		p->is_waiting = true;
		p->timer = loop_timer(p->f->loop, (uint64_t)a->number, on_waited, p);
		return false;
	}
	if (str_eq(a->verb, "cat") || str_eq(a->verb, "drain")) {
		take_input(p, str_eq(a->verb, "cat"));
		return p->in_eof;
	}
	if (str_eq(a->verb, "stdout"))
		str_add(out, a->rest);
	else if (str_eq(a->verb, "stderr"))
		str_add(&p->out[WIRE_STDERR], a->rest);
	else if (str_eq(a->verb, "bytes"))
		for (long i = 0; i < a->number; i++)
			str_add_char(out, 'x');
	else if (str_eq(a->verb, "args"))
		add_words(p, "\n", 0);
	else if (str_eq(a->verb, "words"))
		add_words(p, " ", 1);
	else if (str_eq(a->verb, "env"))
		add_env(p, a->rest);
	else if (str_eq(a->verb, "cwd"))
		str_addf(out, "%s\n", p->cwd);
	else if (str_eq(a->verb, "user"))
		str_addf(out, "%s\n", p->user);
	else if (str_eq(a->verb, "trap"))
		p->is_trapping = true;
	else if (!fake_common(p->f, a))
		fake_die("a program can not do '%s'", a->verb);
	return true;
}

static void go_on(struct program *p)
{
	bool is_over = false;

	while (!p->is_waiting && flush(p) && p->at < p->own.n) {
		if (!step(p, &p->own.v[p->at], &is_over)) {
			if (!is_over)
				flush(p);
			return;
		}
		p->at++;
	}
	if (!p->is_waiting && p->at == p->own.n && flush(p))
		end(p, WIRE_EXITED, 0);
}

static struct program *find_program(struct fake *f, uint16_t session)
{
	for (struct program *p = f->programs; p; p = p->next)
		if (p->session == session)
			return p;
	return NULL;
}

static void add_list(struct strv *sv, const struct wire_list *list)
{
	uint32_t pos = 0;
	const char *s;

	while ((s = wire_list_next(list, &pos)))
		strv_add(sv, s);
}

static bool is_refused(struct fake *f, uint16_t session)
{
	for (size_t i = 0; i < f->script.n; i++) {
		const struct action *a = &f->script.v[i];
		unsigned errnum;
		int used = 0;

		if (a->is_program || !str_eq(a->when, "START") || !str_eq(a->verb, "refuse"))
			continue;
		sscanf(a->after, "%u %n", &errnum, &used);
		SAY(f, started, session, .stage = (uint8_t)a->number, .errnum = errnum, .text = a->after + used);
		return true;
	}
	return false;
}

static void on_start(struct fake *f, const struct wire_frame *fr)
{
	struct program *p = mem_alloc(sizeof(*p));
	_cleanup_str_ struct str words = STR_INIT;
	struct wire_start m;

	if (wire_get_start(fr, &m) != WIRE_OK)
		fake_die("a bad START");
	p->f = f;
	p->session = fr->session;
	add_list(&p->argv, &m.argv);
	add_list(&p->env, &m.env);
	p->cwd = mem_strdup(m.cwd);
	p->user = mem_strdup(m.user);
	p->credit[WIRE_STDOUT] = p->credit[WIRE_STDERR] = WIRE_WINDOW;
	p->in_eof = !(m.flags & (WIRE_START_STDIN | WIRE_START_TTY));
	p->next = f->programs;
	f->programs = p;
	for (size_t i = 0; i < p->argv.n; i++)
		str_addf(&words, " %s", p->argv.v[i]);
	fake_log("program%s", str_cstr(&words));
	if (is_refused(f, p->session)) {
		program_free(p);
	} else if (!find_actions(p)) {
		SAY(f, started, p->session, .stage = WIRE_STAGE_EXEC, .errnum = ENOENT, .text = "");
		program_free(p);
	} else {
		SAY(f, started, p->session, .stage = WIRE_STAGE_OK, .pid = 100u + p->session, .text = "");
		go_on(p);
	}
}

static void on_signal_message(struct program *p, uint32_t signo)
{
	fake_log("signal %u", signo);
	if (!p->is_trapping)
		end(p, WIRE_SIGNALLED, signo);
}

/* ---- From the host ---- */

static void on_session(struct fake *f, const struct wire_frame *fr)
{
	struct program *p = find_program(f, fr->session);
	struct wire_data data;
	struct wire_credit credit;
	struct wire_signal sig;

	if (!p)
		return; /* it has ended meanwhile */
	switch (fr->type) {
	case WIRE_DATA:
		if (wire_get_data(fr, &data) != WIRE_OK)
			fake_die("a bad DATA");
		fake_log("stdin %u", data.data.len);
		str_add_mem(&p->in, data.data.p, data.data.len);
		break;
	case WIRE_EOF:
		p->in_eof = true;
		break;
	case WIRE_CREDIT:
		if (wire_get_credit(fr, &credit) != WIRE_OK || credit.stream >= WIRE_N_STREAMS)
			fake_die("a bad CREDIT");
		p->credit[credit.stream] += credit.bytes;
		break;
	case WIRE_SIGNAL:
		if (wire_get_signal(fr, &sig) != WIRE_OK)
			fake_die("a bad SIGNAL");
		on_signal_message(p, sig.signo);
		return;
	default:
		return; /* WINSIZE */
	}
	go_on(p);
}

/* The first field of a request is its id, little-endian. */
static uint32_t request_id(const struct wire_frame *fr)
{
	const uint8_t *p = fr->payload;

	return fr->len < 4 ? 0 : (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void on_request(struct fake *f, const struct wire_frame *fr, uint32_t errnum, const char *text)
{
	static const char *const counts[] = { "tainted=0" };
	struct wire_finish finish = { 0 };

	if (fr->type == WIRE_COUNTERS)
		SAY(f, counts, 0, .counts = { .v = counts, .n = 1 });
	if (fr->type == WIRE_IDENTITY)
		say_stage(f, WIRE_AT_CLONED);
	if (fr->type == WIRE_ASSEMBLE)
		say_stage(f, WIRE_AT_ROOT);
	say_result(f, request_id(fr), errnum, text);
	if (fr->type == WIRE_FINISH && wire_get_finish(fr, &finish) == WIRE_OK &&
	    (finish.flags & WIRE_FINISH_POWER_OFF)) {
		const struct action off = { .verb = (char *)"poweroff" };

		fake_common(f, &off);
	}
}

static void on_frame(struct fake *f, const struct wire_frame *fr)
{
	const char *name = wire_type_name(fr->type), *text = "";
	struct wire_ping ping;
	uint32_t errnum;

	if (!name)
		fake_die("a message of unknown type %u", fr->type);
	errnum = fake_at(f, name, &text);
	if (f->agent_hangs || f->agent < 0)
		return;
	switch (fr->type) {
	case WIRE_WELCOME:
		break;
	case WIRE_PING:
		if (wire_get_ping(fr, &ping) == WIRE_OK)
			SAY(f, pong, 0, .nonce = ping.nonce);
		break;
	case WIRE_TEST:
		break;
	case WIRE_START:
		on_start(f, fr);
		break;
	default:
		if (fr->session) {
			on_session(f, fr);
		} else {
			fake_log("request %s", name);
			on_request(f, fr, errnum, text);
		}
	}
}

/* A machine that stands still reads nothing, as its CPUs do not run. */
static void take_frames(struct fake *f)
{
	struct wire_frame fr;
	size_t size;

	while (f->is_running && f->agent >= 0 && f->in.len) {
		enum wire_status st = wire_frame_get(f->in.p, f->in.len, &fr, &size);

		if (st == WIRE_MORE)
			break;
		if (st == WIRE_BAD)
			fake_die("the host does not speak the protocol");
		/* The frame is handled from a copy: handlers may make the buffer move. */
		_cleanup_free_ uint8_t *copy = mem_alloc(fr.len + 1);
		memcpy(copy, fr.payload, fr.len);
		fr.payload = copy;
		memmove(f->in.p, f->in.p + size, f->in.len - size);
		str_truncate(&f->in, f->in.len - size);
		on_frame(f, &fr);
	}
}

static void on_agent(void *ctx, int fd, short events)
{
	struct fake *f = ctx;
	char buf[65536];
	ssize_t n;

	if (events & POLLOUT)
		pump(f);
	if (!(events & ~POLLOUT) || f->agent < 0)
		return;
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		loop_fd_remove(f->loop, fd);
		return;
	}
	str_add_mem(&f->in, buf, (size_t)n);
	take_frames(f);
}

void agent_start(struct fake *f)
{
	const char *text;

	if (f->agent < 0)
		return;
	loop_fd(f->loop, f->agent, POLLIN, on_agent, f);
	f->agent_is_up = true;
	fake_at(f, "HELLO", &text);
	SAY(f, hello, 0, .version_min = f->wire_version, .version_max = f->wire_version, .agent = "fake",
	    .arch = "x86_64", .release = "6.1.0-fake", .mono_ns = 1000000);
	for (uint32_t stage = WIRE_AT_INIT; stage <= WIRE_AT_CHANNEL; stage++)
		say_stage(f, stage);
	fake_at(f, "up", &text);
}

void agent_resume(struct fake *f)
{
	if (f->agent < 0)
		return;
	if (!f->agent_is_up)
		loop_fd(f->loop, f->agent, POLLIN, on_agent, f);
	f->agent_is_up = true;
	take_frames(f);
}
