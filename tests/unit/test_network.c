/* SPDX-License-Identifier: MPL-2.0 */
/* Names, addresses and hubs of private networks; who is let in when memory is short. */

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "run/admission.h"
#include "run/hub.h"
#include "run/network.h"
#include "sys/fs.h"
#include "sys/lock.h"
#include "sys/proc.h"
#include "sys/fdpass.h"

#define GIB (UINT64_C(1) << 30)

static void names_are_checked(void **state)
{
	static const char *const bad[] = { "", ":host", "lab:", "a b", "lab:a.b", "-lab", "lab/..", "lab:a:b",
					   "a-name-that-is-longer-than-thirty-one-bytes" };
	struct error err = ERROR_INIT;
	char *name, *host;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(network_parse(bad[i], &name, &host, &err), -1);
		assert_int_equal(err.kind, ERROR_USAGE);
	}
	assert_int_equal(network_parse("lab", &name, &host, &err), 0);
	assert_string_equal(name, "lab");
	assert_null(host);
	free(name);
	assert_int_equal(network_parse("lab-2:Server1", &name, &host, &err), 0);
	assert_string_equal(name, "lab-2");
	assert_string_equal(host, "Server1");
	free(name);
	free(host);
}

static void addresses_are_fixed(void **state)
{
	char a[NETWORK_TEXT_MAX], b[NETWORK_TEXT_MAX];
	unsigned ip[4], mac[6];

	assert_string_equal(network_address("lab", 7, a), network_address("lab", 7, b));
	assert_string_not_equal(network_address("lab", 7, a), network_address("lab", 8, b));
	assert_string_not_equal(network_address("lab", 7, a), network_address("other", 7, b));
	assert_int_equal(sscanf(a, "%u.%u.%u.%u", &ip[0], &ip[1], &ip[2], &ip[3]), 4);
	assert_int_equal(ip[0], 10);
	assert_in_range(ip[1], 64, 127);
	assert_int_equal(ip[3], 7);
	assert_int_equal(sscanf(network_mac("lab", 7, b), "%x:%x:%x:%x:%x:%x", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]), 6);
	assert_int_equal(mac[0] & 3, 2); /* local, one machine */
	for (int i = 0; i < 4; i++)
		assert_int_equal(mac[2 + i], ip[i]);
	assert_non_null(strstr(network_address("lab", 0, a), ".N"));
}

/* ---- a hub in a process of its own ---- */

struct world {
	char dir[64];
	pid_t hub;
};

static struct sockaddr_un address_of(const struct world *w)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/hub", w->dir);
	return a;
}

static void start(struct world *w)
{
	_cleanup_free_ char *lock = NULL;
	struct sockaddr_un a;
	int listen_fd, lock_fd;

	strcpy(w->dir, "/tmp/quiz-test-hub.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	lock = mem_printf("%s/lock", w->dir);
	lock_fd = lock_take(lock, LOCK_EXCLUSIVE_MODE, false, NULL, NULL, NULL);
	listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	a = address_of(w);
	assert_int_equal(bind(listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listen_fd, 8), 0);
	w->hub = proc_fork(false, NULL);
	if (w->hub == 0)
		_exit(hub_run(w->dir, listen_fd, lock_fd, NULL) < 0);
	close(listen_fd);
	close(lock_fd);
}

/* The next table, or NULL when the hub hangs up. */
static const struct hub_table *table_from(int fd)
{
	static struct hub_table t;
	struct pollfd pf = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&pf, 1, 10000), 1);
	return recv(fd, &t, sizeof(t), 0) > 0 ? &t : NULL;
}

/* Joins; returns the control descriptor and the frames'. */
static int join(struct world *w, const char *host, uint32_t number, int *ret_frames, const struct hub_table **ret_table)
{
	struct sockaddr_un a = address_of(w);
	struct hub_join j = { .protocol = HUB_PROTOCOL, .number = number, .mac_prefix = { 0x52, 0x54, 10, 64, 1 } };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), sv[2];

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv), 0);
	snprintf(j.host, sizeof(j.host), "%s", host);
	assert_int_equal(fdpass_send(fd, &j, sizeof(j), sv[1]), sizeof(j));
	close(sv[1]);
	*ret_frames = sv[0];
	*ret_table = table_from(fd);
	return fd;
}

static void send_frame(int fd, uint8_t to, uint8_t from, const char *text)
{
	uint8_t frame[64] = { 0x52, 0x54, 10, 64, 1, to, 0x52, 0x54, 10, 64, 1, from, 8, 0 };

	if (to == 0xff)
		memset(frame, 0xff, 6);
	strcpy((char *)frame + 14, text);
	assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
}

/* What comes within a moment, or NULL. */
static const char *frame_text(int fd, int timeout_ms)
{
	static uint8_t frame[HUB_FRAME_MAX];
	struct pollfd pf = { .fd = fd, .events = POLLIN };

	return poll(&pf, 1, timeout_ms) == 1 && recv(fd, frame, sizeof(frame), 0) == 64 ? (char *)frame + 14 : NULL;
}

static void end(struct world *w)
{
	int status;

	assert_int_equal(proc_wait(w->hub, &status, NULL), 0);
	assert_int_equal(status, 0);
	assert_false(fs_exists(w->dir)); /* it takes its folder with it */
}

static void frames_go_where_they_belong(void **state)
{
	const struct hub_table *t;
	int fd[3], frames[3], extra;
	struct world w;

	start(&w);
	for (uint32_t i = 0; i < 3; i++) {
		char host[8];

		snprintf(host, sizeof(host), "m%u", i + 1);
		fd[i] = join(&w, host, i + 1, &frames[i], &t);
		assert_non_null(t);
		assert_int_equal(t->error, HUB_OK);
		assert_int_equal(t->number, i + 1);
		assert_int_equal(t->n, i + 1);
	}
	send_frame(frames[0], 2, 1, "to two");
	assert_string_equal(frame_text(frames[1], 10000), "to two");
	send_frame(frames[1], 0xff, 2, "to all");
	assert_string_equal(frame_text(frames[0], 10000), "to all");
	assert_string_equal(frame_text(frames[2], 10000), "to all"); /* and nothing before: what was for two is two's */
	send_frame(frames[2], 99, 3, "to a bridge");
	assert_string_equal(frame_text(frames[0], 10000), "to a bridge");
	assert_string_equal(frame_text(frames[1], 10000), "to a bridge");
	assert_int_equal(send(frames[0], "short", 5, 0), 5); /* no frame at all */
	send_frame(frames[0], 3, 1, "after it");
	assert_string_equal(frame_text(frames[2], 10000), "after it");

	close(join(&w, "m1", 0, &extra, &t));
	assert_int_equal(t->error, HUB_HOST_TAKEN);
	close(extra);
	close(join(&w, "m9", 2, &extra, &t));
	assert_int_equal(t->error, HUB_NUMBER_TAKEN);
	close(extra);

	close(fd[1]); /* leaves */
	for (t = table_from(fd[0]); t && (t->n != 2 || t->members[1].number != 3); t = table_from(fd[0]))
		;
	assert_non_null(t); /* one and three are left */
	for (int i = 0; i < 3; i += 2)
		close(fd[i]);
	end(&w);
	for (int i = 0; i < 3; i++)
		close(frames[i]);
}

/* One that never reads costs its queue, and no more. */
static void a_member_that_stalls_harms_nobody(void **state)
{
	const struct hub_table *t;
	int fd[3], frames[3];
	struct world w;

	start(&w);
	for (uint32_t i = 0; i < 3; i++)
		fd[i] = join(&w, i == 0 ? "a" : i == 1 ? "stalls" : "c", i + 1, &frames[i], &t);
	for (int i = 0; i < 30000; i++) {
		send_frame(frames[0], 2, 1, "flood");
		if (i % 3000 == 0) {
			send_frame(frames[0], 3, 1, "stream");
			assert_string_equal(frame_text(frames[2], 10000), "stream");
		}
	}
	assert_string_equal(frame_text(frames[1], 0), "flood");
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	end(&w);
	for (int i = 0; i < 3; i++)
		close(frames[i]);
}

static void nonsense_is_hung_up_on(void **state)
{
	const struct hub_table *t;
	struct sockaddr_un a;
	struct world w;
	int fd, frames, bad;

	start(&w);
	fd = join(&w, "good", 0, &frames, &t);
	assert_in_range(t->number, 1, HUB_NUMBER_MAX);
	a = address_of(&w);
	bad = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(bad, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(send(bad, "what?", 5, 0), 5);
	t = table_from(bad);
	assert_int_equal(t->error, HUB_BAD_JOIN);
	assert_null(table_from(bad));
	close(bad);
	close(fd);
	close(frames);
	end(&w);
}

static void memory_lets_in(void **state)
{
	/* --max-memory: what all have together */
	assert_true(admission_has_room(GIB, 4 * GIB, 3, 3 * GIB, 0, 0));
	assert_false(admission_has_room(GIB, 4 * GIB, 4, 4 * GIB, 0, 100 * GIB));
	assert_false(admission_has_room(GIB, 4 * GIB, 5, 5 * GIB, 0, 100 * GIB));
	/* else: what is free, less what was promised */
	assert_true(admission_has_room(GIB, 0, 20, 20 * GIB, 0, 2 * GIB));
	assert_true(admission_has_room(GIB, 0, 1, GIB, GIB, 2 * GIB));
	assert_false(admission_has_room(GIB, 0, 2, 2 * GIB, 2 * GIB, 2 * GIB));
	assert_false(admission_has_room(GIB, 0, 3, 3 * GIB, 3 * GIB, 2 * GIB));
	/* nobody to wait for, or nothing known */
	assert_true(admission_has_room(8 * GIB, 0, 0, 0, 0, 2 * GIB));
	assert_true(admission_has_room(8 * GIB, 0, 4, 32 * GIB, 32 * GIB, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(addresses_are_fixed),
		cmocka_unit_test(frames_go_where_they_belong),
		cmocka_unit_test(a_member_that_stalls_harms_nobody),
		cmocka_unit_test(nonsense_is_hung_up_on),
		cmocka_unit_test(memory_lets_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
