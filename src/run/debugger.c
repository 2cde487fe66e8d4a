/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The machine as a debugger sees it: vmcores, and the gdb stub.
 *
 * A machine that is being dumped or looked at stands still, and answers
 * neither pings nor, while it is dumped, its monitor: the watchdogs ask
 * debugger_holds() before they call that a hang.
 */

#include <string.h>
#include <unistd.h>

#include "run/supervisor_state.h"

#define DUMP_LIMIT_MS (120 * 1000) /* at the end of a run; gigabytes take seconds */

bool debugger_holds(const struct supervisor *s)
{
	return s->is_dumping || s->n_debuggers || (s->guest && vmm_gdb_socket(guest_vmm(s->guest)));
}

/* ---- vmcores ---- */

struct dump {
	struct supervisor *s;
	vmm_done_fn *done;
	void *ctx;
};

static void on_dumped(void *ctx, const struct error *err)
{
	struct dump d = *(struct dump *)ctx;

	free(ctx);
	d.s->is_dumping = false;
	d.s->unanswered_pings = 0;
	d.done(d.ctx, err);
}

void debugger_dump(struct supervisor *s, const char *path, vmm_done_fn *done, void *ctx)
{
	struct dump *d;
	struct error err = ERROR_INIT;

	if (s->is_dumping || !s->guest || !vmm_pid(guest_vmm(s->guest))) {
		error_set(&err, ERROR_BUSY, "cannot write vmcore '%s': %s", path,
			  s->is_dumping ? "another one is being written" : "the machine does not run (yet)");
		done(ctx, &err);
		return;
	}
	d = mem_alloc(sizeof(*d));
	*d = (struct dump){ s, done, ctx };
	s->is_dumping = true;
	vmm_dump(guest_vmm(s->guest), path, on_dumped, d);
}

/* Of which ends does one want a core? Crashes, a dead init, hangs, and the time limit's. */
static bool is_wanted(const struct supervisor *s)
{
	const struct verdict_input *facts = &s->out->facts;

	if (!s->opt.spec->dump && s->opt.spec->on_crash != ON_CRASH_DUMP)
		return false;
	if (s->vmm_is_deaf || facts->interrupted_by || s->opt.makes_prepared)
		return false;
	return analyser_worst(s->analyser, FINDING_CRASH) || analyser_panic_is_over(s->analyser) || facts->is_hung ||
	       facts->timed_out;
}

static void end_dump(struct supervisor *s, const char *why_not)
{
	void (*done)(struct supervisor *s) = s->dump_done;

	if (!done)
		return; /* given up before */
	s->dump_done = NULL;
	loop_timer_remove(s->loop, s->timer_dump);
	s->timer_dump = 0;
	if (why_not) {
		strv_addf(&s->out->notes, "no vmcore: %s", why_not);
		unlink(s->out->vmcore);
		free(s->out->vmcore);
		s->out->vmcore = NULL;
	}
	done(s);
}

static void on_end_dump(void *ctx, const struct error *err)
{
	end_dump(ctx, err ? err->text : NULL);
}

static void on_limit(void *ctx)
{
	struct supervisor *s = ctx;

	s->timer_dump = 0;
	end_dump(s, "the virtual machine monitor did not write it in time");
}

void debugger_give_up(struct supervisor *s)
{
	end_dump(s, "interrupted");
}

void debugger_dump_at_end(struct supervisor *s, void (*done)(struct supervisor *s))
{
	if (s->dump_done)
		return;
	if (!is_wanted(s) || !s->guest || !vmm_pid(guest_vmm(s->guest))) {
		done(s);
		return;
	}
	s->dump_done = done;
	s->out->vmcore = mem_printf("%s/vmcore", s->opt.record->dir);
	s->timer_dump = loop_timer(s->loop, DUMP_LIMIT_MS, on_limit, s);
	debugger_dump(s, s->out->vmcore, on_end_dump, s);
}

/* ---- the gdb stub ---- */

void debugger_attach(struct supervisor *s, vmm_done_fn *done, void *ctx)
{
	struct error err = ERROR_INIT;

	if (!s->guest || s->state >= SUP_DYING || maker_is_making(s)) {
		error_set(&err, ERROR_BUSY, "machine %s is not ready for a debugger", s->opt.record->id);
		done(ctx, &err);
		return;
	}
	s->n_debuggers++;
	if (vmm_gdb_socket(guest_vmm(s->guest)))
		done(ctx, NULL);
	else
		vmm_gdb(guest_vmm(s->guest), true, done, ctx);
}

/* What a debugger that went without a word has left standing runs on; a machine that ended by itself stays so. */
static void on_status(void *ctx, const char *status, const struct error *err)
{
	struct supervisor *s = ctx;

	if (!err && !s->n_debuggers && s->state < SUP_DYING && (str_eq(status, "paused") || str_eq(status, "debug")))
		vmm_resume(guest_vmm(s->guest), NULL, NULL);
}

void debugger_detach(struct supervisor *s)
{
	if (--s->n_debuggers || !s->guest || s->state >= SUP_DYING)
		return;
	s->unanswered_pings = 0;
	if (!s->opt.plan->machine.has_gdb)
		vmm_gdb(guest_vmm(s->guest), false, NULL, NULL);
	vmm_status(guest_vmm(s->guest), on_status, s);
}
