/* SPDX-License-Identifier: MPL-2.0 */

#include "run/analyser_words.h"

#include <string.h>

#include "base/cleanup.h"

/* clang-format off */
static const char *const boilerplate[] = {
	"___might_sleep", "__asan_*", "__bad_area*", "__bad_page_fault", "__check_heap_object", "__check_object_size*",
	"__cond_resched*", "__const_udelay", "__copy_overflow", "__cv_*", "__delay", "__die*", "__do_kernel_fault",
	"__do_page_fault", "__do_pgm_check", "__do_softirq", "__do_syscall*", "__down*", "__folio_lock*",
	"__fortify_panic", "__fortify_report", "__hrtimer_run_queues", "__irq_exit_rcu", "__kasan_*", "__kfence_*",
	"__kmem_cache_free*", "__kmem_cache_shutdown", "__list_add_valid*", "__list_del_entry_valid*",
	"__lock_acquire*", "__lock_release*", "__might_fault", "__might_resched", "__might_sleep", "__msan_*",
	"__mutex_lock*", "__ndelay", "__pv_queued_spin_lock_slowpath", "__raw_spin_*", "__refcount_*", "__report_bug",
	"__rt_mutex_*", "__schedule*", "__slab_err", "__slab_free", "__stack_chk_fail", "__switch_to*", "__sysvec_*",
	"__tsan_*", "__ubsan_*", "__udelay", "__wait_for_common", "__wait_on_bit*", "__warn*", "_printk", "_raw_read_*",
	"_raw_spin_*", "_raw_write_*", "alloc_debug_processing", "apic_timer_interrupt", "arch_timer_handler_*",
	"arch_trigger_cpumask_backtrace", "asan_*", "asm_call_*", "asm_common_interrupt", "asm_exc_*", "asm_sysvec_*",
	"assign_lock_key", "async_page_fault", "bad_area*", "bad_page", "bad_page_fault*", "bit_wait*", "brk_handler",
	"bug_handler", "call_break_hook", "call_on_*", "call_rwsem_*", "check_bytes_and_report", "check_cpu_stall*",
	"check_deadlock", "check_memory_region*", "check_noncircular", "check_object", "check_panic_on_warn",
	"check_preemption_disabled", "check_prev*", "check_region_inline", "check_wait_context", "cmn_err",
	"common_interrupt", "context_switch", "cpu_startup_entry", "cv_timedwait*", "cv_wait*", "data_access_common*",
	"debug_print_object", "debug_smp_processor_id", "decrementer_common*", "default_idle*", "delay_loop",
	"delay_tsc", "die", "die_*", "divide_error", "do_alignment_fault", "do_dat_exception", "do_debug_exception",
	"do_divide_error", "do_el0_svc", "do_el1_*", "do_error_trap", "do_exit", "do_ext_irq", "do_general_protection",
	"do_hash_fault", "do_idle", "do_invalid_op", "do_kern_addr_fault", "do_mem_abort", "do_nanosleep",
	"do_no_context", "do_page_fault", "do_protection_exception", "do_raw_read_*", "do_raw_spin_*", "do_raw_write_*",
	"do_report_trap", "do_sea", "do_slab_free", "do_softirq*", "do_syscall_64", "do_translation_fault", "do_trap*",
	"do_user_addr_fault", "do_wait_for_common", "down", "down_interruptible", "down_read*", "down_write*",
	"dump_backtrace*", "dump_stack*", "dynamic_cond_resched", "el0_*", "el0t_*", "el1_*", "el1h_*", "end_report*",
	"entry_*", "error_entry", "exc_*", "fixup_bug*", "fixup_exception", "folio_wait_bit*", "fortify_panic",
	"free_debug_processing", "free_to_partial_list", "general_protection", "generic_handle_*", "gic_handle_irq",
	"handle_bad_stack", "handle_bug", "handle_domain_irq", "handle_exception*", "handle_overflow",
	"handle_page_fault", "handle_percpu_devid_irq", "handle_softirqs", "hash__do_page_fault", "hrtimer_*",
	"interrupt_return*", "invalid_op", "invoke_syscall", "io_schedule*", "irq_exit*", "kasan_*", "kcsan_*",
	"kernelmode_fixup_or_oops", "kfence_*", "kfree*", "kmem_cache_destroy*", "kmem_cache_free*", "kmsan_*",
	"kvfree", "kvm_wait*", "libspl_*", "list_slab_objects*", "lock_acquire*", "lock_release*", "lockdep_*",
	"make_task_dead", "mark_lock*", "might_fault", "msleep*", "mutex_lock*", "mutex_optimistic_spin*",
	"native_apic_*", "native_halt", "native_queued_spin_lock_slowpath", "native_safe_halt", "nmi_cpu_backtrace*",
	"nmi_panic", "nmi_trigger_cpumask_backtrace", "no_context", "object_err", "oops_end", "oops_exit",
	"out_of_line_wait_on_bit*", "page_fault", "page_fault_oops", "panic", "panic_bad_stack", "percpu_ref_*",
	"pgm_check*", "preempt_schedule*", "prepare_to_wait*", "print_address_description*", "print_circular_bug*",
	"print_cpu_stall*", "print_deadlock_bug*", "print_irq*", "print_other_cpu_stall", "print_report",
	"print_trailer", "print_unlock*", "print_usage_bug*", "printk*", "program_check*", "queued_read_lock_slowpath",
	"queued_spin_lock_slowpath", "queued_write_lock_slowpath", "rcu_check_gp_kthread*", "rcu_dump_cpu_stacks*",
	"rcu_pending", "rcu_sched_clock_irq", "rcu_stall*", "refcount_*", "register_lock_class", "report_already_freed",
	"report_bug*", "ret_from_exception", "ret_from_fork*", "ret_from_intr", "ret_from_kernel_user_stack",
	"rewind_stack_*", "riscv_*", "rrm_enter*", "rrw_enter*", "rt_mutex_*", "rt_spin_lock*", "rwlock_bug*",
	"rwsem_*", "sched_show_task", "schedule*", "show_regs*", "show_stack*", "show_trace*", "slab_bug", "slab_err",
	"slab_fix", "slab_pad_check*", "smp_apic_timer_interrupt", "spin_bug", "spin_dump", "spl_assert",
	"spl_dumpstack", "spl_panic", "sysrq_handle_crash", "system_call*", "sysvec_*", "tick_*",
	"timer_interrupt", "trigger_single_cpu_backtrace", "ubsan_*", "unwind_backtrace", "up_read",
	"update_process_times", "usercopy_abort", "usleep_range*", "val_to_string*", "valid_state*", "validate_chain",
	"vcmn_err", "vpanic", "vpanic_*", "vprintk*", "wait_for_common*", "wait_for_completion*", "wait_on_*",
	"warn_slowpath*", "watchdog_*", "x64_sys_call", "zfs_panic_recover",
};

static const char *const allocators[] = {
	"__alloc_pages*", "__alloc_percpu*", "__do_krealloc", "__kmalloc", "__kmalloc_*", "__kmem_cache_alloc_*",
	"__kmemdup*", "__kvmalloc*", "__spl_cache*", "__spl_kmem*", "__vmalloc*", "alloc_pages*", "devm_kmalloc*",
	"kasprintf", "kcalloc*", "kmalloc", "kmalloc_*", "kmem_cache_alloc", "kmem_cache_alloc_*", "kmem_cache_zalloc",
	"kmem_strdup", "kmemdup*", "kmemleak_*", "krealloc", "krealloc_*", "kstrdup*", "kvasprintf*", "kvmalloc*",
	"kzalloc*", "pcpu_alloc*", "slab_alloc_node", "slab_post_alloc_hook", "spl_alloc*", "spl_kmem_alloc*",
	"spl_kmem_cache_alloc*", "spl_kmem_zalloc*", "spl_kvmalloc*", "spl_vmem_alloc*", "spl_vmem_zalloc*", "vmalloc",
	"vmalloc_*", "vzalloc*",
};

static const char *const body[] = {
	"\"echo 0 >", "#", "(t=", "*** DEADLOCK", "---", "->", "... ", "0x", "1 lock held", "2 locks held",
	"3 locks held", "===", ">ffff", "AS:", "Allocated ", "BE PAGE_SIZE", "Backtrace", "Bad access", "Bytes b4",
	"CFAR:", "CPU ", "CPU: ", "CR0:", "CR2:", "CS:", "Call Trace:", "Call trace:", "Code ", "Code:", "Control:",
	"DR0:", "DR3:", "DS:", "Data abort info:", "Dumping ftrace", "EAX:", "EFLAGS", "EIP:", "ESI:", "FIX ", "FS:",
	"Failing address", "Fault in ", "Faulting instruction", "Flags:", "Freed ", "GPR", "Hardware name:",
	"INFO: Allocated in", "INFO: Freed in", "INFO: Object", "INFO: Slab", "INFO: lockdep is turned off",
	"Instruction dump:", "KASAN:", "Kernel Offset", "Krnl Code", "Krnl GPRS", "Krnl PSW", "LE PAGE_SIZE", "LR",
	"Last Breaking", "Last potentially", "Local variable", "MSR:", "Mem abort info:", "Memory Limit",
	"Memory state", "Modules linked in:", "NIP", "NMI backtrace", "Not tainted", "ODEBUG", "ORIG_RAX", "Object ",
	"Oops", "P4D ", "PC is at", "PGD ", "PKRU:", "Padding", "Possible unsafe", "Preemption disabled", "Process ",
	"R10:", "R13:", "RAX:", "RBP:", "RCU GP kthread", "RCU grace-period", "RCU nest depth", "RDX:", "REGS:", "RIP:", "RSP:", "Read at", "Read of size",
	"Rebooting in", "Redzone", "Register ", "SMP: stopping", "Second to last", "Sending NMI", "Showing backtraces",
	"Showing busy workqueues", "Showing stack for process", "Slab ", "Stack dump where", "Stack:", "Stopper:", "Tainted:", "Task dump", "The buggy",
	"Uninit ", "Unloaded tainted", "User PSW", "User process fault", "Workqueue:", "Write at", "Write of size", "[",
	"^", "a0 :", "a1 :", "a2 :", "a5 :", "and it was", "and this task", "backtrace", "but task is",
	"but there are no", "comm \"", "division", "epc :", "ffff", "flags:", "gp :", "hardirqs last", "head:",
	"hex dump", "in-flight:", "in_atomic()", "index ", "irq event stamp", "kasan:", "kmemleak:", "left shift", "load of value",
	"locks held", "lr :", "member access", "no locks held", "note: ", "other info", "page dumped", "page last",
	"page:", "page_owner", "page_type", "pc :", "pending:", "pmr_save", "pool ", "preempt_count", "pstate:", "r10:",
	"r3 :", "r7 :", "raw:", "rcu:", "rcu_", "s1 :", "s11:", "s2 :", "s5 :", "s8 :", "shift exponent",
	"signed integer", "softirqs last", "sp :", "stack backtrace", "status:", "swapper pgtable", "t0 :", "t2 :",
	"t5 :", "task:", "the dependencies", "the existing", "the lock", "user pgtable", "value changed", "which lock",
	"workqueue ", "x0 :", "x1", "x2", "x3 :", "x5 :", "x6 :", "x8 :", "x9 :",
};
/* clang-format on */

#define N_BYTES 256
static uint16_t boilerplate_begin[N_BYTES + 1], allocators_begin[N_BYTES + 1], body_begin[N_BYTES + 1];

const struct words words_boilerplate = { boilerplate, ARRAY_SIZE(boilerplate), boilerplate_begin };
const struct words words_allocators = { allocators, ARRAY_SIZE(allocators), allocators_begin };
const struct words words_body = { body, ARRAY_SIZE(body), body_begin };

/* The words that begin with this byte, as the range [*ret_low, *ret_high). */
static void words_of(const struct words *w, unsigned char c, size_t *ret_low, size_t *ret_high)
{
	if (!w->begin[N_BYTES]) {
		for (size_t i = 0; i < w->n; i++)
			w->begin[(unsigned char)w->v[i][0] + 1]++;
		for (unsigned i = 0; i < N_BYTES; i++)
			w->begin[i + 1] += w->begin[i];
	}
	*ret_low = w->begin[c];
	*ret_high = w->begin[c + 1];
}

static bool is_pattern(const char *word, size_t n)
{
	return n && word[n - 1] == '*';
}

bool words_have(const struct words *w, const char *name)
{
	size_t low, high, first, n;
	const char *word;

	words_of(w, (unsigned char)name[0], &first, &high);
	/* The last word that is not greater than the name; the '*' is no part of it. */
	for (low = first; low < high;) {
		size_t mid = (low + high) / 2;

		word = w->v[mid];
		for (n = 0; word[n] && word[n] != '*' && word[n] == name[n]; n++)
			;
		if (word[n] == '\0' || word[n] == '*' || (unsigned char)word[n] < (unsigned char)name[n])
			low = mid + 1;
		else
			high = mid;
	}
	if (low == first)
		return false;
	word = w->v[low - 1];
	n = strlen(word);
	return is_pattern(word, n) ? strncmp(name, word, n - 1) == 0 : strcmp(name, word) == 0;
}

bool words_begin(const struct words *w, const char *text, size_t n)
{
	size_t low, high, first, i;

	if (!n)
		return false;
	words_of(w, (unsigned char)text[0], &first, &high);
	for (low = first; low < high;) {
		size_t mid = (low + high) / 2;
		const char *word = w->v[mid];

		for (i = 0; i < n && word[i] && word[i] == text[i]; i++)
			;
		if (!word[i] || (i < n && (unsigned char)word[i] < (unsigned char)text[i]))
			low = mid + 1;
		else
			high = mid;
	}
	if (low == first)
		return false;
	for (i = 0; w->v[low - 1][i]; i++)
		if (i == n || w->v[low - 1][i] != text[i])
			return false;
	return true;
}
