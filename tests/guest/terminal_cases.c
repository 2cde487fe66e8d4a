/* SPDX-License-Identifier: MPL-2.0 */
/* Terminals and signals. */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cases.h"

/* ---- terminals ---- */

static void type(const char *text)
{
	SEND(a, data, 1, .stream = WIRE_STDIN, .data = { .p = text, .len = (uint32_t)strlen(text) });
}

/* Typed text comes back twice: echoed by the terminal, and by cat. */
static void until_cat_answers(struct job *j)
{
	struct wire_frame f;
	const char *first;

	type("meow\n");
	for (;;) {
		first = strstr((char *)j->out, "meow");
		if (first && strstr(first + 1, "meow"))
			return;
		check(!j->is_over && agent_next(a, 10000, &f), "no answer of cat in '%s'", j->out);
		if (f.session)
			job_frame(a, j, &f);
	}
}

static void terminal_has_size_and_job_control(void)
{
	struct job j = { 0 };

	agent_start(a);
	job_begin(a, &j, 1,
		  &(struct wire_start){ .argv = ARGV("sh", "-c",
						     "trap 'stty size' WINCH; stty size; test -t 0 && test -t 2 && echo tty; "
						     "read x; echo got $x; exec cat"),
					.flags = WIRE_START_TTY,
					.env = ARGV("TERM=vt100"),
					.rows = 31,
					.cols = 99 });
	until_output_has(&j, "31 99\r\ntty\r\n");
	SEND(a, winsize, 1, .rows = 50, .cols = 132);
	type("\n");
	until_output_has(&j, "50 132");
	until_output_has(&j, "got");
	/* A shell has moments in which it swallows a Ctrl-C; a cat that answers has none. */
	until_cat_answers(&j);
	type("\x03");
	job_finish(a, &j);
	check(j.how == WIRE_SIGNALLED && j.value == SIGINT, "how %u value %u: %s", j.how, j.value, j.out);
	agent_stop(a);
}

static void terminal_signals_go_to_the_foreground(void)
{
	struct job j = { 0 };

	agent_start(a);
	job_begin(a, &j, 1,
		  &(struct wire_start){ .argv = ARGV("bash", "--norc", "-i"), .flags = WIRE_START_TTY, .env = ARGV("PS1=ready:") });
	until_output_has(&j, "ready:");
	type("sh -c 'trap \"echo ter''med; exit 4\" TERM; echo wait''ing; while :; do sleep 0.05; done'\n");
	until_output_has(&j, "waiting");
	SEND(a, signal, 1, .signo = SIGTERM);
	until_output_has(&j, "termed");
	type("sh -c 'echo start''ed; exec cat'\n");
	until_output_has(&j, "started");
	until_cat_answers(&j);
	type("\x1a"); /* Ctrl-Z */
	until_output_has(&j, "Stopped");
	type("kill %1; exit 3\n");
	type("exit 3\n");
	job_finish(a, &j);
	check(j.how == WIRE_EXITED && j.value == 3, "how %u value %u: %s", j.how, j.value, j.out);
	agent_stop(a);
}

static void end_of_file_on_a_terminal_is_typed(void)
{
	struct job j = { .in = "last line", .in_len = 9 };

	agent_start(a);
	job_run(a, &j, 1, &(struct wire_start){ .argv = ARGV("sh", "-c", "stty -echo; cat; echo; echo over"), .flags = WIRE_START_TTY });
	check(j.value == 0 && strstr((char *)j.out, "last line") && strstr((char *)j.out, "over"), "got '%s'", j.out);
	agent_stop(a);
}

/* Bytes that a terminal takes while nobody reads it. */
static size_t fill_terminal(const char *text, size_t n)
{
	int unlock = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	int slave = ioctl(master, TIOCSPTLCK, &unlock) == 0 ? ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY) : -1;
	size_t done = 0;

	check(slave >= 0, "make a terminal");
	for (int idle = 0; idle < 3 && done < n;) {
		size_t piece = WIRE_DATA_MAX - done % WIRE_DATA_MAX; /* as it would come */
		ssize_t w = write(master, text + done, piece < n - done ? piece : n - done);

		if (w > 0) {
			done += (size_t)w;
			idle = 0;
			continue;
		}
		idle++;
		usleep(20000);
	}
	close(master);
	close(slave);
	return done;
}

static void end_of_file_waits_for_room_in_the_terminal(void)
{
	static char text[4 * 65536];
	struct job j = { .in = text };

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 64 == 63 ? '\n' : 'x';
	j.in_len = fill_terminal(text, sizeof(text));
	check(j.in_len < sizeof(text), "it takes everything");
	agent_start(a);
	job_run(a, &j, 1, &(struct wire_start){ .argv = ARGV("sh", "-c", "sleep 1; cat >/dev/null; echo over"), .flags = WIRE_START_TTY });
	check(j.value == 0 && strstr((char *)j.out, "over"), "how %u value %u", j.how, j.value);
	agent_stop(a);
}

static void the_end_of_a_terminals_output_is_not_lost(void)
{
	agent_start(a);
	for (uint16_t i = 1; i <= 20; i++) {
		struct job j = { 0 };

		job_run(a, &j, i, &(struct wire_start){ .argv = ARGV("sh", "-c", "seq 1 3000; sleep 9 & echo the end"), .flags = WIRE_START_TTY });
		check(strstr((char *)j.out, "3000\r\nthe end\r\n"), "run %u lost the end: %zu bytes", i, j.out_len);
		job_free(&j);
	}
	agent_stop(a);
}

/* ---- signals ---- */

static void signals_reach_the_process_group(void)
{
	struct job j = { 0 };

	agent_start(a);
	job_begin(a, &j, 1, SH("trap 'wait; echo outer; exit 6' TERM; sh -c 'trap \"echo inner; exit\" TERM; echo up; while :; do sleep 0.05; done' & wait"));
	until_output_has(&j, "up");
	SEND(a, signal, 1, .signo = SIGTERM);
	job_finish(a, &j);
	check(strstr((char *)j.out, "inner") && strstr((char *)j.out, "outer") && j.value == 6, "status %u, got '%s'", j.value, j.out);
	agent_stop(a);
}

/* As cat does, on its way out. */
static void a_program_may_close_its_terminal(void)
{
	struct job j = { 0 };

	agent_start(a);
	job_begin(a, &j, 1,
		  &(struct wire_start){ .argv = ARGV("sh", "-c", "cat; echo over; exec <&- >&- 2>&-; sleep 0.5; exit 7"), .flags = WIRE_START_TTY });
	type("meow\n");
	SEND(a, eof, 1, .stream = WIRE_STDIN);
	job_finish(a, &j);
	check(strstr((char *)j.out, "over") && j.how == WIRE_EXITED && j.value == 7, "how %u value %u: %s", j.how, j.value, j.out);
	agent_stop(a);
}

/* And open it again, for more than fits into it: whatever wakes the agent (a heartbeat, if nothing else) makes it look. */
static void a_terminal_that_was_closed_can_be_opened_again(void)
{
	struct job j = { 0 };

	agent_start(a);
	job_begin(a, &j, 1,
		  &(struct wire_start){ .argv = ARGV("sh", "-c", "echo over; cat; exec <&- >&- 2>&-; sleep 0.5; seq 1 30000 >/dev/tty; exit 7"),
					.flags = WIRE_START_TTY });
	SEND(a, eof, 1, .stream = WIRE_STDIN);
	until_output_has(&j, "over");
	usleep(1500000);
	SEND(a, winsize, 1, .rows = 50, .cols = 132);
	job_finish(a, &j);
	check(strstr((char *)j.out, "30000") && j.how == WIRE_EXITED && j.value == 7, "how %u value %u", j.how, j.value);
	agent_stop(a);
}

/* What was typed while the terminal made lines is no end of file for a program that makes its own: readline's, here. */
static void an_end_that_came_early_is_told_again(void)
{
	struct job j = { 0 };

	agent_start(a);
	job_begin(a, &j, 1,
		  &(struct wire_start){ .argv = ARGV("sh", "-c",
						     "read x; echo early $?; sleep 0.1; exec bash --norc -i"),
					.flags = WIRE_START_TTY, .env = ARGV("PS1=ready:", "TERM=vt100") });
	type("\n");
	SEND(a, eof, 1, .stream = WIRE_STDIN);
	job_finish(a, &j);
	check(strstr((char *)j.out, "ready:") && j.how == WIRE_EXITED && j.value == 0, "how %u value %u: %s", j.how, j.value, j.out);
	agent_stop(a);
}

const struct test_case terminal_cases[] = {
	CASE(terminal_has_size_and_job_control),
	CASE(terminal_signals_go_to_the_foreground),
	CASE(end_of_file_on_a_terminal_is_typed),
	CASE(end_of_file_waits_for_room_in_the_terminal),
	CASE(an_end_that_came_early_is_told_again),
	CASE(a_program_may_close_its_terminal),
	CASE(a_terminal_that_was_closed_can_be_opened_again),
	CASE(the_end_of_a_terminals_output_is_not_lost),
	CASE(signals_reach_the_process_group),
	{ NULL, NULL },
};
