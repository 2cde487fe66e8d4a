/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From a machine to QEMU's argv. What depends on the kind of machine is in
 * tables of rows "when, since which QEMU, text"; what depends on its parts
 * (disks, shares, nics) is a short function each.
 *
 * Every device that a clone loads state into gets an explicit id and, on PCI,
 * an explicit address: the saved state names devices by them.
 *
 * Deliberately absent:
 *	virtio-rng	the agent gets its entropy with the job; one device less to probe and to reset
 *	vmgenid		the same, and microvm has none
 *	-name, -uuid	two machines of one plan have the same text
 *	virtio-balloon	blocks templates (free page reporting)
 */

#include "vmm/qemu_plan.h"

#include <string.h>

#include "spec/arch.h"
#include "sys/fs.h"
#include "vmm/vmm.h"

/* When a row applies: one of each group that has bits set must hold. */
enum when {
	ON_MICROVM = 1 << 0,
	ON_Q35 = 1 << 1,
	ON_NATIVE = 1 << 2,
	ON_ANY_TYPE = 7,
	WITH_KVM = 1 << 3,
	WITH_TCG = 1 << 4,
	WITH_ANY_ACCEL = WITH_KVM | WITH_TCG,
	WITH_ACPI = 1 << 5,
	NO_ACPI = 1 << 6,
	ANY_ACPI = WITH_ACPI | NO_ACPI,
	ONE_CPU = 1 << 7,
	MANY_CPUS = 1 << 8,
	ANY_CPUS = ONE_CPU | MANY_CPUS,
	WITH_DEADLINE = 1 << 9, /* KVM with the TSC deadline timer: the LAPIC timer needs no other clock */
	NO_DEADLINE = 1 << 10,
	ANY_DEADLINE = WITH_DEADLINE | NO_DEADLINE,
};

static const unsigned when_groups[] = { ON_ANY_TYPE, WITH_ANY_ACCEL, ANY_ACPI, ANY_CPUS, ANY_DEADLINE };

static bool uses_kvm(const struct machine *m)
{
	return m->accel == ACCEL_KVM;
}

static unsigned facts_of(const struct machine *m, const struct vmm_caps *caps)
{
	unsigned f = m->type == MACHINE_MICROVM ? ON_MICROVM : m->type == MACHINE_Q35 ? ON_Q35 : ON_NATIVE;

	f |= uses_kvm(m) ? WITH_KVM : WITH_TCG;
	f |= m->type == MACHINE_MICROVM && !m->has_acpi ? NO_ACPI : WITH_ACPI;
	f |= m->n_cpus > 1 ? MANY_CPUS : ONE_CPU;
	/* A CPU model of the user's may lack the timer. */
	f |= uses_kvm(m) && caps->has_tsc_deadline && !m->cpu_model ? WITH_DEADLINE : NO_DEADLINE;
	return f;
}

static bool row_applies(unsigned when, unsigned facts)
{
	for (size_t i = 0; i < ARRAY_SIZE(when_groups); i++)
		if ((when & when_groups[i]) && !(when & when_groups[i] & facts))
			return false;
	return true;
}

/* Properties of -machine. */
static const struct machine_option {
	unsigned when;
	uint32_t since; /* QEMU version, as in vmm_caps; 0: all that we support */
	const char *text;
} machine_options[] = {
	/* The kernel is in place before the CPU runs: no option ROM has anything to do. */
	{ ON_MICROVM | NO_ACPI, 0, "x-option-roms=off" },
	{ ON_MICROVM | WITH_ACPI, 0, "acpi=on" },
	{ ON_MICROVM | NO_ACPI, 0, "acpi=off" },
	/* Without ACPI the guest finds its devices on the command line, which QEMU completes. */
	{ ON_MICROVM | WITH_ACPI, 0, "auto-kernel-cmdline=off" },
	/*
	 * Only where the LAPIC timer needs no calibration against them. With
	 * emulation a microvm without PIT and PIC does not boot at all.
	 */
	{ ON_MICROVM | WITH_DEADLINE, 0, "pit=off" },
	{ ON_MICROVM | WITH_DEADLINE, 0, "pic=off" },
	/* A missing RTC costs a kernel without kvmclock up to a second (mc146818_get_time). */
	{ ON_MICROVM | WITH_TCG, 0, "rtc=on" },
	{ ON_MICROVM | WITH_KVM, 0, "rtc=off" },
	{ ON_MICROVM, 0, "isa-serial=on" },
	/* Controllers that nobody uses and every kernel probes. */
	{ ON_Q35, 0, "sata=off" },
	{ ON_Q35, 0, "smbus=off" },
	{ ON_Q35, 0, "usb=off" },
	{ ON_Q35, 0, "vmport=off" },
	{ ON_Q35, 0, "graphics=off" },
	{ ON_Q35, 70000, "i8042=off" },
	/* kvmclock is better than the HPET, and 50 clones with HPET timers are 50 times its interrupts. */
	{ ON_Q35 | WITH_KVM, 60200, "hpet=off" },
	/* Nothing of ours is worth KSM's scanning, nor a core file of QEMU with the guest's memory in it. */
	{ 0, 0, "mem-merge=off" },
	{ 0, 0, "dump-guest-core=off" },
};

static uint32_t tsc_khz_of(const struct vmm_caps *caps)
{
	return caps->tsc_khz;
}

/*
 * Kernel options. Figures: QEMU 7.2 under emulation, Debian's generic 6.1
 * kernel, microvm with ACPI, CPU time of QEMU up to the first instruction of
 * init (1.68 s with none of them); docs/decisions/020-qemu-command-line.md.
 */
static const struct kernel_option {
	unsigned when;
	const char *arch; /* NULL: all */
	const char *text;
	uint32_t (*value)(const struct vmm_caps *caps); /* appended to the text; 0: leave the option out */
} kernel_options[] = {
	/*
	 * The emulated TSC is the host's. Without its frequency the kernel
	 * calibrates it against the PIT, which fails on a busy host; then it
	 * also has no working tick on a microvm with ACPI and hangs: 4 of 6
	 * boots beside two compilers, none of 6 with this option.
	 */
	{ ON_MICROVM | ON_Q35 | WITH_TCG, "x86_64", "tsc_early_khz=", tsc_khz_of },
	/*
	 * Else the watchdog of clock sources takes a busy host for an unstable
	 * TSC and falls back to jiffies or the ACPI timer. Also skips 20 ms of
	 * synchronisation per further CPU.
	 */
	{ ON_MICROVM | ON_Q35, "x86_64", "tsc=reliable" },
	/*
	 * The IO-APIC's timer test panics when ticks come late ("IO-APIC +
	 * timer doesn't work"); a KVM guest skips it by itself.
	 */
	{ ON_MICROVM | ON_Q35 | WITH_TCG, "x86_64", "no_timer_check" },
	/* Self-tests of every registered cipher: 0.25 s of 1.68 under emulation. */
	{ WITH_TCG, NULL, "cryptomgr.notests" },
	/*
	 * From 6.0 on a kernel with the function tracer looks up the symbol of
	 * each of its traceable functions at boot, to mark those that a weak
	 * definition left behind: 44 of the 200 million instructions that quiz's
	 * default kernel executes up to init. What prints such a record looks
	 * it up again, so nothing shows them as functions without it either.
	 */
	{ WITH_TCG, "x86_64", "initcall_blacklist=ftrace_check_for_weak_functions" },
};

/* "a,b" would end an option's value: QEMU's syntax doubles the comma. */
static char *escape(const char *text)
{
	struct str s = STR_INIT;

	for (; *text; text++) {
		str_add_char(&s, *text);
		if (*text == ',')
			str_add_char(&s, ',');
	}
	return str_take(&s);
}

/* One argument under construction: "a,b=c". */
static _printf_(3, 4) void arg(struct strv *argv, const char *flag, const char *fmt, ...)
{
	va_list ap;
	struct str s = STR_INIT;

	strv_add(argv, flag);
	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	strv_add_take(argv, str_take(&s));
}

static const char *virtio_suffix(const struct machine *m)
{
	switch (m->type) {
	case MACHINE_MICROVM:
		return "-device";
	case MACHINE_Q35:
		return "-pci";
	default:
		return m->arch->virtio_suffix;
	}
}

/*
 * With ACPI the virtio-mmio slots are the 24 inputs of a second IO-APIC.
 * Input 0 does not work: QEMU's IO-APIC turns it into input 2, as the first
 * IO-APIC's IRQ 0 wants it (ioapic_set_irq, 7.2 to 10.0), so a device there
 * never interrupts. Without ACPI there are 8 slots on the first one's free lines.
 */
#define MICROVM_ACPI_SLOTS 24
#define MICROVM_ACPI_FIRST_SLOT 1

unsigned vmm_device_limit(const struct arch *arch, enum machine_type type, bool has_acpi)
{
	if (type == MACHINE_MICROVM)
		return has_acpi ? MICROVM_ACPI_SLOTS - MICROVM_ACPI_FIRST_SLOT : 8;
	if (type == MACHINE_NATIVE && str_eq(arch->virtio_suffix, "-device"))
		return 32; /* virt of arm and aarch64 */
	return 0;
}

/*
 * Where the i-th virtio device sits. PCI functions are packed eight to a slot,
 * from slot 1 on: a root bus has 31 slots, and a scan of one slot with eight
 * functions is cheaper than of eight slots. Not beyond slot 0x1d: q35 has its
 * own devices at 0x1f, pvpanic-pci is put at 0x1e.
 */
#define PCI_FIRST_SLOT 1
#define PCI_LAST_SLOT 0x1d
#define PCI_PVPANIC_SLOT 0x1e

static void add_address(struct str *s, const struct machine *m, unsigned index)
{
	if (str_eq(virtio_suffix(m), "-pci"))
		str_addf(s, ",addr=0x%x.0x%x%s", PCI_FIRST_SLOT + index / 8, index % 8,
			 index % 8 ? "" : ",multifunction=on");
	else if (m->type == MACHINE_MICROVM)
		str_addf(s, ",bus=virtio-mmio-bus.%u", m->has_acpi ? MICROVM_ACPI_FIRST_SLOT + index : index);
}

/* -device virtio-KIND-SUFFIX,REST at the next address. */
static _printf_(5, 6) void virtio_device(struct strv *argv, const struct machine *m, unsigned *index,
					 const char *kind, const char *fmt, ...)
{
	struct str s = STR_INIT;
	va_list ap;

	str_addf(&s, "virtio-%s%s", kind, virtio_suffix(m));
	add_address(&s, m, (*index)++);
	str_add_char(&s, ',');
	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	strv_add(argv, "-device");
	strv_add_take(argv, str_take(&s));
}

static void add_machine(struct strv *argv, const struct machine *m, const struct vmm_caps *caps)
{
	struct str s = STR_INIT;
	unsigned facts = facts_of(m, caps);

	str_add(&s, m->type == MACHINE_NATIVE ? m->arch->machine : machine_type_name(m->type));
	for (size_t i = 0; i < ARRAY_SIZE(machine_options); i++) {
		const struct machine_option *o = &machine_options[i];

		if (caps->version >= o->since && row_applies(o->when, facts))
			str_addf(&s, ",%s", o->text);
	}
	if (m->ram_mode != RAM_ANONYMOUS)
		str_add(&s, ",memory-backend=ram");
	strv_add(argv, "-machine");
	strv_add_take(argv, str_take(&s));
	if (uses_kvm(m)) {
		strv_add(argv, "-accel");
		strv_add(argv, "kvm");
	} else {
		/*
		 * One thread per vCPU is QEMU's default where host and guest allow it, and
		 * 5 percent cheaper than the other kind even for one vCPU. The translation
		 * buffer's default is 1 GiB; a boot fills some 30 MiB.
		 */
		arg(argv, "-accel", "tcg,tb-size=%u%s", 256u, m->arch->tcg_options ? m->arch->tcg_options : "");
	}
	arg(argv, "-cpu", "%s", m->cpu_model ? m->cpu_model : uses_kvm(m) ? m->arch->cpu_kvm : m->arch->cpu_tcg);
	/*
	 * Under emulation a machine that can have one vCPU only gets its atomic operations as plain ones, as if nobody
	 * but another vCPU could come between. A device that sets its bit between load and store is not heard again.
	 */
	if (m->n_cpus == 1 && !uses_kvm(m) && m->arch->devices_set_bits)
		arg(argv, "-smp", "1,maxcpus=2");
	else
		arg(argv, "-smp", "%u", m->n_cpus);
}

static void add_memory(struct strv *argv, const struct machine *m, const struct vmm_caps *caps)
{
	const char *mode = "share=on,align=2M"; /* a file may have large pages; they serve whom they lie right for */

	arg(argv, "-m", "%lluM", (unsigned long long)(m->memory_bytes >> 20));
	if (m->ram_mode == RAM_ANONYMOUS)
		return;
	if (m->ram_mode == RAM_PRIVATE) /* 8.2 can open the template's file read-only and still write to its copy */
		mode = caps->version >= 80200 ? "share=off,readonly=on,rom=off" : "share=off";
	/*
	 * prealloc=off, reserve=off: pages come with the first touch, and fifty
	 * private mappings of one file are not fifty times its size.
	 */
	arg(argv, "-object", "memory-backend-file,id=ram,size=%lluM,mem-path=/proc/self/fd/%d,%s,prealloc=off,reserve=off",
	    (unsigned long long)(m->memory_bytes >> 20), QEMU_FD_RAM, mode);
}

static void add_ports(struct strv *argv, const struct machine *m, unsigned *index)
{
	_cleanup_strv_ struct strv words = STRV_INIT;

	arg(argv, "-chardev", "socket,id=qmp,fd=%d", QEMU_FD_QMP);
	arg(argv, "-mon", "chardev=qmp,mode=control");
	arg(argv, "-chardev", "socket,id=console,fd=%d", QEMU_FD_CONSOLE);
	strv_split(&words, m->arch->console_args, " ");
	for (size_t i = 0; i < words.n; i++) {
		char *at = strstr(words.v[i], "%c");

		if (!at)
			strv_add(argv, words.v[i]);
		else
			strv_addf(argv, "%.*sconsole%s", (int)(at - words.v[i]), words.v[i], at + 2);
	}
	arg(argv, "-chardev", "socket,id=agent,fd=%d", QEMU_FD_AGENT);
	/* Port 0 is kept for consoles; QEMU's default of 31 ports means 64 queues that the driver sets up. */
	virtio_device(argv, m, index, "serial", "id=ports,max_ports=2");
	arg(argv, "-device", "virtserialport,id=agent-port,bus=ports.0,nr=1,chardev=agent,name=%s", VMM_AGENT_PORT_NAME);
}

static void add_disk(struct strv *argv, const struct machine *m, const struct disk *d, size_t n, unsigned *index)
{
	_cleanup_free_ char *path = d->path ? escape(d->path) : NULL;
	_cleanup_free_ char *serial = escape(d->serial);
	_cleanup_str_ struct str rest = STR_INIT;
	struct str s = STR_INIT;

	str_addf(&s, "if=none,id=disk%zu,", n);
	if (d->backing == DISK_EMPTY)
		str_addf(&s, "driver=null-co,size=%llu,read-zeroes=on", (unsigned long long)d->capacity_bytes);
	else
		str_addf(&s, "format=%s,file=%s,cache=%s", d->is_qcow2 ? "qcow2" : "raw", path,
			 d->is_persistent ? "writeback" : "unsafe");
	if (d->is_snapshot)
		str_add(&s, ",snapshot=on");
	str_addf(&s, ",readonly=%s", d->is_readonly ? "on" : "off");
	if (d->has_discard)
		str_add(&s, ",discard=unmap");
	if (d->iops_limit)
		str_addf(&s, ",throttling.iops-total=%llu", (unsigned long long)d->iops_limit);
	if (d->bytes_per_second_limit)
		str_addf(&s, ",throttling.bps-total=%llu", (unsigned long long)d->bytes_per_second_limit);
	strv_add(argv, "-drive");
	strv_add_take(argv, str_take(&s));

	if (d->logical_block)
		str_addf(&rest, ",logical_block_size=%u", d->logical_block);
	if (d->physical_block)
		str_addf(&rest, ",physical_block_size=%u", d->physical_block);
	/* Both default to on: a disk without discard must not offer it. */
	str_addf(&rest, ",discard=%s,write-zeroes=%s", d->has_discard ? "on" : "off", d->has_discard ? "on" : "off");
	/* One queue however many CPUs: what a queue costs at probe time is paid by every disk. */
	virtio_device(argv, m, index, "blk", "drive=disk%zu,id=blk%zu,serial=%s,num-queues=1%s", n, n, serial,
		      str_cstr(&rest));
}

static int add_shares(struct strv *argv, const struct machine *m, const struct vmm_caps *caps,
		      const struct vmm_options *opt, unsigned *index, struct error *err)
{
	if (m->n_shares && !caps->has_9p)
		return error_set(err, ERROR_UNSUPPORTED, "cannot share folders: '%s' is built without 9p", caps->binary);
	for (size_t i = 0; i < m->n_shares; i++) {
		const struct share *sh = &m->shares[i];
		const char *from = sh->host_path ? sh->host_path : opt->empty_dir;

		if (!from)
			return error_set(err, ERROR_USAGE, "cannot share '%s': no folder given", sh->tag);
		_cleanup_free_ char *path = escape(from);
		_cleanup_free_ char *tag = escape(sh->tag);
		/*
		 * Written to, mapped-xattr: owners, modes, links and nodes that the guest makes live in
		 * extended attributes, so no setuid file or device appears on the host, whoever runs quiz.
		 * The price is that the host's own symbolic links cannot be read (QEMU takes every link
		 * for one of its own), which a read-only share need not pay: nothing is made there.
		 */
		arg(argv, "-fsdev", "local,id=fs%zu,path=%s,security_model=%s,multidevs=remap%s", i, path,
		    sh->is_readonly ? "none" : "mapped-xattr",
		    sh->is_readonly ? ",readonly=on" : ",fmode=0644,dmode=0755");
		virtio_device(argv, m, index, "9p", "id=share%zu,fsdev=fs%zu,mount_tag=%s", i, i, tag);
	}
	return 0;
}

/*
 * Between our machines nothing limits a frame but their own buffers, and a
 * frame costs an emulated guest about the same whatever its size.
 */
#define HUB_MTU ",host_mtu=9000"

static int add_nics(struct strv *argv, const struct machine *m, const struct vmm_caps *caps, unsigned *index,
		    struct error *err)
{
	const char *no_rom = str_eq(virtio_suffix(m), "-pci") ? ",romfile=" : "";

	for (size_t i = 0; i < m->n_nics; i++) {
		const struct nic *nic = &m->nics[i];

		if (nic->kind == NET_USER) {
			struct str s = STR_INIT;

			if (!caps->has_user_netdev)
				return error_set(err, ERROR_UNSUPPORTED, "cannot give the guest a network: '%s' is built without user networking",
						 caps->binary);
			str_addf(&s, "user,id=net%zu,restrict=%s", i, nic->is_restricted ? "on" : "off");
			for (size_t k = 0; k < nic->forwards.n; k++) {
				_cleanup_free_ char *fwd = escape(nic->forwards.v[k]);

				str_addf(&s, ",hostfwd=%s", fwd);
			}
			strv_add(argv, "-netdev");
			strv_add_take(argv, str_take(&s));
		} else if (nic->fd >= 0) {
			/* A connected datagram socket: one frame each, so that no frame can be torn. */
			arg(argv, "-netdev", "socket,id=net%zu,fd=%zu", i, QEMU_FD_NICS + i);
		} else { /* a port of a hub inside QEMU that has no other */
			arg(argv, "-netdev", "hubport,id=net%zu,hubid=%zu", i, i);
		}
		virtio_device(argv, m, index, "net", "id=nic%zu,netdev=net%zu,mac=%s%s%s", i, i, nic->mac,
			      nic->kind == NET_HUB ? HUB_MTU : "", no_rom);
	}
	return 0;
}

static void add_small_devices(struct strv *argv, const struct machine *m)
{
	if (m->has_pvpanic && m->arch->pvpanic) {
		bool is_pci = str_ends(m->arch->pvpanic, "-pci");
		_cleanup_free_ char *addr = mem_printf(",addr=0x%x", PCI_PVPANIC_SLOT);

		arg(argv, "-device", "%s%s", m->arch->pvpanic, is_pci ? addr : "");
	}
	if (m->has_vmcoreinfo)
		arg(argv, "-device", "vmcoreinfo");
}

/* What the guest's first instruction is. */
static void add_boot(struct strv *argv, const struct machine *m)
{
	arg(argv, "-kernel", "%s", m->kernel_path);
	if (m->initrd_path)
		arg(argv, "-initrd", "%s", m->initrd_path);
	if (m->append && *m->append)
		arg(argv, "-append", "%s", m->append);
	if (m->is_incoming)
		arg(argv, "-incoming", "defer");
}

static int check(const struct machine *m, const struct vmm_caps *caps, struct error *err)
{
	size_t n = 1 + m->n_disks + m->n_shares + m->n_nics;
	unsigned limit = vmm_device_limit(m->arch, m->type, m->has_acpi);

	if (m->type == MACHINE_MICROVM && !caps->has_microvm)
		return error_set(err, ERROR_UNSUPPORTED, "cannot make a microvm: '%s' has none", caps->binary);
	if (m->type == MACHINE_Q35 && !caps->has_q35)
		return error_set(err, ERROR_UNSUPPORTED, "cannot make a q35 machine: '%s' has none", caps->binary);
	if (str_eq(virtio_suffix(m), "-pci"))
		limit = (PCI_LAST_SLOT - PCI_FIRST_SLOT + 1) * 8;
	if (limit && n > limit) {
		error_set(err, ERROR_UNSUPPORTED, "cannot give the machine %zu devices: a %s takes %u", n,
			  m->type == MACHINE_NATIVE ? m->arch->machine : machine_type_name(m->type), limit);
		if (m->type == MACHINE_MICROVM)
			error_hint(err, "quiz --machine q35 ...");
		return -1;
	}
	if (m->n_nics > QEMU_NICS_MAX)
		return error_set(err, ERROR_UNSUPPORTED, "cannot give the machine %zu networks: it takes %d", m->n_nics, QEMU_NICS_MAX);
	if (m->append && strlen(m->append) >= m->arch->append_max)
		return error_set(err, ERROR_USAGE, "cannot pass %zu bytes of kernel options: %s takes %u", strlen(m->append),
				 m->arch->name, m->arch->append_max - 1);
	return 0;
}

int vmm_plan(const struct machine *m, const struct vmm_caps *caps, const struct vmm_options *opt,
	     struct strv *ret_argv, struct error *err)
{
	_cleanup_strv_ struct strv argv = STRV_INIT;
	unsigned index = 0;

	if (check(m, caps, err) < 0)
		return -1;
	strv_add(&argv, caps->binary);
	strv_add(&argv, "-nodefaults");
	strv_add(&argv, "-no-user-config");
	arg(&argv, "-display", "none");
	if (caps->has_sandbox)
		arg(&argv, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	/* The guest is never let go by itself: what happened is looked at first, then it is killed. */
	arg(&argv, "-action", "panic=none,reboot=shutdown,shutdown=pause");
	add_machine(&argv, m, caps);
	add_memory(&argv, m, caps);
	add_ports(&argv, m, &index);
	for (size_t i = 0; i < m->n_disks; i++)
		add_disk(&argv, m, &m->disks[i], i, &index);
	if (add_shares(&argv, m, caps, opt, &index, err) < 0 || add_nics(&argv, m, caps, &index, err) < 0)
		return -1;
	add_small_devices(&argv, m);
	if (m->has_gdb) {
		if (!opt->run_dir)
			return error_set(err, ERROR_USAGE, "cannot offer a gdb stub without a folder for its socket");
		_cleanup_free_ char *path = fs_join(opt->run_dir, QEMU_GDB_SOCKET);
		_cleanup_free_ char *escaped = escape(path);

		arg(&argv, "-chardev", "socket,id=gdb,path=%s,server=on,wait=off", escaped);
		arg(&argv, "-gdb", "chardev:gdb");
		strv_add(&argv, "-S"); /* the debugger says when it goes */
	}
	add_boot(&argv, m);
	strv_add_all(&argv, m->extra_args.v);
	*ret_argv = argv;
	argv = (struct strv)STRV_INIT;
	return 0;
}

/*
 * Hashing the command line itself, with everything in it that may differ
 * between a template and its clones made equal, keeps a quiz with other
 * tables or other code here from loading a state that it would not have saved.
 */
void vmm_describe(const struct machine *m, const struct vmm_caps *caps, struct str *out)
{
	const struct vmm_options opt = { .empty_dir = "-" };
	_cleanup_free_ struct disk *disks = mem_alloc((m->n_disks + 1) * sizeof(*disks));
	_cleanup_free_ struct share *shares = mem_alloc((m->n_shares + 1) * sizeof(*shares));
	_cleanup_free_ struct nic *nics = mem_alloc((m->n_nics + 1) * sizeof(*nics));
	_cleanup_strv_ struct strv argv = STRV_INIT;
	struct machine x = *m; /* shallow: only read */
	uint64_t h = HASH_INIT;

	for (size_t i = 0; i < m->n_disks; i++) {
		disks[i] = m->disks[i];
		disks[i].backing = DISK_EMPTY;
		disks[i].path = NULL;
		disks[i].iops_limit = disks[i].bytes_per_second_limit = 0;
		disks[i].is_snapshot = false;
	}
	for (size_t i = 0; i < m->n_shares; i++) {
		shares[i] = m->shares[i];
		shares[i].host_path = NULL;
	}
	for (size_t i = 0; i < m->n_nics; i++) {
		nics[i] = m->nics[i];
		nics[i].fd = -1;
		nics[i].forwards = (struct strv)STRV_INIT;
	}
	x.disks = disks;
	x.shares = shares;
	x.nics = nics;
	x.kernel_path = x.initrd_path = (char *)"-";
	x.ram_mode = RAM_ANONYMOUS;
	x.is_incoming = x.has_gdb = false;
	if (vmm_plan(&x, caps, &opt, &argv, NULL) < 0)
		return; /* then nothing is started either */
	for (size_t i = 1; i < argv.n; i++)
		h = hash_str(h, argv.v[i]);
	str_addf(out, "vmm.devices=%016llx\n", (unsigned long long)h);
	if (uses_kvm(m))
		str_addf(out, "vmm.host=%016llx\n", (unsigned long long)caps->host);
}

static void add_word(struct str *out, const char *fmt, const char *word)
{
	if (out->len)
		str_add_char(out, ' ');
	str_addf(out, fmt, word);
}

void vmm_kernel_args(const struct machine *m, const struct vmm_caps *caps, struct str *out)
{
	unsigned facts = facts_of(m, caps);

	add_word(out, "console=%s", m->arch->console);
	for (size_t i = 0; i < ARRAY_SIZE(kernel_options); i++) {
		const struct kernel_option *o = &kernel_options[i];

		if ((o->arch && !str_eq(o->arch, m->arch->name)) || !row_applies(o->when, facts))
			continue;
		if (!o->value)
			add_word(out, "%s", o->text);
		else if (o->value(caps)) {
			add_word(out, "%s", o->text);
			str_addf(out, "%u", o->value(caps));
		}
	}
}
