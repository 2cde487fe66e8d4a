/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * One run, from what the user asked for to the exit status: facts, plan,
 * record, supervisor, verdict, result.json. What cmd/run calls.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "spec/config.h"
#include "spec/runspec.h"
#include "spec/workspace.h"
#include "sys/paths.h"

/* For a supervisor that is not the process of the terminal: see run/background.h. */
struct run_background {
	bool waits_for_client;			 /* the program comes from a client */
	void (*has_id)(void *ctx, const char *id);
	void (*ready)(void *ctx);		 /* the program runs, or a client may start it */
	void *ctx;
};

struct run_request {
	const struct paths *paths;
	const struct workspace *workspace;
	const struct config *config;
	const struct runspec *spec;
	const struct run_background *background; /* NULL: a foreground run */
	bool *ret_is_absent; /* may be NULL; set when the guest has no such program, which 127 alone does not say */
};

/*
 * Runs it. 0 with the status that quiz shall exit with, or -1 when nothing
 * could be run. Findings and the reason of a bad end are printed to stderr by
 * `print` (text is complete, with newlines) unless spec->quiet.
 */
int run_execute(const struct run_request *req, void (*print)(const char *text), int *ret_status, struct error *err);

/* --dry-run: the plan and the exact command line of the VMM. */
int run_describe(const struct run_request *req, struct str *out, struct error *err);

/*
 * Where this workspace's (or user's) records lie. Caller frees. Those of a
 * workspace that can not be written, somebody else's or a read-only one, lie
 * with those of no workspace.
 */
char *run_records_dir(const struct paths *p, const struct workspace *ws);
/* Is it such a workspace? *err (may be NULL) says why. */
bool run_records_lie_elsewhere(const struct workspace *ws, struct error *err);

/* Removes what killed supervisors left in the runtime folder. Returns bytes freed. */
uint64_t run_sweep(const struct paths *p);
