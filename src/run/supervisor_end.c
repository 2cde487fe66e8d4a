/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The ends of a run. The orderly one goes on step by step: what the record
 * wants of the guest's files, counters, FINISH, and the machine is let go.
 * What ends the run early goes through sup_die(), which leaves the machine a
 * moment for its last words (a panic is printed line by line) before the loop
 * stops.
 */

#include "run/supervisor_state.h"

#define LAST_WORDS_MS 300
#define HOOK_GRACES 4 /* a guest-collect hook may take so many times --hang-grace */
#define POWER_OFF_MS 15000 /* from END to the power-off of a machine with disks to keep */

/* ---- early ---- */

static void stop(struct supervisor *s)
{
	s->state = SUP_ENDED;
	loop_stop(s->loop);
}

static void on_grace_over(void *ctx)
{
	struct supervisor *s = ctx;

	s->timer_dying = 0;
	if (s->guest)
		guest_drain_console(s->guest);
	debugger_dump_at_end(s, stop);
}

void sup_die(struct supervisor *s, uint64_t grace_ms)
{
	if (s->state >= SUP_DYING)
		return;
	s->out->facts.is_cut_off |= s->state == SUP_COLLECT || s->state == SUP_FINISH;
	s->state = SUP_DYING;
	watchdog_stop(s);
	loop_timer_remove(s->loop, s->timer_dying); /* of a power-off that was awaited */
	s->timer_dying = loop_timer(s->loop, grace_ms, on_grace_over, s);
}

void sup_die_now(struct supervisor *s)
{
	if (!s->timer_dying)
		return;
	loop_timer_remove(s->loop, s->timer_dying);
	s->timer_dying = loop_timer(s->loop, 0, on_grace_over, s);
}

static void on_salvaged(void *ctx)
{
	struct supervisor *s = ctx;

	if (s->state == SUP_COLLECT)
		sup_die(s, LAST_WORDS_MS);
}

void sup_end_early(struct supervisor *s, uint64_t grace_ms)
{
	if (s->collection.is_early && s->state == SUP_COLLECT)
		return; /* under way */
	if (!collect_is_wanted(s) || (s->state != SUP_PROGRAM && s->state != SUP_AFTER)) {
		sup_die(s, grace_ms);
		return;
	}
	s->state = SUP_COLLECT;
	s->collection.is_early = true;
	loop_timer_remove(s->loop, s->timer_limit);
	s->timer_limit = 0;
	collect_run(s, on_salvaged, s);
}

void sup_setup_failed(struct supervisor *s, const struct error *err)
{
	if (s->state >= SUP_DYING)
		return;
	s->out->facts.setup_failed = true;
	s->out->error = *err;
	sup_die(s, 50);
}

void sup_no_room(struct supervisor *s, const struct error *err)
{
	if (s->state >= SUP_DYING)
		return;
	s->out->facts.has_no_room = true;
	s->out->error = *err;
	sup_die(s, LAST_WORDS_MS);
}

void sup_lost(struct supervisor *s, const char *why)
{
	if (s->state >= SUP_DYING || sup_starts_over(s, why))
		return;
	if (s->state == SUP_FINISH && s->timer_dying)
		return; /* it powers itself off, as asked */
	free(s->out->lost_why);
	s->out->lost_why = mem_strdup(why);
	s->out->facts.is_lost = true;
	sup_die(s, LAST_WORDS_MS);
}

/* ---- the orderly end ---- */

static void on_drained(void *ctx)
{
	stop(ctx);
}

void sup_leave(struct supervisor *s)
{
	loop_timer_remove(s->loop, s->timer_dying);
	s->timer_dying = 0;
	/* What the kernel said in its last moment: if that was a crash, more of it is waited for. */
	guest_drain_console(s->guest);
	if (s->state >= SUP_DYING)
		return;
	s->state = SUP_DYING;
	vmm_kill(guest_vmm(s->guest));
	if (s->local)
		local_drain(s->local, on_drained, s);
	else
		stop(s);
}

static void on_power_off_late(void *ctx)
{
	struct supervisor *s = ctx;

	s->timer_dying = 0;
	s->opt.note("the guest did not power off; its disks may lack what was written last");
	sup_leave(s);
}

static void on_finished(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (s->state != SUP_FINISH)
		return;
	watchdog_stop(s);
	/* Disks that are kept: the guest unmounts and powers off by itself now, which ends in VMM_EVENT_SHUTDOWN. */
	if (s->opt.plan->wants_power_off && !err)
		s->timer_dying = loop_timer(s->loop, POWER_OFF_MS, on_power_off_late, s);
	else
		sup_leave(s);
}

static void send_finish(void *ctx)
{
	struct supervisor *s = ctx;
	struct step *end;

	if (s->state != SUP_FINISH)
		return;
	steps_add(&s->finish, STEP_COUNTERS, NULL, NULL);
	end = steps_add(&s->finish, STEP_FINISH, NULL, NULL);
	if (s->opt.plan->wants_power_off)
		end->flags = WIRE_FINISH_POWER_OFF | WIRE_FINISH_SYNC;
	guest_steps(s->guest, &s->finish, on_finished, s);
}

static void on_collected(void *ctx)
{
	struct supervisor *s = ctx;

	if (s->state != SUP_COLLECT)
		return;
	s->state = SUP_FINISH;
	if (s->opt.spec->linger_ms)
		loop_timer(s->loop, s->opt.spec->linger_ms, send_finish, s);
	else
		send_finish(s);
}

static void on_collect_hooks_done(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (s->state != SUP_COLLECT)
		return;
	if (err)
		s->opt.note(err->text);
	collect_run(s, on_collected, s);
}

void sup_wind_down(struct supervisor *s)
{
	s->state = SUP_COLLECT;
	loop_timer_remove(s->loop, s->timer_limit);
	s->timer_limit = 0;
	hooks_run(s, s->opt.plan->collect_hooks, s->opt.plan->n_collect_hooks, HOOK_GRACES * s->opt.spec->hang_grace_ms,
		  on_collect_hooks_done, s);
}
