/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation.
 *
 * Console and kmsg are two lanes that are read in the same way: bytes become
 * lines, the prefix comes off, and the text is looked up in crash_patterns
 * by its first byte. Nearly every line of a healthy log ends there; that is
 * the fast path. A hit opens a report, and while one is open the lane's
 * lines go through it, too.
 *
 * With CONFIG_PRINTK_CALLER each line says which task or CPU printed it, and
 * then a lane can have several reports open, one per caller; without, a new first line ends
 * the report before it.
 *
 * In a log whose lines have kernel prefixes, only those lines are believed:
 * a program that prints "BUG:" to the console accuses nobody. But a log from
 * elsewhere may have lines of the kernel without them (its stamps were turned off, a
 * boot loader had stamps, too): what looks like a stack belongs to the report
 * that is open, and a first line is a suspicion that a function of a stack confirms.
 *
 * The other lane's copy. A report is known by the hash of its first line and the kernel's
 * time of it. The second copy to arrive is read as well, into a finding of
 * its own that nobody sees, and at its end the fuller of both stays. The same
 * goes for a lane that says everything again (panic_print replays the whole log).
 *
 * Repetitions. When a report is over and its fingerprint is known already, it is
 * only counted there. A machine that warns ten thousand times costs one finding.
 */

#include "run/analyser_state.h"
#include "run/analyser_title.h"

#include <stdio.h>
#include <string.h>

#define STAMPED_ENOUGH	4      /* stamped lines after which a lane's other lines are not the kernel's */
#define CUT_HERE_LINES	4      /* a WARN's text comes within these after "cut here" */
#define TWIN_WINDOW_MS	15000  /* the other lane's copy without a time stamp comes within this */

struct analyser *analyser_new(const struct analyser_options *opt)
{
	struct analyser *a = mem_alloc(sizeof(*a));

	if (opt)
		a->opt = *opt;
	if (!a->opt.settle_ms)
		a->opt.settle_ms = 2000;
	if (!a->opt.max_findings)
		a->opt.max_findings = 64;
	finding_set_init(&a->set, a->opt.max_findings, a->opt.allow, a->opt.known);
	a->opt.allow = NULL;
	a->opt.known = NULL;
	crash_index_init(&a->index);
	a->lanes[LANE_CONSOLE].source = FINDING_FROM_CONSOLE;
	a->lanes[LANE_KMSG].source = FINDING_FROM_KMSG;
	return a;
}

/* One that the set did not take. */
static void finding_drop(struct finding *f)
{
	finding_clear(f);
	free(f);
}

void analyser_free(struct analyser *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < N_LANES; i++)
		for (unsigned j = 0; j < a->lanes[i].n_open; j++)
			if (a->lanes[i].open[j].twin_id || !a->lanes[i].open[j].finding->id)
				finding_drop(a->lanes[i].open[j].finding);
	finding_set_clear(&a->set);
	free(a);
}

static void note_panic(struct analyser *a, const struct crash_pattern *row)
{
	if (a->has_panic || !str_starts(row->prefix, "Kernel panic"))
		return;
	a->has_panic = true;
	a->panic_ms = a->now_ms;
}

/* What supervisors ask for at once: does it hang? */
static void note_severity(struct analyser *a, const struct finding *f)
{
	if (f->severity == FINDING_STALL && !f->is_secondary && !f->is_allowed) {
		if (!a->has_hang || a->now_ms > a->hang_last_ms + STALL_MEMORY_MS)
			a->hang_ms = a->now_ms;
		a->has_hang = true;
		a->hang_last_ms = a->now_ms;
	}
}

/* --- reports of a lane */

/* The other lane has this report already: the fuller copy stays, and the worse word counts. */
static void join_twin(struct analyser *a, struct report *r)
{
	struct finding *f = r->finding, *twin = finding_set_by_id(&a->set, r->twin_id);

	if (twin && (f->n_stack_lines > twin->n_stack_lines || f->severity > twin->severity)) {
		report_finish(r);
		finding_set_take(&a->set, twin, f);
		note_severity(a, twin);
	}
	finding_drop(f);
}

/* There was no room for what its first line said. The whole may say worse: "Internal error: Oops". */
static bool finds_room(struct analyser *a, const struct report *r)
{
	bool is_added = finding_set_add(&a->set, r->finding, r->row, a->is_suspended);

	a->set.n_dropped--; /* counted before */
	return is_added;
}

void lane_close(struct analyser *a, struct lane *lane, unsigned slot)
{
	struct report r = lane->open[slot];
	struct finding *f = r.finding;
	bool is_panic = f->class == FINDING_CLASS_PANIC || f->class == FINDING_CLASS_BOOT_FAILURE;

	lane->n_open--;
	memmove(&lane->open[slot], &lane->open[slot + 1], (lane->n_open - slot) * sizeof(lane->open[0]));
	if (is_panic && a->has_panic)
		a->panic_is_over = true;
	if (r.twin_id) {
		join_twin(a, &r);
		return;
	}
	report_finish(&r);
	if (r.is_suspicion && !r.has_symbol && !r.has_counter) {
		finding_drop(f);
		return;
	}
	a->set.n_dropped += r.is_suspicion; /* as one that had no room until now */
	if (!f->id && !finds_room(a, &r)) {
		finding_drop(f);
		return;
	}
	finding_set_judge(&a->set, f);
	note_severity(a, f);
	a->set.generation++;
	finding_set_merge(&a->set, f);
}

static void context_into(struct lane *lane, struct report *r)
{
	for (unsigned i = 0; i < CONTEXT_LINES; i++) {
		unsigned at = (lane->context_next + i) % CONTEXT_LINES;

		if (!lane->context_len[at])
			continue;
		str_add_mem(&r->finding->excerpt, lane->context[at], lane->context_len[at]);
		str_add_char(&r->finding->excerpt, '\n');
		lane->context_len[at] = 0;
	}
	r->finding->context_bytes = r->finding->excerpt.len;
}

static void report_begin(struct analyser *a, struct lane *lane, const struct crash_pattern *row,
			 const struct log_line *l, const char *raw, size_t raw_len, bool is_sure)
{
	struct finding *f = mem_alloc(sizeof(*f)), *twin;
	struct report *r;

	if (lane->n_open == OPEN_MAX)
		lane_close(a, lane, 0);
	r = &lane->open[lane->n_open++];
	report_open(r, f, row, l, lane->cut_here ? lane->message : NULL);
	lane->cut_here = 0;
	lane->message[0] = '\0';
	r->first_ms = r->last_ms = a->now_ms;
	f->source = lane->source;
	f->seen_ms = a->now_ms;
	f->key = hash_mem(HASH_INIT, l->text, l->len);
	f->seen_in = (uint8_t)(1u << lane->source);
	context_into(lane, r);
	report_excerpt(r, raw, raw_len, lane->n_lines, true);

	r->is_suspicion = !is_sure;
	if (!is_sure)
		return;
	note_panic(a, row);
	twin = finding_set_twin(&a->set, f, a->now_ms, TWIN_WINDOW_MS);
	if (twin) {
		twin->seen_in |= f->seen_in;
		r->twin_id = twin->id;
		return;
	}
	title_update(r); /* what it is called decides whether it is tolerated */
	if (finding_set_add(&a->set, f, row, a->is_suspended))
		note_severity(a, f);
}

/* One line that is a finding by itself, beside whatever report is open. */
static void single_line(struct analyser *a, struct lane *lane, const struct crash_pattern *row,
			const struct log_line *l, const char *raw, size_t raw_len)
{
	report_begin(a, lane, row, l, raw, raw_len, true);
	if (row->class == FINDING_CLASS_ZFS_SUSPEND)
		a->is_suspended = true;
	if (row->flags & CRASH_RESUMED)
		a->is_suspended = a->has_hang = false;
	lane_close(a, lane, lane->n_open - 1);
}

static void banner(struct analyser *a, struct lane *lane, const char *raw, size_t raw_len)
{
	static const struct crash_pattern reboot = {
		"", NULL, FINDING_CLASS_PANIC, FINDING_CRASH, 9, CRASH_SINGLE | CRASH_NO_FUNCTION, "unexpected reboot"
	};
	struct log_line l = { .text = "unexpected reboot", .len = 17 };
	bool is_unexpected = lane->has_banner && !lane->is_orderly && !a->has_panic && !a->reboot_wanted;

	while (lane->n_open)
		lane_close(a, lane, 0);
	if (is_unexpected)
		single_line(a, lane, &reboot, &l, raw, raw_len);
	lane->has_banner = true;
	lane->is_orderly = false;
}

/* --- lines */

static void context_push(struct lane *lane, const char *raw, size_t raw_len)
{
	unsigned at = lane->context_next;
	size_t n = raw_len < CONTEXT_BYTES ? raw_len : CONTEXT_BYTES;

	memcpy(lane->context[at], raw, n);
	lane->context_len[at] = (uint16_t)n;
	lane->context_next = at + 1 == CONTEXT_LINES ? 0 : at + 1;
}

/* "------------[ cut here ]------------" and the text of a WARN() under it. */
static void watch_cut_here(struct lane *lane, const struct log_line *l)
{
	if (l->len >= 26 && l->text[0] == '-' && memmem(l->text, l->len, "[ cut here ]", 12)) {
		lane->cut_here = CUT_HERE_LINES;
		lane->message[0] = '\0';
	} else if (lane->cut_here) {
		lane->cut_here--;
		if (!lane->message[0] && l->len)
			snprintf(lane->message, sizeof(lane->message), "%.*s", (int)(l->len < 120 ? l->len : 120),
				 l->text);
	}
}

static int slot_for(const struct lane *lane, const struct log_line *l)
{
	for (unsigned i = lane->n_open; i-- > 0;)
		if (!l->caller[0] || !lane->open[i].caller[0] || strcmp(l->caller, lane->open[i].caller) == 0)
			return (int)i;
	return -1;
}

static void line_in_report(struct analyser *a, struct lane *lane, int slot, const struct log_line *l, const char *raw,
			   size_t raw_len)
{
	struct report *r = &lane->open[slot];
	enum report_step step;

	/* The next report's first line of decoration. */
	if (r->finding->n_stack_lines && l->len >= 26 && l->text[0] == '-' &&
	    memmem(l->text, l->len, "[ cut here ]", 12)) {
		lane_close(a, lane, (unsigned)slot);
		return;
	}
	r->last_ms = a->now_ms;
	if (!r->caller[0] && l->caller[0]) /* not all lines of this log have one */
		memcpy(r->caller, l->caller, sizeof(r->caller));
	step = report_body(r, l, raw, raw_len, lane->n_lines);
	if (step == REPORT_GOES_ON) {
		a->has_stale |= r->is_stale && r->finding->id; /* else nobody sees it before its end */
		return;
	}
	lane_close(a, lane, (unsigned)slot);
	if (step == REPORT_ENDED_BEFORE)
		context_push(lane, raw, raw_len);
}

/* A first line that is the kernel's for sure: more of what is suspected, or its end. */
static void settle_suspicion(struct analyser *a, struct lane *lane, const struct crash_pattern *row, const struct log_line *l)
{
	struct report *r = lane->n_open ? &lane->open[lane->n_open - 1] : NULL;

	if (!r || !r->is_suspicion)
		return;
	if (!report_absorbs(r, row, l)) {
		lane_close(a, lane, lane->n_open - 1);
		return;
	}
	r->is_suspicion = false;
	note_panic(a, r->row);
	title_update(r);
	if (finding_set_add(&a->set, r->finding, r->row, a->is_suspended))
		note_severity(a, r->finding);
}

static void line_with_row(struct analyser *a, struct lane *lane, const struct crash_pattern *row,
			  const struct log_line *l, const char *raw, size_t raw_len)
{
	int slot;

	settle_suspicion(a, lane, row, l);
	slot = slot_for(lane, l);
	if (row->flags & CRASH_BANNER) {
		banner(a, lane, raw, raw_len);
		return;
	}
	if (row->flags & CRASH_ORDERLY) {
		lane->is_orderly = true;
		return;
	}
	if (row->flags & CRASH_SINGLE) {
		single_line(a, lane, row, l, raw, raw_len);
		return;
	}
	if (slot >= 0 && report_absorbs(&lane->open[slot], row, l)) {
		struct report *r = &lane->open[slot];

		note_panic(a, row);
		report_head(r, row, l);
		report_excerpt(r, raw, raw_len, lane->n_lines, true);
		r->last_ms = a->now_ms;
		if (r->finding->id)
			a->set.generation++;
		if (row->flags & CRASH_END)
			lane_close(a, lane, (unsigned)slot);
		return;
	}
	/* The end of a panic whose beginning was told already: nothing new. */
	if ((row->flags & CRASH_END) && a->has_panic) {
		if (slot >= 0)
			lane_close(a, lane, (unsigned)slot);
		a->panic_is_over = true;
		return;
	}
	if (slot >= 0)
		lane_close(a, lane, (unsigned)slot);
	report_begin(a, lane, row, l, raw, raw_len, true);
	if (row->flags & CRASH_END)
		lane_close(a, lane, lane->n_open - 1);
}

/* A first line that anybody may have printed: opens a suspicion, or says more of one. False: it is no news. */
static bool suspicion(struct analyser *a, struct lane *lane, const struct crash_pattern *row, const struct log_line *l,
		      const char *raw, size_t raw_len)
{
	struct report *r = lane->n_open ? &lane->open[lane->n_open - 1] : NULL;

	if (row->flags & (CRASH_SINGLE | CRASH_END | CRASH_BANNER | CRASH_ORDERLY))
		return false;
	if (r && report_absorbs(r, row, l)) {
		report_head(r, row, l);
		report_excerpt(r, raw, raw_len, lane->n_lines, true);
		return true;
	}
	if (r && !r->is_suspicion && !r->has_symbol) /* its stack is still to come, and must not be taken for this one's */
		return false;
	if (r && r->is_suspicion)
		lane_close(a, lane, lane->n_open - 1);
	report_begin(a, lane, row, l, raw, raw_len, false);
	return true;
}

/* Is a line without a kernel prefix one of the report that is open? An empty or indented one says nothing. */
static bool is_of_report(const struct analyser *a, const struct lane *lane, const struct log_line *l)
{
	struct log_symbol sym;

	if (a->opt.only_stamped || !l->len)
		return false;
	return lane->open[lane->n_open - 1].is_suspicion || log_symbol_find(l->text, l->len, &sym) ||
	       (l->text[0] != ' ' && l->text[0] != '\t' && log_line_is_body(l->text, l->len));
}

void lane_line(struct analyser *a, struct lane *lane, const struct log_line *l, const char *raw, size_t raw_len)
{
	const struct crash_pattern *row, *doubtful = NULL;
	bool is_trusted = l->is_stamped || (lane->n_stamped < STAMPED_ENOUGH && !a->opt.only_stamped);
	int slot;

	if (l->is_stamped && lane->n_stamped < STAMPED_ENOUGH)
		lane->n_stamped++;
	row = crash_index_find(&a->index, l->text, l->len);
	if (row && !is_trusted && !(row->flags & CRASH_ANY_SPEAKER)) {
		doubtful = a->opt.only_stamped ? NULL : row;
		row = NULL;
	}
	if (row && lane->source == FINDING_FROM_CONSOLE && trust_is_programs(a, l))
		row = NULL;
	if (row) {
		line_with_row(a, lane, row, l, raw, raw_len);
		return;
	}
	if (doubtful && suspicion(a, lane, doubtful, l, raw, raw_len))
		return;
	if (!lane->n_open) {
		context_push(lane, raw, raw_len);
		if (is_trusted)
			watch_cut_here(lane, l);
		return;
	}
	slot = is_trusted || is_of_report(a, lane, l) ? slot_for(lane, l) : -1;
	if (slot >= 0)
		line_in_report(a, lane, slot, l, raw, raw_len);
	if (is_trusted)
		watch_cut_here(lane, l);
}

/* --- events */

uint32_t analyser_add_plain(struct analyser *a, enum finding_source source, enum finding_class class,
			    enum finding_severity severity, const char *title, const char *text)
{
	struct finding *f = mem_alloc(sizeof(*f));

	f->class = class;
	f->severity = severity;
	f->source = source;
	f->seen_ms = a->now_ms;
	f->cpu = f->pid = -1;
	f->count = 1;
	f->is_complete = true;
	snprintf(f->title, sizeof(f->title), "%s", title);
	snprintf(f->fingerprint, sizeof(f->fingerprint), "%s:%s", finding_class_table[class].name, title);
	for (char *c = f->fingerprint; *c; c++)
		if (*c == ' ')
			*c = '-';
	if (text)
		str_add(&f->excerpt, text);
	if (finding_set_add(&a->set, f, NULL, a->is_suspended))
		return f->id;
	finding_drop(f);
	return 0;
}

void analyser_vmm(struct analyser *a, enum vmm_event ev, const char *text, uint64_t now_ms)
{
	a->now_ms = now_ms;
	switch (ev) {
	case VMM_EVENT_PANICKED:
		/* The text may still be on its way: analyser_finish() decides whether there was any. */
		a->vmm_panicked = true;
		if (!a->has_panic)
			a->panic_ms = now_ms;
		break;
	case VMM_EVENT_RESET:
		if (!a->reboot_wanted && !a->has_panic && !a->lanes[LANE_CONSOLE].is_orderly &&
		    !a->lanes[LANE_KMSG].is_orderly)
			analyser_add_plain(a, FINDING_FROM_VMM, FINDING_CLASS_PANIC, FINDING_CRASH,
					   "unexpected reset of the machine", text);
		break;
	case VMM_EVENT_IO_ERROR:
		analyser_add_plain(a, FINDING_FROM_VMM, FINDING_CLASS_INFO, FINDING_NOTICE, "a disk's file on the host failed",
			  text);
		break;
	case VMM_EVENT_NO_SPACE: /* the supervisor ends the run for it */
	case VMM_EVENT_PORT_CLOSED:
	case VMM_EVENT_RUNNING:
	case VMM_EVENT_PAUSED:
	case VMM_EVENT_SHUTDOWN:
	case VMM_EVENT_EXITED:
		break;
	}
}

void analyser_agent(struct analyser *a, enum analyser_agent_event ev, uint64_t now_ms)
{
	a->now_ms = now_ms;
	switch (ev) {
	case ANALYSER_AGENT_READY:
		break;
	case ANALYSER_AGENT_PROGRESS:
		a->has_hang = false;
		break;
	case ANALYSER_AGENT_REBOOT:
		a->reboot_wanted = true;
		break;
	}
}

void analyser_counter(struct analyser *a, bool is_end, const char *name, uint64_t value, uint64_t now_ms)
{
	a->now_ms = now_ms;
	trust_counter(a, is_end, name, value);
}

int analyser_tick(struct analyser *a, uint64_t now_ms)
{
	int wait = -1;

	a->now_ms = now_ms;
	for (unsigned i = 0; i < N_LANES; i++) {
		struct lane *lane = &a->lanes[i];

		for (unsigned j = 0; j < lane->n_open;) {
			uint64_t end = lane->open[j].last_ms + a->opt.settle_ms;

			if (now_ms >= end) {
				lane_close(a, lane, j);
				continue;
			}
			if (wait < 0 || (int)(end - now_ms) < wait)
				wait = (int)(end - now_ms);
			j++;
		}
	}
	return wait;
}

void analyser_finish(struct analyser *a, uint64_t now_ms)
{
	a->now_ms = now_ms;
	input_finish(a);
	for (unsigned i = 0; i < N_LANES; i++)
		while (a->lanes[i].n_open)
			lane_close(a, &a->lanes[i], 0);
	if (a->vmm_panicked && !finding_set_has(&a->set, 1u << FINDING_CLASS_PANIC | 1u << FINDING_CLASS_BOOT_FAILURE))
		analyser_add_plain(a, FINDING_FROM_VMM, FINDING_CLASS_PANIC, FINDING_CRASH,
			  "the guest said that it panicked, without a word on the console", NULL);
	trust_finish(a);
}
