/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The form (makedumpfile.h of makedumpfile, dump.c of QEMU), all numbers 64 bits
 * big-endian:
 *
 *	"makedumpfile", type 1, version 1, zeroes up to 4096 bytes
 *	{ offset, size, size bytes } ...
 *	{ -1, -1 }
 *
 * The core itself (crash's diskdump.h), in the guest's byte order: block 0 has
 * the header, of which the uname is a part; block 1, of a 64-bit guest, has
 * the place of vmcoreinfo, which is text: "OSRELEASE=6.1.0\nPAGESIZE=4096\n...".
 */

#include "vmm/kdump.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define HEADER_BYTES 4096
#define SIGNATURE    "makedumpfile"
#define CORE_MAX     ((uint64_t)1 << 46) /* no machine has more memory */
#define CHUNK	     (1u << 20)

struct reader {
	int fd;
	unsigned char *buf; /* owned */
	size_t at, n;
};

/* Exactly n bytes; 0, or -1 with errno (0: the file ends). */
static int take(struct reader *r, void *to, size_t n)
{
	unsigned char *p = to;

	while (n) {
		size_t part = r->n - r->at;

		if (!part) {
			ssize_t got = read(r->fd, r->buf, CHUNK);

			if (got < 0 && errno == EINTR)
				continue;
			if (got == 0)
				errno = 0;
			if (got <= 0)
				return -1;
			r->at = 0;
			r->n = (size_t)got;
			continue;
		}
		if (part > n)
			part = n;
		memcpy(p, r->buf + r->at, part);
		r->at += part;
		p += part;
		n -= part;
	}
	return 0;
}

static int put(int fd, const unsigned char *p, size_t n, uint64_t offset)
{
	while (n) {
		ssize_t w = pwrite(fd, p, n, (off_t)offset);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return -1;
		p += w;
		n -= (size_t)w;
		offset += (uint64_t)w;
	}
	return 0;
}

static int copy_piece(struct reader *r, int to_fd, unsigned char *chunk, uint64_t offset, uint64_t size, struct error *err)
{
	while (size) {
		size_t n = size < CHUNK ? (size_t)size : CHUNK;

		if (take(r, chunk, n) < 0)
			return errno ? error_sys(err, errno, "read a vmcore")
				     : error_set(err, ERROR_SYSTEM, "cannot read a vmcore: it is cut off");
		if (put(to_fd, chunk, n, offset) < 0)
			return error_sys(err, errno, "write a vmcore");
		offset += n;
		size -= n;
	}
	return 0;
}

int kdump_unflatten(int from_fd, int to_fd, struct error *err)
{
	_cleanup_free_ unsigned char *buf = mem_alloc(CHUNK);
	_cleanup_free_ unsigned char *chunk = mem_alloc(CHUNK);
	struct reader r = { .fd = from_fd, .buf = buf };
	unsigned char header[HEADER_BYTES];
	uint64_t piece[2];

	if (lseek(from_fd, 0, SEEK_SET) < 0)
		return error_sys(err, errno, "read a vmcore");
	if (take(&r, header, sizeof(header)) < 0)
		return errno ? error_sys(err, errno, "read a vmcore") : 0;
	if (memcmp(header, SIGNATURE, sizeof(SIGNATURE)) != 0)
		return 0;
	for (;;) {
		uint64_t offset, size;

		if (take(&r, piece, sizeof(piece)) < 0)
			return error_set(err, ERROR_SYSTEM, "cannot read a vmcore: it is cut off");
		offset = be64toh(piece[0]);
		size = be64toh(piece[1]);
		if (offset == UINT64_MAX && size == UINT64_MAX)
			return 1;
		if (offset > CORE_MAX || size > CORE_MAX - offset)
			return error_set(err, ERROR_SYSTEM, "cannot read a vmcore: a piece of it lies beyond any memory");
		if (copy_piece(&r, to_fd, chunk, offset, size, err) < 0)
			return -1;
	}
}

/* ---- uname ---- */

#define UTS_AT		12 /* six texts: sysname, nodename, release, version, machine, domainname */
#define UTS_BYTES	65
#define BLOCK_SIZE_AT	428
#define VMCOREINFO_AT	32 /* in block 1 */
#define VMCOREINFO_MAX	65536
#define HEADER_VERSION_MAX 64

static bool read_at(int fd, void *to, size_t n, uint64_t at)
{
	return pread(fd, to, n, (off_t)at) == (ssize_t)n;
}

/* The value of OSRELEASE in vmcoreinfo; false: there is none. */
static bool find_release(int fd, uint64_t sub_header, bool is_big_endian, char ret[UTS_BYTES])
{
	uint64_t place[2];
	_cleanup_free_ char *text = NULL;
	const char *at;
	size_t n;

	if (!read_at(fd, place, sizeof(place), sub_header + VMCOREINFO_AT))
		return false;
	for (int i = 0; i < 2; i++)
		place[i] = is_big_endian ? be64toh(place[i]) : le64toh(place[i]);
	if (!place[0] || place[0] > CORE_MAX || !place[1] || place[1] > VMCOREINFO_MAX)
		return false;
	text = mem_alloc((size_t)place[1] + 1);
	if (!read_at(fd, text, (size_t)place[1], place[0]))
		return false;
	at = strstr(text, "OSRELEASE=");
	if (!at)
		return false;
	at += strlen("OSRELEASE=");
	n = strcspn(at, "\n");
	if (!n || n >= UTS_BYTES)
		return false;
	memcpy(ret, at, n);
	ret[n] = '\0';
	return true;
}

int kdump_add_uname(int fd, struct error *err)
{
	char head[BLOCK_SIZE_AT + 4], uts[4][UTS_BYTES] = { "Linux", "quiz", "", "#?" };
	uint32_t version, block;
	bool is_big_endian;

	if (!read_at(fd, head, sizeof(head), 0) || memcmp(head, "KDUMP   ", 8) != 0 || head[UTS_AT])
		return 0;
	memcpy(&version, head + 8, sizeof(version));
	memcpy(&block, head + BLOCK_SIZE_AT, sizeof(block));
	is_big_endian = le32toh(version) > HEADER_VERSION_MAX;
	block = is_big_endian ? be32toh(block) : le32toh(block);
	if (!find_release(fd, block, is_big_endian, uts[2]))
		return 0;
	if (put(fd, (const unsigned char *)uts, sizeof(uts), UTS_AT) < 0)
		return error_sys(err, errno, "write a vmcore");
	return 0;
}
