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

#include "run/analyser.h"

#include <stdio.h>
#include <string.h>

#include "run/analyser_report.h"
#include "run/known_issues.h"

#define LINE_MAX_BYTES 2048 /* the kernel's own limit is about 1000 */
#define OPEN_MAX 4	    /* reports open at once in a lane */
#define CONTEXT_LINES 6
#define CONTEXT_BYTES 240   /* of each */
#define STAMPED_ENOUGH 4    /* stamped lines after which a lane's other lines are not the kernel's */
#define CUT_HERE_LINES 4    /* a WARN's text comes within these after "cut here" */
#define TWIN_WINDOW_MS 15000 /* the other lane's copy without a time stamp comes within this */
#define STALL_MEMORY_MS 300000 /* stalls and blocked tasks that go on are reported again and again */
#define COUNTERS_MAX 16

enum lane_id {
	LANE_CONSOLE,
	LANE_KMSG,
	N_LANES,
};

struct lane {
	enum finding_source source;
	uint64_t n_lines;
	unsigned n_stamped;
	bool has_banner;   /* "Linux version" was seen */
	bool is_orderly;   /* a reboot was announced */
	char partial[LINE_MAX_BYTES];
	size_t n_partial;
	bool is_overlong;  /* the rest of the line is thrown away */

	struct report open[OPEN_MAX];
	unsigned n_open;

	/* The last lines, for the context of the next report. */
	char context[CONTEXT_LINES][CONTEXT_BYTES];
	uint16_t context_len[CONTEXT_LINES];
	unsigned context_next;

	unsigned cut_here;  /* lines left in which the text of a WARN may come */
	char message[FINDING_TITLE_MAX];
};

struct counter {
	char name[48];
	uint64_t start, end;
	bool has_start, has_end;
};

struct analyser {
	struct analyser_options opt;
	struct strv allow;
	struct known_issues known;
	struct crash_index index;
	struct lane lanes[N_LANES];

	struct finding **findings; /* owned, each on its own so that reports can point at them */
	size_t n_findings;
	uint32_t next_id;
	uint64_t generation, n_dropped;
	uint64_t now_ms;

	bool has_panic, panic_is_over, reboot_wanted;
	bool vmm_panicked;
	uint64_t panic_ms;
	bool is_suspended; /* a pool */
	bool has_hang;
	uint64_t hang_ms, hang_last_ms;

	struct counter counters[COUNTERS_MAX];
	size_t n_counters;
};

struct analyser *analyser_new(const struct analyser_options *opt)
{
	struct analyser *a = mem_alloc(sizeof(*a));

	if (opt)
		a->opt = *opt;
	if (!a->opt.settle_ms)
		a->opt.settle_ms = 2000;
	if (!a->opt.max_findings)
		a->opt.max_findings = 64;
	for (const char *const *p = a->opt.allow; p && *p; p++)
		strv_add(&a->allow, *p);
	if (a->opt.known)
		known_issues_copy(&a->known, a->opt.known);
	a->opt.allow = NULL;
	a->opt.known = NULL;
	crash_index_init(&a->index);
	a->lanes[LANE_CONSOLE].source = FINDING_FROM_CONSOLE;
	a->lanes[LANE_KMSG].source = FINDING_FROM_KMSG;
	return a;
}

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
	for (size_t i = 0; i < a->n_findings; i++)
		finding_drop(a->findings[i]);
	free(a->findings);
	strv_clear(&a->allow);
	known_issues_clear(&a->known);
	free(a);
}

static struct finding *find_id(const struct analyser *a, uint32_t id)
{
	for (size_t i = 0; i < a->n_findings; i++)
		if (a->findings[i]->id == id)
			return a->findings[i];
	return NULL;
}

/* --- the list of findings */

static void finding_judge(struct analyser *a, struct finding *f)
{
	const struct known_issue *known;

	f->is_allowed = false;
	for (size_t i = 0; i < a->allow.n && !f->is_allowed; i++)
		f->is_allowed = finding_matches(f, a->allow.v[i]);
	known = known_issues_find(&a->known, f);
	if (known) {
		f->is_allowed = true;
		snprintf(f->known, sizeof(f->known), "%s", known->text);
	}
}

/* Does it follow from what was found before? The cause is the nearest earlier one that is bad enough. */
static void finding_link(struct analyser *a, struct finding *f, const struct crash_pattern *row)
{
	bool is_consequence = row && (row->flags & CRASH_CONSEQUENCE);

	for (size_t i = a->n_findings; i-- > 0;) {
		const struct finding *old = a->findings[i];

		if (old == f || old->is_secondary)
			continue;
		if (is_consequence ? old->severity >= FINDING_WARN : old->severity == FINDING_CRASH) {
			/* Another crash of its own is no consequence: two threads may find two bugs. */
			if (!is_consequence && f->severity >= FINDING_CRASH && f->class != FINDING_CLASS_PANIC)
				return;
			f->is_secondary = true;
			f->cause_id = old->id;
			return;
		}
		if (f->class == FINDING_CLASS_HANG && old->class == FINDING_CLASS_ZFS_SUSPEND && a->is_suspended) {
			f->is_secondary = true;
			f->cause_id = old->id;
			return;
		}
	}
}

/* Room for one more: the newest of the least severe gives way to something worse. */
static bool findings_make_room(struct analyser *a, const struct finding *f)
{
	size_t victim = a->n_findings;

	if (a->n_findings < a->opt.max_findings)
		return true;
	for (size_t i = 0; i < a->n_findings; i++) {
		const struct finding *old = a->findings[i];

		if (old->is_complete && old->severity < f->severity &&
		    (victim == a->n_findings || old->severity <= a->findings[victim]->severity))
			victim = i;
	}
	if (victim == a->n_findings)
		return false;
	finding_drop(a->findings[victim]);
	a->n_findings--;
	memmove(&a->findings[victim], &a->findings[victim + 1], (a->n_findings - victim) * sizeof(*a->findings));
	return true;
}

/* Takes it into the list. False: no room; it is counted only, and still the caller's. */
static bool findings_add(struct analyser *a, struct finding *f, const struct crash_pattern *row)
{
	if (!findings_make_room(a, f)) {
		a->n_dropped++;
		return false;
	}
	f->id = ++a->next_id;
	finding_link(a, f, row);
	finding_judge(a, f);
	if (!a->findings)
		a->findings = mem_alloc(a->opt.max_findings * sizeof(*a->findings));
	a->findings[a->n_findings++] = f;
	a->generation++;
	return true;
}

static void findings_remove(struct analyser *a, struct finding *f)
{
	for (size_t i = 0; i < a->n_findings; i++) {
		if (a->findings[i] != f)
			continue;
		a->n_findings--;
		memmove(&a->findings[i], &a->findings[i + 1], (a->n_findings - i) * sizeof(*a->findings));
		break;
	}
	finding_drop(f);
	a->generation++;
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

/* The other lane's (or this lane's earlier) copy of the same first line. */
static struct finding *find_twin(struct analyser *a, const struct lane *lane, const struct finding *f)
{
	uint8_t bit = (uint8_t)(1u << lane->source);

	for (size_t i = a->n_findings; i-- > 0;) {
		struct finding *old = a->findings[i];

		if (old->key != f->key)
			continue;
		if (old->has_time && f->has_time ? old->time_us == f->time_us
						 : !(old->seen_in & bit) && a->now_ms <= old->seen_ms + TWIN_WINDOW_MS)
			return old;
	}
	return NULL;
}

/* The fuller report's content moves into the finding that people know already. */
static void finding_take_content(struct finding *f, struct finding *from)
{
	struct str excerpt = f->excerpt;

	f->class = from->class;
	if (from->severity > f->severity)
		f->severity = from->severity;
	memcpy(f->title, from->title, sizeof(f->title));
	memcpy(f->function, from->function, sizeof(f->function));
	memcpy(f->module, from->module, sizeof(f->module));
	memcpy(f->file, from->file, sizeof(f->file));
	f->line = from->line;
	memcpy(f->fingerprint, from->fingerprint, sizeof(f->fingerprint));
	memcpy(f->frames, from->frames, sizeof(f->frames));
	f->n_frames = from->n_frames;
	f->n_stack_lines = from->n_stack_lines;
	f->excerpt = from->excerpt;
	from->excerpt = excerpt;
	f->context_bytes = from->context_bytes;
	if (f->source != FINDING_FROM_CONSOLE || from->source == FINDING_FROM_CONSOLE) {
		f->first_line = from->first_line;
		f->last_line = from->last_line;
		f->source = from->source;
	}
	if (f->cpu < 0)
		f->cpu = from->cpu;
	if (f->pid < 0)
		f->pid = from->pid;
	if (!f->comm[0])
		memcpy(f->comm, from->comm, sizeof(f->comm));
}

/* An equal finding that is there already counts this one. */
static void finding_merge_equal(struct analyser *a, struct finding *f)
{
	for (size_t i = 0; i < a->n_findings; i++) {
		struct finding *old = a->findings[i];

		if (old == f || !old->is_complete || old->class != f->class || old->cause_id != f->cause_id ||
		    strcmp(old->fingerprint, f->fingerprint) != 0)
			continue;
		old->count += f->count;
		findings_remove(a, f);
		return;
	}
}

static void report_close(struct analyser *a, struct lane *lane, unsigned slot)
{
	struct report r = lane->open[slot];
	struct finding *f = r.finding, *twin;
	bool is_panic = f->class == FINDING_CLASS_PANIC || f->class == FINDING_CLASS_BOOT_FAILURE;

	report_finish(&r);
	lane->n_open--;
	memmove(&lane->open[slot], &lane->open[slot + 1], (lane->n_open - slot) * sizeof(lane->open[0]));
	if (is_panic && a->has_panic)
		a->panic_is_over = true;
	if (!f->id) { /* a twin's copy, or one without room */
		twin = r.twin_id ? find_id(a, r.twin_id) : NULL;
		if (twin && f->n_stack_lines > twin->n_stack_lines) {
			finding_take_content(twin, f);
			finding_judge(a, twin);
			a->generation++;
		}
		finding_drop(f);
		return;
	}
	finding_judge(a, f);
	note_severity(a, f);
	a->generation++;
	finding_merge_equal(a, f);
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

static void report_begin(struct analyser *a, struct lane *lane, const struct crash_pattern *row, const struct log_line *l,
			 const char *raw, size_t raw_len)
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
	twin = find_twin(a, lane, f);
	if (twin) {
		twin->seen_in |= f->seen_in;
		r->twin_id = twin->id;
		return;
	}
	if (findings_add(a, f, row))
		note_severity(a, f);
}

/* One line that is a finding by itself, beside whatever report is open. */
static void single_line(struct analyser *a, struct lane *lane, const struct crash_pattern *row, const struct log_line *l,
			const char *raw, size_t raw_len)
{
	unsigned n = lane->n_open;

	if (n == OPEN_MAX)
		return;
	report_begin(a, lane, row, l, raw, raw_len);
	if (row->class == FINDING_CLASS_ZFS_SUSPEND)
		a->is_suspended = true;
	if (row->flags & CRASH_RESUMED)
		a->is_suspended = a->has_hang = false;
	report_close(a, lane, n);
}

static void banner(struct analyser *a, struct lane *lane, const char *raw, size_t raw_len)
{
	static const struct crash_pattern reboot = { "", NULL, FINDING_CLASS_PANIC, FINDING_CRASH, 9, CRASH_SINGLE | CRASH_NO_FUNCTION,
						     "unexpected reboot" };
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
			snprintf(lane->message, sizeof(lane->message), "%.*s", (int)(l->len < 120 ? l->len : 120), l->text);
	}
}

static int slot_for(const struct lane *lane, const struct log_line *l)
{
	for (unsigned i = lane->n_open; i-- > 0;)
		if (!l->caller[0] || !lane->open[i].caller[0] || strcmp(l->caller, lane->open[i].caller) == 0)
			return (int)i;
	return -1;
}

static void line_in_report(struct analyser *a, struct lane *lane, int slot, const struct log_line *l, const char *raw, size_t raw_len)
{
	struct report *r = &lane->open[slot];
	enum report_step step;

	/* The next report's first line of decoration. */
	if (r->finding->n_stack_lines && l->len >= 26 && l->text[0] == '-' && memmem(l->text, l->len, "[ cut here ]", 12)) {
		report_close(a, lane, (unsigned)slot);
		return;
	}
	r->last_ms = a->now_ms;
	step = report_body(r, l, raw, raw_len, lane->n_lines);
	if (step == REPORT_GOES_ON) {
		report_update(r);
		if (r->finding->id)
			a->generation++;
		return;
	}
	report_close(a, lane, (unsigned)slot);
	if (step == REPORT_ENDED_BEFORE)
		context_push(lane, raw, raw_len);
}

static void line_with_row(struct analyser *a, struct lane *lane, const struct crash_pattern *row, const struct log_line *l,
			  const char *raw, size_t raw_len)
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
			a->generation++;
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
	bool is_trusted = l->is_stamped || lane->n_stamped < STAMPED_ENOUGH;
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
}

/* /dev/kmsg writes control bytes as \xNN: turns them back. In place; returns the length. */
static size_t unescape(char *text, size_t n)
{
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned v;

		if (text[i] == '\\' && i + 3 < n && text[i + 1] == 'x' && sscanf(text + i + 2, "%2x", &v) == 1 && (v == '\n' || v == '\\' || v == '\t')) {
			text[o++] = (char)v;
			i += 3;
		} else {
			text[o++] = text[i];
		}
	}
	return o;
}

void analyser_kmsg(struct analyser *a, uint64_t seq, unsigned level, uint64_t time_us, const char *text, uint64_t now_ms)
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
}

/* --- events */

/* A finding that no log line tells. */
static void add_plain(struct analyser *a, enum finding_source source, enum finding_class class, enum finding_severity severity,
		      const char *title, const char *text)
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
	if (!findings_add(a, f, NULL))
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
		if (!a->reboot_wanted && !a->has_panic && !a->lanes[LANE_CONSOLE].is_orderly && !a->lanes[LANE_KMSG].is_orderly)
			add_plain(a, FINDING_FROM_VMM, FINDING_CLASS_PANIC, FINDING_CRASH, "unexpected reset of the machine", text);
		break;
	case VMM_EVENT_PORT_CLOSED:
	case VMM_EVENT_IO_ERROR:
		add_plain(a, FINDING_FROM_VMM, FINDING_CLASS_INFO, FINDING_NOTICE, "a disk's file on the host failed", text);
		break;
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
	struct counter *c = NULL;

	a->now_ms = now_ms;
	for (size_t i = 0; i < a->n_counters && !c; i++)
		if (strcmp(a->counters[i].name, name) == 0)
			c = &a->counters[i];
	if (!c) {
		if (a->n_counters == COUNTERS_MAX || strlen(name) >= sizeof(c->name))
			return;
		c = &a->counters[a->n_counters++];
		snprintf(c->name, sizeof(c->name), "%s", name);
	}
	if (is_end) {
		c->end = value;
		c->has_end = true;
	} else {
		c->start = value;
		c->has_start = true;
	}
}

static bool has_class(const struct analyser *a, uint32_t classes)
{
	for (size_t i = 0; i < a->n_findings; i++)
		if (classes & (1u << a->findings[i]->class))
			return true;
	return false;
}

/* What an increase of a counter must be explained by, and what it is if it is not. */
#define BIT(c) (1u << FINDING_CLASS_##c)
#define SERIOUS (BIT(PANIC) | BIT(OOPS) | BIT(BUG) | BIT(SANITIZER) | BIT(ZFS_PANIC))
static const struct counter_rule {
	const char *name;
	unsigned taint_bit; /* with name "tainted": Documentation/admin-guide/tainted-kernels.rst */
	uint32_t explained_by;
	enum finding_class class;
	const char *title;
} counter_rules[] = {
	{ "oops_count", 0, SERIOUS, FINDING_CLASS_OOPS, "the kernel counted an oops that no log shows" },
	{ "tainted", 7, SERIOUS, FINDING_CLASS_OOPS, "the kernel is tainted D (died): an oops that no log shows" },
	{ "tainted", 5, SERIOUS, FINDING_CLASS_BUG, "the kernel is tainted B (bad page) without a log line" },
	{ "tainted", 4, SERIOUS, FINDING_CLASS_OOPS, "the kernel is tainted M (machine check) without a log line" },
	{ "warn_count", 0, SERIOUS | BIT(WARN) | BIT(LOCKING) | BIT(RCU), FINDING_CLASS_WARN, "the kernel counted a WARN that no log shows" },
	{ "tainted", 9, SERIOUS | BIT(WARN) | BIT(LOCKING) | BIT(RCU), FINDING_CLASS_WARN, "the kernel is tainted W (WARN) without a log line" },
	{ "tainted", 14, BIT(STALL), FINDING_CLASS_STALL, "the kernel is tainted L (soft lockup) without a log line" },
	{ "softlockup_count", 0, BIT(STALL), FINDING_CLASS_STALL, "the kernel counted a soft lockup that no log shows" },
	{ "hardlockup_count", 0, BIT(STALL), FINDING_CLASS_STALL, "the kernel counted a hard lockup that no log shows" },
	{ "rcu_stall_count", 0, BIT(STALL), FINDING_CLASS_STALL, "the kernel counted an RCU stall that no log shows" },
};

static void compare_counters(struct analyser *a)
{
	for (size_t i = 0; i < a->n_counters; i++) {
		const struct counter *c = &a->counters[i];

		if (!c->has_start || !c->has_end)
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(counter_rules); j++) {
			const struct counter_rule *rule = &counter_rules[j];
			bool is_more;

			if (strcmp(rule->name, c->name) != 0)
				continue;
			if (strcmp(c->name, "tainted") == 0)
				is_more = (c->end & ~c->start) >> rule->taint_bit & 1;
			else
				is_more = c->end > c->start;
			if (is_more && !has_class(a, rule->explained_by))
				add_plain(a, FINDING_FROM_AGENT, rule->class, finding_class_table[rule->class].severity, rule->title, NULL);
		}
	}
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
	if (a->vmm_panicked && !has_class(a, BIT(PANIC) | BIT(BOOT_FAILURE)))
		add_plain(a, FINDING_FROM_VMM, FINDING_CLASS_PANIC, FINDING_CRASH, "the guest said that it panicked, without a word on the console", NULL);
	compare_counters(a);
}

/* --- questions */

size_t analyser_n_findings(const struct analyser *a)
{
	return a->n_findings;
}

const struct finding *analyser_finding(const struct analyser *a, size_t i)
{
	return a->findings[i];
}

const struct finding *analyser_by_id(const struct analyser *a, uint32_t id)
{
	return find_id(a, id);
}

void analyser_set_report(struct analyser *a, uint32_t id, const char *text, size_t n)
{
	struct finding *f = find_id(a, id);

	if (!f)
		return;
	str_truncate(&f->excerpt, f->context_bytes);
	str_add_mem(&f->excerpt, text, n);
	a->generation++;
}

uint64_t analyser_generation(const struct analyser *a)
{
	return a->generation;
}

uint64_t analyser_n_dropped(const struct analyser *a)
{
	return a->n_dropped;
}

uint64_t analyser_n_lines(const struct analyser *a)
{
	return a->lanes[LANE_CONSOLE].n_lines;
}

const struct finding *analyser_worst(const struct analyser *a, enum finding_severity at_least)
{
	for (size_t i = 0; i < a->n_findings; i++) {
		const struct finding *f = a->findings[i];

		if (f->severity >= at_least && !f->is_allowed && !f->is_init_death)
			return f;
	}
	return NULL;
}

const struct finding *analyser_crash(const struct analyser *a)
{
	return analyser_worst(a, FINDING_CRASH);
}

bool analyser_panic_is_over(const struct analyser *a)
{
	if (a->has_panic)
		return a->panic_is_over;
	return a->vmm_panicked && a->now_ms >= a->panic_ms + a->opt.settle_ms;
}

bool analyser_hang_since(const struct analyser *a, uint64_t *ret_ms)
{
	if (!a->has_hang || a->now_ms > a->hang_last_ms + STALL_MEMORY_MS)
		return false;
	*ret_ms = a->hang_ms;
	return true;
}
