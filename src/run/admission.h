/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Who may start when: many runs at once must not ask for more memory than
 * there is. A run's folder <runtime>/<id>/ says what it asked for:
 *
 *	memory	bytes that the machine has; as long as the run lives (--max-memory adds these up)
 *	pledge	half of it, until the program runs: what the host's free memory does not tell of yet. Few programs
 *		touch all of their machine's memory, and those that do want --max-memory.
 *
 * Without --max-memory a machine is let in when what the host has free, less
 * the others' pledges, is what it may use. Clones share their template's
 * pages, so machines that are up cost what they have dirtied, which the host's
 * own figure says better than any sum of ours. When nobody else's machine is
 * up there is nothing to wait for, and it is let in in any case.
 */

#include "base/error.h"
#include "sys/paths.h"

/*
 * Waits until there is room for `bytes`, and says so once through note.
 * max_bytes 0: what the host has free. ERROR_USAGE when it can never be;
 * interrupted by INT, TERM or HUP: ERROR_SYSTEM with EINTR, and *ret_signal
 * is the signal.
 */
int admission_wait(const struct paths *p, const char *run_dir, uint64_t bytes, uint64_t max_bytes,
		   void (*note)(const char *text), int *ret_signal, struct error *err);

/* The machine has touched what it needs: its pledge is redeemed. */
void admission_is_up(const char *run_dir);

/*
 * The decision, pure: is there room for one more? others_bytes: what all other
 * machines have; pledged_bytes: the part that is not touched yet;
 * available_bytes 0: the host does not say.
 */
bool admission_has_room(uint64_t bytes, uint64_t max_bytes, unsigned n_others, uint64_t others_bytes,
			uint64_t pledged_bytes, uint64_t available_bytes);
