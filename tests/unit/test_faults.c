/* SPDX-License-Identifier: MPL-2.0 */
/*
 * System calls that fail where they rarely do: at fsync(2) and close(2) of a
 * full disk behind a network, in the middle of a folder, between fork(2) and
 * exec. The calls below take the place of the C library's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/layer.h"
#include "run/ram_copy.h"
#include "sys/fdpass.h"
#include "sys/fs.h"
#include "sys/listener.h"
#include "sys/lock.h"
#include "sys/loop.h"
#include "sys/mend.h"
#include "sys/proc.h"
#include "wire/tree.h"

static char dir[] = "/tmp/quiz-test-faults-XXXXXX";

/* ---- the system ---- */

static struct {
	int fsync_errno, close_errno, readdir_errno, accept_errno, exchange_errno, rename_errno; /* 0: it works */
	unsigned n_fsync, n_accept, renames_left; /* the last: before rename_errno */
	bool is_nfs;
	int signal_in_child;
} faults;

int fsync(int fd)
{
	faults.n_fsync++;
	if (!faults.fsync_errno)
		return (int)syscall(SYS_fsync, fd);
	errno = faults.fsync_errno;
	return -1;
}

static bool is_written_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
}

int close(int fd)
{
	bool fails = faults.close_errno && is_written_file(fd);
	int r = (int)syscall(SYS_close, fd);

	if (!fails)
		return r;
	errno = faults.close_errno;
	return -1;
}

int flock(int fd, int op)
{
	if (!faults.is_nfs || !(op & LOCK_EX) || (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
		return (int)syscall(SYS_flock, fd, op);
	errno = EBADF; /* flock(2), NOTES: NFS takes it for a lock of the whole file, which wants to be written */
	return -1;
}

struct dirent *readdir(DIR *d)
{
	static struct dirent *(*real)(DIR *);
	struct dirent *e;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, sizeof(off_t) == sizeof(long) ? "readdir" : "readdir64");
	e = real(d);
	if (e || !faults.readdir_errno)
		return e;
	errno = faults.readdir_errno;
	return NULL;
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	faults.n_accept++;
	if (!faults.accept_errno)
		return (int)syscall(SYS_accept4, fd, addr, len, flags);
	errno = faults.accept_errno;
	return -1;
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	if (!faults.exchange_errno)
		return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
	errno = faults.exchange_errno;
	return -1;
}

int rename(const char *from, const char *to)
{
	if (!faults.rename_errno || faults.renames_left--)
		return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
	errno = faults.rename_errno;
	faults.rename_errno = 0;
	return -1;
}

pid_t fork(void)
{
	static pid_t (*real)(void);
	pid_t pid;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fork");
	pid = real();
	if (pid == 0 && faults.signal_in_child)
		raise(faults.signal_in_child);
	return pid;
}

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	return fs_remove_tree(dir, NULL, NULL);
}

static int heal(void **state)
{
	memset(&faults, 0, sizeof(faults));
	return 0;
}

static char *in_dir(const char *name)
{
	return mem_printf("%s/%s", dir, name);
}

static size_t n_names(const char *path)
{
	_cleanup_strv_ struct strv names = STRV_INIT;

	assert_int_equal(fs_list(path, &names, NULL), 0);
	return names.n;
}

/* ---- files ---- */

static void what_can_not_be_synced_is_not_published(void **state)
{
	_cleanup_free_ char *to = in_dir("published");
	_cleanup_free_ char *tmp = fs_temp_dir(dir, "test", NULL);
	_cleanup_free_ char *file = fs_join(tmp, "file");
	struct error err = ERROR_INIT;

	assert_int_equal(fs_write_atomic(file, "x", 1, 0644, false, NULL), 0);
	faults.fsync_errno = EIO;
	assert_int_equal(fs_publish_dir(tmp, to, &err), -1);
	assert_int_equal(err.errnum, EIO);
	assert_false(fs_exists(to));
	faults.fsync_errno = 0;
	assert_int_equal(fs_publish_dir(tmp, to, &err), 0);
	assert_true(fs_exists(to));
}

/* Descriptors are out: nothing can be opened until the limit is what it was. */
static struct rlimit no_descriptors(void)
{
	struct rlimit before, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ 0, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	return before;
}

/* What nobody could look at may be half there. */
static void what_can_not_be_read_is_not_published(void **state)
{
	_cleanup_free_ char *to = in_dir("looked-at");
	_cleanup_free_ char *tmp = fs_temp_dir(dir, "test", NULL);
	_cleanup_free_ char *file = fs_join(tmp, "file");
	struct error err = ERROR_INIT;
	struct rlimit before;
	int r;

	assert_int_equal(fs_write_atomic(file, "x", 1, 0644, false, NULL), 0);
	faults.readdir_errno = EIO;
	assert_int_equal(fs_publish_dir(tmp, to, &err), -1);
	assert_int_equal(err.errnum, EIO);
	faults.readdir_errno = 0;
	before = no_descriptors();
	r = fs_publish_dir(tmp, to, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(r, -1);
	assert_int_equal(err.errnum, EMFILE);
	assert_false(fs_exists(to));
	assert_int_equal(fs_publish_dir(tmp, to, &err), 0);
}

/* By steps, where a file system can not do it at once: whichever fails, the name has what it had or what it gets. */
static void an_exchange_leaves_no_name_without_content(void **state)
{
	_cleanup_free_ char *to = in_dir("exchanged");
	_cleanup_free_ char *file = fs_join(to, "file");

	for (unsigned step = 0; step < 4; step++) {
		_cleanup_free_ char *tmp = fs_temp_dir(dir, "test", NULL);
		_cleanup_free_ char *new = fs_join(tmp, "file");
		_cleanup_str_ struct str text = STR_INIT;
		struct error err = ERROR_INIT;

		fs_remove_tree(to, NULL, NULL);
		assert_int_equal(fs_mkdir_p(to, 0755, NULL), 0);
		assert_int_equal(fs_write_atomic(file, "old", 3, 0644, false, NULL), 0);
		assert_int_equal(fs_write_atomic(new, "new", 3, 0644, false, NULL), 0);
		faults.exchange_errno = EINVAL;
		faults.rename_errno = step < 3 ? EIO : 0;
		faults.renames_left = step;
		assert_int_equal(fs_exchange_dir(tmp, to, &err), step < 3 ? -1 : 0);
		assert_int_equal(err.errnum, step < 3 ? EIO : 0);
		assert_int_equal(fs_read(file, 16, &text, NULL), 0);
		assert_string_equal(text.p, step < 2 ? "old" : "new");
		memset(&faults, 0, sizeof(faults));
		fs_remove_tree(tmp, NULL, NULL);
	}
}

/* A guest's, in a folder that it shares: more levels than there are descriptors, or bytes in a path. */
static void however_deep_a_tree_is_it_goes(void **state)
{
	_cleanup_free_ char *top = in_dir("deep");
	_cleanup_free_ char *decoy = in_dir("deep/.deep.0/full");
	struct rlimit before, few;
	struct error err = ERROR_INIT;
	int fd, r;

	assert_int_equal(fs_mkdir_p(decoy, 0755, NULL), 0);
	fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 2000; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		close(openat(fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){ 128, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	r = fs_remove_tree(top, NULL, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_string_equal(err.text, "");
	assert_int_equal(r, 0);
	assert_false(fs_exists(top));
}

static void what_is_lost_at_close_is_told(void **state)
{
	_cleanup_free_ char *from = in_dir("from");
	_cleanup_free_ char *place = in_dir("close");
	_cleanup_free_ char *to = fs_join(place, "to");
	struct error err = ERROR_INIT;

	assert_int_equal(fs_mkdir_p(place, 0755, NULL), 0);
	assert_int_equal(fs_write_atomic(from, "text", 4, 0644, false, NULL), 0);
	faults.close_errno = ENOSPC;
	assert_int_equal(fs_write_atomic(to, "text", 4, 0644, false, &err), -1);
	assert_int_equal(err.errnum, ENOSPC);
	assert_int_equal(n_names(place), 0);
	assert_int_equal(fs_copy_file(from, to, 0644, &err), -1);
	assert_int_equal(err.errnum, ENOSPC);
	assert_int_equal(n_names(place), 0);
}

/* A process of our number was killed there, or lives in another container. */
static void taken_temporary_names_are_passed_over(void **state)
{
	_cleanup_free_ char *file = in_dir("file");
	_cleanup_free_ char *temp = NULL;

	for (int i = 0; i < 40; i++) {
		_cleanup_free_ char *a = mem_printf("%s.tmp.%d.%d", file, (int)getpid(), i);
		_cleanup_free_ char *b = mem_printf("%s/.tmp-taken.%d.%d", dir, (int)getpid(), i);

		assert_int_equal(fs_mkdir_p(a, 0755, NULL), 0);
		assert_int_equal(fs_mkdir_p(b, 0755, NULL), 0);
	}
	assert_int_equal(fs_write_atomic(file, "x", 1, 0644, false, NULL), 0);
	temp = fs_temp_dir(dir, "taken", NULL);
	assert_non_null(temp);
	assert_int_equal(n_names(temp), 0);
}

static void a_listing_that_breaks_off_is_none(void **state)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct error err = ERROR_INIT;

	faults.readdir_errno = EIO;
	assert_int_equal(fs_list(dir, &names, &err), -1);
	assert_int_equal(err.errnum, EIO);
}

/* NFS locks files for whoever may write them. */
static void a_holder_on_a_network_is_no_dead_one(void **state)
{
	_cleanup_free_ char *path = in_dir("lock");
	int fd = lock_take(path, LOCK_EXCLUSIVE_MODE, false, NULL, NULL, NULL);

	assert_true(fd >= 0);
	faults.is_nfs = true;
	assert_true(lock_is_held(path));
	assert_int_equal(chmod(path, 0400), 0);
	assert_true(lock_is_held(path));
	close(fd);
	assert_int_equal(chmod(path, 0600), 0);
	assert_false(lock_is_held(path));
}

/* It would be swept away under its holder. */
static void a_lock_that_can_not_be_looked_at_is_held(void **state)
{
	_cleanup_free_ char *path = in_dir("lock-unseen");
	_cleanup_free_ char *none = in_dir("no-lock");
	int fd = lock_take(path, LOCK_EXCLUSIVE_MODE, false, NULL, NULL, NULL);
	struct rlimit before = no_descriptors();
	bool is_held = lock_is_held(path);

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(is_held);
	assert_false(lock_is_held(none));
	close(fd);
}

/* ---- processes ---- */

static unsigned n_signals;

static void on_signal(void *ctx, int signo)
{
	n_signals++;
}

static void stop(void *ctx)
{
	loop_stop(ctx);
}

/* The terminal's Ctrl-C reaches the whole group, a child that is no program yet included: it is one all the same. */
static void a_signal_in_a_young_child_is_not_ours(void **state)
{
	static const char *const argv[] = { "true", NULL };
	struct proc_spec spec = { .argv = argv };
	struct loop *loop = loop_new();
	struct error err = ERROR_INIT;
	int status;
	pid_t pid;

	loop_signal(loop, SIGINT, on_signal, NULL);
	faults.signal_in_child = SIGINT;
	assert_int_equal(proc_start(&spec, &pid, &err), 0);
	assert_int_equal(proc_wait(pid, &status, &err), 0);
	assert_int_equal(status, 0);
	pid = proc_fork(false, &err);
	if (pid == 0)
		_exit(7);
	assert_int_equal(proc_wait(pid, &status, &err), 0);
	assert_int_equal(status, 7);
	pid = proc_fork(true, &err);
	if (pid == 0) {
		raise(SIGINT);
		_exit(8);
	}
	assert_int_equal(proc_wait(pid, &status, &err), 0);
	assert_int_equal(status, 8);
	loop_timer(loop, 1, stop, loop);
	loop_run(loop);
	assert_int_equal(n_signals, 0);
	raise(SIGINT);
	loop_timer(loop, 1, stop, loop);
	loop_run(loop);
	assert_int_equal(n_signals, 1);
	loop_free(loop);
}

/* ---- connections ---- */

struct guests {
	struct loop *loop;
	unsigned n;
};

static void let_in(void *ctx, int fd_consumed)
{
	struct guests *g = ctx;

	g->n++;
	close(fd_consumed);
	loop_stop(g->loop);
}

static struct sockaddr_un address_in_dir(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, name);
	return a;
}

static int listen_in_dir(const char *name)
{
	struct sockaddr_un a = address_in_dir(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static int connect_in_dir(const char *name)
{
	struct sockaddr_un a = address_in_dir(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* Nobody is turned away, nothing dies, and no processor is kept busy with asking again and again. */
static void who_can_not_be_let_in_waits(void **state)
{
	static const int errnums[] = { EMFILE, ENFILE, ENOMEM, ENOBUFS };

	for (size_t i = 0; i < ARRAY_SIZE(errnums); i++) {
		_cleanup_free_ char *name = mem_printf("sock%zu", i);
		struct guests g = { .loop = loop_new() };
		struct listener *li = listener_new(g.loop, listen_in_dir(name), let_in, &g);
		int fd = connect_in_dir(name);
		uint64_t start = loop_now_ms();

		faults.n_accept = 0;
		faults.accept_errno = errnums[i];
		for (int k = 0; k < 20; k++) { /* as often as the loop likes, for a moment */
			loop_timer(g.loop, 0, stop, g.loop);
			loop_run(g.loop);
		}
		assert_in_range(faults.n_accept, 1, 1 + (loop_now_ms() - start) / 100);
		assert_int_equal(g.n, 0);
		faults.accept_errno = 0;
		loop_run(g.loop);
		assert_int_equal(g.n, 1);
		listener_free(li);
		loop_free(g.loop);
		close(fd);
	}
}

static void heal_now(void *ctx)
{
	faults.accept_errno = 0;
}

/* It has left the queue, or there was none: the next one need not wait. */
static void a_connection_that_went_away_holds_up_nobody(void **state)
{
	static const int errnums[] = { ECONNABORTED, EAGAIN, EINTR };

	for (size_t i = 0; i < ARRAY_SIZE(errnums); i++) {
		_cleanup_free_ char *name = mem_printf("gone%zu", i);
		struct guests g = { .loop = loop_new() };
		struct listener *li = listener_new(g.loop, listen_in_dir(name), let_in, &g);
		int fd = connect_in_dir(name);

		faults.n_accept = 0;
		faults.accept_errno = errnums[i];
		loop_timer(g.loop, 0, heal_now, NULL);
		loop_run(g.loop);
		assert_int_equal(g.n, 1);
		assert_true(faults.n_accept >= 2);
		listener_free(li);
		loop_free(g.loop);
		close(fd);
	}
}

static void a_listener_that_waits_can_be_freed(void **state)
{
	struct guests g = { .loop = loop_new() };
	struct listener *li = listener_new(g.loop, listen_in_dir("freed"), let_in, &g);
	int fd = connect_in_dir("freed");

	faults.accept_errno = EMFILE;
	loop_timer(g.loop, 0, stop, g.loop);
	loop_run(g.loop);
	listener_free(li);
	loop_timer(g.loop, 200, stop, g.loop); /* longer than it waits */
	loop_run(g.loop);
	assert_int_equal(g.n, 0);
	loop_free(g.loop);
	close(fd);
}

static void a_descriptor_without_room_is_told(void **state)
{
	struct rlimit before;
	int sv[2], got = 0;
	char c = 'x';
	ssize_t n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(fdpass_send(sv[0], &c, 1, STDIN_FILENO), 1);
	before = no_descriptors();
	n = fdpass_receive(sv[1], &c, 1, &got);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(n, -1);
	assert_int_equal(got, -1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(sv[0]);
	close(sv[1]);
}

/* ---- hints ---- */

static void what_mends_it_follows_from_the_failure(void **state)
{
	static const struct {
		int errnum;
		const char *verb, *object, *hint; /* @: the scratch folder */
	} rows[] = {
		{ EMFILE, "make a pipe", NULL, "ulimit -n 1024" },
		{ EROFS, "open lock", "@/data/quiz/kernels/.locks/x", "export XDG_DATA_HOME=DIR, a folder that can be written" },
		{ EROFS, "make folder", "@/cache", "export XDG_CACHE_HOME=DIR, a folder that can be written" },
		{ ENOSPC, "write", "@/cache/quiz/layers/x", "quiz clean, or export XDG_CACHE_HOME=DIR, a folder that has room" },
		{ EACCES, "open lock", "@/data/quiz/kernels/.locks/x", "chmod -R u+rwX @/data/quiz" },
		{ EACCES, "make folder", "@/state", "export XDG_STATE_HOME=DIR, a folder that can be written" },
		{ ENOSPC, "write", "@/tree/.quiz/runs/x", "quiz clean" },
		{ EROFS, "write", "@/tree/.quiz/runs/x", "" },
		{ EACCES, "open", "@/somebody's", "" },
		{ EACCES, "remove", "@/data/quiz/roots/x", "" },
		{ ENOENT, "open", "@/data/quiz/roots/x", "" },
	};
	_cleanup_free_ char *data = in_dir("data"), *cache = in_dir("cache"), *states = in_dir("state"), *ours = in_dir("data/quiz");

	assert_int_equal(fs_mkdir_p(ours, 0755, NULL), 0);
	fs_remove_tree(cache, NULL, NULL);
	setenv("XDG_DATA_HOME", data, 1);
	setenv("XDG_CACHE_HOME", cache, 1);
	setenv("XDG_STATE_HOME", states, 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *path = rows[i].object ? in_dir(rows[i].object + 2) : NULL;
		const char *at = strchr(rows[i].hint, '@');
		_cleanup_free_ char *hint = at ? mem_printf("%.*s%s%s", (int)(at - rows[i].hint), rows[i].hint, dir, at + 1) :
						 mem_strdup(rows[i].hint);
		struct error err = ERROR_INIT;

		error_sys(&err, rows[i].errnum, path ? "%s '%s'" : "%s", rows[i].verb, path);
		mend_hint(&err);
		assert_string_equal(err.hint, hint);
		error_hint(&err, "known better");
		mend_hint(&err);
		assert_string_equal(err.hint, "known better");
	}
}

/* ---- archives ---- */

static size_t archive(const char *path, uint8_t *buf, size_t cap)
{
	struct tree_reader *r;
	size_t n = 0, part;

	assert_int_equal(tree_reader_new(path, &r, NULL), 0);
	while ((part = tree_reader_read(r, buf + n, cap - n)))
		n += part;
	tree_reader_free(r);
	return n;
}

static unsigned n_notes;

static void count_note(void *ctx, const char *path, const char *text)
{
	n_notes++;
}

static void an_archive_tells_what_it_lacks(void **state)
{
	static uint8_t buf[4 * FILES_RECORD_MAX];
	_cleanup_free_ char *from = in_dir("tree");
	_cleanup_free_ char *to = in_dir("copy");
	_cleanup_free_ char *file = fs_join(from, "file");
	struct tree_writer *w;
	size_t n;

	assert_int_equal(fs_mkdir_p(from, 0755, NULL), 0);
	assert_int_equal(fs_write_atomic(file, "text", 4, 0644, false, NULL), 0);
	faults.readdir_errno = EIO;
	n = archive(from, buf, sizeof(buf));
	faults.readdir_errno = 0;
	assert_int_equal(tree_writer_new(to, "", 0, count_note, NULL, &w, NULL), 0);
	assert_int_equal(tree_writer_write(w, buf, n, NULL), 0);
	assert_int_equal(tree_writer_finish(w, NULL), 0);
	tree_writer_free(w);
	assert_int_equal(n_notes, 1);
}

static void a_copy_that_is_lost_at_close_is_none(void **state)
{
	static uint8_t buf[4 * FILES_RECORD_MAX];
	_cleanup_free_ char *from = in_dir("one");
	_cleanup_free_ char *to = in_dir("two");
	struct error err = ERROR_INIT;
	struct tree_writer *w;
	size_t n;

	assert_int_equal(fs_write_atomic(from, "text", 4, 0644, false, NULL), 0);
	n = archive(from, buf, sizeof(buf));
	faults.close_errno = EDQUOT;
	assert_int_equal(tree_writer_new(to, "", 0, NULL, NULL, &w, NULL), 0);
	assert_int_equal(tree_writer_write(w, buf, n, &err), -1);
	assert_int_equal(err.errnum, EDQUOT);
	tree_writer_free(w);
}

/* ---- images ---- */

static void an_image_of_half_a_tree_is_none(void **state)
{
	_cleanup_free_ char *cache = in_dir("half-cache");
	_cleanup_free_ char *layers = in_dir("half-cache/layers");
	_cleanup_free_ char *tree = in_dir("half");
	_cleanup_free_ char *file = fs_join(tree, "file");
	const struct paths paths = { .cache = cache };
	struct layer_source s = { .host = tree, .key = "of a kernel" };
	struct layer_image li = { 0 };
	struct error err = ERROR_INIT;
	size_t before;

	assert_int_equal(fs_mkdir_p(tree, 0755, NULL), 0);
	assert_int_equal(fs_mkdir_p(layers, 0755, NULL), 0);
	assert_int_equal(fs_write_atomic(file, "text", 4, 0644, false, NULL), 0);
	faults.readdir_errno = EIO;
	assert_int_equal(layer_get(&paths, &s, 1, NULL, &li, &err), -1);
	assert_int_equal(err.errnum, EIO);
	faults.readdir_errno = 0;
	before = n_names(layers); /* a lock */
	faults.close_errno = EDQUOT;
	assert_int_equal(layer_get(&paths, &s, 1, NULL, &li, &err), -1);
	assert_int_equal(err.errnum, EDQUOT);
	assert_int_equal(n_names(layers), before);
	faults.close_errno = 0;
	assert_int_equal(layer_get(&paths, &s, 1, NULL, &li, NULL), 0);
	layer_image_clear(&li);
}

static int copy_errno;

static void on_copied(void *ctx, const struct error *err)
{
	copy_errno = err ? err->errnum : 0;
	loop_stop(ctx);
}

static void memory_that_is_lost_at_close_is_told(void **state)
{
	struct loop *loop = loop_new();
	int in = fs_memory_file("memory", NULL);

	assert_int_equal(ftruncate(in, 1 << 20), 0);
	for (int fails = 0; fails < 2; fails++) {
		_cleanup_free_ char *to = mem_printf("%s/memory%d", dir, fails);
		struct ram_copy *c;

		faults.close_errno = fails ? EDQUOT : 0;
		c = ram_copy_start(loop, in, to, on_copied, loop, NULL);
		faults.close_errno = 0;
		loop_run(loop);
		ram_copy_free(c);
		assert_int_equal(copy_errno, fails ? EDQUOT : 0);
	}
	loop_free(loop);
	close(in);
}

static void lasting_images_are_synced(void **state)
{
	_cleanup_free_ char *cache = in_dir("cache");
	_cleanup_free_ char *tree = in_dir("layer");
	_cleanup_free_ char *file = fs_join(tree, "file");
	const struct paths paths = { .cache = cache };
	struct layer_source s = { .host = tree, .key = "of a kernel" };
	struct layer_image li = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(fs_mkdir_p(tree, 0755, NULL), 0);
	assert_int_equal(fs_write_atomic(file, "text", 4, 0644, false, NULL), 0);
	faults.fsync_errno = EIO;
	assert_int_equal(layer_get(&paths, &s, 1, NULL, &li, &err), -1);
	faults.fsync_errno = 0;
	assert_int_equal(layer_get(&paths, &s, 1, NULL, &li, NULL), 0);
	assert_int_equal(faults.n_fsync, 2);
	layer_image_clear(&li);
	s.key = NULL; /* of a tree that is worked on: nobody waits for the disk */
	assert_int_equal(layer_get(&paths, &s, 1, NULL, &li, NULL), 0);
	assert_int_equal(faults.n_fsync, 2);
	layer_image_clear(&li);
}

/* Where the image lies, after another boot of the host if there is a file that says which; 255: that can not be played here. */
static int is_elsewhere_after_a_boot(const struct layer_source *s, const char *boot_id)
{
	const struct paths paths = { .cache = dir };
	_cleanup_free_ char *before = NULL;
	_cleanup_free_ char *after = NULL;
	bool ready;

	if (layer_peek(&paths, s, 1, NULL, &before, &ready, NULL) < 0 ||
	    unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(boot_id, "/proc/sys/kernel/random/boot_id", NULL, MS_BIND, NULL) < 0 ||
	    layer_peek(&paths, s, 1, NULL, &after, &ready, NULL) < 0)
		return 255;
	return strcmp(before, after) != 0;
}

static void others_are_good_until_the_next_boot(void **state)
{
	_cleanup_free_ char *boot_id = in_dir("boot_id");
	struct layer_source s = { .host = dir };

	assert_int_equal(fs_write_atomic(boot_id, "another\n", 8, 0644, false, NULL), 0);
	for (int is_lasting = 0; is_lasting < 2; is_lasting++) {
		int status;
		pid_t pid;

		s.key = is_lasting ? "of a kernel" : NULL;
		pid = fork();
		if (pid == 0)
			_exit(is_elsewhere_after_a_boot(&s, boot_id));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WEXITSTATUS(status) == 255)
			skip();
		assert_int_equal(WEXITSTATUS(status), !is_lasting);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_can_not_be_synced_is_not_published, heal),
		cmocka_unit_test_teardown(what_can_not_be_read_is_not_published, heal),
		cmocka_unit_test_teardown(an_exchange_leaves_no_name_without_content, heal),
		cmocka_unit_test_teardown(however_deep_a_tree_is_it_goes, heal),
		cmocka_unit_test_teardown(what_is_lost_at_close_is_told, heal),
		cmocka_unit_test_teardown(taken_temporary_names_are_passed_over, heal),
		cmocka_unit_test_teardown(a_listing_that_breaks_off_is_none, heal),
		cmocka_unit_test_teardown(a_holder_on_a_network_is_no_dead_one, heal),
		cmocka_unit_test_teardown(a_lock_that_can_not_be_looked_at_is_held, heal),
		cmocka_unit_test_teardown(a_signal_in_a_young_child_is_not_ours, heal),
		cmocka_unit_test_teardown(who_can_not_be_let_in_waits, heal),
		cmocka_unit_test_teardown(a_connection_that_went_away_holds_up_nobody, heal),
		cmocka_unit_test_teardown(a_listener_that_waits_can_be_freed, heal),
		cmocka_unit_test_teardown(a_descriptor_without_room_is_told, heal),
		cmocka_unit_test_teardown(what_mends_it_follows_from_the_failure, heal),
		cmocka_unit_test_teardown(an_archive_tells_what_it_lacks, heal),
		cmocka_unit_test_teardown(a_copy_that_is_lost_at_close_is_none, heal),
		cmocka_unit_test_teardown(an_image_of_half_a_tree_is_none, heal),
		cmocka_unit_test_teardown(memory_that_is_lost_at_close_is_told, heal),
		cmocka_unit_test_teardown(lasting_images_are_synced, heal),
		cmocka_unit_test_teardown(others_are_good_until_the_next_boot, heal),
	};

	return cmocka_run_group_tests_name("faults", tests, make_dir, drop_dir);
}
