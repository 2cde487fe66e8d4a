/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The architecture table. Sources: QEMU's hw/ (machines, consoles, panic
 * devices), COMMAND_LINE_SIZE of Linux 6.1 for append_max, Debian's archive
 * for suites and page sizes.
 *
 * pvpanic: s390x tells QEMU of a panic by a disabled-wait PSW and ppc64le by
 * RTAS ibm,os-term, without any device; the others need one and a kernel with
 * its driver.
 *
 * cpu_tcg: see docs/decisions/020-qemu-command-line.md for how they were chosen.
 */

#include "spec/arch.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

static const struct arch table[] = {
	{
		.name = "x86_64",
		.debian = "amd64",
		.qemu = "qemu-system-x86_64",
		.qemu_package = "qemu-system-x86",
		.machine = "q35",
		/*
		 * No AVX: ZFS measures each implementation of its checksums and of raidz at
		 * module load, and emulated AVX is the slowest: 0.5 to 0.8 s of CPU for
		 * loading it instead of 1.1 to 1.3. Whoever wants it gives QEMU another -cpu
		 * (--qemu-arg).
		 */
		.cpu_tcg = "max,-avx,-avx2",
		.cpu_kvm = "host",
		.virtio_suffix = "-pci",
		.console = "ttyS0",
		.console_args = "-serial chardev:%c",
		.kernel_arch = "x86",
		.cross_prefix = "x86_64-linux-gnu-",
		.image = "bzImage",
		.firmware = "bios-256k.bin bios-microvm.bin qboot.rom pvh.bin linuxboot_dma.bin linuxboot.bin kvmvapic.bin",
		.suite = "bookworm",
		.pvpanic = "pvpanic",
		.append_max = 2048,
		.page_bytes = 4096,
		.has_fw_cfg_dma = true,
		.has_microvm = true,
	},
	{
		.name = "aarch64",
		.debian = "arm64",
		.qemu = "qemu-system-aarch64",
		.qemu_package = "qemu-system-arm",
		.machine = "virt,gic-version=max",
		.cpu_tcg = "cortex-a57",
		.cpu_kvm = "host",
		.virtio_suffix = "-device",
		.console = "ttyAMA0",
		.console_args = "-serial chardev:%c",
		.kernel_arch = "arm64",
		.cross_prefix = "aarch64-linux-gnu-",
		.image = "Image",
		.suite = "bookworm",
		.pvpanic = "pvpanic-pci",
		.append_max = 2048,
		.page_bytes = 4096,
		.has_fw_cfg_dma = true,
	},
	{
		.name = "s390x",
		.debian = "s390x",
		.qemu = "qemu-system-s390x",
		.qemu_package = "qemu-system-misc",
		.machine = "s390-ccw-virtio",
		.cpu_tcg = "max",
		.cpu_kvm = "host",
		.virtio_suffix = "-ccw",
		.console = "ttysclp0",
		.console_args = "-device sclpconsole,chardev=%c",
		.sysrq = "^-",
		.sysrq_end = "\n",
		.kernel_arch = "s390",
		.cross_prefix = "s390x-linux-gnu-",
		.image = "bzImage",
		.firmware = "s390-ccw.img",
		.suite = "bookworm",
		.append_max = 896, /* what QEMU 7.2 puts in place for every kernel */
		.page_bytes = 4096,
		.loses_interrupts = true, /* hw/intc/s390_flic.c saves its lists from 9.1 on */
		.devices_set_bits = true, /* adapter interrupts: a bit for each queue */
		.is_big_endian = true,
	},
	{
		.name = "riscv64",
		.debian = "riscv64",
		.qemu = "qemu-system-riscv64",
		.qemu_package = "qemu-system-misc",
		.machine = "virt",
		.cpu_tcg = "rv64",
		.cpu_kvm = "host",
		.virtio_suffix = "-pci", /* the machine has 8 virtio-mmio slots only */
		.console = "ttyS0",
		.console_args = "-serial chardev:%c",
		.kernel_arch = "riscv",
		.cross_prefix = "riscv64-linux-gnu-",
		.image = "Image",
		.firmware = "opensbi-riscv64-generic-fw_dynamic.bin",
		.suite = "trixie",
		.pvpanic = "pvpanic-pci",
		.append_max = 1024,
		.page_bytes = 4096,
	},
	{
		.name = "ppc64le",
		.debian = "ppc64el",
		.qemu = "qemu-system-ppc64",
		.qemu_package = "qemu-system-ppc",
		.machine = "pseries,x-vof=on", /* not SLOF, which takes three quarters of an emulated boot: 7.4 s of CPU become 1.8 */
		.cpu_tcg = "power9",
		/*
		 * With a thread per vCPU one clone in fifteen never answered (QEMU 7.2: 4 of 60;
		 * without: 0 of 80): one vCPU in an endless round of flushing TLBs, the other idle.
		 */
		.tcg_options = ",thread=single",
		.cpu_kvm = "host",
		.virtio_suffix = "-pci",
		.console = "hvc0",
		.sysrq = "\x0f", /* ^O */
		.console_args = "-serial chardev:%c",
		.kernel_arch = "powerpc",
		.cross_prefix = "powerpc64le-linux-gnu-",
		.image = "vmlinux",
		.firmware = "vof.bin slof.bin",
		.suite = "bookworm",
		.append_max = 2048,
		.page_bytes = 65536,
		.loses_interrupts = true, /* the CPU's pending ones: target/ppc/machine.c does not save them in 7.2 */
	},
	{
		.name = "armv7l",
		.debian = "armhf",
		.qemu = "qemu-system-arm",
		.qemu_package = "qemu-system-arm",
		.machine = "virt",
		.cpu_tcg = "cortex-a15",
		.cpu_kvm = "host",
		.virtio_suffix = "-device",
		.console = "ttyAMA0",
		.console_args = "-serial chardev:%c",
		.kernel_arch = "arm",
		.cross_prefix = "arm-linux-gnueabihf-",
		.image = "zImage",
		.suite = "bookworm",
		.pvpanic = "pvpanic-pci",
		.append_max = 1024,
		.page_bytes = 4096,
		.has_fw_cfg_dma = true,
	},
	{
		.name = "loongarch64",
		.debian = "loong64",
		.qemu = "qemu-system-loongarch64",
		.qemu_package = "qemu-system-misc",
		.machine = "virt",
		.cpu_tcg = "la464",
		.cpu_kvm = "max",
		.virtio_suffix = "-pci",
		.console = "ttyS0",
		.console_args = "-serial chardev:%c",
		.kernel_arch = "loongarch",
		.cross_prefix = "loongarch64-linux-gnu-",
		.image = "vmlinux",
		.suite = "sid",
		.pvpanic = "pvpanic-pci",
		.append_max = 4096,
		.page_bytes = 16384,
		.has_fw_cfg_dma = true,
	},
};

/* What this quiz was built for. Tests build one as if it were for another host (tests/cli/hosts.sh). */
#if defined(ARCH_NATIVE)
#define NATIVE ARCH_NATIVE
#elif defined(__x86_64__)
#define NATIVE "x86_64"
#elif defined(__aarch64__)
#define NATIVE "aarch64"
#elif defined(__s390x__)
#define NATIVE "s390x"
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE "riscv64"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define NATIVE "ppc64le"
#elif defined(__arm__)
#define NATIVE "armv7l"
#elif defined(__loongarch64)
#define NATIVE "loongarch64"
#else
#error "add a row to the architecture table"
#endif

const struct arch *arch_find(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(table); i++)
		if (!strcmp(table[i].name, name) || !strcmp(table[i].debian, name))
			return &table[i];
	return NULL;
}

const struct arch *arch_native(void)
{
	return arch_find(NATIVE);
}

int arch_choose(const char *name, const struct arch **ret, struct error *err)
{
	_cleanup_str_ struct str known = STR_INIT;

	*ret = name ? arch_find(name) : arch_native();
	if (*ret)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		str_addf(&known, "%s%s", i ? ", " : "", table[i].name);
	error_set(err, ERROR_USAGE, "unknown architecture '%s'", name);
	return error_hint(err, "one of %s", str_cstr(&known));
}

const struct arch *arch_table(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(table);
	return table;
}
