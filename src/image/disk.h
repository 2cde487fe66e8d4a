/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Writable disks of machines: raw sparse files. Fresh ones live in the run's
 * folder and go with it. Persistent ones belong to a named set,
 * <state>/disks/<name>/<n>.img, which one run at a time may hold: two
 * machines on one disk destroy what is on it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "sys/paths.h"

#define DISK_BYTES_MIN 512ULL
#define DISK_BYTES_MAX (64ULL << 40)
#define DISK_INDEX_MAX 255u

/* To what a disk's size is rounded up. */
uint64_t disk_round(uint64_t bytes);

/* Makes the sparse file <dir>/<name>.img; it must not exist. bytes is rounded up to 4096. Caller frees *ret_path. */
int disk_make(const char *dir, const char *name, uint64_t bytes, char **ret_path, struct error *err);

/*
 * Takes the set `name` for a run, making it if need be. `who` is what others
 * are told while we have it: "run 3f2a (pid 123)". Returns the descriptor
 * that holds it (close it to let go; it is also let go when we die), or -1:
 * ERROR_BUSY names the holder, ERROR_USAGE a name that can not be one.
 */
int disk_set_take(const struct paths *p, const char *name, const char *who, struct error *err);

/*
 * The set's disk number `index`, made sparse on first use; bytes 0 is "as it
 * is". One that exists with another size is ERROR_USAGE: what is on it would
 * be cut. The caller holds the set. Caller frees *ret_path.
 */
int disk_set_get(const struct paths *p, const char *name, unsigned index, uint64_t bytes, char **ret_path,
		 uint64_t *ret_bytes, struct error *err);

struct disk_set {
	char *name;	   /* owned */
	size_t n_disks;
	uint64_t capacity; /* sum of what the guest sees, bytes */
	uint64_t bytes;	   /* disk space */
	uint64_t used;	   /* unix seconds of the last change */
	char *holder;	   /* owned; who has it, NULL: nobody */
};

struct disk_set_list {
	struct disk_set *v; /* owned */
	size_t n;
};

int disk_set_list(const struct paths *p, struct disk_set_list *ret, struct error *err);
void disk_set_list_clear(struct disk_set_list *list);

/* Removes a set. ERROR_MISSING when there is none, ERROR_BUSY when a run holds it. */
int disk_set_remove(const struct paths *p, const char *name, uint64_t *ret_bytes, struct error *err);
