/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Programs in the guest, seen from the host: START to EXIT, streams with flow
 * control. Whoever wanted the program (the local terminal, a client on the
 * socket, a hook's collector) is its peer and gets called back; the peer says
 * session_consumed() when it has passed data on, which is what lets the guest
 * send more. A guest that sends beyond its credit is lost (hostile).
 *
 *	STARTING --started--> RUNNING --exited--> gone (freed after the callback)
 *	    |  started with an error ----------> gone
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "run/channel.h"

struct session;
struct sessions;

struct peer {
	/* errnum 0: it runs. Else it does not, `exited` is not called, the session is gone afterwards. */
	void (*started)(void *ctx, struct session *s, const struct wire_started *m);
	/* The peer must take it all: at most WIRE_WINDOW bytes per stream are on the way. */
	void (*data)(void *ctx, struct session *s, unsigned stream, const void *mem, size_t n);
	void (*eof)(void *ctx, struct session *s, unsigned stream);
	/* Room for stdin again. */
	void (*writable)(void *ctx, struct session *s);
	/* m NULL: the machine ended first. The session is gone afterwards. */
	void (*exited)(void *ctx, struct session *s, const struct wire_exit *m);
	void *ctx;
};

struct sessions *sessions_new(void);
void sessions_free(struct sessions *t); /* peers get exited(NULL) */
/* The machine that they were asked of is gone: peers get exited(NULL). */
void sessions_end(struct sessions *t);

/* The channel to use from now on: the machine's, or that of the one which boots in its place, before any session. */
void sessions_connect(struct sessions *t, struct channel *ch);

/* Opens a session. NULL when WIRE_SESSIONS_MAX run already or the request is longer than a frame (errno E2BIG, EAGAIN). */
struct session *session_start(struct sessions *t, const struct wire_start *m, const struct peer *peer);

/* Takes a STARTED, DATA, EOF, CREDIT or EXIT of the guest. False: it broke the rules. */
bool sessions_frame(struct sessions *t, const struct wire_frame *f);

size_t session_write(struct session *s, const void *mem, size_t n); /* bytes taken, as credit allows */
size_t session_room(const struct session *s);			     /* bytes of stdin credit */
void session_eof(struct session *s);
void session_consumed(struct session *s, unsigned stream, size_t n); /* n is within session_unread() */
size_t session_unread(const struct session *s, unsigned stream);      /* bytes given to the peer and not consumed yet */
void session_signal(struct session *s, uint32_t signo);
void session_winsize(struct session *s, uint16_t rows, uint16_t cols);
/* The peer went away: output is thrown away from now on, the program gets HUP. */
void session_abandon(struct session *s);
/* Further readers get a copy of the output (quiz attach, logs); NULL removes. */
void session_tee(struct session *s, void (*tee)(void *ctx, unsigned stream, const void *mem, size_t n), void *ctx);

/*
 * Why `program` did not start in `where` ("the guest"), safe to print, and what mends it. ERROR_MISSING: the guest has no
 * such program; else ERROR_GUEST. Returns -1.
 */
int session_start_error(const struct wire_started *m, const char *program, const char *where, struct error *err);

bool session_is_running(const struct session *s);
uint32_t session_pid(const struct session *s); /* in the guest */
size_t sessions_count(const struct sessions *t);
