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
 * a program that prints "BUG:" to the console accuses nobody.
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

static void report_close(struct analyser *a, struct lane *lane, unsigned slot)
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
			 const struct log_line *l, const char *raw, size_t raw_len)
{
	struct finding *f = mem_alloc(sizeof(*f)), *twin;
	struct report *r;

	if (lane->n_open == OPEN_MAX)
		report_close(a, lane, 0);
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
	report_begin(a, lane, row, l, raw, raw_len);
	if (row->class == FINDING_CLASS_ZFS_SUSPEND)
		a->is_suspended = true;
	if (row->flags & CRASH_RESUMED)
		a->is_suspended = a->has_hang = false;
	report_close(a, lane, lane->n_open - 1);
}

static void banner(struct analyser *a, struct lane *lane, const char *raw, size_t raw_len)
{
	static const struct crash_pattern reboot = {
		"", NULL, FINDING_CLASS_PANIC, FINDING_CRASH, 9, CRASH_SINGLE | CRASH_NO_FUNCTION, "unexpected reboot"
	};
	struct log_line l = { .text = "unexpected reboot", .len = 17 };
	bool is_unexpected = lane->has_banner && !lane->is_orderly && !a->has_panic && !a->reboot_wanted;

	while (lane->n_open)
		report_close(a, lane, 0);
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
		report_close(a, lane, (unsigned)slot);
		return;
	}
	r->last_ms = a->now_ms;
	step = report_body(r, l, raw, raw_len, lane->n_lines);
	if (step == REPORT_GOES_ON) {
		a->has_stale |= r->is_stale && r->finding->id; /* else nobody sees it before its end */
		return;
	}
	report_close(a, lane, (unsigned)slot);
	if (step == REPORT_ENDED_BEFORE)
		context_push(lane, raw, raw_len);
}

static void line_with_row(struct analyser *a, struct lane *lane, const struct crash_pattern *row,
			  const struct log_line *l, const char *raw, size_t raw_len)
{
	int slot = slot_for(lane, l);

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
			report_close(a, lane, (unsigned)slot);
		return;
	}
	/* The end of a panic whose beginning was told already: nothing new. */
	if ((row->flags & CRASH_END) && a->has_panic) {
		if (slot >= 0)
			report_close(a, lane, (unsigned)slot);
		a->panic_is_over = true;
		return;
	}
	if (slot >= 0)
		report_close(a, lane, (unsigned)slot);
	report_begin(a, lane, row, l, raw, raw_len);
	if (row->flags & CRASH_END)
		report_close(a, lane, lane->n_open - 1);
}

static void lane_line(struct analyser *a, struct lane *lane, const struct log_line *l, const char *raw, size_t raw_len)
{
	const struct crash_pattern *row;
	bool is_trusted = l->is_stamped || (lane->n_stamped < STAMPED_ENOUGH && !a->opt.only_stamped);
	int slot;

	if (l->is_stamped && lane->n_stamped < STAMPED_ENOUGH)
		lane->n_stamped++;
	row = crash_index_find(&a->index, l->text, l->len);
	if (row && !is_trusted && !(row->flags & CRASH_ANY_SPEAKER))
		row = NULL;
	if (row) {
		line_with_row(a, lane, row, l, raw, raw_len);
		return;
	}
	if (!lane->n_open) {
		context_push(lane, raw, raw_len);
		if (is_trusted)
			watch_cut_here(lane, l);
		return;
	}
	slot = is_trusted ? slot_for(lane, l) : -1;
	if (slot >= 0)
		line_in_report(a, lane, slot, l, raw, raw_len);
	if (is_trusted)
		watch_cut_here(lane, l);
}

static void console_line(struct analyser *a, const char *line, size_t n)
{
	struct lane *lane = &a->lanes[LANE_CONSOLE];
	struct log_line l;

	lane->n_lines++;
	log_line_parse(line, n, lane->n_lines == 1, &l);
	while (n > 0 && line[n - 1] == '\r')
		n--;
	lane_line(a, lane, &l, line, n);
}

/* Titles say all that is known: once after each piece of input rather than with each function of a stack. */
static void refresh_titles(struct analyser *a)
{
	if (!a->has_stale)
		return;
	a->has_stale = false;
	a->set.generation++;
	for (unsigned i = 0; i < N_LANES; i++)
		for (unsigned j = 0; j < a->lanes[i].n_open; j++)
			if (a->lanes[i].open[j].is_stale)
				title_update(&a->lanes[i].open[j]);
}

void analyser_console(struct analyser *a, const void *mem, size_t n, uint64_t now_ms)
{
	struct lane *lane = &a->lanes[LANE_CONSOLE];
	const char *p = mem, *end = p + n;

	a->now_ms = now_ms;
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);

		if (nl && !lane->n_partial && !lane->is_overlong) {
			console_line(a, p, len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES);
		} else if (!lane->is_overlong) {
			size_t room = LINE_MAX_BYTES - lane->n_partial;

			memcpy(lane->partial + lane->n_partial, p, len < room ? len : room);
			lane->n_partial += len < room ? len : room;
			if (nl || lane->n_partial == LINE_MAX_BYTES) {
				console_line(a, lane->partial, lane->n_partial);
				lane->n_partial = 0;
				lane->is_overlong = !nl;
			}
		} else if (nl) {
			lane->is_overlong = false;
		}
		p = nl ? nl + 1 : end;
	}
	refresh_titles(a);
}

/* /dev/kmsg writes control bytes as \xNN: turns them back. In place; returns the length. */
static size_t unescape(char *text, size_t n)
{
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned v;

		if (text[i] == '\\' && i + 3 < n && text[i + 1] == 'x' && sscanf(text + i + 2, "%2x", &v) == 1 &&
		    (v == '\n' || v == '\\' || v == '\t')) {
			text[o++] = (char)v;
			i += 3;
		} else {
			text[o++] = text[i];
		}
	}
	return o;
}

void analyser_kmsg(struct analyser *a, uint64_t seq, unsigned level, uint64_t time_us, const char *text,
		   uint64_t now_ms)
{
	struct lane *lane = &a->lanes[LANE_KMSG];
	struct log_line l = { .is_stamped = true, .has_time = true, .time_us = time_us };
	char buf[LINE_MAX_BYTES];
	size_t n = strnlen(text, sizeof(buf) - 1);
	char *p = buf, *end;

	(void)seq;
	(void)level;
	a->now_ms = now_ms;
	memcpy(buf, text, n);
	buf[n] = '\0';
	n = unescape(buf, n);
	end = buf + n;
	while (p < end) {
		char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);

		lane->n_lines++;
		l.text = p;
		l.len = len;
		lane_line(a, lane, &l, p, len);
		p += len + 1;
	}
	refresh_titles(a);
}

/* --- events */

/* A finding that no log line tells. */
static void add_plain(struct analyser *a, enum finding_source source, enum finding_class class,
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
	if (!finding_set_add(&a->set, f, NULL, a->is_suspended))
		finding_drop(f);
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
			add_plain(a, FINDING_FROM_VMM, FINDING_CLASS_PANIC, FINDING_CRASH,
				  "unexpected reset of the machine", text);
		break;
	case VMM_EVENT_IO_ERROR:
		add_plain(a, FINDING_FROM_VMM, FINDING_CLASS_INFO, FINDING_NOTICE, "a disk's file on the host failed",
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
	kernel_counters_set(&a->counters, is_end, name, value);
}

static void compare_counters(struct analyser *a)
{
	const struct counter_rule *rule;
	size_t pos = 0;

	while ((rule = kernel_counters_next(&a->counters, &pos)))
		if (!finding_set_has(&a->set, rule->explained_by))
			add_plain(a, FINDING_FROM_AGENT, rule->class, finding_class_table[rule->class].severity,
				  rule->title, NULL);
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
				report_close(a, lane, j);
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
	struct lane *console = &a->lanes[LANE_CONSOLE];

	a->now_ms = now_ms;
	if (console->n_partial) {
		console_line(a, console->partial, console->n_partial);
		console->n_partial = 0;
	}
	for (unsigned i = 0; i < N_LANES; i++)
		while (a->lanes[i].n_open)
			report_close(a, &a->lanes[i], 0);
	if (a->vmm_panicked && !finding_set_has(&a->set, 1u << FINDING_CLASS_PANIC | 1u << FINDING_CLASS_BOOT_FAILURE))
		add_plain(a, FINDING_FROM_VMM, FINDING_CLASS_PANIC, FINDING_CRASH,
			  "the guest said that it panicked, without a word on the console", NULL);
	compare_counters(a);
}
