/* SPDX-License-Identifier: MPL-2.0 */
/* The analyser on texts as kernels print them, and on texts that only look so. */

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

static struct analyser *read_log(const char *text, size_t chunk)
{
	struct analyser *a = analyser_new(NULL);
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i += chunk)
		analyser_console(a, text + i, n - i < chunk ? n - i : chunk, 0);
	analyser_finish(a, 0);
	return a;
}

static const char null_deref[] = "[   12.000001] crashme: loading\r\n"
				 "[   12.345678] BUG: kernel NULL pointer dereference, address: 0000000000000010\r\n"
				 "[   12.345680] #PF: supervisor read access in kernel mode\r\n"
				 "[   12.345681] #PF: error_code(0x0000) - not-present page\r\n"
				 "[   12.345682] PGD 0 P4D 0 \r\n"
				 "[   12.345683] Oops: 0000 [#1] PREEMPT SMP NOPTI\r\n"
				 "[   12.345684] CPU: 1 PID: 77 Comm: sh Tainted: G           O       6.1.0 #1\r\n"
				 "[   12.345685] RIP: 0010:crashme_null+0x12/0x20 [crashme]\r\n"
				 "[   12.345686] RSP: 0018:ffffc90000123e00 EFLAGS: 00010246\r\n"
				 "[   12.345687] Call Trace:\r\n"
				 "[   12.345688]  <TASK>\r\n"
				 "[   12.345689]  ? asm_exc_page_fault+0x22/0x30\r\n"
				 "[   12.345690]  crashme_write.isra.0+0x45/0x60 [crashme]\r\n"
				 "[   12.345691]  vfs_write+0xb0/0x3d0\r\n"
				 "[   12.345692]  </TASK>\r\n"
				 "[   12.345693] Modules linked in: crashme(O)\r\n"
				 "[   12.345694] CR2: 0000000000000010\r\n"
				 "[   12.345695] ---[ end trace 0000000000000000 ]---\r\n";

static void test_oops(void **state)
{
	(void)state;
	for (size_t chunk = 1; chunk < 400; chunk += 57) {
		struct analyser *a = read_log(null_deref, chunk);
		const struct finding *f;

		assert_int_equal(analyser_n_findings(a), 1);
		f = analyser_finding(a, 0);
		assert_int_equal(f->class, FINDING_CLASS_OOPS);
		assert_string_equal(f->title, "NULL pointer dereference in crashme_null [crashme]");
		assert_string_equal(f->fingerprint, "oops:crashme_null:crashme_write:vfs_write");
		assert_string_equal(f->function, "crashme_null");
		assert_string_equal(f->module, "crashme");
		assert_int_equal(f->first_line, 2);
		assert_int_equal(f->last_line, 18);
		assert_int_equal(f->time_us, 12345678);
		assert_int_equal(f->pid, 77);
		assert_true(f->is_complete);
		analyser_free(a);
	}
}

/* Feeds the same log as records of kmsg. */
static void feed_kmsg(struct analyser *a, const char *text, uint64_t now_ms)
{
	uint64_t seq = 0;

	for (const char *p = text; *p; p = strchr(p, '\n') + 1) {
		unsigned sec, us;
		char line[512];

		assert_int_equal(sscanf(p, "[ %u.%u] %500[^\r\n]", &sec, &us, line), 3);
		analyser_kmsg(a, seq++, 3, sec * 1000000ull + us, line, now_ms);
	}
}

static void test_two_channels_one_finding(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		struct analyser *a = analyser_new(NULL);

		if (order)
			feed_kmsg(a, null_deref, 5);
		analyser_console(a, null_deref, sizeof(null_deref) - 1, 10);
		if (!order)
			feed_kmsg(a, null_deref, 20);
		analyser_finish(a, 30);
		assert_int_equal(analyser_n_findings(a), 1);
		assert_int_equal(analyser_finding(a, 0)->count, 1);
		analyser_free(a);
	}
}

#define FIRST_HALF_LINES 8

/* The console was cut off in the middle (a lost machine), kmsg has all: the fuller copy is kept, as one finding. */
static void test_fuller_copy_is_kept(void **state)
{
	struct analyser *a = analyser_new(NULL);
	const char *cut = null_deref;

	(void)state;
	for (int i = 0; i < FIRST_HALF_LINES; i++)
		cut = strchr(cut, '\n') + 1;
	analyser_console(a, null_deref, (size_t)(cut - null_deref), 10);
	assert_int_equal(analyser_n_findings(a), 1);
	assert_non_null(analyser_crash(a)); /* at once, not at the end of the report */
	feed_kmsg(a, null_deref, 20);
	analyser_finish(a, 30);
	assert_int_equal(analyser_n_findings(a), 1);
	assert_string_equal(analyser_finding(a, 0)->fingerprint, "oops:crashme_null:crashme_write:vfs_write");
	assert_int_equal(analyser_finding(a, 0)->id, 1);
	analyser_free(a);
}

static void test_replayed_log_is_not_counted(void **state)
{
	struct analyser *a = analyser_new(NULL);

	(void)state;
	analyser_console(a, null_deref, sizeof(null_deref) - 1, 10);
	analyser_console(a, null_deref, sizeof(null_deref) - 1, 11); /* panic_print */
	analyser_finish(a, 30);
	assert_int_equal(analyser_n_findings(a), 1);
	assert_int_equal(analyser_finding(a, 0)->count, 1);
	analyser_free(a);
}

static void feed_text(struct analyser *a, const char *text, uint64_t now_ms)
{
	analyser_console(a, text, strlen(text), now_ms);
}

static void feed_warning(struct analyser *a, unsigned n, const char *function)
{
	struct str s = STR_INIT;

	str_addf(&s,
		 "[%5u.000000] WARNING: CPU: 0 PID: %u at fs/foo.c:%u %s+0x1/0x2\n[%5u.000001] Call "
		 "Trace:\n[%5u.000002]  %s+0x1/0x2\n"
		 "[%5u.000003] ---[ end trace 0000000000000000 ]---\n",
		 n, n, n, function, n, n, function, n);
	feed_text(a, str_cstr(&s), n);
	str_clear(&s);
}

static void test_a_flood_is_one_finding(void **state)
{
	struct analyser *a = analyser_new(NULL);

	(void)state;
	for (unsigned i = 1; i <= 5000; i++)
		feed_warning(a, i, "noisy");
	analyser_finish(a, 5001);
	assert_int_equal(analyser_n_findings(a), 1);
	assert_int_equal(analyser_finding(a, 0)->count, 5000);
	analyser_free(a);
}

/* However many different warnings came before, a crash finds room. */
static void test_a_crash_finds_room(void **state)
{
	const struct analyser_options opt = { .max_findings = 4 };
	struct analyser *a = analyser_new(&opt);
	char name[32];

	(void)state;
	for (unsigned i = 1; i <= 20; i++) {
		snprintf(name, sizeof(name), "noisy_%c", 'a' + (char)i);
		feed_warning(a, i, name);
	}
	assert_int_equal(analyser_n_findings(a), 4);
	assert_int_equal(analyser_n_dropped(a), 16);
	feed_text(a, "[   30.000000] general protection fault: 0000 [#1] SMP\n", 30);
	assert_non_null(analyser_crash(a));
	assert_int_equal(analyser_finding(a, 3)->class, FINDING_CLASS_OOPS);
	analyser_finish(a, 31);
	analyser_free(a);
}

/* Any number of tolerated reports, and one that is not. */
static void test_what_is_allowed_takes_no_room(void **state)
{
	static const char *const allow[] = { "BUG: KASAN: use-after-free in noisy_*", NULL };
	const struct analyser_options opt = { .max_findings = 4, .allow = allow };
	struct analyser *a = analyser_new(&opt);
	char text[200];

	(void)state;
	for (unsigned i = 1; i <= 20; i++) {
		snprintf(text, sizeof(text), "[   %02u.000000] BUG: KASAN: use-after-free in noisy_%c+0x1/0x2\n[   %02u.000001] ======\n",
			 i, 'a' + (char)i, i);
		feed_text(a, text, i);
	}
	assert_null(analyser_crash(a));
	feed_text(a, "[   30.000000] BUG: KASAN: use-after-free in culprit+0x1/0x2\n", 30);
	assert_non_null(analyser_crash(a));
	analyser_finish(a, 31);
	assert_string_equal(analyser_crash(a)->function, "culprit");
	analyser_free(a);
}

/* The first line is a notice, for which there is no room. The second says that it was the kernel. */
static void test_a_notice_that_becomes_a_crash_finds_room(void **state)
{
	const struct analyser_options opt = { .max_findings = 2 };
	struct analyser *a = analyser_new(&opt);

	(void)state;
	feed_warning(a, 1, "noisy_a");
	feed_warning(a, 2, "noisy_b");
	feed_text(a, "[   30.000000] Unhandled fault: alignment exception (0x001) at 0xc0000001\n"
		     "[   30.000001] Internal error: : 1 [#1] SMP ARM\n[   30.000002] PC is at culprit+0x1/0x2\n", 30);
	analyser_finish(a, 31);
	assert_non_null(analyser_crash(a));
	assert_string_equal(analyser_crash(a)->function, "culprit");
	assert_int_equal(analyser_n_dropped(a), 0);
	analyser_free(a);
}

/* The console lost the line that matters, and kmsg has it. */
static void test_the_worse_copy_counts(void **state)
{
	static const char whole[] = "[   30.000000] Unhandled fault: alignment exception (0x001) at 0xc0000001\n"
				    "[   30.000001] Internal error: : 1 [#1] SMP ARM\n[   30.000002] PC is at culprit+0x1/0x2\n";
	struct analyser *a = analyser_new(NULL);

	(void)state;
	feed_text(a, "[   30.000000] Unhandled fault: alignment exception (0x001) at 0xc0000001\n"
		     "[   30.000002] PC is at culprit+0x1/0x2\n", 30);
	assert_null(analyser_crash(a));
	feed_kmsg(a, whole, 31);
	analyser_finish(a, 32);
	assert_int_equal(analyser_n_findings(a), 1);
	assert_non_null(analyser_crash(a));
	analyser_free(a);
}

static void test_consequences_have_a_cause(void **state)
{
	struct analyser *a = analyser_new(NULL);
	const struct finding *panic;

	(void)state;
	feed_text(a, null_deref, 1);
	feed_text(
	    a,
	    "[   12.400000] Kernel panic - not syncing: Fatal exception\r\n[   12.400001] Kernel Offset: disabled\r\n",
	    2);
	assert_false(analyser_panic_is_over(a));
	feed_text(a, "[   12.400002] ---[ end Kernel panic - not syncing: Fatal exception ]---\r\n", 3);
	assert_true(analyser_panic_is_over(a));
	analyser_finish(a, 4);
	assert_int_equal(analyser_n_findings(a), 2);
	panic = analyser_finding(a, 1);
	assert_int_equal(panic->class, FINDING_CLASS_PANIC);
	assert_true(panic->is_secondary);
	assert_int_equal(panic->cause_id, analyser_finding(a, 0)->id);
	analyser_free(a);
}

static void test_silence_ends_a_report(void **state)
{
	struct analyser *a = analyser_new(NULL);

	(void)state;
	assert_int_equal(analyser_tick(a, 0), -1);
	feed_text(a, "[    1.000000] Kernel panic - not syncing: enough\n[    1.000001] CPU: 0 PID: 1 Comm: a\n", 1000);
	assert_false(analyser_finding(a, 0)->is_complete);
	assert_int_equal(analyser_tick(a, 1500), 1500);
	assert_false(analyser_panic_is_over(a));
	assert_int_equal(analyser_tick(a, 3000), -1);
	assert_true(analyser_finding(a, 0)->is_complete);
	assert_true(analyser_panic_is_over(a));
	analyser_free(a);
}

#define STACK(n) "[    " n "] CPU: 0 PID: 28 Comm: sh\n[    " n "] Call Trace:\n[    " n "]  culprit+0x5/0x20\n[    " n "]  caller+0x5/0x20\n"
#define RULE(n)	 "[    " n "] ==================================================================\n"

/* The same functions, but what one of them says weighs more, or is not tolerated. */
static void test_equal_stacks_are_not_equal_findings(void **state)
{
	static const char *const allow[] = { "*tolerated*", NULL };
	const struct analyser_options opt = { .allow = allow };
	struct analyser *a = analyser_new(NULL);

	(void)state;
	feed_text(a, RULE("1.000000") "[    1.000000] UBSAN: array-index-out-of-bounds in a.c:170:26\n" STACK("1.000000") RULE("1.000000"), 1);
	feed_text(a, RULE("1.000001") "[    1.000001] BUG: KASAN: stack-out-of-bounds in culprit+0x5/0x20\n" STACK("1.000001") RULE("1.000001"), 1);
	analyser_finish(a, 2);
	assert_int_equal(analyser_n_findings(a), 2);
	assert_non_null(analyser_crash(a));
	assert_string_equal(analyser_crash(a)->title, "BUG: KASAN: stack-out-of-bounds in culprit");
	analyser_free(a);

	a = analyser_new(&opt);
	feed_text(a,
		  "[    1.000000] ------------[ cut here ]------------\n[    1.000000] this is tolerated\n"
		  "[    1.000000] WARNING: CPU: 0 PID: 1 at a.c:1 culprit+0x1/0x2\n[    1.000000] ---[ end trace 0 ]---\n"
		  "[    2.000000] ------------[ cut here ]------------\n[    2.000000] this is not\n"
		  "[    2.000000] WARNING: CPU: 0 PID: 1 at a.c:2 culprit+0x2/0x2\n[    2.000000] ---[ end trace 0 ]---\n",
		  1);
	analyser_finish(a, 3);
	assert_int_equal(analyser_n_findings(a), 2);
	assert_non_null(analyser_worst(a, FINDING_WARN));
	analyser_free(a);
}

#define HUNG "[  100.000000] INFO: task txg_sync:12 blocked for more than 10 seconds.\n"

static void test_hang_since(void **state)
{
	struct analyser *a = analyser_new(NULL);
	uint64_t since = 0;

	(void)state;
	assert_false(analyser_hang_since(a, &since));
	feed_text(a, HUNG, 5000);
	assert_true(analyser_hang_since(a, &since));
	assert_int_equal(since, 5000);
	analyser_agent(a, ANALYSER_AGENT_PROGRESS, 6000);
	assert_false(analyser_hang_since(a, &since));
	analyser_free(a);

	/* Of a suspended pool it is what is to be expected. */
	a = analyser_new(NULL);
	feed_text(a,
		  "[   90.000000] WARNING: Pool 'tank' has encountered an uncorrectable I/O failure and has been "
		  "suspended.\n" HUNG,
		  5000);
	assert_false(analyser_hang_since(a, &since));
	assert_int_equal(analyser_n_findings(a), 2);
	assert_true(analyser_finding(a, 1)->is_secondary);
	analyser_free(a);
}

static void test_counters(void **state)
{
	struct analyser *a = analyser_new(NULL);

	(void)state;
	analyser_counter(a, false, "oops_count", 0, 1);
	analyser_counter(a, false, "tainted", 4097, 1); /* P and O: ZFS is loaded */
	analyser_counter(a, true, "oops_count", 0, 2);
	analyser_counter(a, true, "tainted", 4097, 2);
	analyser_finish(a, 3);
	assert_int_equal(analyser_n_findings(a), 0);
	analyser_free(a);

	a = analyser_new(NULL);
	analyser_counter(a, false, "oops_count", 0, 1);
	analyser_counter(a, true, "oops_count", 1, 2);
	analyser_finish(a, 3);
	assert_int_equal(analyser_n_findings(a), 1);
	assert_int_equal(analyser_finding(a, 0)->severity, FINDING_CRASH);
	assert_int_equal(analyser_finding(a, 0)->source, FINDING_FROM_AGENT);
	analyser_free(a);

	/* What the log explains is not told twice. */
	a = analyser_new(NULL);
	analyser_counter(a, false, "tainted", 4097, 1);
	feed_text(a, null_deref, 1);
	analyser_counter(a, true, "tainted", 4097 | 1 << 7 | 1 << 9, 2);
	analyser_finish(a, 3);
	assert_int_equal(analyser_n_findings(a), 1);
	analyser_free(a);
}

static void test_vmm_events(void **state)
{
	struct analyser *a = analyser_new(NULL);

	(void)state;
	analyser_vmm(a, VMM_EVENT_PANICKED, NULL, 1);
	analyser_finish(a, 2);
	assert_non_null(analyser_crash(a));
	analyser_free(a);

	a = analyser_new(NULL); /* the console tells it, too */
	analyser_vmm(a, VMM_EVENT_PANICKED, NULL, 1);
	feed_text(a, "[    1.000000] Kernel panic - not syncing: enough\n", 2);
	analyser_finish(a, 3);
	assert_int_equal(analyser_n_findings(a), 1);
	analyser_free(a);

	a = analyser_new(NULL); /* a triple fault */
	analyser_vmm(a, VMM_EVENT_RESET, NULL, 1);
	assert_non_null(analyser_crash(a));
	analyser_free(a);

	a = analyser_new(NULL);
	feed_text(a, "[    1.000000] reboot: Restarting system\n", 1);
	analyser_vmm(a, VMM_EVENT_RESET, NULL, 2);
	assert_null(analyser_crash(a));
	analyser_free(a);
}

#define BANNER "[    0.000000] Linux version 6.1.0 (a@b) #1 SMP\n"

static void test_reboot(void **state)
{
	struct analyser *a = analyser_new(NULL);

	(void)state;
	feed_text(a, BANNER "[    9.000000] working\n" BANNER, 1);
	analyser_finish(a, 2);
	assert_int_equal(analyser_n_findings(a), 1);
	assert_string_equal(analyser_finding(a, 0)->title, "unexpected reboot");
	analyser_free(a);

	a = analyser_new(NULL); /* several boots in one log are in order when each ended in order */
	feed_text(a, BANNER "[    9.000000] reboot: Restarting system\n" BANNER "[    9.000000] reboot: Power down\n",
		  1);
	analyser_finish(a, 2);
	assert_int_equal(analyser_n_findings(a), 0);
	analyser_free(a);
}

/* In a kernel's log only the kernel is believed. */
static void test_a_program_accuses_nobody(void **state)
{
	struct analyser *a = analyser_new(NULL);

	(void)state;
	for (int i = 0; i < 5; i++)
		feed_text(a, "[    1.000000] quiet\n", 1);
	feed_text(a,
		  "BUG: this is my own text\nKernel panic - not syncing: in a test's output\n# grep 'Kernel panic' "
		  "log\nWARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2\n",
		  2);
	analyser_finish(a, 3);
	assert_int_equal(analyser_n_findings(a), 0);
	analyser_free(a);
}

/* In a quiz machine even before the kernel has said anything (a clone's console is quiet). */
static void test_only_stamped(void **state)
{
	const struct analyser_options opt = { .only_stamped = true };
	struct analyser *a = analyser_new(&opt);

	(void)state;
	feed_text(a, "Kernel panic - not syncing: in a test's output\n", 1);
	assert_int_equal(analyser_n_findings(a), 0);
	feed_text(a, "[    3.000000] Kernel panic - not syncing: in earnest\n", 2);
	assert_int_equal(analyser_n_findings(a), 1);
	analyser_finish(a, 3);
	analyser_free(a);
}

/* CONFIG_PRINTK_CALLER: two reports, line by line in each other. */
static void test_interleaved_callers(void **state)
{
	static const char log[] =
	    "[    1.000000][  T100] WARNING: CPU: 0 PID: 100 at fs/a.c:1 first+0x1/0x2\n"
	    "[    1.000000][  T200] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
	    "[    1.000001][  T100] Call Trace:\n"
	    "[    1.000001][  T200] Oops: 0000 [#1] SMP\n"
	    "[    1.000002][  T200] RIP: 0010:second+0x1/0x2\n"
	    "[    1.000002][  T100]  first+0x1/0x2\n"
	    "[    1.000003][  T200] Call Trace:\n"
	    "[    1.000003][  T100]  caller_of_first+0x1/0x2\n"
	    "[    1.000004][  T200]  caller_of_second+0x1/0x2\n"
	    "[    1.000004][  T100] ---[ end trace 0000000000000000 ]---\n"
	    "[    1.000005][  T200] ---[ end trace 0000000000000000 ]---\n";
	struct analyser *a = read_log(log, 5);

	(void)state;
	assert_int_equal(analyser_n_findings(a), 2);
	assert_string_equal(analyser_finding(a, 0)->fingerprint, "warn:first:caller_of_first");
	assert_string_equal(analyser_finding(a, 0)->caller, "T100");
	assert_string_equal(analyser_finding(a, 1)->fingerprint, "oops:second:caller_of_second");
	analyser_free(a);
}

/* The same from a kernel that does not say who speaks: what was tolerated of one CPU does not hide the other's. */
static void test_interleaved_without_callers(void **state)
{
	static const char log[] = "[    1.000000] WARNING: CPU: 0 PID: 100 at fs/a.c:1 first+0x1/0x2\n"
				  "[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
				  "[    1.000001] CPU: 0 PID: 100 Comm: a Not tainted 6.1.0 #1\n"
				  "[    1.000001] Oops: 0000 [#1] SMP\n"
				  "[    1.000001] RIP: 0010:first+0x1/0x2\n"
				  "[    1.000002] RIP: 0010:second+0x1/0x2\n"
				  "[    1.000003] Call Trace:\n";
	static const char *const allow[] = { "WARNING at fs/a.c:1 in first", NULL };
	const struct analyser_options opt = { .allow = allow };
	struct analyser *a = analyser_new(&opt);

	(void)state;
	feed_text(a, log, 1);
	assert_non_null(analyser_crash(a)); /* at once */
	analyser_finish(a, 2);
	assert_int_equal(analyser_n_findings(a), 2);
	assert_true(analyser_finding(a, 0)->is_allowed);
	assert_int_equal(analyser_crash(a)->class, FINDING_CLASS_OOPS);
	analyser_free(a);
}

/* A line that is a finding by itself, while as many reports are open as there may be. */
static void test_a_single_line_among_reports(void **state)
{
	struct analyser *a = analyser_new(NULL);
	char text[200];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "[    1.00000%u][  T10%u] WARNING: CPU: 0 PID: 10%u at fs/a.c:%u f%c+0x1/0x2\n", i, i, i, i + 1,
			 'a' + (char)i);
		feed_text(a, text, 1);
	}
	feed_text(a, "[    1.000009][  T200] kmem leaked 4242 bytes\n", 1);
	analyser_finish(a, 2);
	assert_int_equal(analyser_n_findings(a), 5);
	analyser_free(a);
}

/* A log that begins and ends in the middle of lines. */
static void test_cut_log(void **state)
{
	struct analyser *a;

	(void)state;
	a = read_log("45678] BUG: kernel NULL pointer dereference, address: 0000000000000010\n[   12.345682] RIP: "
		     "0010:culprit+0x1",
		     9);
	assert_int_equal(analyser_n_findings(a), 1);
	assert_true(analyser_finding(a, 0)->is_complete);
	analyser_free(a);
	a = read_log("[    1.000000] x\n[    2.000000] Kernel panic - not syncing: no newline", 9);
	assert_int_equal(analyser_n_findings(a), 1);
	analyser_free(a);
}

static void test_source_lines_say_the_place(void **state)
{
	static const char text[] = "RIP: 0010:crashme_null+0x12/0x20 [crashme]  (inner at a.h:3, in crashme_null at "
				   "crashme.c:44) | *p = 1; // x.c:1\n";
	struct analyser *a = read_log(null_deref, 100);
	const struct finding *f = analyser_finding(a, 0);
	size_t context = f->context_bytes;

	(void)state;
	assert_string_equal(f->file, "");
	analyser_set_report(a, f->id, text, sizeof(text) - 1);
	assert_string_equal(f->file, "a.h");
	assert_int_equal(f->line, 3);
	assert_int_equal(f->context_bytes, context);
	assert_string_equal(f->excerpt.p + context, text);
	analyser_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oops),
		cmocka_unit_test(test_two_channels_one_finding),
		cmocka_unit_test(test_fuller_copy_is_kept),
		cmocka_unit_test(test_replayed_log_is_not_counted),
		cmocka_unit_test(test_a_flood_is_one_finding),
		cmocka_unit_test(test_a_crash_finds_room),
		cmocka_unit_test(test_what_is_allowed_takes_no_room),
		cmocka_unit_test(test_a_notice_that_becomes_a_crash_finds_room),
		cmocka_unit_test(test_the_worse_copy_counts),
		cmocka_unit_test(test_consequences_have_a_cause),
		cmocka_unit_test(test_silence_ends_a_report),
		cmocka_unit_test(test_equal_stacks_are_not_equal_findings),
		cmocka_unit_test(test_hang_since),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_vmm_events),
		cmocka_unit_test(test_reboot),
		cmocka_unit_test(test_a_program_accuses_nobody),
		cmocka_unit_test(test_only_stamped),
		cmocka_unit_test(test_interleaved_callers),
		cmocka_unit_test(test_interleaved_without_callers),
		cmocka_unit_test(test_a_single_line_among_reports),
		cmocka_unit_test(test_cut_log),
		cmocka_unit_test(test_source_lines_say_the_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
