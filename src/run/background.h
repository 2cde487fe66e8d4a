/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Runs whose machine outlives the terminal: the supervisor is a process of
 * its own, forked before the VMM is started, so that the VMM still dies with
 * its supervisor. We are only its client.
 *
 *	-d			the supervisor starts the program; its output goes to output.log
 *	--keep			we start the program, with our streams; the machine stays
 *	--on-crash=keep|shell	the same, and the machine stays only when its kernel crashed
 */

#include "run/run.h"

/* Does this run need a supervisor of its own? */
bool background_is_wanted(const struct runspec *rs);

/* As run_execute(). With -d prints the machine's id to stdout and returns 0 once the program runs. */
int background_execute(const struct run_request *req, void (*print)(const char *text), int *ret_status,
		       struct error *err);
