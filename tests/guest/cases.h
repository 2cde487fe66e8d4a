/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The agent's promises to the host, one case each. A case runs in a process
 * and a folder of its own (test_agent.c) and ends by a failed check(), or well.
 */

#include <sys/types.h>

#include "agent.h"

struct test_case {
	const char *name;
	void (*run)(void);
};

#define CASE(name) { #name, name }

/* Each ends with a row of NULLs. */
extern const struct test_case program_cases[], stream_cases[], terminal_cases[], request_cases[], spare_cases[],
	file_cases[], host_cases[];

extern struct agent *const a; /* of the case that runs */
extern char folder[];	      /* its own, and its current one */

#define SH(script, ...) &(struct wire_start){ .argv = ARGV("/bin/sh", "-c", script, "sh", ##__VA_ARGS__) }

void write_script(const char *name, const char *text, mode_t mode);

/* Until a program has said that. */
void until_output_has(struct job *j, const char *text);
