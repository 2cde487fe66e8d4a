/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Plans against files: for each case below, QEMU's command line (an option
 * and its value per line), the kernel options of the VMM and the machine's
 * description, as in plan/<case>.golden. UPDATE=1 writes the files anew; the
 * diff is then what a reviewer looks at.
 *
 *	plan FOLDER
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/arch.h"
#include "sys/fs.h"
#include "vmm/vmm.h"

static const struct vmm_caps qemu_7_2 = {
	.binary = "/usr/bin/qemu", .identity = "/usr/bin/qemu 1 7.2.0", .version = 70200,
	.has_microvm = true, .has_q35 = true, .has_kvm = true, .has_tsc_deadline = true, .tsc_khz = 2100000,
	.has_sandbox = true, .has_9p = true, .has_pvpanic = true, .has_vmcoreinfo = true,
	.has_user_netdev = true, .has_ignore_shared = true,
};

/* A change of the machine that a case starts from. */
typedef void edit_fn(struct machine *m);

struct plan_case {
	const char *name, *arch;
	enum machine_type type;
	enum accel accel;
	uint32_t version;
	edit_fn *edit;
};

static struct disk *add_disk(struct machine *m, const char *serial, const char *path)
{
	struct disk *d = VEC_PUSH(m->disks, m->n_disks);

	d->serial = mem_strdup(serial);
	d->path = path ? mem_strdup(path) : NULL;
	d->backing = path ? DISK_FILE : DISK_EMPTY;
	d->capacity_bytes = 64u << 20;
	return d;
}

static void add_share(struct machine *m, const char *tag, const char *path, bool is_readonly)
{
	struct share *s = VEC_PUSH(m->shares, m->n_shares);

	*s = (struct share){ mem_strdup(tag), path ? mem_strdup(path) : NULL, is_readonly };
}

static void add_nic(struct machine *m, enum net_kind kind)
{
	struct nic *n = VEC_PUSH(m->nics, m->n_nics);

	n->kind = kind;
	n->mac = mem_strdup("52:54:00:12:34:56");
	n->fd = -1;
	if (kind == NET_HUB)
		return;
	n->is_restricted = true;
	strv_add(&n->forwards, "tcp:127.0.0.1:2222-:22");
}

/* What a run has: root, modules, an empty and a filled slot, the run's share. */
static void usual(struct machine *m)
{
	struct disk *d = add_disk(m, "root", "/store/root.erofs");

	d->is_readonly = true;
	d->content_key = mem_strdup("root-key");
	add_disk(m, "slot0", "/cache/layer.erofs")->is_readonly = true;
	add_disk(m, "slot1", NULL)->is_readonly = true;
	add_share(m, "shared", "/runs/1/artifacts", false);
	add_share(m, "slot-share0", NULL, true);
}

static void minimal(struct machine *m)
{
	m->has_acpi = false;
	m->has_pvpanic = m->has_vmcoreinfo = false;
}

static void maker(struct machine *m)
{
	usual(m);
	m->ram_mode = RAM_SHARED;
	m->ram_path = mem_strdup("/dev/shm/quiz/ram.new");
}

static void clone(struct machine *m)
{
	usual(m);
	m->ram_mode = RAM_PRIVATE;
	m->ram_path = mem_strdup("/dev/shm/quiz/ram");
	m->is_incoming = true;
}

/* Commas in every path, quotes nowhere: QEMU splits by commas only. */
static void commas(struct machine *m)
{
	add_disk(m, "a,b", "/tmp/x,readonly=off,y")->is_readonly = true;
	add_share(m, "t,ag", "/home/a,b", true);
	m->ram_mode = RAM_PRIVATE;
	m->ram_path = mem_strdup("/tmp/ram,share=on");
}

static void disks(struct machine *m)
{
	struct disk *d = add_disk(m, "quizm0", "/disks/a");

	d->logical_block = 512;
	d->physical_block = 4096;
	d->has_discard = true;
	d = add_disk(m, "slow", "/disks/b");
	d->is_rotational = true;
	d->iops_limit = 100;
	d->bytes_per_second_limit = 10u << 20;
	add_disk(m, "keep", "/disks/c")->is_persistent = true;
	d = add_disk(m, "quizd0", "/home/me/disk.qcow2");
	d->is_qcow2 = d->is_snapshot = d->has_discard = true;
}

static void many_disks(struct machine *m)
{
	char name[16];

	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		add_disk(m, name, "/disks/x");
	}
	m->n_cpus = 4;
}

static void full(struct machine *m)
{
	char name[16];

	for (unsigned i = 1; i < vmm_device_limit(m->arch, m->type, m->has_acpi); i++) {
		snprintf(name, sizeof(name), "d%u", i);
		add_disk(m, name, NULL);
	}
}

static void nets(struct machine *m)
{
	add_nic(m, NET_USER);
	add_nic(m, NET_HUB);
	m->nics[m->n_nics - 1].fd = 17; /* whatever it is here */
	add_nic(m, NET_HUB);
}

static void gdb(struct machine *m)
{
	m->has_gdb = true;
	strv_add(&m->extra_args, "-d");
	strv_add(&m->extra_args, "int");
}

static void too_long(struct machine *m)
{
	struct str s = STR_INIT;

	for (int i = 0; i < 3000; i++)
		str_add_char(&s, 'x');
	free(m->append);
	m->append = str_take(&s);
}

static void own_cpu(struct machine *m)
{
	m->cpu_model = mem_strdup("qemu64,+ssse3");
}

static const struct plan_case cases[] = {
	{ "microvm-tcg", "x86_64", MACHINE_MICROVM, ACCEL_TCG, 70200, usual },
	{ "microvm-tcg-minimal", "x86_64", MACHINE_MICROVM, ACCEL_TCG, 70200, minimal },
	{ "microvm-kvm", "x86_64", MACHINE_MICROVM, ACCEL_KVM, 70200, usual },
	{ "microvm-kvm-own-cpu", "x86_64", MACHINE_MICROVM, ACCEL_KVM, 70200, own_cpu },
	{ "microvm-maker", "x86_64", MACHINE_MICROVM, ACCEL_TCG, 70200, maker },
	{ "microvm-clone", "x86_64", MACHINE_MICROVM, ACCEL_TCG, 70200, clone },
	{ "microvm-kvm-maker", "x86_64", MACHINE_MICROVM, ACCEL_KVM, 70200, maker },
	{ "microvm-kvm-clone", "x86_64", MACHINE_MICROVM, ACCEL_KVM, 70200, clone },
	{ "microvm-clone-9.2", "x86_64", MACHINE_MICROVM, ACCEL_TCG, 90200, clone },
	{ "microvm-too-many", "x86_64", MACHINE_MICROVM, ACCEL_TCG, 70200, many_disks },
	{ "microvm-full", "x86_64", MACHINE_MICROVM, ACCEL_TCG, 70200, full },
	{ "microvm-too-long", "x86_64", MACHINE_MICROVM, ACCEL_TCG, 70200, too_long },
	{ "q35-tcg", "x86_64", MACHINE_Q35, ACCEL_TCG, 70200, usual },
	{ "q35-tcg-6.2", "x86_64", MACHINE_Q35, ACCEL_TCG, 60200, NULL },
	{ "q35-kvm", "x86_64", MACHINE_Q35, ACCEL_KVM, 90200, usual },
	{ "q35-clone", "x86_64", MACHINE_Q35, ACCEL_KVM, 90200, clone },
	{ "q35-many-disks", "x86_64", MACHINE_Q35, ACCEL_TCG, 70200, many_disks },
	{ "q35-nets", "x86_64", MACHINE_Q35, ACCEL_TCG, 70200, nets },
	{ "disks", "x86_64", MACHINE_MICROVM, ACCEL_TCG, 70200, disks },
	{ "commas", "x86_64", MACHINE_MICROVM, ACCEL_TCG, 70200, commas },
	{ "gdb", "x86_64", MACHINE_MICROVM, ACCEL_TCG, 70200, gdb },
	{ "s390x", "s390x", MACHINE_NATIVE, ACCEL_TCG, 70200, usual },
	{ "s390x-clone", "s390x", MACHINE_NATIVE, ACCEL_TCG, 70200, clone },
	{ "aarch64", "aarch64", MACHINE_NATIVE, ACCEL_TCG, 70200, usual },
	{ "aarch64-kvm", "aarch64", MACHINE_NATIVE, ACCEL_KVM, 90200, usual },
	{ "riscv64", "riscv64", MACHINE_NATIVE, ACCEL_TCG, 90200, usual },
	{ "ppc64el", "ppc64el", MACHINE_NATIVE, ACCEL_TCG, 70200, usual },
	{ "armhf", "armhf", MACHINE_NATIVE, ACCEL_TCG, 70200, usual },
	{ "loongarch64", "loong64", MACHINE_NATIVE, ACCEL_TCG, 100000, usual },
};

static void make_machine(const struct plan_case *c, const struct vmm_caps *caps, struct machine *m)
{
	struct str append = STR_INIT;

	*m = (struct machine){ .arch = arch_find(c->arch), .type = c->type, .accel = c->accel, .n_cpus = 1,
			       .memory_bytes = 512u << 20, .has_acpi = true };
	m->has_pvpanic = m->arch->pvpanic != NULL;
	m->has_vmcoreinfo = c->type != MACHINE_NATIVE;
	m->kernel_path = mem_strdup("/store/vmlinux");
	m->kernel_key = mem_strdup("kernel-key");
	m->initrd_path = mem_strdup("/cache/initrd.cpio");
	m->initrd_key = mem_strdup("initrd-key");
	vmm_kernel_args(m, caps, &append);
	m->append = str_take(&append);
	if (c->edit)
		c->edit(m);
}

static void render(const struct plan_case *c, struct str *out)
{
	const struct vmm_options opt = { .run_dir = "/run/quiz/1", .empty_dir = "/run/quiz/1/empty" };
	_cleanup_strv_ struct strv argv = STRV_INIT;
	struct error err = ERROR_INIT;
	struct vmm_caps caps = qemu_7_2;
	struct machine m;

	caps.version = c->version;
	make_machine(c, &caps, &m);
	if (vmm_plan(&m, &caps, &opt, &argv, &err) < 0) {
		str_addf(out, "error: %s\n", err.text);
		if (*err.hint)
			str_addf(out, "hint: %s\n", err.hint);
	}
	for (size_t i = 0; i < argv.n; i++) {
		bool is_value = i && argv.v[i - 1][0] == '-' && argv.v[i][0] != '-';

		str_add(out, i == 0 ? "" : is_value ? " " : "\n");
		str_add(out, argv.v[i]);
	}
	if (argv.n) {
		str_add(out, "\n\n");
		machine_describe(&m, out);
	}
	machine_clear(&m);
}

static bool check(const char *folder, const struct plan_case *c, bool update)
{
	_cleanup_free_ char *path = mem_printf("%s/%s.golden", folder, c->name);
	_cleanup_str_ struct str got = STR_INIT;
	_cleanup_str_ struct str want = STR_INIT;
	struct error err = ERROR_INIT;

	render(c, &got);
	if (update) {
		if (fs_write_atomic(path, got.p, got.len, 0644, false, &err) == 0)
			return true;
		printf("# %s\n", err.text);
		return false;
	}
	if (fs_read(path, 1 << 20, &want, &err) < 0) {
		printf("# %s\n", err.text);
		return false;
	}
	if (str_eq(str_cstr(&got), str_cstr(&want)))
		return true;
	printf("# got (UPDATE=1 writes it to %s):\n", path);
	_cleanup_strv_ struct strv lines = STRV_INIT;
	strv_split(&lines, str_cstr(&got), "\n");
	for (size_t i = 0; i < lines.n; i++)
		printf("# %c %s\n", strstr(str_cstr(&want), lines.v[i]) ? ' ' : '+', lines.v[i]);
	return false;
}

int main(int argc, char **argv)
{
	const char *update = getenv("UPDATE");
	int failed = 0;

	if (argc != 2)
		return 2;
	printf("1..%zu\n", ARRAY_SIZE(cases));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool is_ok = check(argv[1], &cases[i], update && *update);

		printf("%sok %zu - %s\n", is_ok ? "" : "not ", i + 1, cases[i].name);
		failed |= !is_ok;
	}
	return failed;
}
