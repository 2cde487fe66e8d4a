/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Long work is done by a child, so that whatever ends it (Ctrl-C, a signal, an
 * assertion) its parent is there to clear the terminal line and to remove what
 * is half-made. The child's programs die with it (sys/proc). Only kill -9 of
 * the parent leaves something, which the next maker sweeps.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/helper/helper.h"
#include "spec/status.h"
#include "sys/proc.h"

static volatile sig_atomic_t got_signal;
static pid_t child_pid;

static void on_signal(int signo)
{
	got_signal = signo;
	if (child_pid > 0)
		kill(child_pid, SIGKILL); /* nothing in it has to be ended in order: clean() sees to the rest */
}

static void catch_signals(void (*handler)(int))
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction sa = { .sa_handler = handler };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

static _Noreturn void child(int (*work)(void *ctx, struct error *err), void *ctx)
{
	struct error err = ERROR_INIT;
	int status;

	/* The terminal's Ctrl-C goes to the whole group; our end is the parent's to decide. */
	catch_signals(SIG_IGN);
	status = work(ctx, &err);
	helper_progress_end();
	if (status < 0)
		command_print_error(&err);
	if (fflush(stdout) || ferror(stdout))
		status = -1;
	_exit(status < 0 ? STATUS_SETUP : status);
}

int helper_run(int (*work)(void *ctx, struct error *err), void *ctx, void (*clean)(void))
{
	struct error err = ERROR_INIT;
	int st = 0;

	fflush(NULL);
	catch_signals(on_signal);
	child_pid = proc_fork(false, &err);
	if (child_pid < 0) {
		command_print_error(&err);
		return STATUS_SETUP;
	}
	if (child_pid == 0)
		child(work, ctx);
	if (got_signal) /* it came before child_pid was known */
		kill(child_pid, SIGKILL);
	while (waitpid(child_pid, &st, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(st) && !got_signal)
		return WEXITSTATUS(st);
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	clean();
	catch_signals(SIG_DFL);
	if (got_signal)
		raise(got_signal);
	fprintf(stderr, "quiz: ended by signal %d\n", WTERMSIG(st));
	return STATUS_SETUP;
}
