/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Source lines for what a run found, crashes and plain warnings: passes the excerpts
 * of the worst ones through the helper quiz-symbols, which has the libraries
 * for debug information, all at once. Costs nothing when there is no such finding.
 */

#include "base/str.h"
#include "run/verdict.h"
#include "sys/paths.h"

/*
 * The headline of v and what follows from it, then warnings, stalls and crashes that nobody allows, five in all. Their
 * excerpts get source lines behind the symbols, and file and line where the kernel's text had none. modules: files of
 * out-of-tree modules with debug information that are known already. notes (may be NULL) gets what would have made it
 * better ("no debug information for ..."), lines with newline. A failing helper is no failure of the run: the excerpts
 * stay as they are, and a note says why.
 */
void annotate_findings(const struct paths *paths, const char *kernel_id, const struct strv *modules, struct analyser *a,
		       const struct verdict_result *v, struct str *notes);
