/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The analyser reads what a machine says and tells what is wrong with it.
 * A pure state machine: bytes and events in, findings out; no I/O, no clock
 * of its own, bounded memory, any input. The same code works on a live
 * machine, on a log from anywhere (`quiz verdict`), in tests and under the fuzzer.
 *
 *	analyser_init
 *	  analyser_console / _kmsg / _vmm / _agent / _counter / _tick	in any order
 *	  analyser_n_findings, analyser_finding, analyser_crash, ...	at any time
 *	analyser_finish		closes what is open; final counts
 *	analyser_clear
 *
 * A finding appears with the first line of its report, so that a caller can
 * act at once, and is refined (function, fingerprint, excerpt) until
 * is_complete. Pointers to findings are valid until the next feeding call.
 *
 * Console and kmsg carry the same lines in their own time: a report that
 * comes through both is one finding, recognised by its first line and the
 * kernel's time stamp, and the copy with more stack lines is kept. Give one of them
 * or both.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "run/finding.h"
#include "vmm/vmm.h"

struct analyser;
struct known_issues; /* run/known_issues.h */

struct analyser_options {
	const char *const *allow;	  /* NULL-terminated patterns (finding_matches), copied; or NULL */
	const struct known_issues *known; /* copied; or NULL */
	bool only_stamped;     /* console lines without the kernel's time stamp are somebody else's (printk.time=1) */
	uint64_t settle_ms;    /* a report without end marker is over after this much silence; 0: 2000 */
	uint32_t max_findings; /* distinct ones kept; 0: 64 */
};

struct analyser *analyser_new(const struct analyser_options *opt); /* opt may be NULL */
void analyser_free(struct analyser *a);
DEFINE_CLEANUP(struct analyser *, analyser_free)

/* Console bytes in chunks of any size. now_ms: the caller's monotonic clock (any origin; 0 for logs). */
void analyser_console(struct analyser *a, const void *mem, size_t n, uint64_t now_ms);

/*
 * One record of /dev/kmsg: see WIRE_FIELDS_KMSG. level: enum wire_kmsg_level; what a program wrote there accuses
 * nobody. time_us: the kernel's clock. Numbers that are left out were lost.
 */
void analyser_kmsg(struct analyser *a, uint64_t seq, unsigned level, uint64_t time_us, const char *text,
		   uint64_t now_ms);

/* PANICKED without any text on the console and an unexpected RESET are findings of their own. */
void analyser_vmm(struct analyser *a, enum vmm_event ev, const char *text, uint64_t now_ms);

enum analyser_agent_event {
	ANALYSER_AGENT_READY,	 /* the agent said hello: what is said from now on is no boot failure */
	ANALYSER_AGENT_PROGRESS, /* the program gave output or ended: a stall that was reported is over */
	ANALYSER_AGENT_REBOOT,	 /* a reboot or power-off was asked for: a reset is no finding */
};
void analyser_agent(struct analyser *a, enum analyser_agent_event ev, uint64_t now_ms);

/*
 * The log of the machine's template, before a clone of it runs: its reports are the clone's as well, but nothing in
 * it goes on. NULL: it is not known, so its counters explain nothing.
 */
void analyser_template_log(struct analyser *a, const void *mem, size_t n, uint64_t now_ms);

/*
 * A counter of the kernel ("oops_count", "warn_count", "tainted", ...; wire
 * COUNTS) at the end, or at a start that is not the machine's boot (is_end false). At the end
 * an increase that no finding since the start explains becomes one, so a lost console can not make a crash look clean.
 * "kmsg_lost", "kmsg_unread" and "kmsg_missing" are the agent's own: so many messages were overwritten, not all was
 * read in the end, the kernel has no log.
 */
void analyser_counter(struct analyser *a, bool is_end, const char *name, uint64_t value, uint64_t now_ms);

/* Time passes. Returns milliseconds until it wants to be called again, or -1 when nothing is open. */
int analyser_tick(struct analyser *a, uint64_t now_ms);

/* The input is over: closes what is open and compares the counters. */
void analyser_finish(struct analyser *a, uint64_t now_ms);

/* Findings in order of appearance. Equal ones are counted in one. */
size_t analyser_n_findings(const struct analyser *a);
const struct finding *analyser_finding(const struct analyser *a, size_t i);
const struct finding *analyser_by_id(const struct analyser *a,
				     uint32_t id); /* NULL: no such (merged into an equal one) */
/* Changes whenever a finding appears, changes or goes: cheap to poll after feeding. */
uint64_t analyser_generation(const struct analyser *a);
/* How many reports there were that were not kept (too many distinct ones). */
uint64_t analyser_n_dropped(const struct analyser *a);

/* First finding of at least this severity that is not allowed; NULL if none. Init's death is none. */
const struct finding *analyser_worst(const struct analyser *a, enum finding_severity at_least);

/* First crash: the machine can not be trusted any more. NULL if none. What a supervisor asks after each feeding. */
const struct finding *analyser_crash(const struct analyser *a);

/*
 * Is that crash one for sure? Not while only the console has told of it, which does not say whether the kernel speaks or
 * a program that wrote to /dev/kmsg, and not while the report goes on whose whole may be tolerated.
 */
bool analyser_crash_is_sure(const struct analyser *a);

/* The finding that says that not all of the kernel's messages were seen; NULL: all were, or it is allowed. After analyser_finish(). */
const struct finding *analyser_blind(const struct analyser *a);

/* Panic seen and its text is over (or silent for settle_ms): nothing more will come, the machine can be let go. */
bool analyser_panic_is_over(const struct analyser *a);

/*
 * When (caller's clock) the kernel said that something hangs and nothing showed
 * progress since; false if it did not. Blocked tasks of a suspended pool do not count.
 * The program not ending within a grace period after it is a hang (verdict.h).
 */
bool analyser_hang_since(const struct analyser *a, uint64_t *ret_ms);

/*
 * Replaces the report in a finding's excerpt (what follows its context) by the
 * same with source lines (symbolize.h), which also say file and line of its
 * function when the kernel's own text did not.
 */
void analyser_set_report(struct analyser *a, uint32_t id, const char *text, size_t n);

/* Lines of console text seen so far (the line numbers of findings). */
uint64_t analyser_n_lines(const struct analyser *a);
