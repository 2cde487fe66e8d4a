/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A QMP client on the caller's loop: commands go out as soon as they are
 * asked for (QMP answers in order, so nobody waits for the greeting), each
 * callback comes exactly once, also when the server dies or talks nonsense.
 *
 * qmp_new() takes the descriptor (a connected stream socket); qmp_free()
 * closes it and fails what is still open, without calling `closed`. No
 * callback may free the client.
 *
 * The server is not trusted with our memory: a line may have QMP_LINE_MAX
 * bytes, and QMP_PENDING_MAX commands may be unanswered.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "sys/loop.h"

#define QMP_LINE_MAX (4u << 20)
#define QMP_PENDING_MAX 64

struct qmp;

struct qmp_callbacks {
	/* The greeting: its "version.qemu" object, borrowed. May be NULL. */
	void (*greeting)(void *ctx, const json_t *version);
	/* data is borrowed and may be NULL. */
	void (*event)(void *ctx, const char *name, const json_t *data);
	/* The conversation is over; all commands have had their callback. why is never NULL. */
	void (*closed)(void *ctx, const struct error *why);
	void *ctx;
};

struct qmp *qmp_new(struct loop *loop, int fd_consumed, const struct qmp_callbacks *cb, bool debug);
void qmp_free(struct qmp *q);

/* result is borrowed ("return" of the answer), NULL with err set on failure. */
typedef void qmp_reply_fn(void *ctx, const json_t *result, const struct error *err);

/* args may be NULL; consumed. done may be NULL. */
void qmp_command(struct qmp *q, const char *name, json_t *args_consumed, qmp_reply_fn *done, void *ctx);

/*
 * The same with a descriptor attached to the command (getfd, add-fd);
 * borrowed, duplicated at once. Later commands wait for its answer, as QEMU
 * keeps only the newest descriptor that it has received.
 */
void qmp_command_fd(struct qmp *q, const char *name, json_t *args_consumed, int fd, qmp_reply_fn *done, void *ctx);

/* Reads and handles what has arrived by now: for the last words of a server that has exited. */
void qmp_drain(struct qmp *q);
