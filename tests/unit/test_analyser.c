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

static const char null_deref[] =
	"[   12.000001] crashme: loading\r\n"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oops),
		cmocka_unit_test(test_two_channels_one_finding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
