/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One run from its first instruction to its verdict: what it is made of, its
 * signals, and the loop around it. The states (see supervisor.h for the
 * drawing) are gone through in supervisor_start.c, program.c and
 * supervisor_end.c; what happens on the way is in supervisor_events.c.
 */

#include "run/supervisor.h"

#include <signal.h>

#include "run/ram_copy.h"
#include "run/supervisor_state.h"
#include "sys/term.h"

#define HANG_UP_GRACE_MS 10000 /* for the program to end after SIGHUP */

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
	free(o->crash_text);
	free(o->counters);
	free(o->vmcore);
	free(o->kvm_refusal);
	strv_clear(&o->warnings);
	strv_clear(&o->notes);
	if (o->has_memory)
		close(o->memory_fd);
	*o = (struct outcome){ 0 };
}

static void interrupt(struct supervisor *s, int signo)
{
	s->out->facts.interrupted_by = signo;
	sup_die(s, 0);
}

static void on_hang_up_over(void *ctx)
{
	interrupt(ctx, SIGHUP);
}

/* The first is the program's, the second ours. After a hang-up there may be nobody left to send a second one. */
static void on_end_signal(void *ctx, int signo)
{
	struct supervisor *s = ctx;

	if (s->dump_done) {
		debugger_give_up(s);
		return;
	}
	if (signo == SIGHUP && s->expects_hup) { /* the same news */
		s->expects_hup = false;
		return;
	}
	if (s->n_signals++ || !s->program || !session_is_running(s->program)) {
		interrupt(s, signo);
		return;
	}
	session_signal(s->program, (uint32_t)signo);
	if (signo == SIGHUP)
		loop_timer(s->loop, HANG_UP_GRACE_MS, on_hang_up_over, s);
}

/*
 * If it was our session's the kernel says so, too, before or after; of another
 * one (su -c in a window that is closed) nobody else does.
 */
void sup_terminal_gone(struct supervisor *s)
{
	if (s->n_signals)
		return;
	on_end_signal(s, SIGHUP);
	s->expects_hup = true;
}

static void watch_signals(struct supervisor *s)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		loop_signal(s->loop, ends[i], on_end_signal, s);
	signal(SIGPIPE, SIG_IGN);
}

static void on_log_line(void *ctx, const char *text, size_t n)
{
	struct supervisor *s = ctx;

	if (s->server)
		server_console_line(s->server, text, n);
	if (s->opt.spec->verbosity >= 2) {
		_cleanup_str_ struct str line = STR_INIT;

		str_add_safe(&line, text, n && text[n - 1] == '\n' ? n - 1 : n, false);
		s->opt.note(str_cstr(&line));
	}
}

static int set_up(struct supervisor *s, struct error *err)
{
	const struct outlet outlet = program_outlet(s);
	int log_fd;

	for (size_t i = 0; i < s->opt.spec->allow.n; i++)
		if (finding_pattern_is_all(s->opt.spec->allow.v[i]))
			return finding_refuse_pattern(s->opt.spec->allow.v[i], err);
	if (s->opt.spec->known_issues && known_issues_load(&s->known, s->opt.spec->known_issues, err) < 0)
		return -1;
	log_fd = record_open_console(s->opt.record, err);
	if (log_fd < 0)
		return -1;
	s->console = console_new(log_fd);
	console_watch(s->console, on_log_line, s);
	s->analyser = s->out->analyser = sup_new_analyser(s);
	s->sessions = sessions_new();
	s->loop = loop_new();
	if (loop_catch_signals(s->loop, err) < 0)
		return -1;
	watch_signals(s);
	networks_start(s);
	if (s->opt.has_local)
		s->local = local_new(s->loop, &outlet);
	else if (!s->opt.waits_for_client && !s->opt.makes_prepared && program_open_output(s, err) < 0)
		return -1;
	return s->opt.makes_prepared ? 0 : server_new(s, &s->server, err);
}

static void tear_down(struct supervisor *s)
{
	known_issues_clear(&s->known);
	str_clear(&s->boot_line);
	sessions_free(s->sessions);
	server_free(s->server);
	s->server = NULL;
	local_free(s->local);
	networks_stop(s);
	ram_copy_free(s->ram_copy);
	s->out->has_memory = s->ram_fd >= 0;
	s->out->memory_fd = take_fd(&s->ram_fd);
	guest_free(s->guest);
	template_free(s->template);
	console_free(s->console);
	close_fd(&s->output_fd);
	steps_clear(&s->finish);
	steps_clear(&s->report);
	silence_clear(&s->silence);
	silence_clear(&s->question);
	silence_clear(&s->hang);
	free(s->setup.v);
	str_clear(&s->hooks.output);
	loop_free(s->loop);
}

int supervisor_run(const struct supervisor_options *opt, struct outcome *ret, struct error *err)
{
	struct supervisor s = { .opt = *opt, .out = ret, .output_fd = -1, .ram_fd = -1 };
	int r;

	ret->started_ns = loop_now_ns();
	r = set_up(&s, err);
	if (r == 0)
		r = sup_start(&s, err);
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
