/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Whose words these are. A program may write to /dev/kmsg, and the kernel
 * prints that as if it were its own; but the record says who spoke (its
 * facility), and the console's line has the record's time. So what the
 * console made a report of is taken back when the record comes, and is made
 * none of when the record came first.
 *
 * And whether all of them were heard. Records have numbers: what is left out
 * was overwritten before it was read; the agent counts that, too. The console says itself what it left
 * out, which matters only where there are no records. What was missed may have
 * been a report, so a run that must be clean (--strict) is not, and
 * counters, which need no log, are compared by their numbers then: the reports
 * that were read have to be as many.
 */

#include "run/analyser_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- programs */

static uint64_t key_of(const struct log_line *l)
{
	return hash_mem(HASH_INIT, l->text, l->len);
}

bool trust_is_programs(const struct analyser *a, const struct log_line *l)
{
	unsigned n = a->n_said < SAID_MAX ? a->n_said : SAID_MAX;
	uint64_t key = n && l->has_time ? key_of(l) : 0;

	for (unsigned i = 0; i < n && l->has_time; i++)
		if (a->said[i].time_us == l->time_us && a->said[i].key == key)
			return true;
	return false;
}

/* What a report had told the supervisor by its first line. */
static void take_back_news(struct analyser *a, const struct finding *f)
{
	if (f->class == FINDING_CLASS_PANIC || f->class == FINDING_CLASS_BOOT_FAILURE)
		a->has_panic = a->panic_is_over = false;
	if (f->severity == FINDING_STALL && a->hang_ms == f->seen_ms)
		a->has_hang = false;
	if (f->class == FINDING_CLASS_ZFS_SUSPEND)
		a->is_suspended = false;
}

static void take_back(struct analyser *a, struct finding *f)
{
	struct lane *lane = &a->lanes[LANE_CONSOLE];

	for (unsigned i = 0; i < lane->n_open; i++) {
		if (lane->open[i].finding != f)
			continue;
		lane->n_open--;
		memmove(&lane->open[i], &lane->open[i + 1], (lane->n_open - i) * sizeof(lane->open[0]));
		break;
	}
	take_back_news(a, f);
	finding_set_remove(&a->set, f);
}

void trust_program_said(struct analyser *a, const struct log_line *l)
{
	uint64_t key;

	/* Nearly all that programs write there is nothing that anybody would take for a report. */
	if (!crash_index_find(&a->index, l->text, l->len))
		return;
	key = key_of(l);
	a->said[a->n_said % SAID_MAX].key = key;
	a->said[a->n_said++ % SAID_MAX].time_us = l->time_us;
	for (size_t i = 0; i < a->set.n; i++) {
		struct finding *f = a->set.v[i];

		if (f->key != key || !f->has_time || f->time_us != l->time_us || f->seen_in != 1u << LANE_CONSOLE)
			continue;
		take_back(a, f);
		return;
	}
}

/* --- what was not seen */

void trust_sequence(struct analyser *a, uint64_t seq)
{
	if (a->next_seq && seq > a->next_seq)
		a->n_lost += seq - a->next_seq;
	if (seq >= a->next_seq)
		a->next_seq = seq + 1;
}

static uint64_t n_told(const struct analyser *a, enum finding_class class)
{
	uint64_t n = 0;

	for (size_t i = 0; i < a->set.n; i++)
		if (a->set.v[i]->class == class)
			n += a->set.v[i]->count;
	return n;
}

void trust_counter(struct analyser *a, bool is_end, const char *name, uint64_t value)
{
	if (strcmp(name, "kmsg_unread") == 0) {
		a->has_unread = is_end && value;
		return;
	}
	if (strcmp(name, "kmsg_lost") == 0) {
		*(is_end ? &a->lost_at_end : &a->lost_at_start) = value;
		return;
	}
	if (strcmp(name, "kmsg_missing") == 0) {
		a->has_no_log = value;
		return;
	}
	for (unsigned c = 0; c < FINDING_N_CLASSES && !is_end; c++)
		a->told_at_start[c] = n_told(a, c);
	kernel_counters_set(&a->counters, is_end, name, value);
}

/* By the numbers of the records that came, or as the agent says, who knows the number before the first that came. */
static uint64_t n_lost(const struct analyser *a)
{
	uint64_t n = a->lost_at_end > a->lost_at_start ? a->lost_at_end - a->lost_at_start : 0;

	return n > a->n_lost ? n : a->n_lost;
}

static void say_what_was_not_seen(struct analyser *a)
{
	bool has_records = a->lanes[LANE_KMSG].n_lines > 0;
	uint64_t n = has_records ? n_lost(a) : a->n_dropped_lines;
	char title[FINDING_TITLE_MAX] = "";

	if (n)
		snprintf(title, sizeof(title), "%" PRIu64 " kernel message%s lost: a report may have been among them%s", n,
			 n == 1 ? " was" : "s were", has_records ? " (--append log_buf_len=8M keeps more)" : "");
	else if (a->has_unread)
		snprintf(title, sizeof(title), "the kernel's last messages were not read: there were too many");
	else if (a->has_no_log)
		snprintf(title, sizeof(title), "this kernel has no log that could be read: only its counters tell");
	else
		return;
	a->blind_id = analyser_add_plain(a, has_records ? FINDING_FROM_KMSG : FINDING_FROM_CONSOLE, FINDING_CLASS_INFO,
					 FINDING_NOTICE, title, NULL);
}

static bool is_explained(const struct analyser *a, const struct counter_rule *rule, uint64_t increase)
{
	uint64_t n = 0;

	if (a->set.n_dropped || a->set.n == a->set.max)
		return true; /* not all that was read is there to be counted */
	for (unsigned c = 0; c < FINDING_N_CLASSES; c++)
		if (rule->explained_by & 1u << c)
			n += n_told(a, c) - a->told_at_start[c];
	return n >= (n_lost(a) && rule->is_exact ? increase : 1);
}

void trust_finish(struct analyser *a)
{
	const struct counter_rule *rule;
	uint64_t increase;
	size_t pos = 0;

	while (!a->is_past_unknown && (rule = kernel_counters_next(&a->counters, &pos, &increase)))
		if (!is_explained(a, rule, increase))
			analyser_add_plain(a, FINDING_FROM_AGENT, rule->class, finding_class_table[rule->class].severity,
					   rule->title, NULL);
	say_what_was_not_seen(a);
}
