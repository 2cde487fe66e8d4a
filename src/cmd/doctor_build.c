/* SPDX-License-Identifier: MPL-2.0 */
/* What making roots, kernels and OpenZFS needs on this host: programs, libraries, user namespaces. */

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cmd/doctor.h"
#include "image/root_check.h"
#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/proc.h"

/* What a package brings: a program, NAME.pc of pkg-config, or a path. The table is tools/packages. */
static const struct tool {
	const char *group, *name, *package;
	bool is_needed; /* else it only makes something better */
	const char *host; /* "s390x", or "!s390x": on hosts of other architectures; "": on all */
} tools[] = {
#include "cmd/packages.h"
};

static bool is_for_host(const struct tool *t)
{
	const char *native = arch_native()->name;

	return *t->host == '!' ? !str_eq(t->host + 1, native) : !*t->host || str_eq(t->host, native);
}

static bool has_tool(const char *name)
{
	_cleanup_free_ char *program = NULL;
	size_t n = strlen(name);

	if (*name == '/')
		return fs_exists(name);
	if (str_ends(name, ".pc")) {
		_cleanup_free_ char *library = mem_printf("%.*s", (int)n - 3, name);
		const char *argv[] = { "pkg-config", "--exists", library, NULL };
		struct error err = ERROR_INIT;

		return proc_run(argv, NULL, &err) == 0;
	}
	program = fs_find_program(name);
	return program != NULL;
}

/* The tools of a group: one line when all are there, else one finding per level. */
static void check_tools(struct doctor *d, const char *section, const char *group)
{
	bool is_whole = true;

	d->section = section;
	for (int is_needed = 1; is_needed >= 0; is_needed--) {
		_cleanup_str_ struct str names = STR_INIT;
		_cleanup_str_ struct str packages = STR_INIT;
		_cleanup_free_ char *mend = NULL;

		for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
			const struct tool *t = &tools[i];

			if (!str_eq(t->group, group) || t->is_needed != is_needed || !is_for_host(t) ||
			    has_tool(t->name))
				continue;
			str_addf(&names, "%s%s", names.len ? ", " : "", t->name);
			str_addf(&packages, "%s%s", packages.len ? " " : "", t->package);
		}
		if (!names.len)
			continue;
		is_whole = false;
		mend = doctor_install_command(str_cstr(&packages));
		doctor_add(d, is_needed ? DOCTOR_MISSING : DOCTOR_NOTE, mend, "not installed: %s", str_cstr(&names));
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
	check_tools(d, "kernel build", "kernel");
	check_tools(d, "OpenZFS", "openzfs");
	check_tools(d, "looking into crashes", "debug");
}
