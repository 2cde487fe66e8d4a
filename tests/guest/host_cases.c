/* SPDX-License-Identifier: MPL-2.0 */
/* A host that misbehaves. */

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

static void expect_end(void)
{
	check(agent_has_closed(a, 10000), "the agent goes on");
	check(agent_wait(a) == 3, "it did not end as lost");
	close(a->fd);
	close(a->kmsg);
}

static void garbage_ends_the_conversation(void)
{
	static const struct {
		const char *bytes;
		size_t n;
	} cases[] = {
		{ "\xff\xff\xff\xff\xff\xff\xff\xff", 8 }, /* too long, no such type */
		{ "\0\0\0\0\xff\xff\0\0", 8 },		   /* no such type */
		{ "\0\0\0\0\x01\0\0\0", 8 },		   /* HELLO is the agent's own word */
		{ "\0\0\0\0\x0b\0\0\0", 8 },		   /* QUIESCE without its id */
		{ "\x04\0\0\0\x02\0\0\0abcd", 12 },	   /* WELCOME, short */
		{ "\x05\0\0\0\x16\0\0\0abcde", 13 },	   /* FINISH, short */
		{ "\0\0\0\0\x1e\0\x01\0", 8 },		   /* START without anything */
		{ "\x05\0\0\0\x20\0\x01\0\x07\0\0\0\0", 13 }, /* DATA for stream 7 */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		agent_start(a);
		agent_send(a, cases[i].bytes, cases[i].n);
		expect_end();
	}
}

static void random_bytes_never_crash_it(void)
{
	unsigned seed = 1;

	for (int i = 0; i < 40; i++) {
		uint8_t buf[4096];
		size_t n = 0;

		agent_start(a);
		/* Plausible headers, wild payloads. */
		while (n + 64 < sizeof(buf)) {
			uint32_t len = (uint32_t)rand_r(&seed) % 40;
			uint8_t types[] = { 5, 10, 12, 13, 15, 24, 30, 32, 33, 34, 35, 36 };

			buf[n] = (uint8_t)len;
			buf[n + 1] = buf[n + 2] = buf[n + 3] = buf[n + 5] = buf[n + 7] = 0;
			buf[n + 4] = types[(unsigned)rand_r(&seed) % sizeof(types)];
			buf[n + 6] = (uint8_t)(rand_r(&seed) % 3);
			for (uint32_t k = 0; k < len; k++)
				buf[n + 8 + k] = (uint8_t)(rand_r(&seed) % 4 ? 0 : rand_r(&seed));
			n += 8 + len;
		}
		send(a->fd, buf, n, MSG_NOSIGNAL);
		/* Most of it breaks the protocol; what is left as half a frame ends with the channel. */
		if (!agent_has_closed(a, 50))
			shutdown(a->fd, SHUT_WR);
		expect_end();
	}
}

static void more_than_the_window_is_a_breach(void)
{
	static uint8_t data[WIRE_DATA_MAX];
	struct job j = { 0 };

	agent_start(a);
	job_begin(a, &j, 1, &(struct wire_start){ .argv = ARGV("sleep", "100"), .flags = WIRE_START_STDIN });
	/* A pipe of 64 KiB and the window take at most 320 KiB. */
	for (int i = 0; i < 12; i++)
		SEND(a, data, 1, .stream = WIRE_STDIN, .data = { data, sizeof(data) });
	expect_end();
}

static void other_versions_are_refused(void)
{
	struct wire_frame f;

	agent_start_raw(a);
	check(agent_next(a, 10000, &f) && f.type == WIRE_HELLO, "no HELLO");
	SEND(a, welcome, 0, .version = WIRE_VERSION + 1);
	expect_end();
}

static void nothing_is_done_before_welcome(void)
{
	agent_start_raw(a);
	SEND(a, counters, 0, .id = 1);
	expect_end();
}

static void programs_die_with_the_channel(void)
{
	struct job j = { 0 };

	agent_start(a);
	job_begin(a, &j, 1, SH("trap '' HUP TERM; echo up; sleep 1000"));
	until_output_has(&j, "up");
	agent_stop(a); /* PID 1 of the namespace ends, and everybody with it: waitpid in it returns */
}

const struct test_case host_cases[] = {
	CASE(garbage_ends_the_conversation),
	CASE(random_bytes_never_crash_it),
	CASE(more_than_the_window_is_a_breach),
	CASE(other_versions_are_refused),
	CASE(nothing_is_done_before_welcome),
	CASE(programs_die_with_the_channel),
	{ NULL, NULL },
};
