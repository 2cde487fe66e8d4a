/* SPDX-License-Identifier: MPL-2.0 */
/* Checks of the host for root builds. An ordinary user needs user namespaces with a range of ids; root needs neither. */

#include "image/root_check.h"

#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fs.h"
#include "sys/proc.h"

#define SUBID_MAX (1u << 20)
#define RANGE_MIN 65536ul
/* A minimal root while it is made: packages, unpacked tree, archive. */
#define WORK_BYTES (900ull << 20)
#define STORE_BYTES (500ull << 20)

static int check_program(const char *name, const char *package, struct error *err)
{
	_cleanup_free_ char *path = fs_find_program(name);

	if (path)
		return 0;
	error_set(err, ERROR_MISSING, "cannot build a root: the program '%s' is not installed", name);
	return error_hint(err, "sudo apt-get install %s", package);
}

static int check_mmdebstrap(const struct paths *p, struct error *err)
{
	return check_program("mmdebstrap", "mmdebstrap", err);
}

static int check_newuidmap(const struct paths *p, struct error *err)
{
	return geteuid() == 0 ? 0 : check_program("newuidmap", "uidmap", err);
}

bool root_check_find_range(const char *text, const char *user, unsigned uid, unsigned long *ret_start,
			   unsigned long *ret_count)
{
	_cleanup_free_ char *number = mem_printf("%u", uid);

	while (*text) {
		size_t len = strcspn(text, "\n");
		_cleanup_free_ char *line = mem_strndup(text, len);
		_cleanup_strv_ struct strv f = STRV_INIT;

		strv_split(&f, line, ":");
		if (f.n == 3 && (str_eq(f.v[0], user) || str_eq(f.v[0], number)) &&
		    strtoul(f.v[2], NULL, 10) >= RANGE_MIN) {
			*ret_start = strtoul(f.v[1], NULL, 10);
			*ret_count = strtoul(f.v[2], NULL, 10);
			return true;
		}
		text += len;
		if (*text)
			text++;
	}
	return false;
}

static int check_subids(const struct paths *p, struct error *err)
{
	static const char *const files[] = { "/etc/subuid", "/etc/subgid" };
	struct passwd *pw = getpwuid(getuid());
	const char *user = pw ? pw->pw_name : "?";

	for (size_t i = 0; geteuid() != 0 && i < ARRAY_SIZE(files); i++) {
		_cleanup_str_ struct str text = STR_INIT;
		unsigned long start, count;

		fs_read(files[i], SUBID_MAX, &text, NULL);
		if (root_check_find_range(str_cstr(&text), user, (unsigned)getuid(), &start, &count))
			continue;
		error_set(err, ERROR_MISSING, "cannot build a root: user '%s' has no range of 65536 ids in %s", user, files[i]);
		return error_hint(err, "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s", user);
	}
	return 0;
}

/* First value in a sysctl file is `value`? */
static bool sysctl_is(const char *path, const char *value)
{
	_cleanup_str_ struct str text = STR_INIT;

	return fs_read(path, 64, &text, NULL) == 0 && strncmp(str_cstr(&text), value, strlen(value)) == 0;
}

static int explain_blocked(int errnum, struct error *err)
{
	static const struct {
		const char *file, *bad, *mend;
	} table[] = {
		{ "/proc/sys/kernel/unprivileged_userns_clone", "0\n", "kernel.unprivileged_userns_clone=1" },
		{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0" },
		{ "/proc/sys/user/max_user_namespaces", "0\n", "user.max_user_namespaces=10000" },
	};

	error_set(err, ERROR_UNSUPPORTED, "cannot build a root: user namespaces are blocked on this host (%s)", strerror(errnum));
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (sysctl_is(table[i].file, table[i].bad))
			return error_hint(err, "sudo sysctl %s", table[i].mend);
	return error_hint(err, "sudo quiz root build, or quiz root add with a tarball made elsewhere");
}

static int check_namespaces(const struct paths *p, struct error *err)
{
	int status;
	pid_t pid;

	if (geteuid() == 0)
		return 0;
	pid = proc_fork(false, err);
	if (pid < 0)
		return -1;
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? 0 : errno & 0x7f);
	if (proc_wait(pid, &status, err) < 0)
		return -1;
	return status ? explain_blocked(status, err) : 0;
}

static int check_space(const char *dir, uint64_t need, struct error *err)
{
	_cleanup_free_ char *at = mem_strdup(dir);
	struct statvfs st;
	char have_text[32], need_text[32];

	/* The folder may not be there yet: then the one that it will lie in. */
	while (statvfs(at, &st) < 0) {
		char *slash = strrchr(at, '/');

		if (errno != ENOENT || !slash || slash == at)
			return error_sys(err, errno, "look at '%s'", dir);
		*slash = '\0';
	}
	if ((uint64_t)st.f_bavail * st.f_frsize >= need)
		return 0;
	error_set(err, ERROR_SYSTEM, "cannot build a root: '%s' has %s left, %s are needed", at,
		  format_size((uint64_t)st.f_bavail * st.f_frsize, have_text, sizeof(have_text)),
		  format_size(need, need_text, sizeof(need_text)));
	return -1;
}

static int check_work_space(const struct paths *p, struct error *err)
{
	const char *tmp = getenv("TMPDIR");

	if (check_space(tmp && *tmp == '/' ? tmp : "/tmp", WORK_BYTES, err) < 0)
		return error_hint(err, "TMPDIR=/some/where/else quiz root build, or quiz clean");
	return 0;
}

static int check_store_space(const struct paths *p, struct error *err)
{
	if (check_space(p->data, STORE_BYTES, err) < 0)
		return error_hint(err, "quiz root list, quiz root rm NAME, quiz clean");
	return 0;
}

static const struct root_check checks[] = {
	{ "mmdebstrap, which makes root images", check_mmdebstrap },
	{ "newuidmap, for root images made by an ordinary user", check_newuidmap },
	{ "a range of subordinate user and group ids", check_subids },
	{ "user namespaces", check_namespaces },
	{ "room for temporary files", check_work_space },
	{ "room for root images", check_store_space },
};

const struct root_check *root_checks(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(checks);
	return checks;
}

int root_check_all(const struct paths *p, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (checks[i].run(p, err) < 0)
			return -1;
	return 0;
}
