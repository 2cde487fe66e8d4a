/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: one poll loop. A frame goes to the member whose MAC it
 * names, everything else (broadcast, multicast, an address that no member was
 * given, such as a bridge's in a guest) to all others, as a switch does with
 * what it has not learned; nothing is learned, so nothing can be poisoned.
 *
 * Members are not to be trusted with each other's time. Of each ready member
 * only BURST frames are taken per round, so one that floods gets its share
 * and no more. What a member does not take waits in a queue of its own, and
 * when that is full frames for it are dropped, as on a wire: a member that
 * is paused costs the others nothing but the queue's memory. Its own QEMU is
 * held up by the socket's buffer when the hub can not keep up.
 *
 * The end: with the last member gone the hub takes the "join" lock; if nobody
 * is on the way in, it removes its folder under that lock and ends.
 */

#include "run/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/fdpass.h"
#include "sys/fs.h"
#include "sys/listener.h"
#include "sys/lock.h"
#include "sys/loop.h"

#define BURST 32
#define QUEUE_BYTES_MAX (4u << 20) /* bytes that wait for one member */
#define FIRST_JOIN_MS 10000	   /* a hub that nobody joins ends */
#define CONNECTIONS_MAX (2 * HUB_MEMBERS_MAX)
#define ETHERNET_HEADER 14

struct queued_frame {
	struct queued_frame *next;
	size_t n;
	uint8_t bytes[];
};

struct connection {
	struct hub *hub;
	int fd, frames_fd; /* frames_fd -1: not a member */
	struct hub_member member;
	uint8_t mac[6];
	struct queued_frame *first, **last;
	size_t queued_bytes;
};

struct hub {
	struct loop *loop;
	const char *dir;
	struct listener *listener;
	struct connection *connections[CONNECTIONS_MAX];
	size_t n_members;
	bool is_over;
	uint8_t frame[HUB_FRAME_MAX + 1];
};

static unsigned preferred_number(const char *host)
{
	return 1 + (unsigned)(hash_str(HASH_INIT, host) % HUB_NUMBER_MAX);
}

/* ---- frames ---- */

static void on_frames(void *ctx, int fd, short events);

static void watch_frames(struct connection *c)
{
	loop_fd(c->hub->loop, c->frames_fd, c->first ? POLLIN | POLLOUT : POLLIN, on_frames, c);
}

static void enqueue(struct connection *c, const uint8_t *bytes, size_t n)
{
	struct queued_frame *q;

	if (c->queued_bytes + n > QUEUE_BYTES_MAX)
		return;
	q = mem_alloc(sizeof(*q) + n);
	q->n = n;
	memcpy(q->bytes, bytes, n);
	*c->last = q;
	c->last = &q->next;
	c->queued_bytes += n;
	watch_frames(c);
}

static void pass_on(struct connection *c, const uint8_t *bytes, size_t n)
{
	/* Whatever else goes wrong is this member's: its frame is lost. */
	if (c->first || (send(c->frames_fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && (errno == EAGAIN || errno == ENOBUFS)))
		enqueue(c, bytes, n);
}

static void send_queued(struct connection *c)
{
	while (c->first) {
		struct queued_frame *q = c->first;

		if (send(c->frames_fd, q->bytes, q->n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && (errno == EAGAIN || errno == ENOBUFS))
			return;
		c->queued_bytes -= q->n;
		c->first = q->next;
		if (!c->first)
			c->last = &c->first;
		free(q);
	}
	watch_frames(c);
}

static void forward(struct hub *h, const struct connection *from, const uint8_t *bytes, size_t n)
{
	struct connection *to = NULL;

	for (size_t i = 0; i < CONNECTIONS_MAX && !to; i++) {
		struct connection *c = h->connections[i];

		if (c && c->frames_fd >= 0 && memcmp(bytes, c->mac, sizeof(c->mac)) == 0)
			to = c;
	}
	if (to) {
		if (to != from)
			pass_on(to, bytes, n);
		return;
	}
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = h->connections[i];

		if (c && c != from && c->frames_fd >= 0)
			pass_on(c, bytes, n);
	}
}

static void on_frames(void *ctx, int fd, short events)
{
	struct connection *c = ctx;
	struct hub *h = c->hub;

	if (events & POLLOUT)
		send_queued(c);
	if (!(events & (POLLIN | POLLHUP | POLLERR)))
		return;
	for (int i = 0; i < BURST; i++) {
		ssize_t n = recv(fd, h->frame, sizeof(h->frame), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) { /* its QEMU is gone; its connection will say so */
			loop_fd_events(h->loop, fd, 0);
			return;
		}
		if (n >= ETHERNET_HEADER && n <= HUB_FRAME_MAX)
			forward(h, c, h->frame, (size_t)n);
	}
}

/* ---- members ---- */

static int by_number(const void *a, const void *b)
{
	const struct hub_member *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static void make_table(const struct hub *h, struct hub_table *t)
{
	*t = (struct hub_table){ .protocol = HUB_PROTOCOL };
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (h->connections[i] && h->connections[i]->frames_fd >= 0)
			t->members[t->n++] = h->connections[i]->member;
	qsort(t->members, t->n, sizeof(*t->members), by_number);
}

/* A member that does not read its tables misses some: the next one has all of it. */
static void send_table(const struct connection *c, struct hub_table *t, enum hub_error error)
{
	t->number = c->member.number;
	t->error = error;
	if (send(c->fd, t, offsetof(struct hub_table, members) + t->n * sizeof(*t->members), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void tell_members(struct hub *h)
{
	struct hub_table t;

	make_table(h, &t);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (h->connections[i] && h->connections[i]->frames_fd >= 0)
			send_table(h->connections[i], &t, HUB_OK);
}

static void end_if_alone(struct hub *h)
{
	_cleanup_free_ char *join = mem_printf("%s/join", h->dir);
	_cleanup_close_ int fd = -1;

	if (h->n_members)
		return;
	fd = lock_take(join, LOCK_EXCLUSIVE_MODE, false, NULL, NULL, NULL);
	if (fd < 0)
		return; /* somebody is joining: if that fails, the end of its connection leads here again */
	fs_remove_tree(h->dir, NULL, NULL);
	h->is_over = true;
	loop_stop(h->loop);
}

static void close_connection(struct connection *c)
{
	struct hub *h = c->hub;
	bool was_member = c->frames_fd >= 0;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (h->connections[i] == c)
			h->connections[i] = NULL;
	loop_fd_remove(h->loop, c->fd);
	close(c->fd);
	if (was_member) {
		loop_fd_remove(h->loop, c->frames_fd);
		close(c->frames_fd);
		h->n_members--;
	}
	while (c->first) {
		struct queued_frame *q = c->first;

		c->first = q->next;
		free(q);
	}
	free(c);
	if (was_member)
		tell_members(h);
	end_if_alone(h);
}

static bool is_taken(const struct hub *h, uint32_t number, const char *host)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		const struct connection *c = h->connections[i];

		if (c && c->frames_fd >= 0 && (c->member.number == number || str_eq(c->member.host, host)))
			return true;
	}
	return false;
}

static enum hub_error choose_number(const struct hub *h, const struct hub_join *j, uint32_t *ret)
{
	uint32_t n = j->number ? j->number : preferred_number(j->host);

	if (h->n_members == HUB_MEMBERS_MAX)
		return HUB_IS_FULL;
	if (is_taken(h, 0, j->host))
		return HUB_HOST_TAKEN;
	if (j->number && is_taken(h, j->number, NULL))
		return HUB_NUMBER_TAKEN;
	while (is_taken(h, n, NULL)) /* ends: there are more numbers than members */
		n = n % HUB_NUMBER_MAX + 1;
	*ret = n;
	return HUB_OK;
}

static bool is_good(const struct hub_join *j, ssize_t n)
{
	return n == (ssize_t)sizeof(*j) && j->protocol == HUB_PROTOCOL && j->number <= HUB_NUMBER_MAX &&
	       memchr(j->host, 0, sizeof(j->host));
}

static void join(struct connection *c, const struct hub_join *j, int frames_fd)
{
	struct hub *h = c->hub;

	c->member.number = 0;
	strcpy(c->member.host, j->host); /* checked */
	memcpy(c->mac, j->mac_prefix, sizeof(j->mac_prefix));
	choose_number(h, j, &c->member.number);
	c->mac[5] = (uint8_t)c->member.number;
	c->frames_fd = frames_fd;
	fcntl(frames_fd, F_SETFL, O_NONBLOCK);
	h->n_members++;
	watch_frames(c);
	tell_members(h);
}

static void on_message(void *ctx, int fd, short events)
{
	struct connection *c = ctx;
	_cleanup_close_ int frames_fd = -1;
	enum hub_error error = HUB_BAD_JOIN;
	struct hub_join j;
	struct hub_table t;
	uint32_t number;
	ssize_t n = fdpass_receive(fd, &j, sizeof(j), &frames_fd);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || c->frames_fd >= 0) { /* a member has nothing more to say */
		close_connection(c);
		return;
	}
	if (is_good(&j, n) && !*j.host) {
		make_table(c->hub, &t);
		send_table(c, &t, HUB_OK);
		return;
	}
	if (is_good(&j, n) && frames_fd >= 0)
		error = choose_number(c->hub, &j, &number);
	if (error == HUB_OK) {
		join(c, &j, take_fd(&frames_fd));
		return;
	}
	t = (struct hub_table){ .protocol = HUB_PROTOCOL };
	send_table(c, &t, error);
	close_connection(c);
}

static void on_connection(void *ctx, int fd_consumed)
{
	struct hub *h = ctx;
	struct connection *c;
	size_t slot = 0;

	while (slot < CONNECTIONS_MAX && h->connections[slot])
		slot++;
	if (slot == CONNECTIONS_MAX) {
		close(fd_consumed);
		return;
	}
	c = mem_alloc(sizeof(*c));
	c->hub = h;
	c->fd = fd_consumed;
	c->frames_fd = -1;
	c->last = &c->first;
	h->connections[slot] = c;
	loop_fd(h->loop, c->fd, POLLIN, on_message, c);
}

static void on_first_join_late(void *ctx)
{
	struct hub *h = ctx;

	end_if_alone(h);
	if (!h->n_members && !h->is_over)
		loop_timer(h->loop, FIRST_JOIN_MS, on_first_join_late, h);
}

int hub_run(const char *dir, int listen_fd, int lock_fd, struct error *err)
{
	struct hub *h = mem_alloc(sizeof(*h));

	h->loop = loop_new();
	h->dir = dir;
	if (fcntl(listen_fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(lock_fd, F_GETFD) < 0) {
		loop_free(h->loop);
		free(h);
		return error_sys(err, errno, "use the descriptors of a hub");
	}
	h->listener = listener_new(h->loop, listen_fd, on_connection, h);
	loop_timer(h->loop, FIRST_JOIN_MS, on_first_join_late, h);
	loop_run(h->loop);
	listener_free(h->listener);
	loop_free(h->loop);
	free(h);
	return 0;
}
