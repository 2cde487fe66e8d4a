/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A program that the host has and the machine has not: what is typed is a path
 * of the host, and a machine sees only its own root, the workspace's tree and
 * what is shared with it.
 */

#include <jansson.h>

#include "run/facts.h"

/*
 * Puts into err, which says that the program was not found, the command that
 * makes it visible. Leaves err alone when the host has no such file either,
 * and when the program is no path.
 */
void unseen_hint(const struct run_facts *f, const struct run_plan *p, struct error *err);

/*
 * The same for a further program in a machine that is up: what that sees of
 * the host is settled, but files can be copied into it. status: what the
 * machine says of itself.
 */
void unseen_hint_up(const char *id, const json_t *status, const char *program, struct error *err);
