/* SPDX-License-Identifier: MPL-2.0 */
/* console.log from two sources, and what makes two steps different. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/str.h"
#include "run/console.h"
#include "run/steps.h"

static struct console *c;
static struct str got;

static void on_line(void *ctx, const char *text, size_t n)
{
	str_add_mem(&got, text, n);
}

static int begin(void **state)
{
	c = console_new(-1);
	console_watch(c, on_line, NULL);
	return 0;
}

static int end(void **state)
{
	console_free(c);
	str_clear(&got);
	return 0;
}

static void says(const char *text)
{
	console_bytes(c, text, strlen(text));
}

static void assert_log(const char *want)
{
	assert_string_equal(str_cstr(&got), want);
}

static void each_message_once(void **state)
{
	says("[    1.000000] one\r\n");
	assert_log("");
	console_kmsg(c, 0, 6, 1000000, "one");
	console_kmsg(c, 1, 6, 2000000, "two");
	says("[    2.000000] two\r\n"); /* late: its record is in already */
	console_kmsg(c, 1, 6, 2000000, "two"); /* sent twice */
	console_flush(c);
	assert_log("[    1.000000] one\n[    2.000000] two\n");
}

static void lines_without_a_time_are_not_held(void **state)
{
	says("SeaBIOS\n[not a time] x\n");
	assert_log("SeaBIOS\n[not a time] x\n");
}

static void what_the_agent_does_not_bring_comes_from_the_console(void **state)
{
	console_kmsg(c, 7, 6, 1000000, "last record");
	says("[    2.000000] Kernel panic\n[    2.000100] Call Tr");
	assert_log("[    1.000000] last record\n");
	console_flush(c);
	assert_log("[    1.000000] last record\n[    2.000000] Kernel panic\n[    2.000100] Call Tr\n");
}

static void lost_records_are_told_and_filled(void **state)
{
	console_kmsg(c, 0, 6, 1000000, "one");
	says("[    2.000000] two\n[    9.000000] later\n");
	console_kmsg(c, 3, 6, 3000000, "four");
	console_kmsg(c, 4, 6, 9000000, "later");
	assert_log("[    1.000000] one\n** 2 messages lost **\n[    2.000000] two\n[    3.000000] four\n"
		   "[    9.000000] later\n");
}

static void records_of_several_lines(void **state)
{
	console_kmsg(c, 0, 6, 1000000, "one\ntwo\n");
	assert_log("[    1.000000] one\n[    1.000000] two\n");
}

static void endless_lines_and_zeros(void **state)
{
	char text[9000];

	memset(text, 'x', sizeof(text));
	console_bytes(c, text, sizeof(text));
	console_bytes(c, "\0\n", 2);
	console_flush(c);
	assert_int_equal(got.len, 9002); /* cut in two */
	assert_null(memchr(got.p, 0, got.len));
}

static void another_kernel_counts_anew(void **state)
{
	console_kmsg(c, 100, 6, 50000000, "old");
	console_restart(c);
	says("[    1.000000] new\n");
	console_kmsg(c, 0, 6, 1000000, "new");
	console_flush(c);
	assert_log("[   50.000000] old\n[    1.000000] new\n");
}

static void held_lines_are_bounded(void **state)
{
	for (int i = 0; i < 5000; i++) {
		_cleanup_free_ char *line = mem_printf("[    1.%06d] x\n", i);

		says(line);
	}
	assert_int_equal(got.len, 4096 / 2 * strlen("[    1.000000] x\n"));
	console_flush(c);
	assert_int_equal(got.len, 5000 * strlen("[    1.000000] x\n"));
}

/* A prepared template is only for runs that would do exactly the same. */
static void every_part_of_a_step_counts(void **state)
{
	struct steps v = { 0 };
	struct step *s = steps_add(&v, STEP_MEMDEV, "quizm", NULL);
	uint64_t was = step_hash(s);

	s->mode = 4096;
	assert_int_not_equal(step_hash(s), was);
	s->mode = 0;
	assert_int_equal(step_hash(s), was);
	s->count = 1;
	assert_int_not_equal(step_hash(s), was);
	s->count = 0;
	s->n = 1;
	assert_int_not_equal(step_hash(s), was);
	s->n = 0;
	s->flags = 1;
	assert_int_not_equal(step_hash(s), was);
	s->flags = 0;
	strv_add(&s->list, "");
	assert_int_not_equal(step_hash(s), was);
	steps_clear(&v);
	s = steps_add(&v, STEP_MEMDEV, "qui", "zm");
	assert_int_not_equal(step_hash(s), was);
	steps_clear(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_message_once, begin, end),
		cmocka_unit_test_setup_teardown(lines_without_a_time_are_not_held, begin, end),
		cmocka_unit_test_setup_teardown(what_the_agent_does_not_bring_comes_from_the_console, begin, end),
		cmocka_unit_test_setup_teardown(lost_records_are_told_and_filled, begin, end),
		cmocka_unit_test_setup_teardown(records_of_several_lines, begin, end),
		cmocka_unit_test_setup_teardown(endless_lines_and_zeros, begin, end),
		cmocka_unit_test_setup_teardown(another_kernel_counts_anew, begin, end),
		cmocka_unit_test_setup_teardown(held_lines_are_bounded, begin, end),
		cmocka_unit_test(every_part_of_a_step_counts),
	};

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
