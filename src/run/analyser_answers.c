/* SPDX-License-Identifier: MPL-2.0 */
/* What the analyser knows so far, and what others add to its findings. */

#include "run/analyser_state.h"

#include <string.h>

#include "run/analyser_line.h"

size_t analyser_n_findings(const struct analyser *a)
{
	return a->set.n;
}

const struct finding *analyser_finding(const struct analyser *a, size_t i)
{
	return a->set.v[i];
}

const struct finding *analyser_by_id(const struct analyser *a, uint32_t id)
{
	return finding_set_by_id(&a->set, id);
}

/*
 * File and line behind the first mention of its function: "func+0x5/0x20 [mod]  (file.c:12)". Of inlined ones the
 * innermost is where it happened; but of a leak that is kmalloc(), and who called it is wanted.
 */
static void take_place(struct finding *f, const char *text, size_t n)
{
	const char *end = text + n, *nl;

	for (; text < end && !f->file[0]; text = nl + 1) {
		struct log_symbol sym;

		nl = memchr(text, '\n', (size_t)(end - text));
		nl = nl ? nl : end - 1;
		if (log_symbol_find(text, (size_t)(nl - text), &sym) && strcmp(sym.name, f->function) == 0 &&
		    sym.end < nl) {
			const char *from = sym.end, *own;

			own = f->class == FINDING_CLASS_LEAK ? memmem(from, (size_t)(nl - from), f->function, strlen(f->function))
							     : NULL;
			from = own ? own : from;
			log_source_find(from, (size_t)(nl - from), f->file, sizeof(f->file), &f->line);
		}
	}
}

void analyser_set_report(struct analyser *a, uint32_t id, const char *text, size_t n)
{
	struct finding *f = finding_set_by_id(&a->set, id);

	if (!f)
		return;
	if (f->function[0])
		take_place(f, text, n);
	f->has_source = true;
	str_truncate(&f->excerpt, f->context_bytes);
	str_add_mem(&f->excerpt, text, n);
	a->set.generation++;
}

uint64_t analyser_generation(const struct analyser *a)
{
	return a->set.generation;
}

uint64_t analyser_n_dropped(const struct analyser *a)
{
	return a->set.n_dropped;
}

uint64_t analyser_n_lines(const struct analyser *a)
{
	return a->lanes[LANE_CONSOLE].n_lines;
}

const struct finding *analyser_worst(const struct analyser *a, enum finding_severity at_least)
{
	for (size_t i = 0; i < a->set.n; i++) {
		const struct finding *f = a->set.v[i];

		if (f->severity >= at_least && !f->is_allowed && !f->is_init_death)
			return f;
	}
	return NULL;
}

const struct finding *analyser_crash(const struct analyser *a)
{
	return analyser_worst(a, FINDING_CRASH);
}

bool analyser_crash_is_sure(const struct analyser *a)
{
	const struct finding *f = analyser_crash(a);

	if (!f || (!f->is_complete && finding_set_tolerates(&a->set)))
		return false;
	return f->seen_in != 1u << LANE_CONSOLE;
}

const struct finding *analyser_blind(const struct analyser *a)
{
	const struct finding *f = a->blind_id ? finding_set_by_id(&a->set, a->blind_id) : NULL;

	return f && !f->is_allowed ? f : NULL;
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
