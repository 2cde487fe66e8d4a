/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A machine in words: one "name=value" line per fact that a guest can tell
 * apart, in a fixed order. Two machines with equal lines are interchangeable
 * for a saved state; a fact left out here would let a clone run on a machine
 * that its kernel never saw, so a new field of struct machine belongs here
 * unless it is listed below.
 *
 * Not in it: where RAM lies (ram_*), whether it boots or loads (is_incoming),
 * where bytes come from (paths of the kernel, the initrd, disks, shares and
 * hubs: their content keys stand for them where content matters), whether a
 * debugger may attach, and what is QEMU's side only: a disk's format, whether
 * its file is written, limits of speed.
 */

#include "spec/machine.h"

#include <string.h>

#include "spec/arch.h"

static const char *const type_names[] = {
	[MACHINE_AUTO] = "auto", [MACHINE_MICROVM] = "microvm", [MACHINE_Q35] = "q35", [MACHINE_NATIVE] = "native",
};
static const char *const accel_names[] = { [ACCEL_AUTO] = "auto", [ACCEL_KVM] = "kvm", [ACCEL_TCG] = "tcg" };

const char *machine_type_name(enum machine_type t)
{
	return type_names[t];
}

const char *accel_name(enum accel a)
{
	return accel_names[a];
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static const char *cpu_model(const struct machine *m)
{
	if (m->cpu_model)
		return m->cpu_model;
	return m->accel == ACCEL_KVM ? m->arch->cpu_kvm : m->arch->cpu_tcg;
}

/* Values are single lines: what a user typed may hold a newline, which must not look like another fact. */
static void add(struct str *out, const char *name, const char *value)
{
	str_addf(out, "%s=", name);
	str_add_safe(out, value, strlen(value), false);
	str_add_char(out, '\n');
}

static void add_disk(const struct disk *d, size_t i, struct str *out)
{
	str_addf(out, "disk.%zu=%s %llu %s sector %u/%u%s%s%s", i, d->serial, (unsigned long long)d->capacity_bytes,
		 d->is_readonly ? "ro" : "rw", d->logical_block, d->physical_block, d->is_rotational ? " rotational" : "",
		 d->has_discard ? " discard" : "", d->is_persistent ? " flush" : "");
	if (d->content_key)
		str_addf(out, " content %s", d->content_key);
	str_add_char(out, '\n');
}

void machine_describe(const struct machine *m, struct str *out)
{
	add(out, "arch", m->arch->name);
	add(out, "machine", m->type == MACHINE_NATIVE ? m->arch->machine : type_names[m->type]);
	add(out, "accel", accel_names[m->accel]);
	add(out, "cpu", cpu_model(m));
	str_addf(out, "cpus=%u\n", m->n_cpus);
	str_addf(out, "memory=%llu\n", (unsigned long long)m->memory_bytes);
	str_addf(out, "devices=%s%s%s\n", m->type == MACHINE_MICROVM && m->has_acpi ? "acpi " : "", m->has_pvpanic ? "pvpanic " : "",
		 m->has_vmcoreinfo ? "vmcoreinfo" : "");
	add(out, "kernel", or_empty(m->kernel_key));
	add(out, "initrd", or_empty(m->initrd_key));
	add(out, "append", or_empty(m->append));
	for (size_t i = 0; i < m->n_disks; i++)
		add_disk(&m->disks[i], i, out);
	for (size_t i = 0; i < m->n_shares; i++)
		str_addf(out, "share.%zu=%s %s\n", i, m->shares[i].tag, m->shares[i].is_readonly ? "ro" : "rw");
	for (size_t i = 0; i < m->n_nics; i++)
		str_addf(out, "nic.%zu=%s\n", i, m->nics[i].kind == NET_USER ? "user" : "hub");
	for (size_t i = 0; i < m->extra_args.n; i++)
		add(out, "argument", m->extra_args.v[i]);
}
