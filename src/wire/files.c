/* SPDX-License-Identifier: MPL-2.0 */

#include "wire/files.h"

#include "wire/codec.h"

#define R(n, NAME, name)                                                                          \
	size_t files_put_##name(void *buf, size_t cap, const struct files_##name *m)               \
	{                                                                                          \
		struct writer w;                                                                   \
                                                                                                   \
		writer_begin(&w, buf, cap);                                                        \
		FILES_FIELDS_##NAME(CODEC_PUT_FIELD);                                              \
		return writer_end(&w, buf, FILES_##NAME, 0);                                       \
	}                                                                                          \
	enum wire_status files_get_##name(const struct wire_frame *f, struct files_##name *ret)    \
	{                                                                                          \
		struct reader r = { f->payload, f->payload + f->len };                             \
                                                                                                   \
		if (f->type != FILES_##NAME)                                                       \
			return WIRE_BAD;                                                           \
		FILES_FIELDS_##NAME(CODEC_GET_FIELD);                                              \
		return r.p == r.end ? WIRE_OK : WIRE_BAD;                                          \
	}
FILES_RECORDS(R)
#undef R

static bool is_known(uint16_t type)
{
	switch (type) {
#define R(n, NAME, name) case n:
		FILES_RECORDS(R)
#undef R
		return true;
	}
	return false;
}

enum wire_status files_record_get(const void *buf, size_t len, struct wire_frame *ret_record, size_t *ret_size)
{
	struct reader r = { buf, (const uint8_t *)buf + len };
	uint32_t n;

	if (len < WIRE_HEADER_SIZE)
		return WIRE_MORE;
	n = (uint32_t)get_int(&r, 4);
	ret_record->type = (uint16_t)get_int(&r, 2);
	ret_record->session = (uint16_t)get_int(&r, 2);
	if (n > WIRE_PAYLOAD_MAX || ret_record->session != 0 || !is_known(ret_record->type))
		return WIRE_BAD;
	if (len - WIRE_HEADER_SIZE < n)
		return WIRE_MORE;
	ret_record->payload = r.p;
	ret_record->len = n;
	*ret_size = WIRE_HEADER_SIZE + n;
	return WIRE_OK;
}

bool files_path_ok(const char *path)
{
	size_t len = strlen(path);

	if (len >= FILES_PATH_MAX)
		return false;
	for (const char *p = path; len;) {
		size_t n = strcspn(p, "/");

		if (n == 0 || n > 255 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (!p[n])
			break;
		p += n + 1;
	}
	return true;
}
