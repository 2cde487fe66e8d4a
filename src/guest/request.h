/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What the host asks for, and in which order it is done: strictly in the order
 * of arrival, so that a host may send a whole machine's worth of requests and
 * the START behind them in one go. What can block or kill the one
 * who does it (a module's code, a sync) is done by a forked child; meanwhile
 * running sessions, pings and kernel messages go on, and later requests wait.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "wire/wire.h"

enum request_status {
	REQUEST_DONE,
	REQUEST_STALLED, /* cannot be taken now: offer it again later */
	REQUEST_BAD,	 /* against the protocol */
};

/* In a test without a machine: TEST messages are obeyed, FINISH does not power off. */
void request_set_testing(void);

/* Before WELCOME every other request is BAD. */
enum request_status request_handle(const struct wire_frame *f);

/* Goes on with what waits. False: a frame that had waited was against the protocol. */
bool request_advance(void);

/* True while QUIESCE is in force: nothing may be sent, nothing but the channel waited for. */
bool request_is_still(void);
/* A byte has come: life goes on. */
void request_wake(void);

/* A child was reaped; true when it was a request's. */
bool request_reaped(pid_t pid, int wait_status);

/* Was WELCOME heard? Kernel messages are not sent before. */
bool request_is_welcome(void);
