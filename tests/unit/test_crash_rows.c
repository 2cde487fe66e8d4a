/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The tables by which logs are read: every row of crash_patterns can be hit, every first line that other tools look for
 * has its row, lines that only look like one have none, and the words are in the order that their search needs.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "run/analyser_words.h"
#include "run/crash_patterns.h"

static void test_no_row_hides_another(void **state)
{
	struct crash_index ix;
	int n_bad = 0;

	(void)state;
	crash_index_init(&ix);
	for (size_t i = 0; i < n_crash_patterns; i++) {
		const struct crash_pattern *row = &crash_patterns[i], *got;
		struct str line = STR_INIT;

		str_addf(&line, "%s%s%s", row->prefix, row->contains ? "x" : " x", row->contains ? row->contains : "");
		got = crash_index_find(&ix, str_cstr(&line), line.len);
		if (got != (row->flags & CRASH_HARMLESS ? NULL : row))
			n_bad++, print_error("row \"%s\"...\"%s\" is never reached: \"%s\" takes its lines\n", row->prefix,
					     row->contains ? row->contains : "", got ? got->prefix : "nothing");
		str_clear(&line);
	}
	assert_int_equal(n_bad, 0);
}

#define NONE FINDING_N_CLASSES

/* First lines after their log prefix, by kind: what is looked for by syzkaller, ktest, kdevops and NIPA, and OpenZFS's own. */
static const struct {
	enum finding_class class;
	const char *line;
} lines[] = {
	/* fatal */
	{ FINDING_CLASS_PANIC, "Kernel panic - not syncing: whatever" },
	{ FINDING_CLASS_PANIC, "---[ end Kernel panic - not syncing: whatever ]---" },
	{ FINDING_CLASS_PANIC, "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b" },
	{ FINDING_CLASS_BOOT_FAILURE, "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)" },
	{ FINDING_CLASS_BOOT_FAILURE, "Kernel panic - not syncing: No working init found.  Try passing init= option to kernel." },
	{ FINDING_CLASS_BOOT_FAILURE, "Requested init /sbin/init failed (error -2)." },
	{ FINDING_CLASS_PANIC, "Kernel panic - not syncing: Fatal exception" },
	{ FINDING_CLASS_PANIC, "Kernel panic - not syncing: kernel: panic_on_warn set ..." },
	{ FINDING_CLASS_PANIC, "Kernel panic - not syncing: hung_task: blocked tasks" },
	{ FINDING_CLASS_PANIC, "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: f+0x1/0x2" },
	{ FINDING_CLASS_PANIC, "Kernel panic - not syncing: corrupted stack end detected inside scheduler" },
	{ FINDING_CLASS_PANIC, "Kernel panic - not syncing: kernel stack overflow" },
	{ FINDING_CLASS_PANIC, "PANIC: double fault, error_code: 0x0" },
	/* oops */
	{ FINDING_CLASS_OOPS, "BUG: kernel NULL pointer dereference, address: 0000000000000010" },
	{ FINDING_CLASS_OOPS, "BUG: unable to handle page fault for address: ffffed1000000000" },
	{ FINDING_CLASS_OOPS, "BUG: unable to handle kernel paging request at ffffed1000000000" },
	{ FINDING_CLASS_OOPS, "BUG: Unable to handle kernel data access on write at 0x00000010" },
	{ FINDING_CLASS_OOPS, "BUG: Kernel NULL pointer dereference on read at 0x00000010" },
	{ FINDING_CLASS_OOPS, "Unable to handle kernel paging request at virtual address 0000000000000010" },
	{ FINDING_CLASS_OOPS, "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010" },
	{ FINDING_CLASS_OOPS, "Unable to handle kernel access to user memory outside uaccess routines at virtual address 10" },
	{ FINDING_CLASS_OOPS, "Unable to handle kernel pointer dereference in virtual kernel address space" },
	{ FINDING_CLASS_OOPS, "CPU 1 Unable to handle kernel paging request at virtual address 0000000000000010, era == 9000" },
	{ FINDING_CLASS_OOPS, "Internal error: Oops: 0000000096000044 [#1] SMP" },
	{ FINDING_CLASS_OOPS, "Internal error: Oops - undefined instruction: 0 [#1] SMP ARM" },
	{ FINDING_CLASS_OOPS, "Oops: 0000 [#1] PREEMPT SMP" },
	{ FINDING_CLASS_OOPS, "Oops: Oops: 0000 [#1] SMP NOPTI" },
	{ FINDING_CLASS_OOPS, "Oops: general protection fault, probably for non-canonical address 0xdffffc0000000001: 0000 [#1] SMP" },
	{ FINDING_CLASS_OOPS, "Oops: Kernel access of bad area, sig: 11 [#1]" },
	{ FINDING_CLASS_OOPS, "Oops [#1]" },
	{ FINDING_CLASS_OOPS, "general protection fault, probably for non-canonical address 0xbadc0de: 0000 [#1] SMP" },
	{ FINDING_CLASS_OOPS, "stack segment: 0000 [#1] SMP" },
	{ FINDING_CLASS_OOPS, "divide error: 0000 [#1] SMP" },
	{ FINDING_CLASS_OOPS, "invalid opcode: 0000 [#1] SMP" },
	{ FINDING_CLASS_OOPS, "int3: 0000 [#1] SMP" },
	{ FINDING_CLASS_BUG, "kernel BUG at fs/foo.c:17!" },
	{ FINDING_CLASS_BUG, "Kernel BUG at culprit+0x10/0x20 [verbose debug info unavailable]" },
	{ FINDING_CLASS_BUG, "Kernel BUG [#1]" },
	{ FINDING_CLASS_OOPS, "Unhandled fault: external abort on non-linefetch (0x1028) at 0xb6f4d000" },
	{ FINDING_CLASS_OOPS, "Alignment trap: not handling instruction e1b32f9f at [<c0123456>]" },
	{ FINDING_CLASS_BUG, "rust_kernel: panicked at 'explicit panic', samples/rust/a.rs:1:2" },
	{ FINDING_CLASS_OOPS, "BUG: stack guard page was hit at 00000000abcd (stack is 00000000abce..00000000abcf)" },
	{ FINDING_CLASS_OOPS, "BUG: TASK stack guard page was hit at ffffc90000123ff8 (stack is ffffc90000124000..ffffc90000128000)" },
	{ FINDING_CLASS_BUG, "BUG: Bad page state in process sh  pfn:12345" },
	{ FINDING_CLASS_BUG, "BUG: Bad page cache in process sh  pfn:12345" },
	{ FINDING_CLASS_BUG, "BUG: Bad page map in process sh  pte:0 pmd:0" },
	{ FINDING_CLASS_BUG, "BUG: Bad rss-counter state mm:00000000abcd type:MM_ANONPAGES val:1" },
	{ FINDING_CLASS_BUG, "BUG: Dentry 00000000abcd{i=1,n=/}  still in use (1) [unmount of zfs tank]" },
	{ FINDING_CLASS_BUG, "VFS: Busy inodes after unmount of tank (zfs)" },
	{ FINDING_CLASS_BUG, "VFS: Close: file count is 0" },
	{ FINDING_CLASS_LEAK, "BUG zio_cache (Tainted: P           OE     ): Objects remaining in zio_cache on __kmem_cache_shutdown()" },
	{ FINDING_CLASS_BUG, "BUG kmalloc-64 (Not tainted): Object already free" },
	{ FINDING_CLASS_BUG, "BUG kmalloc-64 (Tainted: G           O     ): Right Redzone overwritten" },
	{ FINDING_CLASS_BUG, "BUG kmalloc-64 (Tainted: G           O     ): Poison overwritten" },
	{ FINDING_CLASS_BUG, "BUG kmalloc-64 (Tainted: G           O     ): Freepointer corrupt" },
	{ FINDING_CLASS_LEAK, "kmem_cache_destroy zio_cache: Slab cache still has objects when called from f+0x1/0x2 [spl]" },
	{ FINDING_CLASS_BUG, "list_add corruption. next->prev should be prev (ffff888), but was ffff999. (next=ffff888)." },
	{ FINDING_CLASS_BUG, "list_del corruption, ffff888->next is LIST_POISON1 (dead000000000100)" },
	{ FINDING_CLASS_BUG, "refcount_t: underflow; use-after-free." },
	{ FINDING_CLASS_BUG, "refcount_t: addition on 0; use-after-free." },
	{ FINDING_CLASS_BUG, "refcount_t: saturated; leaking memory." },
	/* sanitizers */
	{ FINDING_CLASS_SANITIZER, "BUG: KASAN: use-after-free in culprit+0x5c/0x70 [mod]" },
	{ FINDING_CLASS_SANITIZER, "BUG: KASAN: stack-out-of-bounds in culprit+0x5c/0x70 [mod]" },
	{ FINDING_CLASS_SANITIZER, "BUG: KASAN: vmalloc-out-of-bounds in culprit+0x5c/0x70 [mod]" },
	{ FINDING_CLASS_SANITIZER, "BUG: KMSAN: kernel-infoleak in culprit+0x17/0x39" },
	{ FINDING_CLASS_SANITIZER, "BUG: KCSAN: data-race in culprit / second" },
	{ FINDING_CLASS_SANITIZER, "BUG: KFENCE: memory corruption in culprit+0x17/0x39" },
	{ FINDING_CLASS_SANITIZER, "UBSAN: array-index-out-of-bounds in /b/mod.c:12:8" },
	{ FINDING_CLASS_LEAK, "BUG: memory leak" },
	{ FINDING_CLASS_LEAK, "unreferenced object 0xffff88810a2c8400 (size 1024):" },
	{ FINDING_CLASS_LEAK, "kmemleak: unreferenced object 0xffff88810a2c8400 (size 1024):" },
	{ FINDING_CLASS_LEAK, "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)" },
	{ FINDING_CLASS_WARN, "WARNING: CPU: 0 PID: 80 at lib/debugobjects.c:505 debug_print_object+0x16e/0x250" },
	/* WARN */
	{ FINDING_CLASS_WARN, "WARNING: CPU: 0 PID: 80 at fs/foo.c:12 culprit+0x5/0x10 [mod]" },
	{ FINDING_CLASS_WARN, "WARNING: fs/foo.c:12 at culprit+0x5/0x10 [mod], CPU#1: sh/80" },
	{ FINDING_CLASS_WARN, "WARNING: [a < b] fs/foo.c:12 at culprit+0x5/0x10 [mod], CPU#1: sh/80" },
	{ FINDING_CLASS_BUG, "Bad or missing usercopy whitelist? Kernel memory exposure attempt detected from SLUB object 'a'" },
	/* locking */
	{ FINDING_CLASS_LOCKING, "WARNING: possible circular locking dependency detected" },
	{ FINDING_CLASS_LOCKING, "INFO: possible circular locking dependency detected" },
	{ FINDING_CLASS_LOCKING, "WARNING: possible recursive locking detected" },
	{ FINDING_CLASS_LOCKING, "WARNING: possible irq lock inversion dependency detected" },
	{ FINDING_CLASS_LOCKING, "WARNING: inconsistent lock state" },
	{ FINDING_CLASS_LOCKING, "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected" },
	{ FINDING_CLASS_LOCKING, "INFO: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected" },
	{ FINDING_CLASS_LOCKING, "WARNING: bad unlock balance detected!" },
	{ FINDING_CLASS_LOCKING, "BUG: bad unlock balance detected!" },
	{ FINDING_CLASS_LOCKING, "WARNING: held lock freed!" },
	{ FINDING_CLASS_LOCKING, "WARNING: lock held when returning to user space!" },
	{ FINDING_CLASS_LOCKING, "BUG: lock held when returning to user space!" },
	{ FINDING_CLASS_LOCKING, "WARNING: Nested lock was not taken" },
	{ FINDING_CLASS_LOCKING, "WARNING: sh/80 still has locks held!" },
	{ FINDING_CLASS_RCU, "WARNING: suspicious RCU usage" },
	{ FINDING_CLASS_RCU, "INFO: suspicious RCU usage." },
	{ FINDING_CLASS_LOCKING, "BUG: Invalid wait context ]" },
	{ FINDING_CLASS_LOCKING, "[ BUG: Invalid wait context ]" },
	{ FINDING_CLASS_LOCKING, "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580" },
	{ FINDING_CLASS_LOCKING, "BUG: scheduling while atomic: sh/80/0x00000002" },
	{ FINDING_CLASS_LOCKING, "BUG: using smp_processor_id() in preemptible [00000000] code: sh/80" },
	{ FINDING_CLASS_LOCKING, "BUG: spinlock bad magic on CPU#0, sh/80" },
	{ FINDING_CLASS_LOCKING, "BUG: spinlock lockup suspected on CPU#0, sh/80" },
	{ FINDING_CLASS_LOCKING, "BUG: rwlock wrong CPU on CPU#0, sh/80, ffff" },
	{ FINDING_CLASS_INFO, "BUG: MAX_LOCKDEP_CHAINS too low!" },
	{ FINDING_CLASS_INFO, "BUG: MAX_LOCK_DEPTH too low!" },
	{ FINDING_CLASS_LOCKING, "INFO: trying to register non-static key." },
	{ FINDING_CLASS_INFO, "Disabling lock debugging due to kernel taint" },
	/* hangs and stalls */
	{ FINDING_CLASS_HANG, "INFO: task txg_sync:12 blocked for more than 122 seconds." },
	{ FINDING_CLASS_HANG, "INFO: task txg_sync:12 blocked in I/O wait for more than 122 seconds." },
	{ FINDING_CLASS_HANG, "INFO: task txg_sync:12 can't die for more than 122 seconds." },
	{ FINDING_CLASS_INFO, "INFO: task a:1 is blocked on a mutex likely owned by task b:2." },
	{ FINDING_CLASS_STALL, "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [sh:80]" },
	{ FINDING_CLASS_STALL, "Watchdog detected hard LOCKUP on cpu 3" },
	{ FINDING_CLASS_STALL, "watchdog: Watchdog detected hard LOCKUP on cpu 3" },
	{ FINDING_CLASS_STALL, "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:" },
	{ FINDING_CLASS_STALL, "rcu: INFO: rcu_preempt self-detected stall on CPU" },
	{ FINDING_CLASS_STALL, "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-.... } 21 jiffies s: 57 root: 0x2/." },
	{ FINDING_CLASS_STALL, "BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 32s!" },
	{ FINDING_CLASS_INFO, "spl: Kicked taskq z_wr_iss/0" },
	/* OpenZFS */
	{ FINDING_CLASS_ZFS_PANIC, "PANIC at dmu.c:1234:dmu_read()" },
	{ FINDING_CLASS_ZFS_PANIC, "VERIFY(a != b) failed " },
	{ FINDING_CLASS_ZFS_PANIC, "VERIFY(a != b) failed because of this" },
	{ FINDING_CLASS_ZFS_PANIC, "VERIFY3B(a, ==, b) failed (0 == 1) " },
	{ FINDING_CLASS_ZFS_PANIC, "VERIFY3S(a, ==, b) failed (0 == 1) " },
	{ FINDING_CLASS_ZFS_PANIC, "VERIFY3U(a, ==, b) failed (0 == 1) " },
	{ FINDING_CLASS_ZFS_PANIC, "VERIFY3P(a, ==, b) failed (0000000000000000 == 0000000000000001) " },
	{ FINDING_CLASS_ZFS_PANIC, "VERIFY0(dmu_read()) failed (5) " },
	{ FINDING_CLASS_ZFS_PANIC, "VERIFY0P(p) failed (00000000abcd) " },
	{ FINDING_CLASS_ZFS_PANIC, "(a > 0) implies (b > 0)PANIC at spa.c:77:spa_load()" },
	{ FINDING_CLASS_ZFS_PANIC, "PANIC: zfs: adding existent segment to range tree (offset=1 size=2)" },
	{ FINDING_CLASS_ZFS_PANIC, "PANIC: Pool 'tank' has encountered an uncorrectable I/O failure and the failure mode property for this pool is set to panic." },
	{ FINDING_CLASS_ZFS_SUSPEND, "WARNING: Pool 'tank' has encountered an uncorrectable I/O failure and has been suspended." },
	{ FINDING_CLASS_INFO, "WARNING: Pool 'tank' was suspended and is being resumed. Failed I/O will be retried." },
	{ FINDING_CLASS_LEAK, "kmem leaked 1024/4096 bytes" },
	{ FINDING_CLASS_INFO, "zio pool=tank vdev=/dev/vdb1 error=5 type=1 offset=270336 size=8192 flags=721601" },
	{ FINDING_CLASS_MODULE_MISMATCH, "zfs: disagrees about version of symbol module_layout" },
	{ FINDING_CLASS_MODULE_MISMATCH, "zfs: Unknown symbol spl_panic (err -2)" },
	{ FINDING_CLASS_MODULE_MISMATCH, "spl: version magic '6.1.0 SMP mod_unload ' should be '6.1.1 SMP mod_unload '" },
	{ FINDING_CLASS_MODULE_MISMATCH, "zfs: exports duplicate symbol spl_panic (owned by spl)" },
	/* others that are worth knowing */
	{ FINDING_CLASS_OOM, "Out of memory: Killed process 99 (tail) total-vm:1kB, anon-rss:1kB" },
	{ FINDING_CLASS_OOM, "Memory cgroup out of memory: Killed process 99 (tail) total-vm:1kB" },
	{ FINDING_CLASS_INFO, "sh: page allocation failure: order:4, mode:0xdc0(GFP_KERNEL|__GFP_ZERO), nodemask=(null)" },
	{ FINDING_CLASS_INFO, "a[80]: segfault at 10 ip 0000556 sp 00007ff error 4 in a[556+1000]" },
	{ FINDING_CLASS_INFO, "traps: a[80] trap divide error ip:401136 sp:7ffe error:0 in a[401000+1000]" },
	{ FINDING_CLASS_INFO, "EXT4-fs error (device vda): ext4_find_entry:1455: inode #2: comm sh: reading directory lblock 0" },
	{ FINDING_CLASS_INFO, "I/O error, dev vda, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2" },
	{ FINDING_CLASS_INFO, "blk_update_request: I/O error, dev vda, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0" },
	{ FINDING_CLASS_INFO, "clocksource: timekeeping watchdog on CPU0: Marking clocksource 'tsc' as unstable because the skew is too large:" },

	/* what only looks like one */
	{ NONE, "DEBUG BUILD" },
	{ NONE, "ODEBUG: 1 of 2 active objects replaced" },
	{ NONE, "ODEBUG: free active (active state 0) object type: timer_list hint: f+0x0/0x1" }, /* under the WARNING that counts */
	{ NONE, "Boot_DEBUG: all well" },
	{ NONE, "INFO: lockdep is turned off." },
	{ NONE, "INFO: Stall ended before state dump start" },
	{ NONE, "rcu: INFO: Stall ended before state dump start" },
	{ NONE, "INFO: NMI handler (perf_event_nmi_handler) took too long to run: 1.2 msecs" },
	{ NONE, "EXT4-fs (vda): INFO: recovery required on readonly filesystem" },
	{ NONE, "INFO: recovery required on readonly filesystem" },
	{ NONE, "WARNING: Pool 'tank' has encountered an uncorrectable error in a test" },
	{ NONE, "WARNING: ignoring tunable zfs_arc_max (using 123 instead)" },
	{ NONE, "NOTICE: zfs_nocacheflush is set" },
	{ NONE, "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via Spectre v2 BHB attacks!" },
	{ NONE, "RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data leaks possible!" },
	{ NONE, "Speculative Return Stack Overflow: WARNING: See https://kernel.org/doc/html/latest/admin-guide/hw-vuln/srso.html for mitigation options." },
	{ NONE, "MDS CPU bug present and SMT on, data leak possible. See https://www.kernel.org/doc/html/latest/admin-guide/hw-vuln/mds.html for more details." },
	{ NONE, "EXT4-fs (vda): warning: mounting unchecked fs, running e2fsck is recommended" },
	{ NONE, "XFS (vda): WARNING: Reset corrupted AGFL on AG 0. 4 blocks leaked. Please unmount and run xfs_repair." },
	{ NONE, "fbcon: WARNING: probably not what you want" },
	{ NONE, "warning: `foo' uses deprecated v2 capabilities in a way that may be insecure" },
	{ NONE, "Command line: console=ttyS0 oops=panic panic=-1" },
	{ NONE, "Kernel command line: oops=panic panic_on_warn=1" },
	{ NONE, "# grep -c 'Kernel panic' log" },
	{ NONE, "Call Trace:" }, /* sysrq t, w and l were asked for, and so was zfs's dump_stack */
	{ NONE, "Showing stack for process 80" },
	{ NONE, "zfs: module license 'CDDL' taints kernel." },
	{ NONE, "zfs: module verification failed: signature and/or required key missing - tainting kernel" },
	{ NONE, "ZFS: Loaded module v2.4.0-1, ZFS pool version 5000, ZFS filesystem version 5" },
	{ NONE, "ZTS run /usr/share/zfs/zfs-tests/tests/functional/cli_root/zpool_add/zpool_add_001_pos" },
	{ NONE, "random: crng init done" },
	{ NONE, "tsc: Marking TSC unstable due to TSCs unsynchronized" }, /* every emulated machine, when it boots */
	{ NONE, "FAULT_INJECTION: forcing a failure." },
	{ NONE, "Booting the kernel." }, /* a loader's; "Linux version" of the kernel itself is the second boot */
};

static void test_lines(void **state)
{
	struct crash_index ix;
	int n_bad = 0;

	(void)state;
	crash_index_init(&ix);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		const struct crash_pattern *row = crash_index_find(&ix, lines[i].line, strlen(lines[i].line));

		if ((row ? row->class : NONE) != lines[i].class)
			n_bad++, print_error("'%s': %s, not %s\n", lines[i].line, row ? finding_class_table[row->class].name : "none",
					     lines[i].class == NONE ? "none" : finding_class_table[lines[i].class].name);
	}
	assert_int_equal(n_bad, 0);
}

/* What the search in a table of words relies on. */
static void check_words(const struct words *w, bool have_stars)
{
	char last[64] = "";
	bool last_is_pattern = false;

	for (size_t i = 0; i < w->n; i++) {
		size_t n = strlen(w->v[i]);
		char word[64];

		assert_true(n > 0 && n < sizeof(word));
		memcpy(word, w->v[i], n + 1);
		if (have_stars && word[n - 1] == '*')
			word[n - 1] = '\0';
		if (strcmp(last, word) > 0 || (last_is_pattern && *last && strncmp(word, last, strlen(last)) == 0))
			fail_msg("'%s' after '%s'", w->v[i], w->v[i - 1]);
		last_is_pattern = !have_stars || w->v[i][n - 1] == '*';
		memcpy(last, word, sizeof(last));
	}
	for (size_t i = 0; i < w->n; i++) {
		struct str text = STR_INIT;

		if (have_stars) {
			bool is_pattern = strchr(w->v[i], '*');

			str_add_mem(&text, w->v[i], strcspn(w->v[i], "*"));
			if (!words_have(w, str_cstr(&text)))
				fail_msg("'%s' is not found", w->v[i]);
			str_add(&text, "~");
			assert_int_equal(words_have(w, str_cstr(&text)), is_pattern);
		} else {
			str_add(&text, w->v[i]);
			assert_true(words_begin(w, str_cstr(&text), text.len));
			assert_false(text.len > 1 && words_begin(w, str_cstr(&text), text.len - 1));
			str_add(&text, "x");
			assert_true(words_begin(w, str_cstr(&text), text.len));
		}
		str_clear(&text);
	}
}

static void test_words(void **state)
{
	(void)state;
	check_words(&words_boilerplate, true);
	check_words(&words_allocators, true);
	check_words(&words_body, false);
	assert_false(words_have(&words_boilerplate, "crashme_null"));
	assert_false(words_have(&words_boilerplate, "a"));
	assert_false(words_have(&words_boilerplate, "zzz"));
	assert_false(words_have(&words_boilerplate, ""));
	assert_false(words_begin(&words_body, "", 0));
	assert_false(words_begin(&words_body, "zzz", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_row_hides_another),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
