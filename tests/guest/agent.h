/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A host for the real agent: starts quiz-init as PID 1 of a user and pid
 * namespace with the channel on a socketpair, and speaks wire to it. Anything
 * unexpected ends the test's process with a line that says what (each test
 * runs in a process of its own, with a time limit).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/wire.h"

struct agent {
	pid_t pid;	/* of unshare, which exits as the agent does */
	int fd;		/* the channel */
	int kmsg;	/* one write is one record of its kernel log */
	size_t start, len;
	uint8_t buf[4 * WIRE_FRAME_MAX];
};

/* Ends the test's process as failed. */
_Noreturn void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define check(cond, ...)                                                       \
	do {                                                                   \
		if (!(cond))                                                   \
			fail(__VA_ARGS__);                                     \
	} while (0)

/* Namespaces work here? Else why not. */
const char *agent_cannot_run(void);

void agent_start(struct agent *a); /* to HELLO and its stages, WELCOME is sent */
void agent_start_raw(struct agent *a); /* nothing said yet */
int agent_wait(struct agent *a);   /* closes nothing; the agent's exit status */
void agent_stop(struct agent *a);

void agent_send(struct agent *a, const void *frame, size_t n);
/* Next frame within ms milliseconds; false: none came. Fails on end of file. Valid until the next call. */
bool agent_next(struct agent *a, int ms, struct wire_frame *ret);
/* True when the agent has closed its end. */
bool agent_has_closed(struct agent *a, int ms);

/* SEND(a, start, 7, .argv = ...) */
#define SEND(a, name, session, ...)                                                                            \
	do {                                                                                                   \
		static uint8_t frame_[WIRE_FRAME_MAX];                                                         \
		size_t n_ = wire_put_##name(frame_, sizeof(frame_), (session), &(struct wire_##name){ __VA_ARGS__ }); \
		check(n_ > 0, #name " does not fit");                                                          \
		agent_send(a, frame_, n_);                                                                     \
	} while (0)
#define ARGV(...)                                                                                              \
	{                                                                                                      \
		.v = (const char *const[]){ __VA_ARGS__ },                                                     \
		.n = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)                             \
	}

/* Waits for the RESULT of a request; returns its errnum. Other messages are passed over, but BAD sessions fail. */
uint32_t agent_result(struct agent *a, uint32_t id);
extern char agent_result_text[512];

/* A session from START to EXIT. */
struct job {
	uint16_t number;
	const void *in;	   /* what to send to stdin */
	size_t in_len;
	bool keep_in_open; /* no EOF after it */
	bool no_credit;	   /* never give credit back */

	/* results */
	bool is_started, is_over;
	uint8_t stage;
	uint32_t start_errnum, pid;
	char start_text[512];
	uint8_t *out, *err; /* owned, NUL-terminated */
	size_t out_len, err_len;
	bool out_eof, err_eof;
	uint8_t how;
	uint32_t value;

	/* within */
	size_t in_sent, in_credit;
	bool in_eof_sent;
};

void job_begin(struct agent *a, struct job *j, uint16_t number, const struct wire_start *m);
/* Handles one frame for it; false when the frame is not this job's. */
bool job_frame(struct agent *a, struct job *j, const struct wire_frame *f);
void job_feed(struct agent *a, struct job *j); /* as much stdin as its credit allows */
void job_finish(struct agent *a, struct job *j); /* until EXIT or a failed start */
void job_free(struct job *j);
/* All of it. */
void job_run(struct agent *a, struct job *j, uint16_t number, const struct wire_start *m);
