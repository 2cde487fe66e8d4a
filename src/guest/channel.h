/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The agent's end of the channel: one descriptor (virtio-serial port or
 * socket), non-blocking, with a fixed buffer each way.
 *
 * Nothing is ever dropped and nothing ever blocks: whoever wants to send asks
 * for room first. The order of who gets the room keeps the conversation
 * alive: answers may use all of it, program output and kernel messages must
 * leave CHANNEL_RESERVE, and a frame from the host is looked at only when its
 * answer is sure to fit (channel_can_answer).
 */

#include <stdbool.h>
#include <stddef.h>

#include "wire/wire.h"

#define CHANNEL_OUT_SIZE (8 * WIRE_FRAME_MAX)
#define CHANNEL_IN_SIZE (2 * WIRE_FRAME_MAX)
#define CHANNEL_RESERVE (3 * WIRE_FRAME_MAX)

/* Takes over fd and makes it non-blocking. */
void channel_open(int fd_consumed);
void channel_close(void);
int channel_fd(void); /* -1: closed */
/* Forgets what is in the buffers (tests that open one channel after the other). */
void channel_reset(void);

enum channel_state {
	CHANNEL_UP,
	CHANNEL_CLOSED, /* the host is gone */
	CHANNEL_FAILED, /* errno of a read or write in channel_errno() */
};

/* Reads what is there, as far as it fits. Bytes may have come even when the state is not UP. */
enum channel_state channel_fill(void);
/* Writes as much as the other side takes. */
enum channel_state channel_flush(void);
int channel_errno(void);

/* First frame that has arrived; it stays valid until channel_drop(). As wire_frame_get(). */
enum wire_status channel_peek(struct wire_frame *ret, size_t *ret_size);
void channel_drop(size_t size);
bool channel_in_has_room(void);
/* True once after bytes have arrived since the last call. */
bool channel_was_heard(void);

bool channel_can_answer(void); /* room for the answers to one frame */
bool channel_can_stream(void); /* room for one DATA or KMSG beside the reserve */
bool channel_is_flushed(void);

/* Queues raw bytes; the caller made sure of the room. */
void channel_put_raw(const void *mem, size_t n);
/* Where the next frame goes, and that it got so long (0: it did not fit, which is a bug that ends the agent). */
void *channel_tail(size_t *ret_cap);
void channel_commit(size_t n);

/* channel_send(result, 0, &(struct wire_result){ ... }) */
#define channel_send(name, session, ...)                                                      \
	do {                                                                                  \
		size_t cap_;                                                                  \
		void *tail_ = channel_tail(&cap_);                                            \
		channel_commit(wire_put_##name(tail_, cap_, (session), __VA_ARGS__));         \
	} while (0)
