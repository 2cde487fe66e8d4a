/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Order matters: the terminal before the user (only root may give itself
 * one), the user before the folder (it may be readable to him only), and the
 * search for the program last, as him.
 */

#include "guest/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "guest/abi.h"
#include "guest/account.h"
#include "guest/file.h"
#include "guest/log.h"
#include "guest/transfer.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define WORDS_MAX (WIRE_PAYLOAD_MAX / 5 + 16) /* a string on the wire has at least 5 bytes */

#define ERRNO_SAYS_IT "%s", "" /* the host knows the program's name */

static int report_fd;

static _Noreturn void fail(enum wire_start_stage stage, int errnum, const char *fmt, ...) _printf_(3, 4);

static _Noreturn void fail(enum wire_start_stage stage, int errnum, const char *fmt, ...)
{
	struct spawn_report r = { .stage = stage, .errnum = errnum ? errnum : EIO };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r.text, sizeof(r.text), fmt, ap);
	va_end(ap);
	file_write_all(report_fd, &r, sizeof(r));
	_exit(127);
}

void spawn_close_from(int first)
{
	if (syscall(SYS_close_range, first, ~0u, 0) == 0)
		return;
	for (int fd = first; fd < 1024; fd++)
		close(fd);
}

void spawn_reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void take_streams(const struct spawn_fds *fds)
{
	setsid();
	if (fds->is_tty && ioctl(fds->in, TIOCSCTTY, 0) < 0)
		fail(WIRE_STAGE_FORK, errno, "cannot make the terminal its own: %m");
	if (dup2(fds->in, 0) < 0 || dup2(fds->out, 1) < 0 || dup2(fds->err, 2) < 0)
		fail(WIRE_STAGE_FORK, errno, "cannot connect its streams: %m");
}

static void find_account(const char *user, struct account *a)
{
	static char text[256 * 1024];
	ssize_t n = file_read("/etc/passwd", text, sizeof(text));

	if (!account_find(n > 0 ? text : "", user, a))
		fail(WIRE_STAGE_USER, ENOENT, "no user '%s' in the machine's /etc/passwd", user);
	n = file_read("/etc/group", text, sizeof(text));
	if (n > 0)
		account_add_groups(text, a);
}

/* What a spare knows already, and a child that was forked for its program learns at once. */
static struct {
	const char *user; /* whose it all is; NULL: nothing is known yet */
	struct account account;
	bool is_us; /* who we are already */
	char home[ACCOUNT_PATH_MAX + 16], shell[ACCOUNT_PATH_MAX + 16]; /* for the environment */
	char name[ACCOUNT_NAME_MAX + 16], logname[ACCOUNT_NAME_MAX + 16];
} known;

static void know_account(const struct wire_start *m)
{
	const char *user = m->user[0] ? m->user : "root";
	struct account *a = &known.account;

	if (known.user && strcmp(known.user, user) == 0)
		return;
	find_account(user, a);
	/* Root stays as it is: three system calls less, and it works in a user namespace without setgroups. */
	known.is_us = a->uid == getuid() && a->gid == getgid() && a->n_groups == 0;
	file_path(known.home, sizeof(known.home), "HOME=%s", a->home);
	file_path(known.shell, sizeof(known.shell), "SHELL=%s", a->shell[0] ? a->shell : "/bin/sh");
	file_path(known.name, sizeof(known.name), "USER=%s", a->name);
	file_path(known.logname, sizeof(known.logname), "LOGNAME=%s", a->name);
	known.user = user;
}

static void become(const struct wire_start *m, const struct account *a, bool is_tty)
{
	if (m->umask != 0xffff)
		umask((mode_t)m->umask & 0777);
	else
		umask(022);
	if (m->nofile) {
		struct rlimit rl = { m->nofile, m->nofile };

		if (setrlimit(RLIMIT_NOFILE, &rl) < 0)
			fail(WIRE_STAGE_FORK, errno, "cannot set the limit of open files to %llu: %m",
			     (unsigned long long)m->nofile);
	}
	if (is_tty && a->uid != 0) {
		fchown(0, a->uid, (gid_t)-1);
		fchmod(0, 0620);
	}
	if (known.is_us)
		return;
	if (setgroups(a->n_groups, a->groups) < 0 || setgid(a->gid) < 0 || setuid(a->uid) < 0)
		fail(WIRE_STAGE_USER, errno, "cannot become user '%s': %m", m->user[0] ? m->user : "root");
}

static void enter(const struct wire_start *m, const struct account *a)
{
	if (m->cwd[0]) {
		if (chdir(m->cwd) < 0)
			fail(WIRE_STAGE_CHDIR, errno, "cannot enter '%s': %m", m->cwd);
	} else if (chdir(a->home) < 0 && chdir("/") < 0) {
		fail(WIRE_STAGE_CHDIR, errno, "cannot enter '/': %m");
	}
}

static const char *env_get(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

/* Puts "NAME=value" in, or takes NAME out when there is no "=". */
static void env_put(char **env, size_t *n, const char *entry)
{
	size_t len = strcspn(entry, "=");

	for (size_t i = 0; i < *n; i++) {
		if (strncmp(env[i], entry, len) != 0 || env[i][len] != '=')
			continue;
		if (entry[len] == '=')
			env[i] = (char *)entry;
		else
			env[i] = env[--*n];
		env[*n] = NULL;
		return;
	}
	if (entry[len] != '=' || len == 0)
		return;
	env[(*n)++] = (char *)entry;
	env[*n] = NULL;
}

static const char *login_shell(const struct account *a)
{
	if (a->shell[0] && access(a->shell, X_OK) == 0)
		return a->shell;
	return access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
}

static char **make_env(const struct wire_start *m)
{
	static char *env[WORDS_MAX];
	size_t n = 0;
	uint32_t pos = 0;
	const char *e;

	env_put(env, &n, "PATH=" DEFAULT_PATH);
	env_put(env, &n, known.home);
	env_put(env, &n, known.shell);
	if (known.account.name[0]) {
		env_put(env, &n, known.name);
		env_put(env, &n, known.logname);
	}
	while ((e = wire_list_next(&m->env, &pos)))
		env_put(env, &n, e);
	return env;
}

/* "#!/no/such/interpreter" gives ENOENT although the file is there. Says so. */
static _Noreturn void exec_failed(const char *file, int e)
{
	struct stat st;

	if (e == ENOENT && stat(file, &st) == 0)
		fail(WIRE_STAGE_EXEC, e, "its interpreter or loader does not exist in the machine");
	if (e == EACCES && stat(file, &st) == 0 && S_ISDIR(st.st_mode))
		fail(WIRE_STAGE_EXEC, e, "it is a folder");
	if (e == ENOEXEC)
		fail(WIRE_STAGE_EXEC, e, "it is no program for this machine, and no script with '#!'");
	fail(WIRE_STAGE_EXEC, e, ERRNO_SAYS_IT);
}

/*
 * The name in the folder at *p of a PATH; *p goes on to the next, NULL behind the last. False: too long. Put together by
 * hand, as vsnprintf() is a twentieth of all of the agent's code that a clone would have to translate.
 */
static bool next_file(const char **p, const char *name, char *file, size_t cap)
{
	const char *dir = *p;
	size_t n = strcspn(dir, ":"), len = strlen(name), at = n ? n + 1 : 0; /* an empty element is the current folder */

	*p = dir[n] ? dir + n + 1 : NULL;
	if (at + len >= cap)
		return false;
	memcpy(file, dir, n);
	if (n)
		file[n] = '/';
	memcpy(file + at, name, len + 1);
	return true;
}

/*
 * An execve that finds no file has made half a process before, and undoes it.
 * An open costs the kernel code that every program runs anyway, as it starts
 * with opening its libraries. What else may be wrong is execve's to say, and
 * the descriptor is closed by it.
 */
static bool is_missing(const char *file)
{
	/* Not by the C library, which sets the flag a second time. */
	return syscall(SYS_openat, AT_FDCWD, file, O_PATH | O_CLOEXEC, 0) < 0 && errno == ENOENT;
}

/* As execvp(3), but in the environment's own PATH, and never falling back to a shell. */
static _Noreturn void exec_program(const char *name, char *const *argv, char *const *env)
{
	const char *path = env_get(env, "PATH");
	char file[FILE_PATH_MAX];
	bool denied = false;

	if (strchr(name, '/') || !*name) {
		execve(name, argv, env);
		exec_failed(name, errno);
	}
	for (const char *p = path ? path : DEFAULT_PATH; p;) {
		if (!next_file(&p, name, file, sizeof(file)) || is_missing(file))
			continue;
		execve(file, argv, env);
		if (errno == EACCES)
			denied = true;
		else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
			exec_failed(file, errno);
	}
	/* Is one there, and what is missing is its interpreter? */
	for (const char *p = path ? path : DEFAULT_PATH; p && !denied;)
		if (next_file(&p, name, file, sizeof(file)) && access(file, F_OK) == 0)
			exec_failed(file, ENOENT);
	fail(WIRE_STAGE_EXEC, denied ? EACCES : ENOENT, ERRNO_SAYS_IT);
}

static _Noreturn void run_program(const struct wire_start *m)
{
	static char *argv[WORDS_MAX], arg0[ACCOUNT_PATH_MAX + 1];
	char **env = make_env(m);
	const char *file, *word;
	uint32_t pos = 0;
	size_t n = 0;

	while ((word = wire_list_next(&m->argv, &pos)))
		argv[n++] = (char *)word;
	if (n == 0) {
		/* As login(1) does: a "-" in front of the name makes it a login shell. */
		file = login_shell(&known.account);
		file_path(arg0, sizeof(arg0), "%s%s", m->flags & WIRE_START_LOGIN ? "-" : "", strrchr(file, '/') + 1);
		argv[0] = arg0;
	} else {
		file = argv[0];
	}
	exec_program(file, argv, env);
}

void spawn_begin(const struct spawn_fds *fds)
{
	report_fd = fds->report;
	spawn_reset_signals();
	take_streams(fds);
	know_account(&(struct wire_start){ .user = "" });
	enter(&(struct wire_start){ .cwd = "" }, &known.account);
}

static _Noreturn void move_files(const struct wire_start *m)
{
	const char *path, *name, *carrier;
	uint32_t pos = 0;

	if (chdir("/") < 0)
		fail(WIRE_STAGE_CHDIR, errno, "cannot enter '/': %m");
	path = wire_list_next(&m->argv, &pos);
	name = path ? wire_list_next(&m->argv, &pos) : NULL;
	carrier = name ? wire_list_next(&m->argv, &pos) : NULL;
	spawn_close_from(3); /* the report's end too: its end of file says that all is well */
	if (m->kind == WIRE_KIND_FILES_OUT)
		_exit(transfer_out(path ? path : "", carrier ? carrier : ""));
	else
		_exit(transfer_in(path ? path : "", name ? name : "", carrier ? carrier : ""));
}

_Noreturn void spawn_go_on(const struct wire_start *m)
{
	bool is_home = known.user && !m->cwd[0] && !m->user[0];

	know_account(m);
	/* Entered as root, like su does: the folder may lie below one that is its owner's alone (a tree in root's home). */
	if (m->kind == WIRE_KIND_PROGRAM && !is_home)
		enter(m, &known.account);
	become(m, &known.account, m->flags & WIRE_START_TTY);
	if (m->kind == WIRE_KIND_PROGRAM)
		run_program(m);
	move_files(m);
}

_Noreturn void spawn_child(const struct wire_start *m, const struct spawn_fds *fds)
{
	report_fd = fds->report;
	spawn_reset_signals();
	take_streams(fds);
	spawn_go_on(m);
}

/* ---- the parent's side of it ---- */

int spawn_make_pipe(int *ret_ours, int *ret_theirs, bool we_write)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	*ret_ours = p[we_write];
	*ret_theirs = p[!we_write];
	fcntl(*ret_ours, F_SETFL, fcntl(*ret_ours, F_GETFL) | O_NONBLOCK);
	return 0;
}

int spawn_make_pipes(int *ret_in, int *ret_out, int *ret_err, struct spawn_fds *theirs)
{
	if (ret_in && spawn_make_pipe(ret_in, &theirs->in, true) < 0)
		return -1;
	if (spawn_make_pipe(ret_out, &theirs->out, false) < 0)
		return -1;
	return spawn_make_pipe(ret_err, &theirs->err, false);
}

void spawn_close_fds(struct spawn_fds *fds)
{
	if (fds->err != fds->out)
		close_fd(&fds->err);
	if (fds->out != fds->in)
		close_fd(&fds->out);
	close_fd(&fds->in);
	close_fd(&fds->report);
}
