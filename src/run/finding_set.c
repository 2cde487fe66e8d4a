/* SPDX-License-Identifier: MPL-2.0 */

#include "run/finding_set.h"

#include <stdio.h>
#include <string.h>

void finding_set_init(struct finding_set *s, size_t max, const char *const *allow, const struct known_issues *known)
{
	memset(s, 0, sizeof(*s));
	s->max = max;
	s->v = mem_alloc(max * sizeof(*s->v));
	for (const char *const *p = allow; p && *p; p++)
		strv_add(&s->allow, *p);
	if (known)
		known_issues_copy(&s->known, known);
}

static void drop(struct finding *f)
{
	finding_clear(f);
	free(f);
}

void finding_set_clear(struct finding_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		drop(s->v[i]);
	free(s->v);
	strv_clear(&s->allow);
	known_issues_clear(&s->known);
	memset(s, 0, sizeof(*s));
}

struct finding *finding_set_by_id(const struct finding_set *s, uint32_t id)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i]->id == id)
			return s->v[i];
	return NULL;
}

bool finding_set_has(const struct finding_set *s, uint32_t classes)
{
	for (size_t i = 0; i < s->n; i++)
		if (classes & (1u << s->v[i]->class))
			return true;
	return false;
}

bool finding_set_tolerates(const struct finding_set *s)
{
	return s->allow.n || s->known.n;
}

void finding_set_judge(struct finding_set *s, struct finding *f)
{
	const struct known_issue *known;

	f->is_allowed = false;
	for (size_t i = 0; i < s->allow.n && !f->is_allowed; i++)
		f->is_allowed = finding_matches(f, s->allow.v[i]);
	known = known_issues_find(&s->known, f);
	if (known) {
		f->is_allowed = true;
		snprintf(f->known, sizeof(f->known), "%s", known->text);
	}
}

/* Does it follow from what was found before? The cause is the nearest earlier one that is bad enough. */
static void find_cause(const struct finding_set *s, struct finding *f, const struct crash_pattern *row,
		       bool is_suspended)
{
	bool is_consequence = row && (row->flags & CRASH_CONSEQUENCE);

	for (size_t i = s->n; i-- > 0;) {
		const struct finding *old = s->v[i];

		if (old == f || old->is_secondary)
			continue;
		if (is_consequence && f->class == FINDING_CLASS_LEAK) {
			/* The sum at the end of a scan: nothing new when the leaks were told one by one. */
			if (old->class != FINDING_CLASS_LEAK)
				continue;
			f->severity = FINDING_INFO;
		}
		if (is_consequence ? old->severity >= FINDING_WARN : old->severity == FINDING_CRASH) {
			/* Another crash of its own is no consequence: two threads may find two bugs. */
			if (!is_consequence && f->severity >= FINDING_CRASH && f->class != FINDING_CLASS_PANIC)
				return;
			f->is_secondary = true;
			f->cause_id = old->id;
			return;
		}
		if (f->class == FINDING_CLASS_HANG && old->class == FINDING_CLASS_ZFS_SUSPEND && is_suspended) {
			f->is_secondary = true;
			f->cause_id = old->id;
			return;
		}
	}
}

/* What is tolerated weighs nothing: any number of it must not keep out what counts. */
static int weight(const struct finding *f)
{
	return f->is_allowed ? -1 : (int)f->severity;
}

/* Room for one more: the newest of the least severe gives way to something worse. */
static bool make_room(struct finding_set *s, const struct finding *f)
{
	size_t victim = s->n;

	if (s->n < s->max)
		return true;
	for (size_t i = 0; i < s->n; i++) {
		const struct finding *old = s->v[i];

		if (old->is_complete && weight(old) < weight(f) && (victim == s->n || weight(old) <= weight(s->v[victim])))
			victim = i;
	}
	if (victim == s->n)
		return false;
	drop(s->v[victim]);
	s->n--;
	memmove(&s->v[victim], &s->v[victim + 1], (s->n - victim) * sizeof(*s->v));
	return true;
}

bool finding_set_add(struct finding_set *s, struct finding *f, const struct crash_pattern *row, bool is_suspended)
{
	finding_set_judge(s, f);
	if (!make_room(s, f)) {
		s->n_dropped++;
		return false;
	}
	f->id = ++s->last_id;
	find_cause(s, f, row, is_suspended);
	s->v[s->n++] = f;
	s->generation++;
	return true;
}

void finding_set_remove(struct finding_set *s, struct finding *f)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i] != f)
			continue;
		s->n--;
		memmove(&s->v[i], &s->v[i + 1], (s->n - i) * sizeof(*s->v));
		break;
	}
	drop(f);
	s->generation++;
}

void finding_set_merge(struct finding_set *s, struct finding *f)
{
	for (size_t i = 0; i < s->n; i++) {
		struct finding *old = s->v[i];

		if (old == f || !old->is_complete || old->class != f->class || old->cause_id != f->cause_id ||
		    strcmp(old->fingerprint, f->fingerprint) != 0)
			continue;
		/* UBSAN warns and KASAN cries of the same line; of two warnings of a function one may be tolerated. */
		if (old->severity != f->severity || old->is_allowed != f->is_allowed)
			continue;
		old->count += f->count;
		finding_set_remove(s, f);
		return;
	}
}

struct finding *finding_set_twin(const struct finding_set *s, const struct finding *f, uint64_t now_ms,
				 uint64_t window_ms)
{
	for (size_t i = s->n; i-- > 0;) {
		struct finding *old = s->v[i];

		if (old->key != f->key)
			continue;
		if (old->has_time && f->has_time ? old->time_us == f->time_us
						 : !(old->seen_in & f->seen_in) && now_ms <= old->seen_ms + window_ms)
			return old;
	}
	return NULL;
}

void finding_set_take(struct finding_set *s, struct finding *f, struct finding *from)
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
	f->has_source = false;
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
	finding_set_judge(s, f);
	s->generation++;
}
