/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Prefixes come in any order and number: "<6>", "Nov  3 12:00:00 host
 * kernel: ", "2026-11-03T12:00:00.1Z ", "** 3 printk messages dropped ** ",
 * "quizhost login: ", terminal escapes, and then, in most logs, the kernel's own
 * "[   12.345678][  T123] ". What stands in front of that stamp is not
 * looked at. Without one, the known prefixes are peeled off one by one.
 */

#include "run/analyser_line.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define PREFIX_SCAN 160 /* bytes in which a stamp is looked for */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "[   12.345678]" at p: the end of it, or NULL. */
static const char *parse_stamp(const char *p, const char *end, uint64_t *ret_us)
{
	uint64_t sec = 0, frac = 0;
	unsigned n_sec = 0, n_frac = 0;

	if (p == end || *p != '[')
		return NULL;
	for (p++; p < end && *p == ' '; p++)
		;
	for (; p < end && is_digit(*p) && n_sec < 12; p++, n_sec++)
		sec = sec * 10 + (uint64_t)(*p - '0');
	if (!n_sec || p == end || *p != '.')
		return NULL;
	for (p++; p < end && is_digit(*p) && n_frac < 9; p++, n_frac++)
		if (n_frac < 6)
			frac = frac * 10 + (uint64_t)(*p - '0');
	if (n_frac < 3 || p == end || *p != ']')
		return NULL;
	for (; n_frac < 6; n_frac++)
		frac *= 10;
	*ret_us = sec * 1000000 + frac;
	return p + 1;
}

/* What may follow a stamp directly: "[  T123]", "[C1]", and what newer kernels add beside them. */
static const char *parse_callers(const char *p, const char *end, char *caller, size_t size)
{
	for (unsigned i = 0; i < 4 && p < end; i++) {
		const char *q = p, *close;
		size_t n;

		if (i > 0 && *q != '[')
			break;
		if (*q == ' ' && q + 1 < end && q[1] == '[') /* "[    1.2] [  T123]": some syslog daemons */
			q++;
		if (q == end || *q != '[')
			break;
		for (q++; q < end && *q == ' '; q++)
			;
		close = memchr(q, ']', (size_t)(end - q) < 40 ? (size_t)(end - q) : 40);
		if (!close || q == close)
			break;
		n = (size_t)(close - q);
		if (i == 0) {
			/* Only what is a caller for sure: "[drm] ..." is text. */
			if ((*q != 'T' && *q != 'C') || n < 2 || !is_digit(q[1]))
				break;
			if (n >= size)
				n = size - 1;
			memcpy(caller, q, n);
			caller[n] = '\0';
		}
		p = close + 1;
	}
	if (p < end && *p == ' ')
		p++;
	return p;
}

/* "[Tue Nov  3 12:00:00 2026]" of dmesg -T. */
static const char *parse_human_stamp(const char *p, const char *end)
{
	const char *close;

	if (end - p < 24 || *p != '[' || !isalpha((unsigned char)p[1]) || !isalpha((unsigned char)p[3]) ||
	    p[4] != ' ' || !isalpha((unsigned char)p[5]))
		return NULL;
	close = memchr(p, ']', (size_t)(end - p) < 40 ? (size_t)(end - p) : 40);
	if (!close || !is_digit(close[-1]))
		return NULL;
	p = close + 1;
	return p < end && *p == ' ' ? p + 1 : p;
}

static const char *skip_junk(const char *p, const char *end)
{
	while (p < end) {
		if (*p == '\r' || *p == '\0' || *p == '\a') {
			p++;
		} else if (*p == 033 && p + 1 < end && p[1] == '[') {
			for (p += 2; p < end && (is_digit(*p) || *p == ';' || *p == '?'); p++)
				;
			if (p < end)
				p++;
		} else if (*p == 033) {
			p++;
		} else {
			break;
		}
	}
	return p;
}

/* One prefix that is not a stamp: the end of it, or NULL. */
static const char *parse_other(const char *p, const char *end, bool *ret_is_kernel)
{
	const char *q = p;

	if (*p == '<') { /* syslog level */
		for (q++; q < end && is_digit(*q); q++)
			;
		if (q > p + 1 && q - p <= 5 && q < end && *q == '>')
			return q + 1;
		return NULL;
	}
	if (end - p > 4 && p[0] == '*' && p[1] == '*' && p[2] == ' ') { /* "** 3 printk messages dropped ** " */
		q = memmem(p + 3, (size_t)(end - p - 3) < 60 ? (size_t)(end - p - 3) : 60, " ** ", 4);
		return q ? q + 4 : NULL;
	}
	if (end - p > 20 && is_digit(p[0]) && is_digit(p[3]) && p[4] == '-' && p[7] == '-') { /* ISO date and time */
		q = memchr(p, ' ', (size_t)(end - p) < 40 ? (size_t)(end - p) : 40);
		if (q && q - p == 10)
			q = memchr(q + 1, ' ', (size_t)(end - q - 1) < 30 ? (size_t)(end - q - 1) : 30);
		return q ? q + 1 : NULL;
	}
	if (end - p > 12) { /* "Nov  3 12:00:00 host kernel: " */
		q = memmem(p, (size_t)(end - p) < 100 ? (size_t)(end - p) : 100, " kernel: ", 9);
		if (q && isalnum((unsigned char)*p)) {
			*ret_is_kernel = true;
			return q + 9;
		}
	}
	return NULL;
}

void log_line_parse(const char *line, size_t n, bool is_first, struct log_line *ret)
{
	const char *p = line, *end = line + n, *q;

	ret->is_stamped = ret->has_time = false;
	ret->time_us = 0;
	ret->caller[0] = '\0';
	while (end > p && (end[-1] == '\r' || end[-1] == '\0'))
		end--;
	p = skip_junk(p, end);

	/* The usual case first, then a stamp behind some prefix. */
	for (q = p; q && q < end && q - p < PREFIX_SCAN; q = memchr(q + 1, '[', (size_t)(end - q - 1))) {
		const char *after = *q == '[' ? parse_stamp(q, end, &ret->time_us) : NULL;

		if (after) {
			ret->is_stamped = ret->has_time = true;
			p = parse_callers(after, end, ret->caller, sizeof(ret->caller));
			goto out;
		}
		if (q + 1 >= end)
			break;
	}
	q = p < end ? parse_human_stamp(p, end) : NULL;
	if (q) {
		ret->is_stamped = true;
		p = q;
		goto out;
	}
	for (unsigned i = 0; i < 4 && p < end; i++) {
		q = parse_other(p, end, &ret->is_stamped);
		if (!q)
			break;
		p = skip_junk(q, end);
	}
	if (is_first) { /* "3456] BUG: ..." */
		for (q = p; q < end && q - p < 20 && (is_digit(*q) || *q == '.'); q++)
			;
		if (q > p && end - q > 2 && q[0] == ']' && q[1] == ' ')
			p = q + 2;
	}
out:
	ret->text = p;
	ret->len = (size_t)(end - p);
}

static bool is_symbol_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '$';
}

/* Compiler clones are the same function to a person: "foo.isra.0", "foo.constprop.0", "foo.part.0", "foo.cold",
 * "foo.llvm.123". */
static void strip_suffixes(char *name)
{
	char *dot = strchr(name, '.');

	if (dot)
		*dot = '\0';
}

/* Hexadecimal digits from p, as far as they go. Does not care about overflow: nonsense stays nonsense. */
static uint64_t parse_hex(const char *p, const char *end)
{
	uint64_t v = 0;

	for (; p < end && isxdigit((unsigned char)*p); p++)
		v = v << 4 | (uint64_t)(is_digit(*p) ? *p - '0' : (*p | 0x20) - 'a' + 10);
	return v;
}

/* " 0123abcd...]": CONFIG_STACKTRACE_BUILD_ID. */
static void find_build_id(struct log_symbol *sym, const char *at, const char *end)
{
	const char *p = at + 1;

	if (*at != ' ')
		return;
	while (p < end && isxdigit((unsigned char)*p))
		p++;
	if (p == end || *p != ']' || (size_t)(p - at - 1) > 2 * BUILD_ID_BYTES_MAX)
		return;
	sym->build_id = at + 1;
	sym->build_id_len = (size_t)(p - at - 1);
}

bool log_symbol_find(const char *text, size_t n, struct log_symbol *ret)
{
	const char *end = text + n, *p = text;

	while ((p = memmem(p, (size_t)(end - p), "+0x", 3))) {
		const char *begin = p, *q = p + 3;
		size_t len;

		while (begin > text && is_symbol_char(begin[-1]))
			begin--;
		if (*begin == '.') /* an entry point of the older powerpc ABI */
			begin++;
		while (q < end && isxdigit((unsigned char)*q))
			q++;
		if (begin == p || is_digit(*begin) || end - q < 4 || memcmp(q, "/0x", 3) != 0) {
			p += 3;
			continue;
		}
		for (q += 3; q < end && isxdigit((unsigned char)*q); q++)
			;
		len = (size_t)(p - begin);
		ret->raw = begin;
		ret->raw_len = len;
		ret->end = q;
		ret->offset = parse_hex(p + 3, q);
		ret->size = parse_hex((const char *)memchr(p + 3, '/', (size_t)(q - p - 3)) + 3, q);
		if (len >= sizeof(ret->name))
			len = sizeof(ret->name) - 1;
		memcpy(ret->name, begin, len);
		ret->name[len] = '\0';
		strip_suffixes(ret->name);
		ret->is_unreliable = begin - text >= 2 && begin[-1] == ' ' && begin[-2] == '?';
		ret->module[0] = '\0';
		ret->build_id = NULL;
		ret->build_id_len = 0;
		if (end - q > 3 && q[0] == ' ' && q[1] == '[' && isalpha((unsigned char)q[2])) {
			const char *m = q + 2;

			for (len = 0; m + len < end && (is_symbol_char(m[len]) || m[len] == '-'); len++)
				;
			/* "[zfs]" or "[zfs 0123abcd...]" with a build id */
			if (m + len < end && (m[len] == ']' || m[len] == ' ') && len < sizeof(ret->module)) {
				memcpy(ret->module, m, len);
				ret->module[len] = '\0';
				find_build_id(ret, m + len, end);
				p = memchr(m + len, ']', (size_t)(end - m - (ptrdiff_t)len));
				ret->end = p ? p + 1 : end;
			}
		}
		return true;
	}
	return false;
}

bool log_source_find(const char *text, size_t n, char *file, size_t file_size, uint32_t *ret_line)
{
	const char *end = text + n, *p = text;

	while ((p = memchr(p, ':', (size_t)(end - p)))) {
		const char *begin = p, *q = p + 1;
		uint32_t line = 0;
		size_t len;

		while (begin > text && (is_symbol_char(begin[-1]) || strchr("/-+~,", begin[-1])))
			begin--;
		len = (size_t)(p - begin);
		if (len >= 3 && q < end && is_digit(*q) &&
		    (memcmp(p - 2, ".c", 2) == 0 || memcmp(p - 2, ".h", 2) == 0 || memcmp(p - 2, ".S", 2) == 0 ||
		     memcmp(p - 3, ".rs", 3) == 0)) {
			for (; q < end && is_digit(*q) && line < 100000000; q++)
				line = line * 10 + (uint32_t)(*q - '0');
			/* The end of a long path says more than its beginning. */
			if (len >= file_size) {
				begin += len - (file_size - 1);
				len = file_size - 1;
			}
			memcpy(file, begin, len);
			file[len] = '\0';
			*ret_line = line;
			return true;
		}
		p++;
	}
	return false;
}

/*
 * Functions that stand between the culprit and the top of a stack. A '*' at
 * the end means: begins with. Sorted by what brings them there.
 */
/* clang-format off */
static const char *const boilerplate[] = {
	/* printing */
	"dump_stack*", "show_stack*", "show_regs*", "show_trace*", "dump_backtrace*", "unwind_backtrace", "die",
	"__die*", "die_*", "printk*", "vprintk*", "_printk", "nmi_cpu_backtrace*", "nmi_trigger_cpumask_backtrace",
	"arch_trigger_cpumask_backtrace", "trigger_single_cpu_backtrace", "sched_show_task", "rcu_dump_cpu_stacks*",
	"print_cpu_stall*", "rcu_check_gp_kthread*", "rcu_stall*", "check_cpu_stall*", "rcu_pending",
	"rcu_sched_clock_irq", "print_other_cpu_stall",
	/* panic, WARN, BUG, traps */
	"panic", "vpanic", "nmi_panic", "__warn*", "warn_slowpath*", "report_bug*", "handle_bug", "exc_*",
	"asm_exc_*", "do_error_trap", "do_trap*", "fixup_bug*", "bug_handler", "__report_bug", "do_invalid_op",
	"invalid_op", "oops_end", "oops_exit", "no_context", "bad_area*", "__bad_area*", "do_page_fault",
	"__do_page_fault", "page_fault", "async_page_fault", "page_fault_oops", "do_user_addr_fault",
	"do_kern_addr_fault", "kernelmode_fixup_or_oops", "general_protection", "do_general_protection",
	"do_divide_error", "divide_error", "error_entry", "fixup_exception", "ret_from_exception", "el1_*",
	"el1h_*", "el0_*", "el0t_*", "do_mem_abort", "do_translation_fault", "do_debug_exception", "brk_handler",
	"call_break_hook", "__do_kernel_fault", "die_kernel_fault", "do_sea", "do_alignment_fault", "do_el1_*",
	"panic_bad_stack", "handle_bad_stack", "do_exit", "make_task_dead", "rewind_stack_*", "__do_pgm_check",
	"pgm_check*", "do_dat_exception", "do_protection_exception", "do_report_trap", "do_no_context",
	"handle_exception*", "do_trap_*", "riscv_*", "program_check*", "handle_page_fault", "data_access_common*",
	"bad_page_fault*", "__bad_page_fault", "hash__do_page_fault", "do_hash_fault", "interrupt_return*",
	"__stack_chk_fail", "check_panic_on_warn", "sysrq_handle_crash",
	/* sanitizers and checkers */
	"kasan_*", "__kasan_*", "print_report", "print_address_description*", "check_memory_region*", "end_report*",
	"__asan_*", "asan_*", "check_region_inline", "kmsan_*", "__msan_*", "kcsan_*", "__tsan_*", "kfence_*",
	"__kfence_*", "ubsan_*", "__ubsan_*", "handle_overflow", "val_to_string*", "refcount_warn_saturate",
	"refcount_*", "__refcount_*", "__list_add_valid*", "__list_del_entry_valid*", "debug_print_object",
	"object_err", "slab_err", "__slab_err", "slab_bug", "slab_fix", "slab_pad_check*", "check_bytes_and_report",
	"check_object", "free_debug_processing", "free_to_partial_list", "alloc_debug_processing", "__slab_free",
	"do_slab_free", "kmem_cache_free*", "__kmem_cache_free*", "kfree*", "__copy_overflow", "kvfree", "bad_page",
	"list_slab_objects*", "__kmem_cache_shutdown", "kmem_cache_destroy*", "print_trailer",
	"report_already_freed", "usercopy_abort", "__check_object_size*", "__check_heap_object", "fortify_panic",
	"__fortify_panic", "__fortify_report", "percpu_ref_*",
	/* locking checkers */
	"lockdep_*", "print_circular_bug*", "print_deadlock_bug*", "print_usage_bug*", "print_irq*",
	"check_noncircular", "check_prev*", "check_deadlock", "check_wait_context", "validate_chain",
	"__lock_acquire*", "lock_acquire*", "lock_release*", "__lock_release*", "mark_lock*", "valid_state*",
	"register_lock_class", "assign_lock_key", "print_unlock*", "__might_sleep", "__might_resched",
	"___might_sleep", "__might_fault", "might_fault", "__schedule_bug", "debug_smp_processor_id",
	"check_preemption_disabled", "spin_bug", "spin_dump", "do_raw_spin_*", "do_raw_read_*", "do_raw_write_*",
	"rwlock_bug*", "_raw_spin_*", "_raw_read_*", "_raw_write_*", "__raw_spin_*",
	"native_queued_spin_lock_slowpath", "queued_spin_lock_slowpath", "__pv_queued_spin_lock_slowpath",
	"kvm_wait*", "rt_spin_lock*", "queued_read_lock_slowpath", "queued_write_lock_slowpath",
	/* the way into the kernel */
	"do_syscall_64", "entry_*", "ret_from_fork*", "invoke_syscall", "el0_svc*", "do_el0_svc", "system_call*",
	"x64_sys_call", "__do_syscall*",
	/* sleeping */
	"__schedule*", "schedule*", "preempt_schedule*", "io_schedule*", "__switch_to*", "context_switch",
	"__cond_resched*", "dynamic_cond_resched", "wait_for_completion*", "__wait_for_common",
	"do_wait_for_common", "wait_for_common*", "mutex_lock*", "__mutex_lock*", "mutex_optimistic_spin*",
	"rwsem_*", "down_read*", "down_write*", "__down*", "down", "down_interruptible", "up_read", "call_rwsem_*",
	"rt_mutex_*", "__rt_mutex_*", "msleep*", "usleep_range*", "schedule_timeout*", "__wait_on_bit*",
	"out_of_line_wait_on_bit*", "bit_wait*", "wait_on_*", "folio_wait_bit*", "__folio_lock*",
	"prepare_to_wait*", "do_nanosleep", "hrtimer_nanosleep",
	/* ticks and interrupts, under which stalls are noticed */
	"watchdog_timer_fn", "watchdog_*", "__hrtimer_run_queues", "hrtimer_*", "tick_*", "update_process_times",
	"sysvec_*", "asm_sysvec_*", "asm_common_interrupt", "common_interrupt", "__sysvec_*",
	"smp_apic_timer_interrupt", "apic_timer_interrupt", "ret_from_intr", "native_apic_*", "__irq_exit_rcu",
	"irq_exit*", "__do_softirq", "handle_softirqs", "do_softirq*", "asm_call_*", "call_on_*",
	"ret_from_kernel_user_stack", "gic_handle_irq", "generic_handle_*", "handle_percpu_devid_irq",
	"handle_domain_irq", "arch_timer_handler_*", "default_idle*", "native_halt", "native_safe_halt",
	"cpu_startup_entry", "do_idle", "delay_tsc", "__const_udelay", "__delay", "__udelay", "delay_loop",
	"__ndelay", "timer_interrupt", "decrementer_common*", "do_ext_irq",
	/* OpenZFS: spl-err.c, spl-condvar.c, spl-thread.c */
	"spl_panic", "spl_dumpstack", "spl_assert", "vcmn_err", "cmn_err", "vpanic_*", "zfs_panic_recover",
	"libspl_*", "cv_wait*", "__cv_*", "cv_timedwait*", "rrw_enter*", "rrm_enter*", "spl_kmem_*_panic",
};
/* clang-format on */

bool log_symbol_is_boilerplate(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(boilerplate); i++) {
		size_t n = strlen(boilerplate[i]);

		if (boilerplate[i][n - 1] == '*' ? strncmp(name, boilerplate[i], n - 1) == 0
						 : strcmp(name, boilerplate[i]) == 0)
			return true;
	}
	return false;
}

bool log_line_is_program_counter(const char *text, size_t n)
{
	static const char *const registers[] = { "RIP: ",     "EIP: ", "pc : ",	 "pc: ",
						 "PC is at ", "NIP [", "epc : ", "Krnl PSW : " };

	for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
		if (n > strlen(registers[i]) && memcmp(text, registers[i], strlen(registers[i])) == 0)
			return true;
	return false;
}

/* How lines of a report begin, beside blanks and stacks. */
/* clang-format off */
static const char *const body_prefixes[] = {
	"CPU: ", "CPU ", "Hardware name:", "Workqueue:", "Tainted:", "Call Trace:", "Call trace:", "Backtrace:",
	"Backtrace", "Code:", "Code ", "Modules linked in:", "Unloaded tainted", "RIP:", "RSP:", "RAX:", "RDX:",
	"RBP:", "R10:", "R13:", "FS:", "CS:", "CR2:", "DR0:", "DR3:", "PKRU:", "ORIG_RAX", "EIP:", "EAX:", "ESI:",
	"DS:", "CR0:", "EFLAGS", "note: ", "PGD ", "P4D ", "#PF:", "Oops", "KASAN:", "kasan:", "pc :", "lr :",
	"sp :", "pstate:", "pmr_save", "x29:", "x2", "x1", "x8 :", "x5 :", "x9 :", "x6 :", "x3 :", "x0 :",
	"Mem abort info:", "Data abort info:", "[", "swapper pgtable", "user pgtable", "Process ", "Stack:",
	"Stack: ", "NIP", "LR", "REGS:", "MSR:", "CFAR:", "GPR", "Faulting instruction", "LE PAGE_SIZE",
	"BE PAGE_SIZE", "Instruction dump:", "PC is at", "LR is at", "pc :", "sp :", "r10:", "r7 :", "r3 :",
	"Flags:", "Control:", "Register ", "epc :", "gp :", "t0 :", "t2 :", "s1 :", "a0 :", "a1 :", "a2 :", "a5 :",
	"s2 :", "s5 :", "s8 :", "s11:", "t5 :", "status:", "Failing address", "Fault in ", "AS:",
	"User process fault", "Krnl PSW", "User PSW", "Krnl GPRS", "Krnl Code", "Last Breaking",
	"INFO: lockdep is turned off", "Allocated ", "Freed ", "The buggy", "Memory state", "page:", "page dumped",
	"raw:", "flags:", "page_type", "head:", "page last", "page_owner", "ffff", ">ffff", "^", "irq event stamp",
	"hardirqs last", "softirqs last", "Preemption disabled", "but task is", "but there are no", "which lock",
	"the existing", "the dependencies", "other info", "stack backtrace", "->", "-> #", "and this task",
	"and it was", "the lock", "Possible unsafe", "*** DEADLOCK", "... ", "task:", "Sending NMI",
	"NMI backtrace", "rcu:", "rcu_", "Task dump", "Read of size", "Write of size", "Read at", "Write at",
	"Bad access", "Last potentially", "Second to last", "Uninit ", "Local variable", "CPU features",
	"Kernel Offset", "SMP: stopping", "Rebooting in", "Memory Limit", "Dumping ftrace", "Object ", "Redzone",
	"Padding", "Slab ", "FIX ", "Bytes b4", "INFO: Allocated in", "INFO: Freed in", "INFO: Slab",
	"INFO: Object", "0x", "in_atomic()", "preempt_count", "RCU nest depth", "no locks held",
	"Showing stack for process", "comm \"", "backtrace", "hex dump", "---[", "===", "---", "load of value",
	"index ", "shift exponent", "left shift", "signed integer", "member access", "division", "value changed",
	"\"echo 0 >", "1 lock held", "2 locks held", "3 locks held", "locks held", "(t=", "#", "ODEBUG",
	"Showing busy workqueues", "workqueue ", "pool ", "Showing backtraces", "pending:", "in-flight:",
	"Not tainted",
};
/* clang-format on */

bool log_line_is_body(const char *text, size_t n)
{
	struct log_symbol sym;

	if (n == 0 || text[0] == ' ' || text[0] == '\t')
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(body_prefixes); i++) {
		size_t len = strlen(body_prefixes[i]);

		if (body_prefixes[i][0] == text[0] && n >= len && memcmp(text, body_prefixes[i], len) == 0)
			return true;
	}
	return log_symbol_find(text, n, &sym);
}
