/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Sessions: the programs that the host started, their streams and their end.
 *
 *	START --fork--> STARTING --exec succeeded: STARTED--> RUNNING --reaped--> ENDED --drained: EXIT--> free
 *	                   `--exec failed: STARTED with errnum--> free
 *
 * Each stream has its own credit (wire.h), so that one that nobody reads holds
 * up its own program only.
 */

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "guest/drain.h"
#include "wire/wire.h"

#define SESSION_POLL_MAX (WIRE_SESSIONS_MAX * 4 + DRAIN_MAX)

/* Always answered by STARTED. */
void session_start(const struct wire_frame *f, const struct wire_start *m);
/* Answered by STARTED as well: nothing is started. */
void session_refuse(uint16_t number, int errnum, const char *text);
bool session_exists(uint16_t number);

/* What the host sends to a session. One that has ended meanwhile ignores it. False: against the protocol. */
bool session_data(uint16_t number, const struct wire_data *m);
bool session_eof(uint16_t number, const struct wire_eof *m);
bool session_credit(uint16_t number, const struct wire_credit *m);
void session_winsize(uint16_t number, const struct wire_winsize *m);
void session_signal(uint16_t number, const struct wire_signal *m);

/* A child was reaped; true when it was a session's. */
bool session_reaped(pid_t pid, int wait_status, const struct rusage *ru);
/*
 * Has the program ended after which the machine has nothing to do? True: it is
 * told like a reaped one, and still to be reaped. That is some hundred blocks
 * of code to translate, for which the host need not wait.
 */
bool session_last_has_ended(void);

/* What to wait for; fds has room for SESSION_POLL_MAX. Returns how many were put there. */
size_t session_poll(struct pollfd *fds);
/* Moves bytes for what was found ready (the same array), then whatever else has become possible. */
void session_run(const struct pollfd *fds, size_t n);
