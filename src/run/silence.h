/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * How long a machine has been silent, without what the host is to blame for:
 * time for which its VMM got no CPU, or waited for the host's disks. No
 * healthy run may be called hung because the host has no time for it.
 */

#include <stdint.h>

#include "sys/proc.h"
#include "vmm/vmm.h"

struct silence { /* zero-initialise it */
	uint64_t since_ms;
	uint64_t blocked_ms;	 /* in which the VMM was found waiting for a disk */
	struct proc_waits waits; /* of its threads at the beginning; owned */
};

/* Silence begins now. v may be NULL, here and below: then all of it counts. */
void silence_begin(struct silence *s, const struct vmm *v);

/* Looks whether the VMM waits for a disk, which then excuses the last period_ms; a minute in all, as some disks never come back. */
void silence_look(struct silence *s, const struct vmm *v, uint64_t period_ms);

/* Milliseconds for which the machine itself is to blame. */
uint64_t silence_ms(const struct silence *s, const struct vmm *v);

void silence_clear(struct silence *s);
