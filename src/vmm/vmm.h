/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * How a machine runs. One struct vmm is one running machine monitor process;
 * it hands out named ports and speaks of the machine's life through events.
 * Everything is asynchronous on the caller's loop: a command's outcome comes
 * to its callback exactly once (an error when the VMM dies first).
 *
 *	vmm_start --> STARTING --ready--> RUNNING <--pause/resume--> PAUSED
 *	                 |  is_incoming: vmm_load() first              | save, dump
 *	                 +--------------> EXITED <--------- quit, kill, death
 *
 * The VMM dies with the calling process. vmm_free() kills it if it still
 * lives and reaps it.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"
#include "spec/machine.h"
#include "sys/loop.h"

struct vmm;

/* What one VMM binary can do: the answer of vmm_probe(), cached by the binary's identity. */
struct vmm_caps {
	char *binary;		  /* owned; absolute path */
	char *executable;	  /* owned; what runs as its process: another file than `binary` when that is a script */
	char *identity;		  /* owned; path, size, mtime, inode, version: part of every template key */
	struct strv firmware_dirs; /* where it looks for firmware */
	uint32_t version;	  /* major * 10000 + minor * 100 + micro */
	bool has_microvm, has_q35;
	bool has_kvm;		  /* compiled in */
	bool has_tsc_deadline;	  /* this host's KVM gives x86 guests the TSC deadline timer (asked anew each time) */
	uint64_t host;		  /* hash of what a KVM guest sees of this host: CPU, kernel, machine id (asked anew) */
	uint32_t tsc_khz;	  /* what an emulated x86 guest's TSC runs at: the host's, measured once per host boot; 0: unknown */
	bool has_sandbox;	  /* seccomp -sandbox */
	bool has_9p;		  /* -fsdev local and virtio-9p */
	bool has_pvpanic;	  /* the architecture's pvpanic device */
	bool has_vmcoreinfo;
	bool has_user_netdev;	  /* slirp */
	bool has_ignore_shared;	  /* migration capability x-ignore-shared: templates are possible */
};

void vmm_caps_clear(struct vmm_caps *c);

/*
 * Asks the VMM for `arch` once and caches the answer in <cache_dir>/probes/.
 * binary NULL: the architecture's, from PATH. ERROR_MISSING with the package
 * to install when it is not there, ERROR_UNSUPPORTED when it is too old.
 */
int vmm_probe(const struct arch *arch, const char *binary, const char *cache_dir, struct vmm_caps *ret, struct error *err);

/* Why KVM is or is not used on this host. */
enum kvm_state {
	KVM_USABLE,
	KVM_ABSENT,	 /* no /dev/kvm, or not the host's architecture */
	KVM_DENIED,	 /* exists, but this user may not open it */
	KVM_NESTED_PARA, /* x86 without vmx and svm in the CPU flags: a guest would hang */
	KVM_MEMO,	 /* it hung on this host boot, kernel and VMM before */
	KVM_REFUSED,	 /* it would not make a machine some minutes ago: somebody else may have it */
};
enum kvm_state vmm_kvm_state(const struct vmm_caps *caps, const struct arch *arch, const char *cache_dir);
const char *kvm_state_text(enum kvm_state s);
/* Remembers KVM_MEMO or KVM_REFUSED (key: host boot id, kernel, VMM). */
int vmm_kvm_memo_set(const struct vmm_caps *caps, const char *cache_dir, enum kvm_state why, struct error *err);
/* What is remembered; KVM_USABLE: nothing, or nothing that still counts. */
enum kvm_state vmm_kvm_memo(const struct vmm_caps *caps, const char *cache_dir);
/* Forgets it. Returns 1 when there was one. */
int vmm_kvm_memo_clear(const char *cache_dir);
/* Do the last words of VMM_EVENT_EXITED say that KVM would not make the machine? Why, which the caller frees; NULL: they do not. */
char *vmm_kvm_refusal(const char *last_words);

/*
 * How many virtio devices this machine type takes at most; 0: no limit worth
 * knowing. A machine has one for the agent's port, and one per disk, share
 * and nic.
 */
unsigned vmm_device_limit(const struct arch *arch, enum machine_type type, bool has_acpi);

/*
 * Appends the kernel options that this VMM wants for this machine (console,
 * clock sources and fixed waits that do not exist in a virtual machine), each
 * preceded by a space unless out is empty. Belongs into m->append before the
 * user's own options. *m needs arch, type, accel, n_cpus and has_acpi.
 */
void vmm_kernel_args(const struct machine *m, const struct vmm_caps *caps, struct str *out);

/* Host ends of the machine's ports: connected stream sockets, non-blocking. */
#define VMM_AGENT_PORT_NAME "quiz.agent" /* of the virtio-serial port: wire.h's WIRE_AGENT_PORT, which this layer does not see */
enum vmm_port {
	VMM_PORT_AGENT,
	VMM_PORT_CONSOLE,
	VMM_N_PORTS,
};

enum vmm_event {
	VMM_EVENT_RUNNING,    /* the guest's CPUs run (first start, and after a pause) */
	VMM_EVENT_PAUSED,
	VMM_EVENT_PANICKED,   /* the guest said so through pvpanic or its architecture's way */
	VMM_EVENT_RESET,      /* the guest rebooted or triple-faulted: it is not started again */
	VMM_EVENT_SHUTDOWN,   /* the guest powered off */
	VMM_EVENT_PORT_CLOSED, /* the guest closed its end of the agent's port */
	VMM_EVENT_IO_ERROR,   /* a disk's backing failed, which the guest was told; text says which */
	VMM_EVENT_NO_SPACE,   /* the host's file system under a disk is full, and the guest stands still; text says which */
	VMM_EVENT_EXITED,     /* the process is gone; text has its status and last words; always the last event */
};

struct vmm_callbacks {
	void (*event)(void *ctx, enum vmm_event ev, const char *text);
	void *ctx;
};

struct vmm_options {
	const char *run_dir;	/* 0700 folder for sockets that others must reach (gdb); may be NULL */
	const char *empty_dir;	/* what a share without host_path points at */
	const char *scratch_dir; /* where what is written to a disk with is_snapshot goes; NULL: $TMPDIR */
	int oom_score_adj;
	bool debug_qmp;		/* print the QMP conversation to stderr */
};

/*
 * The command line that vmm_start() runs, argv[0] included, for --dry-run and
 * golden tests: a pure function. Descriptors appear as the fixed numbers that
 * the child sees. ERROR_USAGE or ERROR_UNSUPPORTED when this machine can not
 * be had (too many devices, no 9p in this QEMU, ...).
 */
int vmm_plan(const struct machine *m, const struct vmm_caps *caps, const struct vmm_options *opt,
	     struct strv *ret_argv, struct error *err);

/*
 * Appends a "name=value" line that differs whenever this VMM layer would make
 * another machine of it (beyond machine_describe(): the layer's own choices).
 */
void vmm_describe(const struct machine *m, const struct vmm_caps *caps, struct str *out);

/*
 * Appends the host's files that the VMM reads by itself when it makes this
 * machine: firmware, and what the user's own arguments name. Their content is
 * in the machine's memory or may be. False: what is in it can not be told, and
 * no template must be made of it.
 */
bool vmm_files(const struct machine *m, const struct vmm_caps *caps, struct strv *out);

/* Starts it; returns when the process has been forked, not when it is ready. */
int vmm_start(const struct machine *m, const struct vmm_caps *caps, const struct vmm_options *opt,
	      struct loop *loop, const struct vmm_callbacks *cb, struct vmm **ret, struct error *err);
void vmm_free(struct vmm *v);

pid_t vmm_pid(const struct vmm *v);
/* Borrowed; stays open until vmm_free(). */
int vmm_port_fd(const struct vmm *v, enum vmm_port port);
/* Path of the gdb stub's socket, or NULL when there is no stub (now). Borrowed. */
const char *vmm_gdb_socket(const struct vmm *v);

/* err is NULL on success. */
typedef void vmm_done_fn(void *ctx, const struct error *err);

void vmm_pause(struct vmm *v, vmm_done_fn *done, void *ctx);
void vmm_resume(struct vmm *v, vmm_done_fn *done, void *ctx);
/* Device state of a paused machine with RAM_SHARED into state_fd (borrowed; sent over by descriptor passing). It may be resumed then. */
void vmm_save(struct vmm *v, int state_fd, vmm_done_fn *done, void *ctx);
/* Loads device state into a machine started with is_incoming; it is PAUSED afterwards. */
void vmm_load(struct vmm *v, int state_fd, vmm_done_fn *done, void *ctx);
/* Writes a vmcore (kdump-compressed where the VMM can) to path; the machine is paused meanwhile. */
void vmm_dump(struct vmm *v, const char *path, vmm_done_fn *done, void *ctx);
/*
 * Starts a gdb stub at a socket in run_dir, or ends it. A debugger that
 * connects pauses the machine; one that goes without a word leaves it paused.
 * The stub of a machine with has_gdb is there from the start and stays.
 */
void vmm_gdb(struct vmm *v, bool on, vmm_done_fn *done, void *ctx);
/* Types a sysrq key on the console: what a kernel hears that runs no program any more. It answers there, if it does. */
void vmm_sysrq(struct vmm *v, char key, vmm_done_fn *done, void *ctx);
/* "running", "paused", "internal-error", ... in the VMM's words, to the callback's text. */
typedef void vmm_status_fn(void *ctx, const char *status, const struct error *err);
void vmm_status(struct vmm *v, vmm_status_fn *done, void *ctx);
/* CPU time that the process has used, milliseconds (does a silent guest get time at all?). */
uint64_t vmm_cpu_ms(const struct vmm *v);
/*
 * An oversubscribed host is no broken guest: time since those waits were noted
 * for which it wanted a CPU and got none, milliseconds (proc_starved_ms), and
 * whether it waits for the host's disks now (proc_is_blocked).
 */
struct proc_waits;
void vmm_note_waits(const struct vmm *v, struct proc_waits *ret);
uint64_t vmm_starved_ms(const struct vmm *v, const struct proc_waits *since);
bool vmm_is_blocked(const struct vmm *v);
/* What it has written to files of any kind so far (proc_written_bytes): more than that no share has grown by. */
uint64_t vmm_written_bytes(const struct vmm *v);
/* Each vCPU waits for an interrupt, and the VMM itself for something to do: proc_is_asleep() of it. */
bool vmm_is_idle(const struct vmm *v);
/* Asks it to quit and kills it after grace_ms; VMM_EVENT_EXITED follows. */
void vmm_quit(struct vmm *v, unsigned grace_ms);
void vmm_kill(struct vmm *v);
