/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The states of a run (see supervisor.h for the drawing). Each step's
 * completion callback starts the next one; what ends the run early goes
 * through sup_die(), which leaves the machine a moment for its last words
 * (a panic is printed line by line) before the loop stops.
 */

#include "run/supervisor.h"

#include <signal.h>
#include <string.h>

#include "run/supervisor_state.h"
#include "sys/fs.h"
#include "sys/term.h"

#define CRASH_GRACE_MS 700 /* from the first line of a crash report to letting the machine go */
#define LAST_WORDS_MS 300
#define POWER_OFF_MS 15000 /* from END to the power-off of a machine with disks to keep */
#define VMM_LAST_WORDS_MS 150 /* from a closed port to the exit of the VMM's process */

const char *sup_state_name(enum sup_state s)
{
	static const char *const names[] = {
		[SUP_BOOT] = "booting",	  [SUP_BASE] = "booting",  [SUP_SAVE] = "saving",     [SUP_LOAD] = "cloning",
		[SUP_SETUP] = "setup",	  [SUP_HOOKS] = "setup",   [SUP_PROGRAM] = "running", [SUP_AFTER] = "idle",
		[SUP_COLLECT] = "ending", [SUP_FINISH] = "ending", [SUP_DYING] = "ending",    [SUP_ENDED] = "ended",
	};

	return names[s];
}

void outcome_clear(struct outcome *o)
{
	analyser_free(o->analyser);
	free(o->lost_why);
	free(o->template_why);
	free(o->counters);
	strv_clear(&o->notes);
	*o = (struct outcome){ 0 };
}

/* ---- ends ---- */

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
	stop(s);
}

void sup_die(struct supervisor *s, uint64_t grace_ms)
{
	if (s->state >= SUP_DYING)
		return;
	s->state = SUP_DYING;
	watchdog_stop(s);
	s->timer_dying = loop_timer(s->loop, grace_ms, on_grace_over, s);
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

static struct analyser *new_analyser(const struct supervisor *s)
{
	/* The plan boots with printk.time=1: what has no stamp was written to the console by a program. */
	const struct analyser_options ao = { .allow = (const char *const *)s->opt.spec->allow.v, .known = &s->known,
					     .only_stamped = true };

	return analyser_new(&ao);
}

static int start_cold(struct supervisor *s, struct error *err)
{
	s->state = SUP_BOOT;
	s->out->was_clone = false;
	if (sup_start_guest(s, &s->opt.plan->machine, &s->guest, err) < 0)
		return -1;
	sessions_connect(s->sessions, guest_channel(s->guest));
	return 0;
}

/*
 * A clone that did not come to life: the template is bad, the run goes on
 * cold. From a timer, as the caller of sup_lost() may be a callback of the
 * guest that is to be freed.
 */
static void retry_cold(void *ctx)
{
	struct supervisor *s = ctx;
	_cleanup_free_ char *text = NULL;
	struct error err = ERROR_INIT;

	s->timer_retry = 0;
	if (s->state >= SUP_DYING)
		return;
	text = mem_printf("%s (%s); the machine boots without one",
			  s->maker || !s->template ? "no template can be made" : "the template can not be used and is removed",
			  s->out->lost_why ? s->out->lost_why : "it did not load");
	s->state = SUP_BOOT; /* what the VMMs still had to do fails when they are freed, and means nothing */
	loop_timer_remove(s->loop, s->timer_channel);
	loop_timer_remove(s->loop, s->timer_hang);
	s->timer_channel = s->timer_hang = 0;
	s->unanswered_pings = 0;
	if (s->opt.spec->verbosity)
		s->opt.note(text);
	free(s->out->template_why);
	s->out->template_why = take_ptr(s->out->lost_why);
	guest_free(s->guest);
	s->guest = NULL;
	guest_free(s->maker);
	s->maker = NULL;
	template_discard(s->template);
	s->template = NULL;
	s->is_prepared = s->out->was_prepared = s->clone_is_lost = false;
	s->out->n_stages = 0;
	/* Another machine: what the first one said is no history of this one. */
	console_restart(s->console);
	analyser_free(s->analyser);
	s->analyser = s->out->analyser = new_analyser(s);
	s->is_up = s->has_counters = s->out->made_template = false;
	if (start_cold(s, &err) < 0)
		sup_setup_failed(s, &err);
}

/* Has nothing been asked of the guest yet that a second start would repeat? */
static bool is_fresh(const struct supervisor *s)
{
	if (s->state == SUP_LOAD)
		return true;
	return s->state == SUP_SETUP && s->template && !channel_received(guest_channel(s->guest));
}

static bool start_over(struct supervisor *s, const char *why)
{
	free(s->out->lost_why);
	s->out->lost_why = mem_strdup(why);
	if (!s->timer_retry)
		s->timer_retry = loop_timer(s->loop, 0, retry_cold, s);
	return true;
}

bool sup_starts_over(struct supervisor *s, const char *why)
{
	return is_fresh(s) && !s->opt.makes_prepared && start_over(s, why);
}

void sup_lost(struct supervisor *s, const char *why)
{
	if (s->state >= SUP_DYING || sup_starts_over(s, why))
		return;
	if (s->state == SUP_FINISH && s->opt.plan->wants_power_off)
		return; /* it powers itself off, as asked */
	free(s->out->lost_why);
	s->out->lost_why = mem_strdup(why);
	s->out->facts.is_lost = true;
	sup_die(s, LAST_WORDS_MS);
}

static void leave(struct supervisor *s);

/* ---- what the guest says ---- */

void sup_after_analysis(struct supervisor *s)
{
	enum on_crash on_crash = s->opt.spec->on_crash;
	bool keeps = on_crash == ON_CRASH_KEEP || on_crash == ON_CRASH_SHELL || s->opt.waits_for_client ||
		     (on_crash == ON_CRASH_AUTO && s->opt.plan->program.tty);

	if (s->state >= SUP_DYING) {
		if (s->timer_dying && analyser_panic_is_over(s->analyser)) {
			loop_timer_remove(s->loop, s->timer_dying);
			s->timer_dying = loop_timer(s->loop, 0, on_grace_over, s);
		}
		return;
	}
	if (analyser_panic_is_over(s->analyser))
		sup_die(s, 0);
	else if (!keeps && analyser_crash(s->analyser))
		sup_end_early(s, CRASH_GRACE_MS);
	else
		watchdog_hang_check(s);
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

static void on_console(void *ctx, struct guest *g, const void *mem, size_t n)
{
	struct supervisor *s = ctx;

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
		analyser_counter(s->analyser, s->has_counters, name, strtoull(eq + 1, NULL, 0), loop_now_ms());
	}
	s->has_counters = true;
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

	if (s->maker && g == s->guest)
		return; /* the waiting clone: its exit says it */
	s->channel_why = why; /* static text, or strerror()'s */
	s->timer_channel = loop_timer(s->loop, VMM_LAST_WORDS_MS, on_channel_lost, s);
}

/* It ended before its guest said a word: QEMU refused its command line or the host its memory. */
static bool is_stillborn(const struct supervisor *s, struct guest *g)
{
	return s->state < SUP_DYING && s->state != SUP_LOAD && !s->is_up && !guest_was_heard(g);
}

static void on_vmm_event(void *ctx, struct guest *g, enum vmm_event ev, const char *text)
{
	struct supervisor *s = ctx;
	struct error err = ERROR_INIT;

	if (ev == VMM_EVENT_PAUSED || ev == VMM_EVENT_RUNNING)
		return;
	if ((ev == VMM_EVENT_SHUTDOWN || ev == VMM_EVENT_EXITED) && s->state == SUP_FINISH && s->timer_dying) {
		leave(s); /* as asked */
		return;
	}
	if (s->maker && g == s->guest) { /* waits for the maker, and was nothing to the run so far */
		s->clone_is_lost |= ev == VMM_EVENT_EXITED;
		return;
	}
	/* Of its own accord no guest ends the maker's process: a full file system under its memory does (SIGBUS). */
	if (s->maker && ev == VMM_EVENT_EXITED && s->state < SUP_LOAD) {
		start_over(s, text && *text ? text : "the virtual machine monitor ended");
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
		sup_lost(s, text && *text ? text : "the virtual machine monitor ended");
		break;
	case VMM_EVENT_IO_ERROR:
		s->opt.note(text ? text : "a disk of the guest can not be written: the host's file system is full");
		break;
	default:
		break;
	}
	sup_after_analysis(s);
}

/* ---- the way to the program ---- */

static void on_base_done(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (s->state != SUP_BASE)
		return;
	if (err)
		sup_setup_failed(s, err);
	else if (s->maker)
		maker_save(s);
	else
		sup_setup(s);
}

static void on_up(void *ctx, struct guest *g, const struct wire_hello *hello)
{
	struct supervisor *s = ctx;
	struct error err = ERROR_INIT;

	if (s->state != SUP_BOOT)
		return;
	s->is_up = true;
	analyser_agent(s->analyser, ANALYSER_AGENT_READY, loop_now_ms());
	s->state = SUP_BASE;
	guest_steps(g, &s->opt.plan->base, on_base_done, s);
	/* The clone's VMM starts while the maker mounts its images. */
	if (g == s->maker && maker_start_clone(s, &err) < 0)
		s->clone_is_lost = true;
}

int sup_start_guest(struct supervisor *s, const struct machine *m, struct guest **ret, struct error *err)
{
	const struct guest_callbacks cb = { on_up, on_frame, on_console, on_vmm_event, on_guest_lost, s };
	const struct vmm_options vo = { .run_dir = s->opt.run_dir, .empty_dir = s->opt.run_dir, .oom_score_adj = 500,
					.debug_qmp = s->opt.spec->verbosity >= 3 };

	return guest_start(m, s->opt.caps, &vo, s->loop, &cb, ret, err);
}

static void on_init_hooks_done(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (s->state != SUP_HOOKS)
		return;
	if (err) {
		sup_setup_failed(s, err);
	} else if (s->opt.makes_prepared) {
		maker_save_prepared(s);
	} else if (s->opt.waits_for_client) {
		s->state = SUP_AFTER;
		s->out->running_ns = loop_now_ns();
		watchdog_program(s);
		sup_ready(s);
	} else {
		program_start(s);
	}
}

void sup_ready(struct supervisor *s)
{
	if (s->opt.ready)
		s->opt.ready(s->opt.ctx);
}

static void on_setup_done(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (s->state != SUP_SETUP)
		return;
	if (err) {
		sup_setup_failed(s, err);
		return;
	}
	s->state = SUP_HOOKS;
	hooks_run(s, s->opt.plan->init_hooks, s->is_prepared ? 0 : s->opt.plan->n_init_hooks, on_init_hooks_done, s);
}

void sup_setup(struct supervisor *s)
{
	const struct run_plan *p = s->opt.plan;

	s->state = SUP_SETUP;
	s->setup.n = 0;
	free(s->setup.v);
	s->setup.v = NULL;
	steps_join(&s->setup, &p->identity);
	if (!s->is_prepared)
		steps_join(&s->setup, &p->layers);
	if (s->is_prepared)
		steps_join(&s->setup, &p->revive);
	if (s->opt.makes_prepared)
		steps_join(&s->setup, &p->prepare);
	else
		steps_join(&s->setup, &p->per_run);
	sessions_connect(s->sessions, guest_channel(s->guest));
	guest_steps(s->guest, &s->setup, on_setup_done, s);
}

/* ---- the orderly end ---- */

static void on_drained(void *ctx)
{
	stop(ctx);
}

/* END is in: the machine is of no use any more, and its memory is given back while we still write. */
static void leave(struct supervisor *s)
{
	loop_timer_remove(s->loop, s->timer_dying);
	s->timer_dying = 0;
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
	leave(s);
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
		leave(s);
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
	hooks_run(s, s->opt.plan->collect_hooks, s->opt.plan->n_collect_hooks, on_collect_hooks_done, s);
}

/* ---- signals ---- */

static void on_end_signal(void *ctx, int signo)
{
	struct supervisor *s = ctx;

	s->n_signals++;
	if (signo != SIGHUP && s->n_signals == 1 && s->program && session_is_running(s->program)) {
		session_signal(s->program, (uint32_t)signo);
		return;
	}
	s->out->facts.interrupted_by = signo;
	sup_die(s, 0);
}

static void watch_signals(struct supervisor *s)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		loop_signal(s->loop, ends[i], on_end_signal, s);
	signal(SIGPIPE, SIG_IGN);
}

/* ---- all of it ---- */

static void open_template(struct supervisor *s)
{
	const struct run_plan *p = s->opt.plan;
	const char *why = NULL;

	if (!p->can_template || s->opt.spec->cold)
		return;
	if (p->can_prepare && template_find(s->opt.paths, p->prepared_key, p->prepared_text, &s->template)) {
		s->is_prepared = s->out->was_prepared = true;
		return;
	}
	if (template_find(s->opt.paths, p->template_key, p->template_text, &s->template))
		return;
	s->template = template_begin(s->opt.paths, p->template_key, p->machine.memory_bytes, &why);
	if (s->template) {
		struct template *other;

		/* Published between our looks. */
		if (!template_find(s->opt.paths, p->template_key, p->template_text, &other))
			return;
		template_free(s->template);
		s->template = other;
		return;
	}
	if (s->opt.spec->verbosity) {
		_cleanup_free_ char *text = mem_printf("no template is made: %s", why);

		s->opt.note(text);
	}
}

static int start_machine(struct supervisor *s, struct error *err)
{
	struct machine m = s->opt.plan->machine; /* shallow: only read */

	if (s->opt.makes_prepared)
		return maker_prepare(s, err);
	open_template(s);
	if (!s->template)
		return start_cold(s, err);
	if (!s->template->is_new) {
		_cleanup_free_ char *log = mem_printf("%s/console.log", s->opt.record->dir);

		fs_copy_file(s->template->console_path, log, 0644, NULL); /* what it said while booting */
		s->out->was_clone = true;
		s->is_up = true;
		if (maker_start_clone(s, err) < 0)
			return -1;
		maker_load_clone(s);
		return 0;
	}
	m.ram_mode = RAM_SHARED;
	m.ram_path = s->template->ram_path;
	return sup_start_guest(s, &m, &s->maker, err);
}

static void on_log_line(void *ctx, const char *text, size_t n)
{
	struct supervisor *s = ctx;

	if (s->server)
		server_console_line(s->server, text, n);
}

static int set_up(struct supervisor *s, struct error *err)
{
	const struct outlet outlet = program_outlet(s);
	int log_fd;

	if (s->opt.spec->known_issues && known_issues_load(&s->known, s->opt.spec->known_issues, err) < 0)
		return -1;
	log_fd = record_open_console(s->opt.record, err);
	if (log_fd < 0)
		return -1;
	s->console = console_new(log_fd);
	console_watch(s->console, on_log_line, s);
	s->analyser = s->out->analyser = new_analyser(s);
	s->sessions = sessions_new();
	s->loop = loop_new();
	watch_signals(s);
	if (s->opt.has_local)
		s->local = local_new(s->loop, &outlet);
	else if (!s->opt.waits_for_client && !s->opt.makes_prepared && program_open_output(s, err) < 0)
		return -1;
	return s->opt.makes_prepared ? 0 : server_new(s, &s->server, err);
}

static void tear_down(struct supervisor *s)
{
	known_issues_clear(&s->known);
	sessions_free(s->sessions);
	server_free(s->server);
	s->server = NULL;
	local_free(s->local);
	guest_free(s->maker);
	guest_free(s->guest);
	template_free(s->template);
	console_free(s->console);
	close_fd(&s->output_fd);
	steps_clear(&s->finish);
	steps_clear(&s->report);
	free(s->setup.v);
	str_clear(&s->hooks.output);
	loop_free(s->loop);
}

int supervisor_run(const struct supervisor_options *opt, struct outcome *ret, struct error *err)
{
	struct supervisor s = { .opt = *opt, .out = ret, .output_fd = -1 };
	int r;

	ret->started_ns = loop_now_ns();
	r = set_up(&s, err);
	if (r == 0)
		r = start_machine(&s, err);
	if (r == 0) {
		watchdog_start(&s);
		loop_run(s.loop);
		ret->ended_ns = loop_now_ns();
		console_flush(s.console);
		analyser_finish(s.analyser, loop_now_ms());
		collect_end(&s);
		ret->facts.analyser = s.analyser;
		ret->facts.is_strict = opt->spec->is_strict || opt->plan->is_strict;
		verdict_decide(&ret->facts, &ret->verdict);
		term_restore(); /* what is printed now is for a cooked terminal */
		if (opt->decided)
			opt->decided(opt->decided_ctx, ret);
		if (s.server)
			server_verdict(s.server, ret->verdict.status, verdict_table[ret->verdict.verdict].name, "{}");
	}
	tear_down(&s);
	return r;
}
