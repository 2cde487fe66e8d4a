/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A thing of the store in the making: a temporary folder beside where it will
 * be, and the lock of its id.
 *
 *	begin ──> fill draft.dir and the thing ──> publish
 *	      └─> it is there already (somebody made it while we waited)
 *	             └─> replace ──> fill ... publish: there is always one
 *	      ... end, in any case
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "image/store.h"
#include "sys/paths.h"
#include "sys/progress.h"

struct store_draft {
	const struct store_kind *kind;
	char *dir;	 /* owned; temporary folder in the store; NULL: none was made, or it is published */
	char *final_dir; /* owned */
	int lock_fd;	 /* owned; held from begin to end */
	bool replaces;	 /* what is there under this id */
};

#define STORE_DRAFT_INIT { .lock_fd = -1 }

/*
 * Takes the lock of the id (waiting, and saying for whom), sweeps what killed
 * makers left of it, and makes the folder. `doing` is shown to others who
 * wait: "fetching kernel 6.1.0-50-amd64". When the id is in the store by now,
 * *ret_exists is true, *thing is loaded, and there is nothing to publish.
 * Otherwise *thing is empty but for its id. ERROR_USAGE when it can be no id,
 * ERROR_MISSING when what has it is damaged.
 */
int store_draft_begin(const struct store_kind *kind, const struct paths *p, const char *id, const char *doing,
		      const struct progress *progress, struct store_draft *ret, void *thing, bool *ret_exists,
		      struct error *err);

/*
 * After a begin that found the id in the store: a draft after all, in whose
 * place the old thing is until it is published. Who uses that one by then
 * keeps it; its space comes back with a sweep once nobody does.
 */
int store_draft_replace(struct store_draft *draft, void *thing, struct error *err);

/* Notes time and size, writes the manifest and publishes by a rename. *thing is then what the store has. */
int store_draft_publish(struct store_draft *draft, void *thing, struct error *err);

/* Removes the temporary folder and lets go of the lock; fine on one that was never begun, is published or ended. */
void store_draft_end(struct store_draft *draft);

/*
 * Removes what makers and removers that are no more left in the store. Never
 * fails: what can not be removed stays. Returns the bytes given back.
 */
uint64_t store_sweep(const struct store_kind *kind, const struct paths *p);
