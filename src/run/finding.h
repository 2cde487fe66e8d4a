/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A finding: one thing that a kernel (or the machine around it) said about
 * itself that a person wants to know. The analyser makes them, the verdict
 * weighs them, result.json and the block on stderr show them.
 *
 * Plain data with fixed bounds; only the excerpt is on the heap
 * (finding_clear() frees it).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/str.h"

/* What it weighs. Order matters: a later one is worse. */
enum finding_severity {
	FINDING_INFO,	/* recorded; shown with -v */
	FINDING_NOTICE,	/* shown; never changes a verdict by itself (out of memory, a suspended pool) */
	FINDING_WARN,	/* shown; --strict makes it a crash */
	FINDING_STALL,	/* shown; --strict, or a program that does not end, makes it a hang */
	FINDING_BOOT,	/* the machine can not boot */
	FINDING_CRASH,	/* the kernel can not be trusted any more, whatever the program returned */
};

/* The classes of one table: enum value, stable name (JSON, --allow), default severity, what it is. */
#define FINDING_CLASSES(X)                                                                               \
	X(PANIC, "panic", FINDING_CRASH, "kernel panic")                                                 \
	X(OOPS, "oops", FINDING_CRASH, "the kernel made an invalid access or hit an exception")          \
	X(BUG, "bug", FINDING_CRASH, "BUG() or corrupted kernel data")                                   \
	X(SANITIZER, "sanitizer", FINDING_CRASH, "KASAN, KMSAN, KFENCE, KCSAN or UBSAN report")          \
	X(LOCKING, "locking", FINDING_WARN, "lock or context rule broken")                               \
	X(RCU, "rcu", FINDING_WARN, "RCU rule broken")                                                   \
	X(HANG, "hang", FINDING_STALL, "a task is blocked")                                              \
	X(STALL, "stall", FINDING_STALL, "a CPU does not get on")                                        \
	X(WARN, "warn", FINDING_WARN, "WARN()")                                                          \
	X(LEAK, "leak", FINDING_WARN, "memory was not given back")                                       \
	X(ZFS_PANIC, "zfs-panic", FINDING_CRASH, "VERIFY, ASSERT or PANIC in ZFS")                       \
	X(ZFS_SUSPEND, "zfs-suspend", FINDING_NOTICE, "a pool is suspended")                             \
	X(OOM, "oom", FINDING_NOTICE, "out of memory")                                                   \
	X(BOOT_FAILURE, "boot-failure", FINDING_BOOT, "the machine can not boot")                        \
	X(MODULE_MISMATCH, "module-mismatch", FINDING_NOTICE, "a module was built for another kernel")   \
	X(INFO, "info", FINDING_INFO, "worth knowing")

enum finding_class {
#define X(ID, name, severity, meaning) FINDING_CLASS_##ID,
	FINDING_CLASSES(X)
#undef X
	FINDING_N_CLASSES,
};

struct finding_class_info {
	const char *name; /* stable */
	enum finding_severity severity;
	const char *meaning;
};
extern const struct finding_class_info finding_class_table[FINDING_N_CLASSES];

/* Where it was seen first. */
enum finding_source {
	FINDING_FROM_CONSOLE,
	FINDING_FROM_KMSG,
	FINDING_FROM_VMM,   /* the machine monitor said so (pvpanic, reset) */
	FINDING_FROM_AGENT, /* counters at the end */
};

#define FINDING_TITLE_MAX 256
#define FINDING_FUNCTION_MAX 96
#define FINDING_MODULE_MAX 64
#define FINDING_FILE_MAX 192
#define FINDING_FRAMES_MAX 5	/* functions in a fingerprint */
#define FINDING_FINGERPRINT_MAX 384
#define FINDING_EXCERPT_MAX (24 * 1024) /* bytes kept of one report, context included */

struct finding {
	uint32_t id;		/* 1.. in order of appearance; 0: none */
	uint32_t cause_id;	/* the finding that this one follows from (is_secondary), or 0 */
	enum finding_class class;
	enum finding_severity severity;
	enum finding_source source;

	char title[FINDING_TITLE_MAX];
	char function[FINDING_FUNCTION_MAX]; /* first interesting one, or "" */
	char module[FINDING_MODULE_MAX];     /* its module, or "" */
	char file[FINDING_FILE_MAX];	     /* as the text says, or "" */
	uint32_t line;			     /* in that file, or 0 */
	char fingerprint[FINDING_FINGERPRINT_MAX]; /* "oops:f1:f2:f3"; the same bug gives the same one */
	char frames[FINDING_FRAMES_MAX][FINDING_FUNCTION_MAX]; /* what it was made of */
	uint32_t n_frames;		     /* of frames[] */
	uint32_t n_stack_lines;		     /* stack lines seen in the report */

	struct str excerpt;	/* the report as it came, with some lines of context before it */
	size_t context_bytes;	/* how much of the excerpt is that context */
	uint64_t first_line, last_line; /* of its channel (console: lines of the log), from 1 */

	bool has_time;
	uint64_t time_us;	/* the kernel's clock at the first line */
	uint64_t seen_ms;	/* the caller's clock when it was seen */
	int32_t cpu;		/* -1: not said */
	int32_t pid;		/* -1: not said */
	char comm[32];
	char caller[16];	/* printk caller, "T123" or "C1", or "" */

	uint32_t count;		/* how often the same fingerprint came */
	bool is_secondary;	/* follows from cause_id: "panic_on_oops" after the oops */
	bool is_init_death;	/* panic because PID 1 ended: the machine is lost, not crashed */
	bool has_source;	/* its excerpt has source lines (annotate.h) */
	bool is_complete;	/* its report has ended; until then fields may still change */
	bool is_allowed;	/* --allow or a known issue: told, not counted */
	char known[128];	/* text of the known issue, or "" */

	uint64_t key;		/* hash of the first line, for recognising the other channel's copy */
	uint8_t seen_in;	/* bit per enum finding_source */
};

void finding_clear(struct finding *f);

/* "crash", "stall", ...: for people and JSON. */
const char *finding_severity_name(enum finding_severity s);
/* Class by its stable name; FINDING_N_CLASSES if there is none such. */
enum finding_class finding_class_by_name(const char *name);

/* One finding with the stable field names of result.json. The caller owns the reference. */
json_t *finding_json(const struct finding *f);

/*
 * Appends the readable block for stderr, one to some ten lines, each ended by
 * a newline: what, where, stack. All text is made safe to print. max_stack: most stack lines shown.
 */
void finding_text(const struct finding *f, size_t max_stack, struct str *out);

/* Appends only the stack lines of that block. */
void finding_stack_text(const struct finding *f, size_t max_stack, struct str *out);

/*
 * Does a user's pattern mean this finding? Shell wildcards against title,
 * function, fingerprint and class name, each as a whole; a pattern without
 * wildcards also matches whole words of title or fingerprint: "zfs_open" is
 * no part of "zfs_open_all". Case matters.
 */
bool finding_matches(const struct finding *f, const char *pattern);

/* The same for a list that is kept: title, function or fingerprint as a whole. */
bool finding_is_listed(const struct finding *f, const char *pattern);

/* A pattern that names nothing, and so means every finding, hides what it was not meant for. An empty one is no better. */
bool finding_pattern_is_all(const char *pattern);

/* The error for such a pattern of --allow. Returns -1. */
int finding_refuse_pattern(const char *pattern, struct error *err);
