/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* What the parts of the fake VMM share; its script language is at the top of fake_qemu.c. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "sys/loop.h"
#include "wire/wire.h"

/* One line of the script. */
struct action {
	char *when;	 /* owned; of `at`: event; of `on`: program */
	bool is_program; /* an `on` line */
	char *verb, *rest; /* owned */
	long number;	 /* first word of rest as a number, else 0 */
	const char *after; /* what follows that word, in rest */
};

struct script {
	struct action *v;
	size_t n;
};

void script_load(struct script *s, const char *path); /* ends the process on a line that it does not understand */

/* The fake machine. */
struct fake {
	struct loop *loop;
	struct script script;
	int qmp, console, agent; /* -1: not given */
	bool is_incoming, is_running, is_mute, has_gdb, has_kvm;
	int n_finishing; /* times that it says it has not finished a migration yet */
	uint32_t wire_version;
	char *ram_path;		 /* to make, NULL: none */
	uint64_t ram_bytes;
	char *share_path;	 /* of the first shared folder, NULL: none */

	/* agent */
	bool agent_is_up, agent_hangs;
	struct str in, out;
	uint64_t kmsg_seq;
	struct program *programs;
};

/* One line into $FAKE_VMM_LOG. */
void fake_log(const char *fmt, ...) _printf_(1, 2);
_Noreturn void fake_die(const char *fmt, ...) _printf_(1, 2); /* a mistake in the test itself: status 99 */

/*
 * Does the `at EVENT` lines, in order. Returns 0, or an errno when one of
 * them was `fail`, with its text in *ret_text.
 */
uint32_t fake_at(struct fake *f, const char *event, const char **ret_text);
/* One action that `at` and `on` share. False: not one of those. */
bool fake_common(struct fake *f, const struct action *a);

void fake_qmp_say(struct fake *f, const char *line);
void fake_console(struct fake *f, const char *text);

void agent_start(struct fake *f);	  /* boots: HELLO, stages */
void agent_resume(struct fake *f);	  /* the CPUs go on, in a clone for the first time: takes what has come */
void agent_write(struct fake *f, const void *mem, size_t n); /* raw bytes towards the host */
void agent_kmsg(struct fake *f, long level, const char *text);
