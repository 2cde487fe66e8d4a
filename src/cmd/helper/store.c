/* SPDX-License-Identifier: MPL-2.0 */
/* What quiz kernel and quiz root share. */

#include <stdio.h>
#include <time.h>

#include "cmd/helper/helper.h"
#include "image/store.h"
#include "spec/arch.h"

void helper_tell_damaged(const struct store_kind *kind, const struct strv *ids)
{
	for (size_t i = 0; i < ids->n; i++)
		fprintf(stderr, "quiz: %s '%s' is damaged\nhint: quiz %s rm %s\n", kind->noun, ids->v[i], kind->noun, ids->v[i]);
}

char *helper_age(uint64_t created, char *buf, size_t n)
{
	uint64_t now = (uint64_t)time(NULL);

	return format_age(now > created ? now - created : 0, buf, n);
}

int helper_store_rm(const struct store_kind *kind, int argc, char **argv, struct error *err)
{
	_cleanup_free_ char *name = mem_printf("%s rm", kind->noun);
	_cleanup_strv_ struct strv words = STRV_INIT;
	struct paths paths = { 0 };
	int r = -1;

	if (command_options(NULL, 0, name, argc, argv, NULL, &words, err) == 0 &&
	    command_want_words(&words, 1, 1000, name, "ID...", err) == 0)
		r = paths_init(&paths, err);
	for (size_t i = 0; i < words.n && r == 0; i++) {
		bool is_damaged = false;
		uint64_t bytes = 0;
		char size[32];

		r = store_remove_id(kind, &paths, words.v[i], &bytes, &is_damaged, err);
		if (r == 0)
			printf("%s%s %s removed, %s\n", is_damaged ? "what was left of " : "", kind->noun, words.v[i],
			       format_size(bytes, size, sizeof(size)));
	}
	paths_clear(&paths);
	return r;
}

int helper_find_arch(const char *name, const struct arch **ret, struct error *err)
{
	*ret = NULL;
	return name ? arch_choose(name, ret, err) : 0;
}
