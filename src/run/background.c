/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: the forked supervisor tells us through a pipe how its
 * start goes, in lines: "i ID" when it has one, "r" when the program runs (or
 * the machine waits for us), "t TEXT" for what is to be printed, "x STATUS"
 * when it ended before it was ready. End-of-file without "r" means that it
 * died. After "r" it has nothing more to say to us: it drops the pipe.
 */

#include "run/background.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/client.h"
#include "run/unseen.h"
#include "sys/mend.h"
#include "sys/proc.h"

#define LINE_BYTES_MAX 16384

bool background_is_wanted(const struct runspec *rs)
{
	return rs->detach || rs->keep || rs->on_crash == ON_CRASH_KEEP || rs->on_crash == ON_CRASH_SHELL;
}

/* ---- the supervisor's side ---- */

static int report_fd = -1; /* the pipe; closed once ready */

static void say(char kind, const char *text)
{
	_cleanup_str_ struct str line = STR_INIT;
	const char *p = text;

	if (report_fd < 0)
		return;
	do { /* one report line per line of text */
		size_t n = strcspn(p, "\n");

		str_truncate(&line, 0);
		str_addf(&line, "%c %.*s\n", kind, (int)(n < LINE_BYTES_MAX - 8 ? n : LINE_BYTES_MAX - 8), p);
		if (write(report_fd, line.p, line.len) < 0) {
			/* the terminal has gone: the machine goes on */
		}
		p += n;
	} while (*p++ == '\n' && *p);
}

static void say_text(const char *text)
{
	say('t', text);
}

static void has_id(void *ctx, const char *id)
{
	say('i', id);
}

static void is_ready(void *ctx)
{
	say('r', "");
	close_fd(&report_fd);
}

static _Noreturn void supervise(const struct run_request *req, int fd_consumed)
{
	const struct run_background bg = { .waits_for_client = !req->spec->detach, .has_id = has_id, .ready = is_ready };
	struct run_request mine = *req;
	struct error err = ERROR_INIT;
	int status = 0;
	char number[16];

	report_fd = fd_consumed;
	proc_detach();
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN); /* whoever started us may be gone: then we go on */
	mine.background = &bg;
	if (run_execute(&mine, say_text, &status, &err) < 0) {
		_cleanup_free_ char *text = NULL;

		mend_hint(&err);
		text = mem_printf("quiz: %s\n%s%s", err.text, *err.hint ? "hint: " : "", err.hint);
		say('t', text);
		status = 125;
	}
	snprintf(number, sizeof(number), "%d", status);
	say('x', number);
	_exit(status);
}

/* ---- the terminal's side ---- */

struct start_report {
	char id[64];
	bool is_ready, has_ended;
	int status;
};

static void take_report(struct start_report *r, const char *line, void (*print)(const char *text))
{
	const char *text = line[0] && line[1] ? line + 2 : "";

	switch (line[0]) {
	case 'i':
		snprintf(r->id, sizeof(r->id), "%s", text);
		break;
	case 'r':
		r->is_ready = true;
		break;
	case 'x':
		r->has_ended = true;
		r->status = atoi(text);
		break;
	case 't': {
		_cleanup_free_ char *whole = mem_printf("%s\n", text);

		print(whole);
		break;
	}
	}
}

static void read_report(int fd, struct start_report *r, void (*print)(const char *text))
{
	_cleanup_str_ struct str in = STR_INIT;
	char buf[4096];
	ssize_t n;

	while (!r->is_ready && !r->has_ended && ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR))) {
		char *start, *nl;

		if (n < 0)
			continue;
		str_add_mem(&in, buf, (size_t)n);
		start = in.p;
		while ((nl = memchr(start, '\n', in.len - (size_t)(start - in.p)))) {
			*nl = '\0';
			take_report(r, start, print);
			start = nl + 1;
		}
		size_t rest = in.len - (size_t)(start - in.p);
		memmove(in.p, start, rest);
		str_truncate(&in, rest);
	}
}

/* What is to be said of a crash that has not been told yet: the whole, or else what it is called. NULL: there is none. */
static char *crash_of(const struct client *c, bool was_told)
{
	const char *title = json_string_value(json_object_get(client_status(c), "crash"));
	const char *text = json_string_value(json_object_get(client_status(c), "crash_text"));

	if (!title)
		return NULL;
	return text && !was_told ? mem_strdup(text) : mem_printf("quiz: crash: %s\n", title);
}

static void (*print_crash)(const char *text);
static bool has_told;

static void tell_crash(const char *text)
{
	has_told = true;
	print_crash(text);
}

static int with_client(const struct run_request *req, const char *id, const char *purpose, struct client **ret,
		       struct error *err)
{
	return client_open(req->paths, id, purpose, ret, err);
}

/* The guest does not have the program. A machine that stays can be given it; else the next one has to see it. */
static void absent(const struct run_request *req, const struct client *c, struct error *err)
{
	const char *hint = json_string_value(json_object_get(client_status(c), "absent_hint"));
	const struct strv *argv = &req->spec->argv;

	if (req->ret_is_absent)
		*req->ret_is_absent = true;
	if (req->spec->keep && argv->n)
		unseen_hint_up(client_id(c), client_status(c), argv->v[0], err);
	else if (hint)
		error_hint(err, "%s", hint);
}

/*
 * Runs the program of the run as a client; *ret_crash tells whether the kernel crashed meanwhile,
 * *ret_is_up whether the machine stays (it was not told to stop).
 */
static int run_program(const struct run_request *req, const char *id, void (*print)(const char *text), int *ret_status,
		       char **ret_crash, bool *ret_is_up, struct error *err)
{
	struct client *c;
	int r;

	if (with_client(req, id, "run", &c, err) < 0)
		return -1;
	print_crash = print;
	r = client_exec_planned(c, tell_crash, ret_status, err);
	if (r < 0 && err->kind == ERROR_MISSING)
		absent(req, c, err);
	if (client_input_error(c)) {
		_cleanup_free_ char *line = mem_printf("quiz: %s\n", client_input_error(c)->text);

		print(line);
	}
	client_free(c);
	if (with_client(req, id, "verdict", &c, NULL) == 0) {
		*ret_crash = crash_of(c, has_told);
		*ret_is_up = !str_eq(json_string_value(json_object_get(client_status(c), "state")), "ending");
		client_free(c);
	}
	return r;
}

static void stop_machine(const struct run_request *req, const char *id)
{
	struct client *c;

	if (with_client(req, id, "stop", &c, NULL) < 0)
		return;
	client_stop(c, false, NULL);
	client_free(c);
}

/* Without a terminal it is one that reads commands, to the end of the input: nobody could leave the other. */
static void open_shell(const struct run_request *req, const char *id)
{
	struct run_program shell = { .tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO), .has_stdin = true };
	struct client *c;
	int status;

	if (getenv("TERM"))
		strv_addf(&shell.env, "TERM=%s", getenv("TERM"));
	if (with_client(req, id, "shell", &c, NULL) == 0) {
		client_exec(c, &shell, &status, NULL);
		client_free(c);
	}
	strv_clear(&shell.env);
}

static int be_owner(const struct run_request *req, const char *id, void (*print)(const char *text), int *ret_status,
		    struct error *err)
{
	const struct runspec *rs = req->spec;
	_cleanup_free_ char *crash = NULL;
	_cleanup_free_ char *text = NULL;
	bool is_up = false;
	int r;

	r = run_program(req, id, print, ret_status, &crash, &is_up, err);
	if (crash) {
		print(crash);
		*ret_status = 122;
		if (rs->on_crash == ON_CRASH_SHELL)
			open_shell(req, id);
	}
	if (is_up && (rs->keep || (crash && rs->on_crash == ON_CRASH_KEEP))) {
		text = mem_printf("quiz: machine %s stays up: quiz shell %s, quiz logs %s, quiz stop %s\n", id, id, id, id);
		if (!rs->quiet)
			print(text);
	} else if (is_up) {
		stop_machine(req, id);
	}
	if (r < 0 && *ret_status) { /* not found, not executable, gone: the status is the message */
		free(text);
		text = mem_printf("quiz: %s\n%s%s%s", err->text, *err->hint ? "hint: " : "", err->hint, *err->hint ? "\n" : "");
		print(text);
		error_clear(err);
		r = 0;
	}
	return r;
}

int background_execute(const struct run_request *req, void (*print)(const char *text), int *ret_status,
		       struct error *err)
{
	struct start_report report = { .status = 120 };
	_cleanup_close_ int read_end = -1;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make a pipe");
	read_end = fds[0];
	pid = proc_fork(true, err);
	if (pid < 0) {
		close(fds[1]);
		return -1;
	}
	if (pid == 0) {
		close_fd(&read_end);
		supervise(req, fds[1]);
	}
	close(fds[1]);
	read_report(read_end, &report, print);
	if (!report.is_ready) {
		waitpid(pid, NULL, 0);
		*ret_status = report.status;
		return 0;
	}
	if (!req->spec->detach)
		return be_owner(req, report.id, print, ret_status, err);
	printf("%s\n", report.id);
	fflush(stdout);
	*ret_status = 0;
	return 0;
}
