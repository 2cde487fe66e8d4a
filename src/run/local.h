/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The local end of a program in the guest: our own stdin, stdout and stderr,
 * or our terminal. The same code serves the supervisor of a foreground run
 * (its outlet is a session) and a client (its outlet is a socket): it talks
 * to `struct outlet` and knows nothing of what is behind.
 *
 * Blocking descriptors stay blocking, as they are shared with other
 * processes: they are only touched when poll(2) says that they are ready, and
 * written in pieces that a ready pipe always takes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "sys/loop.h"

struct local;

/* What could not be done when a stream is lost: for error_sys(). */
#define LOCAL_INPUT  "read the program's input from stdin"
#define LOCAL_OUTPUT "write the program's output to stdout"

/* Where input goes; every member must be set. */
struct outlet {
	size_t (*room)(void *ctx);				  /* bytes of input that may be sent now */
	void (*input)(void *ctx, const void *mem, size_t n);	  /* n is within room() */
	void (*end_of_input)(void *ctx);
	void (*input_lost)(void *ctx, int errnum);		  /* stdin can not be read: end_of_input() comes next */
	void (*consumed)(void *ctx, unsigned stream, size_t n);	  /* output has been passed on */
	void (*winsize)(void *ctx, uint16_t rows, uint16_t cols);
	void (*escape)(void *ctx, char key);			  /* Ctrl-] and a key: 'd' detach, 'k' kill */
	void (*output_lost)(void *ctx, int errnum);		  /* stdout takes no more: EPIPE is a reader that has gone */
	void (*hung_up)(void *ctx);				  /* the terminal that stdin was is gone: end_of_input() comes next */
	void *ctx;
};

struct local *local_new(struct loop *loop, const struct outlet *outlet);
void local_free(struct local *l); /* restores the terminal */

/* A program runs: start reading input; tty: the terminal in raw mode from here on. May be called again for a next one. */
int local_begin(struct local *l, bool tty, struct error *err);
/* Is there nothing to be read from stdin, now or later? Reads nothing: a run that begins anew still has its input. */
bool local_has_no_input(void);
/* More input may be sent. */
void local_writable(struct local *l);
/* Output of the program; at most WIRE_WINDOW per stream is pending at any time. */
void local_output(struct local *l, unsigned stream, const void *mem, size_t n);
/* Calls done once when everything has been written (or can not be). */
void local_drain(struct local *l, void (*done)(void *ctx), void *ctx);
