/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Advisory file locks (flock(2)): gone with the process that held them,
 * however it ended. The lock file itself stays, but for a passing one; it holds
 * one line that says who has it, so that a waiter can tell its user for whom
 * it waits.
 */

#include <stdbool.h>

#include "base/error.h"

enum lock_mode {
	LOCK_SHARED_MODE,
	LOCK_EXCLUSIVE_MODE,
};

/*
 * Takes the lock, making the file and its folder if needed. wait=false:
 * ERROR_BUSY at once, with the holder's line. wait=true: `on_wait` (may be
 * NULL) is called once with the holder's line before waiting. `who` is
 * written by an exclusive holder: "pid 123: building kernel 6.1". Returns the
 * descriptor that holds it (close it to unlock), or -1.
 */
int lock_take(const char *path, enum lock_mode mode, bool wait, const char *who,
	      void (*on_wait)(const char *holder), struct error *err);

/*
 * For a lock in a folder that may be renamed away or removed by whoever has it
 * exclusively: the file must exist, and be the one of that name still when the
 * lock is ours. ERROR_MISSING when it is gone, ERROR_BUSY as above.
 */
int lock_take_existing(const char *path, enum lock_mode mode, bool wait, struct error *err);

/*
 * An exclusive lock whose file goes with it, for names that come and go.
 * ERROR_BUSY at once when somebody has it. lock_remove() unlocks; a holder
 * that was killed leaves the file, which lock_sweep() removes.
 */
int lock_take_passing(const char *path, struct error *err);
void lock_remove(const char *path, int *fd);
void lock_sweep(const char *path);

/*
 * True when somebody holds it exclusively or shared right now. The question
 * takes the lock for a moment: others must not take ERROR_BUSY for a proof.
 */
bool lock_is_held(const char *path);

/* Is the locked file still the one of that name? Else it was removed with its folder, and the lock keeps nobody out. */
bool lock_is_current(int fd, const char *path);
