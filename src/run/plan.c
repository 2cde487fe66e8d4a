/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From facts to the plan of a run; pure. Here is what the agent is asked and
 * which program it runs; plan_machine.c has the machine, plan_template.c what
 * must be equal for a template to serve.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "run/facts.h"
#include "run/plan.h"
#include "sys/fs.h"
#include "wire/wire.h"

#define HOOK_BYTES_MAX (WIRE_PAYLOAD_MAX - 1024)

const struct plan_layer plan_layer_table[RUN_N_LAYERS] = {
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
	steps_clear(&p->ready);
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
	strv_clear(&p->template_files);
	free(p->template_for);
	strv_clear(&p->layer_lines);
	strv_clear(&p->collect);
	strv_clear(&p->host_folders);
	free(p->absent_hint);
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

/* ---- what the agent is asked ---- */

static void plan_base(struct run_plan *p, const struct run_facts *f)
{
	/* For what a hung machine is asked over its console: distributions allow some keys only. */
	steps_add(&p->base, STEP_WRITE_FILE, "/proc/sys/kernel/sysrq", "1")->flags = WIRE_WRITE_OPTIONAL;
	for (int i = 0; i < RUN_N_LAYERS; i++) {
		struct step *s;

		if (!plan_layer_table[i].is_base || !f->layers[i].path)
			continue;
		s = steps_add(&p->base, STEP_MOUNT_IMAGE, plan_layer_table[i].name, plan_layer_table[i].name);
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
		if (plan_layer_table[i].is_base || !f->layers[i].path)
			continue;
		s = steps_add(&p->layers, STEP_MOUNT_IMAGE, plan_layer_table[i].name, plan_layer_table[i].name);
		free(s->c);
		s->c = mem_strdup(f->layers[i].fstype);
		s->flags = WIRE_IMAGE_FLUSH;
	}
	s = steps_add(&p->layers, STEP_ASSEMBLE, NULL, NULL);
	s->n = f->spec->tmpfs_bytes;
	for (int i = 0; i < RUN_N_LAYERS; i++)
		if (f->layers[i].path || (i == RUN_LAYER_ROOT && f->is_host_root)) {
			strv_add(&s->list, plan_layer_table[i].name);
			strv_addf(&p->layer_lines, "%-8s %s", plan_layer_table[i].name,
				  f->layers[i].path ? f->layers[i].path : "the host's /");
		}
	strv_add(&p->layer_lines, "tmpfs    what the run changes; gone at its end");
}

static void plan_shares(struct run_plan *p, const struct run_facts *f)
{
	struct step *s;

	if (p->has_shared) {
		s = steps_add(&p->per_run, STEP_SHARE, PLAN_SHARED_TAG, "/shared");
		s->flags = WIRE_SHARE_RW;
	} else {
		s = steps_add(&p->per_run, STEP_MAKE_DIR, "/shared", NULL);
		s->mode = 0777;
	}
	if (f->wants_workspace && p->has_shared) {
		steps_add(&p->per_run, STEP_SHARE, PLAN_WORK_TAG, f->workspace->root);
		strv_add(&p->host_folders, f->workspace->root);
	}
	for (size_t i = 0; i < f->spec->n_shares; i++) {
		const struct share_request *r = &f->spec->shares[i];
		char tag[32];

		snprintf(tag, sizeof(tag), "share%zu", i);
		s = steps_add(&p->per_run, STEP_SHARE, tag, r->guest ? r->guest : r->host);
		s->flags = r->is_rw ? WIRE_SHARE_RW : 0;
		if (!r->guest)
			strv_add(&p->host_folders, r->host);
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

/* The machine's own as its id is: locally administered, 40 bits of chance. Clones must not share it. */
static char *own_mac(const char *machine_id, size_t nic)
{
	const char *hex = machine_id + 2 * (nic % 8);

	return mem_printf("02:%.2s:%.2s:%.2s:%.2s:%.2s", hex, hex + 2, hex + 4, hex + 6, hex + 8);
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
			free(s->e);
			s->e = own_mac(f->machine_id, i);
			s->flags = STEP_NETWORK_OWN_MAC;
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
	runspec_add_env(rs, &g->env);
	g->user = mem_strdup(rs->user ? rs->user : f->profiles.run_as ? f->profiles.run_as : "");
	g->cwd = mem_strdup(rs->cwd ? rs->cwd : f->wants_workspace && p->has_shared ? f->cwd : "");
	p->shell_after = rs->shell_after;
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
	plan_templates(p, f);
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
