/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: fork, then in the child only async-signal-safe calls
 * until exec. Descriptors are moved in two steps, first above every target
 * number and then onto it, so that a map like 3->4, 4->3 works. All other
 * descriptors are close-on-exec from birth. A failing step writes its errno
 * into a close-on-exec pipe; end-of-file on it means that exec succeeded.
 */

#include "sys/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sys/fs.h"

#define OUTPUT_MAX (16u << 20)
#define TAIL_MAX 2048
#define LINE_MAX_BYTES 65536 /* what has no newline for longer is no text to be looked at */

/* Groups of running children, for the signal handler; 0: a free place. More than these are simply not ended early. */
static volatile sig_atomic_t running[32];

static void note_running(pid_t pid, bool is_running)
{
	for (size_t i = 0; i < ARRAY_SIZE(running); i++) {
		if (running[i] == (is_running ? 0 : (sig_atomic_t)pid)) {
			running[i] = is_running ? (sig_atomic_t)pid : 0;
			return;
		}
	}
}

static void end_together(int signo)
{
	for (size_t i = 0; i < ARRAY_SIZE(running); i++)
		if (running[i] > 1)
			kill(-(pid_t)running[i], SIGTERM);
	/* Blocked while we are in here, SA_RESETHAND: it ends us on the way out. */
	raise(signo);
}

void proc_end_together(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = end_together, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

/* What came for us between fork and here was the whole group's, and is our parent's to act upon: it is forgotten. */
static void reset_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		if (s != SIGKILL && s != SIGSTOP)
			sigaction(s, &sa, NULL);
	sa.sa_handler = SIG_DFL;
	for (int s = 1; s < NSIG; s++)
		if (s != SIGKILL && s != SIGSTOP)
			sigaction(s, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The parent may have died between fork and prctl: then nobody would ever kill us. */
static void die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

/*
 * Forks with all signals blocked, so that none runs a handler of ours in the
 * child, where it would be told to nobody, or to our loop a second time.
 */
static pid_t fork_blocked(sigset_t *ret_old)
{
	sigset_t all;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, ret_old);
	pid = fork();
	if (pid != 0) {
		int saved = errno;

		sigprocmask(SIG_SETMASK, ret_old, NULL);
		errno = saved;
	}
	return pid;
}

static int fork_failed(const char *what, struct error *err)
{
	bool is_limit = errno == EAGAIN;

	error_sys(err, errno, "make a process for '%s'", what);
	return is_limit ? error_hint(err, "ulimit -u shows how many processes you may have; ps -fu $USER those that there are") : -1;
}

pid_t proc_fork(bool survives, struct error *err)
{
	pid_t parent = getpid(), pid;
	sigset_t old;

	pid = fork_blocked(&old);
	if (pid < 0)
		return fork_failed("quiz", err);
	if (pid == 0 && survives)
		sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid == 0 && !survives) {
		reset_signals();
		die_with(parent);
	}
	return pid;
}

pid_t proc_call(proc_call_fn *fn, void *ctx, int *ret_fd, struct error *err)
{
	struct error why = ERROR_INIT;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make a pipe");
	pid = proc_fork(false, err);
	if (pid == 0) {
		setpgid(0, 0);
		if (fn(ctx, &why) < 0 && write(fds[1], &why, sizeof(why)) == (ssize_t)sizeof(why)) /* a pipe has room for it */
			_exit(1);
		_exit(0);
	}
	close(fds[1]);
	if (pid < 0)
		close(fds[0]);
	else
		*ret_fd = fds[0];
	return pid;
}

int proc_call_end(int *fd, int wait_status, struct error *err)
{
	struct error why;
	ssize_t n = read(*fd, &why, sizeof(why));

	close_fd(fd);
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
		return 0;
	if (n != (ssize_t)sizeof(why))
		return error_set(err, ERROR_CHILD, "a process of quiz's own ended by signal %d",
				 WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0);
	if (err)
		*err = why;
	return -1;
}

void proc_detach(void)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	setsid();
	for (int i = 0; null_fd >= 0 && i < 3; i++)
		dup2(null_fd, i);
	while (d && (e = readdir(d))) {
		int fd = atoi(e->d_name), flags = fd > 2 ? fcntl(fd, F_GETFD) : -1;

		if (flags >= 0 && !(flags & FD_CLOEXEC))
			close(fd);
	}
	if (d)
		closedir(d);
	if (null_fd > 2)
		close(null_fd);
}

static void set_oom_score(int adj)
{
	char text[16];
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	int n = snprintf(text, sizeof(text), "%d", adj);
	ssize_t w = write(fd, text, (size_t)n);
	(void)w; /* a courtesy to the host */
	close(fd);
}

/* Gives the child exactly spec->fds, with /dev/null for what is missing of 0, 1, 2. */
static int move_fds(const struct proc_spec *spec, int *report_fd)
{
	int top = 2, moved[64];
	bool have[3] = { false, false, false };
	int fd;

	if (spec->n_fds > ARRAY_SIZE(moved)) {
		errno = EMFILE;
		return -1;
	}
	for (size_t i = 0; i < spec->n_fds; i++) {
		if (spec->fds[i].child_fd > top)
			top = spec->fds[i].child_fd;
		if (spec->fds[i].child_fd < 3)
			have[spec->fds[i].child_fd] = true;
	}
	fd = fcntl(*report_fd, F_DUPFD_CLOEXEC, top + 1);
	if (fd < 0)
		return -1;
	*report_fd = fd;
	for (size_t i = 0; i < spec->n_fds; i++) {
		moved[i] = fcntl(spec->fds[i].fd, F_DUPFD_CLOEXEC, top + 1);
		if (moved[i] < 0)
			return -1;
	}
	for (size_t i = 0; i < spec->n_fds; i++)
		if (dup2(moved[i], spec->fds[i].child_fd) < 0)
			return -1;
	for (int i = 0; i < 3; i++) {
		if (have[i])
			continue;
		fd = open("/dev/null", i ? O_WRONLY : O_RDONLY);
		if (fd < 0)
			return -1;
		if (fd != i) {
			if (dup2(fd, i) < 0)
				return -1;
			close(fd);
		}
	}
	return 0;
}

static _Noreturn void child_main(const struct proc_spec *spec, const char *path, int report_fd, pid_t parent)
{
	int saved;

	if (spec->survives)
		setsid();
	else if (!spec->same_group)
		setpgid(0, 0);
	reset_signals(); /* not before: the terminal's are for its foreground group */
	if (!spec->survives)
		die_with(parent);
	if (spec->oom_score_adj)
		set_oom_score(spec->oom_score_adj);
	if (move_fds(spec, &report_fd) == 0 && (!spec->cwd || chdir(spec->cwd) == 0))
		execve(path, (char *const *)spec->argv, spec->env ? (char *const *)spec->env : environ);
	saved = errno;
	ssize_t n = write(report_fd, &saved, sizeof(saved));
	(void)n;
	_exit(127);
}

int proc_start(const struct proc_spec *spec, pid_t *ret_pid, struct error *err)
{
	const char *name = spec->argv[0];
	_cleanup_free_ char *path = strchr(name, '/') ? mem_strdup(name) : fs_find_program(name);
	_cleanup_close_ int read_end = -1;
	_cleanup_close_ int write_end = -1;
	int fds[2], child_errno = 0;
	pid_t parent = getpid(), pid;
	sigset_t old;
	ssize_t n;

	if (!path)
		return error_set(err, ERROR_MISSING, "cannot run '%s': not found in PATH", name);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make a pipe");
	read_end = fds[0];
	write_end = fds[1];
	pid = fork_blocked(&old);
	if (pid < 0)
		return fork_failed(name, err);
	if (pid == 0)
		child_main(spec, path, write_end, parent);
	close_fd(&write_end);
	do
		n = read(read_end, &child_errno, sizeof(child_errno));
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(child_errno)) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		if (child_errno == ENOENT && (!spec->cwd || fs_is_dir(spec->cwd)))
			return error_set(err, ERROR_MISSING, "cannot run '%s': not found", path);
		return error_sys(err, child_errno, "run '%s'%s%s", path, spec->cwd ? " in " : "", spec->cwd ? spec->cwd : "");
	}
	if (!spec->same_group && !spec->survives)
		note_running(pid, true);
	*ret_pid = pid;
	return 0;
}

int proc_wait(pid_t pid, int *ret_status, struct error *err)
{
	int st;

	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return error_sys(err, errno, "wait for process %d", (int)pid);
	note_running(pid, false);
	*ret_status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
	return 0;
}

void proc_kill(pid_t pid, unsigned grace_ms)
{
	const struct timespec step = { .tv_nsec = 2000000 };

	if (pid <= 1)
		return;
	note_running(pid, false);
	if (grace_ms) {
		if (kill(-pid, SIGTERM) < 0)
			kill(pid, SIGTERM);
		for (unsigned waited = 0; waited < grace_ms; waited += 2) {
			pid_t r = waitpid(pid, NULL, WNOHANG);

			if (r == pid || (r < 0 && errno == ECHILD))
				return;
			nanosleep(&step, NULL);
		}
	}
	if (kill(-pid, SIGKILL) < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Keeps the last TAIL_MAX bytes or so. */
static void add_tail(struct str *tail, const char *buf, size_t n)
{
	str_add_mem(tail, buf, n);
	if (tail->len > 4 * TAIL_MAX) {
		size_t drop = tail->len - TAIL_MAX;

		memmove(tail->p, tail->p + drop, TAIL_MAX);
		str_truncate(tail, TAIL_MAX);
	}
}

static int child_error(const char *name, int status, const struct str *tail, struct error *err)
{
	_cleanup_str_ struct str text = STR_INIT;
	const char *t = str_cstr(tail);
	size_t len = strlen(t);

	while (len && (t[len - 1] == '\n' || t[len - 1] == ' '))
		len--;
	if (len > TAIL_MAX) {
		const char *nl = memchr(t + len - TAIL_MAX, '\n', TAIL_MAX);
		size_t from = nl ? (size_t)(nl + 1 - t) : len - TAIL_MAX;

		t += from;
		len -= from;
	}
	str_add_safe(&text, t, len, true);
	if (status > 128)
		error_set(err, ERROR_CHILD, "'%s' was ended by signal %d", name, status - 128);
	else
		error_set(err, ERROR_CHILD, "'%s' failed with status %d", name, status);
	if (err && text.len) {
		size_t at = strlen(err->text);

		snprintf(err->text + at, sizeof(err->text) - at, ":\n%s", text.p);
	}
	return -1;
}

int proc_run_spec(const struct proc_spec *spec, struct str *ret_out, struct error *err)
{
	_cleanup_close_ int out_r = -1;
	_cleanup_close_ int out_w = -1;
	_cleanup_close_ int err_r = -1;
	_cleanup_close_ int err_w = -1;
	_cleanup_str_ struct str tail = STR_INIT;
	struct proc_fd fds[64];
	struct proc_spec s = *spec;
	int p[2], status;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make a pipe");
	out_r = p[0];
	out_w = p[1];
	if (pipe2(p, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make a pipe");
	err_r = p[0];
	err_w = p[1];
	if (spec->n_fds + 2 > ARRAY_SIZE(fds))
		return error_set(err, ERROR_SYSTEM, "too many descriptors for '%s'", spec->argv[0]);
	if (spec->n_fds)
		memcpy(fds, spec->fds, spec->n_fds * sizeof(*fds));
	fds[spec->n_fds] = (struct proc_fd){ ret_out ? out_w : STDERR_FILENO, 1 };
	fds[spec->n_fds + 1] = (struct proc_fd){ err_w, 2 };
	s.fds = fds;
	s.n_fds = spec->n_fds + 2;
	if (proc_start(&s, &pid, err) < 0)
		return -1;
	close_fd(&out_w);
	close_fd(&err_w);
	struct pollfd pf[2] = { { .fd = out_r, .events = POLLIN }, { .fd = err_r, .events = POLLIN } };
	while (pf[0].fd >= 0 || pf[1].fd >= 0) {
		char buf[16384];

		if (poll(pf, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		for (int i = 0; i < 2; i++) {
			if (pf[i].fd < 0 || !pf[i].revents)
				continue;
			ssize_t n = read(pf[i].fd, buf, sizeof(buf));
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				pf[i].fd = -1;
			else if (i == 1)
				add_tail(&tail, buf, (size_t)n);
			else if (ret_out && ret_out->len < OUTPUT_MAX)
				str_add_mem(ret_out, buf, (size_t)n);
		}
	}
	if (proc_wait(pid, &status, err) < 0)
		return -1;
	return status ? child_error(spec->argv[0], status, &tail, err) : 0;
}

int proc_run(const char *const *argv, struct str *ret_out, struct error *err)
{
	struct proc_spec spec = { .argv = argv };

	return proc_run_spec(&spec, ret_out, err);
}

/* ---- signals for a program that must end in order ---- */

static volatile sig_atomic_t passed_signal;
static volatile pid_t passed_to;

static const int passed_signals[] = { SIGINT, SIGTERM, SIGHUP };

static void pass_signal(int signo)
{
	int saved = errno;

	passed_signal = signo;
	if (passed_to > 0)
		kill(-passed_to, SIGTERM);
	errno = saved;
}

static void pass_begin(struct sigaction *old)
{
	struct sigaction sa = { .sa_handler = pass_signal };

	passed_signal = 0;
	for (size_t i = 0; i < ARRAY_SIZE(passed_signals); i++)
		sigaction(passed_signals[i], &sa, &old[i]);
}

static void pass_to(pid_t pid)
{
	passed_to = pid;
	if (passed_signal) /* it came before there was anybody to pass it to */
		kill(-pid, SIGTERM);
}

static void pass_end(const struct sigaction *old)
{
	passed_to = 0;
	for (size_t i = 0; i < ARRAY_SIZE(passed_signals); i++)
		sigaction(passed_signals[i], &old[i], NULL);
}

int proc_passed_signal(void)
{
	return passed_signal;
}

/* To the end of the stream: all of it to the log, its last bytes to the tail, whole lines to line(). */
/* A line ends with a newline, or is drawn over: "Receiving objects:  23%\r". */
static char *line_end(char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] == '\n' || s[i] == '\r')
			return s + i;
	return NULL;
}

static void read_lines(int fd, int log_fd, proc_line_fn *line, void *ctx, struct str *tail)
{
	_cleanup_str_ struct str pending = STR_INIT;
	char buf[16384];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)) {
		char *start, *nl;
		size_t rest;

		if (n < 0)
			continue;
		if (log_fd >= 0 && write(log_fd, buf, (size_t)n) < 0) {
			/* A full disk shows in the build itself. */
		}
		add_tail(tail, buf, (size_t)n);
		str_add_mem(&pending, buf, (size_t)n);
		start = pending.p;
		while ((nl = line_end(start, pending.len - (size_t)(start - pending.p)))) {
			bool is_drawn_over = *nl == '\r';

			*nl = '\0';
			if (line && (*start || !is_drawn_over))
				line(ctx, start);
			start = nl + 1;
		}
		rest = pending.len - (size_t)(start - pending.p);
		memmove(pending.p, start, rest);
		str_truncate(&pending, rest < LINE_MAX_BYTES ? rest : 0); /* no line of text */
	}
	if (pending.len && line)
		line(ctx, pending.p);
}

int proc_run_lines(const struct proc_spec *spec, int log_fd, proc_line_fn *line, void *ctx, struct error *err)
{
	_cleanup_close_ int out_r = -1;
	_cleanup_close_ int out_w = -1;
	_cleanup_str_ struct str tail = STR_INIT;
	struct proc_fd fds[64];
	struct proc_spec s = *spec;
	int p[2], status, r;
	struct sigaction old[ARRAY_SIZE(passed_signals)];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make a pipe");
	out_r = p[0];
	out_w = p[1];
	if (spec->n_fds + 2 > ARRAY_SIZE(fds))
		return error_set(err, ERROR_SYSTEM, "too many descriptors for '%s'", spec->argv[0]);
	if (spec->n_fds)
		memcpy(fds, spec->fds, spec->n_fds * sizeof(*fds));
	fds[spec->n_fds] = (struct proc_fd){ out_w, 1 };
	fds[spec->n_fds + 1] = (struct proc_fd){ out_w, 2 };
	s.fds = fds;
	s.n_fds = spec->n_fds + 2;
	if (s.pass_signals)
		pass_begin(old);
	if (proc_start(&s, &pid, err) < 0) {
		if (s.pass_signals)
			pass_end(old);
		return -1;
	}
	if (s.pass_signals)
		pass_to(pid);
	close_fd(&out_w);
	read_lines(out_r, log_fd, line, ctx, &tail);
	r = proc_wait(pid, &status, err);
	if (s.pass_signals)
		pass_end(old);
	if (r < 0)
		return -1;
	if (s.pass_signals && passed_signal)
		return error_sys(err, EINTR, "finish '%s'", spec->argv[0]);
	return status ? child_error(spec->argv[0], status, &tail, err) : 0;
}
