/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The machine of a run. What differs from run to run is requested from the
 * agent after the clone: which build of a layer lies in its slot, which folder
 * is behind a share. So a template serves every run with the same kinds of
 * devices. It has none that its runs do not use: each costs every clone a
 * millisecond of CPU (docs/decisions/004-clones.md), and another kind of run
 * boots once.
 */

#include "run/plan.h"

#include <stdio.h>
#include <string.h>

#include "image/kernel.h"
#include "run/facts.h"
#include "spec/arch.h"
#include "sys/fs.h"

#define AUTO_CPUS_MAX 4u

/* ---- devices ---- */

static struct disk *add_disk(struct machine *m, const char *serial, const char *path, uint64_t capacity)
{
	struct disk *d = VEC_PUSH(m->disks, m->n_disks);

	d->serial = mem_strdup(serial);
	d->path = mem_strdup(path);
	d->backing = path ? DISK_FILE : DISK_EMPTY;
	d->capacity_bytes = capacity;
	return d;
}

static void add_layer_disks(struct machine *m, const struct run_facts *f)
{
	for (int i = 0; i < RUN_N_LAYERS; i++) {
		const struct layer_image *li = &f->layers[i];
		struct disk *d;

		if (!li->path)
			continue; /* a machine without that layer is another machine */
		d = add_disk(m, plan_layer_table[i].name, li->path, li->capacity_bytes);
		d->is_readonly = true;
		if (plan_layer_table[i].is_base)
			d->content_key = mem_strdup(li->key);
	}
}

static void add_profile_disks(struct machine *m, const struct run_facts *f)
{
	for (size_t i = 0; i < f->n_disks; i++) {
		const struct profile_disk *s = f->disks[i].spec;
		_cleanup_free_ char *serial = mem_printf("%s%u", s->serial ? s->serial : s->prefix, f->disks[i].index);
		struct disk *d = add_disk(m, serial, f->disks[i].path, s->size_bytes);

		d->logical_block = s->logical_block;
		d->physical_block = s->physical_block;
		d->is_rotational = s->is_rotational;
		d->has_discard = s->has_discard;
		d->iops_limit = s->iops_limit;
		d->bytes_per_second_limit = s->bytes_per_second_limit;
		d->is_persistent = s->persist != NULL;
	}
}

static void add_own_disks(struct machine *m, const struct run_facts *f)
{
	for (size_t i = 0; i < f->n_own_disks; i++) {
		const struct fact_own_disk *own = &f->own_disks[i];
		_cleanup_free_ char *serial = mem_printf(RUN_OWN_DISK "%zu", i);
		struct disk *d = add_disk(m, serial, own->path, own->bytes);

		d->is_qcow2 = own->is_qcow2;
		d->is_readonly = own->use == DISK_USE_READ;
		d->is_snapshot = own->use == DISK_USE_SNAPSHOT;
		d->is_persistent = own->use == DISK_USE_WRITE;
		d->has_discard = !d->is_readonly;
	}
}

static void add_share(struct machine *m, const char *tag, const char *host, bool is_readonly)
{
	struct share *s = VEC_PUSH(m->shares, m->n_shares);

	s->tag = mem_strdup(tag);
	s->host_path = mem_strdup(host);
	s->is_readonly = is_readonly;
}

static bool has_9p(const struct run_facts *f)
{
	return f->caps.has_9p && f->kernel.fs_9p != TRI_NO && f->kernel.virtio_9p != TRI_NO;
}

static int add_shares(struct run_plan *p, const struct run_facts *f, struct error *err)
{
	struct machine *m = &p->machine;

	if (!has_9p(f)) {
		const char *who = f->is_host_root ? "--root host" : "--share";

		if (!f->is_host_root && !f->spec->n_shares)
			return 0;
		if (!f->caps.has_9p)
			return error_set(err, ERROR_UNSUPPORTED, "%s needs 9p, which '%s' does not have", who, f->caps.binary);
		return facts_kernel_lacks(f, who, f->kernel.fs_9p == TRI_NO ? "9P_FS" : "NET_9P_VIRTIO", err);
	}
	p->has_shared = true;
	add_share(m, PLAN_SHARED_TAG, f->artifacts, false);
	if (f->wants_workspace)
		add_share(m, PLAN_WORK_TAG, f->workspace->root, true);
	if (f->is_host_root)
		add_share(m, "host", "/", true);
	for (size_t i = 0; i < f->spec->n_shares; i++) {
		char tag[32];

		if (!fs_is_dir(f->spec->shares[i].host))
			return error_set(err, ERROR_USAGE, "cannot share '%s': it is not a folder",
					 f->spec->shares[i].host);
		snprintf(tag, sizeof(tag), "share%zu", i);
		add_share(m, tag, f->spec->shares[i].host, !f->spec->shares[i].is_rw);
	}
	return 0;
}

static void add_nics(struct machine *m, const struct run_facts *f)
{
	size_t n_hubs = 0;

	for (size_t i = 0; i < f->profiles.n_nets; i++) {
		const struct profile_net *pn = &f->profiles.nets[i];
		struct nic *nic = VEC_PUSH(m->nics, m->n_nics);

		nic->kind = pn->name ? NET_HUB : NET_USER;
		nic->fd = pn->name ? f->networks[n_hubs++].vmm_fd : -1;
		nic->mac = mem_printf("52:54:00:71:7a:%02x", (unsigned)i);
		nic->is_restricted = pn->is_restricted;
		strv_add_all(&nic->forwards, pn->forwards.v);
	}
}

/* ---- the machine ---- */

static size_t n_devices(const struct machine *m)
{
	return 1 /* serial bus */ + m->n_disks + m->n_shares + m->n_nics;
}

static int choose_type(struct run_plan *p, const struct run_facts *f, struct error *err)
{
	struct machine *m = &p->machine;
	const struct kernel *k = &f->kernel;
	bool acpi_fits = k->acpi == TRI_YES && n_devices(m) <= vmm_device_limit(f->arch, MACHINE_MICROVM, true);
	bool plain_fits =
	    k->virtio_mmio_cmdline == TRI_YES && n_devices(m) <= vmm_device_limit(f->arch, MACHINE_MICROVM, false);
	bool can_microvm = f->arch->has_microvm && f->caps.has_microvm && k->virtio_mmio != TRI_NO &&
			   !f->profiles.wants_pci && (acpi_fits || plain_fits);

	m->type = f->spec->machine;
	if (!f->arch->has_microvm && m->type == MACHINE_AUTO)
		m->type = MACHINE_NATIVE;
	if (m->type == MACHINE_AUTO)
		m->type = can_microvm ? MACHINE_MICROVM : MACHINE_Q35;
	if (m->type == MACHINE_MICROVM && !can_microvm)
		return error_set(err, ERROR_UNSUPPORTED,
				 "a microvm can not be built: kernel '%s' needs virtio-mmio, and %zu devices must fit",
				 k->id, n_devices(m));
	if (m->type == MACHINE_Q35 && k->virtio_pci == TRI_NO)
		return error_set(err, ERROR_UNSUPPORTED, "kernel '%s' has no virtio-pci, which machine q35 needs",
				 k->id);
	m->has_acpi = m->type != MACHINE_MICROVM || acpi_fits;
	m->has_pvpanic = f->caps.has_pvpanic && k->pvpanic != TRI_NO && m->has_acpi;
	m->has_vmcoreinfo = f->caps.has_vmcoreinfo && m->has_acpi;
	return 0;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * -c auto. An emulated machine gets one: every hand-over between two vCPUs is an
 * inter-processor interrupt, which under emulation costs more than what is
 * handed over. Creating a pool takes twice the CPU time on two and is not over
 * sooner (docs/decisions/040-openzfs-loop.md).
 */
static uint32_t auto_cpus(const struct run_facts *f)
{
	return f->accel == ACCEL_TCG ? 1 : f->host_cpus < AUTO_CPUS_MAX ? f->host_cpus : AUTO_CPUS_MAX;
}

int plan_machine(struct run_plan *p, const struct run_facts *f, struct error *err)
{
	struct machine *m = &p->machine;
	_cleanup_str_ struct str append = STR_INIT;

	m->arch = f->arch;
	m->accel = f->accel;
	m->n_cpus = (uint32_t)max_u64(f->spec->n_cpus ? f->spec->n_cpus : auto_cpus(f), f->profiles.cpus_min);
	m->memory_bytes = max_u64(f->spec->memory_bytes, f->profiles.memory_min_bytes);
	m->kernel_path = kernel_boot_path(&f->kernel);
	m->kernel_key = mem_strdup(f->kernel.key);
	m->initrd_path = mem_strdup(f->initrd_path);
	m->initrd_key = mem_strdup(f->initrd_key);
	m->has_gdb = f->spec->gdb;
	strv_add_all(&m->extra_args, f->spec->qemu_args.v);
	add_layer_disks(m, f);
	add_profile_disks(m, f);
	add_own_disks(m, f);
	add_nics(m, f);
	if (add_shares(p, f, err) < 0 || choose_type(p, f, err) < 0)
		return -1;
	vmm_kernel_args(m, &f->caps, &append);
	/* panic=0: quiz stops a panicked machine itself; loglevel=5: WARN and lockdep reach the console. */
	str_add(&append, " rdinit=/init panic=0 loglevel=5 printk.time=1");
	if (f->spec->gdb) /* else symbols are not where vmlinux says */
		str_add(&append, " nokaslr");
	if (f->spec->test_agent)
		str_add(&append, " quiz.test=1");
	for (size_t i = 0; i < f->profiles.append.n; i++)
		str_addf(&append, " %s", f->profiles.append.v[i]);
	if (f->spec->append)
		str_addf(&append, " %s", f->spec->append);
	if (append.len >= f->arch->append_max)
		return error_set(err, ERROR_USAGE, "the kernel command line is %zu bytes long; %s takes %u", append.len,
				 f->arch->name, f->arch->append_max - 1);
	m->append = str_take(&append);
	return 0;
}
