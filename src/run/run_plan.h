/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The plan of one run: the machine, what its agent is asked to do, the hooks,
 * the program. Pure data, made by run/plan.c, printed by --dry-run, carried
 * out by the supervisor, which decides nothing that could have been decided
 * here.
 */

#include "run/steps.h"
#include "spec/machine.h"
#include "spec/runspec.h"

/* A hook that runs in the guest. */
struct run_hook {
	char *profile;	 /* owned */
	char *path;	 /* owned; in the guest */
	const char *cwd; /* NULL: / */
	bool may_fail;	 /* its status does not matter */
	struct strv env; /* NAME=VALUE */
};

/* The program, as START wants it. */
struct run_program {
	struct strv argv; /* empty: the user's shell */
	struct strv env;
	char *cwd, *user; /* owned; "" for defaults */
	bool tty, has_stdin;
};

struct run_plan {
	struct machine machine;
	/* Up to READY: what a template contains. Then, in every run, cold or cloned: */
	struct steps base;
	struct steps identity; /* what no two clones may share; first after every clone */
	struct steps layers;   /* root, layers, modules, memory devices: what a prepared template contains too */
	struct steps prepare;  /* further, when a prepared template is made: what revives a clone of it */
	struct steps ready;    /* last of all, before it is saved */
	struct steps revive;   /* further, after the identity, in a clone of a prepared template */
	struct steps per_run;  /* shares, disks, networks, values of /sys and /proc that depend on the run */
	struct run_hook *init_hooks, *collect_hooks; /* owned */
	size_t n_init_hooks, n_collect_hooks;
	struct run_program program;
	bool shell_after; /* -S */
	bool is_strict;	  /* a profile asks for it */

	bool can_template;	    /* a clone of this machine is possible */
	char *template_key;	    /* owned; 16 hex digits of template_text */
	char *template_text;	    /* owned; "name=value" lines: all that must be equal */
	bool can_prepare;	    /* layers and init hooks may be part of a second template */
	bool prepare_on_repeat;	    /* it has layers that an edit-build-run loop changes: made when it is run a second time */
	char *prepared_key, *prepared_text; /* owned */
	struct strv template_files; /* "stamp kind path": without these as they are it can never serve again */
	char *template_for;	    /* owned; what tells the machine from similar ones, for people */
	bool has_shared;	    /* /shared is a 9p mount (else the agent brings it back) */
	bool wants_power_off;	    /* persistent disks: unmount and power off before the end */
	bool has_zfs;		    /* sync pools before the end */
	struct strv layer_lines;    /* "root  debian-bookworm-minimal  /path": for -v and --dry-run */
	struct strv collect;	    /* guest paths to bring back */
	struct strv host_folders;   /* that the guest sees at the path they have here */
	char *absent_hint;	    /* for a client, should the guest not have the program; NULL: none */
	int *locks;		    /* owned descriptors: kernel, root, disks stay while the run lives */
	size_t n_locks;

	char *kernel_id, *kernel_release, *kernel_dir, *root_id; /* owned; for the record */
	struct strv profiles;	    /* for the record */
	struct strv debug_modules;  /* host paths of out-of-tree modules with debug information */
};

/* The START of it; borrows from p. Size of the terminal is the caller's to add. (run/program.c) */
struct wire_start program_message(const struct run_program *p);

void run_plan_clear(struct run_plan *p);
/* What a template, or an attempt at one that failed (text, or NULL), tells people: JSON; caller frees. (run/maker.c) */
char *maker_describe(const struct run_plan *p, bool is_prepared, const char *failed);

/* What --dry-run prints: the exact command line is the caller's to add (vmm). */
void run_plan_describe(const struct run_plan *p, struct str *out);
