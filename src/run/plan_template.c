/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What must be equal for a template to serve a run, as text that is compared
 * byte for byte: too much of it costs a boot now and then, too little is a
 * machine that is not the one that was asked for.
 */

#include "run/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "image/openzfs.h"
#include "run/facts.h"
#include "spec/arch.h"
#include "sys/fs.h"
#include "wire/wire.h"

/* Not all that a step does is in its description: a file's content, a sector size, the tmpfs' size. */
static void describe_exactly(const struct steps *steps, struct str *out)
{
	for (size_t i = 0; i < steps->n; i++) {
		str_add(out, "step=");
		step_describe(&steps->v[i], out);
		str_addf(out, " %016" PRIx64 "\n", step_hash(&steps->v[i]));
	}
}

/*
 * What lies behind the text, for those who later ask whether the template can
 * ever serve again (template_set.c): "stamp kind path", kind 't' with the
 * file's times, 'f' without, as the text has it.
 */
static void note_file(struct run_plan *p, char kind, const char *path)
{
	strv_addf(&p->template_files, "%016" PRIx64 " %c %s", kind == 't' ? fs_stamp(path) : fs_identity(path), kind, path);
}

static void note_files(struct run_plan *p, const struct run_facts *f, const struct strv *of_vmm)
{
	if (f->caps.executable && !str_eq(f->caps.executable, f->caps.binary))
		note_file(p, 't', f->caps.executable);
	for (size_t i = 0; i < of_vmm->n; i++)
		note_file(p, 't', of_vmm->v[i]);
	note_file(p, 't', f->caps.binary);
	note_file(p, 't', p->machine.kernel_path);
	note_file(p, 't', p->machine.initrd_path);
	if (f->agent_path)
		note_file(p, 't', f->agent_path);
	if (f->layers[RUN_LAYER_ROOT].path)
		note_file(p, 't', f->layers[RUN_LAYER_ROOT].path);
	for (int i = 0; i < RUN_N_LAYERS; i++)
		if (i != RUN_LAYER_ROOT && plan_layer_table[i].is_base && f->layers[i].path)
			note_file(p, 'f', f->layers[i].path);
}

static void add_word(struct str *out, const char *fmt, const char *value)
{
	if (out->len)
		str_add(out, ", ");
	str_addf(out, fmt, value);
}

/* What tells this machine from others of the same kernel, root, memory and CPUs, for people. "": nothing. */
static char *tell_apart(const struct run_plan *p, const struct run_facts *f)
{
	const struct machine *m = &p->machine;
	_cleanup_str_ struct str out = STR_INIT;

	if (m->type != MACHINE_MICROVM)
		add_word(&out, "%s", m->type == MACHINE_Q35 ? "q35" : f->arch->name);
	if (m->accel == ACCEL_KVM)
		add_word(&out, "%s", "KVM");
	for (size_t i = 0; i < f->profiles.append.n; i++)
		add_word(&out, "kernel option %s", f->profiles.append.v[i]);
	if (f->spec->append)
		add_word(&out, "--append %s", f->spec->append);
	if (f->n_disks + f->n_own_disks)
		add_word(&out, "%s", "with disks:");
	for (size_t i = 0; i < m->n_disks; i++)
		if (!m->disks[i].is_readonly)
			str_addf(&out, " %s", m->disks[i].serial);
	if (m->n_nics)
		add_word(&out, "%s", "with network");
	if (f->spec->n_shares)
		add_word(&out, "%s", "with shares");
	if (f->wants_workspace && p->has_shared)
		add_word(&out, "%s", "in a workspace");
	for (size_t i = 0; i < m->extra_args.n; i++)
		add_word(&out, i ? "%s" : "--qemu-arg %s", m->extra_args.v[i]);
	return str_take(&out);
}

static void plan_base_template(struct run_plan *p, const struct run_facts *f, const struct strv *of_vmm)
{
	_cleanup_str_ struct str text = STR_INIT;
	char key[17];

	/* The host's root is a mounted 9p share, which no template can hold. */
	p->can_template = f->caps.has_ignore_shared && !f->is_host_root && !f->spec->gdb;
	str_addf(&text, "format=1\nprotocol=%u\n", WIRE_VERSION);
	str_addf(&text, "vmm=%s\n", f->caps.identity);
	machine_describe(&p->machine, &text);
	vmm_describe(&p->machine, &f->caps, &text);
	for (size_t i = 0; i < of_vmm->n; i++)
		str_addf(&text, "vmm.file=%016" PRIx64 " %s\n", fs_stamp(of_vmm->v[i]), of_vmm->v[i]);
	/* The store's things are immutable; who changes them all the same gets another machine. */
	str_addf(&text, "kernel.stamp=%016" PRIx64 "\n", fs_stamp(p->machine.kernel_path));
	str_addf(&text, "initrd.stamp=%016" PRIx64 "\n", fs_stamp(p->machine.initrd_path));
	if (f->layers[RUN_LAYER_ROOT].path)
		str_addf(&text, "root.stamp=%016" PRIx64 "\n", fs_stamp(f->layers[RUN_LAYER_ROOT].path));
	/* Layers lie in a cache that marks their use in their times. */
	for (int i = 0; i < RUN_N_LAYERS; i++)
		if (plan_layer_table[i].is_base && f->layers[i].path)
			str_addf(&text, "layer.%s.file=%016" PRIx64 "\n", plan_layer_table[i].name,
				 fs_identity(f->layers[i].path));
	describe_exactly(&p->base, &text);
	snprintf(key, sizeof(key), "%016" PRIx64, hash_mem(HASH_INIT, text.p, text.len));
	p->template_key = mem_strdup(key);
	p->template_text = str_take(&text);
}

/* What a clone then finds done. Not before the profiles' hooks: what they do with /shared must not mount it. */
static void plan_ready(struct run_plan *p)
{
	if (p->has_shared) {
		steps_add(&p->prepare, STEP_LOAD_MODULE, "fs-autofs", NULL)->flags = WIRE_MODULE_OPTIONAL;
		steps_add(&p->ready, STEP_SHARE, PLAN_SHARED_TAG, "/shared")->flags = WIRE_SHARE_RW | WIRE_SHARE_LATER;
	}
	steps_add(&p->ready, STEP_SPARE, NULL, NULL);
	steps_add(&p->ready, STEP_QUIESCE, NULL, NULL);
}

/*
 * The second template: layers mounted, modules loaded, guest-init done. Only
 * where every profile says that this is safe, where there is something to
 * save, and where what must differ from clone to clone can be made to: ZFS
 * with the module that reseeds its generator. Disks are fresh per run.
 */
static void plan_prepared_template(struct run_plan *p, const struct run_facts *f)
{
	_cleanup_str_ struct str text = STR_INIT;
	char key[17];

	p->can_prepare = p->can_template && f->profiles.is_template_safe && !f->n_disks && !f->n_own_disks &&
			 (!f->profiles.wants_openzfs || f->zfs_reseed);
	if (!p->can_prepare)
		return;
	if (f->profiles.wants_openzfs) {
		steps_add(&p->prepare, STEP_LOAD_MODULE, f->zfs_reseed, f->zfs_reseed_params);
		steps_add(&p->revive, STEP_WRITE_FILE, OPENZFS_RESEED_FILE, "1");
	}
	plan_ready(p);
	str_addf(&text, "%sprepared=1\n", p->template_text);
	for (int i = 0; i < RUN_N_LAYERS; i++)
		if (!plan_layer_table[i].is_base && f->layers[i].path) {
			p->prepare_on_repeat = true;
			str_addf(&text, "layer.%s=%s %016" PRIx64 "\n", plan_layer_table[i].name, f->layers[i].key,
				 fs_identity(f->layers[i].path));
		}
	describe_exactly(&p->layers, &text);
	describe_exactly(&p->prepare, &text);
	describe_exactly(&p->ready, &text);
	for (size_t i = 0; i < p->n_init_hooks; i++) {
		str_addf(&text, "init=%s", p->init_hooks[i].path);
		for (size_t k = 0; k < p->init_hooks[i].env.n; k++)
			str_addf(&text, " %s", p->init_hooks[i].env.v[k]);
		str_add_char(&text, '\n');
	}
	snprintf(key, sizeof(key), "%016" PRIx64, hash_mem(HASH_INIT, text.p, text.len));
	p->prepared_key = mem_strdup(key);
	p->prepared_text = str_take(&text);
}

void plan_templates(struct run_plan *p, const struct run_facts *f)
{
	_cleanup_strv_ struct strv of_vmm = STRV_INIT;
	bool is_known = vmm_files(&p->machine, &f->caps, &of_vmm);

	plan_base_template(p, f, &of_vmm);
	p->can_template &= is_known;
	note_files(p, f, &of_vmm);
	p->template_for = tell_apart(p, f);
	plan_prepared_template(p, f);
}
