/* SPDX-License-Identifier: MPL-2.0 */
/* From request to result. See run.h. */

#include "run/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "image/openzfs.h"
#include "run/host_hooks.h"
#include "run/admission.h"
#include "run/annotate.h"
#include "run/copy.h"
#include "run/debug_files.h"
#include "run/facts.h"
#include "run/record.h"
#include "run/supervisor.h"
#include "run/template.h"
#include "run/unseen.h"
#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/lock.h"
#include "sys/proc.h"
#include "wire/wire.h"

#define RESULT_FORMAT 1
#define SWEEP_INTERVAL_S 60

/* The supervisor's notes go through here; set once per run. */
static void (*print_text)(const char *text);
static bool is_quiet;

static void warn(const char *text)
{
	_cleanup_free_ char *line = mem_printf("quiz: %s\n", text);

	if (print_text)
		print_text(line);
}

static void note(const char *text)
{
	if (!is_quiet)
		warn(text);
}

bool run_records_lie_elsewhere(const struct workspace *ws, struct error *err)
{
	_cleanup_free_ char *runs = ws->dir ? fs_join(ws->dir, "runs") : NULL;

	return runs && fs_can_write(runs, NULL, err) < 0;
}

char *run_records_dir(const struct paths *p, const struct workspace *ws)
{
	return fs_join(ws->dir && !run_records_lie_elsewhere(ws, NULL) ? ws->dir : p->state, "runs");
}

static uint64_t wall_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static json_t *strings(const struct strv *sv)
{
	json_t *a = json_array();

	for (size_t i = 0; i < sv->n; i++) {
		json_t *s = json_string(sv->v[i]);

		/* An argument need not be UTF-8; JSON must be. */
		if (!s) {
			_cleanup_str_ struct str safe = STR_INIT;

			str_add_safe(&safe, sv->v[i], strlen(sv->v[i]), false);
			s = json_string(str_cstr(&safe));
		}
		json_array_append_new(a, s);
	}
	return a;
}

static json_t *counters_json(const char *lines)
{
	json_t *o = json_object();
	_cleanup_strv_ struct strv v = STRV_INIT;

	strv_split(&v, lines ? lines : "", "\n");
	for (size_t i = 0; i < v.n; i++) {
		char *eq = strchr(v.v[i], '=');

		if (!eq)
			continue;
		*eq = '\0';
		json_object_set_new(o, v.v[i], json_integer((json_int_t)strtoull(eq + 1, NULL, 0)));
	}
	return o;
}

/*
 * The way to the program, in milliseconds since the start. Stages before the
 * channel are told when it opens, so their time is the guest clock's, moved
 * by the smallest difference seen between the clocks (the least delayed
 * message). A clone's clock says nothing about this run: there it is when the
 * message came. "again": the end of machines that were given up.
 */
static json_t *stages_json(const struct outcome *o)
{
	json_t *a = json_array();
	int64_t offset = INT64_MAX;

	for (size_t i = 0; i < o->n_stages; i++) {
		int64_t d = (int64_t)(o->stages[i].host_ns - o->stages[i].guest_ns);

		if (d < offset)
			offset = d;
	}
	if (o->n_stages && o->again_ns)
		json_array_append_new(a, json_pack("{s:s, s:f}", "name", "again", "ms",
						   (double)(o->again_ns - o->started_ns) / 1e6));
	if (o->n_stages && !o->was_clone && !o->made_template)
		json_array_append_new(a, json_pack("{s:s, s:f}", "name", "kernel", "ms",
						   (double)(offset - (int64_t)o->started_ns) / 1e6));
	for (size_t i = 0; i < o->n_stages; i++) {
		const struct outcome_stage *st = &o->stages[i];
		const char *name = wire_stage_name(st->stage);
		int64_t at = o->was_clone || o->made_template ? (int64_t)st->host_ns : offset + (int64_t)st->guest_ns;

		if (name)
			json_array_append_new(a, json_pack("{s:s, s:f}", "name", name, "ms",
							   (double)(at - (int64_t)o->started_ns) / 1e6));
	}
	return a;
}

static json_t *result_json(const struct run_facts *f, const struct run_plan *p, const struct record *rec,
			   const struct outcome *o, const struct verdict_result *v, uint64_t started_ms)
{
	json_t *j = json_object(), *notes = strings(&o->notes);
	const struct machine *m = &p->machine;
	static const char *const types[] = { "auto", "microvm", "q35", "native" };

	json_object_set_new(j, "format", json_integer(RESULT_FORMAT));
	json_object_set_new(j, "id", json_string(rec->id));
	json_object_set_new(j, "verdict", json_string(verdict_table[v->verdict].name));
	json_object_set_new(j, "status", json_integer(v->status));
	json_object_set_new(j, "signal", v->signal ? json_integer(v->signal) : json_null());
	json_object_set_new(j, "reason", v->reason ? json_string(v->reason) : json_null());
	json_object_set_new(j, "error", error_is_set(&o->error) ? json_string(o->error.text) : json_null());
	json_object_set_new(j, "lost", o->lost_why ? json_string(o->lost_why) : json_null());
	json_object_set_new(j, "program", strings(&p->program.argv));
	json_object_set_new(j, "profiles", strings(&p->profiles));
	json_object_set_new(j, "started", json_integer((json_int_t)(started_ms / 1000)));
	json_object_set_new(j, "started_ms", json_integer((json_int_t)started_ms));
	json_object_set_new(j, "duration_ms", json_integer((json_int_t)((o->ended_ns - o->started_ns) / 1000000)));
	json_object_set_new(j, "startup_ms",
			    o->running_ns ? json_integer((json_int_t)((o->running_ns - o->started_ns) / 1000000)) : json_null());
	json_object_set_new(j, "stage_ms", json_real((double)f->stage_ns / 1e6));
	json_object_set_new(j, "pack_ms", json_real((double)f->pack_ns / 1e6));
	json_object_set_new(j, "stages", stages_json(o));
	json_object_set_new(j, "is_clone", json_boolean(o->was_clone));
	json_object_set_new(j, "is_prepared", json_boolean(o->was_prepared));
	json_object_set_new(j, "made_template", json_boolean(o->made_template));
	json_object_set_new(j, "template_failed", o->template_why ? json_string(o->template_why) : json_null());
	json_object_set_new(j, "kernel", json_string(p->kernel_id));
	json_object_set_new(j, "kernel_release", json_string(p->kernel_release));
	json_object_set_new(j, "root", json_string(p->root_id ? p->root_id : "host"));
	json_object_set_new(j, "arch", json_string(f->arch->name));
	json_object_set_new(j, "machine", json_string(types[m->type]));
	json_object_set_new(j, "accel", json_string(m->accel == ACCEL_KVM ? "kvm" : "tcg"));
	json_object_set_new(j, "memory", json_integer((json_int_t)m->memory_bytes));
	json_object_set_new(j, "cpus", json_integer(m->n_cpus));
	json_object_set_new(j, "zfs", f->zfs_describe ? json_string(f->zfs_describe) : json_null());
	json_object_set_new(j, "user_us", json_integer((json_int_t)o->exit.user_us));
	json_object_set_new(j, "system_us", json_integer((json_int_t)o->exit.system_us));
	json_object_set_new(j, "maxrss_kib", json_integer((json_int_t)o->exit.maxrss_kib));
	json_object_set_new(j, "counters", counters_json(o->counters));
	json_object_set_new(j, "vmcore", o->vmcore ? json_string(o->vmcore) : json_null());
	json_object_set_new(j, "debug_modules", strings(&p->debug_modules));
	json_object_set_new(j, "notes", strings(&o->warnings));
	json_array_extend(json_object_get(j, "notes"), notes);
	json_decref(notes);
	json_object_set_new(j, "findings", verdict_findings_json(o->analyser, FINDING_INFO));
	return j;
}

static void add_vmcore(const struct run_facts *f, const char *vmcore, struct str *out)
{
	struct debug_files d;

	debug_files_of(&f->kernel, &f->zfs_unstripped, &d);
	str_addf(out, "quiz: vmcore %s\n", vmcore);
	debug_files_commands(&d, vmcore, "quiz:   ", out);
	debug_files_clear(&d);
}

/* Lines for people, each in its own name. */
static void add_notes(const char *notes, struct str *text)
{
	for (const char *p = notes; *p;) {
		size_t n = strcspn(p, "\n");

		str_add(text, "quiz: ");
		str_add_line(text, p, n);
		p += n + (p[n] == '\n');
	}
}

/* What a person is told: the error first, then what the kernel said. */
static void report(const struct run_facts *f, const struct record *rec, const struct outcome *o,
		   const struct verdict_result *v, const char *notes, const json_t *result)
{
	_cleanup_str_ struct str text = STR_INIT;
	_cleanup_free_ char *more = mem_printf("quiz runs show %s", rec->id);

	if (f->spec->json) {
		_cleanup_free_ char *json = json_dumps(result, JSON_COMPACT | JSON_PRESERVE_ORDER);

		str_addf(&text, "%s\n", json ? json : "{}");
		print_text(text.p);
		return;
	}
	/* Quiet is about the ordinary: what quiz itself has to say of a run that went wrong is said. */
	if (is_quiet && !v->headline && (v->verdict == VERDICT_OK || v->verdict == VERDICT_FAILED))
		return;
	if (error_is_set(&o->error)) {
		str_addf(&text, "quiz: %s\n", o->error.text);
		if (*o->error.hint)
			str_addf(&text, "hint: %s\n", o->error.hint);
	} else if (o->lost_why && (v->verdict == VERDICT_LOST || v->verdict == VERDICT_HANG)) {
		str_add(&text, "quiz: ");
		str_add_safe(&text, o->lost_why, strlen(o->lost_why), false);
		str_add_char(&text, '\n');
	}
	verdict_text(o->analyser, v, f->spec->verbosity > 0, more, &text);
	if (o->vmcore)
		add_vmcore(f, o->vmcore, &text);
	add_notes(notes, &text);
	if (text.len)
		print_text(text.p);
}

static void describe_for_v(const struct run_facts *f, const struct run_plan *p)
{
	_cleanup_str_ struct str text = STR_INIT;
	struct error why = ERROR_INIT;

	if (!f->spec->verbosity)
		return;
	str_addf(&text, "quiz: kernel %s, %s\n", p->kernel_id, f->accel == ACCEL_KVM ? "KVM" : "emulation");
	for (size_t i = 0; i < p->layer_lines.n; i++)
		str_addf(&text, "quiz: layer %s\n", p->layer_lines.v[i]);
	if (f->zfs_describe)
		str_addf(&text, "quiz: OpenZFS %s\n", f->zfs_describe);
	if (run_records_lie_elsewhere(f->workspace, &why))
		str_addf(&text, "quiz: the record is in %s: %s\n", f->record_dir, why.text);
	print_text(text.p);
}

/* The folder of a run's sockets, with a lock that dies with us: what tells the living from the dead. */
static int make_run_dir(const char *run_dir, struct error *err)
{
	_cleanup_free_ char *lock = mem_printf("%s/lock", run_dir);
	int fd;

	if (fs_mkdir_p(run_dir, 0700, err) < 0)
		return -1;
	fd = lock_take(lock, LOCK_EXCLUSIVE_MODE, false, NULL, NULL, err);
	if (fd < 0) {
		unlink(lock);
		rmdir(run_dir);
	}
	return fd;
}

static void be_silent(const char *text)
{
}

/* A template is made without its machine being in any network. */
static void leave_networks(struct run_facts *f, struct run_plan *plan)
{
	for (size_t i = 0; i < f->n_networks; i++)
		network_clear(&f->networks[i]);
	f->n_networks = 0;
	for (size_t i = 0; i < plan->machine.n_nics; i++)
		plan->machine.nics[i].fd = -1;
}

/* What would fail again is noted, so that it is not tried again by every run; `quiz template list` shows it. */
static void note_failed_preparation(const struct supervisor_options *run, int r, const struct outcome *o)
{
	_cleanup_free_ char *info = NULL;
	_cleanup_str_ struct str why = STR_INIT;

	/* A step or a hook that the guest says has failed. Everything else passes: no room, no base, somebody else makes it. */
	if (r < 0 || o->made_template || o->error.kind != ERROR_GUEST)
		return;
	str_add_safe(&why, o->error.text, strlen(o->error.text), false);
	info = maker_describe(run->plan, true, why.p);
	template_note_failed(run->paths, run->plan->prepared_key, info);
}

/*
 * The next run with these profiles finds them ready: a prepared template is
 * made by a process of its own, after the user has his result. Whatever fails
 * there fails silently, as nobody waits for it.
 */
static void prepare_in_background(const struct supervisor_options *run, struct run_facts *f, struct run_plan *plan,
				  struct outcome *of_run)
{
	struct supervisor_options so = *run;
	struct record rec = { .lock_fd = -1 };
	struct outcome o = { 0 };
	struct error err = ERROR_INIT;
	_cleanup_free_ char *dir = NULL;
	const struct sched_param ordinary = { 0 };
	pid_t pid;

	fflush(NULL);
	pid = proc_fork(true, NULL);
	if (pid != 0)
		return;
	proc_detach();
	close(run->record->lock_fd); /* the run itself is over */
	leave_networks(f, plan);
	sched_setscheduler(0, SCHED_OTHER, &ordinary); /* whatever the run's own was */
	if (nice(10) < 0) {
		/* As urgent as before, then. */
	}
	dir = mem_printf("%s/prepare-%d", run->paths->runtime, (int)getpid());
	if (make_run_dir(dir, &err) < 0) /* its lock goes with the process */
		_exit(0);
	rec.id = mem_strdup("prepare");
	rec.dir = rec.artifacts = dir;
	so.record = &rec;
	so.run_dir = dir;
	so.decided = NULL;
	so.crashed = NULL;
	so.n_networks = 0;
	so.has_local = so.waits_for_client = false;
	so.makes_prepared = true;
	so.note = be_silent;
	so.ready = NULL;
	/*
	 * The memory of the machine that became the base template, some ten thousand pages, is given back by its last
	 * holder. By now that is this process, and not the one whose end the user waits for.
	 */
	outcome_clear(of_run);
	note_failed_preparation(&so, supervisor_run(&so, &o, &err), &o);
	fs_remove_tree(dir, NULL, NULL);
	_exit(0);
}

/* It was KVM that failed, not the guest: the run is repeated under emulation, and this one leaves no trace. */
static bool kvm_has_failed(const struct outcome *o)
{
	return o->kvm_was_silent || o->kvm_refusal;
}

/* What is told and recorded once the verdict is known. */
struct run_end {
	struct run_facts *facts;
	const struct run_plan *plan;
	const struct record *record;
	uint64_t started_ms;
	bool has_terminal; /* ours is the program's */
};

/* What runs is not what the tree says: asked while the guest is busy, since it looks at some thousand files. */
static void on_started(void *ctx, struct outcome *o)
{
	const struct run_facts *f = ((const struct run_end *)ctx)->facts;
	const struct openzfs_stage look = { .tree = f->zfs_tree, .unstripped = f->zfs_unstripped };
	_cleanup_free_ char *newer = f->zfs_tree ? openzfs_newer_source(&look) : NULL;

	if (newer)
		strv_addf(&o->notes, "warning: '%s' is newer than the modules of this run (quiz --make builds first)", newer);
}

/* The kernel's half of OpenZFS alone: `zpool: not found` is then no riddle. */
static void note_programs(const struct run_facts *f, struct outcome *o)
{
	if (o->verdict.status == STATUS_NOTFOUND && f->zfs_tree && !f->zfs_has_programs)
		strv_addf(&o->notes, "the OpenZFS build has modules only, no programs: quiz openzfs make -k %s",
			  f->kernel.id);
}

static void on_decided(void *ctx, struct outcome *o)
{
	const struct run_end *end = ctx;
	_cleanup_str_ struct str notes = STR_INIT;
	json_t *result;

	if (kvm_has_failed(o))
		return;
	note_programs(end->facts, o);
	if (o->is_absent)
		unseen_hint(end->facts, end->plan, &o->error);
	annotate_findings(end->facts->paths, end->plan->kernel_id, &end->plan->debug_modules, o->analyser, &o->verdict, &notes);
	host_hooks_collect(end->facts, &notes);
	result = result_json(end->facts, end->plan, end->record, o, &o->verdict, end->started_ms);
	for (size_t i = 0; i < o->warnings.n; i++)
		warn(o->warnings.v[i]);
	for (size_t i = 0; i < o->notes.n; i++)
		note(o->notes.v[i]);
	report(end->facts, end->record, o, &o->verdict, str_cstr(&notes), result);
	if (record_finish(end->record, result, &o->error) < 0)
		note(o->error.text);
	json_decref(result);
}

/* A machine that is kept: the user sees at once what he will be told at its end, and it is not told twice as long. */
static void on_crashed(void *ctx, struct outcome *o)
{
	const struct run_end *end = ctx;
	const struct verdict_input in = { .analyser = o->analyser };
	_cleanup_str_ struct str text = STR_INIT, notes = STR_INIT;
	struct verdict_result v;

	verdict_decide(&in, &v);
	annotate_findings(end->facts->paths, end->plan->kernel_id, &end->plan->debug_modules, o->analyser, &v, &notes);
	verdict_text(o->analyser, &v, false, NULL, &text);
	add_notes(str_cstr(&notes), &text);
	o->crash_text = mem_strdup(str_cstr(&text));
	if (end->has_terminal && !end->facts->spec->json)
		print_text(o->crash_text);
}

/* Caller frees; NULL: there is nothing to say. */
static char *hint_for_client(const struct run_facts *f, const struct run_plan *plan)
{
	struct error absent = ERROR_INIT;

	unseen_hint(f, plan, &absent);
	return *absent.hint ? mem_strdup(absent.hint) : NULL;
}

static int waiting_ended_by; /* signal; 0: none */

static int run_once(struct run_facts *f, const struct run_request *req, struct record *rec, struct outcome *o,
		    struct error *err)
{
	const struct run_background *bg = req->background;
	struct run_plan plan = { 0 };
	struct run_end end = { .facts = f, .plan = &plan, .record = rec, .started_ms = wall_clock_ms() };
	struct supervisor_options so = { .paths = req->paths, .spec = req->spec, .plan = &plan, .caps = &f->caps,
					 .record = rec, .run_dir = f->run_dir, .networks = f->networks,
					 .n_networks = f->n_networks, .has_local = !bg,
					 .waits_for_client = bg && bg->waits_for_client, .note = note,
					 .started = on_started, .decided = on_decided, .crashed = on_crashed, .decided_ctx = &end,
					 .ready = bg ? bg->ready : NULL, .ctx = bg ? bg->ctx : NULL };
	int r = -1;

	if (plan_make(f, &plan, err) == 0 &&
	    admission_wait(req->paths, f->run_dir, plan.machine.memory_bytes, req->spec->max_memory_bytes, note,
			   &waiting_ended_by, err) == 0) {
		describe_for_v(f, &plan);
		end.has_terminal = !bg && plan.program.tty;
		if (so.waits_for_client)
			plan.absent_hint = hint_for_client(f, &plan);
		r = supervisor_run(&so, o, err);
	}
	if (r == 0 && plan.can_prepare && !req->spec->cold && !o->was_prepared && !kvm_has_failed(o) &&
	    o->facts.program >= PROGRAM_EXITED && !analyser_crash(o->analyser) &&
	    (!plan.prepare_on_repeat || template_was_wanted(req->paths, plan.prepared_key)) &&
	    !template_has_failed(req->paths, plan.prepared_key))
		prepare_in_background(&so, f, &plan, o);
	run_plan_clear(&plan);
	return r;
}

static int with_record(struct run_facts *f, const struct run_request *req, struct record *rec, int *ret_status,
		       struct error *err)
{
	struct outcome o = { 0 };
	int r;

	f->record_dir = rec->dir;
	f->artifacts = rec->artifacts;
	if (facts_gather(f, err) < 0)
		return -1;
	r = run_once(f, req, rec, &o, err);
	if (r == 0 && kvm_has_failed(&o)) {
		_cleanup_free_ char *text =
			o.kvm_refusal ? mem_printf("KVM makes no machine now: %s", o.kvm_refusal)
				      : mem_strdup("a KVM guest did not say a single byte: this host's KVM does not work");
		_cleanup_free_ char *line = mem_printf("%s; going on under emulation (quiz doctor tells more)", text);

		note(line);
		vmm_kvm_memo_set(&f->caps, req->paths->cache, o.kvm_refusal ? KVM_REFUSED : KVM_MEMO, NULL);
		outcome_clear(&o);
		f->accel = ACCEL_TCG;
		r = run_once(f, req, rec, &o, err);
	}
	*ret_status = o.verdict.status;
	if (req->ret_is_absent)
		*req->ret_is_absent = o.is_absent;
	outcome_clear(&o);
	return r;
}

static void remove_disks(const char *record_dir)
{
	_cleanup_free_ char *disks = mem_printf("%s/disks", record_dir);

	if (fs_exists(disks))
		fs_remove_tree(disks, NULL, NULL);
}

uint64_t run_sweep(const struct paths *p)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	uint64_t freed = 0;

	if (fs_list(p->runtime, &names, NULL) < 0)
		return 0;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *dir = mem_printf("%s/%s", p->runtime, names.v[i]);
		_cleanup_free_ char *lock = mem_printf("%s/lock", dir);
		struct stat st;
		uint64_t bytes;

		/* A folder without a lock file may be one in the making. */
		if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || time(NULL) - st.st_mtime < 5 || lock_is_held(lock))
			continue;
		if (fs_remove_tree(dir, &bytes, NULL) == 0)
			freed += bytes;
	}
	return freed;
}

/*
 * Keeping things within their bounds looks at all of them; a run that takes
 * tenths of a second can not afford that, and once a minute is enough.
 */
static bool sweep_is_due(const struct paths *p)
{
	_cleanup_free_ char *stamp = mem_printf("%s/last-sweep", p->state);
	struct stat st;

	if (stat(stamp, &st) == 0 && time(NULL) - st.st_mtime < SWEEP_INTERVAL_S && time(NULL) >= st.st_mtime)
		return false;
	fs_mkdir_p(p->state, 0755, NULL);
	fs_write_atomic(stamp, "", 0, 0644, false, NULL);
	return true;
}

int run_execute(const struct run_request *req, void (*print)(const char *text), int *ret_status, struct error *err)
{
	struct run_facts f = { .paths = req->paths, .workspace = req->workspace, .config = req->config, .spec = req->spec };
	const struct template_limits limits = { req->spec->template_count, req->spec->template_bytes,
						req->spec->template_age_ms };
	_cleanup_free_ char *runs = run_records_dir(req->paths, req->workspace);
	_cleanup_free_ char *run_dir = NULL;
	_cleanup_close_ int lock_fd = -1;
	struct record rec = { .lock_fd = -1 };
	int r = -1;

	print_text = print;
	is_quiet = req->spec->quiet;
	if (paths_runtime(req->paths, err) < 0)
		goto out;
	if (record_new(runs, &rec, err) < 0)
		goto out;
	run_dir = mem_printf("%s/%s", req->paths->runtime, rec.id);
	lock_fd = make_run_dir(run_dir, err);
	if (lock_fd < 0) {
		close_fd(&rec.lock_fd);
		fs_remove_tree(rec.dir, NULL, NULL);
		goto out;
	}
	f.run_dir = run_dir;
	if (req->background)
		req->background->has_id(req->background->ctx, rec.id);
	r = with_record(&f, req, &rec, ret_status, err);
	facts_clear(&f); /* removing folders takes descriptors: a run may have failed for the want of one */
	if (r < 0)
		close_fd(&rec.lock_fd);
	fs_remove_tree(run_dir, NULL, NULL);
	remove_disks(rec.dir);
	copy_sweep(rec.artifacts);
	if (r < 0) /* nothing was run: no record */
		fs_remove_tree(rec.dir, NULL, NULL);
	run_sweep(req->paths);
	if (sweep_is_due(req->paths)) {
		records_prune(runs, req->spec->keep_runs);
		templates_sweep(req->paths, &limits);
	}
out:
	record_clear(&rec);
	if (waiting_ended_by) { /* all is tidied up: now as if it had not been caught */
		signal(waiting_ended_by, SIG_DFL);
		raise(waiting_ended_by);
	}
	return r;
}
