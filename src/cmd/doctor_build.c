/* SPDX-License-Identifier: MPL-2.0 */
/* What making roots, kernels and OpenZFS needs on this host: programs, libraries, user namespaces. */

#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "cmd/doctor.h"
#include "sys/fs.h"
#include "sys/proc.h"

#define SUBID_MIN 65536 /* a root's users and groups */

/* A program, or with "pc:" a library known to pkg-config. */
struct tool {
	const char *section, *name, *package;
	enum doctor_level level; /* when it is not there */
};

static const struct tool tools[] = {
	{ "root build", "mmdebstrap", "mmdebstrap", DOCTOR_MISSING },
	{ "root build", "mkfs.erofs", "erofs-utils", DOCTOR_MISSING },
	{ "root build", "newuidmap", "uidmap", DOCTOR_MISSING },
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

static bool can_unshare_user(void)
{
	struct error err = ERROR_INIT;
	pid_t pid = proc_fork(false, &err);
	int status = 1;

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? 0 : 1);
	return pid > 0 && proc_wait(pid, &status, &err) == 0 && status == 0;
}

/* "name:start:count" lines of /etc/subuid and /etc/subgid. */
static bool has_subids(const char *file, const char *user)
{
	_cleanup_str_ struct str text = STR_INIT;
	_cleanup_strv_ struct strv lines = STRV_INIT;
	struct error err = ERROR_INIT;

	if (fs_read(file, 1 << 20, &text, &err) < 0)
		return false;
	strv_split(&lines, str_cstr(&text), "\n");
	for (size_t i = 0; i < lines.n; i++) {
		_cleanup_strv_ struct strv fields = STRV_INIT;
		uint32_t count;

		strv_split(&fields, lines.v[i], ":");
		if (fields.n == 3 && str_eq(fields.v[0], user) && parse_u32(fields.v[2], 0, UINT32_MAX, &count, &err) == 0 &&
		    count >= SUBID_MIN)
			return true;
	}
	return false;
}

static void check_namespaces(struct doctor *d)
{
	const struct passwd *pw = getpwuid(geteuid());
	const char *user = pw ? pw->pw_name : "";

	d->section = "root build";
	if (geteuid() == 0) {
		doctor_add(d, DOCTOR_OK, NULL, "as root: no user namespace is needed");
		return;
	}
	if (!can_unshare_user())
		doctor_add(d, DOCTOR_MISSING,
			   fs_exists("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") ?
				   "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0" :
				   "sudo sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1",
			   "this user may not make user namespaces");
	else
		doctor_add(d, DOCTOR_OK, NULL, "user namespaces");
	if (!has_subids("/etc/subuid", user) || !has_subids("/etc/subgid", user)) {
		_cleanup_free_ char *mend =
			mem_printf("sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s", user);

		doctor_add(d, DOCTOR_MISSING, mend, "user '%s' has no range of %d subordinate ids", user, SUBID_MIN);
	} else {
		doctor_add(d, DOCTOR_OK, NULL, "subordinate ids");
	}
}

void doctor_check_build(struct doctor *d)
{
	check_tools(d, "root build");
	check_namespaces(d);
	check_tools(d, "kernel build");
	check_tools(d, "OpenZFS");
	check_tools(d, "looking into crashes");
}
