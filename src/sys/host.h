/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* What the host has. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

/* Memory that programs can have without swapping, bytes; 0 when the host does not say. */
uint64_t host_memory_available(void);

/* Free disk space for us where path is, or will be when it is made, bytes; 0 when unknown. */
uint64_t host_disk_free(const char *path);

/* Appends what is another at each boot of the host; nothing when it does not say. */
void host_boot_id(struct str *out);

/* Is there a process of that number? */
bool host_has_process(pid_t pid);
