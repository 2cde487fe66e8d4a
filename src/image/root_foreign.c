/* SPDX-License-Identifier: MPL-2.0 */
/* Roots of other architectures. */

#include "image/root_foreign.h"

bool root_foreign_needed(const struct arch *arch)
{
	return arch != arch_native();
}

int root_foreign_command(const struct arch *arch, struct strv *argv, struct error *err)
{
	error_set(err, ERROR_UNSUPPORTED, "cannot build a root for %s on this host", arch->name);
	return error_hint(err, "quiz root add -a %s TARBALL takes one made elsewhere", arch->name);
}
