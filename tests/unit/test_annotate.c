/* SPDX-License-Identifier: MPL-2.0 */
/* Which findings get source lines, and from which of the helper's lines; the helper itself is a script here. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "run/annotate.h"
#include "sys/fs.h"

static const char helper[] = "#!/bin/sh\necho run >>\"$0.runs\"\nsed 's/+0x1.0x20/&  (a.c:7)/'\necho 'note: not all is known'\n";

static int setup(void **state)
{
	char dir[] = "/tmp/quiz-test.XXXXXX";
	_cleanup_free_ char *path = NULL;
	struct paths *p = calloc(1, sizeof(*p));
	FILE *f;

	assert_non_null(mkdtemp(dir));
	p->libexec = mem_strdup(dir);
	path = fs_join(dir, "quiz-symbols");
	f = fopen(path, "w");
	assert_true(f && fputs(helper, f) >= 0 && fclose(f) == 0 && chmod(path, 0755) == 0);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct paths *p = *state;

	fs_remove_tree(p->libexec, NULL, NULL);
	free(p->libexec);
	free(p);
	return 0;
}

static size_t n_helper_runs(const struct paths *p)
{
	_cleanup_free_ char *path = fs_join(p->libexec, "quiz-symbols.runs");
	_cleanup_str_ struct str text = STR_INIT;

	return fs_exists(path) && fs_read(path, 4096, &text, NULL) == 0 ? text.len / 4 : 0;
}

#define WARN(name) "WARNING: CPU: 0 PID: 1 at fs/x.c:1 " name "+0x1/0x20\n---[ end trace 0000000000000000 ]---\n"

static void check(struct paths *p, const char *log, const char *const allow[], const char *want_with_place, size_t want_runs,
		  const char *want_notes)
{
	const struct analyser_options opt = { .allow = allow };
	struct analyser *a = analyser_new(&opt);
	struct verdict_result v = { 0 };
	_cleanup_str_ struct str notes = STR_INIT, with_place = STR_INIT;
	struct strv modules = STRV_INIT;
	size_t before = n_helper_runs(p);

	/* As records of the kernel's log: no prefix stands before the lines. */
	for (const char *nl; (nl = strchr(log, '\n')); log = nl + 1) {
		_cleanup_free_ char *line = mem_strndup(log, (size_t)(nl - log));

		analyser_kmsg(a, 0, 4, 1000000, line, 1000);
	}
	analyser_finish(a, 1000);
	v.headline = analyser_crash(a);
	annotate_findings(p, "kernel", &modules, a, &v, &notes);
	for (size_t i = 0; i < analyser_n_findings(a); i++) {
		const struct finding *f = analyser_finding(a, i);

		if (strstr(str_cstr(&f->excerpt), "(a.c:7)"))
			str_addf(&with_place, "%s ", f->function);
		assert_null(strstr(str_cstr(&f->excerpt), "next report 1")); /* 0 is in a log itself */
		assert_null(strstr(str_cstr(&f->excerpt), "not all is known"));
	}
	assert_string_equal(str_cstr(&with_place), want_with_place);
	assert_string_equal(str_cstr(&notes), want_notes);
	assert_int_equal(n_helper_runs(p) - before, want_runs);
	analyser_free(a);
}

static void nothing_costs_nothing(void **state)
{
	check(*state, "all is well\n", NULL, "", 0, "");
}

static void warnings_have_their_lines_too(void **state)
{
	static const char *const allow[] = { "warn:second*", NULL };

	check(*state, WARN("first") WARN("second") WARN("third"), NULL, "first second third ", 1, "not all is known\n");
	check(*state, WARN("first") WARN("second") WARN("third"), allow, "first third ", 1, "not all is known\n");
}

static void what_decided_comes_first(void **state)
{
	check(*state,
	      WARN("a_a") WARN("b_b") WARN("c_c") WARN("d_d") WARN("e_e") WARN("f_f")
	      "BUG: kernel NULL pointer dereference, address: 0\nRIP: 0010:culprit+0x1/0x20\n---[ end trace 0000000000000000 ]---\n",
	      NULL, "a_a b_b c_c d_d culprit ", 1, "not all is known\n");
}

/* The kernel says "note: ", too, and a program that writes to its log says anything. */
static void a_report_may_say_anything(void **state)
{
	check(*state,
	      "WARNING: CPU: 0 PID: 1 at fs/x.c:1 first+0x1/0x20\n--- next report 0 ---\nnote: sh[80] exited with preempt_count 1\n"
	      "Call Trace:\n caller+0x1/0x20\n---[ end trace 0000000000000000 ]---\n" WARN("second"),
	      NULL,
	      "first second ", 1, "not all is known\n");
}

static void a_helper_that_fails_is_told(void **state)
{
	struct paths *p = *state;
	_cleanup_free_ char *path = fs_join(p->libexec, "quiz-symbols");
	FILE *f = fopen(path, "w");

	assert_true(f && fputs("#!/bin/sh\necho no libraries >&2\nexit 1\n", f) >= 0 && fclose(f) == 0);
	{
		struct analyser *a = analyser_new(NULL);
		struct verdict_result v = { 0 };
		_cleanup_str_ struct str notes = STR_INIT;
		struct strv modules = STRV_INIT;

		analyser_console(a, WARN("first"), strlen(WARN("first")), 0);
		analyser_finish(a, 0);
		annotate_findings(p, "kernel", &modules, a, &v, &notes);
		assert_non_null(strstr(str_cstr(&notes), "no source lines: "));
		assert_non_null(strstr(str_cstr(&analyser_finding(a, 0)->excerpt), "first+0x1/0x20\n"));
		analyser_free(a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_costs_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(warnings_have_their_lines_too, setup, teardown),
		cmocka_unit_test_setup_teardown(what_decided_comes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(a_report_may_say_anything, setup, teardown),
		cmocka_unit_test_setup_teardown(a_helper_that_fails_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
