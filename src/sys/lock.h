/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Advisory file locks (flock(2)): gone with the process that held them,
 * however it ended. The lock file itself stays; it holds one line that says
 * who has it, so that a waiter can tell its user for whom it waits.
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

/* True when somebody holds it exclusively or shared right now. */
bool lock_is_held(const char *path);
