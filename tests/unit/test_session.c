/* SPDX-License-Identifier: MPL-2.0 */
/* Credit accounts of sessions, with the test as the guest at the other end of a socket pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/session.h"

static struct loop *loop;
static struct channel *channel;
static struct sessions *table;
static int guest_fd;
static uint8_t frame[WIRE_FRAME_MAX];
static struct {
	int n_started, n_exited, n_eof, n_writable;
	size_t bytes;
	bool has_exit;
} told;

static void on_started(void *ctx, struct session *s, const struct wire_started *m)
{
	told.n_started++;
}

static void on_data(void *ctx, struct session *s, unsigned stream, const void *mem, size_t n)
{
	told.bytes += n;
}

static void on_eof(void *ctx, struct session *s, unsigned stream)
{
	told.n_eof++;
}

static void on_writable(void *ctx, struct session *s)
{
	told.n_writable++;
}

static void on_exited(void *ctx, struct session *s, const struct wire_exit *m)
{
	told.n_exited++;
	told.has_exit = m != NULL;
}

static const struct peer peer = { on_started, on_data, on_eof, on_writable, on_exited, NULL };

static int begin(void **state)
{
	static const struct channel_callbacks none;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -1;
	guest_fd = fds[1];
	loop = loop_new();
	channel = channel_new(loop, fds[0], true, &none);
	table = sessions_new();
	sessions_connect(table, channel);
	memset(&told, 0, sizeof(told));
	return 0;
}

static int end(void **state)
{
	sessions_free(table);
	channel_free(channel);
	loop_free(loop);
	close(guest_fd);
	return 0;
}

/* What the guest says; whether that was within the rules. */
#define guest_says(id, name, ...)                                                                                     \
	take(wire_put_##name(frame, sizeof(frame), id, &(struct wire_##name){ __VA_ARGS__ }))

static bool take(size_t n)
{
	struct wire_frame f;
	size_t size;

	assert_int_equal(wire_frame_get(frame, n, &f, &size), WIRE_OK);
	return sessions_frame(table, &f);
}

/* The next frame that reached the guest: its type, 0 for none. */
static unsigned guest_hears(struct wire_frame *f)
{
	static uint8_t buf[WIRE_FRAME_MAX];
	ssize_t n = recv(guest_fd, buf, WIRE_HEADER_SIZE, MSG_PEEK);
	size_t size = WIRE_HEADER_SIZE;

	if (n < (ssize_t)size)
		return 0;
	size += (size_t)buf[0] | (size_t)buf[1] << 8 | (size_t)buf[2] << 16;
	assert_int_equal(recv(guest_fd, buf, size, MSG_WAITALL), size);
	assert_int_equal(wire_frame_get(buf, size, f, &size), WIRE_OK);
	return f->type;
}

static struct session *start(void)
{
	const struct wire_start m = { .argv = { .v = (const char *const[]){ "true" }, .n = 1 }, .cwd = "", .user = "" };
	struct session *s = session_start(table, &m, &peer);
	struct wire_frame f;

	assert_non_null(s);
	assert_int_equal(guest_hears(&f), WIRE_START);
	return s;
}

static void from_start_to_exit(void **state)
{
	struct session *s = start();

	assert_false(session_is_running(s));
	assert_int_equal(session_room(s), 0);
	assert_true(guest_says(1, started, .pid = 7, .text = ""));
	assert_true(session_is_running(s));
	assert_int_equal(session_pid(s), 7);
	assert_int_equal(session_room(s), WIRE_WINDOW);
	assert_false(guest_says(1, started, .pid = 8, .text = ""));
	assert_true(guest_says(1, eof, .stream = WIRE_STDOUT));
	assert_true(guest_says(1, exit, .how = WIRE_EXITED, .value = 3));
	assert_true(told.has_exit);
	assert_int_equal(told.n_started + told.n_eof + told.n_exited, 3);
	assert_int_equal(sessions_count(table), 0);
	assert_true(guest_says(1, exit, .how = WIRE_EXITED)); /* a late word finds nobody */
	assert_int_equal(told.n_exited, 1);
}

static void one_that_can_not_start_is_gone(void **state)
{
	start();
	assert_true(guest_says(1, started, .errnum = ENOENT, .text = ""));
	assert_int_equal(told.n_started, 1);
	assert_int_equal(sessions_count(table), 0);
}

static void exit_before_started_breaks_the_rules(void **state)
{
	start();
	assert_false(guest_says(1, exit, .how = WIRE_EXITED));
	assert_int_equal(told.n_exited, 0);
}

static void a_guest_may_not_send_beyond_its_credit(void **state)
{
	static const uint8_t data[WIRE_DATA_MAX];
	struct session *s = start();

	assert_true(guest_says(1, started, .text = ""));
	for (size_t i = 0; i < WIRE_WINDOW / WIRE_DATA_MAX; i++)
		assert_true(guest_says(1, data, .stream = WIRE_STDOUT, .data = { data, sizeof(data) }));
	assert_int_equal(session_unread(s, WIRE_STDOUT), WIRE_WINDOW);
	/* Each stream has its own account. */
	assert_true(guest_says(1, data, .stream = WIRE_STDERR, .data = { data, 1 }));
	assert_false(guest_says(1, data, .stream = WIRE_STDOUT, .data = { data, 1 }));
	assert_false(guest_says(1, data, .stream = WIRE_STDIN, .data = { data, 1 }));
	assert_int_equal(told.bytes, WIRE_WINDOW + 1);
}

static void credit_comes_back_in_lumps(void **state)
{
	static const uint8_t data[WIRE_DATA_MAX];
	struct session *s = start();
	struct wire_credit credit;
	struct wire_frame f;

	assert_true(guest_says(1, started, .text = ""));
	for (size_t i = 0; i < WIRE_WINDOW / WIRE_DATA_MAX; i++)
		assert_true(guest_says(1, data, .stream = WIRE_STDOUT, .data = { data, sizeof(data) }));
	session_consumed(s, WIRE_STDOUT, 1);
	assert_int_equal(guest_hears(&f), 0);
	assert_int_equal(session_unread(s, WIRE_STDOUT), WIRE_WINDOW - 1);
	session_consumed(s, WIRE_STDOUT, WIRE_WINDOW / 2);
	assert_int_equal(guest_hears(&f), WIRE_CREDIT);
	assert_int_equal(wire_get_credit(&f, &credit), WIRE_OK);
	assert_int_equal(credit.stream, WIRE_STDOUT);
	assert_int_equal(credit.bytes, WIRE_WINDOW / 2 + 1);
	assert_true(guest_says(1, data, .stream = WIRE_STDOUT, .data = { data, sizeof(data) }));
}

static void stdin_ends_with_its_credit(void **state)
{
	static const uint8_t data[WIRE_WINDOW + 100];
	struct session *s = start();

	assert_true(guest_says(1, started, .text = ""));
	assert_false(guest_says(1, credit, .stream = WIRE_STDIN, .bytes = 1)); /* more than it has been sent */
	assert_int_equal(session_write(s, data, sizeof(data)), WIRE_WINDOW);
	assert_int_equal(session_write(s, data, 1), 0);
	assert_int_equal(session_room(s), 0);
	assert_true(guest_says(1, credit, .stream = WIRE_STDIN, .bytes = 10));
	assert_int_equal(told.n_writable, 1);
	assert_int_equal(session_write(s, data, 100), 10);
}

static void an_abandoned_one_does_not_block_the_guest(void **state)
{
	static const uint8_t data[WIRE_DATA_MAX];
	struct session *s = start();

	assert_true(guest_says(1, started, .text = ""));
	session_abandon(s);
	for (size_t i = 0; i < 4 * WIRE_WINDOW / WIRE_DATA_MAX; i++)
		assert_true(guest_says(1, data, .stream = WIRE_STDOUT, .data = { data, sizeof(data) }));
	assert_true(guest_says(1, exit, .how = WIRE_EXITED));
	assert_int_equal(told.bytes, 0);
	assert_int_equal(told.n_exited, 0);
	assert_int_equal(sessions_count(table), 0);
}

static void there_is_a_limit(void **state)
{
	const struct wire_start m = { .argv = { .v = (const char *const[]){ "true" }, .n = 1 }, .cwd = "", .user = "" };

	for (int i = 0; i < WIRE_SESSIONS_MAX; i++)
		start();
	assert_null(session_start(table, &m, &peer));
	assert_int_equal(errno, EAGAIN);
	assert_true(guest_says(5, started, .errnum = EIO, .text = ""));
	start();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(from_start_to_exit, begin, end),
		cmocka_unit_test_setup_teardown(one_that_can_not_start_is_gone, begin, end),
		cmocka_unit_test_setup_teardown(exit_before_started_breaks_the_rules, begin, end),
		cmocka_unit_test_setup_teardown(a_guest_may_not_send_beyond_its_credit, begin, end),
		cmocka_unit_test_setup_teardown(credit_comes_back_in_lumps, begin, end),
		cmocka_unit_test_setup_teardown(stdin_ends_with_its_credit, begin, end),
		cmocka_unit_test_setup_teardown(an_abandoned_one_does_not_block_the_guest, begin, end),
		cmocka_unit_test_setup_teardown(there_is_a_limit, begin, end),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
