/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From nothing to the program. A machine boots, is cloned from a template, or
 * boots as the maker of one; each step's completion callback starts the next
 * one. A clone that does not come to life costs time and nothing else: the
 * run goes on cold.
 */

#include "run/supervisor_state.h"

#include "run/admission.h"
#include "run/ram_copy.h"
#include "sys/fs.h"

#define TEMPLATE_LOG_MAX (4u << 20)

/* ---- without a template ---- */

static int start_cold(struct supervisor *s, struct error *err)
{
	_cleanup_free_ char *text = NULL;

	s->state = SUP_BOOT;
	s->out->was_clone = false;
	if (s->opt.plan->machine.has_gdb) {
		text = mem_printf("the machine waits for its debugger: quiz gdb %s", s->opt.record->id);
		s->opt.note(text);
	}
	if (sup_start_guest(s, &s->opt.plan->machine, &s->guest, err) < 0)
		return -1;
	sessions_connect(s->sessions, guest_channel(s->guest));
	return 0;
}

/*
 * A clone that did not come to life: the template is bad, the run goes on
 * cold. A machine whose timer is wrong: from the beginning. From a timer, as the caller of sup_lost() may be a callback of the
 * guest that is to be freed.
 */
static void retry_cold(void *ctx)
{
	struct supervisor *s = ctx;
	_cleanup_free_ char *text = NULL;
	struct error err = ERROR_INIT;
	bool is_timer = s->has_wrong_timer;

	s->timer_retry = 0;
	s->has_wrong_timer = false;
	if (s->state >= SUP_DYING)
		return;
	text = mem_printf("%s (%s); the machine boots %s",
			  !s->template || is_timer ? "the machine is no good" :
			  s->template->is_new ? "no template can be made" : "the template can not be used and is removed",
			  s->out->lost_why ? s->out->lost_why : "it did not load",
			  !s->template || is_timer ? "again" : "without one");
	s->state = SUP_BOOT; /* what the VMMs still had to do fails when they are freed, and means nothing */
	loop_timer_remove(s->loop, s->timer_channel);
	loop_timer_remove(s->loop, s->timer_hang);
	loop_timer_remove(s->loop, s->timer_status);
	s->timer_status = 0;
	s->timer_channel = s->timer_hang = 0;
	str_truncate(&s->boot_line, 0);
	s->unanswered_pings = 0;
	sessions_end(s->sessions); /* the program, if it was asked for already */
	if (s->opt.spec->verbosity)
		s->opt.note(text);
	if (!is_timer) {
		free(s->out->template_why);
		s->out->template_why = take_ptr(s->out->lost_why);
	}
	free(s->out->lost_why);
	s->out->lost_why = NULL;
	guest_free(s->guest);
	s->guest = NULL;
	ram_copy_free(s->ram_copy);
	s->ram_copy = NULL;
	close_fd(&s->ram_fd);
	template_discard(s->template);
	s->template = NULL;
	s->is_prepared = s->out->was_prepared = false;
	s->out->n_stages = 0;
	s->out->again_ns = loop_now_ns();
	/* Another machine: what the first one said is no history of this one. */
	console_restart(s->console);
	analyser_free(s->analyser);
	s->analyser = s->out->analyser = sup_new_analyser(s);
	s->is_up = s->out->made_template = false;
	/* A wrong timer is nothing but bad luck: the next machine may become a template, unless it is to go on whatever it has. */
	if ((is_timer && s->n_wrong_timers < WRONG_TIMERS_MAX ? sup_start(s, &err) : start_cold(s, &err)) < 0)
		sup_setup_failed(s, &err);
}

/*
 * Has the guest done nothing yet that a second start would repeat? It answers
 * its setup before it starts the program; the end of a VMM may be seen before
 * that answer is read.
 */
static bool is_fresh(const struct supervisor *s)
{
	if (s->state == SUP_SAVE || s->state == SUP_LOAD)
		return true;
	return s->state == SUP_SETUP && s->template && !channel_was_heard(guest_channel(s->guest));
}

void sup_start_over(struct supervisor *s, const char *why)
{
	bool may_say_why;

	free(s->out->lost_why);
	s->out->lost_why = mem_strdup(why);
	/* A KVM that makes no machine says so with the VMM's last words, and the template is not to blame. */
	may_say_why = s->opt.plan->machine.accel == ACCEL_KVM && s->guest && vmm_pid(guest_vmm(s->guest));
	loop_timer_remove(s->loop, s->timer_retry);
	s->timer_retry = loop_timer(s->loop, may_say_why ? VMM_LAST_WORDS_MS : 0, retry_cold, s);
}

bool sup_starts_over(struct supervisor *s, const char *why)
{
	if (!is_fresh(s) || s->opt.makes_prepared)
		return false;
	sup_start_over(s, why);
	return true;
}

/* ---- cold, a clone, or the maker of a template ---- */

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
	if (s->opt.spec->verbosity || (str_eq(why, TEMPLATE_NO_ROOM) && template_want_of_room_is_news(s->opt.paths))) {
		_cleanup_free_ char *text = mem_printf("no template is made: %s%s", why,
						       str_eq(why, TEMPLATE_NO_ROOM) ? ", so every such run boots (quiz clean; "
									"QUIZ_TEMPLATE_DIR names another place)" : "");

		s->opt.note(text);
	}
}

/* What the machine said while booting is this run's, too: a WARN of it counts in a clone as in a machine that boots. */
static void take_template_log(struct supervisor *s)
{
	const char *from = s->template->console_path;
	_cleanup_free_ char *to = mem_printf("%s/console.log", s->opt.record->dir);
	_cleanup_str_ struct str text = STR_INIT;

	fs_copy_file(from, to, 0644, NULL);
	if (fs_read(from, TEMPLATE_LOG_MAX, &text, NULL) < 0)
		analyser_template_log(s->analyser, NULL, 0, 0);
	else
		analyser_template_log(s->analyser, str_cstr(&text), text.len, loop_now_ms());
}

int sup_start(struct supervisor *s, struct error *err)
{
	if (s->opt.makes_prepared)
		return maker_prepare(s, err);
	open_template(s);
	if (!s->template)
		return start_cold(s, err);
	if (!s->template->is_new) {
		take_template_log(s);
		s->out->was_clone = true;
		s->is_up = true;
		if (maker_start_clone(s, err) < 0)
			return -1;
		maker_load_clone(s);
		return 0;
	}
	return maker_start(s, err);
}

/* ---- the way to the program ---- */

static void on_base_done(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (s->state != SUP_BASE)
		return;
	if (err)
		sup_setup_failed(s, err);
	else if (maker_is_making(s))
		maker_save(s);
	else
		sup_setup(s);
}

void sup_guest_up(struct supervisor *s, struct guest *g)
{
	s->state = SUP_BASE;
	guest_steps(g, &s->opt.plan->base, on_base_done, s);
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
	admission_is_up(s->opt.run_dir);
	networks_set_up(s);
	watchdog_hooks(s);
	hooks_run(s, s->opt.plan->init_hooks, s->is_prepared ? 0 : s->opt.plan->n_init_hooks, 0,
		  on_init_hooks_done, s);
}

/* With nothing between the setup and the program both are sent at once: a clone's guest is woken once, not twice. */
static bool starts_at_once(const struct supervisor *s)
{
	return s->state == SUP_SETUP && !s->opt.makes_prepared && !s->opt.waits_for_client &&
	       (s->is_prepared || !s->opt.plan->n_init_hooks);
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
	if (starts_at_once(s))
		program_send(s);
}
