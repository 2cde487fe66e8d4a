/* SPDX-License-Identifier: MPL-2.0 */
/*
 * When is silence a failure, and when is it enough? Five clocks:
 *
 *	boot	  no console byte and no agent stage for spec->boot_timeout_ms: 123.
 *		  A KVM guest that never said anything is a broken KVM after a few seconds.
 *	heartbeat one ping every 5 s, the only periodic wake-up. Three unanswered
 *		  while the VMM runs and gets CPU time: 121. A stopped VMM: 121.
 *		  Time for which the host gave it no CPU or no disk does not
 *		  count, here, at boot and after a hang (run/silence.h): an
 *		  oversubscribed host is no broken guest. Nor is one that is
 *		  late: an answer to any open ping is a sign of life, and so is
 *		  whatever had come before the verdict.
 *	limit	  --timeout from the program's start: 124.
 *	room	  what the machine has filled of /shared (run/quota.h), at each
 *		  heartbeat, and sooner while it writes fast: 125.
 *	hang	  the kernel said that something hangs, and the program does not
 *		  end within spec->hang_grace_ms: 121.
 */

#include <string.h>

#include "run/supervisor_state.h"

#define HEARTBEAT_MS 5000
#define MISSED_PINGS 3
#define STATUS_MS (HEARTBEAT_MS / 2) /* for the VMM to say whether the machine runs */
#define KVM_SILENCE_MS 4000
#define PREPARE_LIMIT_MS (10 * 60 * 1000)
#define LAST_WORDS_MS 300

static void on_boot_silence(void *ctx);
static void on_heartbeat(void *ctx);
static void on_no_status(void *ctx);

static uint64_t boot_patience_ms(const struct supervisor *s)
{
	if (s->opt.plan->machine.accel == ACCEL_KVM && !s->is_up)
		return KVM_SILENCE_MS;
	return s->opt.spec->boot_timeout_ms;
}

static const struct vmm *busy_vmm(const struct supervisor *s)
{
	return s->guest ? guest_vmm(s->guest) : NULL;
}

static uint64_t agent_bytes(const struct supervisor *s)
{
	return s->guest ? channel_received(guest_channel(s->guest)) : 0;
}

static void mark_silence(struct supervisor *s)
{
	silence_begin(&s->silence, busy_vmm(s));
	s->agent_mark = agent_bytes(s);
}

static void arm_boot(struct supervisor *s)
{
	loop_timer_remove(s->loop, s->timer_boot);
	if (!s->opt.plan->machine.has_gdb) /* it waits for its debugger first */
		s->timer_boot = loop_timer(s->loop, boot_patience_ms(s), on_boot_silence, s);
	mark_silence(s);
}

static bool was_heard(struct supervisor *s)
{
	return s->guest && guest_was_heard(s->guest);
}

static void on_boot_silence(void *ctx)
{
	struct supervisor *s = ctx;
	uint64_t silent_ms;

	s->timer_boot = 0;
	if (s->state >= SUP_PROGRAM)
		return;
	if (was_heard(s)) { /* slow, but alive */
		s->is_up = true;
		arm_boot(s);
		return;
	}
	silence_look(&s->silence, busy_vmm(s), HEARTBEAT_MS);
	silent_ms = silence_ms(&s->silence, busy_vmm(s));
	if (silent_ms < boot_patience_ms(s)) { /* the host's fault */
		s->timer_boot = loop_timer(s->loop, boot_patience_ms(s) - silent_ms, on_boot_silence, s);
		return;
	}
	if (s->opt.plan->machine.accel == ACCEL_KVM && !s->is_up) {
		s->out->kvm_was_silent = true;
		s->state = SUP_ENDED;
		loop_stop(s->loop);
		return;
	}
	if (sup_starts_over(s, "nothing was heard of it")) {
		arm_boot(s);
		return;
	}
	s->out->facts.boot_failed = true;
	sup_die(s, LAST_WORDS_MS);
}

static void on_prepare_limit(void *ctx)
{
	sup_die(ctx, 0);
}

void watchdog_start(struct supervisor *s)
{
	arm_boot(s);
	if (s->opt.makes_prepared) /* nobody waits for it, so nobody would end it */
		s->timer_limit = loop_timer(s->loop, PREPARE_LIMIT_MS, on_prepare_limit, s);
	s->timer_heartbeat = loop_timer(s->loop, HEARTBEAT_MS, on_heartbeat, s);
}

static void let_go(struct supervisor *s)
{
	if (s->unanswered_pings >= MISSED_PINGS)
		sup_die(s, LAST_WORDS_MS);
	else
		sup_end_early(s, LAST_WORDS_MS);
}

static void on_limit(void *ctx)
{
	struct supervisor *s = ctx;

	s->timer_limit = 0;
	if (s->out->facts.program >= PROGRAM_EXITED) /* the shell after it has no limit */
		return;
	s->out->facts.timed_out = true;
	hang_report(s, s->unanswered_pings >= MISSED_PINGS, let_go);
}

void watchdog_hooks(struct supervisor *s)
{
	if (s->opt.spec->timeout_ms && !s->opt.makes_prepared)
		s->timer_limit = loop_timer(s->loop, s->opt.spec->timeout_ms, on_limit, s);
}

void watchdog_program(struct supervisor *s)
{
	loop_timer_remove(s->loop, s->timer_boot);
	loop_timer_remove(s->loop, s->timer_limit); /* of the hooks before it */
	s->timer_boot = s->timer_limit = 0;
	if (s->opt.spec->timeout_ms && !s->is_shell)
		s->timer_limit = loop_timer(s->loop, s->opt.spec->timeout_ms, on_limit, s);
}

/* Late is not never: an answer to an earlier ping leaves those open that came after it. */
void watchdog_pong(struct supervisor *s, uint64_t nonce)
{
	if (nonce > s->ping_nonce || s->ping_nonce - nonce >= s->unanswered_pings)
		return;
	s->unanswered_pings = (unsigned)(s->ping_nonce - nonce);
	mark_silence(s);
}

static void hung(struct supervisor *s, const char *why)
{
	if (s->state >= SUP_DYING || sup_starts_over(s, why))
		return;
	s->out->facts.is_hung = true;
	free(s->out->lost_why);
	s->out->lost_why = mem_strdup(why);
	if (s->vmm_is_deaf || s->vm_is_stopped)
		let_go(s);
	else
		hang_report(s, s->unanswered_pings >= MISSED_PINGS, let_go);
}

static void deaf(struct supervisor *s)
{
	s->vmm_is_deaf = true;
	hung(s, "the virtual machine monitor does not answer");
}

static void stopped(struct supervisor *s)
{
	s->vm_is_stopped = true;
	hung(s, "the virtual machine was stopped");
}

static bool is_silent(const struct supervisor *s)
{
	return s->state < SUP_DYING && s->guest && s->unanswered_pings >= MISSED_PINGS && !debugger_holds(s);
}

/* Everything that had come when the VMM said that the machine runs has been read meanwhile. */
static void on_still_silent(void *ctx)
{
	struct supervisor *s = ctx;

	s->timer_status = 0;
	if (!is_silent(s))
		return;
	if (agent_bytes(s) != s->agent_mark) /* busy with what came before the ping */
		mark_silence(s);
	else
		hung(s, "the guest agent does not answer");
}

/* Silence is only the guest's fault when the VMM says that it runs and got CPU time for it. */
static void on_status(void *ctx, const char *status, const struct error *err)
{
	struct supervisor *s = ctx;

	loop_timer_remove(s->loop, s->timer_status);
	s->timer_status = 0;
	if (!is_silent(s))
		return;
	if (err)
		deaf(s);
	else if (!str_eq(status, "running"))
		stopped(s);
	else if (silence_ms(&s->silence, busy_vmm(s)) >= MISSED_PINGS * HEARTBEAT_MS)
		s->timer_status = loop_timer(s->loop, 0, on_still_silent, s);
	/* else: the host gives it no time; patience */
}

static void expect_status(struct supervisor *s)
{
	silence_begin(&s->question, busy_vmm(s));
	s->console_mark = guest_console_bytes(s->guest);
	s->timer_status = loop_timer(s->loop, STATUS_MS, on_no_status, s);
}

/* A VMM that passes on what the guest says is not deaf: it has much to do, or waits for us. */
static void on_no_status(void *ctx)
{
	struct supervisor *s = ctx;
	uint64_t silent_ms;

	s->timer_status = 0;
	if (!is_silent(s))
		return;
	if (guest_console_bytes(s->guest) != s->console_mark) {
		expect_status(s);
		return;
	}
	silence_look(&s->question, busy_vmm(s), STATUS_MS);
	silent_ms = silence_ms(&s->question, busy_vmm(s));
	if (silent_ms < STATUS_MS)
		s->timer_status = loop_timer(s->loop, STATUS_MS - silent_ms, on_no_status, s);
	else
		deaf(s);
}

/* ---- room ---- */

static void say_no_room(struct supervisor *s, enum quota_excess excess)
{
	const struct quota *q = &s->shared_quota;
	struct error err = ERROR_INIT;
	char has[16], may[16];

	format_size(q->bytes, has, sizeof(has));
	format_size(q->max_bytes, may, sizeof(may));
	switch (excess) {
	case QUOTA_TOO_LARGE:
		error_set(&err, ERROR_GUEST, "the machine has written %s to /shared, and it may write %s", has, may);
		error_hint(&err, "--max-shared SIZE (0: no limit); what is there: %s", s->opt.record->artifacts);
		break;
	case QUOTA_TOO_MANY:
		error_set(&err, ERROR_GUEST, "the machine has made more than %d files in /shared, or folders too deep to count them",
			  QUOTA_FILES_MAX);
		error_hint(&err, "--max-shared 0 takes the limit away; what is there: %s", s->opt.record->artifacts);
		break;
	default:
		error_set(&err, ERROR_GUEST, "the host's disk is full, and /shared has %s of it in %llu files", has,
			  (unsigned long long)q->files);
		error_hint(&err, "quiz runs rm %s", s->opt.record->id);
	}
	sup_no_room(s, &err);
}

static void on_room(void *ctx)
{
	struct supervisor *s = ctx;
	struct quota_look look = { .now_ms = loop_now_ms() };
	enum quota_excess excess = QUOTA_OK;
	struct fs_usage usage;
	uint64_t next;

	s->timer_room = 0;
	if (!s->opt.plan->has_shared || s->state < SUP_SETUP || s->state >= SUP_DYING || !s->guest)
		return;
	s->shared_quota.max_bytes = s->opt.spec->max_shared_bytes;
	look.written_bytes = vmm_written_bytes(guest_vmm(s->guest));
	quota_room(s->opt.record->artifacts, &look);
	if (quota_is_due(&s->shared_quota, &look)) {
		fs_tree_usage(s->opt.record->artifacts, QUOTA_FILES_MAX, &usage);
		excess = quota_measured(&s->shared_quota, &look, &usage);
	}
	next = quota_next_ms(&s->shared_quota, &look, HEARTBEAT_MS);
	if (excess != QUOTA_OK)
		say_no_room(s, excess);
	else if (next < HEARTBEAT_MS)
		s->timer_room = loop_timer(s->loop, next, on_room, s);
}

/* ---- the heartbeat ---- */

static void on_heartbeat(void *ctx)
{
	struct supervisor *s = ctx;

	s->timer_heartbeat = loop_timer(s->loop, HEARTBEAT_MS, on_heartbeat, s);
	if (!s->timer_room)
		on_room(s);
	if (s->state < SUP_SETUP || s->state >= SUP_DYING || !s->guest || debugger_holds(s))
		return;
	if (s->unanswered_pings)
		silence_look(&s->silence, busy_vmm(s), HEARTBEAT_MS);
	if (s->unanswered_pings >= MISSED_PINGS) {
		/* A stopped process (SIGSTOP) answers nothing at all: give the question a deadline. */
		if (s->timer_status)
			return;
		expect_status(s);
		vmm_status(guest_vmm(s->guest), on_status, s);
		return;
	}
	if (!s->unanswered_pings)
		mark_silence(s);
	s->unanswered_pings++;
	channel_send(guest_channel(s->guest), 0, ping, .nonce = ++s->ping_nonce);
}

/* The program, or a profile's hook: a pool may block for ever while it is made. */
static bool may_hang(const struct supervisor *s)
{
	return s->state == SUP_PROGRAM || (s->state == SUP_HOOKS && !s->opt.makes_prepared);
}

static void on_hang_grace(void *ctx)
{
	struct supervisor *s = ctx;
	uint64_t since, silent_ms;

	s->timer_hang = 0;
	if (debugger_holds(s)) {
		watchdog_hang_check(s);
		return;
	}
	if (!may_hang(s) || !analyser_hang_since(s->analyser, &since))
		return;
	silent_ms = silence_ms(&s->hang, busy_vmm(s));
	if (silent_ms < s->hang_wait_ms) /* the host's fault */
		s->timer_hang = loop_timer(s->loop, s->hang_wait_ms - silent_ms, on_hang_grace, s);
	else
		hung(s, "the kernel reported a hang and the program did not end");
}

void watchdog_hang_check(struct supervisor *s)
{
	uint64_t since, now = loop_now_ms(), grace = s->opt.spec->hang_grace_ms;

	if (s->timer_hang || !may_hang(s) || !analyser_hang_since(s->analyser, &since))
		return;
	grace = since + grace > now ? since + grace - now : debugger_holds(s) ? grace : 1;
	silence_begin(&s->hang, busy_vmm(s));
	s->hang_wait_ms = grace;
	s->timer_hang = loop_timer(s->loop, grace, on_hang_grace, s);
}

void watchdog_stop(struct supervisor *s)
{
	loop_timer_remove(s->loop, s->timer_boot);
	loop_timer_remove(s->loop, s->timer_limit);
	loop_timer_remove(s->loop, s->timer_heartbeat);
	loop_timer_remove(s->loop, s->timer_hang);
	loop_timer_remove(s->loop, s->timer_status);
	loop_timer_remove(s->loop, s->timer_room);
	s->timer_room = 0;
	s->timer_boot = s->timer_limit = s->timer_heartbeat = s->timer_hang = s->timer_status = 0;
}
