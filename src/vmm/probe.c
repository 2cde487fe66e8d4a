/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a VMM binary can do. (Whether KVM is any good on this host: kvm.c.)
 *
 * QEMU is asked once, over its monitor, with a machine that has nothing in
 * it. The answer is a small JSON file named by the binary's path and stamp
 * (device, inode, size, times), so an upgraded QEMU is asked again and the
 * run path neither forks nor waits. Facts of the host (KVM) are not cached.
 */

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/host.h"
#include "sys/loop.h"
#include "sys/proc.h"
#include "vmm/qemu_plan.h"
#include "vmm/qmp.h"
#include "vmm/vmm.h"

#define PROBE_FORMAT	    3	      /* of the cache file; bump when a field is added */
#define PROBE_TIMEOUT_MS    20000     /* a cold disk, an oversubscribed host */
#define CPUID_INVARIANT_TSC (1u << 8) /* leaf 0x80000007, edx */
/* -action is of 6.0, a memory backend's reserve=off of 6.1. */
#define VERSION_MIN 60100u

/* The answer's fields, once: struct member and cache key. */
#define CAPS_FLAGS(X)                                                          \
	X(has_microvm) X(has_q35) X(has_kvm) X(has_sandbox) X(has_9p) X(has_pvpanic) X(has_vmcoreinfo)     \
	X(has_user_netdev) X(has_ignore_shared)

void vmm_caps_clear(struct vmm_caps *c)
{
	free(c->binary);
	free(c->executable);
	free(c->identity);
	strv_clear(&c->firmware_dirs);
	*c = (struct vmm_caps){ 0 };
}

/* ---- The cache ---- */

static char *cache_path(const char *cache_dir, const char *binary, uint64_t stamp)
{
	const char *name = strrchr(binary, '/');

	return mem_printf("%s/probes/%s-%016llx.json", cache_dir, name ? name + 1 : binary,
			  (unsigned long long)hash_mem(hash_str(HASH_INIT, binary), &stamp, sizeof(stamp)));
}

/* A binary that is a script stays as it is when the program that it executes is built anew. */
static bool has_executable_of_its_own(const struct vmm_caps *c)
{
	return c->executable && !str_eq(c->executable, c->binary);
}

static char *identity_of(const struct vmm_caps *c, uint64_t stamp)
{
	struct str s = STR_INIT;

	str_addf(&s, "%s %016llx %u.%u.%u", c->binary, (unsigned long long)stamp, c->version / 10000, c->version / 100 % 100,
		 c->version % 100);
	if (has_executable_of_its_own(c))
		str_addf(&s, " by %s %016llx", c->executable, (unsigned long long)fs_stamp(c->executable));
	return str_take(&s);
}

static void load_executable(const json_t *root, struct vmm_caps *c)
{
	const char *executable = json_string_value(json_object_get(root, "executable"));
	size_t i;
	json_t *dir;

	c->executable = mem_strdup(executable);
	json_array_foreach(json_object_get(root, "firmware"), i, dir)
		if (json_is_string(dir))
			strv_add(&c->firmware_dirs, json_string_value(dir));
}

/* Is what runs as that binary's process what it was? */
static bool is_same_executable(const json_t *root, const struct vmm_caps *c)
{
	_cleanup_free_ char *stamp = c->executable ? mem_printf("%016llx", (unsigned long long)fs_stamp(c->executable)) : NULL;

	return !has_executable_of_its_own(c) || str_eq(stamp, json_string_value(json_object_get(root, "executable_stamp")));
}

static int load_cached(const char *path, struct vmm_caps *c)
{
	_cleanup_str_ struct str text = STR_INIT;
	json_t *root;
	int ok = -1;

	if (fs_read(path, 65536, &text, NULL) < 0)
		return -1;
	root = json_loads(str_cstr(&text), 0, NULL);
	if (json_integer_value(json_object_get(root, "format")) == PROBE_FORMAT) {
		c->version = (uint32_t)json_integer_value(json_object_get(root, "version"));
#define X(flag) c->flag = json_is_true(json_object_get(root, #flag));
		CAPS_FLAGS(X)
#undef X
		load_executable(root, c);
		ok = c->version && is_same_executable(root, c) ? 0 : -1;
	}
	if (ok < 0) {
		free(c->executable);
		c->executable = NULL;
		strv_clear(&c->firmware_dirs);
	}
	json_decref(root);
	return ok;
}

/* Not being able to remember is no failure: the next run asks again. */
static void save_cached(const char *path, const struct vmm_caps *c)
{
	_cleanup_free_ char *stamp = c->executable ? mem_printf("%016llx", (unsigned long long)fs_stamp(c->executable)) : NULL;
	json_t *root = json_pack("{s:i, s:s, s:i, s:s*, s:s*}", "format", PROBE_FORMAT, "binary", c->binary, "version",
				 (int)c->version, "executable", c->executable, "executable_stamp", stamp);
	json_t *dirs = json_array();
	char *text;

	for (size_t i = 0; i < c->firmware_dirs.n; i++)
		json_array_append_new(dirs, json_string(c->firmware_dirs.v[i]));
	json_object_set_new(root, "firmware", dirs);

#define X(flag) json_object_set_new(root, #flag, json_boolean(c->flag));
	CAPS_FLAGS(X)
#undef X
	text = json_dumps(root, JSON_INDENT(1));
	if (text && fs_mkdir_parents(path, NULL) == 0)
		fs_write_atomic(path, text, strlen(text), 0644, false, NULL);
	free(text);
	json_decref(root);
}

/* ---- Asking ---- */

struct probe {
	struct loop *loop;
	struct qmp *qmp;
	struct vmm_caps *caps;
	const struct arch *arch;
	size_t n_open; /* questions without an answer */
	bool has_timed_out;
	struct error why;
};

static void answered(struct probe *p)
{
	if (--p->n_open == 0)
		loop_stop(p->loop);
}

static bool list_has(const json_t *list, const char *key, const char *value)
{
	size_t i;
	json_t *item;

	json_array_foreach((json_t *)list, i, item)
		if (str_eq(json_string_value(json_object_get(item, key)), value))
			return true;
	return false;
}

static void on_machines(void *ctx, const json_t *result, const struct error *err)
{
	struct probe *p = ctx;

	(void)err;
	p->caps->has_microvm = list_has(result, "name", "microvm");
	p->caps->has_q35 = list_has(result, "alias", "q35") || list_has(result, "name", "q35");
	answered(p);
}

static void on_kvm(void *ctx, const json_t *result, const struct error *err)
{
	struct probe *p = ctx;

	(void)err;
	p->caps->has_kvm = json_is_true(json_object_get(result, "present"));
	answered(p);
}

static void on_migration_caps(void *ctx, const json_t *result, const struct error *err)
{
	struct probe *p = ctx;

	(void)err;
	p->caps->has_ignore_shared = list_has(result, "capability", "x-ignore-shared");
	answered(p);
}

/* The option group exists only in builds with seccomp; others answer with an error or an empty list. */
static void on_sandbox(void *ctx, const json_t *result, const struct error *err)
{
	struct probe *p = ctx;

	(void)err;
	p->caps->has_sandbox = list_has(result, "option", "sandbox");
	answered(p);
}

/* "type that implements itself": empty when this build has no such device. */
static void on_9p(void *ctx, const json_t *result, const struct error *err)
{
	struct probe *p = ctx;

	(void)err;
	p->caps->has_9p = json_array_size(result) > 0;
	answered(p);
}

static void on_pvpanic(void *ctx, const json_t *result, const struct error *err)
{
	struct probe *p = ctx;

	(void)err;
	p->caps->has_pvpanic = json_array_size(result) > 0;
	answered(p);
}

static void on_vmcoreinfo(void *ctx, const json_t *result, const struct error *err)
{
	struct probe *p = ctx;

	(void)err;
	p->caps->has_vmcoreinfo = json_array_size(result) > 0 && p->arch->has_fw_cfg_dma;
	answered(p);
}

/* No query names the backends that were built in; making one that goes away with this QEMU tells. */
static void on_user_netdev(void *ctx, const json_t *result, const struct error *err)
{
	struct probe *p = ctx;

	(void)result;
	p->caps->has_user_netdev = !err;
	answered(p);
}

static void on_greeting(void *ctx, const json_t *version)
{
	struct probe *p = ctx;

	p->caps->version = (uint32_t)(json_integer_value(json_object_get(version, "major")) * 10000 +
				      json_integer_value(json_object_get(version, "minor")) * 100 +
				      json_integer_value(json_object_get(version, "micro")));
}

static void on_closed(void *ctx, const struct error *why)
{
	struct probe *p = ctx;

	p->why = *why;
	loop_stop(p->loop);
}

static void on_timeout(void *ctx)
{
	struct probe *p = ctx;

	p->has_timed_out = true;
	loop_stop(p->loop);
}

static void ask(struct probe *p, const char *command, json_t *args, qmp_reply_fn *done)
{
	p->n_open++;
	qmp_command(p->qmp, command, args, done, p);
}

static void ask_type(struct probe *p, const char *type, qmp_reply_fn *done)
{
	ask(p, "qom-list-types", json_pack("{s:s, s:b}", "implements", type, "abstract", 0), done);
}

static void ask_all(struct probe *p)
{
	char *virtio_9p = mem_printf("virtio-9p%s", p->arch->virtio_suffix);

	ask(p, "query-machines", NULL, on_machines);
	ask(p, "query-kvm", NULL, on_kvm);
	ask(p, "query-migrate-capabilities", NULL, on_migration_caps);
	ask(p, "query-command-line-options", json_pack("{s:s}", "option", "sandbox"), on_sandbox);
	ask_type(p, virtio_9p, on_9p);
	ask_type(p, p->arch->pvpanic ? p->arch->pvpanic : "none", on_pvpanic);
	ask_type(p, "vmcoreinfo", on_vmcoreinfo);
	ask(p, "netdev_add", json_pack("{s:s, s:s, s:b}", "type", "user", "id", "probe", "restrict", 1),
	    on_user_netdev);
	free(virtio_9p);
}

/* What the kernel runs as this process, which may have been started by a script. NULL: it does not say. */
static char *executable_of(pid_t pid)
{
	_cleanup_free_ char *link = mem_printf("/proc/%d/exe", (int)pid);

	return fs_real_path(link, NULL);
}

/* One folder per line. A QEMU that does not say has none that we know. */
static void ask_firmware_dirs(const char *binary, struct strv *out)
{
	const char *const argv[] = { binary, "-L", "help", NULL };
	_cleanup_str_ struct str text = STR_INIT;
	_cleanup_strv_ struct strv dirs = STRV_INIT;

	if (proc_run(argv, &text, NULL) < 0)
		return;
	strv_split(&dirs, str_cstr(&text), "\n");
	for (size_t i = 0; i < dirs.n; i++) {
		char *real = fs_real_path(dirs.v[i], NULL);

		if (real)
			strv_add_take(out, real);
	}
}

static int ask_qemu(const struct arch *arch, const char *binary, struct vmm_caps *c, struct error *err)
{
	_cleanup_close_ int err_r = -1;
	_cleanup_close_ int err_w = -1;
	int sv[2], p[2];
	char words[512] = "";
	struct probe probe = { .caps = c, .arch = arch };
	const struct qmp_callbacks cb = { .greeting = on_greeting, .closed = on_closed, .ctx = &probe };
	/* The second accelerator is for builds without the translator. */
	/* clang-format off */
	const char *const argv[] = {
		binary, "-machine", "none", "-accel", "tcg", "-accel", "kvm", "-nodefaults", "-no-user-config",
		"-display", "none", "-chardev", "socket,id=qmp,fd=3", "-mon", "chardev=qmp,mode=control", NULL,
	};
	/* clang-format on */
	pid_t pid;

	_Static_assert(QEMU_FD_QMP == 3, "argv above names it");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return error_sys(err, errno, "make a socket pair");
	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0) {
		close(sv[0]);
		close(sv[1]);
		return error_sys(err, errno, "make a pipe");
	}
	err_r = p[0];
	err_w = p[1];
	const struct proc_fd fds[] = { { sv[1], QEMU_FD_QMP }, { err_w, STDERR_FILENO } };
	const struct proc_spec spec = { .argv = argv, .fds = fds, .n_fds = ARRAY_SIZE(fds) };
	int r = proc_start(&spec, &pid, err);

	close(sv[1]);
	if (r < 0) {
		close(sv[0]);
		return -1;
	}
	probe.loop = loop_new();
	probe.qmp = qmp_new(probe.loop, sv[0], &cb, false);
	loop_timer(probe.loop, PROBE_TIMEOUT_MS, on_timeout, &probe);
	ask_all(&probe);
	loop_run(probe.loop);
	c->executable = executable_of(pid);
	proc_kill(pid, 0);
	bool is_done = probe.n_open == 0 && !error_is_set(&probe.why);
	qmp_free(probe.qmp);
	loop_free(probe.loop);
	if (is_done && c->version)
		return 0;
	ssize_t n = read(err_r, words, sizeof(words) - 1);
	_cleanup_str_ struct str safe = STR_INIT;
	if (n > 0)
		str_add_safe(&safe, words, (size_t)n, true);
	if (probe.has_timed_out)
		return error_set(err, ERROR_TIMEOUT, "cannot ask '%s' what it can do: no answer within %d s", binary,
				 PROBE_TIMEOUT_MS / 1000);
	return error_set(err, ERROR_CHILD, "cannot ask '%s' what it can do: %s", binary,
			 safe.len ? safe.p : "it ended without an answer");
}

/* KVM gives guests the TSC deadline timer (KVM_CAP_TSC_DEADLINE_TIMER), whatever the host's own CPU flags say. */
static bool kvm_has_tsc_deadline(void)
{
	_cleanup_close_ int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	const unsigned long check_extension = 0xae03; /* KVM_CHECK_EXTENSION, linux/kvm.h */

	return fd >= 0 && ioctl(fd, check_extension, 72L) > 0;
}

/* ---- The host's TSC ---- */

#if defined(__x86_64__)

#define TSC_MEASURE_NS 20000000u /* 20 ms: the ends are known to some 50 ns, so 3 ppm */

/* Both clocks at one moment: of several tries the one with the smallest gap around it. */
static void read_clocks(uint64_t *ret_tsc, uint64_t *ret_ns)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 8; i++) {
		uint64_t before = __builtin_ia32_rdtsc();
		uint64_t ns = loop_now_ns();
		uint64_t after = __builtin_ia32_rdtsc();

		if (after - before < best) {
			best = after - before;
			*ret_tsc = before + (after - before) / 2;
			*ret_ns = ns;
		}
	}
}

static uint32_t measure_tsc_khz(void)
{
	unsigned a, b, c, d;
	uint64_t tsc0 = 0, tsc1 = 0, ns0 = 0, ns1 = 0;

	/* A TSC that changes its pace is not passed on as it is. */
	if (!__get_cpuid(0x80000007, &a, &b, &c, &d) || !(d & CPUID_INVARIANT_TSC))
		return 0;
	read_clocks(&tsc0, &ns0);
	do
		read_clocks(&tsc1, &ns1);
	while (ns1 - ns0 < TSC_MEASURE_NS);
	/* To 100 kHz: the same on every boot of this host, as the number becomes part of template keys. */
	return (uint32_t)(((tsc1 - tsc0) * 10000 + (ns1 - ns0) / 2) / (ns1 - ns0) * 100);
}

#else

static uint32_t measure_tsc_khz(void)
{
	return 0; /* other hosts' emulated TSC is not of a pace that we know */
}

#endif

/* Measured once per boot of the host, as a VM that quiz runs in may move. */
static uint32_t tsc_khz(const char *cache_dir)
{
	_cleanup_free_ char *path = mem_printf("%s/probes/tsc", cache_dir);
	_cleanup_str_ struct str text = STR_INIT;
	_cleanup_str_ struct str boot = STR_INIT;
	unsigned khz;

	host_boot_id(&boot);
	if (boot.len && fs_read(path, 256, &text, NULL) == 0 && str_starts(str_cstr(&text), str_cstr(&boot)) &&
	    sscanf(text.p + boot.len, " %u", &khz) == 1)
		return khz;
	khz = measure_tsc_khz();
	str_addf(&boot, " %u\n", khz);
	if (fs_mkdir_parents(path, NULL) == 0)
		fs_write_atomic(path, str_cstr(&boot), boot.len, 0644, false, NULL);
	return khz;
}

/* ---- The host, as a KVM guest sees it ---- */

/*
 * A state saved with -cpu host fits the host that saved it: its CPU's
 * features, and its kernel's idea of them. The machine id is for stores that
 * several hosts share.
 */
static uint64_t host_hash(void)
{
	_cleanup_str_ struct str id = STR_INIT;
	struct utsname u;
	uint64_t h = HASH_INIT;

	if (uname(&u) == 0)
		h = hash_str(hash_str(h, u.release), u.version);
	if (fs_read("/etc/machine-id", 64, &id, NULL) == 0)
		h = hash_str(h, str_cstr(&id));
#if defined(__x86_64__) || defined(__i386__)
	/* Names and features. Leaf 1's ebx holds the number of the CPU that executes this. */
	static const unsigned leaves[] = { 0,	       1,	   7,	       0xd,	   0x80000001,
					   0x80000002, 0x80000003, 0x80000004, 0x80000007, 0x80000008 };
	unsigned r[4];

	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		memset(r, 0, sizeof(r));
		__get_cpuid_count(leaves[i], 0, &r[0], &r[1], &r[2], &r[3]);
		if (leaves[i] == 1)
			r[1] = 0;
		h = hash_mem(h, r, sizeof(r));
	}
#endif
	return h;
}

int vmm_probe(const struct arch *arch, const char *binary, const char *cache_dir, struct vmm_caps *ret,
	      struct error *err)
{
	_cleanup_free_ char *found =
	    binary && strchr(binary, '/') ? mem_strdup(binary) : fs_find_program(binary ? binary : arch->qemu);
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *file = NULL;
	struct vmm_caps c = { 0 };

	if (!found || !fs_is_executable(found)) {
		error_set(err, ERROR_MISSING, "cannot find '%s'", binary ? binary : arch->qemu);
		error_hint(err,
			   binary ? "without --qemu it is the architecture's own: apt-get install %s"
				  : "apt-get install %s",
			   arch->qemu_package);
		return -1;
	}
	path = fs_real_path(found, err);
	if (!path)
		return -1;
	uint64_t stamp = fs_stamp(path);
	file = cache_path(cache_dir, path, stamp);
	c.binary = mem_strdup(path);
	if (load_cached(file, &c) < 0) {
		if (ask_qemu(arch, path, &c, err) < 0) {
			vmm_caps_clear(&c);
			return -1;
		}
		ask_firmware_dirs(path, &c.firmware_dirs);
		save_cached(file, &c);
	}
	if (c.version < VERSION_MIN) {
		error_set(err, ERROR_UNSUPPORTED, "cannot use '%s': it is QEMU %u.%u, and quiz needs %u.%u at least",
			  path, c.version / 10000, c.version / 100 % 100, VERSION_MIN / 10000, VERSION_MIN / 100 % 100);
		error_hint(err, "quiz --qemu FILE names another one, or qemu = FILE in quiz.cfg");
		vmm_caps_clear(&c);
		return -1;
	}
	c.identity = identity_of(&c, stamp);
	if (c.has_kvm && arch->has_microvm)
		c.has_tsc_deadline = kvm_has_tsc_deadline();
	c.host = host_hash();
	if (str_eq(arch->name, "x86_64"))
		c.tsc_khz = tsc_khz(cache_dir);
	*ret = c;
	return 0;
}
