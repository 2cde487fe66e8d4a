/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What happens to a running machine, from its guest (console, agent) and its
 * VMM: everything is shown to the analyser, and what it or the event means
 * for the run is decided here. The end itself is supervisor_end.c's.
 */

#include "run/supervisor_state.h"

#include <string.h>

#define DISKS_QUIT_MS 10000 /* from the power-off of a machine with disks to keep to its QEMU's end */
#define ANSWER_MS 200	    /* for what has been sent to be read */
#define CRASH_GRACE_MS 700 /* from the first line of a crash report to letting the machine go */
#define CRASH_SURE_MS 300  /* for the agent to confirm what the console says */

/* ---- the analyser, fed ---- */

struct analyser *sup_new_analyser(const struct supervisor *s)
{
	/* The plan boots with printk.time=1: what has no stamp was written to the console by a program. */
	const struct analyser_options ao = { .allow = (const char *const *)s->opt.spec->allow.v, .known = &s->known,
					     .only_stamped = true };

	return analyser_new(&ao);
}

static void on_crash_sure(void *ctx)
{
	struct supervisor *s = ctx;

	s->timer_crash = 0;
	sup_after_analysis(s);
}

/*
 * What only the console says may be a program's word, of which the agent will tell; and what is tolerated is known when
 * the whole report is there. A dead kernel confirms nothing, so the wait is short.
 */
static bool crash_is_sure(struct supervisor *s)
{
	const struct finding *f = analyser_crash(s->analyser);
	uint64_t now = loop_now_ms();
	bool is_late = f && now >= f->seen_ms + CRASH_SURE_MS;

	if (!f)
		return false;
	if (analyser_crash_is_sure(s->analyser) || (is_late && f->is_complete))
		return true;
	/* Patterns that may tolerate it keep it open until its report is over, which the analyser's own timer sees to. */
	if (!s->timer_crash && !is_late)
		s->timer_crash = loop_timer(s->loop, f->seen_ms + CRASH_SURE_MS - now + 1, on_crash_sure, s);
	return is_late && !s->opt.spec->allow.n && !s->known.n;
}

void sup_tell_crash(struct supervisor *s, bool is_now)
{
	const struct finding *f = analyser_crash(s->analyser);

	if (!f || s->out->crash_text || !s->opt.crashed || (!is_now && !(f->is_complete && crash_is_sure(s))))
		return;
	s->opt.crashed(s->opt.decided_ctx, s->out);
	if (s->server && s->out->crash_text)
		server_crashed(s->server, s->out->crash_text);
}

void sup_after_analysis(struct supervisor *s)
{
	enum on_crash on_crash = s->opt.spec->on_crash;
	bool keeps = on_crash == ON_CRASH_KEEP || on_crash == ON_CRASH_SHELL || s->opt.waits_for_client ||
		     (on_crash == ON_CRASH_AUTO && s->opt.plan->program.tty);

	if (s->state >= SUP_DYING) {
		if (analyser_panic_is_over(s->analyser))
			sup_die_now(s);
		return;
	}
	if (analyser_panic_is_over(s->analyser))
		sup_die(s, 0);
	else if (!keeps && crash_is_sure(s))
		sup_end_early(s, CRASH_GRACE_MS);
	else
		watchdog_hang_check(s);
	if (keeps && s->state < SUP_DYING)
		sup_tell_crash(s, false);
}

static void on_analyser_timer(void *ctx)
{
	struct supervisor *s = ctx;
	int next = analyser_tick(s->analyser, loop_now_ms());

	s->timer_analyser = next >= 0 ? loop_timer(s->loop, (uint64_t)next + 1, on_analyser_timer, s) : 0;
	sup_after_analysis(s);
}

static void analysed(struct supervisor *s)
{
	int next = analyser_tick(s->analyser, loop_now_ms());

	if (next >= 0 && !s->timer_analyser)
		s->timer_analyser = loop_timer(s->loop, (uint64_t)next + 1, on_analyser_timer, s);
	sup_after_analysis(s);
}

/* ---- what the guest says ---- */

static void on_up(void *ctx, struct guest *g, const struct wire_hello *hello)
{
	struct supervisor *s = ctx;

	if (s->state != SUP_BOOT)
		return;
	s->is_up = true;
	analyser_agent(s->analyser, ANALYSER_AGENT_READY, loop_now_ms());
	sup_guest_up(s, g);
}

/*
 * Where the kernel measures its timer's speed, on a host so busy that the vCPU
 * did not run in time, it gets none at all (then no sleep ever ends) or one
 * that is too slow: guest/boot.c. Nothing in the guest mends that, and no
 * template must be made of it: the machine boots again.
 */
#define BOOT_LINE_MAX	 256

static void watch_timer(struct supervisor *s, const char *text, size_t n)
{
	if (s->state > SUP_SAVE || s->n_wrong_timers == WRONG_TIMERS_MAX || s->timer_retry)
		return;
	for (size_t i = 0; i < n; i++) {
		if (text[i] != '\n') {
			if (s->boot_line.len < BOOT_LINE_MAX)
				str_add_char(&s->boot_line, text[i]);
			continue;
		}
		if (strstr(str_cstr(&s->boot_line), "APIC frequency too slow, disabling apic timer") ||
		    strstr(str_cstr(&s->boot_line), WIRE_TIMER_IS_WRONG)) {
			s->n_wrong_timers++;
			s->has_wrong_timer = true;
			sup_start_over(s, WIRE_TIMER_IS_WRONG ", as it does when its host is busy");
			return;
		}
		str_truncate(&s->boot_line, 0);
	}
}

static void on_console(void *ctx, struct guest *g, const void *mem, size_t n)
{
	struct supervisor *s = ctx;

	watch_timer(s, mem, n);
	console_bytes(s->console, mem, n);
	analyser_console(s->analyser, mem, n, loop_now_ms());
	analysed(s);
}

static void take_counts(struct supervisor *s, const struct wire_counts *m)
{
	struct str all = STR_INIT;
	uint32_t pos = 0;
	const char *entry;

	while ((entry = wire_list_next(&m->counts, &pos))) {
		const char *eq = strchr(entry, '=');
		_cleanup_free_ char *name = eq ? mem_strndup(entry, (size_t)(eq - entry)) : NULL;

		if (!eq)
			continue;
		str_add_safe(&all, entry, strlen(entry), false);
		str_add_char(&all, '\n');
		analyser_counter(s->analyser, true, name, strtoull(eq + 1, NULL, 0), loop_now_ms());
	}
	free(s->out->counters);
	s->out->counters = str_take(&all);
}

static void on_kmsg(struct supervisor *s, const struct wire_kmsg *k)
{
	console_kmsg(s->console, k->seq, k->level, k->time_us, k->text);
	analyser_kmsg(s->analyser, k->seq, k->level, k->time_us, k->text, loop_now_ms());
	analysed(s);
}

/* -vv: where the time goes, by the guest's clock and by ours. */
static void note_stage(const struct supervisor *s, const struct wire_stage *m)
{
	const char *name = wire_stage_name(m->stage);
	_cleanup_free_ char *text = mem_printf("stage %-8s  guest %8.3f ms  host %8.3f ms", name ? name : "?",
					       (double)m->mono_ns / 1e6, (double)(loop_now_ns() - s->out->started_ns) / 1e6);

	s->opt.note(text);
}

static void on_frame(void *ctx, struct guest *g, const struct wire_frame *f)
{
	struct supervisor *s = ctx;
	struct wire_kmsg k;
	struct wire_pong pong;
	struct wire_counts counts;
	struct wire_stage stage;

	s->is_up = true;
	switch (f->type) {
	case WIRE_KMSG:
		if (wire_get_kmsg(f, &k) != WIRE_OK)
			break;
		on_kmsg(s, &k);
		return;
	case WIRE_PONG:
		if (wire_get_pong(f, &pong) != WIRE_OK)
			break;
		watchdog_pong(s, pong.nonce);
		return;
	case WIRE_COUNTS:
		if (wire_get_counts(f, &counts) != WIRE_OK)
			break;
		take_counts(s, &counts);
		return;
	case WIRE_STAGE:
		if (wire_get_stage(f, &stage) != WIRE_OK)
			break;
		if (s->opt.spec->verbosity >= 2)
			note_stage(s, &stage);
		if (s->out->n_stages < OUTCOME_STAGES_MAX)
			s->out->stages[s->out->n_stages++] =
				(struct outcome_stage){ stage.stage, loop_now_ns(), stage.mono_ns };
		return;
	case WIRE_STARTED:
	case WIRE_DATA:
	case WIRE_EOF:
	case WIRE_CREDIT:
	case WIRE_EXIT:
		if (g != s->guest || !sessions_frame(s->sessions, f))
			break;
		return;
	}
	sup_lost(s, "the guest agent broke the protocol");
}

static void on_channel_lost(void *ctx)
{
	struct supervisor *s = ctx;
	_cleanup_free_ char *text = mem_printf("the guest agent is gone: %s", s->channel_why);

	s->timer_channel = 0;
	sup_lost(s, text);
}

/* When the VMM dies, its sockets close first; its last words, which come with its exit, say more. */
static void on_guest_lost(void *ctx, struct guest *g, const char *why)
{
	struct supervisor *s = ctx;

	s->channel_why = why; /* static text, or strerror()'s */
	/* A guest can not close it: the VMM did, as it ends. What a guest sent is the guest's own doing. */
	s->timer_channel = loop_timer(s->loop, str_eq(why, CHANNEL_CLOSED) ? VMM_LAST_WORDS_MS : 0, on_channel_lost, s);
}

/* ---- what the VMM says ---- */

/* It ended before its guest said a word: QEMU refused its command line or the host its memory. */
static bool is_stillborn(const struct supervisor *s, struct guest *g)
{
	return s->state < SUP_DYING && s->state != SUP_LOAD && !s->is_up && !guest_was_heard(g);
}

/* The VMM is gone, and it was KVM that did not let it begin. */
static bool kvm_refuses(struct supervisor *s, struct guest *g, const char *last_words)
{
	if (s->opt.plan->machine.accel == ACCEL_KVM && s->state < SUP_SETUP && !guest_was_heard(g))
		s->out->kvm_refusal = vmm_kvm_refusal(last_words);
	return s->out->kvm_refusal;
}

/*
 * The agent's answer to the last step and what the VMM says of the power-off that follows it come by two sockets, and
 * a busy host finds both readable at once. The answer counts if it was given.
 */
static void on_answer_late(void *ctx)
{
	struct supervisor *s = ctx;

	s->timer_answer = 0;
	if (s->state != SUP_FINISH)
		return;
	if (!s->timer_dying)
		sup_lost(s, s->is_off ? "the guest powered off" : "the guest agent closed its port");
	else if (s->is_off)
		vmm_quit(guest_vmm(s->guest), DISKS_QUIT_MS);
}

/* Whether the event is, or may be, the power-off that was asked for. */
static bool is_awaited(struct supervisor *s, struct guest *g, enum vmm_event ev)
{
	if (g != s->guest || s->state != SUP_FINISH || !s->opt.plan->wants_power_off || s->timer_dying ||
	    (ev != VMM_EVENT_PORT_CLOSED && ev != VMM_EVENT_SHUTDOWN))
		return false;
	s->is_off = s->is_off || ev == VMM_EVENT_SHUTDOWN;
	if (!s->timer_answer)
		s->timer_answer = loop_timer(s->loop, ANSWER_MS, on_answer_late, s);
	return true;
}

static void on_vmm_event(void *ctx, struct guest *g, enum vmm_event ev, const char *text)
{
	struct supervisor *s = ctx;
	struct error err = ERROR_INIT;
	_cleanup_free_ char *ended = NULL;

	if (ev == VMM_EVENT_PAUSED || ev == VMM_EVENT_RUNNING || is_awaited(s, g, ev))
		return;
	if ((ev == VMM_EVENT_SHUTDOWN || ev == VMM_EVENT_EXITED) && s->state == SUP_FINISH && s->timer_dying) {
		/* As asked. A QEMU that is killed leaves its own caches of a qcow2 file's tables unwritten. */
		if (ev == VMM_EVENT_EXITED)
			sup_leave(s);
		else
			vmm_quit(guest_vmm(g), DISKS_QUIT_MS);
		return;
	}
	if (ev == VMM_EVENT_EXITED && kvm_refuses(s, g, text)) {
		s->state = SUP_ENDED;
		loop_stop(s->loop);
		return;
	}
	/* Whatever it was: nothing was run yet, and a machine that nobody saves may do better. */
	if (maker_is_making(s) && ev == VMM_EVENT_EXITED && s->state < SUP_LOAD) {
		sup_start_over(s, text && *text ? text : "the virtual machine monitor ended");
		return;
	}
	if (s->state < SUP_DYING)
		analyser_vmm(s->analyser, ev, text, loop_now_ms());
	switch (ev) {
	case VMM_EVENT_PANICKED: /* its text comes over the console in the meantime */
		sup_die(s, CRASH_GRACE_MS);
		break;
	case VMM_EVENT_RESET:
	case VMM_EVENT_SHUTDOWN:
		sup_lost(s, ev == VMM_EVENT_RESET ? "the guest rebooted" : "the guest powered off");
		break;
	case VMM_EVENT_PORT_CLOSED:
		if (g == s->guest)
			sup_lost(s, "the guest agent closed its port");
		break;
	case VMM_EVENT_EXITED:
		if (is_stillborn(s, g)) {
			error_set(&err, ERROR_CHILD, "cannot start the machine: QEMU ended: %s", text);
			sup_setup_failed(s, &err);
			break;
		}
		ended = mem_printf("QEMU ended: %s", text);
		sup_lost(s, ended);
		break;
	case VMM_EVENT_IO_ERROR:
		s->opt.note(text);
		break;
	case VMM_EVENT_NO_SPACE:
		error_set(&err, ERROR_SYSTEM, "cannot write what the guest wrote to its disk '%s': no space is left on the host", text);
		sup_no_room(s, &err);
		break;
	default:
		break;
	}
	sup_after_analysis(s);
}

int sup_start_guest(struct supervisor *s, const struct machine *m, struct guest **ret, struct error *err)
{
	const struct guest_callbacks cb = { on_up, on_frame, on_console, on_vmm_event, on_guest_lost, s };
	const struct vmm_options vo = { .run_dir = s->opt.run_dir, .empty_dir = s->opt.run_dir, .oom_score_adj = 500,
					.scratch_dir = s->opt.record->dir, .debug_qmp = s->opt.spec->verbosity >= 3 };

	return guest_start(m, s->opt.caps, &vo, s->loop, &cb, ret, err);
}
