/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A root in the making: a temporary folder in the store, and the lock of its
 * id. Internal to root_build.c and root_add.c.
 *
 *	begin ──> fill draft.dir (the image) and draft.root ──> finish: published
 *	      └─> abort (also after finish: frees)
 */

#include "base/error.h"
#include "spec/root.h"
#include "sys/paths.h"
#include "sys/progress.h"

struct root_draft {
	struct root root; /* owned */
	char *dir;	  /* owned; NULL once published */
	char *final_dir;  /* owned */
	int lock_fd;	  /* owned */
};

#define ROOT_DRAFT_INIT { .lock_fd = -1 }

/*
 * Takes the lock of the id, saying for whom it waits, and makes the folder.
 * ERROR_USAGE when the id is taken or can not be one.
 * Also removes what killed makers left.
 */
int root_draft_begin(const struct paths *p, const char *id, const char *doing, const struct progress *progress,
		     struct root_draft *ret, struct error *err);

/* Writes the manifest and publishes; draft->root then describes the root in the store. */
int root_draft_finish(struct root_draft *draft, struct error *err);

void root_draft_abort(struct root_draft *draft);
#define _cleanup_root_draft_ _cleanup_(root_draft_abort)
