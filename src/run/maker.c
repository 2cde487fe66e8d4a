/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A template on the way of a cold run. The machine boots with its memory in a
 * file without a name; when the base steps are done it becomes still, is
 * paused, its device state saved and its memory copied beside it: that is the
 * template. Then it goes on as the machine of this run. The copy is of the
 * pages that the guest has touched, some 70 MB, and costs a third of what a
 * clone costs that would have to translate all the code once more that this
 * machine has just run (docs/decisions/004-clones.md). And a file system that
 * is full fails a write here, instead of killing a VMM whose memory is on it.
 *
 * Whatever fails here must not fail the run: there is no template then.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "run/ram_copy.h"
#include "run/supervisor_state.h"
#include "spec/arch.h"
#include "sys/fs.h"

/*
 * A prepared template is made when nobody waits for it, so it can be left to
 * itself until the kernel has done what it put off while booting: the change
 * of clock source a second after the TSC's first calibration (it stops all
 * CPUs), the first turns of periodic work, RCU's callbacks. Each clone would
 * do it again, at the moment when its program is to start.
 */
#define PREPARED_SETTLE_MS 2000

static struct step still = { .kind = STEP_QUIESCE };
static const struct steps quiesce = { .v = &still, .n = 1 };

static void note(struct supervisor *s, const char *what, const struct error *err)
{
	_cleanup_free_ char *text = mem_printf("%s%s%s", what, err ? ": " : "", err ? err->text : "");

	if (s->opt.spec->verbosity)
		s->opt.note(text);
}

int maker_start_clone(struct supervisor *s, struct error *err)
{
	struct machine m = s->opt.plan->machine; /* shallow: only read */

	m.ram_mode = RAM_PRIVATE;
	m.ram_path = s->template->ram_path;
	m.is_incoming = true;
	return sup_start_guest(s, &m, &s->guest, err);
}

static void on_resumed(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (err)
		sup_lost(s, err->text);
}

static void on_maker_resumed(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (s->state != SUP_LOAD)
		return;
	if (err)
		sup_lost(s, err->text); /* it died: the machine boots again */
	else
		sup_setup(s);
}

/*
 * The machine goes on, with a template made or without. A VMM that is freed
 * fails what it was asked, so every callback here looks at the state first: a
 * run that has ended meanwhile goes nowhere.
 */
static void go_on(struct supervisor *s)
{
	ram_copy_free(s->ram_copy);
	s->ram_copy = NULL;
	template_free(s->template);
	s->template = NULL;
	s->state = SUP_LOAD;
	vmm_resume(guest_vmm(s->guest), on_maker_resumed, s);
}

static void go_on_without(struct supervisor *s, const struct error *err)
{
	note(s, "no template was made", err);
	go_on(s);
}

static void on_loaded(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (s->state != SUP_LOAD)
		return;
	if (err) {
		sup_lost(s, err->text); /* sup_lost starts over without the template while nothing was run */
		return;
	}
	sessions_connect(s->sessions, guest_channel(s->guest));
	vmm_resume(guest_vmm(s->guest), on_resumed, s);
	sup_setup(s);
}

void maker_load_clone(struct supervisor *s)
{
	int fd = open(s->template->state_path, O_RDONLY | O_CLOEXEC);

	s->state = SUP_LOAD;
	if (fd < 0) {
		sup_lost(s, "the template has no device state");
		return;
	}
	vmm_load(guest_vmm(s->guest), fd, on_loaded, s);
	close(fd); /* passed on already */
}

/*
 * "zfs 1f2e3d4c": the layers of a prepared template by name and content, of which an edit-build-run loop leaves many; "any
 * zfs": those of a base template, which has slots for them.
 */
static void describe_layers(const struct run_plan *p, bool is_prepared, struct str *out)
{
	for (size_t i = 0; i < p->layer_lines.n; i++) {
		const char *line = p->layer_lines.v[i], *base = strrchr(line, '/');
		int n = (int)strcspn(line, " ");

		if (base && strncmp(line, "root ", 5) != 0 && strncmp(line, "kernel ", 7) != 0)
			str_addf(out, "%s%s%.*s%s%.8s", out->len ? ", " : "", is_prepared ? "" : "any ", n, line,
				 is_prepared ? " " : "", is_prepared ? base + 1 : "");
	}
}

char *maker_describe(const struct run_plan *p, bool is_prepared, const char *failed)
{
	_cleanup_str_ struct str profiles = STR_INIT;
	_cleanup_str_ struct str layers = STR_INIT;
	json_t *files = json_array(), *o;
	char *text;

	for (size_t i = 0; is_prepared && i < p->profiles.n; i++)
		str_addf(&profiles, "%s%s", i ? "," : "", p->profiles.v[i]);
	describe_layers(p, is_prepared, &layers);
	for (size_t i = 0; i < p->template_files.n; i++)
		json_array_append_new(files, json_string(p->template_files.v[i]));
	o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:I, s:o, s:s*}", "kernel", p->kernel_id, "root",
		      p->root_id ? p->root_id : "host", "kind", is_prepared ? "prepared" : "base", "profiles",
		      str_cstr(&profiles), "layers", str_cstr(&layers), "machine", p->template_for ? p->template_for : "", "memory",
		      (json_int_t)p->machine.memory_bytes, "cpus", (int)p->machine.n_cpus, "made", (json_int_t)time(NULL),
		      "files", files, "failed", failed);
	text = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	return text ? text : mem_strdup("{}");
}

static void finish_template(struct supervisor *s)
{
	_cleanup_free_ char *info = maker_describe(s->opt.plan, false, NULL);
	_cleanup_free_ char *log = mem_printf("%s/console.log", s->opt.record->dir);
	struct error why = ERROR_INIT;

	if (s->timer_retry) /* it has turned out to be no good: it boots again, and of this one nothing is left */
		return;
	/* What the machine said while booting belongs to every clone's log. */
	console_flush(s->console);
	if (fs_copy_file(log, s->template->console_path, 0600, &why) < 0 ||
	    template_publish(s->template, s->opt.plan->template_text, info, &why) < 0) {
		go_on_without(s, &why);
		return;
	}
	s->out->made_template = true;
	go_on(s);
}

/* The device state is saved, or the memory copied: the machine is paused until neither is under way any more. */
static void half_done(struct supervisor *s, const struct error *err)
{
	if (s->state != SUP_SAVE)
		return;
	if (err && !error_is_set(&s->save_error))
		s->save_error = *err;
	if (--s->n_saving)
		return;
	if (error_is_set(&s->save_error))
		go_on_without(s, &s->save_error);
	else
		finish_template(s);
}

static void on_saved(void *ctx, const struct error *err)
{
	half_done(ctx, err);
}

static void on_copied(void *ctx, const struct error *err)
{
	half_done(ctx, err);
}

static void on_paused(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;
	struct error why = ERROR_INIT;
	int fd;

	if (s->state != SUP_SAVE)
		return;
	if (err) {
		go_on_without(s, err);
		return;
	}
	fd = open(s->template->state_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		error_sys(&why, errno, "create '%s'", s->template->state_path);
		go_on_without(s, &why);
		return;
	}
	s->n_saving = 2;
	error_clear(&s->save_error);
	vmm_save(guest_vmm(s->guest), fd, on_saved, s);
	s->ram_copy = ram_copy_start(s->loop, s->ram_fd, s->template->ram_path, on_copied, s, &why);
	if (!s->ram_copy)
		half_done(s, &why);
	close_fd(&fd);
}

/*
 * The agent's last answer is itself followed by an interrupt ("buffer used").
 * Where QEMU does not save pending interrupts, the guest must have taken it
 * before the pause: else the driver's indicator stays set in every clone, and
 * no device of it ever interrupts again. An interrupt that is pending wakes a
 * vCPU's thread, which does not sleep again before the guest has taken it. So
 * when all of QEMU's threads sleep there is none. A starved thread does not
 * sleep: it waits. Two looks, as a thread also sleeps for a moment while
 * another one holds QEMU's lock.
 */
#define IDLE_LOOK_MS	5
#define IDLE_LOOKS_MAX	2000
#define IDLE_IN_A_ROW	2

static void look_idle(void *ctx)
{
	struct supervisor *s = ctx;
	if (s->state != SUP_SAVE || !s->guest)
		return;
	s->idle_in_a_row = vmm_is_idle(guest_vmm(s->guest)) ? s->idle_in_a_row + 1 : 0;
	if (s->idle_in_a_row == IDLE_IN_A_ROW)
		s->on_idle(s, NULL);
	else if (++s->idle_looks < IDLE_LOOKS_MAX)
		loop_timer(s->loop, IDLE_LOOK_MS, look_idle, s);
	else {
		struct error err = ERROR_INIT;

		error_set(&err, ERROR_TIMEOUT, "the guest does not come to rest");
		s->on_idle(s, &err);
	}
}

/* Calls done when the machine may be paused: at once where nothing can get lost. */
static void when_idle(struct supervisor *s, vmm_done_fn *done)
{
	const struct machine *m = &s->opt.plan->machine;

	s->on_idle = done;
	s->idle_looks = 0;
	s->idle_in_a_row = 0;
	if (m->accel == ACCEL_TCG && m->arch->loses_interrupts)
		look_idle(s);
	else
		done(s, NULL);
}

static void on_idle(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (err)
		go_on_without(s, err);
	else
		vmm_pause(guest_vmm(s->guest), on_paused, s);
}

static void on_still(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (s->state != SUP_SAVE)
		return;
	if (err)
		go_on_without(s, err);
	else
		when_idle(s, on_idle);
}

int maker_start(struct supervisor *s, struct error *err)
{
	struct machine m = s->opt.plan->machine; /* shallow: only read */

	s->ram_fd = fs_large_memory_file("quiz-ram", err);
	if (s->ram_fd < 0)
		return -1;
	m.ram_mode = RAM_SHARED;
	m.ram_fd = s->ram_fd;
	return sup_start_guest(s, &m, &s->guest, err);
}

bool maker_is_making(const struct supervisor *s)
{
	return s->template && s->template->is_new && !s->opt.makes_prepared;
}

void maker_save(struct supervisor *s)
{
	s->state = SUP_SAVE;
	guest_steps(s->guest, &quiesce, on_still, s);
}

/* ---- prepared templates ---- */

static void on_prepared_loaded(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (s->state != SUP_LOAD)
		return;
	if (err) {
		sup_setup_failed(s, err);
		return;
	}
	sessions_connect(s->sessions, guest_channel(s->guest));
	vmm_resume(guest_vmm(s->guest), on_resumed, s);
	sup_setup(s);
}

/*
 * A private clone can not be saved, as its memory is not the file's. So the
 * base template's memory is copied (it is sparse, and shared blocks where the
 * file system can), and the copy is run as a file that is written.
 */
int maker_prepare(struct supervisor *s, struct error *err)
{
	const struct run_plan *p = s->opt.plan;
	struct machine m = p->machine; /* shallow: only read */
	_cleanup_free_ char *log = mem_printf("%s/console.log", s->opt.record->dir);
	struct template *base, *other;
	const char *why = "";
	int fd = -1, r = -1;

	if (template_find(s->opt.paths, p->prepared_key, p->prepared_text, &other)) {
		template_free(other);
		return error_set(err, ERROR_BUSY, "another run has made it");
	}
	if (!template_find(s->opt.paths, p->template_key, p->template_text, &base))
		return error_set(err, ERROR_MISSING, "the base template is gone");
	s->template = template_begin(s->opt.paths, p->prepared_key, p->machine.memory_bytes, &why);
	if (!s->template)
		error_set(err, ERROR_BUSY, "no prepared template is made: %s", why);
	else if (fs_copy_file(base->ram_path, s->template->ram_path, 0600, err) == 0 &&
		 fs_copy_file(base->console_path, log, 0600, err) == 0) {
		fd = open(base->state_path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			error_sys(err, errno, "open '%s'", base->state_path);
	}
	if (fd >= 0) {
		m.ram_mode = RAM_SHARED;
		m.ram_path = s->template->ram_path;
		m.is_incoming = true;
		s->state = SUP_LOAD;
		r = sup_start_guest(s, &m, &s->guest, err);
		if (r == 0)
			vmm_load(guest_vmm(s->guest), fd, on_prepared_loaded, s);
		close(fd);
	}
	template_free(base);
	return r;
}

static void on_prepared_saved(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;
	_cleanup_free_ char *info = NULL;
	_cleanup_free_ char *log = mem_printf("%s/console.log", s->opt.record->dir);
	struct error why = ERROR_INIT;

	if (s->state != SUP_SAVE)
		return;
	if (err) {
		sup_setup_failed(s, err);
		return;
	}
	info = maker_describe(s->opt.plan, true, NULL);
	console_flush(s->console);
	if (fs_copy_file(log, s->template->console_path, 0600, &why) < 0 ||
	    template_publish(s->template, s->opt.plan->prepared_text, info, &why) < 0) {
		sup_setup_failed(s, &why);
		return;
	}
	s->out->made_template = true;
	sup_die(s, 0);
}

static void on_prepared_paused(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;
	struct error why = ERROR_INIT;
	int fd;

	if (s->state != SUP_SAVE)
		return;
	fd = err ? -1 : open(s->template->state_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		if (!err)
			error_sys(&why, errno, "create '%s'", s->template->state_path);
		sup_setup_failed(s, err ? err : &why);
		return;
	}
	vmm_save(guest_vmm(s->guest), fd, on_prepared_saved, s);
	close(fd);
}

static void on_prepared_idle(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (err)
		sup_setup_failed(s, err);
	else
		vmm_pause(guest_vmm(s->guest), on_prepared_paused, s);
}

static void on_prepared_still(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	if (err)
		sup_setup_failed(s, err);
	else
		when_idle(s, on_prepared_idle);
}

static void on_prepared_settled(void *ctx)
{
	struct supervisor *s = ctx;

	if (s->state == SUP_SAVE)
		guest_steps(s->guest, &s->opt.plan->ready, on_prepared_still, s);
}

static void on_warm(void *ctx, const struct error *err)
{
	struct supervisor *s = ctx;

	/* A root without such a program is as good, only not as warm. */
	s->state = SUP_SAVE;
	loop_timer(s->loop, PREPARED_SETTLE_MS, on_prepared_settled, s);
}

/*
 * A few small programs bring the dynamic linker, the C library, the shell and
 * the folders that are searched for programs into the guest's page cache: what
 * a clone does not find there it reads through the whole block layer, all of
 * whose code must be translated first. Names without a path, as people type them, in root's home.
 */
void maker_save_prepared(struct supervisor *s)
{
	static struct run_hook warm_up[] = {
		{ .profile = (char *)"quiz", .path = (char *)"sh", .cwd = "" },
		{ .profile = (char *)"quiz", .path = (char *)"uname", .cwd = "" },
		{ .profile = (char *)"quiz", .path = (char *)"true", .cwd = "" },
		/* Without arguments they print how they are used, and fail. Creating a pool reads 4 MB less then. */
		{ .profile = (char *)"zfs", .path = (char *)"zpool", .cwd = "", .may_fail = true },
		{ .profile = (char *)"zfs", .path = (char *)"zfs", .cwd = "", .may_fail = true },
	};
	static const size_t n_of_zfs = 2;

	hooks_run(s, warm_up, ARRAY_SIZE(warm_up) - (s->opt.plan->has_zfs ? 0 : n_of_zfs), 0, on_warm, s);
}
