/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The only module that starts programs. Each child gets its own process
 * group, default signals, only the descriptors that it was given, and dies
 * with its parent (PR_SET_PDEATHSIG, checked for the race). A failing exec is
 * reported through a close-on-exec pipe, so that "not found" is an error here
 * and not a status 127.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

/* One descriptor of the child: it sees `fd` as `child_fd`. */
struct proc_fd {
	int fd; /* borrowed; the caller closes it after proc_start() */
	int child_fd;
};

struct proc_spec {
	const char *const *argv; /* argv[0] is looked up in PATH when it has no slash */
	const char *const *env;	 /* NULL: ours */
	const char *cwd;	 /* NULL: ours */
	const struct proc_fd *fds; /* 0, 1, 2 not listed: /dev/null */
	size_t n_fds;
	bool same_group;	 /* stay in our process group (a program that needs the terminal) */
	bool survives;		 /* not killed with its parent (a detached supervisor) */
	bool pass_signals;	 /* proc_run_lines() only, see there */
	int oom_score_adj;	 /* 0: leave */
};

/* Starts it. 0, or -1: MISSING (program not found) or SYSTEM. */
int proc_start(const struct proc_spec *spec, pid_t *ret_pid, struct error *err);

/* Forks without exec: 0 in the child (deathsig set and signals reset unless `survives`), pid in the parent, -1 on error. */
pid_t proc_fork(bool survives, struct error *err);

/*
 * Runs fn in a child of its own: for work that takes longer than a loop may
 * stand still. The child has our memory as it is now, a group of its own and
 * dies with us; what it leaves are files and its error. loop_child() says when
 * it has ended, then proc_call_end() what came of it (0, or -1 with fn's error), and closes *fd.
 */
typedef int proc_call_fn(void *ctx, struct error *err);
pid_t proc_call(proc_call_fn *fn, void *ctx, int *ret_fd, struct error *err);
int proc_call_end(int *fd, int wait_status, struct error *err);

/*
 * In a forked child that stays when we end: a session of its own, nothing of
 * whoever started us. 0, 1 and 2 become /dev/null; other descriptors that we
 * were started with are closed, so that no reader of a pipe waits for us.
 * (Ours are all close-on-exec, which tells them apart; they stay.)
 */
void proc_detach(void);

/* Waits for it. *ret_status: exit status, or 128 + signal. */
int proc_wait(pid_t pid, int *ret_status, struct error *err);

/*
 * For programs that do nothing but long work (helpers): SIGINT, SIGTERM and
 * SIGHUP end the groups of all children that are running (SIGTERM, so that a
 * make ends its own children), then the program itself, by the same signal.
 * Without it only the direct children die with us.
 */
void proc_end_together(void);

/* Ends it: SIGTERM to its group, up to grace_ms, SIGKILL; reaps it. */
void proc_kill(pid_t pid, unsigned grace_ms);

/*
 * Runs argv to its end with stdin from /dev/null. stdout goes to *ret_out when
 * given (at most 16 MiB), else to our stderr. A status other than 0 is
 * ERROR_CHILD: its argv[0], status and the last lines of its stderr.
 */
int proc_run(const char *const *argv, struct str *ret_out, struct error *err);

/* The same with a spec (env, cwd, fds for what is not 1 and 2). */
int proc_run_spec(const struct proc_spec *spec, struct str *ret_out, struct error *err);

/* Called for each line (without newline) of stdout and stderr together. */
typedef void proc_line_fn(void *ctx, const char *line);

/*
 * Runs argv, passes its output line by line to `line` (may be NULL) and
 * appends it to log_fd (-1: none): for long builds with progress. A line that
 * is drawn over, as progress is, counts as one. On failure ERROR_CHILD with
 * the last lines.
 *
 * With pass_signals, INT, TERM and HUP that reach us meanwhile are passed to
 * the program's group and its end is waited for, so that it can clean up after
 * itself; the failure is then ERROR_SYSTEM with EINTR, and
 * proc_passed_signal() says which one it was: the caller cleans up and goes
 * the same way.
 */
int proc_run_lines(const struct proc_spec *spec, int log_fd, proc_line_fn *line, void *ctx, struct error *err);
int proc_passed_signal(void); /* 0: none so far */

/* CPU time that a process has used so far, user and system, milliseconds; 0 when it is gone. */
uint64_t proc_cpu_ms(pid_t pid);

/*
 * How long each thread of a process had been ready to run without getting a
 * CPU, at some time: zero-initialise it. Nothing when the host does not say
 * (CONFIG_SCHED_INFO).
 */
struct proc_waits {
	struct proc_wait {
		pid_t tid;
		uint64_t ms;
	} *v; /* owned */
	size_t n;
};
void proc_waits_take(pid_t pid, struct proc_waits *ret); /* in the place of what it has */
void proc_waits_clear(struct proc_waits *w);

/*
 * Time since then, in milliseconds, for which the thread that waited longest
 * got no CPU: what tells a starved process from an idle one.
 */
uint64_t proc_starved_ms(pid_t pid, const struct proc_waits *since);

/* True when a thread of it waits for the host's disks or for memory that is paged in (state D): it can not do anything. */
bool proc_is_blocked(pid_t pid);

/*
 * Bytes that pid has written by write(2) and its like, to files of any kind,
 * since its start; UINT64_MAX when the host does not say (CONFIG_TASK_XACCT).
 */
uint64_t proc_written_bytes(pid_t pid);

/*
 * True when every thread of pid sleeps: none runs, and none is ready to and
 * gets no CPU. The threads are looked at one after the other. False when it
 * is gone, and on a host that does not say.
 */
bool proc_is_asleep(pid_t pid);
