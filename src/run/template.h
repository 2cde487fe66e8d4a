/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Templates: booted, paused machines on disk, from which later runs are
 * cloned. A folder <place>/<key>/ with
 *
 *	manifest	the full description of the machine, "name=value" lines,
 *			and what publishing adds (sizes, the host's boot),
 *			compared byte for byte: a key that collides is no match
 *	ram		the guest's memory, sparse
 *	state		device state
 *	console.log	what the kernel said while booting
 *	info.json	for people: profile, kernel, root, made when, by what; the
 *			files behind it, with stamps
 *	lock		shared by every clone while it lives, exclusive for removal
 *	used		its mtime says when it was used last
 *
 * and files <place>/<key>.failed of preparations that are not tried again.
 *
 * `place` is a folder on a tmpfs where there is room, else in the cache.
 * QUIZ_TEMPLATE_DIR names the one place instead. Publishing is a rename; what
 * a dead maker left (.tmp-*, *.maker) is swept.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "sys/paths.h"

struct template {
	char *key;	   /* owned */
	char *dir;	   /* owned; a temporary one while it is being made */
	char *final_dir;   /* owned; of one being made */
	char *ram_path, *state_path, *console_path; /* owned */
	int lock_fd;	   /* shared while a clone lives */
	char *maker_lock;  /* owned; of one being made: the file of the exclusive lock on the key */
	int maker_fd;
	bool is_new;	   /* being made */
};

/* The one for this machine: 1 found (locked shared, marked used), 0 none. Damaged ones are removed on the way. */
int template_find(const struct paths *p, const char *key, const char *text, struct template **ret);

/*
 * Begins to make one: NULL when somebody else is making it right now, when
 * there is no room (ram_bytes) or on any error: then the run is just cold.
 * *ret_why (static text or NULL) says why for -v.
 */
struct template *template_begin(const struct paths *p, const char *key, uint64_t ram_bytes, const char **ret_why);
#define TEMPLATE_NO_ROOM "no file system has room for it" /* *ret_why then */
/* True once, until a template can be made again: a full file system is worth one warning, not one per run. */
bool template_want_of_room_is_news(const struct paths *p);
/* True from the second call on with this key: has a run of that kind been before? Markers go with the cache. */
bool template_was_wanted(const struct paths *p, const char *key);
/* Complete: manifest and info are written, the folder is published. It stays locked shared. */
int template_publish(struct template *t, const char *text, const char *info_json, struct error *err);
/* Given up, or not needed any more: an unpublished one is removed. */
void template_free(struct template *t);
/* It failed to load: nobody shall try again. */
void template_discard(struct template *t);

struct template_limits {
	uint32_t count;
	uint64_t bytes, age_ms;
};
/*
 * Removes what can never serve again, what is beyond the limits, least recently used first, and leftovers of dead makers.
 * Never one in use. Returns bytes freed.
 */
uint64_t templates_sweep(const struct paths *p, const struct template_limits *limits);

struct template_entry {
	char *key, *dir, *info; /* owned; info: JSON text, or NULL */
	uint64_t bytes, made, used; /* disk space; unix seconds */
	bool in_use;
	bool is_failed; /* none: a preparation that failed, whose reason is in info */
	char *stale;	/* owned; why no run will ever be served by it, or NULL */
};
/*
 * A preparation with this key has failed and is not tried again until the key
 * changes or the entry is removed. info_json as for publishing, with "failed".
 */
void template_note_failed(const struct paths *p, const char *key, const char *info_json);
bool template_has_failed(const struct paths *p, const char *key);

/* Most recently used first. */
int templates_list(const struct paths *p, struct template_entry **ret, size_t *ret_n, struct error *err);
void templates_free(struct template_entry *v, size_t n);
/* By unique prefix of the key. Refuses one in use with ERROR_BUSY. */
int template_remove(const struct paths *p, const char *key, uint64_t *ret_bytes, struct error *err);
