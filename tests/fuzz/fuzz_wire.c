/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Any bytes as frames of either direction: what decodes keeps within its
 * payload, and encodes to the very bytes it came from.
 *
 * Input: a stream of frames.
 *
 * sources: src/wire/wire.c src/wire/files.c
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire/files.h"
#include "wire/wire.h"

static uint8_t again[WIRE_FRAME_MAX];
static const uint8_t *payload, *payload_end;

static void check_u8(const uint8_t *v) { (void)v; }
static void check_u16(const uint16_t *v) { (void)v; }
static void check_u32(const uint32_t *v) { (void)v; }
static void check_u64(const uint64_t *v) { (void)v; }

static void check_str(const wire_str *v)
{
	const uint8_t *p = (const uint8_t *)*v;

	CHECK(p >= payload && p + strlen(*v) < payload_end);
}

static void check_bytes(const struct wire_bytes *v)
{
	CHECK((const uint8_t *)v->p >= payload && (const uint8_t *)v->p + v->len <= payload_end);
}

static void check_list(const struct wire_list *v)
{
	uint32_t pos = 0, n = 0;
	const char *s;

	while ((s = wire_list_next(v, &pos))) {
		check_str(&s);
		n++;
	}
	CHECK(n == v->n);
}

/* Each message type: decode, look at every field, encode, compare. */
#define F(type, field) check_##type(&m.field);
#define M(n, NAME, name, dir)                                                                   \
	static void check_message_##name(const struct wire_frame *f)                            \
	{                                                                                       \
		struct wire_##name m;                                                           \
                                                                                                \
		if (wire_get_##name(f, &m) != WIRE_OK)                                          \
			return;                                                                 \
		WIRE_FIELDS_##NAME(F)                                                           \
		CHECK(wire_put_##name(again, sizeof(again), f->session, &m) == WIRE_HEADER_SIZE + f->len); \
		CHECK(memcmp(again, f->payload - WIRE_HEADER_SIZE, WIRE_HEADER_SIZE + f->len) == 0);        \
	}
WIRE_MESSAGES(M)
#undef M

#define R(n, NAME, name)                                                                        \
	static void check_record_##name(const struct wire_frame *f)                             \
	{                                                                                       \
		struct files_##name m;                                                          \
                                                                                                \
		if (files_get_##name(f, &m) != WIRE_OK)                                         \
			return;                                                                 \
		FILES_FIELDS_##NAME(F)                                                          \
		CHECK(files_put_##name(again, sizeof(again), &m) == WIRE_HEADER_SIZE + f->len); \
		CHECK(memcmp(again, f->payload - WIRE_HEADER_SIZE, WIRE_HEADER_SIZE + f->len) == 0); \
	}
FILES_RECORDS(R)
#undef R
#undef F

static void check_message(const struct wire_frame *f)
{
	switch (f->type) {
#define M(n, NAME, name, dir)                                                                   \
	case n:                                                                                 \
		check_message_##name(f);                                                        \
		break;
		WIRE_MESSAGES(M)
#undef M
	}
}

static void check_record(const struct wire_frame *f)
{
	switch (f->type) {
#define R(n, NAME, name)                                                                        \
	case n:                                                                                 \
		check_record_##name(f);                                                         \
		break;
		FILES_RECORDS(R)
#undef R
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int as_files = 0; as_files < 2; as_files++) {
		size_t at = 0, n;
		struct wire_frame f;

		while ((as_files ? files_record_get(data + at, size - at, &f, &n) :
				   wire_frame_get(data + at, size - at, &f, &n)) == WIRE_OK) {
			CHECK(n >= WIRE_HEADER_SIZE && n <= size - at && f.len == n - WIRE_HEADER_SIZE);
			payload = f.payload;
			payload_end = f.payload + f.len;
			if (as_files)
				check_record(&f);
			else
				check_message(&f);
			at += n;
		}
	}
	return 0;
}
