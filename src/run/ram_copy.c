/* SPDX-License-Identifier: MPL-2.0 */

#include "run/ram_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fs.h"
#include "sys/proc.h"

/*
 * A machine's memory is used at both ends and in the middle: small parts, dealt
 * out in turn, are equal shares of the work whatever lies where.
 */
#define PART_BYTES ((off_t)4 << 20)

struct ram_copy {
	struct loop *loop;
	char *to; /* owned */
	pid_t children[RAM_COPY_MAX]; /* 0: has ended */
	unsigned n, n_running;
	int errnum; /* of the first that failed */
	ram_copy_done_fn *done;
	void *ctx;
};

static _Noreturn void copy_share(int in, int out, off_t size, unsigned index, unsigned n)
{
	setpgid(0, 0); /* the terminal's Ctrl-C is for the program */
	for (off_t pos = index * PART_BYTES; pos < size; pos += n * PART_BYTES) {
		int r = fs_copy_part(in, out, pos, pos + PART_BYTES < size ? pos + PART_BYTES : size);

		if (r < 0)
			_exit(-r < 256 ? -r : EIO);
	}
	_exit(close(out) < 0 ? errno : 0); /* a network's file system tells there what it could not write */
}

static void on_child(void *ctx, pid_t pid, int wait_status)
{
	struct ram_copy *c = ctx;
	struct error err = ERROR_INIT;

	for (unsigned i = 0; i < c->n; i++)
		if (c->children[i] == pid)
			c->children[i] = 0;
	if (!c->errnum && wait_status)
		c->errnum = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : EINTR;
	if (--c->n_running)
		return;
	if (c->errnum)
		error_sys(&err, c->errnum, "copy the machine's memory to '%s'", c->to);
	c->done(c->ctx, c->errnum ? &err : NULL);
}

struct ram_copy *ram_copy_start(struct loop *loop, int in, const char *to, ram_copy_done_fn *done, void *ctx, struct error *err)
{
	_cleanup_close_ int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct ram_copy *c;
	struct stat st;

	if (out < 0 || fstat(in, &st) < 0 || ftruncate(out, st.st_size) < 0) {
		error_sys(err, errno, "create '%s'", to);
		return NULL;
	}
	c = mem_alloc(sizeof(*c));
	*c = (struct ram_copy){ .loop = loop, .to = mem_strdup(to), .done = done, .ctx = ctx };
	c->n = n_cpus < 1 ? 1 : n_cpus > RAM_COPY_MAX ? RAM_COPY_MAX : (unsigned)n_cpus;
	for (unsigned i = 0; i < c->n; i++) {
		c->children[i] = proc_fork(false, err);
		if (c->children[i] == 0)
			copy_share(in, out, st.st_size, i, c->n);
		if (c->children[i] < 0) {
			c->children[i] = 0;
			ram_copy_free(c);
			return NULL;
		}
		c->n_running++;
		loop_child(loop, c->children[i], on_child, c);
	}
	return c;
}

void ram_copy_free(struct ram_copy *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < c->n; i++)
		if (c->children[i]) {
			loop_child_remove(c->loop, c->children[i]);
			proc_kill(c->children[i], 0);
		}
	free(c->to);
	free(c);
}
