/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The spare hears of its program by the frame of the START itself, in a pipe:
 * it is at most what a pipe holds, so PID 1 never waits for it. An end of file
 * in its place means that it is not needed.
 *
 * It is a process of the machine like any other until then: who looks for
 * processes in a clone before its first program sees it, and a kill takes it.
 * Then the pipe is broken, and the program is forked as ever.
 */

#include "guest/spare.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guest/file.h"
#include "guest/rest.h"
#include "guest/spawn.h"

#define READY_MS 5000
#define PIPE_BYTES 65536 /* what a pipe holds on every architecture, as long as nobody makes it smaller */

static struct {
	struct spare_ends ends;
	int go; /* the pipe to it */
} spare = { .ends = { 0, -1, -1, -1, -1 }, .go = -1 };

static uint8_t frame[WIRE_FRAME_MAX];

/* The child's ends at their numbers, and nothing else open: what it holds open would never end for others. */
enum {
	CHILD_GO = 3,
	CHILD_REPORT = 4,
	CHILD_FIRST_FREE = 5,
};

static _Noreturn void wait_for_start(void)
{
	struct wire_frame f;
	struct wire_start m;
	size_t len = 0, size;
	ssize_t n;

	while (wire_frame_get(frame, len, &f, &size) == WIRE_MORE) {
		n = read(CHILD_GO, frame + len, sizeof(frame) - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(0);
		len += (size_t)n;
	}
	if (wire_get_start(&f, &m) != WIRE_OK)
		_exit(127);
	spawn_go_on(&m); /* the pipe goes with execve */
}

static _Noreturn void be_spare(int go, const struct spawn_fds *theirs)
{
	struct spawn_fds fds = *theirs;

	/* Out of the way of the numbers that they are to have. */
	fds.in = fcntl(fds.in, F_DUPFD_CLOEXEC, CHILD_FIRST_FREE);
	fds.out = fcntl(fds.out, F_DUPFD_CLOEXEC, CHILD_FIRST_FREE);
	fds.err = fcntl(fds.err, F_DUPFD_CLOEXEC, CHILD_FIRST_FREE);
	fds.report = fcntl(fds.report, F_DUPFD_CLOEXEC, CHILD_FIRST_FREE);
	go = fcntl(go, F_DUPFD_CLOEXEC, CHILD_FIRST_FREE);
	if (fds.in < 0 || fds.out < 0 || fds.err < 0 || dup3(fds.report, CHILD_REPORT, O_CLOEXEC) < 0 ||
	    dup3(go, CHILD_GO, O_CLOEXEC) < 0)
		_exit(127);
	fds.report = CHILD_REPORT;
	spawn_begin(&fds);
	spawn_close_from(CHILD_FIRST_FREE);
	rest_own_pages();
	if (write(CHILD_REPORT, "", 1) != 1) /* as far as it gets without its program */
		_exit(127);
	wait_for_start();
}

/*
 * The template is worth as much as the spare has done when it is saved, so it
 * is waited for: until it says so, and a moment longer for its way into read(2).
 */
static bool is_waiting(int report)
{
	const struct timespec moment = { .tv_nsec = 2000000 };
	struct pollfd p = { .fd = report, .events = POLLIN };
	int r;
	char c;

	do
		r = poll(&p, 1, READY_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0 || read(report, &c, 1) != 1 || c) /* a report of failure begins with its stage, which is not 0 */
		return false;
	nanosleep(&moment, NULL);
	return true;
}

static void close_ends(struct spare_ends *e)
{
	close_fd(&e->in);
	close_fd(&e->out);
	close_fd(&e->err);
	close_fd(&e->report);
	e->pid = 0;
}

int spare_make(struct error *err)
{
	struct spare_ends e = { 0, -1, -1, -1, -1 };
	struct spawn_fds theirs = { -1, -1, -1, -1, false };
	_cleanup_close_ int go_read = -1;
	_cleanup_close_ int go = -1;

	if (spare.ends.pid)
		return 0;
	if (spawn_make_pipe(&go, &go_read, true) == 0 && spawn_make_pipes(&e.in, &e.out, &e.err, &theirs) == 0 &&
	    spawn_make_pipe(&e.report, &theirs.report, false) == 0)
		e.pid = fork();
	else
		e.pid = -1;
	if (e.pid == 0)
		be_spare(go_read, &theirs);
	spawn_close_fds(&theirs);
	if (e.pid < 0) {
		error_sys(err, errno, "make a spare process");
		close_ends(&e);
		return -1;
	}
	/* A root that is none (no /etc/passwd that can be read, say) has to do without. */
	if (!is_waiting(e.report)) {
		close_ends(&e);
		return 0;
	}
	spare.ends = e;
	spare.go = take_fd(&go);
	rest_own_pages();
	rest_run_deferred();
	return 0;
}

static bool fits(const struct wire_start *m)
{
	return m->kind == WIRE_KIND_PROGRAM && (m->flags & WIRE_START_STDIN) && !(m->flags & WIRE_START_TTY);
}

/* The pipe stays open when it has done its duty: closing it would be more code for a clone to run than writing to it. */
bool spare_take(const struct wire_frame *f, const struct wire_start *m, struct spare_ends *ret)
{
	size_t n = WIRE_HEADER_SIZE + f->len; /* the header lies right before the payload */
	bool is_taken = spare.ends.pid && fits(m) && n <= PIPE_BYTES &&
			write(spare.go, f->payload - WIRE_HEADER_SIZE, n) == (ssize_t)n;

	if (is_taken) {
		*ret = spare.ends;
		spare.ends = (struct spare_ends){ 0, -1, -1, -1, -1 };
	} else if (spare.ends.pid) {
		close_fd(&spare.go);
		close_ends(&spare.ends);
	}
	return is_taken;
}
