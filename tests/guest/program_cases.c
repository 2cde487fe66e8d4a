/* SPDX-License-Identifier: MPL-2.0 */
/* Programs: what they are started with, and how they end. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"

/* ---- argv, environment, folder ---- */

static void arguments_arrive_exactly(void)
{
	static char longest[60000];
	struct job j = { 0 }, k = { 0 };

	memset(longest, 'x', sizeof(longest) - 1);
	agent_start(a);
	job_run(a, &j, 1, SH("for i; do printf '<%s>' \"$i\"; done", "", "a b", "$HOME", "'\"\\", "new\nline", "&&", "\xff\x01", "-n"));
	check(strcmp((char *)j.out, "<><a b><$HOME><'\"\\><new\nline><&&><\xff\x01><-n>") == 0, "got %s", j.out);
	job_run(a, &k, 2, SH("printf %s \"${#1}\"", longest));
	check(strcmp((char *)k.out, "59999") == 0, "got %s", k.out);
	agent_stop(a);
}

static void environment_is_small_and_overridable(void)
{
	struct job j = { 0 };

	agent_start(a);
	job_run(a, &j, 1,
		&(struct wire_start){ .argv = ARGV("env"), .env = ARGV("A=1=2", "HOME=/elsewhere", "SHELL", "B="), .cwd = "/" });
	check(strstr((char *)j.out, "A=1=2\n") && strstr((char *)j.out, "HOME=/elsewhere\n") && strstr((char *)j.out, "B=\n"),
	      "environment: %s", j.out);
	check(strstr((char *)j.out, "PATH=/usr/local/sbin:") && strstr((char *)j.out, "USER=root\n"), "environment: %s", j.out);
	check(!strstr((char *)j.out, "SHELL") && !strstr((char *)j.out, "TERM"), "environment: %s", j.out);
	agent_stop(a);
}

static void limits_and_folder_are_set(void)
{
	struct job j = { 0 };

	agent_start(a);
	job_run(a, &j, 1,
		&(struct wire_start){ .argv = ARGV("sh", "-c", "pwd; umask; ulimit -n"), .cwd = "/usr", .umask = 027, .nofile = 77 });
	check(strcmp((char *)j.out, "/usr\n0027\n77\n") == 0, "got %s", j.out);
	agent_stop(a);
}

static void empty_argv_is_the_shell(void)
{
	struct job j = { .in = "echo $0\n", .in_len = 8 };

	agent_start(a);
	job_run(a, &j, 1, &(struct wire_start){ .flags = WIRE_START_STDIN | WIRE_START_LOGIN });
	check(strcmp((char *)j.out, "-bash\n") == 0 || strcmp((char *)j.out, "-sh\n") == 0, "got '%s'", j.out);
	agent_stop(a);
}

/* ---- the ends of programs ---- */

static void status_and_signal_are_reported(void)
{
	struct job j = { 0 }, k = { 0 };

	agent_start(a);
	job_run(a, &j, 1, SH("exit 254"));
	check(j.how == WIRE_EXITED && j.value == 254, "how %u value %u", j.how, j.value);
	job_run(a, &k, 1, SH("kill -SEGV $$"));
	check(k.how == WIRE_SIGNALLED && k.value == SIGSEGV, "how %u value %u", k.how, k.value);
	agent_stop(a);
}

static void failed_starts_say_where_and_why(void)
{
	static const struct {
		const char *program, *cwd, *user;
		uint8_t stage;
		uint32_t errnum;
		const char *text; /* NULL: none, as errno says it */
	} cases[] = {
		{ "no-such-program", "", "", WIRE_STAGE_EXEC, ENOENT, NULL },
		{ "/no/such", "", "", WIRE_STAGE_EXEC, ENOENT, NULL },
		{ "", "", "", WIRE_STAGE_EXEC, ENOENT, NULL },
		{ "/etc/passwd", "", "", WIRE_STAGE_EXEC, EACCES, NULL },
		{ "/etc", "", "", WIRE_STAGE_EXEC, EACCES, "folder" },
		{ "./noshebang", NULL, "", WIRE_STAGE_EXEC, ENOEXEC, "#!" },
		{ "./nointerp", NULL, "", WIRE_STAGE_EXEC, ENOENT, "interpreter" },
		{ "true", "/no/such", "", WIRE_STAGE_CHDIR, ENOENT, "'/no/such': No such file or directory" },
		{ "true", "", "nobody-of-that-name", WIRE_STAGE_USER, ENOENT, "nobody-of-that-name" },
	};

	write_script("noshebang", "echo hello\n", 0755);
	write_script("nointerp", "#!/no/such/interpreter\n", 0755);
	agent_start(a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct job j = { 0 };
		char here[128];

		check(getcwd(here, sizeof(here)), "getcwd");
		job_run(a, &j, (uint16_t)(i + 1),
			&(struct wire_start){ .argv = ARGV(cases[i].program),
					      .cwd = cases[i].cwd ? cases[i].cwd : here,
					      .user = cases[i].user });
		check(!j.is_started && j.stage == cases[i].stage && j.start_errnum == cases[i].errnum &&
			      (cases[i].text ? strstr(j.start_text, cases[i].text) != NULL : !*j.start_text),
		      "case %zu: stage %u errno %u text '%s'", i, j.stage, j.start_errnum, j.start_text);
		job_free(&j);
	}
	agent_stop(a);
}

static void path_is_searched_in_the_programs_environment(void)
{
	struct job j = { 0 }, k = { 0 };
	char path[128], here[64];

	write_script("quiztest", "#!/bin/sh\necho found\n", 0755);
	check(getcwd(here, sizeof(here)), "getcwd");
	snprintf(path, sizeof(path), "PATH=/no/such:%s:/bin", here);
	agent_start(a);
	job_run(a, &j, 1, &(struct wire_start){ .argv = ARGV("quiztest"), .env = ARGV(path) });
	check(strcmp((char *)j.out, "found\n") == 0, "got '%s'", j.out);
	/* Found but not executable is told apart from not found. */
	chmod("quiztest", 0644);
	job_run(a, &k, 1, &(struct wire_start){ .argv = ARGV("quiztest"), .env = ARGV(path) });
	check(k.start_errnum == EACCES, "errno %u", k.start_errnum);
	agent_stop(a);
}

static void exit_is_the_last_word_and_waits_for_nobody_else(void)
{
	struct job j = { 0 }, k = { 0 };
	struct timespec t0, t1;
	struct stat st;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	agent_start(a);
	/* A grandchild keeps both pipes; it must survive writing to them later. */
	job_run(a, &j, 1, &(struct wire_start){ .argv = ARGV("sh", "-c", "(sleep 2; echo late; echo late >&2; touch survived) & echo now"), .cwd = folder });
	clock_gettime(CLOCK_MONOTONIC, &t1);
	check(t1.tv_sec - t0.tv_sec < 2, "EXIT waited for the grandchild");
	check(strcmp((char *)j.out, "now\n") == 0 && j.out_eof && j.err_eof, "got '%s'", j.out);
	job_run(a, &k, 1, SH("sleep 2.5"));
	check(stat("survived", &st) == 0, "the grandchild died of its closed pipe");
	agent_stop(a);
}

static void all_output_comes_before_exit(void)
{
	agent_start(a);
	for (uint16_t i = 1; i <= 50; i++) {
		struct job j = { 0 };

		job_run(a, &j, i, SH("head -c 300000 /dev/zero; head -c 70000 /dev/zero >&2; exit 9"));
		check(j.out_len == 300000 && j.err_len == 70000 && j.out_eof && j.err_eof && j.value == 9, "%zu and %zu bytes",
		      j.out_len, j.err_len);
		job_free(&j);
	}
	agent_stop(a);
}

static void orphans_are_reaped(void)
{
	struct job j = { 0 }, k = { 0 };

	agent_start(a);
	job_run(a, &j, 1, SH("for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.05 &) ; done"));
	job_run(a, &k, 1, SH("sleep 0.5; cat /proc/[0-9]*/stat | grep -c ') Z '"));
	check(strcmp((char *)k.out, "0\n") == 0, "%s zombies", k.out);
	agent_stop(a);
}

const struct test_case program_cases[] = {
	CASE(arguments_arrive_exactly),
	CASE(environment_is_small_and_overridable),
	CASE(limits_and_folder_are_set),
	CASE(empty_argv_is_the_shell),
	CASE(status_and_signal_are_reported),
	CASE(failed_starts_say_where_and_why),
	CASE(path_is_searched_in_the_programs_environment),
	CASE(exit_is_the_last_word_and_waits_for_nobody_else),
	CASE(all_output_comes_before_exit),
	CASE(orphans_are_reaped),
	{ NULL, NULL },
};
