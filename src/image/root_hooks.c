/* SPDX-License-Identifier: MPL-2.0 */
#include "image/root_hooks.h"

#define ARCHIVES "/var/cache/apt/archives"

void root_hook(struct strv *argv, const char *stage, const char *before, const char *path, const char *after)
{
	_cleanup_str_ struct str hook = STR_INIT;

	str_add(&hook, before);
	if (path)
		str_add_shell(&hook, path);
	str_add(&hook, after);
	strv_addf(argv, "--%s-hook=%s", stage, str_cstr(&hook));
}

void root_hook_packages(struct strv *argv, const char *deb_dir, const char *stage)
{
	root_hook(argv, "setup", "mkdir -p \"$1\"" ARCHIVES, NULL, "");
	root_hook(argv, "setup", "sync-in ", deb_dir, " " ARCHIVES);
	root_hook(argv, stage, "sync-out " ARCHIVES " ", deb_dir, "");
}
