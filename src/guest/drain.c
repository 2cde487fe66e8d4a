/* SPDX-License-Identifier: MPL-2.0 */
#include "guest/drain.h"

#include <errno.h>
#include <unistd.h>

#include "base/cleanup.h"

static int drained[DRAIN_MAX]; /* descriptor + 1; 0: none */

void drain_take(int *fd)
{
	for (size_t i = 0; i < DRAIN_MAX && *fd >= 0; i++)
		if (!drained[i])
			drained[i] = take_fd(fd) + 1;
	close_fd(fd);
}

size_t drain_poll(struct pollfd *fds)
{
	size_t n = 0;

	for (size_t i = 0; i < DRAIN_MAX; i++)
		if (drained[i])
			fds[n++] = (struct pollfd){ .fd = drained[i] - 1, .events = POLLIN };
	return n;
}

void drain_run(void)
{
	static char nowhere[65536];

	for (size_t i = 0; i < DRAIN_MAX; i++) {
		ssize_t n;

		if (!drained[i])
			continue;
		n = read(drained[i] - 1, nowhere, sizeof(nowhere));
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			close(drained[i] - 1);
			drained[i] = 0;
		}
	}
}
