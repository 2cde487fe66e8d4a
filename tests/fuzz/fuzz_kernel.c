/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What making a kernel reads of files from anywhere: image headers and
 * notes, versions, apt's sources and package lists.
 *
 * Input: bytes that are all of these in turn.
 *
 * sources: src/image/kernel_image.c src/image/kernel_package.c src/image/kernel_version.c src/image/apt_sources.c
 * sources: src/image/apt.c src/sys/fs.c src/sys/lock.c src/sys/proc.c src/sys/progress.c src/base/error.c src/base/str.c
 * libs: -larchive
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "image/apt.h"
#include "image/apt_sources.h"
#include "image/kernel_fetch.h"
#include "image/kernel_image.h"
#include "image/kernel_version.h"

static void read_image(const uint8_t *data, size_t size)
{
	struct kernel_payload p;

	if (kernel_image_payload(data, size, &p) == 0 && (p.offset > size || p.length > size - p.offset))
		abort();
	kernel_image_has_pvh(data, size);
	kernel_image_arch(data, size);
	if (size < 4096) /* beyond that it is libarchive's decompressors that are fuzzed */
		free(kernel_image_release(data, size));
}

static void read_names(const char *text)
{
	struct kernel_package_name n;
	struct kernel_version v, again;

	if (kernel_package_parse(text, "amd64", &n))
		kernel_package_clear(&n);
	free(kernel_package_upstream(text));
	if (kernel_version_parse(text, &v, NULL) < 0)
		return;
	again = v;
	if (kernel_version_compare(&v, &again) != 0 || !kernel_version_matches(&v, &again))
		abort();
}

static void read_lists(const char *text)
{
	const struct apt_sources_query q = {
		.host_suite = "bookworm",
		.suite = "trixie",
		.archs = "amd64",
		.components = "main",
	};
	_cleanup_apt_sources_ struct apt_sources sources = { 0 };
	_cleanup_apt_packages_ struct apt_packages packages = { 0 };
	_cleanup_str_ struct str out = STR_INIT;
	_cleanup_strv_ struct strv depends = STRV_INIT;

	apt_sources_parse(&sources, "a.list", text);
	apt_sources_parse(&sources, "a.sources", text);
	apt_sources_derive(&sources, &q, &out);
	apt_parse_packages(text, &packages);
	kernel_package_pick(&packages, "amd64", NULL);
	kernel_package_pick(&packages, "amd64", "6.1");
	apt_depends(text, "linux-", &depends);
	apt_parse_status(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	read_image(data, size);
	read_names(text);
	read_lists(text);
	free(text);
	return 0;
}
