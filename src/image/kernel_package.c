/* SPDX-License-Identifier: MPL-2.0 */
/* How Debian names kernels, and which package a user's word means; pure. Contracts in kernel_fetch.h. */

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "image/kernel_fetch.h"
#include "image/kernel_version.h"

static const char prefix[] = "linux-image-";

/* Where the plain flavour has another name than the architecture. */
static const struct {
	const char *debian_arch, *base;
} bases[] = {
	{ "ppc64el", "powerpc64le" },
	{ "ppc64", "powerpc64" },
	{ "armhf", "armmp" },
};

/* Words in names of packages that hold no bootable kernel. */
static const char *const not_bootable[] = { "dbg", "unsigned", "template", "signed" };

const char *kernel_package_base(const char *debian_arch)
{
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++)
		if (str_eq(bases[i].debian_arch, debian_arch))
			return bases[i].base;
	return debian_arch;
}

void kernel_package_clear(struct kernel_package_name *n)
{
	free(n->release);
	free(n->flavour);
	*n = (struct kernel_package_name){ 0 };
}

bool kernel_package_parse(const char *name, const char *base, struct kernel_package_name *ret)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_str_ struct str flavour = STR_INIT;
	struct kernel_version version;
	const char *release, *rest;
	bool has_version, has_base = false;
	size_t first = 0;

	if (!str_starts(name, prefix))
		return false;
	release = rest = name + sizeof(prefix) - 1;
	has_version = kernel_version_parse(release, &version, NULL) == 0 && version.n_parts;
	if (has_version)
		rest = version.rest;
	strv_split(&words, rest, "-");
	/* "50", "+deb13", "0.deb11.13": the ABI, ahead of the flavour. */
	while (has_version && first < words.n &&
	       (isdigit((unsigned char)words.v[first][0]) || words.v[first][0] == '+'))
		first++;
	for (size_t i = first; i < words.n; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(not_bootable); j++)
			if (str_eq(words.v[i], not_bootable[j]))
				return false;
		if (!has_base && str_eq(words.v[i], base))
			has_base = true;
		else
			str_addf(&flavour, "%s%s", flavour.len ? "-" : "", words.v[i]);
	}
	if (!has_base)
		return false;
	*ret = (struct kernel_package_name){
		.release = mem_strdup(release),
		.flavour = str_take(&flavour),
		.has_version = has_version,
	};
	return true;
}

char *kernel_package_upstream(const char *version)
{
	const char *colon = strchr(version, ':');
	const char *start = colon ? colon + 1 : version;
	const char *dash = strrchr(start, '-');
	char *out = mem_strndup(start, dash ? (size_t)(dash - start) : strlen(start));

	for (char *c = out; *c; c++)
		if (*c == '~')
			*c = '-';
	return out;
}

/* ---- picking ---- */

struct query {
	const char *flavour; /* NULL: any */
	bool has_version;
	struct kernel_version version;
	const char *release; /* beginning of the release, up to a dash; NULL: does not matter */
};

static bool is_meta(const struct apt_package *p)
{
	_cleanup_strv_ struct strv images = STRV_INIT;

	apt_depends(p->depends, prefix, &images);
	return images.n > 0;
}

static bool matches_release(const char *release, const char *wanted)
{
	size_t n = strlen(wanted);

	return str_starts(release, wanted) && (!release[n] || release[n] == '-' || release[n] == '+');
}

static bool matches(const struct query *q, const struct apt_package *p, const struct kernel_package_name *name)
{
	_cleanup_free_ char *upstream = NULL;
	struct kernel_version have;

	if (q->flavour && !str_eq(q->flavour, name->flavour))
		return false;
	if (q->release)
		return matches_release(name->release, q->release);
	if (!q->has_version)
		return true;
	upstream = kernel_package_upstream(p->version);
	return kernel_version_parse(upstream, &have, NULL) == 0 && kernel_version_matches(&q->version, &have);
}

static bool is_newer(const struct apt_package *a, const struct apt_package *b)
{
	_cleanup_free_ char *ua = kernel_package_upstream(a->version), *ub = kernel_package_upstream(b->version);
	struct kernel_version va, vb;
	int r = 0;

	if (kernel_version_parse(ua, &va, NULL) == 0 && kernel_version_parse(ub, &vb, NULL) == 0)
		r = kernel_version_compare(&va, &vb);
	if (!r)
		r = strverscmp(a->version, b->version);
	return r > 0;
}

/* The newest package that fits; meta packages or images. */
static const struct apt_package *newest(const struct apt_packages *packages, const char *base, const struct query *q,
					bool want_meta)
{
	const struct apt_package *best = NULL;

	for (size_t i = 0; i < packages->n; i++) {
		const struct apt_package *p = &packages->v[i];
		struct kernel_package_name name;

		if (!kernel_package_parse(p->name, base, &name))
			continue;
		/* "linux-image-6.12-amd64" follows one series: it answers to its whole name only. */
		if (is_meta(p) == want_meta && !(want_meta && name.has_version) && matches(q, p, &name) &&
		    (!best || is_newer(p, best)))
			best = p;
		kernel_package_clear(&name);
	}
	return best;
}

static const struct apt_package *by_name(const struct apt_packages *packages, const char *base, const char *wanted)
{
	_cleanup_free_ char *full = mem_printf("%s%s", str_starts(wanted, prefix) ? "" : prefix, wanted);
	const struct apt_package *best = NULL;

	for (size_t i = 0; i < packages->n; i++) {
		struct kernel_package_name name;

		if (!str_eq(packages->v[i].name, full) || !kernel_package_parse(full, base, &name))
			continue;
		kernel_package_clear(&name);
		if (!best || is_newer(&packages->v[i], best))
			best = &packages->v[i];
	}
	return best;
}

const struct apt_package *kernel_package_pick(const struct apt_packages *packages, const char *base,
					      const char *wanted)
{
	struct query q = { .flavour = "" };
	const struct apt_package *p;
	_cleanup_free_ char *start = NULL;

	if (!wanted || !*wanted) {
		p = newest(packages, base, &q, true);
		return p ? p : newest(packages, base, &q, false);
	}
	p = by_name(packages, base, wanted);
	if (p)
		return p;
	if (kernel_version_parse(wanted, &q.version, NULL) < 0) {
		q.flavour = wanted[0] == '+' ? wanted + 1 : wanted;
		p = newest(packages, base, &q, true);
		return p ? p : newest(packages, base, &q, false);
	}
	/* "6.1", "6.1+cloud" by version; "6.1.0-50", "6.12.48+deb13" by how the release begins. */
	q.has_version = !*q.version.rest || *q.version.rest == '+';
	if (*q.version.rest) {
		q.release = wanted;
		p = newest(packages, base, &q, false);
		if (p || *q.version.rest != '+')
			return p;
		q.flavour = q.version.rest + 1;
		q.release = NULL;
	}
	return newest(packages, base, &q, false);
}
