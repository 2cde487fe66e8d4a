/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: reading fills one frame-sized buffer and hands out all
 * complete frames. Writing is tried at once, so that a small message costs one
 * system call and no turn of the loop; what is left waits for POLLOUT. A
 * channel that is freed inside its own callback is only marked, and goes when
 * the callback has returned.
 */

#include "run/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"

#define IN_SIZE (2 * WIRE_FRAME_MAX)

struct channel {
	struct loop *loop;
	int fd;
	bool owned, is_closed, is_busy, is_doomed;
	struct channel_callbacks cb;
	uint8_t *in;
	size_t in_len;
	uint64_t received;
	uint8_t *out;
	size_t out_head, out_len, out_cap; /* bytes out_head..out_len are pending */
};

static void on_fd(void *ctx, int fd, short events);

struct channel *channel_new(struct loop *loop, int fd, bool owned, const struct channel_callbacks *cb)
{
	struct channel *ch = mem_alloc(sizeof(*ch));

	ch->loop = loop;
	ch->fd = fd;
	ch->owned = owned;
	ch->cb = *cb;
	ch->in = malloc(IN_SIZE); /* not zeroed: most of it is never touched */
	if (!ch->in)
		ch->in = mem_alloc(IN_SIZE);
	loop_fd(loop, fd, POLLIN, on_fd, ch);
	return ch;
}

static void destroy(struct channel *ch)
{
	free(ch->in);
	free(ch->out);
	free(ch);
}

void channel_free(struct channel *ch)
{
	if (!ch)
		return;
	if (ch->fd >= 0) {
		loop_fd_remove(ch->loop, ch->fd);
		if (ch->owned)
			close(ch->fd);
		ch->fd = -1;
	}
	ch->is_closed = true;
	if (ch->is_busy)
		ch->is_doomed = true;
	else
		destroy(ch);
}

/* Ends the conversation from inside; the owner frees it when it likes. */
static void close_with(struct channel *ch, const char *why)
{
	if (ch->is_closed)
		return;
	ch->is_closed = true;
	loop_fd_remove(ch->loop, ch->fd);
	ch->cb.closed(ch->cb.ctx, why);
}

static void flush(struct channel *ch)
{
	while (!ch->is_closed && ch->out_head < ch->out_len) {
		ssize_t n = send(ch->fd, ch->out + ch->out_head, ch->out_len - ch->out_head, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0)
			break; /* the reading side will see the end, with what was still to be read */
		ch->out_head += (size_t)n;
	}
	if (ch->out_head == ch->out_len)
		ch->out_head = ch->out_len = 0;
	if (!ch->is_closed)
		loop_fd_events(ch->loop, ch->fd, ch->out_len ? POLLIN | POLLOUT : POLLIN);
}

/* Hands out the complete frames of the buffer. False: the conversation ended. */
static bool deliver(struct channel *ch)
{
	size_t used = 0;

	while (!ch->is_closed) {
		struct wire_frame f;
		size_t size;
		enum wire_status st = wire_frame_get(ch->in + used, ch->in_len - used, &f, &size);

		if (st == WIRE_BAD) {
			close_with(ch, "it sent something that is not the agent protocol");
			return false;
		}
		if (st == WIRE_MORE)
			break;
		ch->cb.frame(ch->cb.ctx, &f);
		used += size;
	}
	if (ch->is_closed)
		return false;
	memmove(ch->in, ch->in + used, ch->in_len - used);
	ch->in_len -= used;
	return true;
}

static void receive(struct channel *ch)
{
	/* A few rounds, so that a flooding peer does not starve the rest of the loop. */
	for (int round = 0; round < 4; round++) {
		ssize_t n = recv(ch->fd, ch->in + ch->in_len, IN_SIZE - ch->in_len, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return;
		if (n <= 0) {
			close_with(ch, n == 0 || errno == ECONNRESET ? CHANNEL_CLOSED : strerror(errno));
			return;
		}
		ch->in_len += (size_t)n;
		ch->received += (uint64_t)n;
		if (!deliver(ch))
			return;
	}
}

static void on_fd(void *ctx, int fd, short events)
{
	struct channel *ch = ctx;

	(void)fd;
	ch->is_busy = true;
	if (events & POLLOUT)
		flush(ch);
	if (events & (POLLIN | POLLHUP | POLLERR))
		receive(ch);
	ch->is_busy = false;
	if (ch->is_doomed)
		destroy(ch);
}

void *channel_reserve(struct channel *ch, size_t size)
{
	if (ch->out_head && ch->out_head == ch->out_len)
		ch->out_head = ch->out_len = 0;
	if (ch->out_cap - ch->out_len < size) {
		if (ch->out_head) {
			memmove(ch->out, ch->out + ch->out_head, ch->out_len - ch->out_head);
			ch->out_len -= ch->out_head;
			ch->out_head = 0;
		}
		if (ch->out_cap - ch->out_len < size) {
			ch->out_cap = ch->out_len + size + 2 * (size_t)WIRE_FRAME_MAX;
			ch->out = mem_realloc(ch->out, ch->out_cap);
		}
	}
	return ch->out + ch->out_len;
}

void channel_commit(struct channel *ch, size_t n)
{
	bool was_idle = ch->out_head == ch->out_len;

	ch->out_len += n;
	if (ch->is_closed)
		ch->out_head = ch->out_len = 0;
	else if (was_idle)
		flush(ch);
}

void channel_forward(struct channel *ch, const struct wire_frame *f, uint16_t session)
{
	uint8_t *p = channel_reserve(ch, WIRE_HEADER_SIZE + f->len);

	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(f->len >> (8 * i));
	p[4] = (uint8_t)f->type;
	p[5] = (uint8_t)(f->type >> 8);
	p[6] = (uint8_t)session;
	p[7] = (uint8_t)(session >> 8);
	memcpy(p + WIRE_HEADER_SIZE, f->payload, f->len);
	channel_commit(ch, WIRE_HEADER_SIZE + f->len);
}

size_t channel_queued(const struct channel *ch)
{
	return ch->out_len - ch->out_head;
}

uint64_t channel_received(const struct channel *ch)
{
	return ch->received;
}

bool channel_was_heard(const struct channel *ch)
{
	char c;

	return ch->received || recv(ch->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}
