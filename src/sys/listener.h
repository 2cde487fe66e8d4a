/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A listening unix socket on a loop: who connects is handed over, one
 * descriptor each. Only our own user gets in, whoever else holds a name or a
 * descriptor of the socket.
 *
 * A host that can take nobody at the moment (no descriptor is free, no
 * memory) costs nothing but time: who waits keeps its place in the queue and
 * is taken when there is room again.
 */

#include "sys/loop.h"

struct listener;

/* fd_consumed is non-blocking and close-on-exec. */
typedef void listener_fn(void *ctx, int fd_consumed);

/* Takes over listen_fd, which must be non-blocking. */
struct listener *listener_new(struct loop *l, int listen_fd_consumed, listener_fn *fn, void *ctx);
void listener_free(struct listener *li); /* closes the socket; before its loop goes */
