/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "wire/wire.h"

static void start_round_trip(void **state)
{
	static uint8_t buf[WIRE_FRAME_MAX];
	static const char *const argv[] = { "sh", "-c", "exit 3", "" };
	const struct wire_start m = { .kind = WIRE_KIND_PROGRAM,
				      .flags = WIRE_START_TTY,
				      .argv = { .v = argv, .n = 4 },
				      .cwd = "/root",
				      .user = "",
				      .umask = 022,
				      .nofile = 1ull << 40,
				      .rows = 24,
				      .cols = 80 };
	struct wire_frame f;
	struct wire_start got;
	size_t size, n = wire_put_start(buf, sizeof(buf), 7, &m);
	uint32_t pos = 0;

	assert_true(n > WIRE_HEADER_SIZE);
	assert_int_equal(wire_frame_get(buf, n, &f, &size), WIRE_OK);
	assert_int_equal(size, n);
	assert_int_equal(f.session, 7);
	assert_int_equal(wire_get_start(&f, &got), WIRE_OK);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(wire_list_next(&got.argv, &pos), argv[i]);
	assert_null(wire_list_next(&got.argv, &pos));
	assert_string_equal(got.cwd, "/root");
	assert_int_equal(got.nofile, 1ull << 40);
	assert_int_equal(got.cols, 80);
}

static void layout_is_little_endian_everywhere(void **state)
{
	uint8_t buf[64];
	static const uint8_t want[] = { 8, 0, 0, 0, 5, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1 };
	const struct wire_ping m = { .nonce = 0x0102030405060708ull };

	assert_int_equal(wire_put_ping(buf, sizeof(buf), 0, &m), sizeof(want));
	assert_memory_equal(buf, want, sizeof(want));
}

static void every_truncation_is_more_or_bad(void **state)
{
	static uint8_t buf[WIRE_FRAME_MAX];
	const struct wire_result m = { .id = 1, .errnum = 2, .text = "no such file" };
	size_t size, n = wire_put_result(buf, sizeof(buf), 0, &m);
	struct wire_frame f;
	struct wire_result got;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(wire_frame_get(buf, i, &f, &size), WIRE_MORE);
	/* The header may lie: shorter payloads must not decode. */
	for (size_t i = 0; i < n - WIRE_HEADER_SIZE; i++) {
		f = (struct wire_frame){ .type = WIRE_RESULT, .payload = buf + WIRE_HEADER_SIZE, .len = (uint32_t)i };
		assert_int_equal(wire_get_result(&f, &got), WIRE_BAD);
	}
}

static void lies_are_bad(void **state)
{
	uint8_t huge[] = { 1, 0, 1, 0, 5, 0, 0, 0 };
	uint8_t unknown[] = { 0, 0, 0, 0, 0xff, 0xff, 0, 0 };
	/* RESULT: id 0, errnum 0, a string of 1 byte without its NUL; and one with a NUL inside. */
	static const uint8_t no_nul[] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'x', 'y' };
	static const uint8_t inner[] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0 };
	/* COUNTS with four billion entries. */
	static const uint8_t many[] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0 };
	struct wire_frame f;
	struct wire_result r;
	struct wire_counts c;
	size_t size;

	assert_int_equal(wire_frame_get(huge, sizeof(huge), &f, &size), WIRE_BAD);
	assert_int_equal(wire_frame_get(unknown, sizeof(unknown), &f, &size), WIRE_BAD);
	f = (struct wire_frame){ .type = WIRE_RESULT, .payload = no_nul, .len = sizeof(no_nul) };
	assert_int_equal(wire_get_result(&f, &r), WIRE_BAD);
	f = (struct wire_frame){ .type = WIRE_RESULT, .payload = inner, .len = sizeof(inner) };
	assert_int_equal(wire_get_result(&f, &r), WIRE_BAD);
	f = (struct wire_frame){ .type = WIRE_COUNTS, .payload = many, .len = sizeof(many) };
	assert_int_equal(wire_get_counts(&f, &c), WIRE_BAD);
}

static void too_large_is_refused(void **state)
{
	static uint8_t buf[2 * WIRE_FRAME_MAX], data[WIRE_FRAME_MAX];
	struct wire_data m = { .stream = 1, .data = { data, WIRE_DATA_MAX } };

	assert_true(wire_put_data(buf, sizeof(buf), 1, &m) > 0);
	assert_int_equal(wire_put_data(buf, 100, 1, &m), 0);
	m.data.len = WIRE_PAYLOAD_MAX;
	assert_int_equal(wire_put_data(buf, sizeof(buf), 1, &m), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_round_trip),
		cmocka_unit_test(layout_is_little_endian_everywhere),
		cmocka_unit_test(every_truncation_is_more_or_bad),
		cmocka_unit_test(lies_are_bad),
		cmocka_unit_test(too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
