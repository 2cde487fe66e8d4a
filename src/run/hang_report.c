/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a machine that hangs is asked before it is let go: the stacks of
 * blocked tasks and of all CPUs (sysrq w and l, which land in console.log),
 * and, with ZFS, its debug messages, events, task queues and the state of the
 * pools, as files in the run's artifacts.
 *
 * Through the agent, within a deadline. A kernel whose agent does not answer
 * is asked for the stacks over its console, where sysrq needs no program:
 *
 *	agent --answers--> stacks, then ZFS's files --> done
 *	  | deaf, or the deadline before it gave the stacks
 *	  v
 *	console: keys one by one --silence--> done
 */

#include <string.h>

#include "run/supervisor_state.h"

#define REPORT_MS  4000 /* for everything that the agent is asked */
#define CONSOLE_MS 6000 /* for everything that comes over the console */
#define SILENCE_MS 400	/* a console that says nothing for so long has said it all */

/* Everything is printed; blocked tasks; all CPUs. */
static const char console_keys[] = "9wl";

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
	loop_timer_remove(s->loop, s->timer_keys);
	s->timer_report = s->timer_keys = 0;
	guest_steps_forget(s->guest);
	done(s);
}

/* ---- over the console ---- */

static void on_console_late(void *ctx)
{
	struct supervisor *s = ctx;

	s->timer_report = 0;
	finish(s);
}

static void next_key(void *ctx);

static void on_typed(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (!s->hang_done)
		return;
	if (err)
		finish(s);
	else
		s->timer_keys = loop_timer(s->loop, SILENCE_MS, next_key, s);
}

/* The next one when the answer to the last one is over: a kernel hears no key while it prints. */
static void next_key(void *ctx)
{
	struct supervisor *s = ctx;

	s->timer_keys = 0;
	if (guest_was_heard(s->guest))
		s->timer_keys = loop_timer(s->loop, SILENCE_MS, next_key, s);
	else if (!*s->report_keys)
		finish(s);
	else
		vmm_sysrq(guest_vmm(s->guest), *s->report_keys++, on_typed, s);
}

static void ask_by_console(struct supervisor *s)
{
	guest_steps_forget(s->guest);
	s->report_keys = console_keys;
	s->timer_report = loop_timer(s->loop, CONSOLE_MS, on_console_late, s);
	guest_was_heard(s->guest);
	next_key(s);
}

/* ---- through the agent ---- */

static void on_deadline(void *ctx)
{
	struct supervisor *s = ctx;

	s->timer_report = 0;
	if (s->has_stacks)
		finish(s);
	else
		ask_by_console(s);
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

	s->has_stacks = true;
	if (s->hang_done)
		ask_zfs(s);
}

void hang_report(struct supervisor *s, bool agent_is_deaf, void (*done)(struct supervisor *s))
{
	if (s->hang_done)
		return;
	s->hang_done = done;
	if (s->state < SUP_HOOKS || s->state > SUP_AFTER) { /* nobody to ask yet, or any more */
		finish(s);
		return;
	}
	if (agent_is_deaf) {
		ask_by_console(s);
		return;
	}
	s->timer_report = loop_timer(s->loop, REPORT_MS, on_deadline, s);
	if (!s->report.n) {
		steps_add(&s->report, STEP_WRITE_FILE, "/proc/sysrq-trigger", "w")->flags = WIRE_WRITE_OPTIONAL;
		steps_add(&s->report, STEP_WRITE_FILE, "/proc/sysrq-trigger", "l")->flags = WIRE_WRITE_OPTIONAL;
	}
	guest_steps(s->guest, &s->report, on_stacks, s);
}
