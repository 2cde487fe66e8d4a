/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From facts to the plan of a run; pure. Devices are laid out so that one
 * template serves as many runs as possible: every machine has the same slots
 * and two share devices, used or not; what differs from run to run is
 * requested from the agent after the clone.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "image/kernel.h"
#include "image/openzfs.h"
#include "run/facts.h"
#include "spec/arch.h"
#include "sys/fs.h"
#include "wire/wire.h"

#define HOOK_BYTES_MAX (WIRE_PAYLOAD_MAX - 1024)
#define AUTO_CPUS_MAX 4u
#define SHARED_TAG     "shared"
#define WORK_TAG       "work"

static const struct {
	const char *name;
	bool is_base;
} layer_table[RUN_N_LAYERS] = {
#define X(ID, name, base, text) { name, base },
	RUN_LAYERS(X)
#undef X
};

void run_plan_clear(struct run_plan *p)
{
	machine_clear(&p->machine);
	steps_clear(&p->base);
	steps_clear(&p->identity);
	steps_clear(&p->layers);
	steps_clear(&p->prepare);
	steps_clear(&p->revive);
	steps_clear(&p->per_run);
	for (size_t i = 0; i < p->n_init_hooks + p->n_collect_hooks; i++) {
		struct run_hook *h = i < p->n_init_hooks ? &p->init_hooks[i] : &p->collect_hooks[i - p->n_init_hooks];

		free(h->profile);
		free(h->path);
		strv_clear(&h->env);
	}
	free(p->init_hooks);
	free(p->collect_hooks);
	strv_clear(&p->program.argv);
	strv_clear(&p->program.env);
	free(p->program.cwd);
	free(p->program.user);
	free(p->template_key);
	free(p->template_text);
	free(p->prepared_key);
	free(p->prepared_text);
	strv_clear(&p->layer_lines);
	strv_clear(&p->collect);
	for (size_t i = 0; i < p->n_locks; i++)
		close(p->locks[i]);
	free(p->locks);
	free(p->kernel_id);
	free(p->kernel_release);
	free(p->kernel_dir);
	free(p->root_id);
	strv_clear(&p->profiles);
	strv_clear(&p->debug_modules);
	*p = (struct run_plan){ 0 };
}

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

		if (layer_table[i].is_base && !li->path)
			continue; /* a machine without that layer is another machine */
		d = add_disk(m, layer_table[i].name, li->path, li->path ? li->capacity_bytes : LAYER_SLOT_BYTES);
		d->is_readonly = true;
		if (layer_table[i].is_base)
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
		if (f->is_host_root || f->spec->n_shares)
			return error_set(err, ERROR_UNSUPPORTED, "kernel '%s' or '%s' has no 9p, which %s needs",
					 f->kernel.id, f->caps.binary, f->is_host_root ? "--root host" : "--share");
		return 0;
	}
	p->has_shared = true;
	add_share(m, SHARED_TAG, f->artifacts, false);
	add_share(m, WORK_TAG, f->wants_workspace ? f->workspace->root : NULL, true);
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

static int plan_machine(struct run_plan *p, const struct run_facts *f, struct error *err)
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

/* ---- what the agent is asked ---- */

static void plan_base(struct run_plan *p, const struct run_facts *f)
{
	/* For what a hung machine is asked over its console: distributions allow some keys only. */
	steps_add(&p->base, STEP_WRITE_FILE, "/proc/sys/kernel/sysrq", "1")->flags = WIRE_WRITE_OPTIONAL;
	for (int i = 0; i < RUN_N_LAYERS; i++) {
		struct step *s;

		if (!layer_table[i].is_base || !f->layers[i].path)
			continue;
		s = steps_add(&p->base, STEP_MOUNT_IMAGE, layer_table[i].name, layer_table[i].name);
		free(s->c);
		s->c = mem_strdup(f->layers[i].fstype);
	}
}

static void plan_layers(struct run_plan *p, const struct run_facts *f)
{
	struct step *s;

	if (f->is_host_root) {
		s = steps_add(&p->layers, STEP_SHARE, "host", "/");
		s->flags = WIRE_SHARE_HOST_ROOT | WIRE_SHARE_LOOSE;
	}
	for (int i = 0; i < RUN_N_LAYERS; i++) {
		if (layer_table[i].is_base || !f->layers[i].path)
			continue;
		s = steps_add(&p->layers, STEP_MOUNT_IMAGE, layer_table[i].name, layer_table[i].name);
		free(s->c);
		s->c = mem_strdup(f->layers[i].fstype);
		s->flags = WIRE_IMAGE_FLUSH;
	}
	s = steps_add(&p->layers, STEP_ASSEMBLE, NULL, NULL);
	s->n = f->spec->tmpfs_bytes;
	for (int i = 0; i < RUN_N_LAYERS; i++)
		if (f->layers[i].path || (i == RUN_LAYER_ROOT && f->is_host_root)) {
			strv_add(&s->list, layer_table[i].name);
			strv_addf(&p->layer_lines, "%-8s %s", layer_table[i].name,
				  f->layers[i].path ? f->layers[i].path : "the host's /");
		}
	strv_add(&p->layer_lines, "tmpfs    what the run changes; gone at its end");
}

static void plan_shares(struct run_plan *p, const struct run_facts *f)
{
	struct step *s;

	if (p->has_shared) {
		s = steps_add(&p->per_run, STEP_SHARE, SHARED_TAG, "/shared");
		s->flags = WIRE_SHARE_RW;
	} else {
		s = steps_add(&p->per_run, STEP_MAKE_DIR, "/shared", NULL);
		s->mode = 0777;
	}
	if (f->wants_workspace && p->has_shared)
		steps_add(&p->per_run, STEP_SHARE, WORK_TAG, f->workspace->root);
	for (size_t i = 0; i < f->spec->n_shares; i++) {
		const struct share_request *r = &f->spec->shares[i];
		char tag[32];

		snprintf(tag, sizeof(tag), "share%zu", i);
		s = steps_add(&p->per_run, STEP_SHARE, tag, r->guest ? r->guest : r->host);
		s->flags = r->is_rw ? WIRE_SHARE_RW : 0;
	}
}

/* "/usr/lib/modules/6.1/extra/zfs.ko" is module zfs. */
static bool is_module(const char *path, const char *name)
{
	const char *base = strrchr(path, '/');
	size_t n = strlen(name);

	base = base ? base + 1 : path;
	return !strncmp(base, name, n) && (!base[n] || !strcmp(base + n, ".ko"));
}

static const struct profile_module *profile_module(const struct run_facts *f, const char *path)
{
	for (size_t i = 0; i < f->profiles.n_modules; i++)
		if (is_module(path, f->profiles.modules[i].name))
			return &f->profiles.modules[i];
	return NULL;
}

/* An OpenZFS build's modules, where the build put them, with what profiles say of their parameters. */
static void plan_zfs(struct run_plan *p, const struct run_facts *f)
{
	for (size_t i = 0; i < f->zfs_modules.n; i++) {
		const struct profile_module *m = profile_module(f, f->zfs_modules.v[i]);

		steps_add(&p->layers, STEP_LOAD_MODULE, f->zfs_modules.v[i], m ? m->params : NULL);
	}
}

static bool is_zfs_module(const struct run_facts *f, const char *name)
{
	for (size_t i = 0; i < f->zfs_modules.n; i++)
		if (is_module(f->zfs_modules.v[i], name))
			return true;
	return false;
}

static void plan_modules(struct run_plan *p, const struct run_facts *f)
{
	plan_zfs(p, f);
	for (size_t i = 0; i < f->profiles.n_modules; i++) {
		const struct profile_module *m = &f->profiles.modules[i];
		struct step *s;

		if (is_zfs_module(f, m->name))
			continue;
		s = steps_add(&p->layers, STEP_LOAD_MODULE, m->name, m->params);
		s->flags = m->is_optional ? WIRE_MODULE_OPTIONAL : 0;
	}
	for (size_t i = 0; i < f->profiles.n_writes; i++) {
		const struct profile_write *w = &f->profiles.writes[i];
		struct step *s = steps_add(&p->per_run, STEP_WRITE_FILE, w->path, w->value);

		s->flags = w->is_optional ? WIRE_WRITE_OPTIONAL : 0;
	}
}

/* Values that depend on the run: after a clone, never part of one. */
static void plan_zfs_run(struct run_plan *p, const struct run_facts *f)
{
	struct step *s;

	/* A failed VERIFY parks its thread for ever; where nobody sits and looks it shall be a panic at once. */
	if (f->profiles.wants_openzfs && !p->program.tty) {
		s = steps_add(&p->per_run, STEP_WRITE_FILE, "/sys/module/spl/parameters/spl_panic_halt", "1");
		s->flags = WIRE_WRITE_OPTIONAL;
	}
}

static void plan_devices(struct run_plan *p, const struct run_facts *f)
{
	for (size_t i = 0; i < f->profiles.n_memdevs; i++) {
		const struct profile_memdev *d = &f->profiles.memdevs[i];
		struct step *s = steps_add(&p->layers, STEP_MEMDEV, d->prefix, NULL);

		s->count = d->count;
		s->n = d->size_bytes;
		s->mode = d->sector_bytes;
	}
	for (size_t i = 0; i < f->n_disks; i++) {
		const struct profile_disk *d = f->disks[i].spec;
		_cleanup_free_ char *serial = mem_printf("%s%u", d->serial ? d->serial : d->prefix, f->disks[i].index);
		_cleanup_free_ char *node = mem_printf("/dev/%s%u", d->prefix, f->disks[i].index);

		steps_add(&p->per_run, STEP_NODE, serial, node);
	}
	for (size_t i = 0; i < f->n_own_disks; i++) {
		_cleanup_free_ char *node = mem_printf("/dev/" RUN_OWN_DISK "%zu", i);

		steps_add(&p->per_run, STEP_NODE, node + strlen("/dev/"), node);
	}
}

static void set_text(char **field, const char *text)
{
	free(*field);
	*field = mem_strdup(text);
}

static void plan_networks(struct run_plan *p, const struct run_facts *f)
{
	const struct network *hub = f->networks;

	for (size_t i = 0; i < p->machine.n_nics; i++) {
		const struct nic *nic = &p->machine.nics[i];
		char text[NETWORK_TEXT_MAX];
		struct step *s;

		if (nic->kind == NET_USER) {
			s = steps_add(&p->per_run, STEP_NETWORK, nic->mac, "10.0.2.15/24");
			set_text(&s->c, "10.0.2.2");
			set_text(&s->d, "10.0.2.3");
			continue;
		}
		s = steps_add(&p->per_run, STEP_NETWORK, nic->mac, NULL);
		free(s->b);
		s->b = mem_printf("%s/24", network_address(hub->name, hub->number, text));
		set_text(&s->e, network_mac(hub->name, hub->number, text));
		network_hosts(hub++, &s->list);
	}
}

static int plan_hooks(struct run_plan *p, const struct run_facts *f, struct error *err)
{
	for (size_t i = 0; i < f->profiles.n_hooks; i++) {
		const struct profile_hook *h = &f->profiles.hooks[i];
		_cleanup_str_ struct str text = STR_INIT;
		struct run_hook *rh;
		struct step *s;

		if (h->phase != PROFILE_GUEST_INIT && h->phase != PROFILE_GUEST_COLLECT)
			continue;
		if (fs_read(h->path, HOOK_BYTES_MAX, &text, err) < 0)
			return error_wrap(err, "profile '%s'", h->profile);
		if (memchr(text.p ? text.p : "", 0, text.len))
			return error_set(err, ERROR_USAGE, "profile '%s': '%s' is not a script", h->profile, h->path);
		rh = h->phase == PROFILE_GUEST_INIT ? VEC_PUSH(p->init_hooks, p->n_init_hooks)
						    : VEC_PUSH(p->collect_hooks, p->n_collect_hooks);
		rh->profile = mem_strdup(h->profile);
		rh->path = mem_printf("%s/%s/%s", PROFILE_GUEST_DIR, h->profile, profile_phase_name(h->phase));
		strv_add_all(&rh->env, h->env.v);
		s = steps_add(&p->layers, STEP_WRITE_FILE, rh->path, str_cstr(&text));
		s->mode = 0755;
		s->flags = WIRE_WRITE_CREATE;
	}
	return 0;
}

static int plan_setup(struct run_plan *p, const struct run_facts *f, struct error *err)
{
	/* In a network a machine is who the others know it as. */
	steps_add(&p->identity, STEP_IDENTITY, f->n_networks ? f->networks[0].host : "quiz", f->machine_id);
	plan_layers(p, f);
	plan_modules(p, f);
	plan_devices(p, f);
	plan_networks(p, f);
	plan_zfs_run(p, f);
	plan_shares(p, f);
	return plan_hooks(p, f, err);
}

/* ---- the program ---- */

/*
 * The courtesy to users of the original: an argument that is by itself && or
 * || is a shell operator. The other words stay exactly what they are.
 */
static bool has_operator(const struct runspec *rs)
{
	for (size_t i = 1; !rs->argv_is_exact && i < rs->argv.n; i++)
		if (str_eq(rs->argv.v[i], "&&") || str_eq(rs->argv.v[i], "||"))
			return true;
	return false;
}

static void plan_argv(struct run_plan *p, const struct run_facts *f)
{
	struct strv *argv = &p->program.argv;
	const struct runspec *rs = f->spec;

	if (f->profiles.program)
		strv_add(argv, f->profiles.program);
	if (rs->script) {
		strv_add(argv, "/bin/sh");
		strv_add(argv, "-c");
		strv_add(argv, rs->script);
		strv_add(argv, "sh");
		strv_add_all(argv, rs->argv.v);
	} else if (has_operator(rs)) {
		_cleanup_str_ struct str line = STR_INIT;

		for (size_t i = 0; i < rs->argv.n; i++) {
			const char *w = rs->argv.v[i];

			str_add(&line, i ? " " : "");
			if (i && (str_eq(w, "&&") || str_eq(w, "||")))
				str_add(&line, w);
			else
				str_add_shell(&line, w);
		}
		strv_add(argv, "/bin/sh");
		strv_add(argv, "-c");
		strv_add(argv, str_cstr(&line));
	} else {
		strv_add_all(argv, rs->argv.v);
	}
}

static void plan_program(struct run_plan *p, const struct run_facts *f)
{
	const struct runspec *rs = f->spec;
	struct run_program *g = &p->program;

	plan_argv(p, f);
	g->has_stdin = true;
	g->tty = rs->tty == TTY_FORCE || (rs->tty == TTY_AUTO && f->stdin_is_tty && f->stdout_is_tty);
	if (g->tty && getenv("TERM"))
		strv_addf(&g->env, "TERM=%s", getenv("TERM"));
	strv_add_all(&g->env, f->profiles.env.v);
	for (size_t i = 0; i < rs->env.n; i++) {
		const char *v = strchr(rs->env.v[i], '=') ? NULL : getenv(rs->env.v[i]);

		if (v)
			strv_addf(&g->env, "%s=%s", rs->env.v[i], v);
		else if (strchr(rs->env.v[i], '='))
			strv_add(&g->env, rs->env.v[i]);
	}
	g->user = mem_strdup(rs->user ? rs->user : f->profiles.run_as ? f->profiles.run_as : "");
	g->cwd = mem_strdup(rs->cwd ? rs->cwd : f->wants_workspace && p->has_shared ? f->cwd : "");
	p->shell_after = rs->shell_after;
}

/* ---- the template's key ---- */

/* Not all that a step does is in its description: a file's content, a sector size, the tmpfs' size. */
static void describe_exactly(const struct steps *steps, struct str *out)
{
	for (size_t i = 0; i < steps->n; i++) {
		str_add(out, "step=");
		step_describe(&steps->v[i], out);
		str_addf(out, " %016" PRIx64 "\n", step_hash(&steps->v[i]));
	}
}

static void plan_template(struct run_plan *p, const struct run_facts *f)
{
	_cleanup_str_ struct str text = STR_INIT;
	char key[17];

	/* The host's root is a mounted 9p share, which no template can hold. */
	p->can_template = f->caps.has_ignore_shared && !f->is_host_root && !f->spec->gdb;
	str_add(&text, "format=1\n");
	str_addf(&text, "vmm=%s\n", f->caps.identity);
	machine_describe(&p->machine, &text);
	vmm_describe(&p->machine, &f->caps, &text);
	/* The store's things are immutable; who changes them all the same gets another machine. */
	str_addf(&text, "kernel.stamp=%016" PRIx64 "\n", fs_stamp(p->machine.kernel_path));
	str_addf(&text, "initrd.stamp=%016" PRIx64 "\n", fs_stamp(p->machine.initrd_path));
	if (f->layers[RUN_LAYER_ROOT].path)
		str_addf(&text, "root.stamp=%016" PRIx64 "\n", fs_stamp(f->layers[RUN_LAYER_ROOT].path));
	/* Layers lie in a cache that marks their use in their times. */
	for (int i = 0; i < RUN_N_LAYERS; i++)
		if (layer_table[i].is_base && f->layers[i].path)
			str_addf(&text, "layer.%s.file=%016" PRIx64 "\n", layer_table[i].name,
				 fs_identity(f->layers[i].path));
	describe_exactly(&p->base, &text);
	snprintf(key, sizeof(key), "%016" PRIx64, hash_mem(HASH_INIT, text.p, text.len));
	p->template_key = mem_strdup(key);
	p->template_text = str_take(&text);
}

/*
 * The second template: layers mounted, modules loaded, guest-init done. Only
 * where every profile says that this is safe, where there is something to
 * save, and where what must differ from clone to clone can be made to: ZFS
 * with the module that reseeds its generator. Disks are fresh per run.
 */
static void plan_prepared(struct run_plan *p, const struct run_facts *f)
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
	if (p->has_shared)
		steps_add(&p->prepare, STEP_MAKE_DIR, "/shared", NULL)->mode = 0755; /* its clones only mount */
	str_addf(&text, "%sprepared=1\n", p->template_text);
	for (int i = 0; i < RUN_N_LAYERS; i++)
		if (!layer_table[i].is_base && f->layers[i].path) {
			p->prepare_on_repeat = true;
			str_addf(&text, "layer.%s=%s %016" PRIx64 "\n", layer_table[i].name, f->layers[i].key,
				 fs_identity(f->layers[i].path));
		}
	describe_exactly(&p->layers, &text);
	describe_exactly(&p->prepare, &text);
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

int plan_make(struct run_facts *f, struct run_plan *p, struct error *err)
{
	p->kernel_id = mem_strdup(f->kernel.id);
	p->kernel_release = mem_strdup(f->kernel.release);
	p->kernel_dir = mem_strdup(f->kernel.dir);
	p->root_id = mem_strdup(f->root.id);
	strv_add_all(&p->profiles, f->profiles.prints.v);
	strv_add_all(&p->collect, f->spec->collect.v);
	strv_add_all(&p->collect, f->profiles.collect.v);
	for (size_t i = 0; i < f->n_disks; i++)
		p->wants_power_off |= f->disks[i].spec->persist != NULL;
	for (size_t i = 0; i < f->n_own_disks; i++)
		p->wants_power_off |= f->own_disks[i].use == DISK_USE_WRITE;
	strv_add_all(&p->debug_modules, f->zfs_unstripped.v);
	p->has_zfs = f->profiles.wants_openzfs;
	p->is_strict = f->profiles.is_strict;
	if (plan_machine(p, f, err) < 0)
		return -1;
	plan_base(p, f);
	plan_program(p, f);
	if (plan_setup(p, f, err) < 0)
		return -1;
	plan_template(p, f);
	plan_prepared(p, f);
	p->locks = take_ptr(f->locks);
	p->n_locks = f->n_locks;
	f->n_locks = 0;
	return 0;
}

static void describe_steps(const char *when, const struct steps *steps, struct str *out)
{
	for (size_t i = 0; i < steps->n; i++) {
		str_addf(out, "%-9s ", when);
		step_describe(&steps->v[i], out);
		str_add_char(out, '\n');
	}
}

void run_plan_describe(const struct run_plan *p, struct str *out)
{
	str_addf(out, "kernel    %s\n", p->kernel_id);
	for (size_t i = 0; i < p->layer_lines.n; i++)
		str_addf(out, "layer     %s\n", p->layer_lines.v[i]);
	describe_steps("boot", &p->base, out);
	describe_steps("clone", &p->identity, out);
	describe_steps("clone", &p->layers, out);
	describe_steps("clone", &p->per_run, out);
	for (size_t i = 0; i < p->n_init_hooks; i++)
		str_addf(out, "init      %s\n", p->init_hooks[i].path);
	str_add(out, "program  ");
	for (size_t i = 0; i < p->program.argv.n; i++) {
		str_add_char(out, ' ');
		str_add_shell(out, p->program.argv.v[i]);
	}
	str_add(out, p->program.argv.n ? "\n" : " the user's shell\n");
	for (size_t i = 0; i < p->n_collect_hooks; i++)
		str_addf(out, "collect   %s\n", p->collect_hooks[i].path);
	if (p->can_template)
		str_addf(out, "template  %s\n", p->template_key);
}
