/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Both buffers are straight, not rings: a frame is always in one piece. What
 * is left over is moved to the front when the end is reached, at most one
 * frame's worth on the way in.
 */

#include "guest/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guest/log.h"

static int fd = -1;

/* All zeros at the start, so that the buffers take no room in the agent's file. */
static struct {
	int errnum;
	bool is_heard;
	size_t in_start, in_end, out_start, out_end;
	uint8_t in[CHANNEL_IN_SIZE], out[CHANNEL_OUT_SIZE];
} ch;

void channel_open(int fd_consumed)
{
	fd = fd_consumed;
	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void channel_close(void)
{
	close_fd(&fd);
}

void channel_reset(void)
{
	ch.in_start = ch.in_end = ch.out_start = ch.out_end = 0;
}

int channel_fd(void)
{
	return fd;
}

int channel_errno(void)
{
	return ch.errnum;
}

enum channel_state channel_fill(void)
{
	while (channel_in_has_room()) {
		ssize_t n;

		if (ch.in_end == sizeof(ch.in) || ch.in_start == ch.in_end) {
			memmove(ch.in, ch.in + ch.in_start, ch.in_end - ch.in_start);
			ch.in_end -= ch.in_start;
			ch.in_start = 0;
		}
		n = read(fd, ch.in + ch.in_end, sizeof(ch.in) - ch.in_end);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return CHANNEL_UP;
		if (n == 0 || (n < 0 && (errno == EPIPE || errno == ECONNRESET)))
			return CHANNEL_CLOSED;
		if (n < 0) {
			ch.errnum = errno;
			return CHANNEL_FAILED;
		}
		ch.in_end += (size_t)n;
		ch.is_heard = true;
	}
	return CHANNEL_UP;
}

enum channel_state channel_flush(void)
{
	while (ch.out_start < ch.out_end) {
		ssize_t n = write(fd, ch.out + ch.out_start, ch.out_end - ch.out_start);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || (n < 0 && errno == EAGAIN))
			return CHANNEL_UP;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return CHANNEL_CLOSED;
		if (n < 0) {
			ch.errnum = errno;
			return CHANNEL_FAILED;
		}
		ch.out_start += (size_t)n;
	}
	ch.out_start = ch.out_end = 0;
	return CHANNEL_UP;
}

enum wire_status channel_peek(struct wire_frame *ret, size_t *ret_size)
{
	return wire_frame_get(ch.in + ch.in_start, ch.in_end - ch.in_start, ret, ret_size);
}

void channel_drop(size_t size)
{
	ch.in_start += size;
}

bool channel_in_has_room(void)
{
	return ch.in_end - ch.in_start < sizeof(ch.in);
}

bool channel_was_heard(void)
{
	bool ret = ch.is_heard;

	ch.is_heard = false;
	return ret;
}

static size_t out_room(void)
{
	return sizeof(ch.out) - (ch.out_end - ch.out_start);
}

bool channel_can_answer(void)
{
	return out_room() >= 2 * WIRE_FRAME_MAX;
}

bool channel_can_stream(void)
{
	return out_room() >= CHANNEL_RESERVE + WIRE_FRAME_MAX;
}

bool channel_is_flushed(void)
{
	return ch.out_start == ch.out_end;
}

void *channel_tail(size_t *ret_cap)
{
	if (sizeof(ch.out) - ch.out_end < WIRE_FRAME_MAX) {
		memmove(ch.out, ch.out + ch.out_start, ch.out_end - ch.out_start);
		ch.out_end -= ch.out_start;
		ch.out_start = 0;
	}
	*ret_cap = sizeof(ch.out) - ch.out_end;
	return ch.out + ch.out_end;
}

void channel_commit(size_t n)
{
	if (n == 0) {
		log_line("bug: a message did not fit into the channel's buffer");
		_exit(70);
	}
	ch.out_end += n;
}

void channel_put_raw(const void *mem, size_t n)
{
	size_t cap;
	void *tail = channel_tail(&cap);

	if (n > cap)
		n = cap;
	memcpy(tail, mem, n);
	ch.out_end += n;
}
