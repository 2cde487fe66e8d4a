/* SPDX-License-Identifier: MPL-2.0 */

#include "run/known_issues.h"

#include <string.h>

#include "sys/fs.h"

/* One word too few hides what nobody knows yet. */
static int check(const char *pattern, const char *name, unsigned line, struct error *err)
{
	if (finding_pattern_is_all(pattern))
		return error_set(err, ERROR_USAGE, "%s:%u: a pattern that means every finding is not a known issue", name, line);
	if (finding_class_by_name(pattern) == FINDING_N_CLASSES)
		return 0;
	error_set(err, ERROR_USAGE, "%s:%u: '%s' is a whole class of findings, not a known issue", name, line, pattern);
	error_hint(err, "its fingerprint, as quiz shows it: %s:FUNCTION:...", pattern);
	return -1;
}

int known_issues_parse(struct known_issues *ki, const char *name, const char *text, size_t n, struct error *err)
{
	const char *p = text, *end = text + n;

	for (unsigned line = 1; p < end; line++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl ? nl : end, *blank;
		struct known_issue *issue;

		if (memchr(p, '\0', (size_t)(stop - p)))
			return error_set(err, ERROR_USAGE, "%s:%u: not a text file", name, line);
		while (p < stop && (*p == ' ' || *p == '\t'))
			p++;
		while (stop > p && (stop[-1] == ' ' || stop[-1] == '\t' || stop[-1] == '\r'))
			stop--;
		if (p < stop && *p != '#') {
			for (blank = p; blank < stop && *blank != ' ' && *blank != '\t'; blank++)
				;
			issue = VEC_PUSH(ki->v, ki->n);
			issue->pattern = mem_strndup(p, (size_t)(blank - p));
			while (blank < stop && (*blank == ' ' || *blank == '\t'))
				blank++;
			issue->text =
			    blank < stop ? mem_strndup(blank, (size_t)(stop - blank)) : mem_strdup("known issue");
			if (check(issue->pattern, name, line, err) < 0)
				return -1;
		}
		p = nl ? nl + 1 : end;
	}
	return 0;
}

int known_issues_load(struct known_issues *ki, const char *path, struct error *err)
{
	_cleanup_str_ struct str text = STR_INIT;

	if (fs_read(path, KNOWN_ISSUES_MAX_BYTES, &text, err) < 0)
		return error_wrap(err, "known issues");
	return known_issues_parse(ki, path, str_cstr(&text), text.len, err);
}

void known_issues_copy(struct known_issues *to, const struct known_issues *from)
{
	*to = (struct known_issues){ 0 };
	for (size_t i = 0; i < from->n; i++) {
		struct known_issue *issue = VEC_PUSH(to->v, to->n);

		issue->pattern = mem_strdup(from->v[i].pattern);
		issue->text = mem_strdup(from->v[i].text);
	}
}

void known_issues_clear(struct known_issues *ki)
{
	for (size_t i = 0; i < ki->n; i++) {
		free(ki->v[i].pattern);
		free(ki->v[i].text);
	}
	free(ki->v);
	*ki = (struct known_issues){ 0 };
}

const struct known_issue *known_issues_find(const struct known_issues *ki, const struct finding *f)
{
	for (size_t i = 0; i < ki->n; i++)
		if (finding_is_listed(f, ki->v[i].pattern))
			return &ki->v[i];
	return NULL;
}
