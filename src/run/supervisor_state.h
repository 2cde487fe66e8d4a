/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The supervisor's inside, shared by its parts: supervisor.c (the whole),
 * supervisor_start.c (the way to the program), supervisor_events.c (what guest
 * and VMM say), supervisor_end.c (the ends), program.c (the program and its
 * streams), maker.c (a template on the way), hooks.c (guest hooks one after
 * the other), watchdog.c (silence, heartbeat, time limits, hangs),
 * hang_report.c (what a hung machine can tell), server.c (clients),
 * debugger.c (vmcores, the gdb stub), collect.c (files that come back over the
 * channel).
 */

#include "run/analyser.h"
#include "run/known_issues.h"
#include "run/console.h"
#include "run/guest.h"
#include "run/local.h"
#include "run/quota.h"
#include "run/session.h"
#include "run/silence.h"
#include "run/supervisor.h"
#include "run/template.h"
#include "wire/tree.h"

#define VMM_LAST_WORDS_MS 2000 /* from a closed port to the exit of the VMM's process, on a busy host */

enum sup_state {
	SUP_BOOT,    /* waiting for the agent's HELLO */
	SUP_BASE,    /* base steps */
	SUP_SAVE,    /* the machine is being saved as a template */
	SUP_LOAD,    /* the clone loads its state, or the machine that was saved is resumed */
	SUP_SETUP,   /* setup steps */
	SUP_HOOKS,   /* guest-init hooks */
	SUP_PROGRAM, /* the program runs */
	SUP_AFTER,   /* -S shell, or --keep: nothing of the run itself runs */
	SUP_COLLECT, /* guest-collect hooks, /shared over the channel */
	SUP_FINISH,  /* counters, last kernel messages */
	SUP_DYING,   /* the verdict is known; the machine is given a moment for its last words */
	SUP_ENDED,
};

/* Name for `quiz ps`: "booting", "running", ... */
const char *sup_state_name(enum sup_state s);

/* Hooks, one after the other. */
struct hook_queue {
	const struct run_hook *hooks;
	size_t n, at;
	uint64_t limit_ms, timer; /* of each hook; 0: none */
	struct session *session;
	struct str output; /* last words of the current one */
	void (*done)(void *ctx, const struct error *err);
	void *ctx;
};

/* Guest paths on their way into the record, one after the other. */
struct collection {
	size_t at;		     /* which path; of the plan's /shared and collect */
	struct session *session;
	struct tree_writer *writer;  /* owned; NULL: none is on its way */
	struct str said;	     /* by the guest, when it fails */
	uint64_t bytes, timer;
	size_t n_left_out;
	bool is_early;		     /* before the program's end, in a machine that may not be able to */
	void (*done)(void *ctx);
	void *ctx;
};

struct server;
struct network_watch;

struct supervisor {
	struct supervisor_options opt;
	struct loop *loop;
	enum sup_state state;
	struct outcome *out;

	struct guest *guest; /* the one that runs, or will run, the program */
	int ram_fd;	     /* its memory, while it is to become a template; -1: it is not */
	struct template *template; /* being made or cloned from; NULL: none */
	struct ram_copy *ram_copy; /* of it, under way or done */
	unsigned n_saving;	    /* of the two that must end before it goes on: this and the VMM's saving */
	struct error save_error;    /* of the first of them that failed */
	vmm_done_fn *on_idle; /* maker.c waits for the guest to come to rest, then calls it */
	unsigned idle_looks; /* so far, and those in a row that found it so */
	unsigned idle_in_a_row;
	bool is_prepared;    /* `template` is a prepared one: layers and hooks are in it */
	struct steps setup;  /* joined from the plan's; only its array is ours */

	struct analyser *analyser;
	struct known_issues known; /* --known-issues */
	struct console *console;
	struct sessions *sessions;
	struct session *program;
	struct local *local;
	struct server *server;
	struct network_watch *networks; /* owned; one per network */
	struct hook_queue hooks;
	struct collection collection;
	struct steps finish;

	struct quota shared_quota; /* of /shared, where it is a live folder */
	uint64_t timer_room;

	uint64_t timer_boot, timer_limit, timer_heartbeat, timer_analyser, timer_dying, timer_hang, timer_status;
	uint64_t timer_crash; /* a crash that is not sure yet is looked at again */
	uint64_t timer_answer; /* the guest is off, or closes its port, and has not said that it is done */
	bool is_off;
	uint64_t timer_channel, timer_retry;
	struct str boot_line; /* of the console, while the machine boots: see watch_timer() */
#define WRONG_TIMERS_MAX 5
	unsigned n_wrong_timers; /* machines given up for it */
	bool has_wrong_timer;	 /* so is the one at hand */
	void (*hang_done)(struct supervisor *s); /* a hang report is under way; what comes after it */
	uint64_t timer_report, timer_keys;
	bool has_stacks;     /* the agent has made the kernel print them */
	const char *report_keys; /* sysrq keys still to be typed on the console */
	struct steps report;
	uint64_t ping_nonce;
	unsigned unanswered_pings;
	struct silence silence;	    /* since the last sign of life while booting; since the first unanswered ping later */
	uint64_t agent_mark;	    /* bytes of the agent then */
	struct silence question;    /* the VMM's own, since it was asked whether the machine runs */
	uint64_t console_mark;	    /* bytes of the console then */
	struct silence hang;	    /* the program's, since the kernel reported a hang */
	uint64_t hang_wait_ms;	    /* how long it may be */
	const char *channel_why; /* the agent's port was closed: why */
	int n_signals;	     /* INT, TERM and HUP so far */
	bool expects_hup;    /* the terminal was found to be gone, and the signal for it may come still */
	bool is_up;	     /* the guest has been heard on its agent channel */
	bool is_last;	     /* all that the kernel said and counted comes before the program's EXIT */
	bool is_stopping;    /* the program of --keep was told to end, and the machine goes with it */
	bool is_shell;	     /* the program has ended; this is the shell after it (-S) */
	bool is_dumping;     /* a vmcore is being written: the machine stands still */
	unsigned n_debuggers; /* clients that hold the gdb stub */
	bool vmm_is_deaf;     /* it does not answer: nothing can be asked of it */
	bool vm_is_stopped;   /* somebody has paused the machine: nothing can be asked of the guest */
	void (*dump_done)(struct supervisor *s); /* the vmcore at the end is being written; what comes after it */
	uint64_t timer_dump;
	int output_fd;	     /* of a program in the background; -1: none */
	uint64_t output_bytes;
};

/* ---- supervisor_end.c ---- */
/* The end for a reason other than the program's: facts are set before. Collects last words, then ends. */
void sup_die(struct supervisor *s, uint64_t grace_ms);
/* The same in a machine that may still answer (time limit, oops): what the record wants of its files comes first. */
void sup_end_early(struct supervisor *s, uint64_t grace_ms);
/* Cuts the grace of sup_die() short: there is nothing more to wait for. */
void sup_die_now(struct supervisor *s);
/* A profile, a mount, a module: the program is not started. */
void sup_setup_failed(struct supervisor *s, const struct error *err);
/* The machine has filled, or stands before, what the host has room for: it can not go on. */
void sup_no_room(struct supervisor *s, const struct error *err);
/* Guest or VMM are gone without a status; a fresh clone's loss starts over instead. */
void sup_lost(struct supervisor *s, const char *why);
/* The orderly end: collect, counters, FINISH. */
void sup_wind_down(struct supervisor *s);
/* END is in: the machine is of no use any more, and its memory is given back while we still write. */
void sup_leave(struct supervisor *s);

/* ---- supervisor_start.c ---- */
/* As a clone, as the maker of a template, or cold, by what the plan and the store allow. */
int sup_start(struct supervisor *s, struct error *err);
/*
 * A clone that never said a word, or a VMM that died before anything was
 * asked of its guest: it boots instead, without a template. False: there is
 * no such excuse.
 */
bool sup_starts_over(struct supervisor *s, const char *why);
/* The same without asking for an excuse. */
void sup_start_over(struct supervisor *s, const char *why);
/* A machine that boots has said HELLO: on to the base steps. */
void sup_guest_up(struct supervisor *s, struct guest *g);
/* Goes on from the state reached, with s->guest ready for the setup steps. */
void sup_setup(struct supervisor *s);
/* The program runs, or the machine waits for its client. */
void sup_ready(struct supervisor *s);

/* ---- supervisor_events.c ---- */
struct analyser *sup_new_analyser(const struct supervisor *s);
/* After anything was fed to the analyser. */
void sup_after_analysis(struct supervisor *s);
/* What crashed is told once, as soon as its report is complete, or now. Nothing crashed: does nothing. */
void sup_tell_crash(struct supervisor *s, bool is_now);
/* Starts a VMM whose guest's events come here. */
int sup_start_guest(struct supervisor *s, const struct machine *m, struct guest **ret, struct error *err);

/* ---- program.c ---- */
/* output.log of the record, for a program in the background. */
int program_open_output(struct supervisor *s, struct error *err);
/* Asks the guest for it; it is refused there when a step of the setup has failed. */
void program_send(struct supervisor *s);
/* The setup is done: the program is sent if it was not, and its state begins. */
void program_start(struct supervisor *s);
struct outlet program_outlet(struct supervisor *s);
/* Our terminal is gone: as if SIGHUP had come, once. */
void sup_terminal_gone(struct supervisor *s);
/* What becomes of the run's program goes into the outcome. */
void program_note_started(struct supervisor *s, const struct wire_started *m);
void program_note_exited(struct supervisor *s, const struct wire_exit *m);

/* ---- maker.c ---- */
/* Begins to make a prepared template from the base template. */
int maker_prepare(struct supervisor *s, struct error *err);
/* Layers and hooks are done in a machine that becomes a prepared template. */
void maker_save_prepared(struct supervisor *s);
/* Boots a machine that becomes a template on its way. */
int maker_start(struct supervisor *s, struct error *err);
/* Does the machine become one, and has not yet? */
bool maker_is_making(const struct supervisor *s);
/* Base steps are done in a machine that becomes a template. */
void maker_save(struct supervisor *s);
/* Starts the clone's VMM. */
int maker_start_clone(struct supervisor *s, struct error *err);
void maker_load_clone(struct supervisor *s);

/* ---- hooks.c ---- */
/* limit_ms: what each may take; 0: as long as it likes. */
void hooks_run(struct supervisor *s, const struct run_hook *hooks, size_t n, uint64_t limit_ms,
	       void (*done)(void *ctx, const struct error *err), void *ctx);

/* ---- collect.c ---- */
bool collect_is_wanted(const struct supervisor *s);
/* Brings back what the plan wants over the channel, then calls done. What fails becomes a note. */
void collect_run(struct supervisor *s, void (*done)(void *ctx), void *ctx);
/* After the loop: says what the machine's early end has left there; frees. */
void collect_end(struct supervisor *s);

/* ---- watchdog.c ---- */
void watchdog_start(struct supervisor *s);    /* from the first instruction */
void watchdog_hooks(struct supervisor *s);    /* guest-init hooks run: the same time limit as for the program */
void watchdog_program(struct supervisor *s);  /* the program runs: its time limit */
void watchdog_pong(struct supervisor *s, uint64_t nonce);
void watchdog_hang_check(struct supervisor *s); /* the analyser may have seen a hang */
void watchdog_stop(struct supervisor *s);

/* ---- hang_report.c ---- */
/*
 * Asks the machine what it hangs on, within some seconds; then calls done.
 * agent_is_deaf: the kernel is asked over its console at once.
 */
void hang_report(struct supervisor *s, bool agent_is_deaf, void (*done)(struct supervisor *s));

/* ---- debugger.c ---- */
/* Writes a vmcore to an absolute path, then calls done. */
void debugger_dump(struct supervisor *s, const char *path, vmm_done_fn *done, void *ctx);
/* When the run is to end: a vmcore in its record if one is wanted of such an end, then done. */
void debugger_dump_at_end(struct supervisor *s, void (*done)(struct supervisor *s));
/* Gives up on a dump at the end: the user does not want to wait. */
void debugger_give_up(struct supervisor *s);
/* A gdb stub, as long as somebody holds it: each attach has its detach. */
void debugger_attach(struct supervisor *s, vmm_done_fn *done, void *ctx);
void debugger_detach(struct supervisor *s);
/* May the machine be standing still because somebody looks at it? */
bool debugger_holds(const struct supervisor *s);

/* ---- networks.c ---- */
void networks_start(struct supervisor *s);
/* The guest has its files now: what has changed since the machine was planned is told, and from now on at once. */
void networks_set_up(struct supervisor *s);
void networks_stop(struct supervisor *s);

/* ---- server.c ---- */
int server_new(struct supervisor *s, struct server **ret, struct error *err);
void server_free(struct server *sv);
/* Watchers and waiters are told. */
void server_program_ended(struct server *sv, const struct wire_exit *m);
void server_verdict(struct server *sv, int status, const char *verdict, const char *json);
/* The kernel has crashed and the machine goes on: who runs the program there is told. */
void server_crashed(struct server *sv, const char *text);
void server_console_line(struct server *sv, const char *text, size_t n);

/* ---- server_status.c ---- */
/* JSON; the caller frees. */
char *server_status(struct supervisor *s);
