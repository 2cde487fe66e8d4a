/* SPDX-License-Identifier: MPL-2.0 */

#include "guest/account.h"

#include <stdint.h>
#include <string.h>

#include "guest/file.h"

/* One field of a line: [p, p + len). */
struct field {
	const char *p;
	size_t len;
};

/* Splits one line at colons into at most n fields; returns the next line, or NULL. */
static const char *split_line(const char *line, struct field *fields, size_t n, size_t *ret_n)
{
	size_t len = strcspn(line, "\n"), at = 0;

	*ret_n = 0;
	while (*ret_n < n) {
		size_t f = 0;

		while (at + f < len && line[at + f] != ':')
			f++;
		fields[(*ret_n)++] = (struct field){ line + at, f };
		at += f;
		if (at >= len)
			break;
		at++;
	}
	return line[len] ? line + len + 1 : NULL;
}

static bool field_is(const struct field *f, const char *s)
{
	return strlen(s) == f->len && memcmp(f->p, s, f->len) == 0;
}

static void field_copy(const struct field *f, char *buf, size_t cap)
{
	size_t n = f->len < cap - 1 ? f->len : cap - 1;

	memcpy(buf, f->p, n);
	buf[n] = '\0';
}

/* A whole field that is a number of 32 bits. */
static bool field_id(const struct field *f, uint32_t *ret)
{
	const char *p = f->p;
	uint64_t v;

	if (f->len == 0 || !file_number(&p, &v) || p != f->p + f->len || v >= UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

void account_init_root(struct account *a)
{
	memset(a, 0, sizeof(*a));
	strcpy(a->name, "root");
	strcpy(a->home, "/root");
}

bool account_find(const char *passwd, const char *user, struct account *ret)
{
	const struct field number = { user, strlen(user) };
	bool is_number, by_number = false;
	uint32_t want = 0;

	is_number = field_id(&number, &want);
	memset(ret, 0, sizeof(*ret));
	/* Twice: a name that looks like a number goes before the number. */
	for (int pass = 0; pass < (is_number ? 2 : 1); pass++) {
		by_number = pass == 1;
		for (const char *line = passwd; line;) {
			struct field f[7];
			uint32_t uid, gid;
			size_t n;

			line = split_line(line, f, 7, &n);
			if (n < 7 || !field_id(&f[2], &uid) || !field_id(&f[3], &gid))
				continue;
			if (by_number ? uid != want : !field_is(&f[0], user))
				continue;
			ret->uid = uid;
			ret->gid = gid;
			field_copy(&f[0], ret->name, sizeof(ret->name));
			field_copy(&f[5], ret->home, sizeof(ret->home));
			field_copy(&f[6], ret->shell, sizeof(ret->shell));
			if (!ret->home[0])
				strcpy(ret->home, "/");
			return true;
		}
	}
	if (strcmp(user, "root") == 0 || (is_number && want == 0)) {
		account_init_root(ret);
		return true;
	}
	if (!is_number)
		return false;
	ret->uid = ret->gid = want;
	strcpy(ret->home, "/");
	return true;
}

/* Is `name` one of the comma-separated members? */
static bool is_member(const struct field *members, const char *name)
{
	for (size_t at = 0; at < members->len;) {
		struct field one = { members->p + at, 0 };

		while (at < members->len && members->p[at] != ',') {
			at++;
			one.len++;
		}
		at++;
		if (field_is(&one, name))
			return true;
	}
	return false;
}

void account_add_groups(const char *group, struct account *a)
{
	for (const char *line = group; line;) {
		struct field f[4];
		uint32_t gid;
		size_t n;

		line = split_line(line, f, 4, &n);
		if (n < 4 || !a->name[0] || !field_id(&f[2], &gid) || gid == a->gid || !is_member(&f[3], a->name))
			continue;
		if (a->n_groups < ACCOUNT_GROUPS_MAX)
			a->groups[a->n_groups++] = gid;
	}
}
