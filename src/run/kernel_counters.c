/* SPDX-License-Identifier: MPL-2.0 */

#include "run/kernel_counters.h"

#include <stdio.h>
#include <string.h>

void kernel_counters_set(struct kernel_counters *c, bool is_end, const char *name, uint64_t value)
{
	struct kernel_counter *at = NULL;

	for (size_t i = 0; i < c->n && !at; i++)
		if (strcmp(c->v[i].name, name) == 0)
			at = &c->v[i];
	if (!at) {
		if (c->n == KERNEL_COUNTERS_MAX || strlen(name) >= sizeof(at->name))
			return;
		at = &c->v[c->n++];
		snprintf(at->name, sizeof(at->name), "%s", name);
	}
	if (is_end) {
		at->end = value;
		at->has_end = true;
	} else {
		at->start = value;
	}
}

#define BIT(c)	(1u << FINDING_CLASS_##c)
#define SERIOUS (BIT(PANIC) | BIT(OOPS) | BIT(BUG) | BIT(SANITIZER) | BIT(ZFS_PANIC))
/* Bits of "tainted": Documentation/admin-guide/tainted-kernels.rst. */
static const struct counter_rule rules[] = {
	{ "oops_count", 0, SERIOUS, FINDING_CLASS_OOPS, "the kernel counted an oops that no log shows",
	  true },
	{ "tainted", 7, SERIOUS, FINDING_CLASS_OOPS, "the kernel is tainted D (died): an oops that no log shows" },
	{ "tainted", 5, SERIOUS, FINDING_CLASS_BUG, "the kernel is tainted B (bad page) without a log line" },
	{ "tainted", 4, SERIOUS, FINDING_CLASS_OOPS, "the kernel is tainted M (machine check) without a log line" },
	{ "warn_count", 0, SERIOUS | BIT(WARN) | BIT(LOCKING) | BIT(RCU), FINDING_CLASS_WARN,
	  "the kernel counted a WARN that no log shows", true },
	{ "tainted", 9, SERIOUS | BIT(WARN) | BIT(LOCKING) | BIT(RCU), FINDING_CLASS_WARN,
	  "the kernel is tainted W (WARN) without a log line" },
	{ "tainted", 14, BIT(STALL), FINDING_CLASS_STALL, "the kernel is tainted L (soft lockup) without a log line" },
	{ "softlockup_count", 0, BIT(STALL), FINDING_CLASS_STALL,
	  "the kernel counted a soft lockup that no log shows" },
	{ "hardlockup_count", 0, BIT(STALL), FINDING_CLASS_STALL,
	  "the kernel counted a hard lockup that no log shows" },
	{ "rcu_stall_count", 0, BIT(STALL), FINDING_CLASS_STALL, "the kernel counted an RCU stall that no log shows" },
};

/* By how much; of "tainted" 1 when the bit was set. */
static uint64_t increase_of(const struct kernel_counters *c, const struct counter_rule *rule)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct kernel_counter *at = &c->v[i];

		if (strcmp(rule->name, at->name) != 0 || !at->has_end)
			continue;
		if (strcmp(at->name, "tainted") == 0)
			return (at->end & ~at->start) >> rule->taint_bit & 1;
		return at->end > at->start ? at->end - at->start : 0;
	}
	return 0;
}

const struct counter_rule *kernel_counters_next(const struct kernel_counters *c, size_t *pos, uint64_t *ret_increase)
{
	while (*pos < ARRAY_SIZE(rules)) {
		const struct counter_rule *rule = &rules[(*pos)++];
		uint64_t increase = increase_of(c, rule);

		if (!increase)
			continue;
		*ret_increase = increase;
		return rule;
	}
	return NULL;
}
