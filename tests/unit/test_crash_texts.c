/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Reports as kernels of several versions and architectures print them (the
 * formats are those of the files named in run/crash_patterns.c), and lines
 * that only look like one. What quiz's own machines printed is in
 * tests/data/console; here is what those machines can not be made to say.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "run/verdict.h"

#define NONE FINDING_N_CLASSES

struct text {
	const char *name;
	enum finding_class class; /* of the first finding; NONE: none at all */
	int strict_status;
	const char *title;	  /* of the first finding, or NULL */
	const char *fingerprint;  /* or NULL */
	const char *log;	  /* lines without prefix */
};

#define TRACE " <TASK>\n dump_stack_lvl+0x44/0x5c\n culprit+0x12/0x40 [mod]\n caller_one+0x99/0x100\n </TASK>\n"

/* RCU's own thread was not let run: its stack, and that of what has its CPU. */
#define STARVED "rcu: rcu_sched kthread starved for 693 jiffies! g-971 f0x0 RCU_GP_WAIT_FQS(5) ->state=0x0 ->cpu=0\n" \
	"rcu: \tUnless rcu_sched kthread gets sufficient CPU time, OOM is now expected behavior.\n" \
	"rcu: RCU grace-period kthread stack dump:\ntask:rcu_sched       state:R  running task     stack:0     pid:14    ppid:2\n" \
	"Call Trace:\n <TASK>\n __schedule+0x29b/0x660\n schedule+0x55/0xa0\n schedule_timeout+0x64/0xc0\n" \
	" rcu_gp_fqs_loop+0x108/0x470\n rcu_gp_kthread+0xb1/0x150\n kthread+0xb6/0xe0\n ret_from_fork+0x1f/0x30\n </TASK>\n"
#define LAST_RAN "rcu: Stack dump where RCU GP kthread last ran:\nSending NMI from CPU 1 to CPUs 0:\nNMI backtrace for cpu 0\n" \
	"CPU: 0 PID: 15 Comm: other Not tainted 6.1.192 #1\nRIP: 0010:neighbour+0x25/0x60\nCall Trace:\n <TASK>\n" \
	" its_caller+0xaf/0x100\n </TASK>\n"
#define SELF "rcu: INFO: rcu_sched self-detected stall on CPU\nrcu: \t1-...!: (552 ticks this GP) softirq=76/76 fqs=28\n\t(t=750 jiffies g=-971)\n"
#define SELF_TITLE "rcu: INFO: rcu_sched self-detected stall on CPU"

static const struct text texts[] = {
	{ "RCU stall, its thread was starved", FINDING_CLASS_STALL, 121, SELF_TITLE " in culprit [mod]", "stall:culprit:caller_one",
	  SELF STARVED LAST_RAN "CPU: 1 PID: 45 Comm: sh Not tainted 6.1.192 #1\nRIP: 0010:culprit+0x35/0x50 [mod]\nCall Trace:\n <TASK>\n"
	  " caller_one+0x15/0x1d [mod]\n </TASK>\n" },
	{ "RCU stall, the CPU of its thread idles", FINDING_CLASS_STALL, 121, SELF_TITLE " in culprit", "stall:culprit:caller_one",
	  SELF STARVED "rcu: Stack dump where RCU GP kthread last ran:\nSending NMI from CPU 1 to CPUs 0:\n"
	  "NMI backtrace for cpu 0 skipped: idling at default_idle+0xb/0x10\nCPU: 1 PID: 45 Comm: sh Not tainted 6.1.192 #1\n"
	  "RIP: 0010:culprit+0x35/0x50\nCall Trace:\n <TASK>\n caller_one+0x15/0x1d\n </TASK>\n" },
	{ "RCU stall, arm64 has no marks around stacks", FINDING_CLASS_STALL, 121, SELF_TITLE " in culprit", "stall:culprit:caller_one",
	  SELF "rcu: rcu_sched kthread starved for 6 jiffies!\nrcu: RCU grace-period kthread stack dump:\n"
	  "task:rcu_sched state:R stack:0 pid:14 ppid:2\nCall trace:\n __switch_to+0xb4/0xf0\n rcu_gp_fqs_loop+0x108/0x470\n"
	  "rcu: Stack dump where RCU GP kthread last ran:\nTask dump for CPU 0:\ntask:other state:R stack:0 pid:15 ppid:2\nCall trace:\n"
	  " neighbour+0x1/0x2\nCPU: 1 PID: 45 Comm: sh Not tainted 6.1.0 #1\npc : culprit+0x35/0x50\nlr : wrong_one+0x1/0x2\n"
	  "Call trace:\n culprit+0x35/0x50\n caller_one+0x15/0x1d\n" },
	{ "RCU stall, only who has the thread's CPU is known", FINDING_CLASS_STALL, 121, SELF_TITLE " in neighbour", "stall:neighbour",
	  SELF STARVED LAST_RAN },
	{ "RCU stall, nobody is known", FINDING_CLASS_STALL, 121, SELF_TITLE, "stall:rcu-info-rcu_sched-self-detected-stall-on-cpu",
	  SELF STARVED },
	{ "x86 jump to NULL", FINDING_CLASS_OOPS, 122, "jump to NULL in culprit [mod]", "oops:culprit:caller_one",
	  "BUG: kernel NULL pointer dereference, address: 0000000000000000\n#PF: supervisor instruction fetch in kernel mode\n"
	  "#PF: error_code(0x0010) - not-present page\nPGD 0 P4D 0 \nOops: 0010 [#1] PREEMPT SMP NOPTI\n"
	  "CPU: 0 PID: 92 Comm: a Not tainted 6.1.0 #1\nRIP: 0010:0x0\nCode: Unable to access opcode bytes at 0xffffffffffffffd6.\n"
	  "Call Trace:\n <TASK>\n culprit+0x1b/0x23 [mod]\n caller_one+0x56/0xa0\n </TASK>\n---[ end trace 0000000000000000 ]---\nRIP: 0010:0x0\n" },
	{ "arm64 jump to NULL", FINDING_CLASS_OOPS, 122, "jump to NULL in culprit", "oops:culprit:caller_one",
	  "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000\nInternal error: Oops: 0000000086000006 [#1] SMP\n"
	  "CPU: 0 PID: 92 Comm: init Not tainted 6.1.0 #1\npc : 0x0\nlr : culprit+0x20/0x30\nCall trace:\n 0x0\n caller_one+0x140/0x150\n"
	  "Code: bad PC value\n---[ end trace 0000000000000000 ]---\n" },
	{ "riscv jump to NULL", FINDING_CLASS_OOPS, 122, "jump to NULL in culprit [mod]", "oops:culprit",
	  "Unable to handle kernel access to user memory without uaccess routines at virtual address 0000000000000000\nOops [#1]\n"
	  "CPU: 0 UID: 0 PID: 114 Comm: sh Not tainted 6.12.0 #1\nepc : 0x0\n ra : culprit+0x1a/0x22 [mod]\n"
	  "epc : 0000000000000000 ra : ffffffff02446034 sp : ff2000000021bad0\nstatus: 0000000200000120 badaddr: 0 cause: 000000000000000c\n"
	  "---[ end trace 0000000000000000 ]---\n" },
	{ "riscv null pointer: ra is where it came from", FINDING_CLASS_OOPS, 122, "NULL pointer dereference in culprit [mod]", "oops:culprit:caller_one",
	  "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010\nOops [#1]\nepc : culprit+0x4/0x22 [mod]\n"
	  " ra : wrong_one+0x1a/0x22 [mod]\nepc : ffffffff02446000 ra : ffffffff02446034 sp : ff2000000021bad0\n"
	  "[<ffffffff02446000>] culprit+0x4/0x22 [mod]\n[<ffffffff02446034>] caller_one+0x1/0x2 [mod]\n---[ end trace 0000000000000000 ]---\n" },
	{ "powerpc jump to NULL", FINDING_CLASS_OOPS, 122, "jump to NULL in culprit [mod]", "oops:culprit:caller_one",
	  "BUG: Unable to handle kernel instruction fetch (NULL pointer?)\nFaulting instruction address: 0x00000000\n"
	  "Oops: Kernel access of bad area, sig: 7 [#1]\nLE PAGE_SIZE=64K MMU=Hash SMP NR_CPUS=2048 NUMA pSeries\n"
	  "CPU: 0 PID: 92 Comm: sh Not tainted 6.1.0 #1\nNIP:  0000000000000000 LR: c008000000aa0034 CTR: 0000000000000000\n"
	  "REGS: c000000004a5f8c0 TRAP: 0400   Not tainted\nNIP [0000000000000000] 0x0\nLR [c008000000aa0034] culprit+0x34/0x50 [mod]\n"
	  "Call Trace:\n[c000000004a5fb60] [c008000000aa0b3c] caller_one+0x10c/0x130 [mod]\n---[ end trace 0000000000000000 ]---\n" },
	{ "x86 before 5.2", FINDING_CLASS_OOPS, 122, "NULL pointer dereference in culprit [mod]", "oops:culprit:caller_one",
	  "BUG: unable to handle kernel NULL pointer dereference at 0000000000000008\nPGD 0 P4D 0 \nOops: 0002 [#1] SMP PTI\n"
	  "CPU: 0 PID: 99 Comm: cat Tainted: G           O      4.19.0 #1\nRIP: 0010:culprit+0x5/0x20 [mod]\nCode: 00 00\n"
	  "Call Trace:\n caller_one+0x19/0x20 [mod]\n ? vfs_read+0x1/0x2\n---[ end trace 0123456789abcdef ]---\n" },
	{ "x86 since 6.10", FINDING_CLASS_OOPS, 122, "general protection fault in culprit", "oops:culprit:caller_one",
	  "Oops: general protection fault, probably for non-canonical address 0xdffffc0000000001: 0000 [#1] PREEMPT SMP KASAN NOPTI\n"
	  "KASAN: null-ptr-deref in range [0x0000000000000008-0x000000000000000f]\nCPU: 0 UID: 0 PID: 5 Comm: a Not tainted 6.12.0 #1\n"
	  "RIP: 0010:culprit+0x5/0x20\nCall Trace:\n <TASK>\n caller_one+0x19/0x20\n </TASK>\nModules linked in:\n---[ end trace 0000000000000000 ]---\n" },
	{ "x86 page fault oops since 6.10", FINDING_CLASS_OOPS, 122, "invalid memory access in culprit", NULL,
	  "BUG: unable to handle page fault for address: ffffed1000000000\n#PF: supervisor read access in kernel mode\n"
	  "#PF: error_code(0x0000) - not-present page\nPGD 0 P4D 0 \nOops: Oops: 0000 [#1] SMP NOPTI\nRIP: 0010:culprit+0x5/0x20\n" },
	{ "arm64 oops", FINDING_CLASS_OOPS, 122, "NULL pointer dereference in culprit [mod]", "oops:culprit:caller_one",
	  "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010\nMem abort info:\n  ESR = 0x0000000096000044\n"
	  "  EC = 0x25: DABT (current EL), IL = 32 bits\n  SET = 0, FnV = 0\n  EA = 0, S1PTW = 0\n  FSC = 0x04: level 0 translation fault\n"
	  "Data abort info:\n  ISV = 0, ISS = 0x00000044\n  CM = 0, WnR = 1\nuser pgtable: 4k pages, 48-bit VAs, pgdp=0000000041f7b000\n"
	  "[0000000000000010] pgd=0000000000000000, p4d=0000000000000000\nInternal error: Oops: 0000000096000044 [#1] SMP\n"
	  "Modules linked in: mod(O)\nCPU: 0 PID: 75 Comm: sh Tainted: G           O       6.1.0 #1\nHardware name: linux,dummy-virt (DT)\n"
	  "pstate: 60000005 (nZCv daif -PAN -UAO -TCO -DIT -SSBS BTYPE=--)\npc : culprit+0xc/0x20 [mod]\nlr : wrong_one+0xc4/0x1b0 [mod]\n"
	  "sp : ffff80000a6d3bf0\nx29: ffff80000a6d3bf0 x28: ffff000002c90000 x27: 0000000000000000\nCall trace:\n culprit+0xc/0x20 [mod]\n"
	  " caller_one+0xe0/0x130\nCode: d503201f d503233f 52800020 d2800201 (b9000020) \n---[ end trace 0000000000000000 ]---\n" },
	{ "arm64 BUG", FINDING_CLASS_BUG, 122, "BUG() at fs/foo.c:17 in culprit", "bug:culprit",
	  "------------[ cut here ]------------\nkernel BUG at fs/foo.c:17!\nInternal error: Oops - BUG: 00000000f2000800 [#1] SMP\nModules linked in:\n"
	  "CPU: 1 PID: 75 Comm: sh Not tainted 6.1.0 #1\npc : culprit+0xc/0x20\nlr : wrong_one+0xc4/0x1b0\nCall trace:\n culprit+0xc/0x20\n"
	  "---[ end trace 0000000000000000 ]---\n" },
	{ "arm64 stack overflow", FINDING_CLASS_OOPS, 122, "kernel stack overflow in recurse", NULL,
	  "Insufficient stack space to handle exception!\nESR: 0x0000000096000047 -- DABT (current EL)\nFAR: 0xffff80000a6cffd0\n"
	  "Task stack:     [0xffff80000a6d0000..0xffff80000a6d4000]\nIRQ stack:      [0xffff800008000000..0xffff800008004000]\n"
	  "CPU: 0 PID: 75 Comm: sh Not tainted 6.1.0 #1\npc : recurse+0x8/0x60\nlr : recurse+0x30/0x60\n"
	  "Kernel panic - not syncing: kernel stack overflow\nCPU: 0 PID: 75 Comm: sh Not tainted\nCall trace:\n dump_backtrace+0xe0/0x130\n"
	  " panic+0x190/0x390\n recurse+0x30/0x60\n---[ end Kernel panic - not syncing: kernel stack overflow ]---\n" },
	{ "arm64 SError", FINDING_CLASS_OOPS, 122, NULL, NULL,
	  "SError Interrupt on CPU0, code 0x00000000bf000002 -- SError\nCPU: 0 PID: 1 Comm: init\npc : culprit+0xc/0x20\n"
	  "Kernel panic - not syncing: Asynchronous SError Interrupt\n---[ end Kernel panic - not syncing: Asynchronous SError Interrupt ]---\n" },
	{ "arm 32 bit", FINDING_CLASS_OOPS, 122, "NULL pointer dereference in culprit [mod]", "oops:culprit:caller_one",
	  "8<--- cut here ---\nUnable to handle kernel NULL pointer dereference at virtual address 00000010\n[00000010] *pgd=00000000\n"
	  "Internal error: Oops: 805 [#1] SMP ARM\nModules linked in: mod(O)\nCPU: 0 PID: 99 Comm: sh Tainted: G           O      5.10.0 #1\n"
	  "Hardware name: Generic DT based system\nPC is at culprit+0x10/0x18 [mod]\nLR is at wrong_one+0x1/0x2\npc : [<bf00000c>]    lr : [<bf0000a4>]    psr: 60000013\n"
	  "[<bf00000c>] (culprit [mod]) from [<c0333444>] (caller_one+0x12/0x34)\n---[ end trace 0123456789abcdef ]---\n" },
	{ "s390 oops", FINDING_CLASS_OOPS, 122, "invalid memory access in culprit [mod]", "oops:culprit:caller_one",
	  "Unable to handle kernel pointer dereference in virtual kernel address space\nFailing address: 0000000000000000 TEID: 0000000000000483\n"
	  "Fault in home space mode while using kernel ASCE.\nAS:0000000001f50007 R3:000000000fff0007 S:0000000000000020 \n"
	  "Oops: 0004 ilc:2 [#1] SMP \nModules linked in: mod(O)\nCPU: 1 PID: 71 Comm: sh Tainted: G           O       6.1.0 #1\n"
	  "Hardware name: QEMU 8561 QEMU (KVM/Linux)\nKrnl PSW : 0704c00180000000 000003ff80001010 (culprit+0x10/0x20 [mod])\n"
	  "           R:0 T:1 IO:1 EX:1 Key:0 M:1 W:0 P:0 AS:3 CC:0 PM:0 RI:0 EA:3\nKrnl GPRS: 0000000000000001 0000000000000001\n"
	  "Call Trace:\n [<000003ff80001010>] culprit+0x10/0x20 [mod] \n [<0000000000401234>] caller_one+0x54/0xc0 \nLast Breaking-Event-Address:\n"
	  " [<000003ff80001200>] caller_one+0x40/0x50 [mod]\nKernel panic - not syncing: Fatal exception: panic_on_oops\n" },
	{ "s390 BUG", FINDING_CLASS_BUG, 122, "BUG() at mm/foo.c:33 in culprit", NULL,
	  "------------[ cut here ]------------\nkernel BUG at mm/foo.c:33!\nmonitor event: 0040 ilc:2 [#1] SMP \nModules linked in:\n"
	  "Krnl PSW : 0704c00180000000 0000000000123456 (culprit+0x10/0x20)\nCall Trace:\n [<0000000000123456>] culprit+0x10/0x20\n---[ end trace 0000000000000000 ]---\n" },
	{ "s390 program check without a name of its own", FINDING_CLASS_OOPS, 122, NULL, "oops:culprit",
	  "fixpoint divide exception: 0009 ilc:2 [#1] SMP \nModules linked in:\nKrnl PSW : 0704c00180000000 0000000000123456 (culprit+0x10/0x20)\n" },
	{ "riscv oops", FINDING_CLASS_OOPS, 122, "NULL pointer dereference in culprit", "oops:culprit:caller_one",
	  "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010\nOops [#1]\nModules linked in:\n"
	  "CPU: 0 PID: 60 Comm: sh Not tainted 6.1.0 #1\nHardware name: riscv-virtio,qemu (DT)\nepc : culprit+0xa/0x14\n ra : wrong_one+0x60/0xa0\n"
	  "epc : ffffffff80001234 ra : ffffffff80005678 sp : ff20000000123d10\nstatus: 0000000200000120 badaddr: 0000000000000010 cause: 000000000000000f\n"
	  "[<ffffffff80001234>] culprit+0xa/0x14\n[<ffffffff80005678>] caller_one+0x60/0xa0\n---[ end trace 0000000000000000 ]---\n" },
	{ "riscv BUG", FINDING_CLASS_BUG, 122, "BUG() at fs/foo.c:9 in culprit", NULL,
	  "------------[ cut here ]------------\nkernel BUG at fs/foo.c:9!\nKernel BUG [#1]\nModules linked in:\nepc : culprit+0xa/0x14\n ra : wrong_one+0x60/0xa0\n" },
	{ "powerpc oops", FINDING_CLASS_OOPS, 122, "NULL pointer dereference in culprit [mod]", "oops:culprit:caller_one",
	  "Kernel attempted to write user page (10) - exploit attempt? (uid: 0)\nBUG: Kernel NULL pointer dereference on write at 0x00000010\n"
	  "Faulting instruction address: 0xc008000000e20018\nOops: Kernel access of bad area, sig: 11 [#1]\nLE PAGE_SIZE=64K MMU=Radix SMP NR_CPUS=2048 NUMA pSeries\n"
	  "Modules linked in: mod(O)\nCPU: 0 PID: 99 Comm: sh Tainted: G           O       6.1.0 #1\nNIP:  c008000000e20018 LR: c008000000e200f4 CTR: 0\n"
	  "REGS: c00000000b7a7a10 TRAP: 0300   Tainted: G           O        (6.1.0)\nMSR:  800000000280b033 <SF,VEC,VSX,EE,FP,ME,IR,DR,RI,LE>  CR: 24002882  XER: 20040000\n"
	  "CFAR: c008000000e20008 DAR: 0000000000000010 DSISR: 42000000 IRQMASK: 0 \nGPR00: c008000000e200f4 c00000000b7a7cb0 c008000000e40000 0000000000000000 \n"
	  "NIP [c008000000e20018] culprit+0x10/0x20 [mod]\nLR [c008000000e200f4] wrong_one+0xc4/0x1b0 [mod]\nCall Trace:\n"
	  "[c00000000b7a7cb0] [c00000000b7a7d00] 0xc00000000b7a7d00 (unreliable)\n[c00000000b7a7d30] [c0000000004f3a50] caller_one+0x120/0x3a0\n---[ end trace 0000000000000000 ]---\n" },
	{ "powerpc hard lockup", FINDING_CLASS_STALL, 121, NULL, NULL,
	  "watchdog: CPU 3 detected hard LOCKUP on other CPUs 1\nwatchdog: CPU 3 TB:1234, last SMP heartbeat TB:1 (1000ms ago)\n" },
	{ "classic WARN", FINDING_CLASS_WARN, 122, "WARNING at fs/foo.c:12 in culprit [mod]", "warn:culprit:caller_one",
	  "------------[ cut here ]------------\nWARNING: CPU: 0 PID: 80 at fs/foo.c:12 culprit+0x5/0x10 [mod]\nModules linked in: mod(O)\nCPU: 0 PID: 80 Comm: sh\n"
	  "RIP: 0010:culprit+0x5/0x10 [mod]\nCall Trace:\n <TASK>\n caller_one+0x1b/0x23 [mod]\n </TASK>\n---[ end trace 0000000000000000 ]---\n" },
	{ "WARN with a text", FINDING_CLASS_WARN, 122, "WARNING at fs/foo.c:12 in culprit: mod: the value is wrong", NULL,
	  "------------[ cut here ]------------\nmod: the value is wrong\nWARNING: CPU: 0 PID: 80 at fs/foo.c:12 culprit+0x5/0x10\n" },
	{ "new WARN", FINDING_CLASS_WARN, 122, "WARNING at fs/foo.c:12 in culprit [mod]", "warn:culprit",
	  "------------[ cut here ]------------\nWARNING: fs/foo.c:12 at culprit+0x5/0x10 [mod], CPU#1: sh/80\nModules linked in: mod(O)\n---[ end trace 0000000000000000 ]---\n" },
	{ "new WARN with condition", FINDING_CLASS_WARN, 122, "WARNING at fs/foo.c:12 in culprit [mod]", NULL,
	  "------------[ cut here ]------------\nWARNING: [a < b] fs/foo.c:12 at culprit+0x5/0x10 [mod], CPU#1: sh/80\n" },
	{ "refcount", FINDING_CLASS_BUG, 122, "refcount_t: underflow; use-after-free in culprit", "bug:culprit",
	  "------------[ cut here ]------------\nrefcount_t: underflow; use-after-free.\nWARNING: CPU: 1 PID: 2 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110\n"
	  "Modules linked in:\nRIP: 0010:refcount_warn_saturate+0xba/0x110\nCall Trace:\n <TASK>\n culprit+0x33/0x40\n </TASK>\n---[ end trace 0000000000000000 ]---\n" },
	{ "list corruption that BUGs", FINDING_CLASS_BUG, 122, NULL, "bug:culprit",
	  "list_del corruption. prev->next should be ffff888, but was ffff999. (prev=ffff888)\n------------[ cut here ]------------\nkernel BUG at lib/list_debug.c:59!\n"
	  "invalid opcode: 0000 [#1] PREEMPT SMP NOPTI\nRIP: 0010:__list_del_entry_valid.cold+0x1/0x2\nCall Trace:\n <TASK>\n culprit+0x33/0x40\n </TASK>\n" },
	{ "KASAN", FINDING_CLASS_SANITIZER, 122, "BUG: KASAN: slab-use-after-free in culprit [mod]", "sanitizer:culprit:caller_one",
	  "==================================================================\nBUG: KASAN: slab-use-after-free in culprit+0x5c/0x70 [mod]\nWrite of size 4 at addr ffff888007a3f10c by task sh/80\n\n"
	  "CPU: 1 PID: 80 Comm: sh Tainted: G           O       6.4.0 #1\nCall Trace:\n <TASK>\n dump_stack_lvl+0x55/0x70\n print_report+0xcf/0x610\n kasan_report+0xb5/0xe0\n"
	  " culprit+0x5c/0x70 [mod]\n caller_one+0x1b/0x23 [mod]\n </TASK>\n\nAllocated by task 80:\n kasan_save_stack+0x22/0x50\n allocator+0x3/0x9\n\nFreed by task 80:\n"
	  " other_one+0x1/0x2\n\nThe buggy address belongs to the object at ffff888007a3f100\n which belongs to the cache kmalloc-64 of size 64\n"
	  "Memory state around the buggy address:\n ffff888007a3f000: fa fb fb fb\n>ffff888007a3f100: fa fb fb fb\n                      ^\n"
	  "==================================================================\nDisabling lock debugging due to kernel taint\n" },
	{ "KFENCE", FINDING_CLASS_SANITIZER, 122, "BUG: KFENCE: use-after-free read in culprit", NULL,
	  "==================================================================\nBUG: KFENCE: use-after-free read in culprit+0x17/0x39\n\nUse-after-free read at 0x(____ptrval____) (in kfence-#47):\n"
	  " culprit+0x17/0x39\n caller_one+0x1/0x2\n==================================================================\n" },
	{ "KMSAN", FINDING_CLASS_SANITIZER, 122, "BUG: KMSAN: uninit-value in culprit", NULL,
	  "=====================================================\nBUG: KMSAN: uninit-value in culprit+0x17/0x39\n culprit+0x17/0x39\n\nUninit was stored to memory at:\n other+0x1/0x2\n"
	  "=====================================================\n" },
	{ "KCSAN", FINDING_CLASS_SANITIZER, 122, NULL, "sanitizer:culprit:second",
	  "==================================================================\nBUG: KCSAN: data-race in culprit / second\n\nwrite to 0xffff of 8 bytes by task 1 on cpu 0:\n culprit+0x1/0x20\n"
	  " second+0x3/0x50\n==================================================================\n" },
	{ "UBSAN", FINDING_CLASS_SANITIZER, 122, "UBSAN: shift-out-of-bounds in /b/mod.c:12:8 in culprit [mod]", "sanitizer:culprit",
	  "================================================================================\nUBSAN: shift-out-of-bounds in /b/mod.c:12:8\nshift exponent 70 is too large for 32-bit type 'int'\n"
	  "CPU: 0 PID: 80 Comm: sh\nCall Trace:\n <TASK>\n dump_stack_lvl+0x44/0x5c\n ubsan_epilogue+0x5/0x40\n __ubsan_handle_shift_out_of_bounds.cold+0x61/0xef\n culprit+0x3b/0x60 [mod]\n </TASK>\n"
	  "================================================================================\n" },
	{ "lockdep circular", FINDING_CLASS_LOCKING, 122, "WARNING: possible circular locking dependency detected in culprit [mod]", NULL,
	  "======================================================\nWARNING: possible circular locking dependency detected\n6.1.0 #1 Tainted: G           O      \n"
	  "------------------------------------------------------\nsh/80 is trying to acquire lock:\nffffffffc0002100 (lock_a){+.+.}-{3:3}, at: culprit+0x60/0x80 [mod]\n\n"
	  "but task is already holding lock:\nffffffffc0002060 (lock_b){+.+.}-{3:3}, at: culprit+0x50/0x80 [mod]\n\nwhich lock already depends on the new lock.\n\n\n"
	  "the existing dependency chain (in reverse order) is:\n\n-> #1 (lock_b){+.+.}-{3:3}:\n       __mutex_lock+0x9c/0xb20\n       culprit+0x20/0x80 [mod]\n\n"
	  "other info that might help us debug this:\n\n Possible unsafe locking scenario:\n\n       CPU0                    CPU1\n       ----                    ----\n  lock(lock_b);\n\n *** DEADLOCK ***\n\n"
	  "1 lock held by sh/80:\n #0: ffffffffc0002060 (lock_b){+.+.}-{3:3}, at: culprit+0x50/0x80 [mod]\n\nstack backtrace:\nCPU: 1 PID: 80 Comm: sh\nCall Trace:\n" TRACE },
	{ "lockdep before 4.14", FINDING_CLASS_LOCKING, 122, NULL, NULL,
	  "======================================================\n[ INFO: possible circular locking dependency detected ]\n4.9.0 #1 Not tainted\n-------------------------------------------------------\n"
	  "sh/80 is trying to acquire lock:\n (lock_a){+.+...}, at: [<ffffffffc0000060>] culprit+0x60/0x80 [mod]\n" },
	{ "inconsistent lock state", FINDING_CLASS_LOCKING, 122, NULL, NULL, "================================\nWARNING: inconsistent lock state\n6.1.0 #1 Not tainted\n" },
	{ "lock order", FINDING_CLASS_LOCKING, 122, NULL, NULL, "WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected\n6.1.0 #1 Not tainted\n" },
	{ "atomic sleep", FINDING_CLASS_LOCKING, 122, "sleeping function called from invalid context in culprit [mod]", NULL,
	  "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580\nin_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 80, name: sh\n"
	  "preempt_count: 1, expected: 0\nCall Trace:\n" TRACE },
	{ "non-static key", FINDING_CLASS_LOCKING, 122, NULL, NULL,
	  "INFO: trying to register non-static key.\nThe code is fine but needs lockdep annotation, or maybe\nyou didn't initialize this object before use?\nturning off the locking correctness validator.\nCall Trace:\n" TRACE },
	{ "RCU usage", FINDING_CLASS_RCU, 122, "WARNING: suspicious RCU usage in culprit [mod]", NULL,
	  "=============================\nWARNING: suspicious RCU usage\n6.1.0 #1 Tainted: G           O      \n-----------------------------\n/b/mod.c:99 suspicious rcu_dereference_check() usage!\n\n"
	  "other info that might help us debug this:\n\nrcu_scheduler_active = 2, debug_locks = 1\nno locks held by sh/80.\n\nstack backtrace:\nCall Trace:\n" TRACE },
	{ "hung task", FINDING_CLASS_HANG, 121, "INFO: task txg_sync:123 blocked for more than 120 seconds in spa_sync [zfs]", "hang:spa_sync:txg_sync_thread",
	  "INFO: task txg_sync:123 blocked for more than 120 seconds.\n      Tainted: P           O       6.1.0 #1\n\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.\n"
	  "task:txg_sync        state:D stack:0     pid:123   ppid:2      flags:0x00004000\nCall Trace:\n <TASK>\n __schedule+0x34d/0x9e0\n schedule+0x5a/0xd0\n cv_wait_common+0xfa/0x130 [spl]\n"
	  " spa_sync+0xe/0x20 [zfs]\n txg_sync_thread+0x1/0x2 [zfs]\n </TASK>\n" },
	{ "hung task in I/O", FINDING_CLASS_HANG, 121, NULL, NULL, "INFO: task z_wr_iss:9 blocked in I/O wait for more than 122 seconds.\n" },
	{ "soft lockup", FINDING_CLASS_STALL, 121, "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [sh:80] in culprit [mod]", NULL,
	  "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [sh:80]\nModules linked in: mod(O)\nCPU: 1 PID: 80 Comm: sh\nRIP: 0010:culprit+0x5/0x10 [mod]\nCall Trace:\n" TRACE },
	{ "hard lockup", FINDING_CLASS_STALL, 121, NULL, NULL, "NMI watchdog: Watchdog detected hard LOCKUP on cpu 3\nRIP: 0010:culprit+0x5/0x10\n" },
	{ "RCU stall", FINDING_CLASS_STALL, 121, NULL, "stall:culprit:caller_one",
	  "rcu: INFO: rcu_preempt self-detected stall on CPU\nrcu: \t1-....: (5249 ticks this GP) idle=2c84/1/0x4000000000000000 softirq=1 fqs=1\n\t(t=5250 jiffies g=1 q=2 ncpus=2)\n"
	  "NMI backtrace for cpu 1\nCPU: 1 PID: 80 Comm: sh\nCall Trace:\n <IRQ>\n nmi_cpu_backtrace.cold+0x32/0x69\n rcu_dump_cpu_stacks+0xf6/0x133\n rcu_sched_clock_irq.cold+0xf5/0x7e5\n"
	  " update_process_times+0x70/0xb0\n </IRQ>\n <TASK>\n asm_sysvec_apic_timer_interrupt+0x16/0x20\nRIP: 0010:culprit+0x5/0x10 [mod]\n caller_one+0x4/0x9\n </TASK>\n" },
	{ "RCU stall before 4.20", FINDING_CLASS_STALL, 121, NULL, NULL, "INFO: rcu_sched detected stalls on CPUs/tasks:\n" },
	{ "workqueue lockup", FINDING_CLASS_STALL, 121, NULL, NULL, "BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 32s!\nShowing busy workqueues and worker pools:\n" },
	{ "ZFS VERIFY3", FINDING_CLASS_ZFS_PANIC, 122, "VERIFY3U(a, ==, b) failed (1 == 2) in dmu_read [zfs]", NULL,
	  "VERIFY3U(a, ==, b) failed (1 == 2) \nPANIC at dmu.c:1234:dmu_read()\nShowing stack for process 80\nCPU: 0 PID: 80 Comm: zpool Tainted: P           OE      6.1.0 #1\n"
	  "Call Trace:\n <TASK>\n dump_stack_lvl+0x44/0x5c\n spl_panic+0xf5/0x120 [spl]\n dmu_read+0x12/0x40 [zfs]\n zfs_read+0x99/0x100 [zfs]\n </TASK>\n" },
	{ "ZFS VERIFY, halting", FINDING_CLASS_ZFS_PANIC, 122, "VERIFY(0) failed in dmu_read", "zfs-panic:dmu_read",
	  "VERIFY(0) failed\nPANIC at dmu.c:1234:dmu_read()\nKernel panic - not syncing: VERIFY(0) failed\nCPU: 0 PID: 80 Comm: zpool\nCall Trace:\n <TASK>\n dump_stack_lvl+0x44/0x5c\n panic+0x1/0x2\n"
	  " spl_panic+0xf5/0x120 [spl]\n dmu_read+0x12/0x40 [zfs]\n </TASK>\nKernel Offset: disabled\n---[ end Kernel panic - not syncing: VERIFY(0) failed ]---\n" },
	{ "ZFS 2.1 VERIFY", FINDING_CLASS_ZFS_PANIC, 122, NULL, NULL, "VERIFY3(0 == nvlist_add(nvl)) failed (0 == 22)\nPANIC at spa.c:77:spa_load()\nShowing stack for process 1\n" },
	{ "ZFS IMPLY", FINDING_CLASS_ZFS_PANIC, 122, NULL, NULL, "(a > 0) implies (b > 0)PANIC at spa.c:77:spa_load()\nShowing stack for process 1\n" },
	{ "ZFS cmn_err", FINDING_CLASS_ZFS_PANIC, 122, NULL, NULL, "PANIC: zfs: adding existent segment to range tree (offset=1 size=2)\nShowing stack for process 1\nCall Trace:\n" TRACE },
	{ "ZFS suspended", FINDING_CLASS_ZFS_SUSPEND, 0, NULL, NULL, "WARNING: Pool 'tank' has encountered an uncorrectable I/O failure and has been suspended.\n\n" },
	{ "ZFS failmode=panic", FINDING_CLASS_PANIC, 122, NULL, NULL,
	  "Kernel panic - not syncing: Pool 'tank' has encountered an uncorrectable I/O failure and the failure mode property for this pool is set to panic.\nCPU: 0 PID: 80 Comm: z\n" },
	{ "SPL leak", FINDING_CLASS_LEAK, 122, NULL, NULL, "kmem leaked 1024/4096 bytes\n" },
	{ "slab leak", FINDING_CLASS_LEAK, 122, NULL, NULL, "kmem_cache_destroy zio_cache: Slab cache still has objects when called from spl_kmem_cache_destroy+0x1/0x2 [spl]\n" },
	{ "slub", FINDING_CLASS_BUG, 122, NULL, NULL,
	  "=============================================================================\nBUG kmalloc-64 (Tainted: G           O     ): Right Redzone overwritten\n"
	  "-----------------------------------------------------------------------------\n\n0xffff888-0xffff889 @offset=1. First byte 0x41 instead of 0xcc\nCall Trace:\n" TRACE },
	{ "kmemleak", FINDING_CLASS_LEAK, 122, NULL, NULL, "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n" },
	{ "kmemleak, one by one", FINDING_CLASS_LEAK, 122, "memory leak in culprit [mod]", "leak:culprit:caller_one",
	  "kmemleak: unreferenced object 0xffff88810a2c8400 (size 1024):\nkmemleak:   comm \"sh\", pid 77, jiffies 4294940000 (age 7.000s)\n"
	  "kmemleak:   hex dump (first 32 bytes):\nkmemleak:     6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b  kkkkkkkkkkkkkkkk\nkmemleak:   backtrace:\n"
	  "kmemleak:     [<00000000f3b3b5f1>] __kmem_cache_alloc_node+0x1c0/0x2f0\nkmemleak:     [<00000000aaaabbbb>] kmalloc_trace+0x26/0xc0\n"
	  "kmemleak:     [<000000001d6b3c4e>] culprit+0x1b/0x40 [mod]\nkmemleak:     [<00000000ccccdddd>] caller_one+0x99/0x100\n"
	  "kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n" },
	{ "kmemleak's file on the console, since 6.7", FINDING_CLASS_LEAK, 122, "memory leak in culprit", "leak:culprit:caller_one",
	  "unreferenced object 0xffff88810a2c8400 (size 1024):\n  comm \"sh\", pid 77, jiffies 4294940000\n  hex dump (first 32 bytes):\n"
	  "    6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b  kkkkkkkkkkkkkkkk\n  backtrace (crc 12345678):\n    __kmalloc_cache_noprof+0x1c0/0x2f0\n"
	  "    culprit+0x1b/0x40\n    caller_one+0x99/0x100\n" },
	{ "arm: a program's bus error", FINDING_CLASS_OOPS, 0, NULL, NULL,
	  "8<--- cut here ---\nUnhandled fault: external abort on non-linefetch (0x1028) at 0xb6f4d000\n[b6f4d000] *pgd=6d1a8831\n" },
	{ "arm: the kernel's bus error", FINDING_CLASS_OOPS, 122, NULL, "oops:culprit",
	  "8<--- cut here ---\nUnhandled fault: external abort on non-linefetch (0x1028) at 0xb6f4d000\n[b6f4d000] *pgd=6d1a8831\n"
	  "Internal error: : 1028 [#1] SMP ARM\nModules linked in:\nPC is at culprit+0x10/0x18\n" },
	{ "bad page", FINDING_CLASS_BUG, 122, NULL, NULL, "BUG: Bad page state in process sh  pfn:12345\npage:ffffea refcount:-1 mapcount:0\nCall Trace:\n" TRACE },
	{ "busy inodes", FINDING_CLASS_BUG, 122, NULL, NULL, "VFS: Busy inodes after unmount of dm-0 (zfs)\n" },
	{ "no root", FINDING_CLASS_BOOT_FAILURE, 123, NULL, NULL,
	  "VFS: Cannot open root device \"vda\" or unknown-block(0,0): error -6\nPlease append a correct \"root=\" boot option; here are the available partitions:\n"
	  "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---\n" },
	{ "no init", FINDING_CLASS_BOOT_FAILURE, 123, NULL, NULL, "Kernel panic - not syncing: No working init found.  Try passing init= option to kernel.\n" },
	{ "init died", FINDING_CLASS_PANIC, 122, NULL, NULL, "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000300\n" },
	{ "only the end of a panic", FINDING_CLASS_PANIC, 122, "stack is gone", NULL, "---[ end Kernel panic - not syncing: stack is gone ]---\n" },
	{ "double fault", FINDING_CLASS_PANIC, 122, NULL, NULL, "traps: PANIC: double fault, error_code: 0x0\ndouble fault: 0000 [#1] PREEMPT SMP\nRIP: 0010:culprit+0x1/0x2\n" },
	{ "module of another kernel", FINDING_CLASS_MODULE_MISMATCH, 0, NULL, NULL, "zfs: disagrees about version of symbol module_layout\n" },
	{ "version magic", FINDING_CLASS_MODULE_MISMATCH, 0, NULL, NULL, "spl: version magic '6.1.0 SMP mod_unload ' should be '6.1.1 SMP mod_unload '\n" },
	{ "out of memory", FINDING_CLASS_OOM, 0, NULL, NULL, "Out of memory: Killed process 99 (tail) total-vm:1kB, anon-rss:1kB\n" },

	/* what is not a finding (the classic traps of naive patterns) */
	{ "DEBUG BUILD", NONE, 0, NULL, NULL, "zfs: DEBUG BUILD\n" },
	{ "ODEBUG", NONE, 0, NULL, NULL, "ODEBUG: selftest passed\n" },
	{ "Boot_DEBUG", NONE, 0, NULL, NULL, "Boot_DEBUG: kernel BUG: none\n" },
	{ "command line", NONE, 0, NULL, NULL, "Command line: console=ttyS0 oops=panic panic=-1 panic_on_warn=0 BUG: x\nKernel command line: oops=panic\n" },
	{ "lockdep is off", NONE, 0, NULL, NULL, "INFO: lockdep is turned off.\n" },
	{ "stall ended", NONE, 0, NULL, NULL, "rcu: INFO: Stall ended before state dump start\nINFO: Stall ended before state dump start\n" },
	{ "slow NMI", NONE, 0, NULL, NULL, "INFO: NMI handler (perf_event_nmi_handler) took too long to run: 1.2 msecs\n" },
	{ "recovery", NONE, 0, NULL, NULL, "INFO: recovery required on readonly filesystem\n" },
	{ "spectre", NONE, 0, NULL, NULL, "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via Spectre v2 BHB attacks!\n" },
	{ "ZFS warnings", NONE, 0, NULL, NULL, "WARNING: ignoring tunable zfs_arc_max (using 123 instead)\nNOTICE: zfs_nocacheflush is set\nWARNING: Pool 'tank' has encountered an error in a test\n" },
	{ "deprecation", NONE, 0, NULL, NULL, "WARNING: Support for NFS v2 is deprecated at the next release\nwarning: `foo' uses deprecated v2 capabilities in a way that may be insecure.\n" },
	{ "stacks that were asked for", NONE, 0, NULL, NULL,
	  "sysrq: Show Blocked State\ntask:kworker/0:1     state:D stack:0     pid:1 ppid:2\nCall Trace:\n" TRACE "sysrq: Show backtrace of all active CPUs\nNMI backtrace for cpu 0\n" },
	{ "self tests that passed", NONE, 0, NULL, NULL, "Good, all 261 testcases passed! |\nrcu: \tRCU lockdep checking is enabled.\nDMA-API: BUG free\nlist_sort_test: list_del corruption check passed\n" },
	{ "registered panics", NONE, 0, NULL, NULL, "pvpanic: Kernel panic notifier registered\npanic_print: 0\nLKDTM: Kernel panic test ready\n" },
	{ "taint of a module", NONE, 0, NULL, NULL, "zfs: module license 'CDDL' taints kernel.\nzfs: module verification failed: signature and/or required key missing - tainting kernel\n" },
};

static struct analyser *read_with_prefix(const char *log, const char *prefix, const char *end)
{
	struct analyser *a = analyser_new(NULL);
	struct str all = STR_INIT;

	for (int i = 0; i < 5; i++)
		str_addf(&all, "%sa quiet line%s", prefix, end);
	for (const char *p = log; *p; p = strchr(p, '\n') + 1)
		str_addf(&all, "%s%.*s%s", prefix, (int)strcspn(p, "\n"), p, end);
	for (int i = 0; i < 20; i++)
		str_addf(&all, "%sa quiet line%s", prefix, end);
	analyser_console(a, str_cstr(&all), all.len, 0);
	analyser_finish(a, 0);
	str_clear(&all);
	return a;
}

static const struct finding *first_notable(const struct analyser *a)
{
	for (size_t i = 0; i < analyser_n_findings(a); i++)
		if (analyser_finding(a, i)->severity > FINDING_INFO)
			return analyser_finding(a, i);
	return NULL;
}

static int check_text(const struct text *t, const char *prefix, const char *end)
{
	int n_bad = 0, n = 0;
	struct analyser *a = read_with_prefix(t->log, prefix, end);
	const struct finding *f = first_notable(a);
	struct verdict_result r;

	verdict_of_log(a, true, &r);
	if ((f ? f->class : NONE) != t->class || r.status != t->strict_status || (t->title && strcmp(f->title, t->title) != 0) ||
	    (t->fingerprint && strcmp(f->fingerprint, t->fingerprint) != 0))
		n_bad++, print_error("'%s' with prefix \"%s\":\n got  %s, %d, \"%s\", %s\n want %s, %d, \"%s\", %s\n", t->name, prefix,
			 f ? finding_class_table[f->class].name : "none", r.status, f ? f->title : "", f ? f->fingerprint : "",
			 t->class == NONE ? "none" : finding_class_table[t->class].name, t->strict_status, t->title ? t->title : "(any)",
			 t->fingerprint ? t->fingerprint : "(any)");
	for (size_t i = 0; i < analyser_n_findings(a); i++) {
		f = analyser_finding(a, i);
		if (f->severity > FINDING_INFO && !f->is_secondary && n++)
			n_bad++, print_error("'%s' with prefix \"%s\": a second finding: %s\n", t->name, prefix, f->title);
	}
	analyser_free(a);
	return n_bad;
}

static void test_with_every_prefix(void **state)
{
	static const char *const prefixes[] = {
		"",
		"[   12.345678] ",
		"[   12.345678][  T123] ",
		"[    1.000001][   C1] ",
		"<4>[12345.678901] ",
		"<6>",
		"Nov  3 12:00:00 vm1 kernel: ",
		"Nov  3 12:00:00 vm1 kernel: [   12.345678] ",
		"2026-11-03T12:00:00.123456+00:00 vm1 kernel: [   12.345678] ",
		"2026-11-03T12:00:00.1234567Z [   12.345678] ",
		"2026-11-03T12:00:00.1234567Z ",
		"[Tue Nov  3 12:00:00 2026] ",
		"vm1| [   12.345678] ",
		"\033[0;32m[   12.345678] ",
	};

	int n_bad = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		for (size_t j = 0; j < ARRAY_SIZE(prefixes); j++)
			n_bad += check_text(&texts[i], prefixes[j], j % 2 ? "\r\n" : "\n");
	assert_int_equal(n_bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_with_every_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
