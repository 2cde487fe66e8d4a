/* SPDX-License-Identifier: MPL-2.0 */
/* The table of what quiz-image can do, and the way to it. */

#include <stdio.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cmd/helper/helper.h"

/* sub NULL: the row takes every subword that has no row of its own, and sees it as argv[1]. */
static const struct row {
	const char *word, *sub;
	int (*main)(int argc, char **argv);
} rows[] = {
	{ "kernel", NULL, helper_kernel },
};

static const struct row *find_row(int argc, char **argv)
{
	for (size_t i = 0; argc > 2 && i < ARRAY_SIZE(rows); i++)
		if (rows[i].sub && str_eq(rows[i].word, argv[1]) && str_eq(rows[i].sub, argv[2]))
			return &rows[i];
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(rows); i++)
		if (!rows[i].sub && str_eq(rows[i].word, argv[1]))
			return &rows[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct row *row = find_row(argc, argv);
	int skip, status;

	if (!row) {
		fprintf(stderr, "quiz-image: this is a part of quiz; it knows:");
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			fprintf(stderr, " %s%s%s%s", rows[i].word, rows[i].sub ? " " : "", rows[i].sub ? rows[i].sub : "",
				i + 1 < ARRAY_SIZE(rows) ? "," : "\n");
		return HELPER_FAILED;
	}
	skip = row->sub ? 2 : 1;
	status = row->main(argc - skip, argv + skip);
	helper_progress_end();
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "quiz: cannot write the result\n");
		return HELPER_FAILED;
	}
	return status;
}
