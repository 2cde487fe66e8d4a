/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A poll(2) loop for one thread: descriptors, timers, signals, children.
 * Callbacks may add and remove anything, themselves included. Portable: no
 * epoll, signalfd or timerfd. Signals are turned into loop events by a pipe.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct loop;

/* events are poll(2)'s POLLIN and POLLOUT; POLLHUP and POLLERR come unasked. */
typedef void loop_fd_fn(void *ctx, int fd, short events);
typedef void loop_timer_fn(void *ctx);
typedef void loop_signal_fn(void *ctx, int signo);
typedef void loop_child_fn(void *ctx, pid_t pid, int wait_status);

struct loop *loop_new(void);
void loop_free(struct loop *l); /* closes no descriptor of the caller's; restores signal handlers */

/* One watch per descriptor. events 0 keeps it registered but quiet (POLLHUP/POLLERR then too are not reported). */
void loop_fd(struct loop *l, int fd, short events, loop_fd_fn *fn, void *ctx);
void loop_fd_events(struct loop *l, int fd, short events);
void loop_fd_remove(struct loop *l, int fd);

/*
 * A one-shot timer after delay_ms; returns its id (> 0). What could be read at
 * its time is told before it goes off, however late that is.
 */
uint64_t loop_timer(struct loop *l, uint64_t delay_ms, loop_timer_fn *fn, void *ctx);
void loop_timer_remove(struct loop *l, uint64_t id); /* an id that has fired or 0 is fine */

/*
 * Whatever a signal needs, made now, for who can tell of a failure (no
 * descriptor is free): the first loop_signal() or loop_child() does the same,
 * and ends the process when it can not.
 */
int loop_catch_signals(struct loop *l, struct error *err);

/* One handler per signal; the old disposition comes back with loop_free(). */
void loop_signal(struct loop *l, int signo, loop_signal_fn *fn, void *ctx);

/* Called once when that child has ended (waitpid status); SIGCHLD is watched for it. */
void loop_child(struct loop *l, pid_t pid, loop_child_fn *fn, void *ctx);
void loop_child_remove(struct loop *l, pid_t pid);

/* Runs until loop_stop(). */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* CLOCK_MONOTONIC in milliseconds and nanoseconds. */
uint64_t loop_now_ms(void);
uint64_t loop_now_ns(void);
