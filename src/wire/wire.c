/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Encoder and decoder, generated from the field lists of wire.h so that the
 * two ends can not drift apart; single fields are codec.h's.
 */

#include "wire/wire.h"

#include "wire/codec.h"

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

#define M(n, NAME, name, dir)                                                                       \
	size_t wire_put_##name(void *buf, size_t cap, uint16_t session, const struct wire_##name *m) \
	{                                                                                            \
		struct writer w;                                                                     \
                                                                                                     \
		writer_begin(&w, buf, cap);                                                          \
		WIRE_FIELDS_##NAME(CODEC_PUT_FIELD);                                                 \
		return writer_end(&w, buf, WIRE_##NAME, session);                                    \
	}
WIRE_MESSAGES(M)
#undef M

#define M(n, NAME, name, dir)                                                                    \
	enum wire_status wire_get_##name(const struct wire_frame *f, struct wire_##name *ret)     \
	{                                                                                         \
		struct reader r = { f->payload, f->payload + f->len };                            \
                                                                                                  \
		if (f->type != WIRE_##NAME)                                                       \
			return WIRE_BAD;                                                          \
		WIRE_FIELDS_##NAME(CODEC_GET_FIELD);                                              \
		return r.p == r.end ? WIRE_OK : WIRE_BAD;                                         \
	}
WIRE_MESSAGES(M)
#undef M

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
