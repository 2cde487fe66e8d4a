/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The findings of one analyser: bounded, in order of appearance, each with a
 * stable address and id until it is merged into an equal one or gives way to
 * something worse. Knows what follows from what, and what is tolerated.
 */

#include "run/crash_patterns.h"
#include "run/finding.h"
#include "run/known_issues.h"

struct finding_set {
	struct finding **v; /* owned, each on its own so that reports can point at them */
	size_t n, max;
	uint32_t last_id;
	uint64_t generation; /* changes with every change */
	uint64_t n_dropped;  /* had no room */
	struct strv allow;
	struct known_issues known;
};

/* allow, known: copied; both may be NULL. */
void finding_set_init(struct finding_set *s, size_t max, const char *const *allow, const struct known_issues *known);
void finding_set_clear(struct finding_set *s);

struct finding *finding_set_by_id(const struct finding_set *s, uint32_t id); /* NULL: none */
/* Any of these classes there? Bits 1 << class. */
bool finding_set_has(const struct finding_set *s, uint32_t classes);

/*
 * Takes it in: gives it its id, its cause and its judgement. row: what it
 * was recognised by, or NULL. is_suspended: a pool is. False: no room; it is
 * counted only, and still the caller's.
 */
bool finding_set_add(struct finding_set *s, struct finding *f, const struct crash_pattern *row, bool is_suspended);

/* Sets is_allowed and known again, after fields have changed. */
void finding_set_judge(struct finding_set *s, struct finding *f);

/* Are there patterns at all that something could be tolerated by? */
bool finding_set_tolerates(const struct finding_set *s);

/* It was none: f is gone. */
void finding_set_remove(struct finding_set *s, struct finding *f);

/*
 * Its report is over: an equal one that is there already counts it, and f is gone.
 */
void finding_set_merge(struct finding_set *s, struct finding *f);

/*
 * The same report as f (not in the set), seen before through another channel or in a
 * replay: same first line, and the same kernel time or, where one has none, not more than
 * window_ms ago and not through f's channel. NULL: none.
 */
struct finding *finding_set_twin(const struct finding_set *s, const struct finding *f, uint64_t now_ms,
				 uint64_t window_ms);

/* The content of a fuller copy moves into the finding that people know already. `from` gets the old excerpt. */
void finding_set_take(struct finding_set *s, struct finding *f, struct finding *from);
