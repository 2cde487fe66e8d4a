/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Encoder and decoder of single fields, for the generated codes of wire.c and
 * files.c. Both keep a cursor that goes bad once and stays bad, so that
 * generated code needs no checks between the fields. Private to wire/.
 */

#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "wire/wire.h"

struct writer {
	uint8_t *p, *end; /* p == NULL: it did not fit */
};

struct reader {
	const uint8_t *p, *end; /* p == NULL: malformed */
};

static _unused_ void put_raw(struct writer *w, const void *mem, size_t n)
{
	if (!w->p || (size_t)(w->end - w->p) < n) {
		w->p = NULL;
		return;
	}
	if (n && mem != w->p) /* what is in place already need not be copied */
		memcpy(w->p, mem, n);
	w->p += n;
}

static _unused_ void put_int(struct writer *w, uint64_t v, size_t n)
{
	uint8_t b[8];

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	put_raw(w, b, n);
}

static _unused_ void put_u8(struct writer *w, const uint8_t *v) { put_int(w, *v, 1); }
static _unused_ void put_u16(struct writer *w, const uint16_t *v) { put_int(w, *v, 2); }
static _unused_ void put_u32(struct writer *w, const uint32_t *v) { put_int(w, *v, 4); }
static _unused_ void put_u64(struct writer *w, const uint64_t *v) { put_int(w, *v, 8); }

static _unused_ void put_cstr(struct writer *w, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (n > WIRE_PAYLOAD_MAX) {
		w->p = NULL;
		return;
	}
	put_int(w, n, 4);
	put_raw(w, s ? s : "", n + 1);
}

static _unused_ void put_str(struct writer *w, const wire_str *v) { put_cstr(w, *v); }

static _unused_ void put_bytes(struct writer *w, const struct wire_bytes *v)
{
	put_int(w, v->len, 4);
	put_raw(w, v->p, v->len);
}

static _unused_ void put_list(struct writer *w, const struct wire_list *v)
{
	put_int(w, v->n, 4);
	if (v->v) {
		for (uint32_t i = 0; i < v->n; i++)
			put_cstr(w, v->v[i]);
	} else {
		put_raw(w, v->raw, v->raw_len); /* a decoded list, passed on */
	}
}

static _unused_ uint64_t get_int(struct reader *r, size_t n)
{
	uint64_t v = 0;

	if (!r->p || (size_t)(r->end - r->p) < n) {
		r->p = NULL;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)r->p[i] << (8 * i);
	r->p += n;
	return v;
}

static _unused_ void get_u8(struct reader *r, uint8_t *v) { *v = (uint8_t)get_int(r, 1); }
static _unused_ void get_u16(struct reader *r, uint16_t *v) { *v = (uint16_t)get_int(r, 2); }
static _unused_ void get_u32(struct reader *r, uint32_t *v) { *v = (uint32_t)get_int(r, 4); }
static _unused_ void get_u64(struct reader *r, uint64_t *v) { *v = get_int(r, 8); }

static _unused_ void get_bytes(struct reader *r, struct wire_bytes *v)
{
	uint64_t n = get_int(r, 4);

	v->p = NULL;
	v->len = 0;
	if (!r->p || (size_t)(r->end - r->p) < n) {
		r->p = NULL;
		return;
	}
	v->p = r->p;
	v->len = (uint32_t)n;
	r->p += n;
}

static _unused_ void get_str(struct reader *r, wire_str *v)
{
	struct wire_bytes b;

	*v = "";
	get_bytes(r, &b);
	if (!r->p)
		return;
	if (r->p == r->end || *r->p != '\0' || (b.len && memchr(b.p, 0, b.len))) {
		r->p = NULL;
		return;
	}
	r->p++;
	*v = b.p;
}

static _unused_ void get_list(struct reader *r, struct wire_list *v)
{
	uint32_t n = (uint32_t)get_int(r, 4);
	const uint8_t *start = r->p;

	memset(v, 0, sizeof(*v));
	for (uint32_t i = 0; i < n && r->p; i++) {
		wire_str s;

		get_str(r, &s);
	}
	if (!r->p)
		return;
	v->n = n;
	v->raw = start;
	v->raw_len = (uint32_t)(r->p - start);
}

static _unused_ void writer_begin(struct writer *w, void *buf, size_t cap)
{
	w->p = cap >= WIRE_HEADER_SIZE ? (uint8_t *)buf + WIRE_HEADER_SIZE : NULL;
	w->end = (uint8_t *)buf + (cap < WIRE_FRAME_MAX ? cap : WIRE_FRAME_MAX);
}

static _unused_ size_t writer_end(struct writer *w, void *buf, uint16_t type, uint16_t session)
{
	struct writer h = { buf, (uint8_t *)buf + WIRE_HEADER_SIZE };
	size_t size;

	if (!w->p)
		return 0;
	size = (size_t)(w->p - (uint8_t *)buf);
	put_int(&h, size - WIRE_HEADER_SIZE, 4);
	put_int(&h, type, 2);
	put_int(&h, session, 2);
	return size;
}

/*
 * size_t PREFIX_put_NAME(...) and enum wire_status PREFIX_get_NAME(...) from a
 * list of fields. TYPE is the number in the frame's header.
 */
#define CODEC_PUT_FIELD(type, field) put_##type(&w, &m->field);
#define CODEC_GET_FIELD(type, field) get_##type(&r, &ret->field);
