/* SPDX-License-Identifier: MPL-2.0 */
/* Whose words count, whether all of them were heard, and what hides behind a pattern or a strange log. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "run/analyser.h"
#include "run/known_issues.h"
#include "run/verdict.h"
#include "wire/wire.h"

#define BY_PROGRAM (4 | WIRE_KMSG_BY_PROGRAM)

static const char oops[] = "[   12.345678] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
			   "[   12.345683] Oops: 0000 [#1] PREEMPT SMP NOPTI\n"
			   "[   12.345684] CPU: 1 PID: 77 Comm: sh Tainted: G           O       6.1.0 #1\n"
			   "[   12.345685] RIP: 0010:crashme_null+0x12/0x20 [crashme]\n"
			   "[   12.345687] Call Trace:\n"
			   "[   12.345690]  crashme_write+0x45/0x60 [crashme]\n"
			   "[   12.345691]  vfs_write+0xb0/0x3d0\n"
			   "[   12.345695] ---[ end trace 0000000000000000 ]---\n";
static const char warning[] = "[    2.000000] WARNING: CPU: 0 PID: 1 at fs/a.c:7 first+0x5/0x20\n"
			      "[    2.000001] Call Trace:\n"
			      "[    2.000002]  second+0x5/0x20\n"
			      "[    2.000003] ---[ end trace 0000000000000000 ]---\n";

static void console(struct analyser *a, const char *text, uint64_t now_ms)
{
	analyser_console(a, text, strlen(text), now_ms);
}

static int status_of(const struct analyser *a, bool is_strict)
{
	const struct verdict_input in = { .program = PROGRAM_EXITED, .analyser = a, .is_strict = is_strict };
	struct verdict_result r;

	verdict_decide(&in, &r);
	return r.status;
}

static void test_programs_write_to_kmsg(void **state)
{
	static const char *const fakes[] = { "BUG: a test of logging", "Kernel panic - not syncing: no, it is not",
					     "INFO: task sh:1 blocked for more than 2 seconds.",
					     "WARNING: Pool 'x' has encountered an uncorrectable I/O failure and has been suspended." };
	const struct analyser_options opt = { .only_stamped = true };
	uint64_t since;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fakes); i++)
		for (int order = 0; order < 2; order++) {
			struct analyser *a = analyser_new(&opt);
			char line[200];

			snprintf(line, sizeof(line), "[    5.000001] %s\n", fakes[i]);
			if (order)
				analyser_kmsg(a, 1, BY_PROGRAM, 5000001, fakes[i], 10);
			console(a, line, 11);
			assert_false(analyser_crash_is_sure(a));
			if (!order)
				analyser_kmsg(a, 1, BY_PROGRAM, 5000001, fakes[i], 12);
			assert_int_equal(analyser_n_findings(a), 0);
			assert_false(analyser_hang_since(a, &since));
			console(a, "[    5.000002] something else\n", 13);
			analyser_tick(a, 9000);
			assert_false(analyser_panic_is_over(a));
			/* The kernel's own words of another moment count. */
			console(a, oops, 9001);
			analyser_finish(a, 9002);
			assert_int_equal(analyser_n_findings(a), 1);
			assert_int_equal(status_of(a, false), 122);
			analyser_free(a);
		}
}

static void test_a_crash_is_sure_when_the_agent_tells_it(void **state)
{
	static const char *const allow[] = { "warn:*", NULL };
	const struct analyser_options opt = { .only_stamped = true, .allow = allow };
	struct analyser *a = analyser_new(NULL);

	(void)state;
	console(a, oops, 0);
	assert_non_null(analyser_crash(a));
	assert_false(analyser_crash_is_sure(a));
	analyser_kmsg(a, 7, 1, 12345678, "BUG: kernel NULL pointer dereference, address: 0000000000000010", 1);
	assert_true(analyser_crash_is_sure(a));
	analyser_free(a);

	/* With patterns the whole of it has to be there. */
	a = analyser_new(&opt);
	analyser_kmsg(a, 7, 1, 12345678, "BUG: kernel NULL pointer dereference, address: 0000000000000010", 1);
	assert_false(analyser_crash_is_sure(a));
	analyser_tick(a, 4000);
	assert_true(analyser_crash_is_sure(a));
	analyser_free(a);
}

static void test_what_was_lost_is_told(void **state)
{
	static const struct {
		const char *name;
		uint64_t start, end;
		uint64_t seq[3];
		const char *want; /* in the title; NULL: nothing was lost */
	} rows[] = {
		{ "", 0, 0, { 5, 6, 7 }, NULL },
		{ "", 0, 0, { 5, 9, 10 }, "3 kernel messages were lost" },
		{ "kmsg_lost", 0, 4000, { 5000, 5001, 5002 }, "4000 kernel messages were lost" },
		{ "kmsg_lost", 4000, 4000, { 5, 6, 7 }, NULL },
		{ "kmsg_unread", 0, 1, { 5, 6, 7 }, "last messages were not read" },
		{ "kmsg_missing", 0, 1, { 0, 0, 0 }, "no log that could be read" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static const char *const allow[] = { "info:*", NULL };
		const struct analyser_options opt = { .allow = i % 2 ? NULL : allow };
		struct analyser *a = analyser_new(&opt);

		analyser_counter(a, false, rows[i].name, rows[i].start, 0);
		for (size_t k = 0; k < 3 && rows[i].seq[k]; k++)
			analyser_kmsg(a, rows[i].seq[k], 6, 1000 * k, "hello", 0);
		analyser_counter(a, true, rows[i].name, rows[i].end, 0);
		analyser_finish(a, 0);
		assert_int_equal(analyser_n_findings(a), rows[i].want ? 1 : 0);
		if (rows[i].want) {
			assert_non_null(strstr(analyser_finding(a, 0)->title, rows[i].want));
			assert_int_equal(analyser_finding(a, 0)->severity, FINDING_NOTICE);
		}
		assert_int_equal(status_of(a, false), 0);
		assert_int_equal(status_of(a, true), rows[i].want && !opt.allow ? 122 : 0);
		analyser_free(a);
	}
}

static void test_a_log_with_holes_says_so(void **state)
{
	static const char *const logs[] = { "[    1.000000] a\n** 17 printk messages dropped **\n[    1.000001] b\n",
					    "[    1.000000] a\n** 17 printk messages dropped ** [    1.000001] b\n",
					    "[    1.000000] a\n** 17 messages lost **\n[    1.000001] b\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		struct analyser *a = analyser_new(NULL);
		struct verdict_result r;

		console(a, logs[i], 0);
		analyser_finish(a, 0);
		assert_int_equal(analyser_n_findings(a), 1);
		assert_non_null(strstr(analyser_finding(a, 0)->title, "17 kernel messages were lost"));
		verdict_of_log(a, true, &r);
		assert_int_equal(r.status, 0);
		analyser_free(a);
	}
}

/* A WARN of before, or one that was read, does not explain another. */
static void test_counters_are_compared_by_number(void **state)
{
	static const struct {
		bool is_before, has_gap;
		uint64_t end;
		bool is_found;
	} rows[] = { { true, false, 1, true }, { false, false, 1, false }, { false, false, 2, false }, { false, true, 2, true },
		     { false, true, 1, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct analyser *a = analyser_new(NULL);
		bool is_found = false;

		if (rows[i].is_before)
			console(a, warning, 0);
		analyser_tick(a, 5000);
		analyser_counter(a, false, "warn_count", 0, 5000);
		if (!rows[i].is_before)
			console(a, warning, 5001);
		analyser_kmsg(a, 4, 6, 3000000, "hello", 5002);
		analyser_kmsg(a, rows[i].has_gap ? 9 : 5, 6, 3000001, "hello", 5003);
		analyser_counter(a, true, "warn_count", rows[i].end, 5004);
		analyser_finish(a, 9000);
		for (size_t k = 0; k < analyser_n_findings(a); k++)
			is_found |= strstr(analyser_finding(a, k)->title, "that no log shows") != NULL;
		if (is_found != rows[i].is_found)
			print_error("row %zu: found %d\n", i, is_found);
		assert_int_equal(is_found, rows[i].is_found);
		analyser_free(a);
	}
}

static void test_a_template_s_words_count_in_its_clones(void **state)
{
	static const char stall[] = "[    3.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:77]\n";
	struct analyser *a = analyser_new(NULL);
	uint64_t since;

	(void)state;
	analyser_template_log(a, warning, strlen(warning), 0);
	analyser_template_log(a, stall, strlen(stall), 0);
	assert_int_equal(analyser_n_findings(a), 2);
	assert_true(analyser_finding(a, 0)->is_complete);
	assert_false(analyser_hang_since(a, &since)); /* it is over: the template was saved */
	analyser_finish(a, 1);
	assert_int_equal(status_of(a, false), 0);
	assert_int_equal(status_of(a, true), 122);
	analyser_free(a);
}

/* Replaces the stamp of each line of a log; which: bit i % 8 says whether line i is changed. */
static void dressed(const char *log, const char *prefix, unsigned which, struct str *out)
{
	unsigned i = 0;

	str_add(out, "[    1.000000] a\n[    1.000001] b\n[    1.000002] c\n[    1.000003] d\n[    1.000004] e\n");
	for (const char *p = log; *p; p = strchr(p, '\n') + 1, i++) {
		const char *text = which >> i % 8 & 1 ? strchr(p, ']') + 2 : p;

		if (text != p)
			str_add(out, prefix);
		str_add_mem(out, text, (size_t)(strchr(text, '\n') + 1 - text));
	}
}

static void test_logs_of_mixed_lines(void **state)
{
	static const struct {
		const char *prefix;
		unsigned which;
	} rows[] = {
		{ "", 0xff },
		{ "", 0x55 },
		{ "", 0xaa },
		{ "", 0xfe },
		{ "", 0x7f },
		{ "[   12.345678][  T77] ", 0x55 },
		{ "[   12.345678][  T77] ", 0xaa },
		{ "[   12.345678] host kernel: ", 0xff },
		{ "[   12.345678 <    0.000012>] ", 0xff },
		{ "[<    0.000012>] ", 0xff },
		{ "[  +0.000012] ", 0xff },
		{ "[Nov21 18:20] ", 0xff },
		{ "[Sat Nov 21 18:20:01 2026] ", 0xff },
		{ "[2026-11-21T18:20:01.123Z] ", 0xff },
		{ "[2026-11-21 18:20:01] ", 0xff },
		{ "Nov 21 18:20:01 ", 0xff },
		{ "Nov 21 18:20:01 host kernel: ", 0xff },
	};
	int bad = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_str_ struct str log = STR_INIT;
		struct analyser *a = analyser_new(NULL);

		dressed(oops, rows[i].prefix, rows[i].which, &log);
		console(a, str_cstr(&log), 0);
		analyser_finish(a, 0);
		if (analyser_n_findings(a) != 1 ||
		    strcmp(analyser_finding(a, 0)->title, "NULL pointer dereference in crashme_null [crashme]") != 0) {
			print_error("row %zu: %zu findings, %s\n", i, analyser_n_findings(a),
				    analyser_n_findings(a) ? analyser_finding(a, 0)->title : "");
			bad++;
		}
		analyser_free(a);
	}
	assert_int_equal(bad, 0);
}

/* What a program prints has no functions of the kernel below it. */
static void test_a_suspicion_needs_a_stack(void **state)
{
	static const char text[] = "[    1.000000] a\n[    1.000001] b\n[    1.000002] c\n[    1.000003] d\n"
				   "BUG: 3 of 7 tests failed\n  details\n    more\nWARNING: CPU: 0 PID: 1 at home\n"
				   "Kernel panic - not syncing: says a program\n---[ end Kernel panic - not syncing ]---\n"
				   "[    2.000000] all is well+0x1/0x20\n";
	struct analyser *a = analyser_new(NULL);

	(void)state;
	console(a, text, 0);
	analyser_finish(a, 0);
	assert_int_equal(analyser_n_findings(a), 0);
	analyser_free(a);
}

/* "syncing: kernel:" is no host's name. */
static void test_a_panic_on_warn_without_stamps(void **state)
{
	struct analyser *a = analyser_new(NULL);

	(void)state;
	console(a, "Kernel panic - not syncing: kernel: panic_on_warn set ...\n", 0);
	analyser_finish(a, 0);
	assert_int_equal(analyser_n_findings(a), 1);
	assert_int_equal(analyser_finding(a, 0)->class, FINDING_CLASS_PANIC);
	analyser_free(a);
}

static void test_carriage_returns_end_lines(void **state)
{
	(void)state;
	for (size_t chunk = 1; chunk < 6000; chunk = chunk * 7 + 1) {
		_cleanup_str_ struct str log = STR_INIT;
		struct analyser *a = analyser_new(NULL);

		for (int i = 0; i < 200; i++)
			str_addf(&log, "[    1.%06d] a line of the kernel's that says nothing\r", i);
		str_add(&log, oops);
		str_add(&log, "50%\r100%\r");
		str_add(&log, warning);
		for (char *p = log.p; *p; p++) /* the oops, too */
			if (*p == '\n' && p < log.p + log.len - strlen(warning) - 20)
				*p = '\r';
		for (size_t i = 0; i < log.len; i += chunk)
			analyser_console(a, log.p + i, log.len - i < chunk ? log.len - i : chunk, 0);
		analyser_finish(a, 0);
		assert_int_equal(analyser_n_findings(a), 2);
		assert_string_equal(analyser_finding(a, 0)->title, "NULL pointer dereference in crashme_null [crashme]");
		assert_string_equal(analyser_finding(a, 1)->title, "WARNING at fs/a.c:7 in first");
		analyser_free(a);
	}
}

static void test_patterns_name_what_they_hide(void **state)
{
	static const char *const all[] = { "", "*", "**", "?*", "*?", "[a-z]*", "*:*", "[!x]*" };
	static const char *const some[] = { "warn", "oops:*", "zfs_*", "*zfs*", "warn:a:b", "info:*" };
	const struct finding f = { .class = FINDING_CLASS_OOPS, .title = "NULL pointer dereference in zfs_open [zfs]",
				   .function = "zfs_open", .fingerprint = "oops:zfs_open:zpl_open" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_true(finding_pattern_is_all(all[i]));
	for (size_t i = 0; i < ARRAY_SIZE(some); i++)
		assert_false(finding_pattern_is_all(some[i]));
	assert_true(finding_matches(&f, "zfs_open"));
	assert_true(finding_matches(&f, "in zfs_open"));
	assert_true(finding_matches(&f, "oops"));
	assert_false(finding_matches(&f, "zfs_op"));
	assert_false(finding_matches(&f, "open"));
	assert_false(finding_matches(&f, "e"));
	assert_true(finding_is_listed(&f, "oops:zfs_open:*"));
	assert_false(finding_is_listed(&f, "NULL"));
	assert_false(finding_is_listed(&f, "oops"));
}

static void test_lists_of_known_issues(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "oops:zfs_open:zpl_open  since 2.3\n", NULL },
		{ "NULL pointer dereference in zfs_open\n", NULL }, /* means nothing that is found: nothing is hidden */
		{ "# a\n\noops in zfs_open\n", "list:3: 'oops' is a whole class" },
		{ "?*\n", "list:1: a pattern that means every finding" },
		{ "warn:a\n[a-z]* b\n", "list:2: a pattern that means every finding" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct known_issues known = { 0 };
		struct error err = ERROR_INIT;
		int r = known_issues_parse(&known, "list", rows[i].text, strlen(rows[i].text), &err);

		assert_int_equal(r, rows[i].error ? -1 : 0);
		if (rows[i].error)
			assert_non_null(strstr(err.text, rows[i].error));
		known_issues_clear(&known);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs_write_to_kmsg),
		cmocka_unit_test(test_a_crash_is_sure_when_the_agent_tells_it),
		cmocka_unit_test(test_what_was_lost_is_told),
		cmocka_unit_test(test_a_log_with_holes_says_so),
		cmocka_unit_test(test_counters_are_compared_by_number),
		cmocka_unit_test(test_a_template_s_words_count_in_its_clones),
		cmocka_unit_test(test_logs_of_mixed_lines),
		cmocka_unit_test(test_a_suspicion_needs_a_stack),
		cmocka_unit_test(test_a_panic_on_warn_without_stamps),
		cmocka_unit_test(test_carriage_returns_end_lines),
		cmocka_unit_test(test_patterns_name_what_they_hide),
		cmocka_unit_test(test_lists_of_known_issues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
