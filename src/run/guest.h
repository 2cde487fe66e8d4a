/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * One machine that runs: the VMM process, the agent's channel and the
 * console, with requests and their answers. The supervisor has one, and a
 * second one while a template is being made.
 *
 *	guest_start -> (agent says HELLO) up -> steps ... -> guest_free
 *
 * A clone says no HELLO: its agent waits for requests once it is resumed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "run/channel.h"
#include "run/steps.h"
#include "vmm/vmm.h"

struct guest;

struct guest_callbacks {
	void (*up)(void *ctx, struct guest *g, const struct wire_hello *hello);
	/* Everything that is not an answer: stages, kernel messages, sessions, counts. */
	void (*frame)(void *ctx, struct guest *g, const struct wire_frame *f);
	void (*console)(void *ctx, struct guest *g, const void *mem, size_t n);
	void (*vmm_event)(void *ctx, struct guest *g, enum vmm_event ev, const char *text);
	/* The agent is gone or spoke nonsense. Once. */
	void (*lost)(void *ctx, struct guest *g, const char *why);
	void *ctx;
};

int guest_start(const struct machine *m, const struct vmm_caps *caps, const struct vmm_options *opt, struct loop *loop,
		const struct guest_callbacks *cb, struct guest **ret, struct error *err);
void guest_free(struct guest *g); /* kills the VMM */

struct vmm *guest_vmm(const struct guest *g);
struct channel *guest_channel(const struct guest *g);

/* err NULL: all steps done. The first failure ends the sequence; its text names the step. */
typedef void guest_done_fn(void *ctx, const struct error *err);

/*
 * Sends all steps at once (the agent works them off in order) and calls done
 * when the last is answered or one fails. `steps` stay the caller's and must
 * live until then. One sequence at a time.
 */
void guest_steps(struct guest *g, const struct steps *steps, guest_done_fn *done, void *ctx);
/* Forgets a sequence that is under way: its answers are ignored. */
/* Requests whose outcome nobody waits for, at any time; the agent answers into the void. */
void guest_tell(struct guest *g, const struct steps *steps);
void guest_steps_forget(struct guest *g);

/* Any byte from agent or console since the last call: a sign of life. */
bool guest_was_heard(struct guest *g);
/* Bytes that have come from the console so far. */
uint64_t guest_console_bytes(const struct guest *g);
/* Reads what is still in the console's socket (after a crash or the end). */
void guest_drain_console(struct guest *g);
