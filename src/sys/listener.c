/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: a connection that can not be accepted stays where it
 * is, so that poll(2) tells of it again at once: a loop that merely went on
 * would spin until a descriptor is free. The socket is not polled for a while
 * instead, whatever the failure was. Only what took the connection out of the
 * queue, or says that there was none, is no reason to wait.
 */

#include "sys/listener.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"

#define PAUSE_MS 100 /* a person does not notice, a processor does not either */

struct listener {
	struct loop *loop; /* borrowed */
	int fd;
	uint64_t pause; /* timer; 0: the socket is polled */
	listener_fn *fn;
	void *ctx;
};

static void go_on(void *ctx)
{
	struct listener *li = ctx;

	li->pause = 0;
	loop_fd_events(li->loop, li->fd, POLLIN);
}

/* The folder of the socket is 0700, but a descriptor may have been passed on. */
static bool is_our_user(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == geteuid();
}

static void on_connection(void *ctx, int listen_fd, short events)
{
	struct listener *li = ctx;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	if (fd < 0) {
		loop_fd_events(li->loop, li->fd, 0);
		li->pause = loop_timer(li->loop, PAUSE_MS, go_on, li);
		return;
	}
	if (is_our_user(fd))
		li->fn(li->ctx, fd);
	else
		close(fd);
}

struct listener *listener_new(struct loop *l, int listen_fd_consumed, listener_fn *fn, void *ctx)
{
	struct listener *li = mem_alloc(sizeof(*li));

	*li = (struct listener){ .loop = l, .fd = listen_fd_consumed, .fn = fn, .ctx = ctx };
	loop_fd(l, li->fd, POLLIN, on_connection, li);
	return li;
}

void listener_free(struct listener *li)
{
	if (!li)
		return;
	loop_timer_remove(li->loop, li->pause);
	loop_fd_remove(li->loop, li->fd);
	close(li->fd);
	free(li);
}
