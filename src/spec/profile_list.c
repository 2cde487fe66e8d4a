/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What people write after -p: "zfs,memdev:count=6,size=1G". A comma starts a
 * new profile unless what follows it is key=value; a bare word directly after
 * the colon is a flag ("memdev:gpt").
 */

#include <string.h>

#include "spec/profile.h"

static bool is_name(const char *s, size_t n)
{
	return n > 0 && n <= 64 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") >= n;
}

int profile_parse_list(const char *list, struct profile_request **requests, size_t *n_requests, struct error *err)
{
	bool is_open = false; /* a request of this list takes key=value */

	while (*list) {
		size_t n = strcspn(list, ",");
		const char *eq = memchr(list, '=', n), *colon = memchr(list, ':', n);
		struct profile_request *r;

		if (eq && (!colon || eq < colon)) { /* key=value; the value may hold colons */
			if (!is_open || !is_name(list, (size_t)(eq - list)))
				return error_set(err, ERROR_USAGE, "'%.*s' follows no profile", (int)n, list);
			strv_add_take(&(*requests)[*n_requests - 1].options, mem_strndup(list, n));
		} else {
			size_t name_len = colon ? (size_t)(colon - list) : n;

			if (!is_name(list, name_len))
				return error_set(err, ERROR_USAGE, "'%.*s' is no name of a profile", (int)name_len, list);
			if (colon && !is_name(colon + 1, n - name_len - 1) && !eq)
				return error_set(err, ERROR_USAGE, "'%.*s' has no option after the colon", (int)n, list);
			r = VEC_PUSH(*requests, *n_requests);
			r->name = mem_strndup(list, name_len);
			if (colon)
				strv_add_take(&r->options, mem_strndup(colon + 1, n - name_len - 1));
			is_open = true;
		}
		list += n;
		if (*list == ',' && !*++list)
			return error_set(err, ERROR_USAGE, "the list of profiles ends with a comma");
	}
	return 0;
}
