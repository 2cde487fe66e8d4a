/* SPDX-License-Identifier: MPL-2.0 */
/* A root in the making: see root_draft.h; the store's part is store_draft.c. */

#include "image/root_draft.h"

#include "image/root.h"

int root_draft_begin(const struct paths *p, const char *id, const char *doing, const struct progress *progress,
		     struct root_draft *ret, struct error *err)
{
	struct root_draft d = ROOT_DRAFT_INIT;
	bool exists;

	if (store_draft_begin(&root_store, p, id, doing, progress, &d.at, &d.root, &exists, err) < 0)
		return -1;
	if (exists) {
		root_draft_abort(&d);
		error_set(err, ERROR_USAGE, "cannot make root '%s': there is one of that name", id);
		return error_hint(err, "quiz root rm %s, or --name another", id);
	}
	*ret = d;
	return 0;
}

int root_draft_finish(struct root_draft *draft, struct error *err)
{
	return store_draft_publish(&draft->at, &draft->root, err);
}

void root_draft_abort(struct root_draft *draft)
{
	store_draft_end(&draft->at);
	root_clear(&draft->root);
}
