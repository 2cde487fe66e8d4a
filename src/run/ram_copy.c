/* SPDX-License-Identifier: MPL-2.0 */

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

/*
 * Where there is data is asked once, before the children are made: each
 * question takes the file's lock and walks over all of a stretch's pages, so
 * children that ask for themselves wait for each other longer than they copy.
 * The pieces are small and dealt out in turn: equal shares of the work
 * whatever lies where.
 */
#define PIECE_BYTES ((off_t)1 << 20)

struct stretch {
	off_t from, to;
};

struct memory {
	int in;
	off_t size;
	struct stretch *data; /* owned; what is no hole, in order */
	size_t n;
};

struct ram_copy {
	struct loop *loop;
	char *to; /* owned */
	pid_t children[RAM_COPY_MAX]; /* 0: has ended */
	unsigned n, n_running;
	int errnum; /* of the first that failed */
	ram_copy_done_fn *done;
	void *ctx;
};

/* 0, or -errno. */
static int find_data(struct memory *m)
{
	for (off_t at = 0; at < m->size;) {
		struct stretch s = { .from = lseek(m->in, at, SEEK_DATA) };

		if (s.from < 0)
			return errno == ENXIO ? 0 : -errno;
		s.to = lseek(m->in, s.from, SEEK_HOLE);
		if (s.to < 0)
			return -errno;
		*VEC_PUSH(m->data, m->n) = s;
		at = s.to;
	}
	return 0;
}

/* The index-th of n shares. Mapped, as that is one copy less than reading it; whatever goes wrong is this process's end. */
static _Noreturn void copy_share(const struct memory *m, int out, unsigned index, unsigned n)
{
	const char *p = mmap(NULL, (size_t)m->size, PROT_READ, MAP_SHARED, m->in, 0);
	unsigned turn = 0;

	setpgid(0, 0); /* the terminal's Ctrl-C is for the program */
	if (p == MAP_FAILED)
		_exit(errno < 256 ? errno : EIO);
	for (size_t i = 0; i < m->n; i++)
		for (off_t from = m->data[i].from; from < m->data[i].to; from += PIECE_BYTES) {
			off_t left = m->data[i].to - from;
			int r;

			if (turn++ % n != index)
				continue;
			r = fs_copy_mem(out, p + from, (size_t)(left < PIECE_BYTES ? left : PIECE_BYTES), from);
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
	struct memory m = { .in = in };
	struct ram_copy *c;
	struct stat st;
	int r;

	if (out < 0 || fstat(in, &st) < 0 || ftruncate(out, st.st_size) < 0) {
		error_sys(err, errno, "create '%s'", to);
		return NULL;
	}
	m.size = st.st_size;
	r = find_data(&m);
	if (r < 0) {
		free(m.data);
		error_sys(err, -r, "look at the machine's memory");
		return NULL;
	}
	c = mem_alloc(sizeof(*c));
	*c = (struct ram_copy){ .loop = loop, .to = mem_strdup(to), .done = done, .ctx = ctx };
	c->n = n_cpus < 1 ? 1 : n_cpus > RAM_COPY_MAX ? RAM_COPY_MAX : (unsigned)n_cpus;
	for (unsigned i = 0; i < c->n; i++) {
		c->children[i] = proc_fork(false, err);
		if (c->children[i] == 0)
			copy_share(&m, out, i, c->n);
		if (c->children[i] < 0) {
			c->children[i] = 0;
			free(m.data);
			ram_copy_free(c);
			return NULL;
		}
		c->n_running++;
		loop_child(loop, c->children[i], on_child, c);
	}
	free(m.data);
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
