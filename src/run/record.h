/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The record of one run: <runs>/<id>/ with result.json, console.log,
 * artifacts/ (the guest's /shared). runs is <workspace>/.quiz/runs or
 * <state>/runs. A record without result.json is of a run that lives, or of a
 * quiz that was killed: its lock tells which.
 *
 * result.json is versioned ("format": 1) and documented in quiz(1).
 */

#include <jansson.h>

#include "base/error.h"
#include "base/str.h"

struct record {
	char *id;	 /* owned; five letters and digits, a letter first */
	char *dir;	 /* owned */
	char *artifacts; /* owned */
	int lock_fd;	 /* held while the run lives */
};

/* Makes a fresh record below runs_dir. */
int record_new(const char *runs_dir, struct record *ret, struct error *err);
void record_clear(struct record *r); /* keeps the files */

/* Opens console.log for writing; -1 on error. */
int record_open_console(const struct record *r, struct error *err);
/* Writes result.json. The reference stays the caller's. */
int record_finish(const struct record *r, const json_t *result, struct error *err);
/* Removes the oldest ended records beyond keep. Never one that lives. */
void records_prune(const char *runs_dir, uint32_t keep);

/* One line of `quiz runs list`. */
struct record_entry {
	char *id, *dir; /* owned */
	json_t *result; /* owned; NULL: none (yet) */
	bool is_alive;
	uint64_t started_ms; /* unix time */
};

/* Newest first. */
int records_list(const char *runs_dir, struct record_entry **ret, size_t *ret_n, struct error *err);
void records_free(struct record_entry *v, size_t n);
/* By unique prefix of the id, or "." for the newest. */
int records_find(const char *runs_dir, const char *id, struct record_entry *ret, struct error *err);
/* Waits until a run that lives has ended, and takes its result over. ERROR_MISSING: the record has been removed. */
int record_wait(struct record_entry *e, struct error *err);
void record_entry_clear(struct record_entry *e);
