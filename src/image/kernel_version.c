/* SPDX-License-Identifier: MPL-2.0 */
/* Parsing and ordering of kernel versions; the table of forms is in tests/unit/test_kernel.c. */

#include "image/kernel_version.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"

/* A number of at most 9 digits (a date has 8); NULL when there is none. */
static const char *read_number(const char *s, unsigned *ret)
{
	unsigned v = 0;
	int n = 0;

	while (isdigit((unsigned char)s[n])) {
		if (n == 9)
			return NULL;
		v = v * 10 + (unsigned)(s[n] - '0');
		n++;
	}
	*ret = v;
	return n ? s + n : NULL;
}

/* "next-20250721", "next": after the dash or at the start. */
static const char *read_next(const char *s, struct kernel_version *v)
{
	const char *after;

	if (!str_starts(s, "next"))
		return NULL;
	s += 4;
	v->stage = KERNEL_STAGE_NEXT;
	if (*s == '-' && (after = read_number(s + 1, &v->stage_number)))
		s = after;
	return s;
}

static const char *read_stage(const char *s, struct kernel_version *v)
{
	const char *after;

	if (*s != '-')
		return s;
	/* A candidate; or linux-next on top of one, "-rc7-next-20250721": then the day is what names it. */
	if (str_starts(s, "-rc") && (after = read_number(s + 3, &v->stage_number))) {
		v->stage = KERNEL_STAGE_RC;
		if (!str_starts(after, "-next-"))
			return after;
		s = after;
	}
	after = read_next(s + 1, v);
	return after ? after : s;
}

int kernel_version_parse(const char *text, struct kernel_version *ret, struct error *err)
{
	struct kernel_version v = { .stage = KERNEL_STAGE_RELEASE, .rest = "" };
	const char *s = text, *after;

	if (str_eq(text, "master")) {
		v.is_master = true;
		*ret = v;
		return 0;
	}
	after = read_next(s, &v);
	if (after && (*after == '\0' || *after == '+')) {
		v.rest = after;
		*ret = v;
		return 0;
	}
	v.stage = KERNEL_STAGE_RELEASE;
	v.stage_number = 0;
	if (s[0] == 'v' && isdigit((unsigned char)s[1]))
		s++;
	for (;;) {
		after = read_number(s, &v.part[v.n_parts]);
		if (!after)
			break;
		s = after;
		v.n_parts++;
		if (*s != '.' || v.n_parts == KERNEL_VERSION_PARTS || !isdigit((unsigned char)s[1]))
			break;
		s++;
	}
	if (!v.n_parts)
		return error_set(err, ERROR_USAGE, "cannot read '%s' as a kernel version", text);
	if (s[0] == '.' && s[1] == 'y' && !isalnum((unsigned char)s[2])) {
		v.is_series = true;
		s += 2;
	}
	s = read_stage(s, &v);
	if (*s && !strchr("-+~_", *s))
		return error_set(err, ERROR_USAGE, "cannot read '%s' as a kernel version", text);
	v.rest = s;
	*ret = v;
	return 0;
}

int kernel_version_compare(const struct kernel_version *a, const struct kernel_version *b)
{
	/* What has no number is ahead of everything that has one: that is what master and next are. */
	if (!a->n_parts != !b->n_parts)
		return a->n_parts ? -1 : 1;
	if (a->is_master != b->is_master)
		return a->is_master ? 1 : -1;
	for (int i = 0; i < KERNEL_VERSION_PARTS; i++)
		if (a->part[i] != b->part[i])
			return a->part[i] < b->part[i] ? -1 : 1;
	if (a->stage != b->stage)
		return a->stage < b->stage ? -1 : 1;
	if (a->stage_number != b->stage_number)
		return a->stage_number < b->stage_number ? -1 : 1;
	return 0;
}

bool kernel_version_matches(const struct kernel_version *want, const struct kernel_version *have)
{
	if (want->is_master)
		return have->is_master;
	for (unsigned i = 0; i < want->n_parts; i++)
		if (want->part[i] != have->part[i])
			return false;
	if (want->stage == KERNEL_STAGE_RELEASE)
		return want->n_parts > 0;
	return want->stage == have->stage && (!want->stage_number || want->stage_number == have->stage_number);
}
