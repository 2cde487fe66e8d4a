/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Guest hooks, one after the other, each a session of its own whose output is
 * kept for the case that it fails (and shown with -v). Exit status 0: done;
 * 77: can not run here; other: failed. Either of the latter ends the queue, and
 * so does one that takes too long: it may wait for something that never comes
 * (a suspended pool), where no signal reaches it. It is left alone then, and
 * what it still says is nobody's.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "run/supervisor_state.h"
#include "spec/profile.h"

#define HOOK_OUTPUT_MAX 4096

static void start_next(struct supervisor *s);

static void finish(struct supervisor *s, const struct error *err)
{
	struct hook_queue q = s->hooks;

	loop_timer_remove(s->loop, q.timer);
	str_clear(&s->hooks.output);
	memset(&s->hooks, 0, sizeof(s->hooks));
	q.done(q.ctx, err);
}

static void fail(struct supervisor *s, const char *what)
{
	const struct run_hook *h = &s->hooks.hooks[s->hooks.at];
	_cleanup_str_ struct str text = STR_INIT;
	const char *base = strrchr(h->path, '/');
	struct error err = ERROR_INIT;

	str_add_safe(&text, str_cstr(&s->hooks.output), s->hooks.output.len, true);
	while (text.len && text.p[text.len - 1] == '\n')
		str_truncate(&text, text.len - 1);
	error_set(&err, ERROR_GUEST, "profile '%s': %s %s%s%s", h->profile, base ? base + 1 : h->path, what,
		  text.len ? ":\n" : "", str_cstr(&text));
	finish(s, &err);
}

static void on_started(void *ctx, struct session *session, const struct wire_started *m)
{
	struct supervisor *s = ctx;

	if (m->errnum && session == s->hooks.session) {
		const char *why = m->errnum == ENOEXEC ? " (has its first line no #!/bin/sh?)" :
				  m->errnum == ENOENT  ? " (has the root what its first line names?)" : "";
		_cleanup_free_ char *what = mem_printf("could not be executed: %s%s", strerror((int)m->errnum), why);

		fail(s, what);
	}
}

static void on_data(void *ctx, struct session *session, unsigned stream, const void *mem, size_t n)
{
	struct supervisor *s = ctx;
	struct str *out = &s->hooks.output;

	if (session == s->hooks.session)
		str_add_mem(out, mem, n);
	if (out->len > HOOK_OUTPUT_MAX) { /* the last words matter */
		size_t drop = out->len - HOOK_OUTPUT_MAX;

		memmove(out->p, out->p + drop, HOOK_OUTPUT_MAX);
		str_truncate(out, HOOK_OUTPUT_MAX);
	}
	session_consumed(session, stream, n);
}

static void on_eof(void *ctx, struct session *session, unsigned stream)
{
}

static void on_exited(void *ctx, struct session *session, const struct wire_exit *m)
{
	struct supervisor *s = ctx;
	char what[64];

	if (!m || session != s->hooks.session)
		return; /* the machine ended, which is told elsewhere; or one that was left alone has ended after all */
	if (s->hooks.hooks[s->hooks.at].may_fail || (m->how == WIRE_EXITED && m->value == 0)) {
		s->hooks.at++;
		str_truncate(&s->hooks.output, 0);
		start_next(s);
		return;
	}
	if (m->how == WIRE_SIGNALLED)
		snprintf(what, sizeof(what), "was ended by signal %u", m->value);
	else if (m->value == PROFILE_HOOK_SKIP)
		snprintf(what, sizeof(what), "can not run in this machine");
	else
		snprintf(what, sizeof(what), "failed with status %u", m->value);
	fail(s, what);
}

static void on_limit(void *ctx)
{
	struct supervisor *s = ctx;
	char time[32], what[64];

	s->hooks.timer = 0;
	snprintf(what, sizeof(what), "did not end within %s", format_duration_ms(s->hooks.limit_ms, time, sizeof(time)));
	fail(s, what);
}

static void start_next(struct supervisor *s)
{
	static const struct peer peer_ops = { on_started, on_data, on_eof, NULL, on_exited, NULL };
	struct peer peer = peer_ops;
	struct wire_start m = { .kind = WIRE_KIND_PROGRAM, .flags = WIRE_START_HOOK, .cwd = "/", .user = "", .umask = 022 };
	const struct run_hook *h;
	const char *argv[1];

	loop_timer_remove(s->loop, s->hooks.timer);
	s->hooks.timer = 0;
	if (s->hooks.at == s->hooks.n) {
		finish(s, NULL);
		return;
	}
	h = &s->hooks.hooks[s->hooks.at];
	if (h->cwd)
		m.cwd = h->cwd;
	argv[0] = h->path;
	m.argv = (struct wire_list){ .v = argv, .n = 1 };
	m.env = (struct wire_list){ .v = (const char *const *)h->env.v, .n = (uint32_t)h->env.n };
	peer.ctx = s;
	s->hooks.session = session_start(s->sessions, &m, &peer);
	if (!s->hooks.session)
		fail(s, "could not be started: too many sessions, or its environment is too long");
	else if (s->hooks.limit_ms)
		s->hooks.timer = loop_timer(s->loop, s->hooks.limit_ms, on_limit, s);
}

void hooks_run(struct supervisor *s, const struct run_hook *hooks, size_t n, uint64_t limit_ms,
	       void (*done)(void *ctx, const struct error *err), void *ctx)
{
	s->hooks = (struct hook_queue){ .hooks = hooks, .n = n, .limit_ms = limit_ms, .done = done, .ctx = ctx };
	start_next(s);
}
