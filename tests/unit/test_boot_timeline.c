/* SPDX-License-Identifier: MPL-2.0 */
/* quiz boot-time: reading initcall_debug logs, the table, and the picture. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "run/boot_timeline.h"

static const char log_text[] =
	"[    0.000000] Linux version 6.1.192\n"
	"[    0.100000][    T0] Calibrating delay loop... \xff<&\n"
	"[    0.101000][    T1] calling  first_init+0x0/0x30 @ 1\n"
	"[    0.151000][    T1] a driver speaks\n"
	"[    0.161000][    T1] initcall first_init+0x0/0x30 returned 0 after 60000 usecs\n"
	"[    0.161500] calling  second.part.0+0x0/0x11 [mod] @ 1\n"
	"[    0.162000] initcall second.part.0+0x0/0x11 [mod] returned -19 after 250 usecs\n"
	"<6>[    0.190000] T1: late\n"
	"garbage [ x ] initcall nothing\n"
	"[    0.200000] initcall broken\n"
	"[    0.200000";

static void near(double got, double want)
{
	if (got < want - 0.001 || got > want + 0.001)
		fail_msg("got %f instead of %f", got, want);
}

static void fill(struct boot_timeline *t)
{
	t->title = mem_strdup("boot of <6.1>");
	boot_timeline_add(t, "QEMU", 50);
	boot_timeline_add(t, "kernel", 250);
	boot_timeline_add(t, "kernel", 350.5);
	boot_timeline_add(t, "clock went back", 340);
	boot_timeline_read_log(t, log_text, 5);
}

static void test_read_log(void **state)
{
	_cleanup_boot_timeline_ struct boot_timeline t = { 0 };

	fill(&t);
	assert_int_equal(t.n_initcalls, 2);
	assert_string_equal(t.initcalls[0].name, "first_init");
	near(t.initcalls[0].took_ms, 60);
	near(t.initcalls[0].start_ms, 101);
	assert_string_equal(t.initcalls[1].name, "second.part.0");
	near(t.initcalls[1].took_ms, 0.25);
	/* The 50 ms within first_init are its own. */
	assert_int_equal(t.n_gaps, 3);
	near(t.gaps[0].took_ms, 100);
	assert_true(str_starts(t.gaps[0].text, "Calibrating delay loop"));
	near(t.gaps[1].took_ms, 28);
}

static void test_spans(void **state)
{
	_cleanup_boot_timeline_ struct boot_timeline t = { 0 };

	fill(&t);
	assert_int_equal(t.n_spans, 3);
	near(t.spans[1].start_ms, 50);
	near(t.spans[1].end_ms, 350.5);
	near(t.spans[2].end_ms, 350.5);
}

static void test_print(void **state)
{
	_cleanup_boot_timeline_ struct boot_timeline t = { 0 };
	_cleanup_str_ struct str out = STR_INIT;

	fill(&t);
	boot_timeline_print(&t, 1, &out);
	assert_non_null(strstr(str_cstr(&out), "     50.0  300.5  kernel\n"));
	assert_non_null(strstr(str_cstr(&out), "2 initcalls took 60.2 ms"));
	assert_non_null(strstr(str_cstr(&out), "     60.0  first_init\n"));
	assert_null(strstr(str_cstr(&out), "second"));
	assert_null(strchr(str_cstr(&out), '\xff'));
}

/* Every element is closed, and nothing of a log gets into the markup. */
static void test_svg(void **state)
{
	_cleanup_boot_timeline_ struct boot_timeline t = { 0 }, empty = { 0 };
	_cleanup_str_ struct str out = STR_INIT, none = STR_INIT;
	const char *p;
	int texts = 0;

	fill(&t);
	boot_timeline_svg(&t, &out);
	assert_true(str_starts(str_cstr(&out), "<svg "));
	assert_true(str_ends(str_cstr(&out), "</svg>\n"));
	assert_non_null(strstr(str_cstr(&out), "boot of &lt;6.1&gt;"));
	assert_non_null(strstr(str_cstr(&out), ">first_init</text>"));
	for (p = str_cstr(&out); (p = strstr(p, "<text")); p++)
		texts++;
	for (p = str_cstr(&out); (p = strstr(p, "</text>")); p++)
		texts--;
	assert_int_equal(texts, 0);
	boot_timeline_svg(&empty, &none);
	assert_true(str_ends(str_cstr(&none), "</svg>\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_log),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_svg),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
