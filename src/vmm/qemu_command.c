/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The commands of vmm.h to a running QEMU. Those of several steps are jobs,
 * one at a time each, that end with their callback:
 *
 *	save: capabilities -> getfd (state) -> migrate fd:     -> MIGRATION completed -> query-status until it may go on
 *	load: capabilities -> getfd (state) -> migrate-incoming -> MIGRATION completed
 *	dump: getfd (core) -> dump-guest-memory kdump-zlib, else elf -> in one piece, by a child (vmm/kdump.h)
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/proc.h"
#include "vmm/kdump.h"
#include "vmm/qemu.h"

/* From here on `fd:` of a plain file is deprecated and `file:` of a descriptor set is the way. */
#define QEMU_HAS_FILE_FDSET 90100
/* Before this, kdump formats come in the flattened form only. */
#define QEMU_HAS_KDUMP_RAW 80200

/* ---- One command, one callback ---- */

struct simple {
	vmm_done_fn *done;
	void *ctx;
};

static void simple_done(void *ctx, const json_t *result, const struct error *err)
{
	struct simple s = *(struct simple *)ctx;

	(void)result;
	free(ctx);
	if (s.done)
		s.done(s.ctx, err);
}

static void simple_command(struct vmm *v, const char *name, vmm_done_fn *done, void *ctx)
{
	struct simple *s = mem_alloc(sizeof(*s));

	*s = (struct simple){ done, ctx };
	qmp_command(v->qmp, name, NULL, simple_done, s);
}

void vmm_pause(struct vmm *v, vmm_done_fn *done, void *ctx)
{
	simple_command(v, "stop", done, ctx);
}

void vmm_resume(struct vmm *v, vmm_done_fn *done, void *ctx)
{
	simple_command(v, "cont", done, ctx);
}

/* ---- sysrq ---- */

struct sysrq {
	struct vmm *v;
	char key;
	vmm_done_fn *done;
	void *ctx;
};

static void type_key(void *ctx, const json_t *result, const struct error *err)
{
	struct sysrq q = *(struct sysrq *)ctx;
	const struct arch *arch = q.v->arch;
	_cleanup_free_ char *text = mem_printf("%s%c%s", arch->sysrq ? arch->sysrq : "", q.key, arch->sysrq_end ? arch->sysrq_end : "");
	struct error why = ERROR_INIT;

	(void)result;
	free(ctx);
	if (!err && send(q.v->ports[VMM_PORT_CONSOLE], text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		error_sys(&why, errno, "type on the machine's console");
		err = &why;
	}
	if (q.done)
		q.done(q.ctx, err);
}

/* A serial port has its break for it; other consoles have a prefix. */
void vmm_sysrq(struct vmm *v, char key, vmm_done_fn *done, void *ctx)
{
	struct sysrq *q = mem_alloc(sizeof(*q));

	*q = (struct sysrq){ v, key, done, ctx };
	if (v->arch->sysrq)
		type_key(q, NULL, NULL);
	else
		qmp_command(v->qmp, "chardev-send-break", json_pack("{s:s}", "id", "console"), type_key, q);
}

struct status_query {
	vmm_status_fn *done;
	void *ctx;
};

static void status_done(void *ctx, const json_t *result, const struct error *err)
{
	struct status_query s = *(struct status_query *)ctx;
	const char *status = json_string_value(json_object_get(result, "status"));

	free(ctx);
	s.done(s.ctx, err ? NULL : status ? status : "", err);
}

void vmm_status(struct vmm *v, vmm_status_fn *done, void *ctx)
{
	struct status_query *s = mem_alloc(sizeof(*s));

	*s = (struct status_query){ done, ctx };
	qmp_command(v->qmp, "query-status", NULL, status_done, s);
}

/* ---- Save and load ---- */

void qemu_job_end(struct vmm *v, const struct error *err)
{
	vmm_done_fn *done = v->job_done;

	if (v->job == QEMU_JOB_NONE)
		return;
	v->job = QEMU_JOB_NONE;
	v->job_done = NULL;
	if (done)
		done(v->job_ctx, err);
}

/* The steps before the last one: only failure matters. */
static void job_step(void *ctx, const json_t *result, const struct error *err)
{
	(void)result;
	if (err)
		qemu_job_end(ctx, err);
}

/*
 * "completed" is said by QEMU's migration thread a moment before the machine
 * leaves the state finish-migrate, of which no event tells, and in which
 * `cont` is refused.
 */
static void on_saved_status(void *ctx, const char *status, const struct error *err)
{
	struct vmm *v = ctx;

	if (!err && str_eq(status, "finish-migrate"))
		vmm_status(v, on_saved_status, v);
	else
		qemu_job_end(v, err);
}

void qemu_on_migration(struct vmm *v, const json_t *data)
{
	const char *status = json_string_value(json_object_get(data, "status"));
	struct error err = ERROR_INIT;

	if (str_eq(status, "completed") && v->job == QEMU_JOB_SAVE) {
		vmm_status(v, on_saved_status, v);
	} else if (str_eq(status, "completed")) {
		qemu_job_end(v, NULL);
	} else if (str_eq(status, "failed") || str_eq(status, "cancelled")) {
		error_set(&err, ERROR_CHILD, "cannot %s the machine's state: QEMU says '%s'",
			  v->job == QEMU_JOB_SAVE ? "save" : "load", status);
		qemu_job_end(v, &err);
	}
}

static json_t *capability(const char *name)
{
	return json_pack("{s:s, s:b}", "capability", name, "state", 1);
}

static void migrate(struct vmm *v, enum qemu_job kind, int state_fd, vmm_done_fn *done, void *ctx)
{
	const char *verb = kind == QEMU_JOB_SAVE ? "migrate" : "migrate-incoming";
	const char *uri = "fd:state";

	if (v->job != QEMU_JOB_NONE) {
		struct error err = ERROR_INIT;

		error_set(&err, ERROR_BUSY, "cannot save or load the machine's state: it is being done already");
		done(ctx, &err);
		return;
	}
	v->job = kind;
	v->job_done = done;
	v->job_ctx = ctx;
	qmp_command(v->qmp, "migrate-set-capabilities",
		    json_pack("{s:[o,o]}", "capabilities", capability("x-ignore-shared"), capability("events")), job_step, v);
	if (v->version >= QEMU_HAS_FILE_FDSET) {
		qmp_command_fd(v->qmp, "add-fd", json_pack("{s:i}", "fdset-id", 1), state_fd, job_step, v);
		uri = "file:/dev/fdset/1";
	} else {
		qmp_command_fd(v->qmp, "getfd", json_pack("{s:s}", "fdname", "state"), state_fd, job_step, v);
	}
	qmp_command(v->qmp, verb, json_pack("{s:s}", "uri", uri), job_step, v);
}

void vmm_save(struct vmm *v, int state_fd, vmm_done_fn *done, void *ctx)
{
	migrate(v, QEMU_JOB_SAVE, state_fd, done, ctx);
}

void vmm_load(struct vmm *v, int state_fd, vmm_done_fn *done, void *ctx)
{
	migrate(v, QEMU_JOB_LOAD, state_fd, done, ctx);
}

/* ---- Dump ---- */

static void dump_end(struct vmm *v, const struct error *err)
{
	vmm_done_fn *done = v->dump_done;

	close_fd(&v->dump_fd);
	free(v->dump_path);
	v->dump_path = NULL;
	v->dump_done = NULL;
	if (done)
		done(v->dump_ctx, err);
}

static char *part_path(const struct vmm *v)
{
	return mem_printf("%s.part", v->dump_path);
}

/* What a child that was killed could not remove. */
static void forget_part(const struct vmm *v)
{
	_cleanup_free_ char *beside = part_path(v);

	unlink(beside);
}

/* Beside it and then over it, so that nobody takes half a core for a whole one. */
static int make_whole(void *ctx, struct error *err)
{
	const struct vmm *v = ctx;
	_cleanup_free_ char *beside = part_path(v);
	_cleanup_close_ int fd = open(beside, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return error_sys(err, errno, "write vmcore '%s'", beside);
	r = kdump_unflatten(v->dump_fd, fd, err);
	if (r >= 0 && kdump_add_uname(r ? fd : v->dump_fd, err) < 0)
		r = -1;
	if (r > 0 && (fs_close_written(&fd) < 0 || rename(beside, v->dump_path) < 0))
		r = error_sys(err, errno, "write vmcore '%s'", v->dump_path);
	if (r <= 0)
		unlink(beside);
	return r < 0 ? -1 : 0;
}

static void on_whole(void *ctx, pid_t pid, int wait_status)
{
	struct vmm *v = ctx;
	struct error err = ERROR_INIT;

	(void)pid;
	v->dump_pid = 0;
	if (proc_call_end(&v->dump_report_fd, wait_status, &err) == 0) {
		dump_end(v, NULL);
		return;
	}
	forget_part(v);
	dump_end(v, &err);
}

void qemu_dump_abandon(struct vmm *v, const struct error *err)
{
	if (v->dump_pid) {
		loop_child_remove(v->loop, v->dump_pid);
		proc_kill(v->dump_pid, 0);
		v->dump_pid = 0;
		forget_part(v);
		close_fd(&v->dump_report_fd);
	}
	dump_end(v, err);
}

/* A core of a large machine is copied for seconds, and the loop has others to serve: by a child. */
static void start_make_whole(struct vmm *v)
{
	struct error err = ERROR_INIT;

	v->dump_pid = proc_call(make_whole, v, &v->dump_report_fd, &err);
	if (v->dump_pid > 0) {
		loop_child(v->loop, v->dump_pid, on_whole, v);
		return;
	}
	v->dump_pid = 0;
	dump_end(v, &err);
}

static void dump_finished(void *ctx, const json_t *result, const struct error *err)
{
	(void)result;
	dump_end(ctx, err);
}

static void send_dump(struct vmm *v, const char *format, qmp_reply_fn *done)
{
	if (lseek(v->dump_fd, 0, SEEK_SET) < 0 || ftruncate(v->dump_fd, 0) < 0) {
		struct error err = ERROR_INIT;

		error_sys(&err, errno, "write a vmcore");
		dump_end(v, &err);
		return;
	}
	/* When this fails, so does the dump behind it, which reports. */
	qmp_command_fd(v->qmp, "getfd", json_pack("{s:s}", "fdname", "dump"), v->dump_fd, NULL, NULL);
	qmp_command(v->qmp, "dump-guest-memory",
		    json_pack("{s:b, s:s, s:s}", "paging", 0, "protocol", "fd:dump", "format", format), done, v);
}

/* An architecture, a device or a build without the compressed format: the plain one is larger but as good. */
static void dump_compressed(void *ctx, const json_t *result, const struct error *err)
{
	struct vmm *v = ctx;

	(void)result;
	if (err && v->pid)
		send_dump(v, "elf", dump_finished);
	else if (err)
		dump_end(v, err);
	else
		start_make_whole(v);
}

void vmm_dump(struct vmm *v, const char *path, vmm_done_fn *done, void *ctx)
{
	struct error err = ERROR_INIT;

	if (v->dump_done) {
		error_set(&err, ERROR_BUSY, "cannot write vmcore '%s': another one is being written", path);
		done(ctx, &err);
		return;
	}
	v->dump_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (v->dump_fd < 0) {
		error_sys(&err, errno, "write vmcore '%s'", path);
		done(ctx, &err);
		return;
	}
	v->dump_path = mem_strdup(path);
	v->dump_done = done;
	v->dump_ctx = ctx;
	send_dump(v, v->version >= QEMU_HAS_KDUMP_RAW ? "kdump-raw-zlib" : "kdump-zlib", dump_compressed);
}

/* ---- The gdb stub ---- */

struct gdb_order {
	struct vmm *v;
	bool on;
	vmm_done_fn *done;
	void *ctx;
};

/* The human monitor has no errors, only text. */
static void gdb_answered(void *ctx, const json_t *result, const struct error *err)
{
	struct gdb_order o = *(struct gdb_order *)ctx;
	const char *text = json_string_value(result);
	struct error why = ERROR_INIT;

	free(ctx);
	if (!err && o.on && text && strstr(text, "Could not")) {
		_cleanup_str_ struct str safe = STR_INIT;

		str_add_safe(&safe, text, strcspn(text, "\r\n"), false);
		error_set(&why, ERROR_CHILD, "QEMU says: %s", str_cstr(&safe));
		err = &why;
	}
	if (!err)
		o.v->has_gdb = o.on;
	if (o.done)
		o.done(o.ctx, err);
}

void vmm_gdb(struct vmm *v, bool on, vmm_done_fn *done, void *ctx)
{
	_cleanup_str_ struct str line = STR_INIT;
	struct gdb_order *o;

	if (on && !v->gdb_socket) {
		struct error err = ERROR_INIT;

		error_set(&err, ERROR_UNSUPPORTED, "this machine has no folder for a gdb stub's socket");
		if (done)
			done(ctx, &err);
		return;
	}
	o = mem_alloc(sizeof(*o));
	*o = (struct gdb_order){ v, on, done, ctx };
	str_add(&line, "gdbserver ");
	if (on) {
		str_add(&line, "unix:");
		for (const char *p = v->gdb_socket; *p; p++) /* a comma in a value is written twice */
			str_addf(&line, *p == ',' ? ",,": "%c", *p);
		str_add(&line, ",server=on,wait=off");
	} else {
		str_add(&line, "none");
	}
	qmp_command(v->qmp, "human-monitor-command", json_pack("{s:s}", "command-line", str_cstr(&line)), gdb_answered, o);
}
