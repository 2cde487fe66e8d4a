/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Encoder and decoder, generated from the field lists of wire.h so that the
 * two ends can not drift apart. Both keep a cursor that goes bad once and
 * stays bad, so the generated code needs no checks between the fields.
 */

#include "wire/wire.h"

#include <string.h>

struct writer {
	uint8_t *p, *end; /* p == NULL: it did not fit */
};

struct reader {
	const uint8_t *p, *end; /* p == NULL: malformed */
};

static void put_raw(struct writer *w, const void *mem, size_t n)
{
	if (!w->p || (size_t)(w->end - w->p) < n) {
		w->p = NULL;
		return;
	}
	if (n)
		memcpy(w->p, mem, n);
	w->p += n;
}

static void put_int(struct writer *w, uint64_t v, size_t n)
{
	uint8_t b[8];

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	put_raw(w, b, n);
}

static void put_u8(struct writer *w, const uint8_t *v) { put_int(w, *v, 1); }
static void put_u16(struct writer *w, const uint16_t *v) { put_int(w, *v, 2); }
static void put_u32(struct writer *w, const uint32_t *v) { put_int(w, *v, 4); }
static void put_u64(struct writer *w, const uint64_t *v) { put_int(w, *v, 8); }

static void put_cstr(struct writer *w, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (n > WIRE_PAYLOAD_MAX) {
		w->p = NULL;
		return;
	}
	put_int(w, n, 4);
	put_raw(w, s ? s : "", n + 1);
}

static void put_str(struct writer *w, const wire_str *v) { put_cstr(w, *v); }

static void put_bytes(struct writer *w, const struct wire_bytes *v)
{
	put_int(w, v->len, 4);
	put_raw(w, v->p, v->len);
}

static void put_list(struct writer *w, const struct wire_list *v)
{
	put_int(w, v->n, 4);
	if (v->v) {
		for (uint32_t i = 0; i < v->n; i++)
			put_cstr(w, v->v[i]);
	} else {
		put_raw(w, v->raw, v->raw_len); /* a decoded list, passed on */
	}
}

static uint64_t get_int(struct reader *r, size_t n)
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

static void get_u8(struct reader *r, uint8_t *v) { *v = (uint8_t)get_int(r, 1); }
static void get_u16(struct reader *r, uint16_t *v) { *v = (uint16_t)get_int(r, 2); }
static void get_u32(struct reader *r, uint32_t *v) { *v = (uint32_t)get_int(r, 4); }
static void get_u64(struct reader *r, uint64_t *v) { *v = get_int(r, 8); }

static void get_bytes(struct reader *r, struct wire_bytes *v)
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

static void get_str(struct reader *r, wire_str *v)
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

static void get_list(struct reader *r, struct wire_list *v)
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

const char *wire_list_next(const struct wire_list *list, uint32_t *pos)
{
	const uint8_t *p = list->raw + *pos;
	uint32_t n;

	if (*pos >= list->raw_len)
		return NULL;
	n = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	*pos += 4 + n + 1;
	return (const char *)p + 4;
}

static void writer_begin(struct writer *w, void *buf, size_t cap)
{
	w->p = cap >= WIRE_HEADER_SIZE ? (uint8_t *)buf + WIRE_HEADER_SIZE : NULL;
	w->end = (uint8_t *)buf + (cap < WIRE_FRAME_MAX ? cap : WIRE_FRAME_MAX);
}

static size_t writer_end(struct writer *w, void *buf, uint16_t type, uint16_t session)
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

#define F(type, field) put_##type(&w, &m->field);
#define M(n, NAME, name, dir)                                                                       \
	size_t wire_put_##name(void *buf, size_t cap, uint16_t session, const struct wire_##name *m) \
	{                                                                                            \
		struct writer w;                                                                     \
                                                                                                     \
		writer_begin(&w, buf, cap);                                                          \
		WIRE_FIELDS_##NAME(F);                                                               \
		return writer_end(&w, buf, WIRE_##NAME, session);                                    \
	}
WIRE_MESSAGES(M)
#undef M
#undef F

#define F(type, field) get_##type(&r, &ret->field);
#define M(n, NAME, name, dir)                                                                    \
	enum wire_status wire_get_##name(const struct wire_frame *f, struct wire_##name *ret)     \
	{                                                                                         \
		struct reader r = { f->payload, f->payload + f->len };                            \
                                                                                                  \
		if (f->type != WIRE_##NAME)                                                       \
			return WIRE_BAD;                                                          \
		WIRE_FIELDS_##NAME(F);                                                            \
		return r.p == r.end ? WIRE_OK : WIRE_BAD;                                         \
	}
WIRE_MESSAGES(M)
#undef M
#undef F

enum wire_status wire_frame_get(const void *buf, size_t len, struct wire_frame *ret_frame, size_t *ret_size)
{
	struct reader r = { buf, (const uint8_t *)buf + len };
	uint32_t n;

	if (len < WIRE_HEADER_SIZE)
		return WIRE_MORE;
	n = (uint32_t)get_int(&r, 4);
	if (n > WIRE_PAYLOAD_MAX)
		return WIRE_BAD;
	ret_frame->type = (uint16_t)get_int(&r, 2);
	ret_frame->session = (uint16_t)get_int(&r, 2);
	if (!wire_type_name(ret_frame->type))
		return WIRE_BAD;
	if (len - WIRE_HEADER_SIZE < n)
		return WIRE_MORE;
	ret_frame->payload = r.p;
	ret_frame->len = n;
	*ret_size = WIRE_HEADER_SIZE + n;
	return WIRE_OK;
}

const char *wire_type_name(uint16_t type)
{
	switch (type) {
#define M(n, NAME, name, dir)                                                  \
	case n:                                                                \
		return #NAME;
		WIRE_MESSAGES(M)
#undef M
	}
	return NULL;
}

const char *wire_stage_name(uint32_t stage)
{
	switch (stage) {
#define S(n, NAME, text)                                                       \
	case n:                                                                \
		return text;
		WIRE_STAGES(S)
#undef S
	}
	return NULL;
}
