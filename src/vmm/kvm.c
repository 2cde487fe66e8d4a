/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Is KVM any good on this host? A /dev/kvm that opens is no proof. What can
 * be told before a machine is started is asked each time; what only a machine
 * shows is remembered in one line below <cache>/probes/:
 *
 *	its guest never said a byte	until the host, its kernel or QEMU change
 *	it refused to make the machine	for some minutes: another hypervisor may
 *					have the CPU's extensions, and let go of them
 *
 * The line is the memo's key, and for the second kind the time when it ends.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/host.h"
#include "vmm/vmm.h"

#define CPUID_VMX      (1u << 5) /* leaf 1, ecx */
#define CPUID_SVM      (1u << 2) /* leaf 0x80000001, ecx */
#define MEMO_FILE      "kvm-hangs"
#define MEMO_MAX       65536
#define REFUSED_FOR_S  600

/*
 * A guest of a host that is itself a guest, without vmx or svm in its CPU
 * flags, finds a /dev/kvm of a para-virtual kind at times: machines can be
 * made, their vCPUs never execute anything.
 */
static bool is_nested_para(void)
{
#if defined(__x86_64__) || defined(__i386__)
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || (c & CPUID_VMX))
		return false;
	return !__get_cpuid(0x80000001, &a, &b, &c, &d) || !(c & CPUID_SVM);
#else
	return false;
#endif
}

/* ---- The memo ---- */

/* What may change to make KVM work again. */
static char *memo_key(const struct vmm_caps *caps)
{
	_cleanup_str_ struct str boot = STR_INIT;
	struct utsname u;

	host_boot_id(&boot);
	if (uname(&u) < 0)
		u.release[0] = '\0';
	return mem_printf("%s %s %s", str_cstr(&boot), u.release, caps->identity);
}

static char *memo_path(const char *cache_dir)
{
	return mem_printf("%s/probes/" MEMO_FILE, cache_dir);
}

enum kvm_state vmm_kvm_memo(const struct vmm_caps *caps, const char *cache_dir)
{
	_cleanup_free_ char *path = memo_path(cache_dir);
	_cleanup_free_ char *key = memo_key(caps);
	_cleanup_str_ struct str text = STR_INIT;
	const char *rest;
	int64_t until, now = time(NULL);

	if (fs_read(path, MEMO_MAX, &text, NULL) < 0 || !str_starts(str_cstr(&text), key))
		return KVM_USABLE;
	rest = text.p + strlen(key);
	if (str_eq(rest, "\n"))
		return KVM_MEMO;
	/* Not in a future that the clock was in when it was written. */
	if (sscanf(rest, " until=%" SCNd64, &until) == 1 && now < until && until - now <= REFUSED_FOR_S)
		return KVM_REFUSED;
	return KVM_USABLE;
}

int vmm_kvm_memo_set(const struct vmm_caps *caps, const char *cache_dir, enum kvm_state why, struct error *err)
{
	_cleanup_free_ char *path = memo_path(cache_dir);
	_cleanup_free_ char *key = memo_key(caps);
	_cleanup_str_ struct str text = STR_INIT;

	/* One line: what happened on another boot of this host says nothing any more. */
	str_add(&text, key);
	if (why == KVM_REFUSED)
		str_addf(&text, " until=%" PRId64, (int64_t)time(NULL) + REFUSED_FOR_S);
	str_add_char(&text, '\n');
	if (fs_mkdir_parents(path, err) < 0)
		return -1;
	return fs_write_atomic(path, text.p, text.len, 0644, false, err);
}

int vmm_kvm_memo_clear(const char *cache_dir)
{
	_cleanup_free_ char *path = memo_path(cache_dir);

	return unlink(path) == 0;
}

/* ---- The answer ---- */

enum kvm_state vmm_kvm_state(const struct vmm_caps *caps, const struct arch *arch, const char *cache_dir)
{
	if (arch != arch_native() || !caps->has_kvm || access("/dev/kvm", F_OK) < 0)
		return KVM_ABSENT;
	if (is_nested_para()) /* before the rights: with them it would be as useless */
		return KVM_NESTED_PARA;
	if (access("/dev/kvm", R_OK | W_OK) < 0)
		return KVM_DENIED;
	return vmm_kvm_memo(caps, cache_dir);
}

const char *kvm_state_text(enum kvm_state s)
{
	static const char *const texts[] = {
		[KVM_USABLE] = "usable",
		[KVM_ABSENT] = "not there",
		[KVM_DENIED] = "there, but this user may not open /dev/kvm",
		[KVM_NESTED_PARA] = "not trusted: this CPU has neither vmx nor svm, so a guest would hang",
		[KVM_MEMO] = "not trusted: a guest produced nothing since this host was booted",
		[KVM_REFUSED] = "left alone for some minutes: it refused to make a machine",
	};

	return texts[s];
}

char *vmm_kvm_refusal(const char *last_words)
{
	/* Of QEMU 6.1 to 10: accel/accel.c, accel/kvm/kvm-all.c. The first that is said is the cause. */
	static const char *const said[] = {
		"failed to initialize kvm: ",	    /* -accel kvm: what kvm_init() came to, as errno's text */
		"Could not access KVM kernel module: ",
		"ioctl(KVM_CREATE_VM) failed: ",
		"kvm_init_vcpu: ",
		"kvm_create_vcpu: ",
	};

	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		const char *at = strstr(last_words, said[i]);

		if (at)
			return at += strlen(said[i]), mem_strndup(at, strcspn(at, "\r\n"));
	}
	return NULL;
}
