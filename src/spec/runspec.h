/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What the user asked for, as pure data: built-in defaults, config files,
 * environment and options merged (spec/options.h has the one table of
 * options; each row names the field here that it fills). Nothing in here has
 * been looked up yet: kernel, root and profiles are names.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "spec/machine.h"

enum tty_mode {
	TTY_AUTO, /* a terminal when stdin and stdout are ones */
	TTY_FORCE,
	TTY_NEVER,
};

enum on_crash {
	ON_CRASH_AUTO, /* keep for a terminal, stop without */
	ON_CRASH_STOP,
	ON_CRASH_SHELL,
	ON_CRASH_KEEP,
	ON_CRASH_DUMP,
};

/* --share HOST[:GUEST[:rw]] */
struct share_request {
	char *host, *guest; /* owned */
	bool is_rw;
};

/* What a machine does with a disk of the user's. */
enum disk_use {
	DISK_USE_FRESH,	   /* an empty one of the run's own, gone with it */
	DISK_USE_SNAPSHOT, /* the guest may write; what it wrote goes with the run */
	DISK_USE_READ,	   /* a write-protected disk */
	DISK_USE_WRITE,	   /* the file itself is written; nobody else may have it meanwhile */
};

/* --disk SIZE, FILE[:ro|:rw] */
struct disk_request {
	enum disk_use use;
	char *file;	     /* owned; NULL: fresh */
	uint64_t size_bytes; /* fresh */
};

/* -p NAME:key=value,...: options stay text, the profile's own table checks them. */
struct profile_request {
	char *name;	    /* owned */
	struct strv options; /* "key=value" or "key" */
};

struct runspec {
	struct strv argv;	 /* the program; empty: a shell */
	bool argv_is_exact;	 /* after "--": even && is a plain argument */
	char *script;		 /* -C */
	bool shell_after;	 /* -S */

	char *kernel, *root, *arch; /* names; NULL: the default */
	char *config_kernel, *config_root; /* what the config named, once options were parsed: for its own architecture only */
	struct profile_request *profiles;
	size_t n_profiles;
	uint64_t memory_bytes;
	uint32_t n_cpus; /* 0: auto */
	enum machine_type machine;
	enum accel accel;
	char *append;		 /* more kernel options, space separated */
	char *qemu;		 /* VMM binary */
	struct strv qemu_args;
	struct share_request *shares;
	size_t n_shares;
	struct strv layers;	 /* --layer DIR */
	struct disk_request *disks;
	size_t n_disks;
	struct strv nets;	 /* --net SPEC */

	struct strv env;	 /* NAME=VALUE, or NAME: ours */
	char *cwd, *user;
	enum tty_mode tty;
	uint64_t timeout_ms;	 /* 0: none */
	uint64_t boot_timeout_ms; /* silence that counts as "did not boot" */
	uint64_t linger_ms;
	uint64_t tmpfs_bytes;	 /* 0: half of memory */
	uint64_t max_memory_bytes;
	uint64_t max_shared_bytes; /* 0: no limit */
	bool workspace_mount;	 /* make the workspace's tree visible */
	struct strv collect;

	bool detach, keep, cold, gdb, dump;
	enum on_crash on_crash;
	bool is_strict;
	struct strv allow;	 /* patterns of findings to tolerate */
	char *known_issues;	 /* file with fingerprints */
	uint64_t hang_grace_ms;

	char *make_target;	 /* --make; "" = the default target */
	bool do_make;

	uint32_t verbosity;	 /* -v count */
	bool quiet, dry_run, json;
	uint32_t test_agent;	 /* enum wire_test_what, 0: none; hidden, for quiz's own tests */

	/* limits of what is kept */
	uint32_t keep_runs, template_count;
	uint64_t template_bytes, template_age_ms;
};

void runspec_init(struct runspec *rs); /* built-in defaults */
void runspec_clear(struct runspec *rs);

/* The program's environment as --env asks for it: a name without a value has the one that it has here, if any. */
void runspec_add_env(const struct runspec *rs, struct strv *ret_env);
