/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation. Maps of a user namespace are written from outside, by
 * newuidmap(1), which is setuid, after the namespace exists:
 *
 *	we ── fork ──> mapper: waits for the byte
 *	│ unshare, write the byte ──> newuidmap, newgidmap on us; exits
 *	│ <── wait for the mapper
 *	└ become root, mount binfmt_misc, register qemu, exec
 *
 * So the program has our pid, and signals and the parent's death reach it.
 * The line to register is that of the qemu-user package (binfmt.d(5)); its
 * flag F makes the kernel open the interpreter now, so that it need not exist
 * in the root.
 */

#include "image/root_foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/root_check.h"
#include "sys/fs.h"
#include "sys/proc.h"

#define BINFMT_DIR "/proc/sys/fs/binfmt_misc"

const char *root_foreign_qemu_name(const struct arch *arch)
{
	return str_eq(arch->name, "armv7l") ? "arm" : arch->name;
}

bool root_foreign_needed(const struct arch *arch)
{
	_cleanup_free_ char *path = mem_printf(BINFMT_DIR "/qemu-%s", root_foreign_qemu_name(arch));
	_cleanup_str_ struct str text = STR_INIT;

	if (arch == arch_native())
		return false;
	return fs_read(path, 4096, &text, NULL) < 0 || !str_starts(str_cstr(&text), "enabled");
}

/* The line to register; the caller frees. */
static char *read_registration(const struct arch *arch, struct error *err)
{
	static const char *const dirs[] = { "/etc/binfmt.d", "/usr/local/lib/binfmt.d", "/usr/lib/binfmt.d" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		_cleanup_free_ char *path = mem_printf("%s/qemu-%s.conf", dirs[i], root_foreign_qemu_name(arch));
		_cleanup_str_ struct str text = STR_INIT;

		if (fs_read(path, 4096, &text, NULL) == 0 && text.len > 1)
			return mem_strndup(text.p, strcspn(text.p, "\n"));
	}
	error_set(err, ERROR_MISSING, "cannot build a root for %s: the user emulation of QEMU is not installed", arch->name);
	error_hint(err, "sudo apt-get install qemu-user-static");
	return NULL;
}

int root_foreign_command(const struct paths *p, const struct arch *arch, struct strv *argv, struct error *err)
{
	_cleanup_free_ char *line = read_registration(arch, err);

	if (!line)
		return -1;
	strv_add_take(argv, fs_join(p->libexec, "quiz-image"));
	strv_add(argv, ROOT_FOREIGN_COMMAND);
	strv_add(argv, arch->name);
	return 0;
}

bool root_foreign_works(const struct paths *p, const struct arch *arch, struct error *err)
{
	_cleanup_strv_ struct strv argv = STRV_INIT;
	const char *const *words;

	if (root_foreign_command(p, arch, &argv, err) < 0)
		return false;
	strv_add(&argv, "true");
	words = (const char *const *)argv.v;
	return proc_run(words, NULL, err) == 0;
}

/* ---- maps ---- */

static int map_with_program(const char *program, const char *subid_file, pid_t pid, unsigned own, const char *user,
			    struct error *err)
{
	_cleanup_free_ char *pid_text = mem_printf("%d", (int)pid);
	_cleanup_free_ char *own_text = mem_printf("%u", own);
	_cleanup_str_ struct str text = STR_INIT;
	char start_text[24], count_text[24];
	const char *const argv[] = { program, pid_text, "0", own_text, "1", "1", start_text, count_text, NULL };
	unsigned long start, count;

	if (fs_read(subid_file, 1 << 20, &text, err) < 0)
		return -1;
	if (!root_check_find_range(str_cstr(&text), user, own, &start, &count))
		return error_set(err, ERROR_MISSING, "user '%s' has no range of ids in %s", user, subid_file);
	snprintf(start_text, sizeof(start_text), "%lu", start);
	snprintf(count_text, sizeof(count_text), "%lu", count);
	return proc_run(argv, NULL, err);
}

static int map_all(const char *file, pid_t pid, struct error *err)
{
	static const char line[] = "0 0 4294967295\n";
	_cleanup_free_ char *path = mem_printf("/proc/%d/%s", (int)pid, file);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, line, sizeof(line) - 1) < 0)
		return error_sys(err, errno, "write '%s'", path);
	return 0;
}

static int map_ids(pid_t pid, struct error *err)
{
	struct passwd *pw = getpwuid(getuid());
	const char *user = pw ? pw->pw_name : "?";

	if (geteuid() == 0)
		return map_all("uid_map", pid, err) < 0 ? -1 : map_all("gid_map", pid, err);
	if (map_with_program("newuidmap", "/etc/subuid", pid, (unsigned)getuid(), user, err) < 0)
		return -1;
	return map_with_program("newgidmap", "/etc/subgid", pid, (unsigned)getgid(), user, err);
}

/* The mapper's whole life; it reports by its status and its stderr. */
static _Noreturn void mapper(int go_fd, pid_t pid)
{
	struct error err = ERROR_INIT;
	char c;

	if (read(go_fd, &c, 1) != 1)
		_exit(1);
	if (map_ids(pid, &err) == 0)
		_exit(0);
	dprintf(STDERR_FILENO, "E: %s\n", err.text);
	_exit(1);
}

/* ---- the namespace ---- */

static int enter(struct error *err)
{
	_cleanup_close_ int read_end = -1;
	_cleanup_close_ int write_end = -1;
	pid_t self = getpid(), pid;
	int fds[2], status;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make a pipe");
	read_end = fds[0];
	write_end = fds[1];
	pid = proc_fork(false, err);
	if (pid < 0)
		return -1;
	if (pid == 0) {
		close(fds[1]);
		mapper(fds[0], self);
	}
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
		int saved = errno;

		close_fd(&write_end); /* the mapper sees the end of the pipe and goes */
		proc_wait(pid, &status, NULL);
		return error_sys(err, saved, "make a user namespace");
	}
	if (write(write_end, "x", 1) != 1)
		return error_sys(err, errno, "start the mapping of ids");
	if (proc_wait(pid, &status, err) < 0)
		return -1;
	if (status)
		return error_set(err, ERROR_UNSUPPORTED, "cannot map the ids of a user namespace");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || setgroups(0, NULL) < 0)
		return error_sys(err, errno, "become root of the user namespace");
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of ids has cleared it */
	return 0;
}

static int register_qemu(const struct arch *arch, const char *line, struct error *err)
{
	_cleanup_close_ int fd = -1;

	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_sys(err, errno, "separate the mounts of the user namespace");
	if (mount("binfmt_misc", BINFMT_DIR, "binfmt_misc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
		error_set(err, ERROR_UNSUPPORTED, "cannot run %s programs: this kernel has no binfmt_misc for user namespaces (%s)",
			  arch->name, strerror(errno));
		return error_hint(err, "Linux 6.7 has it; else register qemu on the host: sudo apt-get install binfmt-support");
	}
	fd = open(BINFMT_DIR "/register", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		return error_sys(err, errno, "register the emulation of %s", arch->name);
	return 0;
}

int root_foreign_exec(const struct arch *arch, char *const *argv, struct error *err)
{
	_cleanup_free_ char *line = read_registration(arch, err);
	_cleanup_free_ char *path = NULL;

	if (!line || enter(err) < 0 || register_qemu(arch, line, err) < 0)
		return -1;
	path = strchr(argv[0], '/') ? mem_strdup(argv[0]) : fs_find_program(argv[0]);
	if (!path)
		return error_set(err, ERROR_MISSING, "cannot run '%s': not found", argv[0]);
	execv(path, argv);
	return error_sys(err, errno, "run '%s'", path);
}
