/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Rows are tried in order, so the particular comes before the general. The
 * comment of a row names the file that prints it (Linux unless said
 * otherwise; "zfs:" is OpenZFS's module/os/linux).
 *
 * A row per line of text rather than regular expressions: the first byte
 * already rules out nearly every line of a healthy log, and a table of
 * literal texts can be compared with the kernel's source by eye.
 */

#include "run/crash_patterns.h"

#include <string.h>

#define PANIC	       FINDING_CLASS_PANIC, FINDING_CRASH
#define OOPS	       FINDING_CLASS_OOPS, FINDING_CRASH
#define SOFT_OOPS      FINDING_CLASS_OOPS, FINDING_NOTICE
#define BUG	       FINDING_CLASS_BUG, FINDING_CRASH
#define SANITIZER      FINDING_CLASS_SANITIZER, FINDING_CRASH
#define SOFT_SANITIZER FINDING_CLASS_SANITIZER, FINDING_WARN
#define LOCKING	       FINDING_CLASS_LOCKING, FINDING_WARN
#define RCU	       FINDING_CLASS_RCU, FINDING_WARN
#define HANG	       FINDING_CLASS_HANG, FINDING_STALL
#define STALL	       FINDING_CLASS_STALL, FINDING_STALL
#define WARN	       FINDING_CLASS_WARN, FINDING_WARN
#define LEAK	       FINDING_CLASS_LEAK, FINDING_WARN
#define ZFS_PANIC      FINDING_CLASS_ZFS_PANIC, FINDING_CRASH
#define SUSPEND	       FINDING_CLASS_ZFS_SUSPEND, FINDING_NOTICE
#define OOM	       FINDING_CLASS_OOM, FINDING_NOTICE
#define BOOT	       FINDING_CLASS_BOOT_FAILURE, FINDING_BOOT
#define MISMATCH       FINDING_CLASS_MODULE_MISMATCH, FINDING_NOTICE
#define INFO	       FINDING_CLASS_INFO, FINDING_INFO
#define NOTICE	       FINDING_CLASS_INFO, FINDING_NOTICE

#define KPANIC "Kernel panic - not syncing: "
#define F      CRASH_FOLLOWS
#define LINE   (CRASH_SINGLE | CRASH_NO_FUNCTION)
#define NOFN   CRASH_NO_FUNCTION
#define SKIP   INFO, 0, CRASH_HARMLESS, NULL

/* clang-format off */
const struct crash_pattern crash_patterns[] = {
/* --- panic: kernel/panic.c unless named. The text behind it says more than the word. */
{ KPANIC "VFS: Unable to mount root fs", NULL, BOOT, 9, F | NOFN, "no root file system: VFS: Unable to mount root fs" }, /* init/do_mounts.c */
{ KPANIC "No working init found", NULL, BOOT, 9, NOFN, "no init program found" },		/* init/main.c */
{ KPANIC "Requested init", NULL, BOOT, 9, F | NOFN, NULL },					/* init/main.c */
{ KPANIC "IO-APIC + timer doesn't work", NULL, BOOT, 9, NOFN, NULL },				/* arch/x86/kernel/apic/io_apic.c */
{ KPANIC "Attempted to kill init!", NULL, PANIC, 9, CRASH_INIT_DEATH | NOFN, "PID 1 ended" },	/* kernel/exit.c */
{ KPANIC "Fatal exception", NULL, PANIC, 9, CRASH_CONSEQUENCE, NULL },				/* arch die(): panic_on_oops */
{ KPANIC "Fatal hardware error", NULL, PANIC, 9, NOFN, NULL },					/* drivers/acpi/apei/ghes.c */
{ KPANIC "Aiee, killing interrupt handler", NULL, PANIC, 9, CRASH_CONSEQUENCE, NULL },		/* kernel/exit.c */
{ KPANIC "Attempted to kill the idle task", NULL, PANIC, 9, CRASH_CONSEQUENCE, NULL },		/* kernel/exit.c */
{ KPANIC, "panic_on_warn set", PANIC, 9, CRASH_CONSEQUENCE, NULL },				/* "kernel: ", "KASAN: ", ... in front since 6.1 */
{ KPANIC, " too often (kernel.", PANIC, 9, CRASH_CONSEQUENCE, NULL },				/* warn_limit, oops_limit */
{ KPANIC "kasan.fault=panic set", NULL, PANIC, 9, CRASH_CONSEQUENCE, NULL },			/* mm/kasan/report.c */
{ KPANIC "scheduling while atomic", NULL, PANIC, 9, CRASH_CONSEQUENCE, NULL },			/* kernel/sched/core.c */
{ KPANIC "hung_task: blocked tasks", NULL, PANIC, 9, CRASH_CONSEQUENCE, NULL },			/* kernel/hung_task.c */
{ KPANIC "softlockup: hung tasks", NULL, PANIC, 9, CRASH_CONSEQUENCE, NULL },			/* kernel/watchdog.c */
{ KPANIC "Hard LOCKUP", NULL, PANIC, 9, CRASH_CONSEQUENCE, NULL },				/* kernel/watchdog_hld.c, arch/powerpc/kernel/watchdog.c */
{ KPANIC "RCU Stall", NULL, PANIC, 9, CRASH_CONSEQUENCE, NULL },				/* kernel/rcu/tree_stall.h */
{ KPANIC "workqueue: blocked tasks", NULL, PANIC, 9, CRASH_CONSEQUENCE, NULL },			/* kernel/workqueue.c */
{ KPANIC "Corrupt kernel stack", NULL, PANIC, 9, CRASH_CONSEQUENCE, NULL },			/* arch/s390/kernel/traps.c */
{ KPANIC "kernel stack overflow", NULL, PANIC, 9, CRASH_CONSEQUENCE, NULL },		/* arch/arm64/kernel/traps.c, riscv */
{ KPANIC "Kernel stack overflow", NULL, PANIC, 9, CRASH_CONSEQUENCE, NULL },		/* arch/riscv/kernel/traps.c */
{ KPANIC "corrupted stack end detected inside scheduler", NULL, PANIC, 9, 0, NULL },		/* kernel/sched/core.c */
{ KPANIC "stack-protector: Kernel stack is corrupted in", NULL, PANIC, 9, 0, NULL },		/* kernel/panic.c __stack_chk_fail() */
{ KPANIC "Out of memory", NULL, PANIC, 9, NOFN, NULL },					/* mm/oom_kill.c panic_on_oom */
{ KPANIC "System is deadlocked on memory", NULL, PANIC, 9, NOFN, NULL },			/* mm/oom_kill.c */
{ KPANIC "sysrq triggered crash", NULL, PANIC, 9, NOFN, NULL },				/* drivers/tty/sysrq.c */
{ KPANIC, NULL, PANIC, 9, 0, NULL },
{ "Kernel panic: ", NULL, PANIC, 9, 0, NULL },							/* before 4.0; some boards' early code */
{ "---[ end Kernel panic - not syncing", NULL, PANIC, 2, CRASH_END | F, NULL },
{ "PANIC: double fault", NULL, PANIC, 8, CRASH_AFTER_COLON, "double fault" },			/* arch/x86/kernel/traps.c, doublefault_32.c */
{ "PANIC: early exception", NULL, BOOT, 8, CRASH_AFTER_COLON, NULL },				/* arch/x86/mm/extable.c */

/* --- OpenZFS */
{ "VERIFY", ") failed", ZFS_PANIC, 9, 0, NULL },						/* zfs: include/os/linux/spl/sys/debug.h */
{ "(", ") implies (", ZFS_PANIC, 9, 0, NULL },							/* zfs: debug.h IMPLY(): no newline of its own */
{ "PANIC at ", ":", ZFS_PANIC, 5, F, NULL },							/* zfs: spl/spl-err.c spl_panic() */
{ "PANIC: Pool '", "failure mode property for this pool is set to panic", ZFS_PANIC, 9, 0, NULL },	/* zfs: zio.c */
{ "PANIC: ", NULL, ZFS_PANIC, 8, 0, NULL },							/* zfs: spl/spl-err.c vcmn_err(CE_PANIC) */
{ "WARNING: Pool '", "has been suspended", SUSPEND, 5, LINE, NULL },				/* zfs: zio.c zio_suspend() */
{ "WARNING: Pool '", "was suspended and is being resumed", INFO, 5, LINE | CRASH_RESUMED, NULL },	/* zfs: zio.c zio_resume() */
{ "WARNING: Pool '", NULL, SKIP },
{ "Large kmem_alloc(", "please file an issue", WARN, 5, 0, NULL },				/* zfs: spl/spl-kmem.c */
{ "kmem leaked ", " bytes", LEAK, 5, LINE, NULL },						/* zfs: spl/spl-kmem.c, at unload of spl */
{ "vmem leaked ", " bytes", LEAK, 5, LINE, NULL },						/* zfs: the same, before 0.8 */
{ "__kmem_cache_create_args(", ") failed", INFO, 5, LINE, NULL },				/* zfs: spl/spl-kmem-cache.c */
{ "Kicked taskq", NULL, INFO, 5, LINE | CRASH_AFTER_COLON, NULL },				/* zfs: spl/spl-taskq.c */
{ "zio pool=", " error=", INFO, 5, LINE, "I/O of a pool failed" },				/* zfs: zfs/vdev_disk.c */
{ "ZFS: Failed to Load ZFS", NULL, NOTICE, 5, LINE, NULL },					/* zfs: zfs_ioctl_os.c */

/* --- sanitizers */
{ "BUG: KASAN: ", NULL, SANITIZER, 9, 0, NULL },						/* mm/kasan/report.c */
{ "BUG: KMSAN: ", NULL, SANITIZER, 9, 0, NULL },						/* mm/kmsan/report.c */
{ "BUG: KFENCE: ", NULL, SANITIZER, 9, 0, NULL },						/* mm/kfence/report.c */
{ "BUG: KCSAN: ", NULL, SOFT_SANITIZER, 9, 0, NULL },						/* kernel/kcsan/report.c */
{ "UBSAN: ", " in ", SOFT_SANITIZER, 9, 0, NULL },						/* lib/ubsan.c */
{ "BUG: memory leak", NULL, LEAK, 9, 0, "memory leak" },					/* syzkaller's own header over a kmemleak report */
{ "unreferenced object 0x", NULL, LEAK, 5, 0, "memory leak" },					/* mm/kmemleak.c */
{ "kmemleak: unreferenced object 0x", NULL, LEAK, 5, 0, "memory leak" },			/* mm/kmemleak.c, parameter verbose */
{ "kmemleak: ", " new suspected memory leaks", LEAK, 5, LINE | CRASH_CONSEQUENCE, NULL },	/* mm/kmemleak.c: the sum of a scan */

/* --- lockdep and friends: kernel/locking/lockdep.c unless named; INFO: before 4.14 */
{ "BUG: MAX_", "too low!", NOTICE, 5, LINE, "lockdep ran out of room and turned itself off" },
{ "BUG: Invalid wait context", NULL, LOCKING, 8, 0, NULL },
{ "[ BUG: Invalid wait context ]", NULL, LOCKING, 8, 0, "Invalid wait context" },
{ "BUG: sleeping function called from invalid context", NULL, LOCKING, 8, 0, "sleeping function called from invalid context" }, /* kernel/sched/core.c */
{ "BUG: scheduling while atomic", NULL, LOCKING, 8, 0, "scheduling while atomic" },		/* kernel/sched/core.c */
{ "BUG: scheduling in ", NULL, LOCKING, 8, 0, NULL },						/* kernel/locking/mutex, rtmutex */
{ "BUG: workqueue leaked atomic, lock or RCU", NULL, LOCKING, 8, 0, NULL },			/* kernel/workqueue.c since 6.8 */
{ "BUG: workqueue leaked lock or atomic", NULL, LOCKING, 8, 0, NULL },				/* kernel/workqueue.c */
{ "BUG: using ", " in preemptible", LOCKING, 8, 0, NULL },					/* lib/smp_processor_id.c */
{ "BUG: spinlock ", NULL, LOCKING, 8, 0, NULL },						/* kernel/locking/spinlock_debug.c */
{ "BUG: rwlock ", NULL, LOCKING, 8, 0, NULL },							/* kernel/locking/spinlock_debug.c */
{ "BUG: key ", NULL, LOCKING, 8, 0, NULL },							/* "key ... has not been registered!" */
{ "BUG: held lock freed", NULL, LOCKING, 8, 0, NULL },
{ "BUG: bad unlock balance", NULL, LOCKING, 8, 0, NULL },
{ "BUG: lock held ", NULL, LOCKING, 8, 0, NULL },
{ "[ BUG: ", " ]", LOCKING, 8, 0, NULL },							/* before 4.14: "[ BUG: lock held at task exit time! ]" */
{ "WARNING: possible ", " detected", LOCKING, 8, 0, NULL },					/* circular, recursive, irq lock inversion */
{ "INFO: possible ", " detected", LOCKING, 8, 0, NULL },
{ "[ INFO: possible ", " detected ]", LOCKING, 8, 0, NULL },
{ "WARNING: inconsistent lock state", NULL, LOCKING, 8, 0, NULL },
{ "INFO: inconsistent lock state", NULL, LOCKING, 8, 0, NULL },
{ "[ INFO: inconsistent lock state ]", NULL, LOCKING, 8, 0, "inconsistent lock state" },
{ "WARNING: ", "-unsafe lock order detected", LOCKING, 8, 0, NULL },
{ "INFO: ", "-unsafe lock order detected", LOCKING, 8, 0, NULL },
{ "WARNING: bad unlock balance detected", NULL, LOCKING, 8, 0, NULL },
{ "WARNING: bad contention detected", NULL, LOCKING, 8, 0, NULL },
{ "WARNING: held lock freed", NULL, LOCKING, 8, 0, NULL },
{ "WARNING: lock held ", NULL, LOCKING, 8, 0, NULL },
{ "WARNING: Nested lock was not taken", NULL, LOCKING, 8, 0, NULL },
{ "WARNING: ", " still has locks held", LOCKING, 8, 0, NULL },
{ "WARNING: Invalid wait context", NULL, LOCKING, 8, 0, NULL },
{ "INFO: trying to register non-static key", NULL, LOCKING, 8, 0, "lock used without initialisation" },
{ "WARNING: suspicious RCU usage", NULL, RCU, 8, 0, NULL },
{ "INFO: suspicious RCU usage", NULL, RCU, 8, 0, NULL },
{ "[ INFO: suspicious RCU usage", NULL, RCU, 8, 0, "suspicious RCU usage" },
{ "DEBUG_LOCKS_WARN_ON(", NULL, LOCKING, 5, 0, NULL },						/* a WARN's text: include/linux/debug_locks.h */
{ "Disabling lock debugging due to kernel taint", NULL, INFO, 1, LINE, "no lockdep from here: the kernel is tainted" }, /* kernel/panic.c add_taint() */

/* --- stalls and hangs */
{ "watchdog: BUG: soft lockup", NULL, STALL, 8, 0, NULL },					/* kernel/watchdog.c */
{ "NMI watchdog: BUG: soft lockup", NULL, STALL, 8, 0, NULL },
{ "BUG: soft lockup", NULL, STALL, 8, 0, NULL },
{ "watchdog: Watchdog detected hard LOCKUP", NULL, STALL, 8, 0, NULL },			/* kernel/watchdog_hld.c */
{ "NMI watchdog: Watchdog detected hard LOCKUP", NULL, STALL, 8, 0, NULL },
{ "Watchdog detected hard LOCKUP", NULL, STALL, 8, 0, NULL },
{ "watchdog: CPU ", "ard LOCKUP", STALL, 8, 0, NULL },						/* arch/powerpc/kernel/watchdog.c */
{ "watchdog: CPU ", "became unstuck", SKIP },
{ "rcu: INFO: Stall ended before state dump start", NULL, SKIP },				/* kernel/rcu/tree_stall.h */
{ "INFO: Stall ended before state dump start", NULL, SKIP },
{ "rcu: INFO: ", "detected stall", STALL, 8, 0, NULL },					/* kernel/rcu/tree_stall.h, tasks.h */
{ "rcu: INFO: ", "detected expedited stall", STALL, 8, 0, NULL },				/* kernel/rcu/tree_exp.h */
{ "INFO: rcu", " stall", STALL, 8, 0, NULL },							/* before 4.20; kernel/rcu/tasks.h */
{ "rcu: ", "kthread starved for", STALL, 3, F | CRASH_CONSEQUENCE, NULL },						/* kernel/rcu/tree_stall.h */
{ "rcu: ", "kthread timer wakeup didn't happen", STALL, 3, F | CRASH_CONSEQUENCE, NULL },
{ "BUG: workqueue lockup", NULL, STALL, 8, 0, NULL },						/* kernel/workqueue.c */
{ "INFO: task ", " blocked for more than ", HANG, 8, 0, NULL },				/* kernel/hung_task.c */
{ "INFO: task ", " blocked in I/O wait for more than ", HANG, 8, 0, NULL },			/* the same since 6.16 */
{ "INFO: task ", "can't die for more than", HANG, 8, 0, NULL },				/* linux-next */
{ "INFO: task ", " is blocked on a ", INFO, 1, LINE, NULL },					/* hung_task.c since 6.15: names the owner */

/* --- oops: x86 (arch/x86/mm/fault.c, kernel/traps.c) */
{ "BUG: kernel NULL pointer dereference", NULL, OOPS, 7, F, "NULL pointer dereference" },
{ "BUG: unable to handle kernel NULL pointer dereference", NULL, OOPS, 7, 0, "NULL pointer dereference" },	/* before 5.2 */
{ "BUG: unable to handle page fault for address", NULL, OOPS, 7, F, "invalid memory access" },
{ "BUG: unable to handle kernel paging request", NULL, OOPS, 7, 0, "invalid memory access" },
{ "BUG: unable to handle kernel", NULL, OOPS, 7, 0, "invalid memory access" },
{ "BUG: stack guard page was hit", NULL, OOPS, 8, 0, "kernel stack overflow" },
{ "BUG: ", " stack guard page was hit", OOPS, 8, 0, "kernel stack overflow" },			/* since 5.15 names the stack */
{ "general protection fault", NULL, OOPS, 7, F, "general protection fault" },
{ "stack segment: ", "[#", OOPS, 7, F, "stack segment fault" },
{ "divide error: ", "[#", OOPS, 7, F, "division by zero" },
{ "invalid opcode: ", "[#", OOPS, 2, F, "invalid opcode" },
{ "int3: ", "[#", OOPS, 6, F, "breakpoint in the kernel" },
{ "double fault: ", "[#", OOPS, 6, F, "double fault" },
{ "traps: Missing ENDBR", NULL, OOPS, 8, 0, "missing ENDBR (IBT)" },				/* arch/x86/kernel/cet.c */
{ "Missing ENDBR", NULL, OOPS, 8, 0, "missing ENDBR (IBT)" },
{ "unchecked MSR access error", NULL, WARN, 6, 0, NULL },					/* arch/x86/mm/extable.c */
{ "Oops: general protection fault", NULL, OOPS, 7, F, "general protection fault" },		/* x86 since 6.10 */
{ "Oops: divide error", NULL, OOPS, 7, F, "division by zero" },
{ "Oops: stack segment", NULL, OOPS, 7, F, "stack segment fault" },
{ "Oops: invalid opcode", NULL, OOPS, 2, F, "invalid opcode" },
{ "Oops: int3", NULL, OOPS, 6, F, "breakpoint in the kernel" },
{ "Oops: double fault", NULL, OOPS, 6, F, "double fault" },

/* --- oops: powerpc (arch/powerpc/mm/fault.c, kernel/traps.c) */
{ "BUG: Kernel NULL pointer dereference", NULL, OOPS, 7, F, "NULL pointer dereference" },
{ "BUG: Unable to handle kernel data access", NULL, OOPS, 7, F, "invalid memory access" },
{ "BUG: Unable to handle kernel instruction fetch", NULL, OOPS, 7, F, "jump to an invalid address" },
{ "BUG: Unable to handle", NULL, OOPS, 7, F, "invalid memory access" },
{ "Kernel attempted to ", "exploit attempt", OOPS, 5, F, NULL },
{ "kernel tried to execute ", "exploit attempt", OOPS, 8, F, "execution of data" },				/* x86 too; the BUG: line comes after it */
{ "Unable to handle kernel paging request for", NULL, OOPS, 7, 0, "invalid memory access" },	/* before 5.2 */
{ "Bad kernel stack pointer", NULL, OOPS, 7, 0, NULL },
{ "Machine check in kernel mode", NULL, OOPS, 7, 0, NULL },
{ "Unrecoverable ", " at ", OOPS, 6, F, NULL },						/* "Unrecoverable FP Unavailable Exception 800 at" */

/* --- oops: arm, arm64, riscv, s390, loongarch, mips */
{ "Unable to handle kernel NULL pointer dereference", NULL, OOPS, 7, 0, "NULL pointer dereference" },
{ "Unable to handle kernel access to user memory", NULL, OOPS, 7, 0, "access to user memory" },
{ "Unable to handle kernel pointer dereference", NULL, OOPS, 7, 0, "invalid memory access" },	/* arch/s390/mm/fault.c */
{ "Unable to handle kernel execute", NULL, OOPS, 7, 0, "jump to an invalid address" },
{ "Unable to handle kernel ", NULL, OOPS, 7, 0, "invalid memory access" },
{ "Unable to handle ", "pointer dereference", OOPS, 7, 0, "invalid memory access" },
{ "CPU ", "Unable to handle kernel", OOPS, 7, 0, "invalid memory access" },			/* arch/loongarch, arch/mips mm/fault.c */
{ "Kernel stack overflow.", NULL, OOPS, 8, 0, "kernel stack overflow" },				/* arch/s390/kernel/traps.c */
{ "Insufficient stack space to handle exception", NULL, OOPS, 9, 0, "kernel stack overflow" },	/* arch/arm64, riscv kernel/traps.c */
{ "Internal error: ", NULL, OOPS, 2, F, NULL },						/* arch/arm*: kernel/traps.c die() */
/* A program's fault as well; in the kernel "Internal error" follows and says that it is an oops. */
{ "Unhandled fault: ", NULL, SOFT_OOPS, 6, F, NULL },						/* arch/arm/mm/fault.c */
{ "Unhandled prefetch abort: ", NULL, SOFT_OOPS, 6, F, NULL },
{ "Alignment trap: not handling instruction", NULL, SOFT_OOPS, 3, F, NULL },			/* arch/arm/mm/alignment.c */
{ "Bad mode in ", "detected", OOPS, 6, 0, NULL },						/* arch/arm64/kernel/traps.c */
{ "SError Interrupt on CPU", NULL, OOPS, 6, 0, NULL },						/* arch/arm64/kernel/traps.c */
{ "Unexpected kernel ", " exception at EL1", OOPS, 6, F, NULL },				/* arch/arm64/kernel/debug-monitors.c */
{ "Kernel BUG [#", NULL, BUG, 2, F, "BUG()" },							/* arch/riscv/kernel/traps.c */
{ "Oops", "[#", OOPS, 2, F, NULL },								/* every die(), riscv "Oops [#1]" */
{ "Oops: ", NULL, OOPS, 2, F, NULL },

/* --- BUG() and corrupted data */
{ "list_add corruption", NULL, BUG, 9, 0, NULL },						/* lib/list_debug.c */
{ "list_add double add", NULL, BUG, 9, 0, NULL },
{ "list_del corruption", NULL, BUG, 9, 0, NULL },
{ "slab: ", "double free detected", BUG, 9, 0, NULL },
{ "refcount_t: ", NULL, BUG, 9, 0, NULL },							/* lib/refcount.c */
{ "kernel BUG at ", NULL, BUG, 6, F, "BUG()" },							/* lib/bug.c, asm/bug.h */
{ "Kernel BUG at ", NULL, BUG, 6, F, "BUG()" },
{ "kernel BUG in ", NULL, BUG, 6, F, "BUG()" },							/* without CONFIG_DEBUG_BUGVERBOSE */
{ "rust_kernel: panicked", NULL, BUG, 9, 0, NULL },						/* rust/kernel/lib.rs */
{ "usercopy: Kernel memory ", NULL, BUG, 9, 0, NULL },						/* mm/usercopy.c */
{ "VFS: Busy inodes after unmount", NULL, BUG, 8, NOFN, NULL },				/* fs/super.c */
{ "VFS: Close: file count is 0", NULL, BUG, 8, NOFN, NULL },					/* fs/open.c */
{ "kmem_cache_destroy ", "still has objects", LEAK, 8, 0, NULL },				/* mm/slab_common.c */
{ "BUG ", "): Objects remaining", LEAK, 8, 0, NULL },						/* mm/slub.c */
{ "BUG ", "): ", BUG, 8, 0, NULL },								/* mm/slub.c: Redzone, Poison, already free ... */
{ "cache_from_obj: Wrong slab cache", NULL, BUG, 8, 0, NULL },					/* mm/slab.h */
{ "Bad or missing usercopy whitelist", NULL, BUG, 8, 0, NULL },				/* mm/usercopy.c, a WARN's text */
{ "pagealloc: memory corruption", NULL, BUG, 8, 0, NULL },					/* mm/page_poison.c */
{ "BUG: ", NULL, BUG, 5, 0, NULL },								/* Bad page state, Bad rss-counter, Dentry still in use, ... */

/* --- WARN(): kernel/panic.c __warn() */
{ "WARNING: CPU: ", " at ", WARN, 5, F, NULL },
{ "WARNING: ", ", CPU#", WARN, 5, F, NULL },							/* since 6.19: FILE:LINE at func, CPU#N: comm/pid */
{ "WARNING: at ", ":", WARN, 5, F, NULL },							/* before 3.10; some vendors' kernels */

/* --- boot */
{ "Requested init ", " failed", BOOT, 5, NOFN, NULL },						/* init/main.c */
{ "VFS: Cannot open root device", NULL, BOOT, 5, NOFN, NULL },					/* init/do_mounts.c */
{ "Initramfs unpacking failed", NULL, NOTICE, 5, LINE, NULL },					/* init/initramfs.c */
{ " -- System halted", NULL, BOOT, 5, LINE | CRASH_ANY_SPEAKER, "the kernel could not be unpacked" },	/* arch/x86/boot/compressed/misc.c */
{ "Gave up waiting for root ", NULL, BOOT, 5, LINE | CRASH_ANY_SPEAKER, NULL },		/* initramfs-tools */
{ "ALERT!  ", "does not exist.  Dropping to a shell", BOOT, 5, LINE | CRASH_ANY_SPEAKER, NULL },	/* initramfs-tools */
{ "Could not boot.", NULL, BOOT, 5, LINE | CRASH_ANY_SPEAKER | CRASH_AFTER_COLON, NULL },	/* dracut */
{ "You are in emergency mode", NULL, BOOT, 5, LINE | CRASH_ANY_SPEAKER, NULL },		/* systemd */
{ "Linux version ", NULL, INFO, 0, CRASH_SINGLE | CRASH_BANNER, NULL },			/* init/version.c */
{ "reboot: ", NULL, INFO, 0, CRASH_SINGLE | CRASH_ORDERLY, NULL },				/* kernel/reboot.c */
{ "kexec_core: Starting new kernel", NULL, INFO, 0, CRASH_SINGLE | CRASH_ORDERLY, NULL },	/* kernel/kexec_core.c */
{ "sysrq: Resetting", NULL, INFO, 0, CRASH_SINGLE | CRASH_ORDERLY, NULL },			/* drivers/tty/sysrq.c */

/* --- modules: kernel/module/main.c, version.c */
{ "disagrees about version of symbol", NULL, MISMATCH, 5, LINE | CRASH_AFTER_COLON, NULL },
{ "Unknown symbol ", NULL, MISMATCH, 5, LINE | CRASH_AFTER_COLON, NULL },
{ "version magic '", "should be", MISMATCH, 5, LINE | CRASH_AFTER_COLON, NULL },
{ "exports duplicate symbol ", NULL, MISMATCH, 5, LINE | CRASH_AFTER_COLON, NULL },
{ "module is already loaded", NULL, SKIP },
{ ".gnu.linkonce.this_module section size must match", NULL, MISMATCH, 5, LINE | CRASH_AFTER_COLON, NULL },

/* --- memory and devices */
{ "Out of memory: Kill", NULL, OOM, 5, LINE, NULL },						/* mm/oom_kill.c */
{ "Out of memory and no killable processes", NULL, OOM, 5, LINE, NULL },
{ "Memory cgroup out of memory: Kill", NULL, OOM, 5, LINE, NULL },
{ "page allocation failure: order:", NULL, INFO, 5, LINE | CRASH_AFTER_COLON, NULL },		/* mm/page_alloc.c */
{ "segfault at ", NULL, INFO, 5, LINE | CRASH_AFTER_COLON, NULL },				/* arch/x86/mm/fault.c: a program */
{ "traps: ", " trap ", INFO, 5, LINE, NULL },							/* arch/x86/kernel/traps.c: a program */
{ "I/O error, dev ", NULL, INFO, 5, LINE | CRASH_AFTER_COLON, NULL },				/* block/blk-core.c, since 5.16 without "blk_update_request: " */
{ "clocksource: ", "unstable", INFO, 5, LINE, NULL },						/* kernel/time/clocksource.c */
{ "mce: [Hardware Error]", NULL, NOTICE, 5, LINE, NULL },					/* arch/x86/kernel/cpu/mce */
{ "EXT4-fs error (device ", NULL, NOTICE, 5, LINE, NULL },					/* fs/ext4/super.c */
};
/* clang-format on */

const size_t n_crash_patterns = ARRAY_SIZE(crash_patterns);
_Static_assert(ARRAY_SIZE(crash_patterns) <= CRASH_INDEX_MAX, "make CRASH_INDEX_MAX larger");

void crash_index_init(struct crash_index *ix)
{
	uint16_t next[256];

	memset(ix, 0, sizeof(*ix));
	for (size_t i = 0; i < n_crash_patterns; i++)
		ix->begin[(unsigned char)crash_patterns[i].prefix[0] + 1]++;
	for (unsigned c = 0; c < 256; c++) {
		ix->begin[c + 1] += ix->begin[c];
		next[c] = ix->begin[c];
	}
	for (size_t i = 0; i < n_crash_patterns; i++) {
		unsigned char c = (unsigned char)crash_patterns[i].prefix[0];

		ix->prefix_len[next[c]] = (uint8_t)strlen(crash_patterns[i].prefix);
		ix->second[next[c]] = crash_patterns[i].prefix[1];
		ix->row[next[c]++] = (uint16_t)i;
		if (crash_patterns[i].flags & CRASH_AFTER_COLON)
			ix->after_colon[c] = 1;
	}
}

/*
 * Lines that die() prints have "[#1]", "[#2]", ... on every architecture, under names that
 * differ ("monitor event: 0040 ilc:2 [#1] SMP" is BUG() on s390). This
 * catches those that no row names.
 */
static const struct crash_pattern die_pattern = { "", NULL, OOPS, 1, F, NULL };

static bool is_die_line(const char *text, size_t n)
{
	static const char *const words[] = { "exception", "fault",	 "error",  "opcode", "operation",
					     "event",	  "instruction", "trap",   "Oops",   "BUG",
					     "check",	  "misaligned",	 "segment" };
	const char *hash = memchr(text, '#', n);
	const char *end = text + n, *p;

	if (!hash || hash - text < 6 || hash[-1] != '[' || hash[-2] != ' ')
		return false;
	for (p = hash + 1; p < end && *p >= '0' && *p <= '9'; p++)
		;
	if (p == hash + 1 || p == end || *p != ']' || (p + 1 < end && p[1] != ' '))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (memmem(text, (size_t)(hash - text), words[i], strlen(words[i])))
			return true;
	return false;
}

/* The text has at least two bytes. */
static const struct crash_pattern *find_at(const struct crash_index *ix, const char *text, size_t n, bool after_colon)
{
	unsigned char c = (unsigned char)text[0];

	for (uint16_t i = ix->begin[c]; i < ix->begin[c + 1]; i++) {
		const struct crash_pattern *row;
		size_t len = ix->prefix_len[i];

		if (ix->second[i] != text[1] && ix->second[i])
			continue;
		row = &crash_patterns[ix->row[i]];
		if (n < len || text[len - 1] != row->prefix[len - 1] || memcmp(text, row->prefix, len) != 0)
			continue;
		if (after_colon && !(row->flags & CRASH_AFTER_COLON))
			continue;
		if (row->contains && !memmem(text + len, n - len, row->contains, strlen(row->contains)))
			continue;
		return row;
	}
	return NULL;
}

const struct crash_pattern *crash_index_find(const struct crash_index *ix, const char *text, size_t n)
{
	const struct crash_pattern *row = NULL;
	const char *colon;
	unsigned char c;

	if (n < 6)
		return NULL;
	c = (unsigned char)text[0];
	if (ix->begin[c] != ix->begin[c + 1])
		row = find_at(ix, text, n, false);
	if (!row && c == ' ') /* a stack, registers: nothing else begins so */
		return NULL;
	if (!row) {
		colon = memchr(text, ':', n < 64 ? n : 64);
		if (colon && (size_t)(colon - text) + 8 < n && colon[1] == ' ' &&
		    ix->after_colon[(unsigned char)colon[2]])
			row = find_at(ix, colon + 2, n - (size_t)(colon + 2 - text), true);
	}
	if (!row && is_die_line(text, n))
		row = &die_pattern;
	return row && (row->flags & CRASH_HARMLESS) ? NULL : row;
}
