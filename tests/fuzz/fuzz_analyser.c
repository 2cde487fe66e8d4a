/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The analyser takes any bytes in any chunks, through both channels and in any
 * order with events, keeps its bounds and always comes to a verdict.
 *
 * Input: bytes; \x01..\x05 at the start of a piece choose what it is fed as.
 */
/* clang-format off */
/* What tests/fuzz/build compiles and links:
 * sources: src/run/analyser.c src/run/analyser_answers.c src/run/analyser_input.c src/run/analyser_line.c src/run/analyser_words.c src/run/analyser_report.c src/run/analyser_title.c src/run/analyser_trust.c src/run/crash_patterns.c
 * sources: src/run/finding.c src/run/finding_set.c src/run/kernel_counters.c src/run/known_issues.c src/run/verdict.c
 * sources: src/base/str.c src/base/error.c src/sys/fs.c src/sys/proc.c
 * libs: -ljansson
 */
/* clang-format on */

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "run/known_issues.h"
#include "run/verdict.h"

static void feed(struct analyser *a, const uint8_t *p, size_t n, uint64_t *now)
{
	char text[512];
	size_t len;

	if (!n)
		return;
	*now += p[0];
	switch (p[0]) {
	case 1: /* a kmsg record */
		len = n - 1 < sizeof(text) - 1 ? n - 1 : sizeof(text) - 1;
		memcpy(text, p + 1, len);
		text[len] = '\0';
		analyser_kmsg(a, *now, (uint8_t)text[0] % 16, *now * 1000 * (len ? (uint8_t)text[0] : 1), text, *now);
		break;
	case 2: /* byte by byte */
		for (size_t i = 1; i < n; i++)
			analyser_console(a, p + i, 1, *now);
		break;
	case 3: /* time */
		*now += 3000;
		analyser_tick(a, *now);
		break;
	case 4: /* events */
		if (n > 1)
			analyser_vmm(a, (enum vmm_event)(p[1] % (VMM_EVENT_EXITED + 1)), "text", *now);
		if (n > 2)
			analyser_agent(a, (enum analyser_agent_event)(p[2] % 3), *now);
		break;
	case 5: /* counters */
		if (n > 2)
			analyser_counter(a, p[1] & 1,
					 p[1] & 2   ? "tainted"
					 : p[1] & 4 ? "oops_count"
						    : "warn_count",
					 p[2] * 17u, *now);
		break;
	default:
		analyser_console(a, p, n, *now);
		break;
	}
}

static void check(const struct analyser *a)
{
	struct str out = STR_INIT;

	CHECK(analyser_n_findings(a) <= 8);
	for (size_t i = 0; i < analyser_n_findings(a); i++) {
		const struct finding *f = analyser_finding(a, i);
		json_t *o = finding_json(f);

		CHECK(o);
		json_decref(o);
		CHECK(f->id);
		CHECK(f->class < FINDING_N_CLASSES);
		CHECK(f->excerpt.len <= FINDING_EXCERPT_MAX);
		CHECK(f->context_bytes <= f->excerpt.len);
		CHECK(f->n_frames <= FINDING_FRAMES_MAX);
		CHECK(f->title[0] && strlen(f->title) < FINDING_TITLE_MAX);
		CHECK(f->fingerprint[0]);
		CHECK(f->first_line <= f->last_line);
		finding_text(f, 4, &out);
	}
	str_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const allow[] = { "warn", "*tank*", NULL };
	const struct analyser_options opt = { .max_findings = 8, .allow = size % 2 ? allow : NULL };
	struct analyser *a = analyser_new(&opt);
	struct verdict_input in = { .program = (enum program_state)(size % 6), .analyser = a, .is_strict = size & 1 };
	struct verdict_result r;
	struct str out = STR_INIT;
	uint64_t now = 0;
	size_t begin = 0;

	for (size_t i = 1; i <= size; i++) {
		if (i < size && (data[i] == 0 || data[i] > 5))
			continue;
		feed(a, data + begin, i - begin, &now);
		begin = i;
	}
	check(a);
	analyser_finish(a, now);
	check(a);
	for (size_t i = 0; i < analyser_n_findings(a); i++)
		CHECK(analyser_finding(a, i)->is_complete);
	verdict_decide(&in, &r);
	CHECK(r.status >= 0 && r.verdict < VERDICT_N && r.reason);
	verdict_text(a, &r, true, "more", &out);
	verdict_of_log(a, true, &r);
	str_clear(&out);
	analyser_free(a);
	return 0;
}
