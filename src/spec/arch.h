/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The architectures: one const table, one row each. Adding one is a row, a
 * kernel fragment (kconfig/arch-<name>) and its agent (Makefile: agents).
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct arch {
	const char *name;	   /* as in uname -m: "x86_64", "s390x" */
	const char *debian;	   /* "amd64", "s390x" */
	const char *qemu;	   /* "qemu-system-x86_64" */
	const char *qemu_package;  /* Debian's package of it, for hints */
	const char *machine;	   /* QEMU machine when not microvm/q35: "s390-ccw-virtio" */
	const char *cpu_tcg, *cpu_kvm; /* -cpu */
	const char *tcg_options;   /* more of -accel tcg: ",thread=single"; or NULL */
	const char *virtio_suffix; /* "-device" (mmio), "-pci", "-ccw" */
	const char *console;	   /* kernel's console=: "ttyS0", "ttysclp0" */
	const char *console_args;  /* QEMU arguments for it, "%c" stands for the chardev id; space separated */
	const char *sysrq, *sysrq_end; /* what a sysrq key on that console stands between; NULL: a serial break before it */
	const char *kernel_arch;   /* ARCH= of the kernel: "x86", "s390" */
	const char *cross_prefix;  /* "s390x-linux-gnu-" */
	const char *image;	   /* make target and file under arch/.../boot, for -kernel */
	const char *firmware;	   /* files of QEMU's own that it may read for the machine, separated by spaces; NULL: none */
	const char *suite;	   /* first Debian suite that has it */
	const char *pvpanic;	   /* QEMU device for panic events, or NULL where the machine reports by itself or can not */
	unsigned append_max;	   /* longest kernel command line, bytes */
	unsigned page_bytes;	   /* of the distribution's kernel */
	bool loses_interrupts;	   /* QEMU does not save those that are pending, under emulation */
	bool devices_set_bits;	   /* in bytes of the guest's memory that it changes, too: its atomic operations must be some */
	bool is_big_endian;
	bool has_fw_cfg_dma;	   /* the machine can take QEMU's vmcoreinfo device, which dumps want */
	bool has_microvm;
};

/* NULL when unknown. Accepts our name and Debian's. */
const struct arch *arch_find(const char *name);
/* The host's own; never NULL on a host that quiz was built for. */
const struct arch *arch_native(void);
/* The one that a user named, or the host's own (NULL). ERROR_USAGE with all that there are. */
int arch_choose(const char *name, const struct arch **ret, struct error *err);
/* The whole table, for lists and completion. */
const struct arch *arch_table(size_t *ret_n);
