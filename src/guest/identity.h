/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What two clones of one template must not have in common: random numbers,
 * time, machine id, name, MAC. What belongs into files of the root is
 * kept until there is a root.
 */

#include "base/error.h"
#include "wire/wire.h"

/* Opens what IDENTITY needs, so that a template has it open for its clones; for a machine that is about to be saved. */
void identity_open(void);
/* IDENTITY. The entropy is credited, and the kernel's generator reseeded from it at once. */
int identity_apply(const struct wire_identity *m, struct error *err);
bool identity_is_known(void);

/* Writes /etc/machine-id, /etc/hostname and the name's line in /etc/hosts; what fails is not needed to go on. */
void identity_write_files(void);
