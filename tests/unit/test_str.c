/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t want; /* UINT64_MAX: an error */
	} rows[] = {
		{ "4096", 4096 }, { "512M", 512ull << 20 }, { "2G", 2ull << 30 }, { "1.5G", 3ull << 29 },
		{ "1k", 1024 },	  { "8GiB", 8ull << 30 },   { "3MB", 3ull << 20 }, { "0", 0 },
		{ "", UINT64_MAX }, { "x", UINT64_MAX },    { "12Q", UINT64_MAX }, { "-1", UINT64_MAX },
		{ "1G2", UINT64_MAX }, { "99999999999T", UINT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err = ERROR_INIT;
		uint64_t v = 0;
		int r = parse_size(rows[i].text, &v, &err);

		if (rows[i].want == UINT64_MAX) {
			assert_int_equal(r, -1);
			assert_int_equal(err.kind, ERROR_USAGE);
			assert_non_null(strstr(err.text, rows[i].text));
		} else {
			assert_int_equal(r, 0);
			assert_int_equal(v, rows[i].want);
		}
	}
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} rows[] = {
		{ "30", 30000 }, { "30s", 30000 }, { "500ms", 500 }, { "5m", 300000 }, { "2h", 7200000 },
		{ "1d", 86400000 }, { "0.5", 500 }, { "ms", UINT64_MAX }, { "5x", UINT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err = ERROR_INIT;
		uint64_t v = UINT64_MAX;
		int r = parse_duration(rows[i].text, &v, &err);

		assert_int_equal(r, rows[i].want == UINT64_MAX ? -1 : 0);
		assert_int_equal(v, rows[i].want);
	}
}

static void safe_text_hides_control_bytes(void **state)
{
	struct str s = STR_INIT;
	static const char hostile[] = "a\x1b[31m\xc3\xa9\xff\x9b\n";

	str_add_safe(&s, hostile, sizeof(hostile) - 1, true);
	assert_string_equal(str_cstr(&s), "a\\x1b[31m\xc3\xa9\\xff\\x9b\n");
	str_clear(&s);
}

static void shell_quoting_is_exact(void **state)
{
	struct str s = STR_INIT;

	str_add_shell(&s, "plain-1.0");
	str_add_char(&s, ' ');
	str_add_shell(&s, "it's $x");
	str_add_char(&s, ' ');
	str_add_shell(&s, "");
	assert_string_equal(str_cstr(&s), "plain-1.0 'it'\\''s $x' ''");
	str_clear(&s);
}

static void vectors_grow(void **state)
{
	int *v = NULL;
	size_t n = 0;

	for (int i = 0; i < 1000; i++)
		*VEC_PUSH(v, n) = i;
	assert_int_equal(n, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(v[i], i);
	free(v);
}

static void nearest_word(void **state)
{
	static const char *const words[] = { "kernel", "root", "template", "runs", NULL };

	assert_string_equal(str_nearest("kernl", words), "kernel");
	assert_string_equal(str_nearest("tmplate", words), "template");
	assert_null(str_nearest("uname", words));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations),
		cmocka_unit_test(safe_text_hides_control_bytes),
		cmocka_unit_test(shell_quoting_is_exact),
		cmocka_unit_test(vectors_grow),
		cmocka_unit_test(nearest_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
