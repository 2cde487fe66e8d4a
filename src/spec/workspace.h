/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The workspace: the nearest folder, upwards from the current one, that holds
 * a `.quiz/` of the user's own. A folder of somebody else's is ignored, since
 * its config would speak for the user.
 *
 * Trust: what a tree brings along may run code on the host only when the user
 * has said so once with `quiz init --trust`. That is recorded outside of the
 * tree, in <state>/trusted/, under the path and the inode of `.quiz/`, so that
 * neither a copied tree nor another one at the same path inherits it.
 */

#include <stdbool.h>

#include "base/error.h"
#include "sys/paths.h"

struct workspace {
	char *root; /* owned; absolute, without links; NULL: none */
	char *dir;  /* owned; root + "/.quiz" */
	bool is_trusted;
};

/* Looks upwards from `from` (NULL: the current folder). None found: 0 with root NULL. */
int workspace_find(const struct paths *paths, const char *from, struct workspace *ret, struct error *err);

/*
 * Makes <root>/.quiz/ with its .gitignore and quiz.cfg template; what exists
 * is left alone. trust: records that its files may run on the host.
 */
int workspace_init(const struct paths *paths, const char *root, bool trust, struct workspace *ret, struct error *err);

void workspace_clear(struct workspace *ws);
