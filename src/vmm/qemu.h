/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The inside of a running QEMU, shared by its parts: qemu.c (the process, its
 * ports and events) and qemu_command.c (what it is told).
 */

#include "vmm/qmp.h"
#include "vmm/vmm.h"

enum qemu_job {
	QEMU_JOB_NONE,
	QEMU_JOB_SAVE,
	QEMU_JOB_LOAD,
};

struct vmm {
	struct loop *loop;
	struct vmm_callbacks cb;
	struct qmp *qmp;
	pid_t pid; /* 0: reaped */
	int ports[VMM_N_PORTS];
	int stderr_fd;
	struct str last_words;
	char *gdb_socket; /* owned; where the stub listens or would; NULL: no folder for it */
	bool has_gdb;	  /* it listens */
	uint32_t version;
	const struct arch *arch;
	uint64_t kill_timer;
	bool has_io_error; /* told once: a failing disk fails often */
	struct strv disks; /* serial numbers, in QEMU's order */

	/* the migration under way */
	enum qemu_job job;
	vmm_done_fn *job_done;
	void *job_ctx;

	/* the dump under way */
	vmm_done_fn *dump_done;
	void *dump_ctx;
	int dump_fd;
	char *dump_path; /* owned */
	pid_t dump_pid;	 /* puts it together; 0: none */
	int dump_report_fd;
};

/* Ends the migration under way, if there is one, with its callback. err: NULL on success. */
void qemu_job_end(struct vmm *v, const struct error *err);
/* QEMU's MIGRATION event. */
void qemu_on_migration(struct vmm *v, const json_t *data);
/* Ends the dump under way, if there is one, with its callback, and whoever works on it. */
void qemu_dump_abandon(struct vmm *v, const struct error *err);
