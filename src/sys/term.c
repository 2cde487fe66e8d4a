/* SPDX-License-Identifier: MPL-2.0 */
/* One terminal per process, so its old mode is file-scope state here and nowhere else. */

#include "sys/term.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios old_mode;
static volatile int raw_fd = -1; /* -1: not raw */

int term_raw(int fd, struct error *err)
{
	static bool is_registered;
	struct termios t;

	/* tcsetattr from the background would stop us (SIGTTOU): whoever is in front owns the mode. */
	if (tcgetpgrp(fd) != getpgrp())
		return 0;
	if (tcgetattr(fd, &t) < 0)
		return error_sys(err, errno, "read the terminal's mode");
	if (raw_fd < 0)
		old_mode = t;
	if (!is_registered) {
		is_registered = true;
		atexit(term_restore);
	}
	cfmakeraw(&t);
	if (tcsetattr(fd, TCSADRAIN, &t) < 0)
		return error_sys(err, errno, "set the terminal's mode");
	raw_fd = fd;
	return 0;
}

void term_restore(void)
{
	int fd = raw_fd;

	if (fd < 0)
		return;
	raw_fd = -1;
	if (tcgetpgrp(fd) != getpgrp()) /* in the background it is somebody else's, and to set it would stop us */
		return;
	while (tcsetattr(fd, TCSADRAIN, &old_mode) < 0 && errno == EINTR)
		;
}

bool term_is_raw(void)
{
	return raw_fd >= 0;
}

void term_size(int fd, uint16_t *ret_rows, uint16_t *ret_cols)
{
	struct winsize ws;

	*ret_rows = 24;
	*ret_cols = 80;
	if (ioctl(fd, TIOCGWINSZ, &ws) == 0 && ws.ws_row && ws.ws_col) {
		*ret_rows = ws.ws_row;
		*ret_cols = ws.ws_col;
	}
}
