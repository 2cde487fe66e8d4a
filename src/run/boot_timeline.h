/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Where a machine's boot spends its time, as pure data: spans measured in an
 * ordinary run, initcalls and silences read from the kernel's own log of a
 * second run with initcall_debug (which is slower: it prints much), a table
 * for people and a self-contained SVG.
 */

#include <stddef.h>

#include "base/error.h"
#include "base/str.h"

/* One thing after the other, from the exec of the VMM on. */
struct boot_span {
	char *name;		 /* owned; "QEMU to the kernel's first instruction" */
	double start_ms, end_ms; /* since exec */
};

struct boot_initcall {
	char *name;	 /* owned; "pci_subsys_init" */
	double start_ms; /* kernel time */
	double took_ms;
};

/* Kernel time in which nothing was logged; text: the line that ended it. */
struct boot_gap {
	char *text; /* owned */
	double start_ms, took_ms;
};

struct boot_timeline {
	char *title; /* owned */
	struct boot_span *spans;
	size_t n_spans;
	struct boot_initcall *initcalls; /* in the order in which they ended */
	size_t n_initcalls;
	struct boot_gap *gaps; /* longest first */
	size_t n_gaps;
};

void boot_timeline_clear(struct boot_timeline *t);
#define _cleanup_boot_timeline_ _cleanup_(boot_timeline_clear)

/* Appends a span that begins where the last one ended (0 for the first); one of the same name goes on. */
void boot_timeline_add(struct boot_timeline *t, const char *name, double end_ms);

/*
 * Reads a kernel log with initcall_debug: lines "[ 0.123456] calling  f+0x0/0x1
 * @ 1" and "[ 0.125] initcall f+0x0/0x1 returned 0 after 1234 usecs", with
 * whatever stands between time and text. Adds initcalls and gaps of at least
 * gap_ms that lie outside of initcalls. Lines that fit nothing are passed over.
 */
void boot_timeline_read_log(struct boot_timeline *t, const char *log, double gap_ms);

/* Table for people; at most n_longest initcalls and gaps. */
void boot_timeline_print(const struct boot_timeline *t, size_t n_longest, struct str *out);

/* A self-contained SVG document. */
void boot_timeline_svg(const struct boot_timeline *t, struct str *out);
