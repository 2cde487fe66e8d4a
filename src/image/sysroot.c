/* SPDX-License-Identifier: MPL-2.0 */
/* The light side of sysroot.h: where it is and how a build is told. */

#include "image/sysroot.h"

#include <string.h>

#include "base/cleanup.h"
#include "sys/fs.h"

char *sysroot_path(const struct paths *paths, const struct arch *arch)
{
	return mem_printf("%s/sysroots/%s", paths->cache, arch->name);
}

char *sysroot_triplet(const struct arch *arch)
{
	return mem_strndup(arch->cross_prefix, strlen(arch->cross_prefix) - 1);
}

void sysroot_environment(const struct paths *paths, const struct arch *arch, struct strv *env)
{
	_cleanup_free_ char *root = sysroot_path(paths, arch), *triplet = sysroot_triplet(arch);

	strv_addf(env, "PKG_CONFIG_LIBDIR=%s/usr/lib/%s/pkgconfig:%s/usr/share/pkgconfig", root, triplet, root);
	strv_addf(env, "PKG_CONFIG_SYSROOT_DIR=%s", root);
	strv_add(env, "PKG_CONFIG_PATH="); /* the user's own is searched before the others */
}
