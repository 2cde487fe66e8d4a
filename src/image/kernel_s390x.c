/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation. The boot stage of a bzImage (arch/s390/boot/startup.c)
 * finds out about the machine, unpacks the kernel behind itself, moves it to
 * its place and enters it; none of that can be left out. But what it unpacks
 * it finds by two words of its global offset table, _compressed_start and
 * _compressed_end, as the file is loaded at address 0. So:
 *
 *	0       start                end
 *	| stage | payload: now zeros | memory that the stage uses | payload, stored |
 *
 * a second payload behind all memory that the stage uses, in the same format,
 * of LZMA2's chunks that are not compressed: reading it is copying. The two
 * words are changed, and the first payload is zeros.
 *
 * Linux 6.1 of Debian 12, QEMU 7.2 under emulation: the kernel's clock says
 * 2.2 s when the kernel is entered as it was shipped, and 0.05 s so.
 *
 * The words are known by what they point at, the magic of XZ at the stream's
 * start and that of its end, and there must be one pair only: an image that
 * looks different stays as it is. So does one of Linux 6.8 or later, whose
 * stage unpacks to a place that it may choose at random.
 */

#include "image/kernel_s390x.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/kernel_image.h"
#include "image/kernel_version.h"

#define STAGE_START 0x10000u	/* code and data; below are the loader's parts */
#define MAGIC_AT    0x10008u	/* "S390EP" */
#define GOT_MAX	    4096u	/* the two words are not farther from each other */
#define SIZE_WORD   4u		/* the kernel's build appends the unpacked size */
#define HEAP_MAX    (4u << 20)	/* BOOT_HEAP_SIZE, between the file and what is unpacked: at most, of any format */
#define SLACK	    (2u << 20)	/* tables that the stage makes behind what is unpacked */
#define ALIGN_UP(n, to) (((n) + (to)-1) / (to) * (to))

static const char xz_magic[] = "\xfd" "7zXZ"; /* its sixth byte is the NUL */

/* ---- XZ (the .xz file format 1.1.0) ---- */

#define XZ_CHUNK_MAX 65536u

static void add_le32(struct str *s, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		str_add_char(s, (char)(v >> (8 * i)));
}

static void add_crc(struct str *s, size_t from)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = from; i < s->len; i++) {
		crc ^= (unsigned char)s->p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	add_le32(s, ~crc);
}

static void add_varint(struct str *s, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		str_add_char(s, (char)(v | 0x80));
	str_add_char(s, (char)v);
}

static void pad(struct str *s, size_t from)
{
	while ((s->len - from) % 4)
		str_add_char(s, 0);
}

void kernel_s390x_store_xz(const void *mem, size_t n, struct str *ret)
{
	static const char flags[2];			       /* no check of the content */
	static const char block[8] = { 2, 0, 0x21, 1, 22 };    /* 12 bytes with its CRC; one filter: LZMA2, 8 MiB */
	size_t start = ret->len, from = start + sizeof(xz_magic), unpadded, index;

	str_add_mem(ret, xz_magic, sizeof(xz_magic));
	str_add_mem(ret, flags, sizeof(flags));
	add_crc(ret, from);

	from = ret->len;
	str_add_mem(ret, block, sizeof(block));
	add_crc(ret, from);
	for (size_t i = 0; i < n; i += XZ_CHUNK_MAX) {
		size_t chunk = n - i < XZ_CHUNK_MAX ? n - i : XZ_CHUNK_MAX;

		str_add_char(ret, i ? 2 : 1); /* not compressed; the first one resets the dictionary */
		str_add_char(ret, (char)((chunk - 1) >> 8));
		str_add_char(ret, (char)(chunk - 1));
		str_add_mem(ret, (const char *)mem + i, chunk);
	}
	str_add_char(ret, 0);
	unpadded = ret->len - from;
	pad(ret, from);

	index = ret->len;
	str_add_char(ret, 0);
	add_varint(ret, 1); /* one block */
	add_varint(ret, unpadded);
	add_varint(ret, n);
	pad(ret, index);
	add_crc(ret, index);
	index = ret->len - index;

	struct str footer = STR_INIT;

	add_le32(&footer, (uint32_t)(index / 4 - 1));
	str_add_mem(&footer, flags, sizeof(flags));
	from = footer.len;
	add_crc(&footer, 0);
	str_add_mem(ret, footer.p + from, 4); /* here the CRC comes first */
	str_add_mem(ret, footer.p, from);
	str_add(ret, "YZ");
	str_clear(&footer);
}

/* ---- The image ---- */

struct payload {
	size_t start, end;	     /* with the size word */
	size_t start_word, end_word; /* where the stage has these addresses */
};

static uint64_t get_be64(const unsigned char *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static void put_be64(char *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (char)v;
}

static bool is_stream_end(const unsigned char *image, size_t n, size_t start, uint64_t v)
{
	return v <= n && v > start + 64 && memcmp(image + v - SIZE_WORD - 2, "YZ", 2) == 0;
}

/* The word before the payload with this value. 0: there is none, or more than one. */
static size_t find_word(const unsigned char *image, size_t before, uint64_t value)
{
	size_t found = 0;

	for (size_t i = STAGE_START; i + 8 <= before; i += 8) {
		if (get_be64(image + i) != value)
			continue;
		if (found)
			return 0;
		found = i;
	}
	return found;
}

/* The payload that starts here, if one does. */
static bool check_payload(const unsigned char *image, size_t n, size_t start, struct payload *ret)
{
	struct payload p = { .start = start, .start_word = find_word(image, start, start) };
	size_t from = p.start_word > STAGE_START + GOT_MAX ? p.start_word - GOT_MAX : STAGE_START;

	if (!p.start_word)
		return false;
	for (size_t i = from; i + 8 <= start && i <= p.start_word + GOT_MAX; i += 8) {
		uint64_t v = get_be64(image + i);

		if (!is_stream_end(image, n, start, v))
			continue;
		if (p.end)
			return false;
		p.end = (size_t)v;
		p.end_word = i;
	}
	if (!p.end)
		return false;
	*ret = p;
	return true;
}

/* The stage itself has the magic too, to compare with: each place is looked at. */
static bool find_payload(const unsigned char *image, size_t n, struct payload *ret)
{
	for (size_t at = STAGE_START; at < n;) {
		const unsigned char *p = memmem(image + at, n - at, xz_magic, sizeof(xz_magic));

		if (!p)
			return false;
		at = (size_t)(p - image);
		if (check_payload(image, n, at, ret))
			return true;
		at++;
	}
	return false;
}

static void add_zeros(struct str *s, size_t n)
{
	static const char zeros[4096];

	for (; n > sizeof(zeros); n -= sizeof(zeros))
		str_add_mem(s, zeros, sizeof(zeros));
	str_add_mem(s, zeros, n);
}

static bool is_placed_at_random(const struct str *vmlinux)
{
	_cleanup_free_ char *release = kernel_image_release(vmlinux->p, vmlinux->len);
	struct kernel_version v, first;

	return !release || kernel_version_parse(release, &v, NULL) < 0 || kernel_version_parse("6.8-rc1", &first, NULL) < 0 ||
	       kernel_version_compare(&v, &first) >= 0;
}

int kernel_s390x_unpack(const void *image, size_t n, struct str *ret)
{
	_cleanup_str_ struct str vmlinux = STR_INIT;
	struct payload p;
	size_t base = ret->len, at;

	if (n < STAGE_START + 64 || memcmp((const char *)image + MAGIC_AT, "S390EP", 6) != 0 || !find_payload(image, n, &p))
		return -1;
	if (kernel_image_decompress((const char *)image + p.start, p.end - SIZE_WORD - p.start, KERNEL_IMAGE_MAX, &vmlinux, NULL) < 0 ||
	    is_placed_at_random(&vmlinux))
		return -1;
	at = ALIGN_UP(n + HEAP_MAX + vmlinux.len + SLACK, (size_t)1 << 20);
	str_add_mem(ret, image, p.start);
	add_zeros(ret, p.end - p.start);
	str_add_mem(ret, (const char *)image + p.end, n - p.end);
	add_zeros(ret, at - n);
	kernel_s390x_store_xz(vmlinux.p, vmlinux.len, ret);
	add_le32(ret, (uint32_t)vmlinux.len);
	put_be64(ret->p + base + p.start_word, at);
	put_be64(ret->p + base + p.end_word, ret->len - base);
	return 0;
}
