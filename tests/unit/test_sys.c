/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/fs.h"
#include "sys/lock.h"
#include "sys/loop.h"
#include "sys/proc.h"
#include "sys/fdpass.h"

static char dir[] = "/tmp/quiz-test-sys-XXXXXX";

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	return fs_remove_tree(dir, NULL, NULL);
}

static void child_output_and_status(void **state)
{
	static const char *const echo[] = { "sh", "-c", "printf out; printf why >&2; exit 3", NULL };
	static const char *const missing[] = { "no-such-program-anywhere", NULL };
	struct error err = ERROR_INIT;
	struct str out = STR_INIT;

	assert_int_equal(proc_run(echo, &out, &err), -1);
	assert_int_equal(err.kind, ERROR_CHILD);
	assert_string_equal(str_cstr(&out), "out");
	assert_non_null(strstr(err.text, "status 3"));
	assert_non_null(strstr(err.text, "why"));
	assert_int_equal(proc_run(missing, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	str_clear(&out);
}

static void join_line(void *ctx, const char *line)
{
	str_addf(ctx, "<%s>", line);
}

/* Progress is drawn over: each state of it is a line. */
static void lines_of_a_child(void **state)
{
	static const char *const argv[] = { "printf", "one\\n\\ntwo 1%%\\rtwo 2%%\\r\\rthree\\r\\nfour", NULL };
	struct proc_spec spec = { .argv = argv };
	struct error err = ERROR_INIT;
	struct str lines = STR_INIT;

	assert_int_equal(proc_run_lines(&spec, -1, join_line, &lines, &err), 0);
	assert_string_equal(str_cstr(&lines), "<one><><two 1%><two 2%><three><><four>");
	str_clear(&lines);
}

static void descriptors_can_be_swapped(void **state)
{
	static const char *const argv[] = { "sh", "-c", "printf a >&3; printf b >&4", NULL };
	struct error err = ERROR_INIT;
	int p[2], q[2];
	char a = 0, b = 0;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(pipe2(q, O_CLOEXEC), 0);
	struct proc_fd fds[] = { { q[1], 4 }, { p[1], 3 } };
	struct proc_spec spec = { .argv = argv, .fds = fds, .n_fds = 2 };

	assert_int_equal(proc_run_spec(&spec, NULL, &err), 0);
	assert_int_equal(read(p[0], &a, 1), 1);
	assert_int_equal(read(q[0], &b, 1), 1);
	assert_int_equal(a, 'a');
	assert_int_equal(b, 'b');
	close(p[0]), close(p[1]), close(q[0]), close(q[1]);
}

static void a_path_lies_in_a_folder(void **state)
{
	assert_true(fs_lies_in("/a/b", "/a/b"));
	assert_true(fs_lies_in("/a/b/c", "/a/b"));
	assert_true(fs_lies_in("/a", "/"));
	assert_false(fs_lies_in("/a/bc", "/a/b"));
	assert_false(fs_lies_in("/a", "/a/b"));
}

static void locks_exclude(void **state)
{
	_cleanup_free_ char *path = mem_printf("%s/sub/lock", dir);
	struct error err = ERROR_INIT;
	int fd = lock_take(path, LOCK_EXCLUSIVE_MODE, false, "pid 1: testing", NULL, &err);

	assert_true(fd >= 0);
	assert_true(lock_is_held(path));
	assert_int_equal(lock_take(path, LOCK_SHARED_MODE, false, NULL, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_BUSY);
	assert_non_null(strstr(err.text, "pid 1: testing"));
	close(fd);
	assert_false(lock_is_held(path));
}

static void trees_are_removed_without_following_links(void **state)
{
	_cleanup_free_ char *tree = mem_printf("%s/tree", dir);
	_cleanup_free_ char *locked = mem_printf("%s/tree/locked/deep", dir);
	_cleanup_free_ char *file = mem_printf("%s/kept", dir);
	_cleanup_free_ char *link = mem_printf("%s/tree/link", dir);
	_cleanup_free_ char *parent = mem_printf("%s/tree/locked", dir);
	struct error err = ERROR_INIT;
	struct str s = STR_INIT;

	assert_int_equal(fs_write_atomic(file, "x", 1, 0644, false, &err), 0);
	assert_int_equal(fs_mkdir_p(locked, 0755, &err), 0);
	assert_int_equal(symlink(dir, link), 0);
	assert_int_equal(chmod(parent, 0), 0);
	assert_int_equal(fs_remove_tree(tree, NULL, &err), 0);
	assert_false(fs_exists(tree));
	assert_int_equal(fs_read(file, 10, &s, &err), 0);
	assert_string_equal(str_cstr(&s), "x");
	str_clear(&s);
}

static void copies_keep_holes(void **state)
{
	_cleanup_free_ char *a = mem_printf("%s/sparse", dir);
	_cleanup_free_ char *b = mem_printf("%s/copy", dir);
	struct error err = ERROR_INIT;
	struct stat st;
	char buf[4] = "";
	int fd = open(a, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(pwrite(fd, "end", 3, 8 << 20), 3);
	close(fd);
	assert_int_equal(fs_copy_file(a, b, 0600, &err), 0);
	assert_int_equal(stat(b, &st), 0);
	assert_int_equal(st.st_size, (8 << 20) + 3);
	assert_true(st.st_blocks * 512 < 1 << 20);
	fd = open(b, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, buf, 3, 8 << 20), 3);
	assert_string_equal(buf, "end");
	close(fd);
}

/* Data in all places that a copy cuts at: pages, its buffer, a tail that is no page. */
static void copies_leave_zeros_out(void **state)
{
	static char in[(3 << 20) + 1000], out[sizeof(in)];
	_cleanup_free_ char *a = mem_printf("%s/zeros", dir);
	_cleanup_free_ char *b = mem_printf("%s/without", dir);
	struct error err = ERROR_INIT;
	struct stat st;
	int fd;

	memset(in, 0, sizeof(in));
	in[0] = in[4095] = in[4096] = in[5 * 4096 + 7] = in[(1 << 17) - 1] = in[1 << 17] = in[(2 << 20) + 1] = 'x';
	in[sizeof(in) - 1] = 'y';
	assert_int_equal(fs_write_atomic(a, in, sizeof(in), 0600, false, &err), 0);
	assert_int_equal(fs_copy_file(a, b, 0600, &err), 0);
	fd = open(b, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, out, sizeof(out)), sizeof(out));
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, sizeof(in));
	assert_true(st.st_blocks * 512 < 1 << 20);
	close(fd);
}

struct seen {
	struct loop *loop;
	int reads, timers, signals, status, pipe_fd;
};

static void on_read(void *ctx, int fd, short events)
{
	struct seen *s = ctx;
	char c;

	assert_int_equal(read(fd, &c, 1), 1);
	s->reads++;
	loop_fd_remove(s->loop, fd);
	raise(SIGUSR1);
}

static void on_usr1(void *ctx, int signo)
{
	struct seen *s = ctx;

	s->signals++;
}

static void on_timer(void *ctx)
{
	struct seen *s = ctx;

	s->timers++;
	assert_int_equal(write(s->pipe_fd, "x", 1), 1);
}

static void on_never(void *ctx)
{
	fail();
}

static void on_child(void *ctx, pid_t pid, int status)
{
	struct seen *s = ctx;

	s->status = WEXITSTATUS(status);
	loop_stop(s->loop);
}

static void loop_serves_all_kinds(void **state)
{
	static const char *const argv[] = { "sh", "-c", "sleep 0.2; exit 9", NULL };
	struct proc_spec spec = { .argv = argv };
	struct seen s = { .loop = loop_new() };
	struct error err = ERROR_INIT;
	int p[2];
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	s.pipe_fd = p[1];
	loop_fd(s.loop, p[0], POLLIN, on_read, &s);
	loop_timer(s.loop, 10, on_timer, &s);
	loop_timer_remove(s.loop, loop_timer(s.loop, 1, on_never, &s));
	loop_signal(s.loop, SIGUSR1, on_usr1, &s);
	assert_int_equal(proc_start(&spec, &pid, &err), 0);
	loop_child(s.loop, pid, on_child, &s);
	loop_run(s.loop);
	assert_int_equal(s.reads, 1);
	assert_int_equal(s.timers, 1);
	assert_int_equal(s.signals, 1);
	assert_int_equal(s.status, 9);
	loop_free(s.loop);
	close(p[0]), close(p[1]);
}

static void was_read(void *ctx, int fd, short events)
{
	struct seen *s = ctx;

	s->reads++;
	loop_fd_remove(s->loop, fd);
}

static void is_too_late(void *ctx)
{
	struct seen *s = ctx;

	assert_int_equal(s->reads, 1);
	loop_stop(s->loop);
}

/* We get no CPU past the deadline; what was waited for has come meanwhile. */
static void starve(void *ctx, int fd, short events)
{
	struct seen *s = ctx;

	loop_fd_remove(s->loop, fd);
	usleep(30000);
	assert_int_equal(write(s->pipe_fd, "x", 1), 1);
}

static void a_late_deadline_comes_behind_what_it_was_for(void **state)
{
	struct seen s = { .loop = loop_new() };
	int p[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	s.pipe_fd = p[1];
	loop_fd(s.loop, null, POLLIN, starve, &s);
	loop_fd(s.loop, p[0], POLLIN, was_read, &s);
	loop_timer(s.loop, 10, is_too_late, &s);
	loop_run(s.loop);
	loop_free(s.loop);
	close(null), close(p[0]), close(p[1]);
}

/* On one CPU, so that they take it from each other. */
static void share_a_cpu(pid_t pid)
{
	cpu_set_t all, one;
	int cpu = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(pid, sizeof(one), &one), 0);
}

static void starving_is_counted_from_then_on(void **state)
{
	static const char *const argv[] = { "sh", "-c", "while :; do :; done", NULL };
	struct proc_spec spec = { .argv = argv };
	struct proc_waits then = { 0 }, early = { 0 };
	struct error err = ERROR_INIT;
	pid_t pids[2];
	int status;

	proc_waits_take(getpid(), &then);
	if (!then.n)
		skip(); /* CONFIG_SCHED_INFO */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(proc_start(&spec, &pids[i], &err), 0);
		share_a_cpu(pids[i]);
	}
	proc_waits_take(pids[0], &early);
	for (int i = 0; i < 1000 && proc_starved_ms(pids[0], &early) < 20; i++)
		usleep(10000);
	assert_true(proc_starved_ms(pids[0], &early) >= 20);
	proc_waits_take(pids[0], &then);
	assert_true(proc_starved_ms(pids[0], &then) < proc_starved_ms(pids[0], &early));
	then.v[0].tid = 1; /* a thread that has gone; the one that is there is new */
	assert_true(proc_starved_ms(pids[0], &then) >= 20);
	for (int i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		proc_wait(pids[i], &status, &err);
	}
	assert_int_equal(proc_starved_ms(pids[0], &then), 0);
	proc_waits_clear(&then);
	proc_waits_clear(&early);
}

/* A parent in vfork(2) waits as one does for a disk. */
static void waiting_for_the_host_is_told(void **state)
{
	bool was_blocked = false;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, 0) == 0)
			usleep(300000);
		_exit(0);
	}
	for (int i = 0; i < 100 && !was_blocked; i++) {
		was_blocked = proc_is_blocked(pid);
		usleep(2000);
	}
	waitpid(pid, &status, 0);
	assert_true(was_blocked);
	assert_false(proc_is_blocked(getpid()));
}

static void ends_sleep(const char *const *argv, bool want_asleep)
{
	struct proc_spec spec = { .argv = argv };
	struct error err = ERROR_INIT;
	bool was_asleep = false;
	int status;
	pid_t pid;

	assert_int_equal(proc_start(&spec, &pid, &err), 0);
	for (int i = 0; i < (want_asleep ? 1000 : 20) && !was_asleep; i++) {
		usleep(10000);
		was_asleep = proc_is_asleep(pid);
	}
	kill(pid, SIGKILL);
	proc_wait(pid, &status, &err);
	assert_int_equal(was_asleep, want_asleep);
	assert_false(proc_is_asleep(pid)); /* it is gone */
}

static void sleeping_is_told_from_working(void **state)
{
	ends_sleep((const char *const[]){ "sleep", "1000", NULL }, true);
	ends_sleep((const char *const[]){ "sh", "-c", "while :; do :; done", NULL }, false);
}

static int lowest_free(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

static void sockets_pass_one_descriptor(void **state)
{
	int sv[2], got, free_before;
	char c;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	free_before = lowest_free();
	assert_int_equal(fdpass_receive(sv[1], &c, 1, &got), -1);
	assert_int_equal(got, -1);
	assert_int_equal(fdpass_send(sv[0], "a", 1, -1), 1);
	assert_int_equal(fdpass_receive(sv[1], &c, 1, &got), 1);
	assert_int_equal(got, -1);
	assert_int_equal(fdpass_send(sv[0], "b", 1, STDIN_FILENO), 1);
	assert_int_equal(fdpass_receive(sv[1], &c, 1, &got), 1);
	assert_int_equal(c, 'b');
	assert_true(got >= 0 && fcntl(got, F_GETFD) == FD_CLOEXEC);
	close(got);

	/* Two at once: one is taken, none is left open. */
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (char[]){ 'c' }, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control) };
	const int two[2] = { STDIN_FILENO, STDOUT_FILENO };

	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(two));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), two, sizeof(two));
	assert_int_equal(sendmsg(sv[0], &m, 0), 1);
	assert_int_equal(fdpass_receive(sv[1], &c, 1, &got), 1);
	assert_true(got >= 0);
	close(got);
	assert_int_equal(lowest_free(), free_before);
	close(sv[0]);
	close(sv[1]);
}

struct call {
	struct loop *loop;
	int wait_status;
};

static void on_call_ended(void *ctx, pid_t pid, int wait_status)
{
	struct call *c = ctx;

	(void)pid;
	c->wait_status = wait_status;
	loop_stop(c->loop);
}

static int succeed(void *ctx, struct error *err)
{
	(void)err;
	*(int *)ctx = 7; /* its own copy */
	return 0;
}

static int refuse(void *ctx, struct error *err)
{
	(void)ctx;
	error_set(err, ERROR_GUEST, "cannot do it");
	return error_hint(err, "do not ask");
}

static int be_killed(void *ctx, struct error *err)
{
	(void)ctx, (void)err;
	raise(SIGKILL);
	return 0;
}

static int call(proc_call_fn *fn, void *ctx, struct error *err)
{
	struct call c = { .loop = loop_new() };
	int fd = -1, r;
	pid_t pid = proc_call(fn, ctx, &fd, err);

	assert_true(pid > 0);
	loop_child(c.loop, pid, on_call_ended, &c);
	loop_run(c.loop);
	r = proc_call_end(&fd, c.wait_status, err);
	assert_int_equal(fd, -1);
	loop_free(c.loop);
	return r;
}

static void long_work_is_a_childs(void **state)
{
	struct error err = ERROR_INIT;
	int n = 1;

	(void)state;
	assert_int_equal(call(succeed, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(err.kind, ERROR_NONE);
	assert_int_equal(call(refuse, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_GUEST);
	assert_string_equal(err.text, "cannot do it");
	assert_string_equal(err.hint, "do not ask");
	error_clear(&err);
	assert_int_equal(call(be_killed, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_CHILD);
	assert_non_null(strstr(err.text, "signal 9"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(child_output_and_status),
		cmocka_unit_test(lines_of_a_child),
		cmocka_unit_test(descriptors_can_be_swapped),
		cmocka_unit_test(a_path_lies_in_a_folder),
		cmocka_unit_test(locks_exclude),
		cmocka_unit_test(trees_are_removed_without_following_links),
		cmocka_unit_test(copies_keep_holes),
		cmocka_unit_test(copies_leave_zeros_out),
		cmocka_unit_test(copies_leave_zeros_out),
		cmocka_unit_test(loop_serves_all_kinds),
		cmocka_unit_test(a_late_deadline_comes_behind_what_it_was_for),
		cmocka_unit_test(starving_is_counted_from_then_on),
		cmocka_unit_test(waiting_for_the_host_is_told),
		cmocka_unit_test(long_work_is_a_childs),
		cmocka_unit_test(sleeping_is_told_from_working),
		cmocka_unit_test(sockets_pass_one_descriptor),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
