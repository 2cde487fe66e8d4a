/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A root in the making: internal to root_build.c and root_add.c.
 *
 *	begin ──> fill draft.at.dir (the image) and draft.root ──> finish: published
 *	      └─> abort (also after finish: frees)
 */

#include "base/error.h"
#include "image/store_draft.h"
#include "spec/root.h"

struct root_draft {
	struct root root;      /* owned */
	struct store_draft at; /* its folder */
};

#define ROOT_DRAFT_INIT { .at = STORE_DRAFT_INIT }

/* store_draft_begin() of a root, where an id that is taken is ERROR_USAGE. */
int root_draft_begin(const struct paths *p, const char *id, const char *doing, const struct progress *progress,
		     struct root_draft *ret, struct error *err);

/* Publishes; draft->root then describes the root in the store. */
int root_draft_finish(struct root_draft *draft, struct error *err);

void root_draft_abort(struct root_draft *draft);
#define _cleanup_root_draft_ _cleanup_(root_draft_abort)
