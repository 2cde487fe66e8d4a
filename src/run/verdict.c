/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The order of questions is the point. What makes everything else untrue
 * comes first (the kernel crashed), then what kept the program from running,
 * then what kept it from ending, and only then what it returned. A supervisor
 * that ended a run early because of a crash has also cut the program off:
 * that must not look like a lost guest.
 */

#include "run/verdict.h"

#include <signal.h>
#include <string.h>

const struct verdict_info verdict_table[VERDICT_N] = {
	[VERDICT_OK] = { "ok", 0, "the program returned 0 and nothing happened that would make that untrue" },
	[VERDICT_FAILED] = { "failed", -1, "the program's own status, unchanged; 128+n when signal n ended it" },
#define X(number, NAME, word, meaning) [VERDICT_##NAME] = { word, number, meaning },
	STATUS_TABLE(X)
#undef X
	    [VERDICT_INTERRUPTED] = { "interrupted", -1, "quiz was interrupted by signal n: 128+n" },
};

static void set(struct verdict_result *ret, enum verdict v, const char *reason)
{
	ret->verdict = v;
	ret->reason = reason;
	if (verdict_table[v].status >= 0)
		ret->status = verdict_table[v].status;
}

/* A consequence is told by its cause: "panic_on_warn set" is not what happened. */
static const struct finding *headline_of(const struct analyser *a, const struct finding *f)
{
	const struct finding *cause;

	for (int i = 0; f && f->cause_id && i < 8; i++) {
		cause = analyser_by_id(a, f->cause_id);
		if (!cause)
			break;
		f = cause;
	}
	return f;
}

static const struct finding *init_death(const struct analyser *a)
{
	for (size_t i = 0; i < analyser_n_findings(a); i++)
		if (analyser_finding(a, i)->is_init_death && !analyser_finding(a, i)->is_secondary)
			return analyser_finding(a, i);
	return NULL;
}

static const struct finding *first_of(const struct analyser *a, enum finding_severity s)
{
	for (size_t i = 0; i < analyser_n_findings(a); i++) {
		const struct finding *f = analyser_finding(a, i);

		if (f->severity == s && !f->is_allowed)
			return f;
	}
	return NULL;
}

/* What the findings alone say. True when that decides. */
static bool decide_by_crash(const struct analyser *a, struct verdict_result *ret)
{
	const struct finding *f = analyser_crash(a);

	if (!f)
		return false;
	ret->headline = headline_of(a, f);
	set(ret, VERDICT_CRASH, "the kernel crashed");
	return true;
}

static bool decide_strictly(const struct analyser *a, bool must_see_all, struct verdict_result *ret)
{
	const struct finding *warn = first_of(a, FINDING_WARN), *stall = first_of(a, FINDING_STALL);
	const struct finding *blind = must_see_all ? analyser_blind(a) : NULL;

	if (warn) {
		ret->headline = warn;
		set(ret, VERDICT_CRASH, "the kernel complained, and the run is strict");
	} else if (stall) {
		ret->headline = stall;
		set(ret, VERDICT_HANG, "the kernel stalled, and the run is strict");
	} else if (blind) {
		ret->headline = blind;
		set(ret, VERDICT_CRASH, "not all that the kernel said was seen, and the run is strict");
	}
	return warn || stall || blind;
}

static bool decide_by_machine(const struct verdict_input *in, struct verdict_result *ret)
{
	const struct analyser *a = in->analyser;
	const struct finding *boot = a ? first_of(a, FINDING_BOOT) : NULL;

	if (a && in->program == PROGRAM_NOT_STARTED && boot) {
		ret->headline = boot;
		set(ret, VERDICT_NOBOOT, "the machine could not boot");
	} else if (in->boot_failed) {
		set(ret, VERDICT_NOBOOT, "the machine did not boot");
	} else if (in->setup_failed) {
		set(ret, VERDICT_SETUP, "the machine could not be set up; the program was not started");
	} else if (in->program >= PROGRAM_EXITED && !in->is_hung && !in->timed_out) {
		return false; /* it ended: whatever happened to the machine afterwards */
	} else if (in->interrupted_by) {
		set(ret, VERDICT_INTERRUPTED, "the machine was told to end before its program had");
		ret->status = 128 + in->interrupted_by;
	} else if (in->has_no_room) {
		set(ret, VERDICT_SETUP, "the host has no room for what the machine writes");
	} else if (in->is_hung) {
		ret->headline = a ? first_of(a, FINDING_STALL) : NULL;
		set(ret, VERDICT_HANG,
		    ret->headline ? "the program did not end after the kernel reported a hang"
				  : "the guest stopped answering");
	} else if (in->timed_out) {
		set(ret, VERDICT_TIMEOUT, "the time limit passed");
	} else {
		/* No status and no other reason: silence is never success. */
		ret->headline = a ? init_death(a) : NULL;
		set(ret, VERDICT_LOST,
		    ret->headline ? "the guest's first process ended" : "the virtual machine or its agent vanished");
	}
	return true;
}

void verdict_decide(const struct verdict_input *in, struct verdict_result *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (in->program == PROGRAM_SIGNALLED)
		ret->signal = in->value;
	if (in->analyser && decide_by_crash(in->analyser, ret))
		return;
	if (decide_by_machine(in, ret))
		return;
	if (in->is_lost && in->program < PROGRAM_EXITED) {
		set(ret, VERDICT_LOST, "the virtual machine or its agent vanished");
		return;
	}
	/* What the program did was still to be written out, and a panic there is seen: no success without it. */
	if (in->is_cut_off && in->has_no_room && in->program == PROGRAM_EXITED && in->value == 0) {
		set(ret, VERDICT_SETUP, "the host had no room for all that was to be written");
		return;
	}
	if (in->is_cut_off && in->interrupted_by && in->program == PROGRAM_EXITED && in->value == 0) {
		set(ret, VERDICT_INTERRUPTED, "interrupted before all was written");
		ret->status = 128 + in->interrupted_by;
		return;
	}
	if (in->is_cut_off && in->program == PROGRAM_EXITED && in->value == 0) {
		set(ret, VERDICT_LOST, "the virtual machine or its agent vanished before all was written");
		return;
	}
	/* The program knows nothing of it, or was ended by the SIGPIPE that it got for it. */
	if (in->output_failed && ((in->program == PROGRAM_EXITED && in->value == 0) ||
				  (in->program == PROGRAM_SIGNALLED && in->value == SIGPIPE))) {
		set(ret, VERDICT_SETUP, "the program's output could not be written");
		return;
	}
	if (in->analyser && in->is_strict && decide_strictly(in->analyser, true, ret))
		return;
	switch (in->program) {
	case PROGRAM_NOT_EXECUTABLE:
		set(ret, VERDICT_NOEXEC, "the program could not be executed");
		break;
	case PROGRAM_NOT_FOUND:
		set(ret, VERDICT_NOTFOUND, "the program was not found");
		break;
	case PROGRAM_SIGNALLED:
		set(ret, VERDICT_FAILED, "a signal ended the program");
		ret->status = 128 + in->value;
		break;
	default:
		set(ret, in->value ? VERDICT_FAILED : VERDICT_OK,
		    in->value ? "the program failed" : "the program succeeded");
		ret->status = in->value;
		break;
	}
}

void verdict_of_log(const struct analyser *a, bool is_strict, struct verdict_result *ret)
{
	const struct finding *boot = first_of(a, FINDING_BOOT), *init = init_death(a),
			     *hang = first_of(a, FINDING_STALL);

	memset(ret, 0, sizeof(*ret));
	if (boot) {
		ret->headline = boot;
		set(ret, VERDICT_NOBOOT, "the machine could not boot");
	} else if (decide_by_crash(a, ret)) {
		return;
	} else if (init && !init->is_allowed) {
		ret->headline = init;
		set(ret, VERDICT_CRASH, "the first process ended");
	} else if (is_strict && decide_strictly(a, false, ret)) {
		return;
	} else if (hang && is_strict) {
		ret->headline = hang;
		set(ret, VERDICT_HANG, "the kernel reported a hang");
	} else {
		set(ret, VERDICT_OK, "nothing found");
	}
}

json_t *verdict_findings_json(const struct analyser *a, enum finding_severity at_least)
{
	json_t *list = json_array();

	for (size_t i = 0; i < analyser_n_findings(a); i++)
		if (analyser_finding(a, i)->severity >= at_least)
			json_array_append_new(list, finding_json(analyser_finding(a, i)));
	return list;
}

#define TEXT_STACK_LINES 8
#define TEXT_FINDINGS	 5 /* besides the headline */

static void add_indented(struct str *out, const char *prefix, const struct str *text)
{
	const char *p = str_cstr(text), *nl;

	for (; (nl = strchr(p, '\n')); p = nl + 1) {
		str_add(out, prefix);
		str_add_mem(out, p, (size_t)(nl + 1 - p));
	}
}

/* A VERIFY that halts the kernel has its stack in the panic that follows. */
static void add_stack_of_consequence(const struct analyser *a, const struct finding *f, struct str *out)
{
	if (!a || f->n_stack_lines)
		return;
	for (size_t i = 0; i < analyser_n_findings(a); i++) {
		if (analyser_finding(a, i)->cause_id != f->id)
			continue;
		finding_stack_text(analyser_finding(a, i), TEXT_STACK_LINES, out);
		return;
	}
}

void verdict_text(const struct analyser *a, const struct verdict_result *r, bool verbose, const char *more,
		  struct str *out)
{
	size_t n_shown = 0, n_hidden = 0, begin = out->len;
	bool is_plain = r->verdict == VERDICT_OK || r->verdict == VERDICT_FAILED;
	_cleanup_str_ struct str text = STR_INIT;

	if (!is_plain)
		str_addf(out, "quiz: %s: %s\n", verdict_table[r->verdict].name, r->reason);
	if (r->headline) {
		finding_text(r->headline, TEXT_STACK_LINES, &text);
		add_stack_of_consequence(a, r->headline, &text);
		add_indented(out, "quiz:   ", &text);
	}
	for (size_t i = 0; a && i < analyser_n_findings(a); i++) {
		const struct finding *f = analyser_finding(a, i);

		if (f == r->headline || f->severity < (verbose ? FINDING_INFO : FINDING_NOTICE) ||
		    (f->is_secondary && !verbose))
			continue;
		if (n_shown == TEXT_FINDINGS && !verbose) {
			n_hidden++;
			continue;
		}
		n_shown++;
		str_truncate(&text, 0);
		finding_text(f, is_plain ? TEXT_STACK_LINES / 2 : 0, &text);
		add_indented(out, r->headline ? "quiz: also " : "quiz: ", &text);
	}
	if (n_hidden)
		str_addf(out, "quiz: and %zu more finding%s\n", n_hidden, n_hidden == 1 ? "" : "s");
	if (a && analyser_n_dropped(a))
		str_addf(out, "quiz: and %llu reports that were not kept\n", (unsigned long long)analyser_n_dropped(a));
	if (more && out->len > begin)
		str_addf(out, "quiz: see %s\n", more);
}
