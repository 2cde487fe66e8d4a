/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What a process and its kernel can do before they are saved, and each clone
 * would else do again, with code that it has not translated yet
 * (docs/decisions/004-clones.md).
 */

/*
 * Every page that the calling process may write becomes its own: after a fork
 * parent and child share them, and the first write to each is a page fault and
 * a copy. Those that it has never touched stay untouched.
 */
void rest_own_pages(void);

/*
 * What the kernel does "at the next tick on a CPU that is awake anyway"
 * (deferrable timers: statistics, TCP's orphans), RCU's callbacks: all due by
 * the time the machine was left to itself, and not due again for a second.
 */
void rest_run_deferred(void);
