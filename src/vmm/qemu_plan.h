/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * QEMU's command line as a pure function: vmm_plan() of vmm/vmm.h, and what
 * qemu.c must know of it. QEMU gets its ports as connected sockets at fixed
 * descriptor numbers, so nothing listens anywhere and the text is the same
 * for every run.
 */

/* What the child sees; stdin and stdout are /dev/null, stderr is a pipe to us. */
enum qemu_fd {
	QEMU_FD_QMP = 3,
	QEMU_FD_CONSOLE = 4,
	QEMU_FD_AGENT = 5,
	QEMU_FD_RAM = 6, /* the memory's file, when it has one: its path may change while QEMU starts */
	QEMU_FD_NICS = 8, /* of the first nic; each of NET_HUB with a socket has its own */
};

#define QEMU_NICS_MAX 8

/* In vmm_options.run_dir. */
#define QEMU_GDB_SOCKET "gdb.sock"
