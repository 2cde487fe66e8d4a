/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A framed conversation (wire/wire.h) over a stream socket, on the loop: the
 * agent's port, a client's connection, a supervisor's socket. Incoming frames
 * go to a callback one by one; outgoing ones are queued and written when the
 * socket takes them. The queue is bounded by flow control of its users;
 * channel_queued() tells.
 */

#include <stddef.h>
#include <stdint.h>

#include "sys/loop.h"
#include "wire/wire.h"

/* Why a channel was closed: by its other end. */
#define CHANNEL_CLOSED "the connection was closed"

struct channel;

struct channel_callbacks {
	/* One frame; its payload is valid during the call only. */
	void (*frame)(void *ctx, const struct wire_frame *f);
	/* The conversation is over: end-of-file, an error or a malformed frame (`why` says which). Once. */
	void (*closed)(void *ctx, const char *why);
	void *ctx;
};

/* fd: connected and non-blocking; fd_consumed is closed by channel_free() when owned is set. */
struct channel *channel_new(struct loop *loop, int fd, bool owned, const struct channel_callbacks *cb);
void channel_free(struct channel *ch); /* allowed inside its callbacks */

/* Room for one frame of at most `size` bytes, and its commit: between the two nothing else may be sent. */
void *channel_reserve(struct channel *ch, size_t size);
void channel_commit(struct channel *ch, size_t n);
/* A decoded frame, passed on under another session number. */
void channel_forward(struct channel *ch, const struct wire_frame *f, uint16_t session);
size_t channel_queued(const struct channel *ch); /* bytes not yet written */
/* Bytes received so far: a sign of life. */
uint64_t channel_received(const struct channel *ch);
/* Has anything come at all, read or not? Also right after the peer has ended. */
bool channel_was_heard(const struct channel *ch);

/*
 * channel_send(ch, 3, winsize, .rows = 24, .cols = 80): encodes and queues
 * one message. Message texts of ours always fit; what comes from users is
 * checked by its caller (see channel_send_fits).
 */
#define channel_send(ch, session, name, ...)                                                                          \
	do {                                                                                                          \
		struct wire_##name channel_m_ = { __VA_ARGS__ };                                                      \
		size_t channel_n_ = wire_put_##name(channel_reserve(ch, WIRE_FRAME_MAX), WIRE_FRAME_MAX, session,     \
						    &channel_m_);                                                     \
		channel_commit(ch, channel_n_);                                                                       \
	} while (0)
