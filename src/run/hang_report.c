/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a machine that hangs is asked before it is let go: the stacks of
 * blocked tasks and of all CPUs (sysrq w and l, which land in console.log),
 * and, with ZFS, its debug messages, events, task queues and the state of the
 * pools, as files in the run's artifacts. All of it through the agent, within
 * a deadline: one that does not answer is not waited for.
 */

#include <string.h>

#include "run/supervisor_state.h"

#define REPORT_MS 4000 /* for everything */

/* Commands that may hang themselves are given a second each. */
static const char zfs_script[] =
	"d=/shared/hang; mkdir -p $d || exit 0; cd /; "
	"cat /proc/spl/kstat/zfs/dbgmsg >$d/dbgmsg 2>&1; "
	"cat /proc/spl/taskq-all >$d/taskq-all 2>&1; "
	"timeout 1 zpool events -v >$d/zpool-events 2>&1; "
	"timeout 1 zpool status -v >$d/zpool-status 2>&1; "
	"exit 0";

static void finish(struct supervisor *s)
{
	if (!s->hang_done)
		return;
	void (*done)(struct supervisor *s) = s->hang_done;

	s->hang_done = NULL;
	loop_timer_remove(s->loop, s->timer_report);
	s->timer_report = 0;
	guest_steps_forget(s->guest);
	done(s);
}

static void on_deadline(void *ctx)
{
	struct supervisor *s = ctx;

	s->timer_report = 0;
	finish(s);
}

static void on_started(void *ctx, struct session *session, const struct wire_started *m)
{
	if (m->errnum)
		finish(ctx);
}

static void on_data(void *ctx, struct session *session, unsigned stream, const void *mem, size_t n)
{
	session_consumed(session, stream, n);
}

static void on_eof(void *ctx, struct session *session, unsigned stream)
{
}

static void on_exited(void *ctx, struct session *session, const struct wire_exit *m)
{
	if (m)
		finish(ctx);
}

static void ask_zfs(struct supervisor *s)
{
	static const char *const argv[] = { "/bin/sh", "-c", zfs_script };
	const struct peer peer = { on_started, on_data, on_eof, NULL, on_exited, s };
	const struct wire_start m = { .kind = WIRE_KIND_PROGRAM, .flags = WIRE_START_HOOK, .argv = { .v = argv, .n = 3 },
				      .cwd = "/", .user = "", .umask = 022 };

	if (!s->opt.plan->has_zfs || !session_start(s->sessions, &m, &peer))
		finish(s);
}

static void on_stacks(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (s->hang_done)
		ask_zfs(s);
}

void hang_report(struct supervisor *s, void (*done)(struct supervisor *s))
{
	if (s->hang_done)
		return;
	s->hang_done = done;
	if (s->state != SUP_PROGRAM && s->state != SUP_AFTER) { /* nobody to ask yet, or any more */
		finish(s);
		return;
	}
	s->timer_report = loop_timer(s->loop, REPORT_MS, on_deadline, s);
	if (!s->report.n) {
		steps_add(&s->report, STEP_WRITE_FILE, "/proc/sysrq-trigger", "w")->flags = WIRE_WRITE_OPTIONAL;
		steps_add(&s->report, STEP_WRITE_FILE, "/proc/sysrq-trigger", "l")->flags = WIRE_WRITE_OPTIONAL;
	}
	guest_steps(s->guest, &s->report, on_stacks, s);
}
