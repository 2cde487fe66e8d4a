/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Hooks of profiles that run on the host, in the user's own name, with the
 * run's record as their folder. Only trusted profiles have any (spec/profile.h).
 */

#include "run/facts.h"

/* host-setup, before boot: what each one prints becomes part of f->profiles. A failure ends the run. */
int host_hooks_setup(struct run_facts *f, struct error *err);

/* host-collect, at the end. A failure is a line in `notes`: the program's verdict stands. */
void host_hooks_collect(const struct run_facts *f, struct str *notes);
