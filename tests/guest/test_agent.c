/* SPDX-License-Identifier: MPL-2.0 */
/* The agent's promises to the host, one test each, on the real binary. TAP. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define SH(script, ...) &(struct wire_start){ .argv = ARGV("/bin/sh", "-c", script, "sh", ##__VA_ARGS__) }

static struct agent agent, *a = &agent;
static char folder[] = "/tmp/quiz-guest-XXXXXX"; /* the current test's own */

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

static void write_script(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "write %s", name);
	close(fd);
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
		{ "true", "/no/such", "", WIRE_STAGE_CHDIR, ENOENT, "/no/such" },
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

/* ---- streams ---- */

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

/* ---- terminals ---- */

static void until_output_has(struct job *j, const char *text)
{
	struct wire_frame f;

	while (!strstr((char *)j->out, text)) {
		check(!j->is_over, "ended without '%s': '%s'", text, j->out);
		check(agent_next(a, 10000, &f), "no '%s' in '%s'", text, j->out);
		if (f.session)
			job_frame(a, j, &f);
	}
}

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

/* ---- requests ---- */

static void requests_are_done_in_order(void)
{
	struct job j = { 0 };
	struct wire_frame f;
	uint32_t next = 1;
	char path[128];

	agent_start(a);
	snprintf(path, sizeof(path), "%s/deep/er/file", folder);
	SEND(a, write_file, 0, .id = 1, .path = path, .mode = 0640, .flags = WIRE_WRITE_CREATE, .data = { "one\n", 4 });
	SEND(a, load_module, 0, .id = 2, .module = "no_such_module_of_quiz"); /* by a child */
	SEND(a, write_file, 0, .id = 3, .path = path, .flags = WIRE_WRITE_APPEND, .data = { "two\n", 4 });
	SEND(a, load_module, 0, .id = 4, .module = "no_such_module_of_quiz", .flags = WIRE_MODULE_OPTIONAL);
	SEND(a, write_file, 0, .id = 5, .path = path, .flags = WIRE_WRITE_APPEND, .data = { "three\n", 6 });
	job_begin(a, &j, 9, &(struct wire_start){ .argv = ARGV("cat", path, "-"), .flags = WIRE_START_STDIN });
	SEND(a, data, 9, .stream = WIRE_STDIN, .data = { "four\n", 5 });
	SEND(a, eof, 9, .stream = WIRE_STDIN);
	while (!j.is_over) {
		struct wire_result r;

		check(agent_next(a, 10000, &f), "no answer");
		if (f.session) {
			check(next == 6, "the program runs before request %u is done", next);
			job_frame(a, &j, &f);
		} else if (f.type == WIRE_RESULT) {
			check(wire_get_result(&f, &r) == WIRE_OK && r.id == next, "result %u, not %u", r.id, next);
			check(r.id == 2 ? r.errnum == ENOENT && strstr(r.text, "no_such_module_of_quiz") : r.errnum == 0,
			      "request %u: %u %s", r.id, r.errnum, r.text);
			next++;
		}
	}
	check(strcmp((char *)j.out, "one\ntwo\nthree\nfour\n") == 0, "got '%s'", j.out);
	agent_stop(a);
}

static void files_are_written_as_asked(void)
{
	struct stat st;
	char path[128];

	agent_start(a);
	snprintf(path, sizeof(path), "%s/knob", folder);
	SEND(a, write_file, 0, .id = 1, .path = path, .data = { "1", 1 });
	check(agent_result(a, 1) == ENOENT, "a missing file was made");
	SEND(a, write_file, 0, .id = 2, .path = path, .flags = WIRE_WRITE_OPTIONAL, .data = { "1", 1 });
	check(agent_result(a, 2) == 0, "an optional file: %s", agent_result_text);
	SEND(a, write_file, 0, .id = 3, .path = path, .mode = 04711, .flags = WIRE_WRITE_CREATE, .data = { "1", 1 });
	check(agent_result(a, 3) == 0, "%s", agent_result_text);
	check(stat(path, &st) == 0 && (st.st_mode & 07777) == 04711 && st.st_size == 1, "mode %o", st.st_mode);
	snprintf(path, sizeof(path), "%s/a/b", folder);
	SEND(a, make_dir, 0, .id = 4, .path = path, .mode = 0700);
	check(agent_result(a, 4) == 0 && stat(path, &st) == 0 && (st.st_mode & 07777) == 0700, "%s", agent_result_text);
	SEND(a, make_dir, 0, .id = 5, .path = path, .mode = 0700);
	check(agent_result(a, 5) == 0, "an existing folder: %s", agent_result_text);
	SEND(a, make_dir, 0, .id = 6, .path = "relative", .mode = 0700);
	check(agent_result(a, 6) == EINVAL, "a relative path");
	agent_stop(a);
}

static void impossible_requests_name_what_is_missing(void)
{
	agent_start(a);
	SEND(a, mount_image, 0, .id = 1, .serial = "no-such-disk", .name = "root", .fstype = "");
	check(agent_result(a, 1) == ENOENT && strstr(agent_result_text, "no-such-disk"), "%s", agent_result_text);
	SEND(a, mount_image, 0, .id = 2, .serial = "no-such-disk", .name = "../root", .fstype = "");
	check(agent_result(a, 2) == EINVAL && strstr(agent_result_text, "../root"), "%s", agent_result_text);
	SEND(a, network, 0, .id = 3, .mac = "52:54:00:00:00:01");
	check(agent_result(a, 3) != 0 && strstr(agent_result_text, "52:54:00:00:00:01"), "%s", agent_result_text);
	SEND(a, memdev, 0, .id = 4, .prefix = "a/b", .count = 1, .size_bytes = 4096);
	check(agent_result(a, 4) == EINVAL, "%s", agent_result_text);
	SEND(a, assemble, 0, .id = 5, .layers = ARGV("a"));
	check(agent_result(a, 5) == ENOENT, "%s", agent_result_text);
	agent_stop(a);
}

static void counters_come_before_their_result(void)
{
	struct wire_counts m;
	struct wire_frame f;
	uint32_t pos = 0;
	const char *first;

	agent_start(a);
	SEND(a, counters, 0, .id = 1);
	check(agent_next(a, 10000, &f) && wire_get_counts(&f, &m) == WIRE_OK, "no COUNTS");
	first = wire_list_next(&m.counts, &pos);
	check(first && strncmp(first, "tainted=", 8) == 0, "first counter: %s", first ? first : "none");
	check(agent_next(a, 10000, &f) && f.type == WIRE_RESULT, "no RESULT");
	agent_stop(a);
}

static void a_slow_request_does_not_stop_pings(void)
{
	struct wire_frame f;
	struct wire_pong pong;
	char path[128];
	int fd;

	/* Opening a fifo for reading hangs until somebody writes to it: a module load that hangs. */
	snprintf(path, sizeof(path), "%s/module.ko", folder);
	check(mkfifo(path, 0600) == 0, "mkfifo");
	agent_start(a);
	SEND(a, load_module, 0, .id = 1, .module = path);
	SEND(a, ping, 0, .nonce = 4711);
	check(agent_next(a, 5000, &f) && wire_get_pong(&f, &pong) == WIRE_OK && pong.nonce == 4711, "no PONG");
	fd = open(path, O_WRONLY);
	close(fd);
	check(agent_result(a, 1) != 0, "a fifo was loaded as a module");
	agent_stop(a);
}

/* ---- kernel messages ---- */

static void log_record(unsigned seq, const char *text)
{
	char buf[256];
	int n = snprintf(buf, sizeof(buf), "6,%u,%u,-;%s\n SUBSYSTEM=test\n", seq, seq * 10, text);

	check(write(a->kmsg, buf, (size_t)n) == n, "write a record");
}

static void kernel_messages_come_before_the_end(void)
{
	static const unsigned counts[] = { 0, 1, 16, 64, 80, 128, 200 };
	unsigned seq = 0;

	agent_start(a);
	for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		unsigned next = seq + 1;
		struct wire_frame f;
		struct wire_kmsg m;

		for (unsigned k = 0; k < counts[i]; k++)
			log_record(++seq, "some \\x22text\\x22");
		SEND(a, finish, 0, .id = i, .flags = i % 2 ? WIRE_FINISH_SYNC : 0);
		for (;;) {
			check(agent_next(a, 10000, &f), "no RESULT after %u records", counts[i]);
			if (f.type == WIRE_RESULT)
				break;
			check(wire_get_kmsg(&f, &m) == WIRE_OK, "%s", wire_type_name(f.type));
			check(m.seq == next && m.level == 6 && m.time_us == next * 10 &&
				      strcmp(m.text, "some \"text\"") == 0,
			      "record %u: %s", next, m.text);
			next++;
		}
		check(next == seq + 1, "RESULT before record %u of %u", next, seq);
	}
	agent_stop(a);
}

/* LAST: what COUNTERS and FINISH would bring comes before EXIT, after the program's own output. */
static void the_last_program_is_the_last_word(void)
{
	struct wire_frame f;
	struct wire_kmsg m;
	unsigned next = 1, n_counts = 0;

	agent_start(a);
	for (unsigned k = 1; k <= 100; k++)
		log_record(k, "text");
	SEND(a, start, 1, .argv = ARGV("sh", "-c", "echo out; exit 4"), .flags = WIRE_START_LAST);
	for (;;) {
		check(agent_next(a, 10000, &f), "no EXIT");
		if (f.type == WIRE_KMSG) {
			check(wire_get_kmsg(&f, &m) == WIRE_OK && m.seq == next, "record %u came as %u", next, (unsigned)m.seq);
			next++;
		}
		check(f.type != WIRE_DATA || !n_counts, "output behind COUNTS");
		n_counts += f.type == WIRE_COUNTS;
		if (f.type == WIRE_EXIT)
			break;
	}
	check(n_counts == 1 && next == 101, "%u COUNTS and %u records before EXIT", n_counts, next - 1);
	SEND(a, ping, 0, .nonce = 1);
	check(agent_next(a, 5000, &f) && f.type == WIRE_PONG, "it is not there any more");
	agent_stop(a);
}

/* IF_DONE: sent behind its setup without waiting, a program must not run when a step of it has failed. */
static void a_program_behind_a_failed_request_is_refused(void)
{
	struct job refused = { 0 }, plain = { 0 }, ok = { 0 };

	agent_start(a);
	job_run(a, &ok, 1, &(struct wire_start){ .argv = ARGV("true"), .flags = WIRE_START_IF_DONE });
	check(ok.is_started && ok.value == 0, "refused though nothing has failed: %s", ok.start_text);
	SEND(a, write_file, 0, .id = 1, .path = "/no/such/folder/file", .data = { "x", 1 });
	job_run(a, &refused, 2, &(struct wire_start){ .argv = ARGV("touch", "was-here"), .flags = WIRE_START_IF_DONE });
	check(!refused.is_started && refused.start_errnum == ECANCELED, "errno %u: %s", refused.start_errnum, refused.start_text);
	check(access("was-here", F_OK) < 0, "it ran all the same");
	job_run(a, &plain, 3, &(struct wire_start){ .argv = ARGV("true") });
	check(plain.is_started && plain.value == 0, "without the flag: %s", plain.start_text);
	agent_stop(a);
}

static void quiesce_is_silence(void)
{
	struct wire_frame f;

	agent_start(a);
	SEND(a, quiesce, 0, .id = 1);
	check(agent_result(a, 1) == 0, "%s", agent_result_text);
	log_record(1, "psst");
	check(!agent_next(a, 300, &f), "%s while it should be still", wire_type_name(f.type));
	SEND(a, ping, 0, .nonce = 1);
	check(agent_next(a, 5000, &f) && f.type == WIRE_PONG, "no PONG");
	check(agent_next(a, 5000, &f) && f.type == WIRE_KMSG, "no KMSG");
	agent_stop(a);
}

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

/* ---- files ---- */

static const char make_tree[] =
	"mkdir -p tree/sub/empty tree/ro && cd tree && echo hello >file && chmod 4751 file && ln -s ../../../etc/passwd link && "
	"ln file hard && printf x | dd of=sparse bs=1 seek=50000000 2>/dev/null && head -c 700000 /dev/urandom >sub/random && "
	": >sub/nothing && touch -d '2001-02-03 04:05:06.789' file sub && mkfifo pipe && touch 'odd\nname \\ \"' && "
	"echo r >ro/f && chmod 555 ro && chmod 000 sub/nothing && mkdir -p sub/deep/er/and/deeper && ln -s nowhere sub/dangling";

static void files_make_the_round_trip(void)
{
	struct job out = { 0 }, in = { 0 }, diff = { 0 };
	char from[128], to[128];

	check(system(make_tree) == 0, "make a tree");
	snprintf(from, sizeof(from), "%s/tree", folder);
	snprintf(to, sizeof(to), "%s/copy", folder);
	agent_start(a);
	job_run(a, &out, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_OUT, .argv = ARGV(from) });
	check(out.is_started && out.how == WIRE_EXITED && out.value == 0, "out: how %u value %u %s", out.how, out.value, out.err);
	check(out.out_len < 2000000, "the holes were sent: %zu bytes", out.out_len);
	in.in = out.out;
	in.in_len = out.out_len;
	job_run(a, &in, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_IN, .argv = ARGV(to) });
	check(in.is_started && in.how == WIRE_EXITED && in.value == 0, "in: how %u value %u %s", in.how, in.value, in.err);
	job_run(a, &diff, 1,
		&(struct wire_start){
			.argv = ARGV("sh", "-c",
				     "find . -name 'odd*' | grep -q . || exit 9; "
				     "(cd tree && find . -print0 | sort -z | xargs -0 stat -c '%n %F %a %y %h %U %N') >1; "
				     "(cd copy && find . -print0 | sort -z | xargs -0 stat -c '%n %F %a %y %h %U %N') >2; "
				     "diff 1 2 && diff -r --no-dereference -x pipe tree copy && "
				     "test $(stat -c %b copy/sparse) -lt 100"),
			.cwd = folder });
	check(diff.value == 0, "copy differs (%u): %s%s", diff.value, diff.out, diff.err);
	agent_stop(a);
}

static void files_into_a_folder_take_their_name(void)
{
	struct job out = { 0 }, in = { 0 };
	struct stat st;
	char from[128];

	write_script("one", "1\n", 0644);
	mkdir("into", 0755);
	snprintf(from, sizeof(from), "%s/one", folder);
	agent_start(a);
	job_run(a, &out, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_OUT, .argv = ARGV(from) });
	in.in = out.out;
	in.in_len = out.out_len;
	snprintf(from, sizeof(from), "%s/into", folder);
	job_run(a, &in, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_IN, .argv = ARGV(from, "two") });
	check(in.how == WIRE_EXITED && in.value == 0 && stat("into/two", &st) == 0, "how %u value %u %s", in.how, in.value, in.err);
	agent_stop(a);
}

static void broken_transfers_are_errors(void)
{
	struct job missing = { 0 }, out = { 0 }, in = { 0 };
	char to[128];

	agent_start(a);
	job_run(a, &missing, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_OUT, .argv = ARGV("/no/such/file") });
	check(missing.how == WIRE_FAILED && missing.value == ENOENT && strstr((char *)missing.err, "/no/such/file"),
	      "how %u value %u '%s'", missing.how, missing.value, missing.err);
	job_run(a, &out, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_OUT, .argv = ARGV("/etc/passwd") });
	in.in = out.out;
	in.in_len = out.out_len - 1;
	snprintf(to, sizeof(to), "%s/cut", folder);
	job_run(a, &in, 1, &(struct wire_start){ .kind = WIRE_KIND_FILES_IN, .argv = ARGV(to) });
	check(in.how == WIRE_FAILED && strstr((char *)in.err, "incomplete"), "how %u '%s'", in.how, in.err);
	agent_stop(a);
}

/* ---- a host that misbehaves ---- */

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

#define TEST(name) { #name, name }
static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	TEST(arguments_arrive_exactly),
	TEST(environment_is_small_and_overridable),
	TEST(limits_and_folder_are_set),
	TEST(empty_argv_is_the_shell),
	TEST(status_and_signal_are_reported),
	TEST(failed_starts_say_where_and_why),
	TEST(path_is_searched_in_the_programs_environment),
	TEST(exit_is_the_last_word_and_waits_for_nobody_else),
	TEST(all_output_comes_before_exit),
	TEST(orphans_are_reaped),
	TEST(binary_data_passes_both_ways),
	TEST(without_stdin_there_is_end_of_file),
	TEST(a_stalled_stream_stalls_nobody_else),
	TEST(a_program_that_does_not_read_stops_the_host_only),
	TEST(writing_to_one_who_stopped_reading_is_harmless),
	TEST(hundred_sessions_and_the_limit),
	TEST(terminal_has_size_and_job_control),
	TEST(terminal_signals_go_to_the_foreground),
	TEST(end_of_file_on_a_terminal_is_typed),
	TEST(the_end_of_a_terminals_output_is_not_lost),
	TEST(signals_reach_the_process_group),
	TEST(requests_are_done_in_order),
	TEST(files_are_written_as_asked),
	TEST(impossible_requests_name_what_is_missing),
	TEST(counters_come_before_their_result),
	TEST(a_slow_request_does_not_stop_pings),
	TEST(kernel_messages_come_before_the_end),
	TEST(the_last_program_is_the_last_word),
	TEST(a_program_behind_a_failed_request_is_refused),
	TEST(quiesce_is_silence),
	TEST(a_spare_is_the_first_program),
	TEST(a_spare_fails_as_any_child),
	TEST(a_spare_goes_where_it_does_not_fit),
	TEST(a_spare_is_not_for_files),
	TEST(files_make_the_round_trip),
	TEST(files_into_a_folder_take_their_name),
	TEST(broken_transfers_are_errors),
	TEST(garbage_ends_the_conversation),
	TEST(random_bytes_never_crash_it),
	TEST(more_than_the_window_is_a_breach),
	TEST(other_versions_are_refused),
	TEST(nothing_is_done_before_welcome),
	TEST(programs_die_with_the_channel),
};

/* In a process and a folder of its own, with a time limit; its agents die with it (unshare --kill-child). */
static bool run_test(size_t i)
{
	char command[128];
	pid_t pid;
	int st;

	strcpy(folder, "/tmp/quiz-guest-XXXXXX");
	if (!mkdtemp(folder))
		return false;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(90);
		if (chdir(folder) < 0)
			_exit(1);
		tests[i].run();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &st, 0);
	if (WIFSIGNALED(st))
		printf("# ended by signal %d%s\n", WTERMSIG(st), WTERMSIG(st) == SIGALRM ? ": it took too long" : "");
	snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", folder, folder);
	if (system(command) != 0)
		printf("# cannot remove %s\n", folder);
	return WIFEXITED(st) && WEXITSTATUS(st) == 0;
}

int main(int argc, char **argv)
{
	const char *why = agent_cannot_run();
	size_t n = sizeof(tests) / sizeof(tests[0]), n_failed = 0;

	if (why) {
		printf("1..0 # SKIP %s\n", why);
		return 0;
	}
	printf("1..%zu\n", argc > 1 ? 1 : n);
	for (size_t i = 0, k = 0; i < n; i++) {
		bool ok;

		if (argc > 1 && strcmp(argv[1], tests[i].name) != 0)
			continue;
		ok = run_test(i);
		n_failed += !ok;
		printf("%sok %zu - %s\n", ok ? "" : "not ", ++k, tests[i].name);
	}
	return n_failed > 0;
}
