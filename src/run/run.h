/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * One run, from what the user asked for to the exit status: facts, plan,
 * record, supervisor, verdict, result.json. What cmd/run calls.
 */

#include "base/error.h"
#include "spec/config.h"
#include "spec/runspec.h"
#include "spec/workspace.h"
#include "sys/paths.h"

struct run_request {
	const struct paths *paths;
	const struct workspace *workspace;
	const struct config *config;
	const struct runspec *spec;
};

/*
 * Runs it. 0 with the status that quiz shall exit with, or -1 when nothing
 * could be run. Findings and the reason of a bad end are printed to stderr by
 * `print` (text is complete, with newlines) unless spec->quiet.
 */
int run_execute(const struct run_request *req, void (*print)(const char *text), int *ret_status, struct error *err);

/* --dry-run: the plan and the exact command line of the VMM. */
int run_describe(const struct run_request *req, struct str *out, struct error *err);

/* Where this workspace's (or user's) records lie. Caller frees. */
char *run_records_dir(const struct paths *p, const struct workspace *ws);
