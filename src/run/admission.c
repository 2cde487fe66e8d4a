/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: the one who is next holds <runtime>/admission.lock and
 * looks at the others' folders; the rest try to get the lock. A passing lock:
 * it is gone when nobody waits. Nothing tells that memory has become free, so
 * the one who waits looks again after at most WAIT_MS, from a loop of its own that
 * signals end. A large machine that waits holds up the small ones behind it,
 * which is what lets it in some time.
 */

#include "run/admission.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys/fs.h"
#include "sys/host.h"
#include "sys/lock.h"
#include "sys/loop.h"

#define WAIT_FIRST_MS 2 /* doubled from look to look: who is next is mostly on his way within a millisecond */
#define WAIT_MS 100
#define SAY_AFTER_MS 1000 /* for a place in the line; for memory at once */
#define NUMBER_MAX 32 /* bytes of a file with a number */

struct queue {
	struct loop *loop;
	const struct paths *paths;
	const char *run_dir;
	char *lock_path; /* owned */
	int lock_fd;	 /* -1: somebody else is next */
	uint64_t bytes, max_bytes;
	void (*note)(const char *text);
	bool is_in, has_said;
	unsigned wait_ms;
	uint64_t since_ms;
	int signal;
	struct error *err;
	int failed;
};

/* What the other machines have. */
struct others {
	unsigned n;
	uint64_t bytes, pledged;
};

bool admission_has_room(uint64_t bytes, uint64_t max_bytes, unsigned n_others, uint64_t others_bytes,
			uint64_t pledged_bytes, uint64_t available_bytes)
{
	if (max_bytes)
		return others_bytes <= max_bytes && bytes <= max_bytes - others_bytes;
	if (!n_others || !available_bytes)
		return true;
	return pledged_bytes <= available_bytes && bytes <= available_bytes - pledged_bytes;
}

static uint64_t read_number(const char *dir, const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", dir, name);
	_cleanup_str_ struct str text = STR_INIT;

	return fs_read(path, NUMBER_MAX, &text, NULL) == 0 ? strtoull(str_cstr(&text), NULL, 10) : 0;
}

static struct others look(const struct queue *q)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct others o = { 0 };

	if (fs_list(q->paths->runtime, &names, NULL) < 0)
		return o;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *dir = mem_printf("%s/%s", q->paths->runtime, names.v[i]);
		_cleanup_free_ char *lock = mem_printf("%s/lock", dir);
		uint64_t bytes = read_number(dir, "memory");

		if (!bytes || str_eq(dir, q->run_dir) || !lock_is_held(lock))
			continue; /* no machine, ours, or one that was killed */
		o.n++;
		o.bytes += bytes;
		o.pledged += read_number(dir, "pledge");
	}
	return o;
}

static int pledge(const struct queue *q)
{
	const struct {
		const char *name;
		uint64_t bytes;
	} files[] = { { "memory", q->bytes }, { "pledge", q->bytes / 2 } };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = mem_printf("%s/%s", q->run_dir, files[i].name);
		char number[NUMBER_MAX];
		int n = snprintf(number, sizeof(number), "%" PRIu64 "\n", files[i].bytes);

		if (fs_write_atomic(path, number, (size_t)n, 0600, false, q->err) < 0)
			return -1;
	}
	return 0;
}

static void say_waiting(struct queue *q, const struct others *o)
{
	char mine[16], theirs[16], limit[16];
	_cleanup_free_ char *text = NULL;

	if (q->has_said || (q->lock_fd < 0 && loop_now_ms() - q->since_ms < SAY_AFTER_MS))
		return;
	q->has_said = true;
	format_size(q->bytes, mine, sizeof(mine));
	if (q->lock_fd < 0)
		text = mem_printf("waiting for memory: the machine gets %s, and others are waiting before it", mine);
	else if (q->max_bytes)
		text = mem_printf("waiting for memory: the machine gets %s, %u other%s %s, together they may have %s", mine, o->n,
				  o->n == 1 ? " has" : "s have", format_size(o->bytes, theirs, sizeof(theirs)),
				  format_size(q->max_bytes, limit, sizeof(limit)));
	else
		text = mem_printf("waiting for memory: the machine gets %s, the host has %s free, of which starting machines will take %s",
				  mine, format_size(host_memory_available(), limit, sizeof(limit)),
				  format_size(o->pledged, theirs, sizeof(theirs)));
	q->note(text);
}

/* One look. True: there is nothing to wait for any more. */
static bool try(struct queue *q)
{
	struct error why = ERROR_INIT;
	struct others o;

	if (q->lock_fd < 0)
		q->lock_fd = lock_take_passing(q->lock_path, &why);
	if (q->lock_fd < 0 && why.kind != ERROR_BUSY) {
		*q->err = why;
		q->failed = -1;
		return true;
	}
	o = look(q);
	if (q->lock_fd >= 0 &&
	    admission_has_room(q->bytes, q->max_bytes, o.n, o.bytes, o.pledged, host_memory_available())) {
		q->failed = pledge(q);
		q->is_in = q->failed == 0;
		return true;
	}
	say_waiting(q, &o);
	return false;
}

static void on_timer(void *ctx)
{
	struct queue *q = ctx;

	q->wait_ms = q->wait_ms < WAIT_MS / 2 ? q->wait_ms * 2 : WAIT_MS;
	if (try(q))
		loop_stop(q->loop);
	else
		loop_timer(q->loop, q->wait_ms, on_timer, q);
}

static void on_signal(void *ctx, int signo)
{
	struct queue *q = ctx;

	q->signal = signo;
	loop_stop(q->loop);
}

static void wait_in_line(struct queue *q)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };

	q->loop = loop_new();
	q->failed = loop_catch_signals(q->loop, q->err);
	for (size_t i = 0; !q->failed && i < ARRAY_SIZE(ends); i++)
		loop_signal(q->loop, ends[i], on_signal, q);
	if (!q->failed) {
		loop_timer(q->loop, q->wait_ms, on_timer, q);
		loop_run(q->loop);
	}
	loop_free(q->loop);
}

int admission_wait(const struct paths *p, const char *run_dir, uint64_t bytes, uint64_t max_bytes,
		   void (*note)(const char *text), int *ret_signal, struct error *err)
{
	struct queue q = { .paths = p, .run_dir = run_dir, .lock_fd = -1, .bytes = bytes, .max_bytes = max_bytes, .note = note,
			   .wait_ms = WAIT_FIRST_MS, .since_ms = loop_now_ms(), .err = err };
	char mine[16], limit[16];

	if (max_bytes && bytes > max_bytes) {
		error_set(err, ERROR_USAGE, "the machine gets %s, all machines together may have %s (--max-memory)",
			  format_size(bytes, mine, sizeof(mine)), format_size(max_bytes, limit, sizeof(limit)));
		return error_hint(err, "quiz --memory SIZE ..., or a larger --max-memory");
	}
	q.lock_path = mem_printf("%s/admission.lock", p->runtime);
	if (!try(&q))
		wait_in_line(&q);
	lock_remove(q.lock_path, &q.lock_fd);
	free(q.lock_path);
	if (q.is_in || q.failed)
		return q.failed;
	*ret_signal = q.signal;
	return error_sys(err, EINTR, "wait for memory");
}

void admission_is_up(const char *run_dir)
{
	_cleanup_free_ char *path = mem_printf("%s/pledge", run_dir);

	unlink(path);
}
