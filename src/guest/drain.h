/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Pipes of programs that have ended, to which somebody may still write: they
 * are read, and what comes is thrown away. A daemon that a hook started must
 * not die of SIGPIPE or block because its starter's run has been reported.
 */

#include <poll.h>
#include <stddef.h>

#define DRAIN_MAX 64

/* Takes the descriptor over; closes it when there are too many already. */
void drain_take(int *fd);
/* What to wait for; fds has room for DRAIN_MAX. Returns how many were put there. */
size_t drain_poll(struct pollfd *fds);
/* Reads what there is, and lets go of those that nobody writes to any more. */
void drain_run(void);
