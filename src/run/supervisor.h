/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The supervisor owns a machine from its first instruction to its end. It is
 * QEMU's parent, the host end of the agent's channel and the server of the
 * run's socket; it feeds the analyser and decides when the run is over.
 *
 *	BOOT -> BASE -> [SAVE -> LOAD] -> SETUP -> HOOKS -> PROGRAM -> COLLECT -> FINISH -> ENDED
 *	          clone starts at LOAD ----^          |        ^ |
 *	                                              |   -S shell, --keep: stays up
 *	any state --- lost, crash, hang, time limit, signal ---> ENDED
 *
 * It prints nothing but what the program prints; what happened is in the
 * outcome.
 */

#include "run/network.h"
#include "run/record.h"
#include "run/run_plan.h"
#include "run/verdict.h"
#include "sys/paths.h"
#include "vmm/vmm.h"

struct outcome;

struct supervisor_options {
	const struct paths *paths;
	const struct runspec *spec;
	const struct run_plan *plan;
	const struct vmm_caps *caps;
	struct record *record;
	const char *run_dir;	  /* 0700 runtime folder of this run */
	struct network *networks; /* borrowed; joined */
	size_t n_networks;
	bool has_local;		  /* the program's streams are our own stdin, stdout, stderr; else its output goes to output.log */
	bool makes_prepared;	  /* no run at all: a clone of the base template becomes a prepared one */
	bool waits_for_client;	  /* the program is started by a client, and the machine stays until it is stopped */
	void (*note)(const char *text); /* prints a line for people, unless quiet */
	/* The verdict is in *o; called before the VMM is reaped, so that its memory is freed meanwhile. May be NULL. */
	void (*decided)(void *ctx, struct outcome *o);
	/* The program has just been started: for what takes a moment and nobody waits for. May be NULL. */
	void (*started)(void *ctx, struct outcome *o);
	/* The kernel has crashed, and its machine is kept: its report is complete. Puts it into o->crash_text. May be NULL. */
	void (*crashed)(void *ctx, struct outcome *o);
	void *decided_ctx; /* of the three */
	void (*ready)(void *ctx); /* the program runs, or the machine waits for its client; may be NULL */
	void *ctx;
};

/* A boot stage (wire.h): when it was told, and what the guest's clock said when it was reached. */
struct outcome_stage {
	uint32_t stage;
	uint64_t host_ns, guest_ns;
};

#define OUTCOME_STAGES_MAX 16

struct outcome {
	struct verdict_input facts;    /* analyser included */
	struct error error;	       /* of setup, or what the VMM said when it was lost */
	struct verdict_result verdict; /* borrows from the analyser */
	struct analyser *analyser;     /* owned */
	struct wire_exit exit;	       /* of the program, when it ended */
	char *lost_why;		       /* owned */
	char *template_why;	       /* owned; why a template could not be used, if so */
	bool was_clone, was_prepared, made_template;
	bool is_absent;		       /* the guest has no file of the program's name, where the program was not found */
	bool kvm_was_silent;	       /* KVM guest without a byte: run again under emulation */
	char *kvm_refusal;	       /* owned; why KVM would not even make the machine: run again, too; NULL: it did */
	uint64_t started_ns, running_ns, ended_ns; /* monotonic: start, program's execve, end */
	uint64_t again_ns;	       /* when the machine whose stages these are was started, if others were given up; or 0 */
	struct outcome_stage stages[OUTCOME_STAGES_MAX];
	size_t n_stages;
	struct strv warnings;	       /* for people, quiet or not: what the program could not have of us */
	struct strv notes;	       /* for people: what could not be brought back from the guest, and the like */
	char *crash_text;	       /* owned; what the user was told of a crash while the machine goes on, or NULL */
	char *counters;		       /* owned; "name=value" lines at the end */
	char *vmcore;		       /* owned; path of the memory written at the end, or NULL */
	bool has_memory;
	int memory_fd;		       /* owned; has_memory: of a machine that became a template. Closing it takes a while */
};

void outcome_clear(struct outcome *o);

/* Runs it to its end. 0, or -1 when the machine could not even be started. */
int supervisor_run(const struct supervisor_options *opt, struct outcome *ret, struct error *err);
