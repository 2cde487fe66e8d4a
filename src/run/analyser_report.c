/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Reports have no common frame: some end with "---[ end trace", some with a
 * row of '=', many with nothing. So a report ends at its end marker, or when
 * several lines in a row do not look like a part of it, or after a gap in
 * the kernel's clock, or at the next first line. What came after the last line
 * that looked right is cut off again.
 *
 * The functions that make the fingerprint come from the first stack only:
 * KASAN prints those of allocation and freeing, too, which vary.
 */

#include "run/analyser_report.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "run/analyser_title.h"
#include "run/analyser_words.h"

#define HEAD_LINES_MAX	 40 /* after so many lines a first line begins another report */
#define REPORT_LINES_MAX 600
#define FOREIGN_MAX	 6	 /* strange lines in a row that end a report with a stack */
#define FOREIGN_HEAD_MAX 12	 /* the same before the stack: prose, as lockdep's */
#define NULL_PAGE	 4096	 /* a jump to NULL may have gone on for a few instructions (s390: there is memory there) */
#define CPU_LINE_MAX	 160	 /* bytes in which CPU, PID and command of a line are looked for */
#define GAP_US		 3000000 /* a report is printed in one go; slow consoles need some time for it */

static inline bool starts(const char *text, size_t n, const char *prefix)
{
	size_t len = strlen(prefix);

	return n >= len && text[0] == prefix[0] && memcmp(text, prefix, len) == 0;
}

/* Copies bytes as printable text. */
static void copy_text(char *to, size_t size, const char *text, size_t n)
{
	size_t o = 0;

	for (size_t i = 0; i < n && o + 1 < size; i++) {
		unsigned char c = (unsigned char)text[i];

		to[o++] = c < 0x20 || c >= 0x7f ? (c == '\t' ? ' ' : '?') : (char)c;
	}
	while (o > 0 && to[o - 1] == ' ')
		o--;
	to[o] = '\0';
}

static void add_function(struct report *r, const struct log_symbol *sym)
{
	struct finding *f = r->finding;

	if (sym->is_unreliable) {
		if (r->n_guesses < FINDING_FRAMES_MAX)
			r->guesses[r->n_guesses++] = *sym;
		return;
	}
	if (log_symbol_is_boilerplate(sym->name) ||
	    (f->class == FINDING_CLASS_LEAK && words_have(&words_allocators, sym->name)))
		return;
	for (uint32_t i = 0; i < f->n_frames; i++)
		if (strcmp(f->frames[i], sym->name) == 0) {
			if (i == 0 && !f->module[0] && sym->module[0]) { /* a first line may have the bare name */
				memcpy(f->module, sym->module, sizeof(f->module));
				r->is_stale = true;
			}
			return;
		}
	if (f->n_frames == FINDING_FRAMES_MAX)
		return;
	r->is_stale = true;
	if (f->n_frames == 0) {
		f->function[0] = f->module[0] = '\0';
		title_add(f->function, sizeof(f->function), sym->name);
		title_add(f->module, sizeof(f->module), sym->module);
	}
	f->frames[f->n_frames][0] = '\0';
	title_add(f->frames[f->n_frames++], sizeof(f->frames[0]), sym->name);
}

/* What stands behind a word in a text, or NULL. */
static const char *after(const char *text, const char *end, const char *word)
{
	size_t n = strlen(word);

	for (; (text = memchr(text, word[0], (size_t)(end - text))) && (size_t)(end - text) > n; text++)
		if (memcmp(text, word, n) == 0)
			return text + n;
	return NULL;
}

static int32_t number_at(const char *p, const char *end)
{
	int32_t v = 0;

	for (; p < end && isdigit((unsigned char)*p) && v < 100000000; p++)
		v = v * 10 + (*p - '0');
	return v;
}

static void set_comm(struct finding *f, const char *p, const char *end)
{
	size_t n = (size_t)(end - p);

	copy_text(f->comm, n < sizeof(f->comm) ? n + 1 : sizeof(f->comm), p, n);
}

/* "CPU: 1 PID: 123 Comm: zpool Tainted: ...", also "CPU: 1 UID: 0 PID: ..." and the first line of a WARN. */
static void parse_cpu(struct finding *f, const char *text, size_t n)
{
	const char *end = text + (n < CPU_LINE_MAX ? n : CPU_LINE_MAX), *p, *colon, *slash;

	if (f->cpu < 0 && (p = after(text, end, "CPU: ")) && isdigit((unsigned char)*p))
		f->cpu = number_at(p, end);
	if (f->pid < 0 && (p = after(text, end, "PID: ")) && isdigit((unsigned char)*p))
		f->pid = number_at(p, end);
	if (!f->comm[0] && (p = after(text, end, "Comm: "))) {
		const char *blank = memchr(p, ' ', (size_t)(end - p));

		set_comm(f, p, blank ? blank : end);
	}
	if (f->cpu >= 0 || !(p = after(text, end, ", CPU#"))) /* since 6.19: ", CPU#1: comm/123" */
		return;
	f->cpu = number_at(p, end);
	colon = after(p, end, ": ");
	slash = colon ? memrchr(colon, '/', (size_t)(end - colon)) : NULL;
	if (slash) {
		set_comm(f, colon, slash);
		f->pid = number_at(slash + 1, end);
	}
}

/* "INFO: task COMM:PID blocked", "soft lockup - CPU#1 stuck for 22s! [comm:123]" */
static void parse_task(struct finding *f, const char *head)
{
	const char *p = NULL, *colon;
	size_t n = 0;

	if (str_starts(head, "INFO: task ")) {
		p = head + 11;
		n = strcspn(p, " ");
	} else if ((p = strrchr(head, '[')) && strchr(p, ']')) {
		p++;
		n = strcspn(p, "]");
	}
	if (!p || !n)
		return;
	for (colon = p + n; colon > p && *colon != ':'; colon--)
		;
	if (*colon != ':' || !isdigit((unsigned char)colon[1]))
		return;
	snprintf(f->comm, sizeof(f->comm), "%.*s", (int)(colon - p), p);
	f->pid = (int32_t)strtoul(colon + 1, NULL, 10);
	p = strstr(head, "CPU#");
	if (p && f->cpu < 0)
		f->cpu = (int32_t)strtoul(p + 4, NULL, 10);
}

/* "PANIC at dmu.c:123:dmu_read()" names the function without an offset. */
static void parse_zfs_at(struct report *r, const char *text, size_t n)
{
	struct log_symbol sym = { 0 };
	const char *end = text + n, *colon, *paren;

	for (paren = text; paren < end && *paren != '('; paren++)
		;
	for (colon = paren; colon > text && *colon != ':'; colon--)
		;
	if (paren == end || *colon != ':' || paren - colon < 2 || (size_t)(paren - colon) > sizeof(sym.name))
		return;
	memcpy(sym.name, colon + 1, (size_t)(paren - colon - 1));
	for (const char *c = sym.name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_')
			return;
	add_function(r, &sym);
}

static void parse_head(struct report *r, const struct log_line *l)
{
	struct finding *f = r->finding;
	struct log_symbol sym;
	const char *at = l->text;
	size_t n = l->len;

	if (!f->file[0])
		log_source_find(l->text, l->len, f->file, sizeof(f->file), &f->line);
	if (starts(l->text, l->len, "PANIC at "))
		parse_zfs_at(r, l->text, l->len);
	while (log_symbol_find(at, n, &sym)) {
		const char *next = memmem(at, n, "+0x", 3);

		add_function(r, &sym);
		n -= (size_t)(next + 3 - at);
		at = next + 3;
	}
	parse_cpu(f, l->text, l->len);
	parse_task(f, r->head);
}

void report_open(struct report *r, struct finding *f, const struct crash_pattern *row, const struct log_line *l,
		 const char *message)
{
	memset(r, 0, sizeof(*r));
	r->finding = f;
	r->row = row;
	title_add(r->caller, sizeof(r->caller), l->caller);
	r->has_time = l->has_time;
	r->last_time_us = l->time_us;
	f->class = row->class;
	f->severity = row->severity;
	f->is_init_death = row->flags & CRASH_INIT_DEATH;
	f->has_time = l->has_time;
	f->time_us = l->time_us;
	f->cpu = f->pid = -1;
	f->count = 1;
	title_add(f->caller, sizeof(f->caller), l->caller);
	copy_text(r->head, sizeof(r->head), l->text, l->len);
	if (message && *message) {
		snprintf(r->message, sizeof(r->message), "%s", message);
		r->has_message = true;
	}
	parse_head(r, l);
	r->is_stale = true;
}

void report_head(struct report *r, const struct crash_pattern *row, const struct log_line *l)
{
	struct finding *f = r->finding;

	if (row->rank > r->row->rank) {
		r->row = row;
		f->class = row->class;
		copy_text(r->head, sizeof(r->head), l->text, l->len);
	}
	if (row->severity > f->severity && !(row->flags & CRASH_END))
		f->severity = row->severity;
	if (row->flags & CRASH_INIT_DEATH)
		f->is_init_death = true;
	parse_head(r, l);
	title_update(r);
}

bool report_absorbs(const struct report *r, const struct crash_pattern *row, const struct log_line *l)
{
	if (!(row->flags & CRASH_FOLLOWS) || r->n_lines > HEAD_LINES_MAX)
		return false;
	if (row->flags & CRASH_END)
		return r->finding->class == FINDING_CLASS_PANIC || r->finding->class == FINDING_CLASS_BOOT_FAILURE;
	if (r->has_time && l->has_time && l->time_us > r->last_time_us + GAP_US)
		return false;
	/* What is only a complaint does not turn into a crash: two CPUs speak at once. A fault that may be a program's does. */
	if (row->severity == FINDING_CRASH && r->finding->severity < FINDING_CRASH && r->finding->class != FINDING_CLASS_OOPS)
		return false;
	/* A WARN follows only what is the text of a WARN. */
	if (row->class == FINDING_CLASS_WARN && r->row->class != FINDING_CLASS_BUG &&
	    r->row->class != FINDING_CLASS_LOCKING && r->row->class != FINDING_CLASS_LEAK &&
	    r->row->class != FINDING_CLASS_WARN)
		return false;
	return r->phase == REPORT_HEAD;
}

void report_excerpt(struct report *r, const char *raw, size_t raw_len, uint64_t line_no, bool is_sure)
{
	struct finding *f = r->finding;

	if (is_sure)
		f->last_line = line_no;
	if (f->excerpt.len + raw_len + 1 > FINDING_EXCERPT_MAX)
		return;
	if (!f->first_line)
		f->first_line = line_no;
	str_add_line(&f->excerpt, raw, raw_len);
	if (is_sure)
		r->committed_bytes = f->excerpt.len;
}

/* Where a stack begins, in the words of the architectures. */
static bool is_stack_title(const char *text, size_t n)
{
	return starts(text, n, "Call Trace:") || starts(text, n, "Call trace:") || starts(text, n, "Backtrace:") ||
	       starts(text, n, "stack backtrace:") || starts(text, n, " backtrace") || starts(text, n, "  backtrace");
}

/* Titles of stacks that are not where it happened. */
static bool is_other_stack(const char *text, size_t n)
{
	return starts(text, n, "Allocated by") || starts(text, n, "Freed by") ||
	       starts(text, n, "Last potentially related") || starts(text, n, "Allocated in ") ||
	       starts(text, n, "Freed in ") || starts(text, n, "Modules linked in:") || starts(text, n, "Uninit was") ||
	       starts(text, n, "INFO: Allocated in");
}

/* `  comm "sh", pid 77, jiffies 4294940000 (age 7.000s)` of a leak: who asked for the memory. */
static void parse_leak(struct finding *f, const char *text, size_t n)
{
	char buf[96];
	const char *p;

	copy_text(buf, sizeof(buf), text, n);
	p = strstr(buf, "\", pid ");
	if (!p || f->comm[0])
		return;
	f->pid = (int32_t)strtoul(p + 7, NULL, 10);
	snprintf(f->comm, sizeof(f->comm), "%.*s", (int)(p - buf) - 8, buf + 8);
}

/* The stack of RCU's own thread, or of who has its CPU: the latter is named if nobody else is. */
static void collect_aside(struct report *r, enum log_aside aside, const char *text, size_t n)
{
	struct log_symbol sym;

	if (aside != LOG_ASIDE_LAST_RAN || !log_symbol_find(text, n, &sym) || log_symbol_is_boilerplate(sym.name))
		return;
	if (sym.is_unreliable)
		return;
	sym.is_unreliable = true;
	add_function(r, &sym);
}

/* Where the link register is told. */
static bool is_link(const char *text, size_t n)
{
	return starts(text, n, "lr : ") || starts(text, n, "LR [") || starts(text, n, "LR is at") || starts(text, n, " ra : ");
}

/* The first program counter of a report: does it point into a function? sym: of the line, or NULL. */
static void collect_counter(struct report *r, const char *text, size_t n, const struct log_symbol *sym)
{
	uint64_t address;

	if (r->has_counter || r->phase != REPORT_HEAD || !log_line_is_program_counter(text, n))
		return;
	r->has_counter = true;
	r->is_jump = !sym && log_line_address(text, n, &address);
	r->is_jump_to_null = r->is_jump && address < NULL_PAGE && r->finding->class == FINDING_CLASS_OOPS;
	r->is_stale |= r->is_jump_to_null;
}

static void collect(struct report *r, const char *text, size_t n)
{
	enum log_aside aside = log_aside_step(&r->aside, text, n);
	struct log_symbol sym;

	if (aside != LOG_ASIDE_NONE) {
		collect_aside(r, aside, text, n);
		return;
	}
	if (starts(text, n, "kmemleak: ")) { /* in front of each line of a report */
		text += 10;
		n -= 10;
	}
	if (starts(text, n, "  comm \""))
		parse_leak(r->finding, text, n);
	if (starts(text, n, "CPU: "))
		parse_cpu(r->finding, text, n);
	if (!r->finding->file[0] && r->phase == REPORT_HEAD && r->row->class == FINDING_CLASS_RCU)
		r->is_stale |= log_source_find(text, n, r->finding->file, sizeof(r->finding->file), &r->finding->line);
	if (is_stack_title(text, n)) {
		/* "stack backtrace:" and "Call Trace:" are titles of one. */
		if (r->phase == REPORT_STACK && r->finding->n_stack_lines)
			r->phase = REPORT_TAIL;
		else if (r->phase == REPORT_HEAD)
			r->phase = REPORT_STACK;
		return;
	}
	if (is_other_stack(text, n)) {
		if (r->phase == REPORT_STACK || r->finding->n_stack_lines)
			r->phase = REPORT_TAIL;
		return;
	}
	if (!log_symbol_find(text, n, &sym)) {
		collect_counter(r, text, n, NULL);
		return;
	}
	r->has_symbol = true;
	collect_counter(r, text, n, &sym);
	/* " #0: ffff... (lock){+.+.}, at: func+0x1/0x2": who took a lock that is held is rarely who broke the rule. */
	if (n > 3 && text[0] == ' ' && text[1] == '#' && isdigit((unsigned char)text[2])) {
		sym.is_unreliable = true;
		add_function(r, &sym);
		return;
	}
	if (is_link(text, n)) { /* where it would have returned to: often a leftover, but not of a jump to nowhere */
		if (r->is_jump)
			add_function(r, &sym);
		return;
	}
	if (!log_line_is_program_counter(text, n) && r->phase != REPORT_HEAD)
		r->finding->n_stack_lines++;
	/* Where a call that never returns would return to is the next function's first byte; so is the PSW after BUG().
	 */
	if (r->phase != REPORT_TAIL &&
	    (sym.offset || (log_line_is_program_counter(text, n) && !starts(text, n, "Krnl PSW"))))
		add_function(r, &sym);
}

/* The line after which nothing more of this report comes. */
static bool is_end(const struct report *r, const char *text, size_t n)
{
	if (starts(text, n, "---[ end "))
		return true;
	if (starts(text, n, "======") && r->n_lines > 2 && r->finding->class == FINDING_CLASS_SANITIZER)
		return true;
	if (starts(text, n, " </TASK>"))
		return r->row->class == FINDING_CLASS_HANG || r->row->class == FINDING_CLASS_LOCKING ||
		       r->row->class == FINDING_CLASS_RCU;
	return false;
}

enum report_step report_body(struct report *r, const struct log_line *l, const char *raw, size_t raw_len,
			     uint64_t line_no)
{
	bool is_body;

	/* Backwards is no gap: CPUs whose clocks differ speak in one report. */
	if (r->has_time && l->has_time && l->time_us > r->last_time_us + GAP_US)
		return REPORT_ENDED_BEFORE;
	/* The row of '=' over the next report. */
	if (starts(l->text, l->len, "======") && r->finding->class != FINDING_CLASS_SANITIZER &&
	    r->finding->n_stack_lines)
		return REPORT_ENDED_BEFORE;
	if (++r->n_lines > REPORT_LINES_MAX)
		return REPORT_ENDED_BEFORE;
	is_body = log_line_is_body(l->text, l->len);
	if (!is_body && ++r->n_foreign > (r->finding->n_stack_lines ? FOREIGN_MAX : FOREIGN_HEAD_MAX))
		return REPORT_ENDED_BEFORE;
	report_excerpt(r, raw, raw_len, line_no, is_body);
	if (!is_body)
		return REPORT_GOES_ON;
	r->n_foreign = 0;
	if (l->has_time && l->time_us > r->last_time_us)
		r->last_time_us = l->time_us;
	collect(r, l->text, l->len);
	return is_end(r, l->text, l->len) ? REPORT_ENDED : REPORT_GOES_ON;
}

void report_finish(struct report *r)
{
	struct finding *f = r->finding;

	if (r->committed_bytes && r->committed_bytes < f->excerpt.len)
		str_truncate(&f->excerpt, r->committed_bytes);
	for (uint32_t i = 0; !f->n_frames && i < r->n_guesses; i++) {
		r->guesses[i].is_unreliable = false;
		add_function(r, &r->guesses[i]);
	}
	if (r->is_stale)
		title_update(r);
	f->is_complete = true;
}
