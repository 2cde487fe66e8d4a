/* SPDX-License-Identifier: MPL-2.0 */
/* The verdict as a table: what was seen, what it comes to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "run/known_issues.h"
#include "run/verdict.h"
#include "sys/fs.h"

#define OOPS                                                                                                           \
	"[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n[    1.000001] RIP: "         \
	"0010:culprit+0x1/0x2\n"
#define WARNING	 "[    2.000000] WARNING: CPU: 0 PID: 1 at fs/foo.c:1 foo+0x1/0x2\n"
#define HUNG	 "[    3.000000] INFO: task a:1 blocked for more than 10 seconds.\n"
#define NOROOT	 "[    1.000000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
#define INITDEAD "[    5.000000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n"
#define ZFSPANIC "[    4.000000] VERIFY0(x) failed (5)\n[    4.000001] PANIC at dmu.c:3:dmu_x()\n"

struct row {
	const char *name, *log;
	struct verdict_input in;
	enum verdict verdict;
	int status;
	const char *headline; /* part of its title, or NULL: none */
};

/* clang-format off */
static const struct row rows[] = {
	{ "ok", "", { .program = PROGRAM_EXITED }, VERDICT_OK, 0, NULL },
	{ "failed", "", { .program = PROGRAM_EXITED, .value = 3 }, VERDICT_FAILED, 3, NULL },
	{ "its own 124", "", { .program = PROGRAM_EXITED, .value = 124 }, VERDICT_FAILED, 124, NULL },
	{ "signal", "", { .program = PROGRAM_SIGNALLED, .value = 11 }, VERDICT_FAILED, 139, NULL },
	{ "not found", "", { .program = PROGRAM_NOT_FOUND }, VERDICT_NOTFOUND, 127, NULL },
	{ "not executable", "", { .program = PROGRAM_NOT_EXECUTABLE }, VERDICT_NOEXEC, 126, NULL },
	{ "silence is never success", "", { .program = PROGRAM_RUNNING }, VERDICT_LOST, 120, NULL },
	{ "nothing at all", "", { .program = PROGRAM_NOT_STARTED }, VERDICT_LOST, 120, NULL },
	{ "lost", "", { .program = PROGRAM_RUNNING, .is_lost = true }, VERDICT_LOST, 120, NULL },
	{ "lost after the status came", "", { .program = PROGRAM_EXITED, .value = 2, .is_lost = true }, VERDICT_FAILED, 2, NULL },
	{ "cut off after success", "", { .program = PROGRAM_EXITED, .is_lost = true, .is_cut_off = true }, VERDICT_LOST, 120, NULL },
	{ "cut off after a failure", "", { .program = PROGRAM_EXITED, .value = 2, .is_lost = true, .is_cut_off = true }, VERDICT_FAILED, 2, NULL },
	{ "kept, and gone later", "", { .program = PROGRAM_EXITED, .is_lost = true }, VERDICT_OK, 0, NULL },
	{ "output lost", "", { .program = PROGRAM_EXITED, .output_failed = true }, VERDICT_SETUP, 125, NULL },
	{ "output lost, told", "", { .program = PROGRAM_SIGNALLED, .value = 13, .output_failed = true }, VERDICT_SETUP, 125, NULL },
	{ "output lost, failed", "", { .program = PROGRAM_EXITED, .value = 2, .output_failed = true }, VERDICT_FAILED, 2, NULL },
	{ "no room", "", { .program = PROGRAM_RUNNING, .has_no_room = true }, VERDICT_SETUP, 125, NULL },
	{ "no room, and a hang for it", "", { .program = PROGRAM_RUNNING, .has_no_room = true, .is_hung = true }, VERDICT_SETUP, 125, NULL },
	{ "no room for a panic's dump", OOPS, { .program = PROGRAM_RUNNING, .has_no_room = true }, VERDICT_CRASH, 122, "NULL pointer" },
	{ "no room at the end", "", { .program = PROGRAM_EXITED, .has_no_room = true, .is_cut_off = true }, VERDICT_SETUP, 125, NULL },
	{ "no room in a machine that was kept", "", { .program = PROGRAM_EXITED, .has_no_room = true }, VERDICT_OK, 0, NULL },
	{ "init died", INITDEAD, { .program = PROGRAM_RUNNING, .is_lost = true }, VERDICT_LOST, 120, "PID 1" },
	{ "init died of an oops", OOPS INITDEAD, { .program = PROGRAM_RUNNING, .is_lost = true }, VERDICT_CRASH, 122, "NULL pointer" },
	{ "crash though it returned 0", OOPS, { .program = PROGRAM_EXITED }, VERDICT_CRASH, 122, "NULL pointer dereference in culprit" },
	{ "crash ended it", OOPS, { .program = PROGRAM_RUNNING, .is_lost = true }, VERDICT_CRASH, 122, "NULL pointer" },
	{ "crash before the time limit", OOPS, { .program = PROGRAM_RUNNING, .timed_out = true }, VERDICT_CRASH, 122, "NULL pointer" },
	{ "crash while it was set up", OOPS, { .program = PROGRAM_NOT_STARTED, .setup_failed = true }, VERDICT_CRASH, 122, "NULL pointer" },
	{ "ZFS panic", ZFSPANIC, { .program = PROGRAM_RUNNING, .is_hung = true }, VERDICT_CRASH, 122, "VERIFY0(x) failed" },
	{ "warning is told only", WARNING, { .program = PROGRAM_EXITED }, VERDICT_OK, 0, NULL },
	{ "warning, strict", WARNING, { .program = PROGRAM_EXITED, .is_strict = true }, VERDICT_CRASH, 122, "WARNING at fs/foo.c:1" },
	{ "warning before a failure", WARNING, { .program = PROGRAM_EXITED, .value = 1 }, VERDICT_FAILED, 1, NULL },
	{ "stalls and ends", HUNG, { .program = PROGRAM_EXITED }, VERDICT_OK, 0, NULL },
	{ "stalls and ends, strict", HUNG, { .program = PROGRAM_EXITED, .is_strict = true }, VERDICT_HANG, 121, "blocked" },
	{ "hang", HUNG, { .program = PROGRAM_RUNNING, .is_hung = true }, VERDICT_HANG, 121, "blocked" },
	{ "no answer", "", { .program = PROGRAM_RUNNING, .is_hung = true }, VERDICT_HANG, 121, NULL },
	{ "time limit", "", { .program = PROGRAM_RUNNING, .timed_out = true }, VERDICT_TIMEOUT, 124, NULL },
	{ "time limit, lost by our own killing", "", { .program = PROGRAM_RUNNING, .timed_out = true, .is_lost = true }, VERDICT_TIMEOUT, 124, NULL },
	{ "time limit, and it ended while it was asked why", "", { .program = PROGRAM_EXITED, .timed_out = true }, VERDICT_TIMEOUT, 124, NULL },
	{ "did not boot", "", { .program = PROGRAM_NOT_STARTED, .boot_failed = true }, VERDICT_NOBOOT, 123, NULL },
	{ "no root", NOROOT, { .program = PROGRAM_NOT_STARTED, .is_lost = true }, VERDICT_NOBOOT, 123, "no root" },
	{ "setup", "", { .program = PROGRAM_NOT_STARTED, .setup_failed = true }, VERDICT_SETUP, 125, NULL },
	{ "interrupted", "", { .program = PROGRAM_RUNNING, .interrupted_by = 2 }, VERDICT_INTERRUPTED, 130, NULL },
	{ "interrupted before all was written", "", { .program = PROGRAM_EXITED, .interrupted_by = 2, .is_cut_off = true }, VERDICT_INTERRUPTED, 130, NULL },
	{ "interrupted after its end", "", { .program = PROGRAM_EXITED, .value = 1, .interrupted_by = 2 }, VERDICT_FAILED, 1, NULL },
};
/* clang-format on */

static struct analyser *analysed(const char *log, const struct analyser_options *opt)
{
	struct analyser *a = analyser_new(opt);

	analyser_console(a, log, strlen(log), 1);
	analyser_finish(a, 2);
	return a;
}

static void test_rows(void **state)
{
	int bad = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct analyser *a = analysed(rows[i].log, NULL);
		struct verdict_input in = rows[i].in;
		struct verdict_result r;
		bool headline_ok;

		in.analyser = a;
		verdict_decide(&in, &r);
		headline_ok =
		    rows[i].headline ? r.headline && strstr(r.headline->title, rows[i].headline) : !r.headline;
		if (r.verdict != rows[i].verdict || r.status != rows[i].status || !headline_ok || !r.reason) {
			print_error("%s: %s %d \"%s\", expected %s %d \"%s\"\n", rows[i].name,
				    verdict_table[r.verdict].name, r.status, r.headline ? r.headline->title : "",
				    verdict_table[rows[i].verdict].name, rows[i].status,
				    rows[i].headline ? rows[i].headline : "");
			bad++;
		}
		analyser_free(a);
	}
	assert_int_equal(bad, 0);
}

static void test_allow_and_known(void **state)
{
	static const char *const allow[] = { "oops:culprit*", NULL };
	static const char text[] = "# project's list\n\n  warn:foo\tsince 2.4, see #123\r\noops:other\n";
	struct analyser_options opt = { .allow = allow };
	struct verdict_input in = { .program = PROGRAM_EXITED, .is_strict = true };
	struct known_issues known = { 0 };
	struct error err = ERROR_INIT;
	struct verdict_result r;
	struct analyser *a;

	(void)state;
	a = analysed(OOPS, &opt);
	in.analyser = a;
	verdict_decide(&in, &r);
	assert_int_equal(r.verdict, VERDICT_OK);
	assert_true(analyser_finding(a, 0)->is_allowed);
	analyser_free(a);

	assert_int_equal(known_issues_parse(&known, "list", text, sizeof(text) - 1, &err), 0);
	assert_int_equal(known.n, 2);
	opt = (struct analyser_options){ .known = &known };
	a = analysed(WARNING, &opt);
	in.analyser = a;
	verdict_decide(&in, &r);
	assert_int_equal(r.verdict, VERDICT_OK);
	assert_string_equal(analyser_finding(a, 0)->known, "since 2.4, see #123");
	analyser_free(a);

	/* A list that tolerates everything is a mistake, not a wish. */
	assert_int_equal(known_issues_parse(&known, "list", "*\n", 2, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_non_null(strstr(err.text, "list:1"));
	known_issues_clear(&known);
}

static void test_pattern(void **state)
{
	struct finding f = { .class = FINDING_CLASS_OOPS,
			     .title = "NULL pointer dereference in foo [zfs]",
			     .function = "foo",
			     .fingerprint = "oops:foo:bar" };

	(void)state;
	assert_true(finding_matches(&f, "oops"));
	assert_true(finding_matches(&f, "foo"));
	assert_true(finding_matches(&f, "oops:foo:*"));
	assert_true(finding_matches(&f, "*dereference*"));
	assert_true(finding_matches(&f, "foo:bar"));
	assert_true(finding_matches(&f, "pointer dereference"));
	assert_false(finding_matches(&f, "oops:bar*"));
	assert_false(finding_matches(&f, "warn"));
	assert_false(finding_matches(&f, ""));
}

static void test_text(void **state)
{
	struct analyser *a = analysed(OOPS WARNING, NULL);
	struct verdict_input in = { .program = PROGRAM_EXITED, .analyser = a };
	struct verdict_result r;
	struct str out = STR_INIT;

	(void)state;
	verdict_decide(&in, &r);
	verdict_text(a, &r, false, "quiz logs 7", &out);
	assert_non_null(strstr(str_cstr(&out), "quiz: crash: the kernel crashed\n"));
	assert_non_null(strstr(str_cstr(&out), "NULL pointer dereference in culprit"));
	assert_non_null(strstr(str_cstr(&out), "quiz: see quiz logs 7\n"));
	assert_true(str_ends(str_cstr(&out), "\n"));
	str_truncate(&out, 0);
	analyser_free(a);

	/* Nothing happened: nothing is said. */
	a = analysed("[    1.000000] all is well\n", NULL);
	in.analyser = a;
	verdict_decide(&in, &r);
	verdict_text(a, &r, false, "quiz logs 7", &out);
	assert_string_equal(str_cstr(&out), "");
	analyser_free(a);
	str_clear(&out);
}

static void test_json(void **state)
{
	struct analyser *a = analysed(OOPS WARNING, NULL);
	json_t *list = verdict_findings_json(a, FINDING_NOTICE), *first = json_array_get(list, 0);

	(void)state;
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_string_value(json_object_get(first, "class")), "oops");
	assert_string_equal(json_string_value(json_object_get(first, "function")), "culprit");
	assert_string_equal(json_string_value(json_object_get(first, "fingerprint")), "oops:culprit");
	assert_int_equal(json_integer_value(json_object_get(first, "first_line")), 1);
	assert_non_null(strstr(json_string_value(json_object_get(first, "excerpt")), "RIP"));
	json_decref(list);
	analyser_free(a);
}

/* The manual's table of classes is this table. */
static void test_manual_has_every_class(void **state)
{
	_cleanup_str_ struct str page = STR_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	if (fs_read(TEST_MAN "/quiz-verdict.7.in", 1 << 20, &page, &err) < 0)
		fail_msg("%s", err.text);
	for (int i = 0; i < FINDING_N_CLASSES; i++) {
		_cleanup_free_ char *row = mem_printf("\n.It %s Ta %s Ta ", finding_class_table[i].name,
						      finding_severity_name(finding_class_table[i].severity));

		if (!strstr(str_cstr(&page), row))
			fail_msg("quiz-verdict(7) lacks the row '%s'", row + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	cmocka_unit_test(test_allow_and_known),
		cmocka_unit_test(test_pattern), cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),	cmocka_unit_test(test_manual_has_every_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
