/* SPDX-License-Identifier: MPL-2.0 */
/* What making roots, kernels and OpenZFS needs on this host: programs, libraries, user namespaces. */

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cmd/doctor.h"
#include "image/root_check.h"
#include "sys/fs.h"
#include "sys/proc.h"

/* A program, or with "pc:" a library known to pkg-config. */
struct tool {
	const char *section, *name, *package;
	enum doctor_level level; /* when it is not there */
};

static const struct tool tools[] = {
	{ "kernel build", "make", "make", DOCTOR_MISSING },
	{ "kernel build", "gcc", "gcc", DOCTOR_MISSING },
	{ "kernel build", "ld", "binutils", DOCTOR_MISSING },
	{ "kernel build", "flex", "flex", DOCTOR_MISSING },
	{ "kernel build", "bison", "bison", DOCTOR_MISSING },
	{ "kernel build", "bc", "bc", DOCTOR_MISSING },
	{ "kernel build", "depmod", "kmod", DOCTOR_MISSING },
	{ "kernel build", "pc:libelf", "libelf-dev", DOCTOR_MISSING },
	{ "kernel build", "pc:libcrypto", "libssl-dev", DOCTOR_MISSING },
	{ "kernel build", "ccache", "ccache", DOCTOR_NOTE },
	{ "OpenZFS", "autoconf", "autoconf", DOCTOR_MISSING },
	{ "OpenZFS", "automake", "automake", DOCTOR_MISSING },
	{ "OpenZFS", "libtoolize", "libtool", DOCTOR_MISSING },
	{ "OpenZFS", "pc:uuid", "uuid-dev", DOCTOR_MISSING },
	{ "OpenZFS", "pc:blkid", "libblkid-dev", DOCTOR_MISSING },
	{ "OpenZFS", "pc:libtirpc", "libtirpc-dev", DOCTOR_MISSING },
	{ "OpenZFS", "pc:zlib", "zlib1g-dev", DOCTOR_MISSING },
	{ "OpenZFS", "pc:libudev", "libudev-dev", DOCTOR_NOTE },
	{ "looking into crashes", "gdb", "gdb", DOCTOR_NOTE },
	{ "looking into crashes", "drgn", "python3-drgn", DOCTOR_NOTE },
};

static bool has_tool(const char *name)
{
	_cleanup_free_ char *program = NULL;

	if (str_starts(name, "pc:")) {
		const char *argv[] = { "pkg-config", "--exists", name + 3, NULL };
		struct error err = ERROR_INIT;

		return proc_run(argv, NULL, &err) == 0;
	}
	program = fs_find_program(name);
	return program != NULL;
}

/* The tools of a section: one line when all are there, else one finding per level. */
static void check_tools(struct doctor *d, const char *section)
{
	static const enum doctor_level levels[] = { DOCTOR_MISSING, DOCTOR_NOTE };
	bool is_whole = true;

	d->section = section;
	for (size_t l = 0; l < ARRAY_SIZE(levels); l++) {
		_cleanup_str_ struct str names = STR_INIT, packages = STR_INIT;
		_cleanup_free_ char *mend = NULL;

		for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
			const struct tool *t = &tools[i];

			if (!str_eq(t->section, section) || t->level != levels[l] || has_tool(t->name))
				continue;
			str_addf(&names, "%s%s", names.len ? ", " : "", str_starts(t->name, "pc:") ? t->name + 3 : t->name);
			str_addf(&packages, "%s%s", packages.len ? " " : "", t->package);
		}
		if (!names.len)
			continue;
		is_whole = false;
		mend = doctor_install_command(str_cstr(&packages));
		doctor_add(d, levels[l], mend, "not installed: %s", str_cstr(&names));
	}
	if (is_whole)
		doctor_add(d, DOCTOR_OK, NULL, "all programs and libraries are there");
}

/* The same checks that `quiz root build` makes first. */
static void check_roots(struct doctor *d)
{
	struct error err = ERROR_INIT;
	struct paths paths = { 0 };
	size_t n;
	const struct root_check *checks = root_checks(&n);

	d->section = "root build";
	if (paths_init(&paths, &err) < 0) {
		doctor_add(d, DOCTOR_MISSING, NULL, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		error_clear(&err);
		if (checks[i].run(&paths, &err) < 0)
			doctor_add(d, DOCTOR_MISSING, err.hint[0] ? err.hint : NULL, "%s", err.text);
		else
			doctor_add(d, DOCTOR_OK, NULL, "%s", checks[i].name);
	}
	paths_clear(&paths);
}

void doctor_check_build(struct doctor *d)
{
	check_roots(d);
	check_tools(d, "kernel build");
	check_tools(d, "OpenZFS");
	check_tools(d, "looking into crashes");
}
