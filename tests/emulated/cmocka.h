/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Stands in for cmocka where its library is not to be had: unit tests that are
 * compiled for another architecture and run under user emulation. It has what
 * those tests use, with cmocka's names and meaning, and prints TAP. A test ends
 * at its first failed assertion.
 */

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
	const char *name;
	void (*test)(void **state);
	int (*setup)(void **state), (*teardown)(void **state);
};

static jmp_buf cmocka_end; /* 1: failed, 2: skipped */

__attribute__((format(printf, 3, 4), noreturn, unused)) static void cmocka_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("# %s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	longjmp(cmocka_end, 1);
}

__attribute__((unused)) static void cmocka_numbers(uint64_t a, uint64_t b, int want_equal, const char *text, const char *file,
						   int line)
{
	if ((a == b) != want_equal)
		cmocka_fail(file, line, "%s: %#" PRIx64 " and %#" PRIx64, text, a, b);
}

__attribute__((unused)) static void cmocka_strings(const char *a, const char *b, int want_equal, const char *file, int line)
{
	if (!strcmp(a, b) != want_equal)
		cmocka_fail(file, line, "'%s' and '%s'", a, b);
}

__attribute__((unused)) static void cmocka_bytes(const void *a, const void *b, size_t n, const char *file, int line)
{
	for (size_t i = 0; i < n; i++)
		if (((const unsigned char *)a)[i] != ((const unsigned char *)b)[i])
			cmocka_fail(file, line, "byte %zu of %zu differs", i, n);
}

#define CMOCKA_NUMBER(v)	       ((uint64_t)(uintptr_t)(v))
#define assert_int_equal(a, b)	       cmocka_numbers((uint64_t)(a), (uint64_t)(b), 1, #a " == " #b, __FILE__, __LINE__)
#define assert_int_not_equal(a, b)     cmocka_numbers((uint64_t)(a), (uint64_t)(b), 0, #a " != " #b, __FILE__, __LINE__)
#define assert_true(a)		       cmocka_numbers(!!(a), 1, 1, #a, __FILE__, __LINE__)
#define assert_false(a)		       cmocka_numbers(!!(a), 0, 1, "not " #a, __FILE__, __LINE__)
#define assert_null(a)		       cmocka_numbers(CMOCKA_NUMBER(a), 0, 1, #a, __FILE__, __LINE__)
#define assert_non_null(a)	       cmocka_numbers(CMOCKA_NUMBER(a), 0, 0, #a, __FILE__, __LINE__)
#define assert_ptr_equal(a, b)	       cmocka_numbers(CMOCKA_NUMBER(a), CMOCKA_NUMBER(b), 1, #a " == " #b, __FILE__, __LINE__)
#define assert_in_range(a, low, high)  assert_true((uint64_t)(a) >= (uint64_t)(low) && (uint64_t)(a) <= (uint64_t)(high))
#define assert_string_equal(a, b)      cmocka_strings(a, b, 1, __FILE__, __LINE__)
#define assert_string_not_equal(a, b)  cmocka_strings(a, b, 0, __FILE__, __LINE__)
#define assert_memory_equal(a, b, n)   cmocka_bytes(a, b, n, __FILE__, __LINE__)
#define fail_msg(...)		       cmocka_fail(__FILE__, __LINE__, __VA_ARGS__)
#define skip()			       longjmp(cmocka_end, 2)
#define print_message		       printf

#define cmocka_unit_test(f)					{ #f, f, NULL, NULL }
#define cmocka_unit_test_setup_teardown(f, setup_, teardown_)	{ #f, f, setup_, teardown_ }
#define cmocka_run_group_tests(tests, setup, teardown) cmocka_run(tests, sizeof(tests) / sizeof(*(tests)), setup, teardown)

__attribute__((unused)) static int cmocka_run(const struct CMUnitTest *tests, size_t n, int (*group_setup)(void **),
						int (*group_teardown)(void **))
{
	void *group = NULL;
	int n_failed = 0;

	if (group_setup && group_setup(&group))
		return printf("Bail out! the tests' setup failed\n"), 1;
	for (size_t i = 0; i < n; i++) {
		void *state = group;
		volatile int how = tests[i].setup && tests[i].setup(&state);

		if (!how && !(how = setjmp(cmocka_end)))
			tests[i].test(&state);
		if (tests[i].teardown)
			tests[i].teardown(&state);
		n_failed += how == 1;
		printf("%sok %zu - %s%s\n", how == 1 ? "not " : "", i + 1, tests[i].name, how == 2 ? " # SKIP" : "");
		fflush(stdout);
	}
	if (group_teardown)
		group_teardown(&group);
	printf("1..%zu\n", n);
	return n_failed;
}
