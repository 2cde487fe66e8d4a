/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Kernel configuration from fragments. A fragment is what the kernel's own
 * tools call one (lines CONFIG_X=y, CONFIG_X=m, CONFIG_X=n, # CONFIG_X is not
 * set), so scripts/kconfig/merge_config.sh reads ours as well; what quiz needs
 * to know besides stands in comments that begin with "#:".
 *
 *	#: summary TEXT		one line for people
 *	#: with NAME...		these fragments come first
 *	#: without default	a flavour on its own: over base, not over the fragment default
 *	#: required		a symbol from here on that does not take fails the build
 *	#: wanted		... is reported
 *	#: since 5.13		only for that version and newer
 *	#: until 6.9		only for versions before it (they may stand on one line)
 *	#: on x86_64 aarch64	only for these architectures (last on its line)
 *	#: off s390x		not for these (the same)
 *	#: always		for all versions and architectures again
 *
 * A set of requests is collected (later ones win), written as one file that
 * `make allnoconfig` takes by KCONFIG_ALLCONFIG (tinyconfig works the same
 * way), and compared with the .config that came out. Pure but for reading
 * the files that it is told to read.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "image/kernel_version.h"

#define KCONFIG_FRAGMENT_MAX (256 * 1024)
#define KCONFIG_MAX (4 * 1024 * 1024)

struct kconfig_request {
	char *symbol; /* owned; without CONFIG_ */
	char *value;  /* owned; "y", "m", "n", "18", "\"text\"" */
	char *origin; /* owned; "kasan:7", "--enable" */
	bool is_required;
	bool is_users; /* from --config, --enable and the like: wins without a word */
};

/* Two fragments of ours that do not want the same. */
struct kconfig_conflict {
	char *symbol, *loser, *winner; /* owned; "y (kasan:5)", "n (kcsan:6)" */
};

struct kconfig {
	const char *arch;	      /* borrowed; as in struct arch, what "on" and "off" are compared with; set it first. NULL: of none */
	struct kconfig_request *requests; /* one for each symbol */
	size_t n_requests;
	struct kconfig_conflict *conflicts;
	size_t n_conflicts;
	struct strv fragments; /* names of what was read, in order */
};

void kconfig_clear(struct kconfig *k);
#define _cleanup_kconfig_ _cleanup_(kconfig_clear)

/*
 * Adds the fragment `name`, looked for in `dirs` in order, and what it is
 * `with`; once, however often it is asked for. ERROR_MISSING: no such
 * fragment (nearest name as hint); ERROR_USAGE: file:line and what is wrong.
 * ERROR_USAGE, too, when two required requests contradict each other.
 */
int kconfig_add_fragment(struct kconfig *k, const struct strv *dirs, const char *name,
			 const struct kernel_version *version, struct error *err);

/* Adds a file of the user's: its symbols are required unless it says "#: wanted". `with` names are looked for in dirs. */
int kconfig_add_file(struct kconfig *k, const struct strv *dirs, const char *path,
		     const struct kernel_version *version, struct error *err);

/* Adds text; name is for messages. What the two above come to; also for tests. */
int kconfig_add_text(struct kconfig *k, const struct strv *dirs, const char *name, const char *text, size_t n,
		     bool is_users, const struct kernel_version *version, struct error *err);

/* Adds one symbol ("KASAN" or "CONFIG_KASAN"); origin as in "--enable". */
int kconfig_add_symbol(struct kconfig *k, const char *symbol, const char *value, const char *origin,
		       bool is_required, struct error *err);

/* The file for KCONFIG_ALLCONFIG, sorted by symbol: the same requests make the same text. */
void kconfig_write(const struct kconfig *k, struct str *out);

/* What a request came to. */
enum kconfig_outcome {
	KCONFIG_TAKEN,
	KCONFIG_NOT_TAKEN, /* known, but its dependencies are not met, or something selects it */
	KCONFIG_UNKNOWN,   /* this version has no such symbol */
	KCONFIG_CHANGED,   /* set, to another value */
};

struct kconfig_result {
	const struct kconfig_request *request; /* borrowed */
	enum kconfig_outcome outcome;
	char *actual;  /* owned; value in the .config, "n" when absent */
	char *depends; /* owned; "NET && INET", what its Kconfig entry depends on; NULL: not known */
};

struct kconfig_check {
	struct kconfig_result *v; /* those that were not taken */
	size_t n;
	size_t n_builtin, n_module; /* symbols that are y and m in all */
};

/*
 * Compares. source_dir: the kernel source, searched for the Kconfig entry of
 * what is missing; NULL: everything missing counts as known.
 */
int kconfig_check(const struct kconfig *k, const char *config_text, const char *source_dir,
		  struct kconfig_check *ret, struct error *err);
void kconfig_check_clear(struct kconfig_check *c);
#define _cleanup_kconfig_check_ _cleanup_(kconfig_check_clear)

/* For people, one line for each kind: "not taken: NUMA_BALANCING=y (needs NUMA), ...". Nothing when all was taken. */
void kconfig_check_report(const struct kconfig_check *c, const struct kconfig *k, struct str *out);

/* 0, or ERROR_UNSUPPORTED that names every required symbol that did not take. */
int kconfig_check_required(const struct kconfig_check *c, struct error *err);

/* A symbol's value in a .config: "y", "18", "\"text\""; "n" when it is not set or absent. Caller frees. */
char *kconfig_value(const char *config_text, const char *symbol);

/* Does the fragment say "#: without default"? false when there is none of that name in dirs. */
bool kconfig_is_without_default(const struct strv *dirs, const char *name);

/* The "#: summary" of a fragment, or "". Caller frees. */
char *kconfig_summary(const char *path);
