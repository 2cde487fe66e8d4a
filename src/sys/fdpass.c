/* SPDX-License-Identifier: MPL-2.0 */
/* SCM_RIGHTS, see unix(7). */

#include "sys/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

ssize_t fdpass_send(int fd, const void *mem, size_t n, int pass_fd)
{
	union control control = { 0 };
	struct iovec iov = { (void *)mem, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (pass_fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(int));
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t fdpass_receive(int fd, void *buf, size_t n, int *ret_fd)
{
	union control control;
	struct iovec iov = { buf, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = got >= 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*ret_fd = -1;
	if (got >= 0 && !c && m.msg_flags & MSG_CTRUNC) {
		errno = EMFILE; /* it came, and found no room */
		return -1;
	}
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return got;
	/* A sender may attach several, and alignment has room for a second one. */
	for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
		int one;

		memcpy(&one, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		if (i == 0)
			*ret_fd = one;
		else
			close(one);
	}
	return got;
}
