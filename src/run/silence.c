/* SPDX-License-Identifier: MPL-2.0 */
#include "run/silence.h"

#include "sys/loop.h"

#define BLOCKED_MAX_MS 60000

void silence_begin(struct silence *s, const struct vmm *v)
{
	s->since_ms = loop_now_ms();
	s->blocked_ms = 0;
	if (v)
		vmm_note_waits(v, &s->waits);
	else
		proc_waits_clear(&s->waits);
}

void silence_look(struct silence *s, const struct vmm *v, uint64_t period_ms)
{
	if (v && s->blocked_ms < BLOCKED_MAX_MS && vmm_is_blocked(v))
		s->blocked_ms += period_ms;
}

uint64_t silence_ms(const struct silence *s, const struct vmm *v)
{
	uint64_t elapsed = loop_now_ms() - s->since_ms;
	uint64_t excused = s->blocked_ms + (v ? vmm_starved_ms(v, &s->waits) : 0);

	return elapsed > excused ? elapsed - excused : 0;
}

void silence_clear(struct silence *s)
{
	proc_waits_clear(&s->waits);
}
