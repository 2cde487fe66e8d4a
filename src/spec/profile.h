/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Profiles: named folders that add something to a machine. This module reads
 * their profile.conf (which executes nothing), puts the asked-for ones and
 * those that they need into order, checks options and conflicts, and merges
 * what they want into one struct profile_set: pure data for run/plan.
 *
 *	profile_resolve(...)		before the plan
 *	  hooks HOST_SETUP are run by the caller, each one's stdout goes to
 *	  profile_apply_directives()	more of the same, from a host-setup
 *	profile_set_clear()
 *
 * The format of profile.conf is in quiz-profile(7); one table in
 * profile_conf.c has all keys.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "spec/config.h"
#include "spec/runspec.h"

/* Where profiles are looked for, first match wins: workspace, user, shipped. */
struct profile_dirs {
	char *workspace; /* owned; <workspace>/.quiz/profiles, or NULL */
	char *user;	 /* owned; <config>/profiles */
	char *shipped;	 /* owned; <share>/profiles */
	bool workspace_is_trusted;
};

void profile_dirs_init(struct profile_dirs *d, const struct paths *paths, const struct workspace *ws);
void profile_dirs_clear(struct profile_dirs *d);

/* In every struct below `profile` is the name of the profile that wants it (owned), for messages. */

struct profile_module {
	char *profile;
	char *name;   /* owned; name for modprobe, or an absolute guest path */
	char *params; /* owned; "a=1 b=2", or "" */
	bool is_optional;
};

/* Memory-backed block devices /dev/<prefix>0.. made by the agent. */
struct profile_memdev {
	char *profile;
	char *prefix; /* owned */
	uint32_t count;
	uint64_t size_bytes;
	uint32_t sector_bytes; /* 0: default */
};

/* virtio-blk disks, seen in the guest as /dev/<prefix>0.. . */
struct profile_disk {
	char *profile;
	char *prefix; /* owned */
	uint32_t count;
	uint64_t size_bytes;
	uint32_t logical_block, physical_block; /* 0: default */
	bool is_rotational, has_discard;
	uint64_t iops_limit, bytes_per_second_limit; /* 0: none */
	char *persist; /* owned; NULL: fresh for each run; else the name it is kept under, <persist>-<n> */
	char *serial;  /* owned; prefix of the serials; NULL: the node's name */
};

/* A network interface. */
struct profile_net {
	char *profile;
	char *name;	      /* owned; NULL: user networking; else a private network of that name */
	struct strv forwards; /* "tcp:127.0.0.1:2222-:22" */
	bool is_restricted;
};

/* One value written to a file of /sys or /proc after modules are loaded and after a clone. */
struct profile_write {
	char *profile;
	char *path, *value; /* owned */
	bool is_optional;   /* the file may be missing */
};

enum profile_phase {
	PROFILE_HOST_SETUP,    /* host, before boot; prints directives */
	PROFILE_GUEST_INIT,    /* guest, before the program */
	PROFILE_GUEST_COLLECT, /* guest, after the program */
	PROFILE_HOST_COLLECT,  /* host, at the end */
	PROFILE_N_PHASES,
};

/* "host-setup", ...: file name of the hook. */
const char *profile_phase_name(enum profile_phase phase);

/* Exit status of a hook that cannot run here, with the reason on stderr. */
#define PROFILE_HOOK_SKIP 77

/*
 * An executable of a profile. Guest hooks are read on the host and run in the
 * guest as <PROFILE_GUEST_DIR>/<profile>/<phase>: `files` has what to put there.
 */
#define PROFILE_GUEST_DIR "/run/quiz/profile"
struct profile_hook {
	char *profile;
	enum profile_phase phase;
	char *path;	 /* owned; absolute, on the host */
	struct strv env; /* QUIZ_PROFILE=<name>, QUIZ_OPT_<OPTION>=value, QUIZ_<PROFILE>_<OPTION>=value */
};

/* A tree to lay over the root: the profile's files/. */
struct profile_layer {
	char *profile;
	char *dir; /* owned; absolute, on the host */
};

/* A kernel symbol that must be set (y or m), or a package that the root must have. */
struct profile_need {
	char *profile;
	char *name; /* "DM_DELAY"; "mdadm" */
};

/* What all profiles of a run come to. Arrays are in the order in which they take effect. */
struct profile_set {
	struct strv names;	/* ordered */
	struct strv prints;	/* "zfs", "memdev:count=6,size=100M": with the options that differ from the defaults */
	struct profile_module *modules;
	size_t n_modules;
	struct profile_memdev *memdevs;
	size_t n_memdevs;
	struct profile_disk *disks;
	size_t n_disks;
	struct profile_net *nets;
	size_t n_nets;
	struct profile_write *writes;
	size_t n_writes;
	struct profile_hook *hooks;
	size_t n_hooks;
	struct profile_layer *layers;
	size_t n_layers;
	struct profile_need *packages;
	size_t n_packages;
	struct profile_need *symbols;
	size_t n_symbols;
	struct strv kconfig;	/* host paths of kernel config fragments */
	struct strv env;	/* NAME=VALUE, of the program and of hooks */
	struct strv append;	/* kernel options, each one word */
	struct strv collect;	/* guest paths to bring back */
	uint64_t memory_min_bytes;
	uint32_t cpus_min;
	char *run_as;		/* owned; the program's user unless --user says otherwise; NULL: root */
	char *program;		/* owned; wraps the program: argv[0] of a wrapper in the guest, or NULL */
	bool wants_openzfs;	/* the ZFS build of the workspace is a layer of this machine */
	bool wants_pci;		/* q35 instead of microvm */
	bool wants_udev;	/* udevd runs in the guest (profile udev starts it) */
	bool is_strict;		/* as --strict */
	bool is_template_safe;	/* all of them may be part of a prepared template */
};

/*
 * Resolves rs->profiles. ERROR_USAGE: unknown profile or option (nearest
 * named), bad value, conflict or cycle (both sides named). ERROR_MISSING: a
 * profile of an untrusted workspace has host hooks.
 */
int profile_resolve(const struct profile_dirs *dirs, const struct config *config, const struct runspec *rs,
		    struct profile_set *ret, struct error *err);
void profile_set_clear(struct profile_set *set);
/* One more module to load, once, for `who` (a profile, or an option). */
void profile_add_module(struct profile_set *set, const char *who, const char *name);

/* Adds what a host-setup hook printed (profile.conf's effect sections). text is limited to INI_TEXT_MAX. */
int profile_apply_directives(struct profile_set *set, const char *profile, const char *text, size_t n,
			     struct error *err);

/* "zfs,memdev:count=6,size=1G" appended to rs->profiles. */
int profile_parse_list(const char *list, struct profile_request **requests, size_t *n_requests, struct error *err);

/* ---- For `quiz profile list|show` ---- */
struct profile_option {
	char *name;	/* owned; may be a pattern: "zfs_*" */
	char *type;	/* owned; flag, number, size, duration, text, name, or "a|b|c" */
	char *fallback, *help; /* owned; "" when there is none */
	char *module;	/* owned; the option is a parameter of that kernel module; NULL: it is not */
};

struct profile {
	char *name, *dir, *summary; /* owned */
	char *origin;		    /* owned; "workspace", "user", "shipped" */
	struct strv needs, after, conflicts;
	struct profile_option *options;
	size_t n_options;
	bool has_hook[PROFILE_N_PHASES];
	bool has_files;
	char *problem; /* owned; of a list: why it can not be used (and only name, dir and origin are known), or NULL */
};

/* All that can be found, sorted by name, with the broken ones: one person's mistake hides nobody's profiles. */
int profile_list(const struct profile_dirs *dirs, struct profile **ret, size_t *ret_n, struct error *err);
/* One by name. ERROR_USAGE with the nearest name. */
int profile_load(const struct profile_dirs *dirs, const char *name, struct profile *ret, struct error *err);
void profile_clear(struct profile *p);

struct option_row; /* spec/options.h */

/*
 * The sections of profile.conf and their keys, for the manual and tests: the
 * index-th section's rows (*ret_n 0 when any key is taken); NULL: no more.
 */
const struct option_row *profile_section_keys(size_t index, const char **ret_name, size_t *ret_n);
