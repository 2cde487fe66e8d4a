/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* Where templates lie, between template.c (the life of one) and template_set.c (all of them). */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "sys/paths.h"

#define TEMPLATE_N_PLACES 2

/* [0]: memory, [1]: disk, or the one that the environment names and NULL. */
void template_places(const struct paths *p, char *ret[TEMPLATE_N_PLACES]);
void template_places_free(char *v[TEMPLATE_N_PLACES]);
/* A folder in a world-writable place may be somebody's trap: it must be ours and closed to others. NULL is not safe. */
bool template_place_is_safe(const char *dir);
/* Renames a template's folder away under an exclusive lock, then removes it. ERROR_BUSY when in use. */
int template_remove_dir(const char *dir, uint64_t *ret_bytes, struct error *err);
