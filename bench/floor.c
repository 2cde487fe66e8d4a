/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The floor: what a machine costs when nothing of quiz but its QEMU layer is
 * there. It runs the very command line that quiz would (vmm_plan), with
 * floor_init.c as the whole guest.
 *
 *	floor cpio INIT                      newc archive with INIT as /init, on stdout
 *	floor cold  -k KERNEL -i INITRD ...  boots, and ends when the guest ends
 *	floor make  -k KERNEL -i INITRD -t DIR ...  boots to READY, saves a template into DIR
 *	floor clone -k KERNEL -i INITRD -t DIR ...  loads it, has the guest do one execve, ends
 *	floor hold  ... -n N   N clones at once, idle; prints "pss_kib" of all QEMUs, ends
 *
 * -d SERIAL=IMAGE, -e SERIAL (an empty slot), -s TAG (an unused share): the devices of quiz's machine.
 * -R: the guest executes /bin/true of disk "root" instead of itself.
 *
 * -M microvm|q35|native, -m MIB, -c CPUS, -a ARCH, -C CPU, -Q qemu, -X QEMU-ARGUMENT, -v. Each
 * prints a line of JSON with its stages in milliseconds since the start.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/loop.h"
#include "sys/paths.h"
#include "vmm/vmm.h"

#define PATIENCE_MS 60000

struct floor {
	struct machine m;
	const char *template_dir, *qemu;
	unsigned n;
	bool verbose, executes_root;
	struct vmm_caps caps;
	struct loop *loop;
	struct paths paths;
	uint64_t start_ns;
	struct str line; /* the JSON under way */
	struct one *ones;
	unsigned n_ready, n_ended;
	enum { COLD, MAKE, CLONE, HOLD } what;
	int status;
};

struct one {
	struct floor *f;
	struct vmm *v;
	int state_fd;
};

static void note(struct floor *f, const char *stage)
{
	str_addf(&f->line, "%s\"%s\": %.2f", f->line.len ? ", " : "{", stage, (double)(loop_now_ns() - f->start_ns) / 1e6);
}

static void fail(struct floor *f, const char *what, const struct error *err)
{
	fprintf(stderr, "floor: %s%s%s\n", what, err ? ": " : "", err ? err->text : "");
	f->status = 1;
	loop_stop(f->loop);
}

static void ended(struct one *o)
{
	if (++o->f->n_ended == o->f->n)
		loop_stop(o->f->loop);
}

static void on_event(void *ctx, enum vmm_event ev, const char *text)
{
	struct one *o = ctx;

	switch (ev) {
	case VMM_EVENT_RESET:
	case VMM_EVENT_SHUTDOWN:
		note(o->f, "end");
		ended(o);
		break;
	case VMM_EVENT_EXITED:
	case VMM_EVENT_IO_ERROR:
	case VMM_EVENT_PANICKED:
		fprintf(stderr, "floor: machine: %s\n", text);
		fail(o->f, "the machine ended too early", NULL);
		break;
	default:
		break;
	}
}

static void on_saved(void *ctx, const struct error *err)
{
	struct one *o = ctx;
	_cleanup_free_ char *from = fs_join(o->f->template_dir, "ram.new");
	_cleanup_free_ char *to = fs_join(o->f->template_dir, "ram");

	if (err) {
		fail(o->f, "save", err);
		return;
	}
	note(o->f, "saved");
	if (rename(from, to) < 0)
		fail(o->f, "rename", NULL);
	ended(o);
}

static void on_paused(void *ctx, const struct error *err)
{
	struct one *o = ctx;

	if (err)
		fail(o->f, "pause", err);
	else
		vmm_save(o->v, o->state_fd, on_saved, o);
}

static void add_pss(struct floor *f)
{
	unsigned long long sum = 0, kib;
	char line[256];

	for (unsigned i = 0; i < f->n; i++) {
		_cleanup_free_ char *path = mem_printf("/proc/%d/smaps_rollup", (int)vmm_pid(f->ones[i].v));
		FILE *file = fopen(path, "re");

		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, "Pss: %llu kB", &kib) == 1)
				sum += kib;
		if (file)
			fclose(file);
	}
	str_addf(&f->line, ", \"clones\": %u, \"pss_kib\": %llu, \"pss_kib_each\": %llu", f->n, sum, sum / f->n);
}

static void on_agent(void *ctx, int fd, short events)
{
	struct one *o = ctx;
	char c = 0;

	(void)events;
	if (read(fd, &c, 1) != 1)
		return;
	switch (c) {
	case 'R':
		note(o->f, "ready");
		vmm_pause(o->v, on_paused, o);
		break;
	case 'D':
		note(o->f, "done");
		if (o->f->what == HOLD && ++o->f->n_ready == o->f->n)
			add_pss(o->f);
		ended(o);
		break;
	default:
		fail(o->f, "the guest failed", NULL);
	}
}

static void on_console(void *ctx, int fd, short events)
{
	struct one *o = ctx;
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)events;
	if (n > 0 && o->f->verbose) {
		ssize_t w = write(STDERR_FILENO, buf, (size_t)n);
		(void)w;
	}
	if (n == 0)
		loop_fd_remove(o->f->loop, fd);
}

static void on_running(void *ctx, const struct error *err)
{
	struct one *o = ctx;

	if (err)
		fail(o->f, "resume", err);
	else
		note(o->f, "running");
}

static void on_loaded(void *ctx, const struct error *err)
{
	struct one *o = ctx;

	if (err) {
		fail(o->f, "load", err);
		return;
	}
	note(o->f, "loaded");
	vmm_resume(o->v, on_running, o);
}

static void too_late(void *ctx)
{
	fail(ctx, "the machine does not come to its end", NULL);
}

static int start(struct floor *f, struct one *o)
{
	const struct vmm_options opt = { .debug_qmp = f->verbose, .empty_dir = f->template_dir ? f->template_dir : "/" };
	const struct vmm_callbacks cb = { on_event, o };
	_cleanup_free_ char *state = f->template_dir ? fs_join(f->template_dir, "state") : NULL;
	struct error err = ERROR_INIT;

	o->f = f;
	o->state_fd = state ? open(state, f->what == MAKE ? O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600) : -1;
	if (vmm_start(&f->m, &f->caps, &opt, f->loop, &cb, &o->v, &err) < 0) {
		fail(f, "start", &err);
		return -1;
	}
	note(f, "started");
	loop_fd(f->loop, vmm_port_fd(o->v, VMM_PORT_AGENT), POLLIN, on_agent, o);
	loop_fd(f->loop, vmm_port_fd(o->v, VMM_PORT_CONSOLE), POLLIN, on_console, o);
	if (f->m.is_incoming) {
		vmm_load(o->v, o->state_fd, on_loaded, o);
		if (write(vmm_port_fd(o->v, VMM_PORT_AGENT), "x", 1) != 1) /* the job waits for the guest */
			return -1;
	}
	return 0;
}

static double ms_of(struct timeval tv)
{
	return (double)tv.tv_sec * 1e3 + (double)tv.tv_usec / 1e3;
}

static int run(struct floor *f)
{
	struct rusage ru;
	struct error err = ERROR_INIT;

	if (paths_init(&f->paths, &err) < 0 || vmm_probe(f->m.arch, f->qemu, f->paths.cache, &f->caps, &err) < 0) {
		fprintf(stderr, "floor: %s\n", err.text);
		return 1;
	}
	f->m.has_pvpanic = f->caps.has_pvpanic;
	f->m.has_vmcoreinfo = f->caps.has_vmcoreinfo;
	struct str append = STR_INIT;
	vmm_kernel_args(&f->m, &f->caps, &append);
	str_addf(&append, " loglevel=%d panic=0 %s", f->verbose ? 8 : 5, f->what == COLD ? "reboot=t" : "floor=wait reboot=t");
	if (f->executes_root)
		str_add(&append, " floor=true");
	f->m.append = str_take(&append);
	f->m.ram_mode = f->what == COLD ? RAM_ANONYMOUS : f->what == MAKE ? RAM_SHARED : RAM_PRIVATE;
	f->m.ram_path = f->what == COLD ? NULL : fs_join(f->template_dir, f->what == MAKE ? "ram.new" : "ram");
	f->m.is_incoming = f->what == CLONE || f->what == HOLD;
	f->loop = loop_new();
	f->ones = mem_alloc(f->n * sizeof(*f->ones));
	for (unsigned i = 0; i < f->n; i++)
		if (start(f, &f->ones[i]) < 0)
			return 1;
	loop_timer(f->loop, PATIENCE_MS, too_late, f);
	loop_run(f->loop);
	for (unsigned i = 0; i < f->n; i++)
		vmm_free(f->ones[i].v);
	note(f, "gone");
	getrusage(RUSAGE_CHILDREN, &ru); /* the VMMs were reaped; the probe forks nothing once it is cached */
	str_addf(&f->line, ", \"vmm_user_ms\": %.1f, \"vmm_system_ms\": %.1f", ms_of(ru.ru_utime), ms_of(ru.ru_stime));
	printf("%s}\n", str_cstr(&f->line));
	return f->status;
}

/* cpio(5), "New ASCII Format". */
static void cpio_entry(const char *name, unsigned mode, const void *data, size_t size)
{
	static unsigned ino;
	size_t n = strlen(name) + 1;

	printf("070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x%s", ++ino, mode, 0, 0, 1, 0, size, 0, 0, 5, 1, n, 0, name);
	for (size_t i = 0; i < 1 + (4 - (110 + n) % 4) % 4; i++)
		putchar(0);
	fwrite(data, 1, size, stdout);
	for (size_t i = 0; i < (4 - size % 4) % 4; i++)
		putchar(0);
}

static int write_cpio(const char *init)
{
	_cleanup_str_ struct str text = STR_INIT;
	struct error err = ERROR_INIT;

	if (fs_read(init, 16 << 20, &text, &err) < 0) {
		fprintf(stderr, "floor: %s\n", err.text);
		return 1;
	}
	cpio_entry("dev", 0040755, "", 0);
	cpio_entry("proc", 0040755, "", 0);
	cpio_entry("init", 0100755, text.p, text.len);
	cpio_entry("TRAILER!!!", 0, "", 0);
	return fflush(stdout) ? 1 : 0;
}

static void add_disk(struct floor *f, const char *arg, bool is_empty)
{
	struct disk *d = VEC_PUSH(f->m.disks, f->m.n_disks);
	size_t n = strcspn(arg, "=");
	struct stat st;

	d->serial = mem_strndup(arg, n);
	d->is_readonly = true;
	d->backing = is_empty ? DISK_EMPTY : DISK_FILE;
	d->capacity_bytes = 8ull << 30;
	if (!is_empty && arg[n]) {
		d->path = mem_strdup(arg + n + 1);
		d->capacity_bytes = stat(d->path, &st) == 0 ? (uint64_t)st.st_size : 0;
	}
}

static void add_share(struct floor *f, const char *tag)
{
	struct share *s = VEC_PUSH(f->m.shares, f->m.n_shares);

	s->tag = mem_strdup(tag);
	s->is_readonly = true;
}

static int usage(void)
{
	fprintf(stderr, "usage: floor cpio INIT | cold|make|clone|hold -k KERNEL -i INITRD [-t DIR] [-M TYPE] [-m MIB] [-c CPUS] "
			"[-a ARCH] [-C CPU] [-Q QEMU] [-n N] [-X ARG] [-d SERIAL=IMAGE] [-e SERIAL] [-s TAG] [-R] [-A] [-v]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { "cold", "make", "clone", "hold" };
	struct floor f = { .start_ns = loop_now_ns(), .n = 1 };
	size_t what = 0;
	int c;

	if (argc == 3 && !strcmp(argv[1], "cpio"))
		return write_cpio(argv[2]);
	for (what = 0; argc > 1 && what < ARRAY_SIZE(words) && strcmp(argv[1], words[what]); what++)
		;
	if (argc < 2 || what == ARRAY_SIZE(words))
		return usage();
	f.what = (int)what;
	f.m = (struct machine){ .arch = arch_native(), .type = MACHINE_MICROVM, .accel = ACCEL_TCG, .has_acpi = true,
				.n_cpus = 1, .memory_bytes = 512u << 20 };
	optind = 2;
	while ((c = getopt(argc, argv, "k:i:t:M:m:c:a:C:Q:n:X:d:e:s:RAv")) != -1) {
		switch (c) {
		case 'k': f.m.kernel_path = mem_strdup(optarg); break;
		case 'i': f.m.initrd_path = mem_strdup(optarg); break;
		case 't': f.template_dir = optarg; break;
		case 'M': f.m.type = !strcmp(optarg, "q35") ? MACHINE_Q35 : !strcmp(optarg, "native") ? MACHINE_NATIVE : MACHINE_MICROVM; break;
		case 'm': f.m.memory_bytes = strtoull(optarg, NULL, 10) << 20; break;
		case 'c': f.m.n_cpus = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'a': f.m.arch = arch_find(optarg); break;
		case 'C': f.m.cpu_model = mem_strdup(optarg); break;
		case 'Q': f.qemu = optarg; break;
		case 'n': f.n = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'X': strv_add(&f.m.extra_args, optarg); break;
		case 'd': add_disk(&f, optarg, false); break;
		case 'e': add_disk(&f, optarg, true); break;
		case 's': add_share(&f, optarg); break;
		case 'R': f.executes_root = true; break;
		case 'A': f.m.has_acpi = false; break;
		case 'v': f.verbose = true; break;
		default: return usage();
		}
	}
	if (!f.m.kernel_path || !f.m.initrd_path || !f.m.arch || !f.n || (f.what != COLD && !f.template_dir))
		return usage();
	return run(&f);
}
