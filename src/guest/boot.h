/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * From the kernel's first jump into user space to an open agent port. Runs
 * once, as PID 1 of a machine, never in tests without one.
 */

#include "base/error.h"

#define BOOT_MODULES_DIR "/quiz/modules"

/* Descriptors 0 to 2 exist afterwards, whatever the kernel gave us. */
void boot_stdio(void);

/* The mounts that live through the move of root: proc, sys, dev and what is in it. */
int boot_mounts(struct error *err);

/*
 * Says so in the kernel log if the kernel has taken the speed of its timer for
 * another than it has (WIRE_TIMER_IS_WRONG): the host boots the machine again.
 */
void boot_check_timer(void);

/* Finds and opens the virtio-serial port WIRE_AGENT_PORT, waiting for its driver. */
int boot_open_port(int *ret_fd, struct error *err);
