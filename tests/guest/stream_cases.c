/* SPDX-License-Identifier: MPL-2.0 */
/* Streams without a terminal: nothing is lost, and nobody stalls others. */

#include <stdlib.h>
#include <string.h>

#include "cases.h"

static uint8_t *noise(size_t n)
{
	uint8_t *p = malloc(n);
	uint32_t x = 12345;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (uint8_t)(x >> 24);
	}
	return p;
}

static void binary_data_passes_both_ways(void)
{
	size_t n = 8 * 1024 * 1024 + 17;
	uint8_t *data = noise(n);
	struct job j = { .in = data, .in_len = n };

	agent_start(a);
	job_run(a, &j, 1, &(struct wire_start){ .argv = ARGV("cat"), .flags = WIRE_START_STDIN });
	check(j.out_len == n && memcmp(j.out, data, n) == 0, "%zu of %zu bytes", j.out_len, n);
	free(data);
	agent_stop(a);
}

static void without_stdin_there_is_end_of_file(void)
{
	struct job j = { 0 };

	agent_start(a);
	job_run(a, &j, 1, SH("cat; readlink /proc/self/fd/0"));
	check(strcmp((char *)j.out, "/dev/null\n") == 0, "got '%s'", j.out);
	agent_stop(a);
}

static void a_stalled_stream_stalls_nobody_else(void)
{
	struct job stalled = { .no_credit = true }, other = { 0 };
	struct wire_frame f;

	agent_start(a);
	job_begin(a, &stalled, 1, SH("head -c 1000000 /dev/zero"));
	while (stalled.out_len < WIRE_WINDOW) {
		check(agent_next(a, 10000, &f), "only %zu bytes of the window", stalled.out_len);
		if (f.session)
			job_frame(a, &stalled, &f);
	}
	check(!agent_next(a, 300, &f), "%s beyond the window", wire_type_name(f.type));
	job_begin(a, &other, 2, SH("head -c 1000000 /dev/zero"));
	job_finish(a, &other);
	check(other.out_len == 1000000, "%zu bytes", other.out_len);
	stalled.no_credit = false;
	SEND(a, credit, 1, .stream = WIRE_STDOUT, .bytes = WIRE_WINDOW);
	job_finish(a, &stalled);
	check(stalled.out_len == 1000000, "%zu bytes", stalled.out_len);
	agent_stop(a);
}

static void a_program_that_does_not_read_stops_the_host_only(void)
{
	size_t n = 4 * WIRE_WINDOW;
	uint8_t *data = noise(n);
	struct job slow = { .in = data, .in_len = n }, other = { 0 };
	struct wire_frame f;

	agent_start(a);
	job_begin(a, &slow, 1, &(struct wire_start){ .argv = ARGV("sh", "-c", "sleep 1; wc -c"), .flags = WIRE_START_STDIN });
	check(slow.in_sent == WIRE_WINDOW, "%zu bytes sent", slow.in_sent);
	job_begin(a, &other, 2, SH("echo fine"));
	while (!other.is_over) {
		check(agent_next(a, 10000, &f), "the other program stalls");
		if (f.session && !job_frame(a, &slow, &f))
			job_frame(a, &other, &f);
	}
	job_finish(a, &slow);
	check(atol((char *)slow.out) == (long)n, "it read %s bytes", slow.out);
	free(data);
	agent_stop(a);
}

static void writing_to_one_who_stopped_reading_is_harmless(void)
{
	uint8_t *data = noise(WIRE_WINDOW);
	struct job j = { .in = data, .in_len = WIRE_WINDOW, .keep_in_open = true };

	agent_start(a);
	job_run(a, &j, 1, &(struct wire_start){ .argv = ARGV("sh", "-c", "exec <&-; sleep 0.3; echo done"), .flags = WIRE_START_STDIN });
	check(strcmp((char *)j.out, "done\n") == 0 && j.value == 0, "got '%s'", j.out);
	free(data);
	agent_stop(a);
}

static void hundred_sessions_and_the_limit(void)
{
	static struct job jobs[WIRE_SESSIONS_MAX + 1];
	struct wire_frame f;
	size_t n_over = 0;

	agent_start(a);
	for (uint16_t i = 0; i <= WIRE_SESSIONS_MAX; i++) {
		jobs[i].in = "x";
		jobs[i].in_len = 1;
		jobs[i].keep_in_open = true;
		job_begin(a, &jobs[i], i + 1, &(struct wire_start){ .argv = ARGV("cat"), .flags = WIRE_START_STDIN });
	}
	/* The last one is refused, the others echo. */
	while (!jobs[WIRE_SESSIONS_MAX].is_over) {
		check(agent_next(a, 10000, &f), "no answer");
		if (f.session)
			job_frame(a, &jobs[f.session - 1], &f);
	}
	check(jobs[WIRE_SESSIONS_MAX].stage == WIRE_STAGE_LIMIT, "stage %u", jobs[WIRE_SESSIONS_MAX].stage);
	for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++)
		SEND(a, eof, (uint16_t)(i + 1), .stream = WIRE_STDIN);
	while (n_over < WIRE_SESSIONS_MAX) {
		check(agent_next(a, 10000, &f), "%zu of %d ended", n_over, WIRE_SESSIONS_MAX);
		if (!f.session)
			continue;
		job_frame(a, &jobs[f.session - 1], &f);
		n_over += jobs[f.session - 1].is_over;
	}
	for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++)
		check(strcmp((char *)jobs[i].out, "x") == 0 && jobs[i].value == 0, "session %zu: '%s'", i + 1, jobs[i].out);
	for (uint16_t i = 1; i <= 100; i++) {
		struct job j = { 0 };

		job_run(a, &j, i, SH("exit 5"));
		check(j.value == 5, "session %u: %u", i, j.value);
		job_free(&j);
	}
	agent_stop(a);
}

const struct test_case stream_cases[] = {
	CASE(binary_data_passes_both_ways),
	CASE(without_stdin_there_is_end_of_file),
	CASE(a_stalled_stream_stalls_nobody_else),
	CASE(a_program_that_does_not_read_stops_the_host_only),
	CASE(writing_to_one_who_stopped_reading_is_harmless),
	CASE(hundred_sessions_and_the_limit),
	{ NULL, NULL },
};
