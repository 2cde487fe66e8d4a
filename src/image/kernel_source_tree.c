/* SPDX-License-Identifier: MPL-2.0 */
/* What can be learnt from a source tree by looking at it: its version, and whether it was built in. */

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/kernel_source.h"
#include "sys/fs.h"

#define MAKEFILE_MAX (1024 * 1024)
#define LOCALVERSION_MAX 4096

/* The value of "NAME = value" at the start of a line; "" when it is empty or absent. Caller frees. */
static char *make_variable(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *p = line + len;

		if (strncmp(line, name, len) != 0)
			continue;
		p += strspn(p, " \t");
		if (*p != '=')
			continue;
		p++;
		p += strspn(p, " \t");
		return mem_strndup(p, strcspn(p, " \t\r\n#"));
	}
	return mem_strdup("");
}

/* linux-next names its day in a file localversion-next: "-next-20250721". */
static void add_localversion(const char *dir, struct str *version)
{
	_cleanup_free_ char *path = fs_join(dir, "localversion-next");
	_cleanup_str_ struct str text = STR_INIT;

	if (fs_read(path, LOCALVERSION_MAX, &text, NULL) < 0)
		return;
	for (const char *p = str_cstr(&text); *p && !isspace((unsigned char)*p); p++)
		if (isalnum((unsigned char)*p) || strchr("-._", *p))
			str_add_char(version, *p);
}

char *kernel_source_version(const char *dir, struct error *err)
{
	_cleanup_free_ char *path = fs_join(dir, "Makefile");
	_cleanup_free_ char *kbuild = fs_join(dir, "scripts/Makefile.build");
	_cleanup_free_ char *major = NULL, *minor = NULL, *sub = NULL, *extra = NULL;
	_cleanup_str_ struct str text = STR_INIT, version = STR_INIT;

	if (fs_read(path, MAKEFILE_MAX, &text, NULL) == 0 && fs_exists(kbuild)) {
		major = make_variable(str_cstr(&text), "VERSION");
		minor = make_variable(str_cstr(&text), "PATCHLEVEL");
		sub = make_variable(str_cstr(&text), "SUBLEVEL");
		extra = make_variable(str_cstr(&text), "EXTRAVERSION");
	}
	if (!major || !*major || !*minor) {
		error_set(err, ERROR_USAGE, "cannot build '%s': it is not a kernel tree", dir);
		return NULL;
	}
	str_addf(&version, "%s.%s.%s%s", major, minor, *sub ? sub : "0", extra);
	add_localversion(dir, &version);
	return str_take(&version);
}

static int refuse_built(const char *dir, const char *product, struct error *err)
{
	error_set(err, ERROR_USAGE,
		  "cannot build '%s': it was built in place (there is '%s'), and such a tree cannot be built outside", dir,
		  product);
	return error_hint(err, "make -C %s mrproper (removes what was built and its .config), or build what is committed: "
			       "quiz kernel build --git %s", dir, dir);
}

/* What the kernel's own Makefile looks for (outputmakefile): .config, include/config, arch/<any>/include/generated. */
int kernel_source_check_clean(const char *dir, struct error *err)
{
	static const char *const products[] = { ".config", "include/config" };
	_cleanup_free_ char *arch_dir = fs_join(dir, "arch");
	_cleanup_strv_ struct strv archs = STRV_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(products); i++) {
		_cleanup_free_ char *path = fs_join(dir, products[i]);

		if (fs_exists(path))
			return refuse_built(dir, products[i], err);
	}
	if (fs_list(arch_dir, &archs, err) < 0)
		return -1;
	for (size_t i = 0; i < archs.n; i++) {
		_cleanup_free_ char *name = mem_printf("arch/%s/include/generated", archs.v[i]);
		_cleanup_free_ char *path = fs_join(dir, name);

		if (fs_is_dir(path))
			return refuse_built(dir, name, err);
	}
	return 0;
}
