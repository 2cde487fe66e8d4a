/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A machine, as pure data: everything that a VMM needs to run one, and
 * everything that must be equal for a clone to be possible. run/plan fills
 * it from the runspec and from what is known of kernel, root and VMM; vmm/
 * turns it into a command line. Nobody else knows about QEMU.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct arch; /* spec/arch.h */

enum machine_type {
	MACHINE_AUTO,
	MACHINE_MICROVM,
	MACHINE_Q35,
	MACHINE_NATIVE, /* the architecture's own: virt, s390-ccw-virtio, pseries */
};

enum accel {
	ACCEL_AUTO,
	ACCEL_KVM,
	ACCEL_TCG,
};

/* What a disk's bytes are. */
enum disk_backing {
	DISK_FILE,  /* path */
	DISK_EMPTY, /* nothing: reads as zeros (an unused slot); no path */
};

/*
 * One virtio-blk disk. What the guest sees (serial, capacity, sectors, ...)
 * is part of the machine's identity; path is not, except for disks that are
 * mounted before the template is saved, whose content key is.
 */
struct disk {
	char *serial;		/* owned; at most 20 bytes; the guest finds the disk by it */
	char *path;		/* owned; image or block device; NULL for DISK_EMPTY */
	enum disk_backing backing;
	uint64_t capacity_bytes; /* what the guest sees (the file is extended sparsely to it) */
	bool is_readonly;
	char *content_key;	/* owned; of what is mounted before READY; NULL: content not in the key */
	uint32_t logical_block, physical_block; /* bytes; 0: default */
	bool is_rotational, has_discard;
	uint64_t iops_limit, bytes_per_second_limit; /* 0: none */
	bool is_persistent;	/* flush is honoured; else cache=unsafe */
	bool is_qcow2;		/* else raw */
	bool is_snapshot;	/* path is only read: what the guest writes goes with the machine */
};

/* One 9p share device. Present in the template, mounted only after the clone. */
struct share {
	char *tag;	   /* owned; mount tag, at most 31 bytes */
	char *host_path;   /* owned; NULL: device present, backed by an empty folder of the run */
	bool is_readonly;
};

/* A network interface. */
enum net_kind {
	NET_USER,   /* QEMU's user networking */
	NET_HUB,    /* a private network between machines: frames over the socket `fd` */
};

struct nic {
	enum net_kind kind;
	char *mac;	/* owned; of a NET_HUB a placeholder, as clones differ: the agent sets the real one */
	int fd;		/* NET_HUB: borrowed, connected datagram socket; -1: not connected to anything */
	struct strv forwards; /* NET_USER: "tcp:127.0.0.1:2222-:22" */
	bool is_restricted;   /* NET_USER: no way out to the host's networks */
};

/* How the guest's memory is backed; see run/template. */
enum ram_mode {
	RAM_ANONYMOUS,
	RAM_SHARED,  /* ram_fd or ram_path, shared: what is to be saved */
	RAM_PRIVATE, /* ram_path, copy on write: a clone */
};

struct machine {
	const struct arch *arch;
	enum machine_type type;	  /* never AUTO in a finished plan */
	enum accel accel;	  /* never AUTO in a finished plan */
	char *cpu_model;	  /* owned; NULL: the arch table's */
	uint32_t n_cpus;
	uint64_t memory_bytes;
	bool has_acpi;		  /* microvm only */
	bool has_pvpanic, has_vmcoreinfo;

	char *kernel_path;	  /* owned; vmlinux with PVH note, or compressed image */
	char *kernel_key;	  /* owned; content key */
	char *initrd_path;	  /* owned; NULL: none */
	char *initrd_key;	  /* owned */
	char *append;		  /* owned; whole kernel command line */

	struct disk *disks;	  /* owned, in device order */
	size_t n_disks;
	struct share *shares;
	size_t n_shares;
	struct nic *nics;
	size_t n_nics;

	enum ram_mode ram_mode;
	char *ram_path;		  /* owned */
	int ram_fd;		  /* borrowed; in the place of ram_path when it is not 0 */
	bool is_incoming;	  /* wait for a saved state instead of booting */
	bool has_gdb;		  /* gdb stub on a unix socket, see vmm */
	struct strv extra_args;	  /* --qemu-arg, each one argument */
};

void machine_clear(struct machine *m);

/* "microvm", "kvm", ...: the words of --machine and --accel. */
const char *machine_type_name(enum machine_type t);
const char *accel_name(enum accel a);

/*
 * The part of a template's key that the machine makes: a hash over all fields
 * that must be equal (host paths of shares and slots, ram_*, is_incoming are
 * not in it). Appends "name=value" lines, so that `quiz template show` can
 * tell why two keys differ.
 */
void machine_describe(const struct machine *m, struct str *out);
