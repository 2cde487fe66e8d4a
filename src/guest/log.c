/* SPDX-License-Identifier: MPL-2.0 */
/* /dev/kmsg is opened for each line: lines are rare, and there are seconds in which it does not exist. */

#include "guest/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "guest/file.h"

static bool use_kmsg;

void log_to_kmsg(void)
{
	use_kmsg = true;
}

void log_line(const char *fmt, ...)
{
	static const char prefix[] = "<3>quiz-init: ";
	char buf[512];
	_cleanup_close_ int fd = use_kmsg ? open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY) : -1;
	size_t n = sizeof(prefix) - 1;
	va_list ap;

	memcpy(buf, prefix, n);
	va_start(ap, fmt);
	vsnprintf(buf + n, sizeof(buf) - n - 1, fmt, ap);
	va_end(ap);
	n = strlen(buf);
	buf[n++] = '\n';
	if (fd < 0 || file_write_all(fd, buf, n) < 0)
		file_write_all(2, buf + 3, n - 3);
}

void log_plain(const char *fmt, ...)
{
	char buf[1024];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf) - 1, fmt, ap);
	va_end(ap);
	n = strlen(buf);
	buf[n++] = '\n';
	file_write_all(2, buf, n);
}
