/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A QEMU process: its life, its ports and what it says.
 *
 * Theory of operation: three socket pairs (monitor, console, agent) and a
 * pipe for stderr are made before the fork; QEMU inherits its ends at the
 * numbers that the plan names. Nothing is waited for: commands are queued on
 * the monitor and answered when QEMU gets to them.
 *
 * State is what QEMU's events say; commands are in qemu_command.c.
 *
 * The end: SIGCHLD -> what QEMU still had said is read (monitor, stderr) ->
 * open commands fail -> VMM_EVENT_EXITED, the last event.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/proc.h"
#include "vmm/qemu.h"
#include "vmm/qemu_plan.h"

#define LAST_WORDS_MAX 4096	 /* bytes kept of QEMU's stderr */
#define PORT_BUFFER    (1 << 20) /* bytes asked for per direction of a port; the kernel may give less */

static void tell(struct vmm *v, enum vmm_event ev, const char *text)
{
	if (v->cb.event)
		v->cb.event(v->cb.ctx, ev, text);
}

/* ---- Events ---- */

static void on_shutdown(struct vmm *v, const json_t *data)
{
	const char *reason = json_string_value(json_object_get(data, "reason"));

	if (str_eq(reason, "guest-reset"))
		tell(v, VMM_EVENT_RESET, reason);
	else if (json_is_true(json_object_get(data, "guest")))
		tell(v, VMM_EVENT_SHUTDOWN, reason ? reason : "");
	/* Otherwise somebody told QEMU to quit: EXITED says the rest. */
}

/* By which the guest knows it; QEMU's own name is its place (qemu_plan.c). */
static const char *disk_name(const struct vmm *v, const char *device)
{
	size_t n;

	if (!device || !*device)
		return "a disk";
	return sscanf(device, "disk%zu", &n) == 1 && n < v->disks.n && *v->disks.v[n] ? v->disks.v[n] : device;
}

static void on_io_error(struct vmm *v, const json_t *data)
{
	_cleanup_str_ struct str text = STR_INIT;
	const char *device = disk_name(v, json_string_value(json_object_get(data, "device")));
	const char *reason = json_string_value(json_object_get(data, "reason"));

	/* QEMU's own werror=enospc: it stops the guest at a full disk, and tells it of everything else. */
	if (json_is_true(json_object_get(data, "nospace"))) {
		tell(v, VMM_EVENT_NO_SPACE, device);
		return;
	}
	if (v->has_io_error)
		return;
	v->has_io_error = true;
	str_addf(&text, "%s: %s", device, reason ? reason : "I/O error");
	tell(v, VMM_EVENT_IO_ERROR, str_cstr(&text));
}

static void on_panic(struct vmm *v, const json_t *data)
{
	const char *type = json_string_value(json_object_get(json_object_get(data, "info"), "type"));

	tell(v, VMM_EVENT_PANICKED, type ? type : "");
}

static void on_stop(struct vmm *v, const json_t *data)
{
	(void)data;
	tell(v, VMM_EVENT_PAUSED, "");
}

static void on_resume(struct vmm *v, const json_t *data)
{
	(void)data;
	tell(v, VMM_EVENT_RUNNING, "");
}

/* Only the closing is news: the socket behind the port stays open whatever the guest does. */
static void on_port(struct vmm *v, const json_t *data)
{
	if (json_is_false(json_object_get(data, "open")))
		tell(v, VMM_EVENT_PORT_CLOSED, "");
}

static const struct {
	const char *name;
	void (*handle)(struct vmm *v, const json_t *data);
} events[] = {
	{ "STOP", on_stop },
	{ "RESUME", on_resume },
	{ "GUEST_PANICKED", on_panic },
	{ "SHUTDOWN", on_shutdown },
	{ "BLOCK_IO_ERROR", on_io_error },
	{ "MIGRATION", qemu_on_migration },
	{ "VSERPORT_CHANGE", on_port },
};

static void on_event(void *ctx, const char *name, const json_t *data)
{
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (!strcmp(events[i].name, name))
			events[i].handle(ctx, data);
}

/* A monitor that hangs up belongs to a process that is ending (then SIGCHLD comes), or to one that is no use. */
static void on_qmp_closed(void *ctx, const struct error *why)
{
	struct vmm *v = ctx;

	qemu_job_end(v, why);
	if (v->pid)
		vmm_quit(v, 1000);
}

static void first_status(void *ctx, const char *status, const struct error *err)
{
	struct vmm *v = ctx;

	/* Started without -S: the RESUME event was sent before anybody listened. */
	if (!err && str_eq(status, "running"))
		tell(v, VMM_EVENT_RUNNING, "");
}

/* ---- The process ---- */

static void read_stderr(struct vmm *v)
{
	char buf[4096];
	ssize_t n;

	while (v->stderr_fd >= 0 && (n = read(v->stderr_fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* nothing now */
		str_add_mem(&v->last_words, buf, (size_t)n);
		if (v->last_words.len > 2 * LAST_WORDS_MAX) {
			memmove(v->last_words.p, v->last_words.p + v->last_words.len - LAST_WORDS_MAX, LAST_WORDS_MAX);
			str_truncate(&v->last_words, LAST_WORDS_MAX);
		}
	}
	if (v->stderr_fd >= 0) {
		loop_fd_remove(v->loop, v->stderr_fd);
		close_fd(&v->stderr_fd);
	}
}

static void on_stderr(void *ctx, int fd, short what)
{
	(void)fd, (void)what;
	read_stderr(ctx);
}

static void describe_end(const struct vmm *v, int wait_status, struct str *out)
{
	size_t len = v->last_words.len, from = 0;

	if (WIFSIGNALED(wait_status))
		str_addf(out, "ended by signal %d", WTERMSIG(wait_status));
	else
		str_addf(out, "exit status %d", WEXITSTATUS(wait_status));
	while (len && strchr("\n\r ", v->last_words.p[len - 1]))
		len--;
	if (len > LAST_WORDS_MAX)
		from = len - LAST_WORDS_MAX;
	if (len) {
		str_add(out, ": ");
		str_add_safe(out, v->last_words.p + from, len - from, true);
	}
}

static void on_exit_status(void *ctx, pid_t pid, int wait_status)
{
	_cleanup_str_ struct str text = STR_INIT;
	struct error err = ERROR_INIT;
	struct vmm *v = ctx;

	(void)pid;
	v->pid = 0;
	loop_timer_remove(v->loop, v->kill_timer);
	v->kill_timer = 0;
	qmp_drain(v->qmp);
	read_stderr(v);
	describe_end(v, wait_status, &text);
	error_set(&err, ERROR_CHILD, "QEMU is gone (%s)", str_cstr(&text));
	qemu_job_end(v, &err);
	tell(v, VMM_EVENT_EXITED, str_cstr(&text)); /* may free v */
}

/* Slots promise the guest a size: a shorter file would be another disk than the template's. */
static int check_disks(const struct machine *m, struct error *err)
{
	for (size_t i = 0; i < m->n_disks; i++) {
		const struct disk *d = &m->disks[i];
		struct stat st;

		if (d->backing != DISK_FILE)
			continue;
		if (stat(d->path, &st) < 0)
			return error_sys(err, errno, "open disk image '%s'", d->path);
		if (S_ISREG(st.st_mode) && !d->is_qcow2 && d->capacity_bytes &&
		    (uint64_t)st.st_size != d->capacity_bytes)
			return error_set(
			    err, ERROR_SYSTEM, "cannot use disk image '%s': it has %llu bytes, the machine's disk %llu",
			    d->path, (unsigned long long)st.st_size, (unsigned long long)d->capacity_bytes);
	}
	return 0;
}

static int make_pair(int *ret_ours, int *ret_theirs, int buffer_bytes, struct error *err)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return error_sys(err, errno, "make a socket pair");
	for (int i = 0; i < 2 && buffer_bytes; i++)
		setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
	fcntl(sv[0], F_SETFL, O_NONBLOCK);
	*ret_ours = sv[0];
	*ret_theirs = sv[1];
	return 0;
}

/*
 * The memory's file by descriptor, not by path: that of a machine which is to
 * become a template has no name, and a template may lose its own while a
 * clone's QEMU is still starting.
 */
static int open_ram(const struct machine *m, int *ret_fd, struct error *err)
{
	bool is_new = m->ram_mode == RAM_SHARED;
	const char *name = m->ram_fd ? "(unnamed)" : m->ram_path;
	_cleanup_close_ int fd = m->ram_fd ? fcntl(m->ram_fd, F_DUPFD_CLOEXEC, 3)
					   : open(name, O_RDWR | O_CLOEXEC | (is_new ? O_CREAT : 0), 0600);

	if (fd < 0)
		return error_sys(err, errno, "open the memory file '%s'", name);
	if (is_new && ftruncate(fd, (off_t)m->memory_bytes) < 0)
		return error_sys(err, errno, "extend the memory file '%s'", name);
	*ret_fd = take_fd(&fd);
	return 0;
}

static bool has_snapshot(const struct machine *m)
{
	for (size_t i = 0; i < m->n_disks; i++)
		if (m->disks[i].is_snapshot)
			return true;
	return false;
}

/* Ours with another TMPDIR: where QEMU puts what is written to a snapshot, in a file without a name. */
static void scratch_environment(const char *dir, struct strv *out)
{
	for (char **e = environ; *e; e++)
		if (!str_starts(*e, "TMPDIR="))
			strv_add(out, *e);
	strv_addf(out, "TMPDIR=%s", dir);
}

static int start_process(struct vmm *v, const struct machine *m, const struct strv *argv, const struct vmm_options *opt,
			 int *ret_qmp_fd, struct error *err)
{
	_cleanup_close_ int qmp_ours = -1;
	_cleanup_close_ int qmp_theirs = -1;
	_cleanup_close_ int console_theirs = -1;
	_cleanup_close_ int agent_theirs = -1;
	_cleanup_close_ int stderr_theirs = -1;
	_cleanup_close_ int ram = -1;
	_cleanup_strv_ struct strv env = STRV_INIT;
	int p[2];

	if (check_disks(m, err) < 0 || make_pair(&qmp_ours, &qmp_theirs, 0, err) < 0 ||
	    make_pair(&v->ports[VMM_PORT_CONSOLE], &console_theirs, 0, err) < 0 ||
	    make_pair(&v->ports[VMM_PORT_AGENT], &agent_theirs, PORT_BUFFER, err) < 0)
		return -1;
	if (pipe2(p, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make a pipe");
	v->stderr_fd = p[0];
	stderr_theirs = p[1];
	fcntl(v->stderr_fd, F_SETFL, O_NONBLOCK);

	if (m->ram_mode != RAM_ANONYMOUS && open_ram(m, &ram, err) < 0)
		return -1;

	if (opt->scratch_dir && has_snapshot(m))
		scratch_environment(opt->scratch_dir, &env);

	struct proc_fd fds[5 + QEMU_NICS_MAX] = {
		{ stderr_theirs, STDERR_FILENO },
		{ qmp_theirs, QEMU_FD_QMP },
		{ console_theirs, QEMU_FD_CONSOLE },
		{ agent_theirs, QEMU_FD_AGENT },
	};
	size_t n_fds = 4;

	if (ram >= 0)
		fds[n_fds++] = (struct proc_fd){ ram, QEMU_FD_RAM };
	for (size_t i = 0; i < m->n_nics; i++)
		if (m->nics[i].kind == NET_HUB && m->nics[i].fd >= 0)
			fds[n_fds++] = (struct proc_fd){ m->nics[i].fd, QEMU_FD_NICS + (int)i };

	const struct proc_spec spec = {
		.argv = (const char *const *)argv->v,
		.env = (const char *const *)(env.n ? env.v : NULL),
		.fds = fds,
		.n_fds = n_fds,
		.oom_score_adj = opt->oom_score_adj,
	};
	if (proc_start(&spec, &v->pid, err) < 0)
		return -1;
	*ret_qmp_fd = take_fd(&qmp_ours);
	return 0;
}

int vmm_start(const struct machine *m, const struct vmm_caps *caps, const struct vmm_options *opt, struct loop *loop,
	      const struct vmm_callbacks *cb, struct vmm **ret, struct error *err)
{
	_cleanup_strv_ struct strv argv = STRV_INIT;
	struct qmp_callbacks qmp_cb = { .event = on_event, .closed = on_qmp_closed };
	struct vmm *v;
	int qmp_fd;

	if (vmm_plan(m, caps, opt, &argv, err) < 0)
		return -1;
	v = mem_alloc(sizeof(*v));
	v->loop = loop;
	v->cb = *cb;
	v->stderr_fd = v->dump_fd = v->dump_report_fd = -1;
	for (int i = 0; i < VMM_N_PORTS; i++)
		v->ports[i] = -1;
	v->version = caps->version;
	v->arch = m->arch;
	v->has_gdb = m->has_gdb;
	for (size_t i = 0; i < m->n_disks; i++)
		strv_add(&v->disks, m->disks[i].serial);
	if (opt->run_dir)
		v->gdb_socket = fs_join(opt->run_dir, QEMU_GDB_SOCKET);
	if (start_process(v, m, &argv, opt, &qmp_fd, err) < 0) {
		vmm_free(v);
		return -1;
	}
	qmp_cb.ctx = v;
	v->qmp = qmp_new(loop, qmp_fd, &qmp_cb, opt->debug_qmp);
	loop_fd(loop, v->stderr_fd, POLLIN, on_stderr, v);
	loop_child(loop, v->pid, on_exit_status, v);
	if (!m->is_incoming)
		vmm_status(v, first_status, v);
	*ret = v;
	return 0;
}

void vmm_free(struct vmm *v)
{
	struct error err = ERROR_INIT;

	if (!v)
		return;
	v->cb.event = NULL;
	if (v->pid) {
		loop_child_remove(v->loop, v->pid);
		proc_kill(v->pid, 0);
		v->pid = 0;
	}
	loop_timer_remove(v->loop, v->kill_timer);
	qmp_free(v->qmp);
	v->qmp = NULL;
	error_set(&err, ERROR_CHILD, "the machine was ended");
	qemu_job_end(v, &err); /* waiting for an event, not for an answer */
	if (v->stderr_fd >= 0)
		loop_fd_remove(v->loop, v->stderr_fd);
	close_fd(&v->stderr_fd);
	qemu_dump_abandon(v, &err);
	for (int i = 0; i < VMM_N_PORTS; i++)
		close_fd(&v->ports[i]);
	if (v->has_gdb)
		unlink(v->gdb_socket);
	free(v->gdb_socket);
	str_clear(&v->last_words);
	strv_clear(&v->disks);
	free(v);
}

pid_t vmm_pid(const struct vmm *v)
{
	return v->pid;
}

int vmm_port_fd(const struct vmm *v, enum vmm_port port)
{
	return v->ports[port];
}

const char *vmm_gdb_socket(const struct vmm *v)
{
	return v->has_gdb ? v->gdb_socket : NULL;
}

uint64_t vmm_cpu_ms(const struct vmm *v)
{
	return v->pid ? proc_cpu_ms(v->pid) : 0;
}

void vmm_note_waits(const struct vmm *v, struct proc_waits *ret)
{
	if (v->pid)
		proc_waits_take(v->pid, ret);
	else
		proc_waits_clear(ret);
}

uint64_t vmm_starved_ms(const struct vmm *v, const struct proc_waits *since)
{
	return v->pid ? proc_starved_ms(v->pid, since) : 0;
}

bool vmm_is_blocked(const struct vmm *v)
{
	return v->pid && proc_is_blocked(v->pid);
}

uint64_t vmm_written_bytes(const struct vmm *v)
{
	return v->pid ? proc_written_bytes(v->pid) : UINT64_MAX;
}

bool vmm_is_idle(const struct vmm *v)
{
	return v->pid && proc_is_asleep(v->pid);
}

void vmm_kill(struct vmm *v)
{
	if (v->pid)
		kill(v->pid, SIGKILL);
}

static void kill_late(void *ctx)
{
	struct vmm *v = ctx;

	v->kill_timer = 0;
	vmm_kill(v);
}

void vmm_quit(struct vmm *v, unsigned grace_ms)
{
	if (!v->pid || v->kill_timer)
		return;
	v->kill_timer = loop_timer(v->loop, grace_ms, kill_late, v);
	qmp_command(v->qmp, "quit", NULL, NULL, NULL);
}
