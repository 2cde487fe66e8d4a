/* SPDX-License-Identifier: MPL-2.0 */

#include "guest/kmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "guest/channel.h"
#include "guest/clock.h"
#include "guest/file.h"
#include "wire/wire.h"

static int kmsg = -1;
static uint64_t n_read;
static bool is_all_read;
static uint64_t next_seq, n_lost;

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* "\xHH" to its byte, in place. Returns the new length. */
static size_t unescape(char *s, size_t len)
{
	size_t to = 0;

	for (size_t i = 0; i < len; i++) {
		int hi, lo;

		if (s[i] == '\\' && i + 3 < len && s[i + 1] == 'x' && (hi = hex_digit(s[i + 2])) >= 0 &&
		    (lo = hex_digit(s[i + 3])) >= 0) {
			s[to++] = (char)(hi << 4 | lo);
			i += 3;
		} else {
			s[to++] = s[i];
		}
	}
	for (size_t i = 0; i < to; i++)
		if (s[i] == '\0')
			s[i] = '?';
	s[to] = '\0';
	return to;
}

bool kmsg_parse(char *buf, size_t len, struct kmsg_record *ret)
{
	struct kmsg_record r = { 0 };
	const char *p = buf;
	uint64_t prio;
	char *text, *end;

	buf[len] = '\0';
	if (!file_number(&p, &prio) || *p++ != ',' || !file_number(&p, &r.seq) || *p++ != ',' ||
	    !file_number(&p, &r.time_us) || *p != ',')
		return false;
	text = memchr(p, ';', len - (size_t)(p - buf));
	if (!text)
		return false;
	text++;
	/* Newlines of the text itself are escaped: the first real one ends it. */
	end = memchr(text, '\n', len - (size_t)(text - buf));
	/* devkmsg_write() lets no program pass for the kernel, whose facility is 0. */
	r.level = (uint8_t)((prio & WIRE_KMSG_LEVEL) | (prio >> 3 ? WIRE_KMSG_BY_PROGRAM : 0));
	r.text = text;
	r.text_len = unescape(text, end ? (size_t)(end - text) : len - (size_t)(text - buf));
	*ret = r;
	return true;
}

void kmsg_open(void)
{
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

void kmsg_open_fd(int fd)
{
	kmsg = fd;
	fcntl(fd, F_SETFL, O_RDONLY | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int kmsg_fd(void)
{
	return kmsg;
}

uint64_t kmsg_n_read(void)
{
	return n_read;
}

bool kmsg_is_all_read(void)
{
	return is_all_read;
}

uint64_t kmsg_n_lost(void)
{
	return n_lost;
}

static void forward(const struct kmsg_record *r)
{
	if (next_seq && r->seq > next_seq)
		n_lost += r->seq - next_seq;
	next_seq = r->seq + 1;
	channel_send(kmsg, 0,
		     &(struct wire_kmsg){ .seq = r->seq, .level = r->level, .time_us = r->time_us, .text = r->text });
}

bool kmsg_forward(unsigned most)
{
	static char buf[KMSG_RECORD_MAX + 1];

	for (unsigned i = 0; i < most && kmsg >= 0; i++) {
		struct kmsg_record r;
		ssize_t n;

		if (!channel_can_stream())
			return false;
		n = read(kmsg, buf, KMSG_RECORD_MAX);
		if (n < 0 && errno == EINTR)
			continue;
		is_all_read = n < 0 && errno == EAGAIN;
		if (is_all_read)
			return true;
		n_read++;
		if (n <= 0) {
			/*
			 * EPIPE: the ring lapped us; the next read goes on at the oldest record and its number shows the
			 * gap. EINVAL: a record larger than our buffer, which can not be, is skipped all the same.
			 */
			if (n < 0 && (errno == EPIPE || errno == EINVAL))
				continue;
			close_fd(&kmsg);
			return true;
		}
		if (kmsg_parse(buf, (size_t)n, &r))
			forward(&r);
	}
	return kmsg < 0;
}

bool kmsg_send_all(uint64_t deadline_ns)
{
	/* To the end in one go: once all is read no descriptor would wake us. Without room the channel does. */
	while (!kmsg_forward(64) && clock_mono_ns() < deadline_ns)
		if (!channel_can_stream())
			return false;
	return true;
}
