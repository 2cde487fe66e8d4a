/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One process. More of them are hardly done sooner: nearly all of the time goes
 * into writing, which locks the file, and they spin for each other (52 MB with
 * two: 21 ms, and 42 of CPU time; with one: 26 and 26).
 */

#include "run/ram_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fs.h"
#include "sys/proc.h"

struct ram_copy {
	struct loop *loop;
	char *to; /* owned */
	pid_t child; /* 0: has ended */
	ram_copy_done_fn *done;
	void *ctx;
};

/* 0, or an errno. Mapped, as that is one copy less than reading it. */
static int copy_data(int in, int out, off_t size)
{
	const char *p = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, in, 0);
	off_t from, to;
	int r;

	if (p == MAP_FAILED)
		return errno;
	for (to = 0; to < size; ) {
		from = lseek(in, to, SEEK_DATA);
		if (from < 0)
			return errno == ENXIO ? 0 : errno;
		to = lseek(in, from, SEEK_HOLE);
		if (to < 0)
			return errno;
		r = fs_copy_mem(out, p + from, (size_t)(to - from), from);
		if (r < 0)
			return -r;
	}
	return 0;
}

static _Noreturn void be_copier(int in, int out, off_t size)
{
	int errnum;

	setpgid(0, 0); /* the terminal's Ctrl-C is for the program */
	errnum = copy_data(in, out, size);
	if (close(out) < 0 && !errnum) /* a network's file system tells there what it could not write */
		errnum = errno;
	_exit(errnum < 256 ? errnum : EIO);
}

static void on_child(void *ctx, pid_t pid, int wait_status)
{
	struct ram_copy *c = ctx;
	struct error err = ERROR_INIT;

	c->child = 0;
	if (wait_status)
		error_sys(&err, WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : EINTR, "copy the machine's memory to '%s'",
			  c->to);
	c->done(c->ctx, wait_status ? &err : NULL);
}

struct ram_copy *ram_copy_start(struct loop *loop, int in, const char *to, ram_copy_done_fn *done, void *ctx, struct error *err)
{
	_cleanup_close_ int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct ram_copy *c;
	struct stat st;

	if (out < 0 || fstat(in, &st) < 0 || ftruncate(out, st.st_size) < 0) {
		error_sys(err, errno, "create '%s'", to);
		return NULL;
	}
	c = mem_alloc(sizeof(*c));
	*c = (struct ram_copy){ .loop = loop, .to = mem_strdup(to), .done = done, .ctx = ctx };
	c->child = proc_fork(false, err);
	if (c->child == 0)
		be_copier(in, out, st.st_size);
	if (c->child < 0) {
		c->child = 0;
		ram_copy_free(c);
		return NULL;
	}
	loop_child(loop, c->child, on_child, c);
	return c;
}

void ram_copy_free(struct ram_copy *c)
{
	if (!c)
		return;
	if (c->child) {
		loop_child_remove(c->loop, c->child);
		proc_kill(c->child, 0);
	}
	free(c->to);
	free(c);
}
