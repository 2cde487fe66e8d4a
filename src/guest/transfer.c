/* SPDX-License-Identifier: MPL-2.0 */

#include "guest/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "guest/file.h"
#include "guest/log.h"
#include "wire/carrier.h"
#include "wire/tree.h"

static uint8_t buf[2 * FILES_RECORD_MAX];

static int failed(const struct error *err)
{
	log_plain("%s", err->text);
	return err->errnum > 0 && err->errnum < 256 ? err->errnum : EIO;
}

/* ---- the carrier ---- */

struct carrier {
	int fd;		/* -1: none; the archive itself goes through the pipes */
	uint8_t *slot;	/* one slot's bytes */
	unsigned next, n_out; /* slot to fill; filled and not taken yet */
};

/* 0, or an errno. */
static int open_carrier(struct carrier *c, const char *path)
{
	static const uint8_t yes = CARRIER_YES, no = CARRIER_NO;

	*c = (struct carrier){ .fd = -1 };
	if (!*path)
		return 0;
	c->fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (c->fd >= 0)
		c->slot = malloc(CARRIER_SLOT_BYTES);
	if (!c->slot)
		close_fd(&c->fd);
	return -file_write_all(1, c->fd >= 0 ? &yes : &no, 1);
}

/* n bytes of standard input, or 0 at its end. -1: it ended in the middle, or failed. */
static ssize_t read_exactly(uint8_t *p, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t r = read(0, p + have, n - have);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0) {
			errno = EPIPE;
			return have ? -1 : 0;
		}
		have += (size_t)r;
	}
	return (ssize_t)n;
}

/* Waits until a slot is free. 0, or an errno. */
static int wait_for_slot(struct carrier *c)
{
	uint8_t taken[CARRIER_SLOTS];

	while (c->n_out == CARRIER_SLOTS) {
		ssize_t n = read(0, taken, sizeof(taken));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || (size_t)n > c->n_out)
			return n < 0 ? errno : EPIPE;
		c->n_out -= (unsigned)n;
	}
	return 0;
}

static int send_slot(struct carrier *c, size_t n)
{
	uint8_t piece[CARRIER_PIECE];
	size_t done = 0;

	while (done < n) {
		ssize_t w = pwrite(c->fd, c->slot + done, n - done, (off_t)(carrier_offset(c->next) + done));

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? errno : EIO;
		done += (size_t)w;
	}
	carrier_put_piece(piece, c->next, (uint32_t)n);
	c->next = (c->next + 1) % CARRIER_SLOTS;
	c->n_out++;
	return -file_write_all(1, piece, sizeof(piece));
}

/* Bytes in c->slot; 0 at the end, -1 with errno. */
static ssize_t receive_slot(struct carrier *c)
{
	uint8_t piece[CARRIER_PIECE];
	uint32_t slot, bytes, done = 0;
	ssize_t n = read_exactly(piece, sizeof(piece));

	if (n <= 0)
		return n;
	if (!carrier_get_piece(piece, &slot, &bytes)) {
		errno = EPROTO;
		return -1;
	}
	while (done < bytes) {
		n = pread(c->fd, c->slot + done, bytes - done, (off_t)(carrier_offset(slot) + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n < 0 ? errno : EIO;
			return -1;
		}
		done += (uint32_t)n;
	}
	return (ssize_t)bytes;
}

/* ---- out ---- */

int transfer_out(const char *path, const char *carrier_path)
{
	struct error err = ERROR_INIT;
	struct tree_reader *r = NULL;
	struct carrier c;
	int e = open_carrier(&c, carrier_path);
	size_t n;

	if (e)
		return e;
	if (tree_reader_new(path, &r, &err) < 0)
		return failed(&err);
	for (;;) {
		if (c.fd >= 0 && (e = wait_for_slot(&c)) != 0)
			return e;
		n = tree_reader_read(r, c.fd >= 0 ? c.slot : buf, c.fd >= 0 ? CARRIER_SLOT_BYTES : sizeof(buf));
		if (n == 0)
			return 0;
		e = c.fd >= 0 ? send_slot(&c, n) : -file_write_all(1, buf, n);
		if (e)
			return e;
	}
}

/* ---- in ---- */

static void say_left_out(void *ctx, const char *path, const char *text)
{
	(void)ctx;
	log_plain("%s: %s", path, text);
}

/* The next piece of the archive. Bytes, 0 at the end, -1 with errno. */
static ssize_t receive(struct carrier *c, const uint8_t **ret)
{
	ssize_t n;

	if (c->fd >= 0) {
		*ret = c->slot;
		return receive_slot(c);
	}
	*ret = buf;
	do
		n = read(0, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	return n;
}

int transfer_in(const char *path, const char *name, const char *carrier_path)
{
	static const uint8_t taken = CARRIER_YES;
	struct error err = ERROR_INIT;
	struct tree_writer *w;
	const uint8_t *mem;
	struct carrier c;
	int e = open_carrier(&c, carrier_path);
	ssize_t n;

	if (e)
		return e;
	if (tree_writer_new(path, name, TREE_PRIVILEGED, say_left_out, NULL, &w, &err) < 0)
		return failed(&err);
	while ((n = receive(&c, &mem)) > 0) {
		if (tree_writer_write(w, mem, (size_t)n, &err) < 0)
			return failed(&err);
		if (c.fd >= 0 && (e = -file_write_all(1, &taken, 1)) != 0)
			return e;
	}
	if (n < 0)
		return errno;
	return tree_writer_finish(w, &err) < 0 ? failed(&err) : 0;
}
