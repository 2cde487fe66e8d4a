/* SPDX-License-Identifier: MPL-2.0 */
/* The process that waits for its program. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

/* The number of the process tells: something else was forked between the spare and its START. */
static void make_spare(void)
{
	agent_start(a);
	SEND(a, spare, 0, .id = 1);
	check(agent_result(a, 1) == 0, "%s", agent_result_text);
	SEND(a, load_module, 0, .id = 2, .module = "no-such-module", .flags = WIRE_MODULE_OPTIONAL);
	check(agent_result(a, 2) == 0, "%s", agent_result_text);
	SEND(a, spare, 0, .id = 3);
	check(agent_result(a, 3) == 0, "a second one: %s", agent_result_text);
}

/* The spare is PID 1's first child. An emulator (tests/emulated) has a thread of its own, which has a number, too. */
static unsigned spare_number(void)
{
	return getenv("QUIZ_AGENT_RUNNER") ? 3 : 2;
}

static void a_spare_is_the_first_program(void)
{
	struct job first = { .in = "typed", .in_len = 5 }, second = { 0 };

	make_spare();
	job_run(a, &first, 1,
		&(struct wire_start){ .argv = ARGV("sh", "-c", "cat; pwd; umask; ulimit -n; echo $A; set -- /proc/$$/fd/*; echo $#; echo err >&2; exit 7"),
				      .env = ARGV("A=b"), .cwd = "/usr", .umask = 027, .nofile = 77, .flags = WIRE_START_STDIN });
	check(first.pid == spare_number(), "it has number %u", first.pid);
	/* The fourth descriptor is the shell's own, of the folder that it looks into. */
	check(strcmp((char *)first.out, "typed/usr\n0027\n77\nb\n4\n") == 0, "got %s", first.out);
	check(strcmp((char *)first.err, "err\n") == 0 && first.how == WIRE_EXITED && first.value == 7, "got %s, %u", first.err, first.value);
	job_run(a, &second, 1, &(struct wire_start){ .argv = ARGV("true"), .flags = WIRE_START_STDIN });
	check(second.pid > spare_number() && second.value == 0, "the second has number %u", second.pid);
	agent_stop(a);
}

static void a_spare_fails_as_any_child(void)
{
	struct job j = { 0 }, k = { 0 };

	make_spare();
	job_run(a, &j, 1, &(struct wire_start){ .argv = ARGV("no-such-program"), .flags = WIRE_START_STDIN });
	check(!j.is_started && j.stage == WIRE_STAGE_EXEC && j.start_errnum == ENOENT, "stage %u errno %u", j.stage, j.start_errnum);
	job_run(a, &k, 1, SH("exit 3"));
	check(k.value == 3, "the next one: %u", k.value);
	agent_stop(a);
}

static void a_spare_goes_where_it_does_not_fit(void)
{
	const char *number = spare_number() == 2 ? "2" : "3";
	struct job j = { 0 }, k = { 0 };

	make_spare();
	job_run(a, &j, 1, &(struct wire_start){ .argv = ARGV("tty"), .flags = WIRE_START_TTY | WIRE_START_STDIN });
	check(j.pid > spare_number() && j.value == 0, "number %u, status %u", j.pid, j.value);
	job_run(a, &k, 2, SH("for i in $(seq 100); do kill -0 $1 2>/dev/null || exit 0; sleep 0.05; done; exit 1", number));
	check(k.value == 0, "it is still there");
	agent_stop(a);
}

static void a_spare_is_not_for_files(void)
{
	struct job files = { 0 }, j = { 0 };

	make_spare();
	job_run(a, &files, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_OUT, .argv = ARGV("/etc/passwd") });
	check(files.is_started && files.pid > 3, "number %u: %s", files.pid, files.start_text);
	job_run(a, &j, 2, &(struct wire_start){ .argv = ARGV("true"), .flags = WIRE_START_STDIN });
	check(j.pid > spare_number() && j.value == 0, "number %u, status %u", j.pid, j.value);
	agent_stop(a);
}

const struct test_case spare_cases[] = {
	CASE(a_spare_is_the_first_program),
	CASE(a_spare_fails_as_any_child),
	CASE(a_spare_goes_where_it_does_not_fit),
	CASE(a_spare_is_not_for_files),
	{ NULL, NULL },
};
