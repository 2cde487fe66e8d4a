/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The grammar of one console line: what stands before the kernel's own text
 * (time stamp, printk caller, syslog and serial console prefixes), and the
 * words inside it that reports are made of.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/finding.h"

struct log_line {
	const char *text; /* the kernel's own words, borrowed from the line */
	size_t len;
	bool is_stamped; /* something in front of it says: the kernel speaks */
	bool has_time;
	uint64_t time_us;
	char caller[16]; /* "T123", "C1", or "" */
	uint32_t n_dropped; /* messages that the console lost before this line, as it says itself */
};

/* Takes the prefixes off. is_first: the log may begin in the middle of a line. */
void log_line_parse(const char *line, size_t n, bool is_first, struct log_line *ret);

/* A symbol as in "zfs_ioctl+0x12/0x340 [zfs]". */
#define BUILD_ID_BYTES_MAX 32

struct log_symbol {
	char name[FINDING_FUNCTION_MAX]; /* without compiler suffixes (.isra.0, .cold, ...) */
	char module[FINDING_MODULE_MAX]; /* or "" */
	bool is_unreliable;		 /* "? " in front: found on the stack, perhaps not a caller */
	const char *raw, *end;		 /* "zfs_ioctl.isra.0+0x12/0x340 [zfs]" in the text */
	size_t raw_len;			 /* of the name with its suffixes */
	const char *build_id;		 /* of the module, hex digits in the text; or NULL */
	size_t build_id_len;
	uint64_t offset, size;
};

/* The first symbol+offset/size of a text. False: none. */
bool log_symbol_find(const char *text, size_t n, struct log_symbol *ret);

/* The first FILE:LINE of a text (a source file by its suffix). False: none. */
bool log_source_find(const char *text, size_t n, char *file, size_t file_size, uint32_t *ret_line);

/* A register line that says where it happened (RIP, pc, NIP, epc, PSW): the address itself, not where a call returns
 * to. */
bool log_line_is_program_counter(const char *text, size_t n);

/* Where a program counter line without a symbol says that it is: "RIP: 0010:0x0". False: it has no address. */
bool log_line_address(const char *text, size_t n, uint64_t *ret);

/*
 * Stacks of an RCU stall's report that are not where it happened. When RCU's own thread was not let run, the kernel
 * prints its stack and that of whatever has the CPU on which it waits (kernel/rcu/tree_stall.h,
 * rcu_check_gp_kthread_starvation()), before those of the CPUs that stall.
 */
enum log_aside {
	LOG_ASIDE_NONE,	    /* the line is the report's own */
	LOG_ASIDE_THREAD,   /* the stack of RCU's thread: says nothing */
	LOG_ASIDE_LAST_RAN, /* who has that thread's CPU: better than nothing */
};

struct log_aside_state {
	enum log_aside now;
	bool has_begun; /* the first line of that stack's header was seen */
};

/* To be shown each line of a report; says what it belongs to. */
enum log_aside log_aside_step(struct log_aside_state *s, const char *text, size_t n);

/* Is this function a part of the machinery of reporting, trapping or sleeping, so that the culprit is its caller? */
bool log_symbol_is_boilerplate(const char *name);

/* Does the line look like a part of a report (registers, stack, lockdep's words)? */
bool log_line_is_body(const char *text, size_t n);
