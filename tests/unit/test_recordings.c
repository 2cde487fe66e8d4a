/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The analyser over what real machines said (tests/data/console, made by
 * tests/tools/record-console). Beside each NAME.log is NAME.expect:
 *
 *	status N		what `quiz verdict` exits with
 *	CLASS FUNCTION		one line per finding that is not a consequence,
 *				in order; FUNCTION "*": any, "-": none
 *	may CLASS		allowed besides
 *
 * Expectations say what was provoked, not what the analyser happened to say.
 * A third of the recordings, chosen by a hash of their names, is held out:
 * nobody looks at them while changing the table. The confusion matrix counts both parts.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "run/analyser_line.h"
#include "run/verdict.h"
#include "sys/fs.h"

#define LOG_MAX (4u << 20)
#define CLEAN	FINDING_N_CLASSES
#define MAY_MAX 8

struct want {
	enum finding_class class;
	char function[64];
};

struct expect {
	int status;
	struct want wants[16];
	size_t n;
	enum finding_class may[MAY_MAX];
	size_t n_may;
};

static const char *data_dir;
static unsigned matrix[2][FINDING_N_CLASSES + 1][FINDING_N_CLASSES + 1]; /* [held out][wanted][found] */

static const char *class_name(enum finding_class c)
{
	return c == CLEAN ? "clean" : finding_class_table[c].name;
}

static void parse_expect(const char *path, const char *text, struct expect *e)
{
	memset(e, 0, sizeof(*e));
	e->status = -1;
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		char word[64] = "", arg[64] = "";

		if (*p == '#' || *p == '\n' || sscanf(p, "%63s %63[^\n]", word, arg) < 1)
			continue;
		if (strcmp(word, "status") == 0) {
			e->status = atoi(arg);
		} else if (strcmp(word, "may") == 0) {
			assert_true(e->n_may < MAY_MAX);
			e->may[e->n_may++] = finding_class_by_name(arg);
		} else {
			assert_true(e->n < ARRAY_SIZE(e->wants));
			e->wants[e->n].class = finding_class_by_name(word);
			if (e->wants[e->n].class == FINDING_N_CLASSES)
				fail_msg("%s: no class '%s'", path, word);
			snprintf(e->wants[e->n++].function, sizeof(e->wants[0].function), "%s", *arg ? arg : "*");
		}
	}
	assert_true(e->status >= 0);
}

static bool is_may(const struct expect *e, enum finding_class c)
{
	for (size_t i = 0; i < e->n_may; i++)
		if (e->may[i] == c)
			return true;
	return false;
}

/* Findings that count: notable and not a consequence. */
static const struct finding *next_notable(const struct analyser *a, const struct expect *e, size_t *pos)
{
	while (*pos < analyser_n_findings(a)) {
		const struct finding *f = analyser_finding(a, (*pos)++);

		if (f->severity > FINDING_INFO && !f->is_secondary && !is_may(e, f->class))
			return f;
	}
	return NULL;
}

/* 0 when all is as expected. */
static int compare(const char *name, const char *how, const struct analyser *a, const struct expect *e,
		   bool check_functions)
{
	struct verdict_result r;
	size_t pos = 0;
	int bad = 0;

	verdict_of_log(a, true, &r);
	if (r.status != e->status) {
		print_error("%s (%s): status %d, expected %d\n", name, how, r.status, e->status);
		bad++;
	}
	for (size_t i = 0; i <= e->n; i++) {
		const struct finding *f = next_notable(a, e, &pos);
		const struct want *w = i < e->n ? &e->wants[i] : NULL;

		if (!w && !f)
			break;
		if (!w || !f || f->class != w->class) {
			print_error("%s (%s): finding %zu is %s (%s), expected %s\n", name, how, i + 1,
				    f ? class_name(f->class) : "missing", f ? f->title : "",
				    w ? class_name(w->class) : "none");
			return bad + 1;
		}
		if (check_functions && strcmp(w->function, "*") != 0 && strcmp(w->function, "-") != 0 &&
		    strcmp(w->function, f->function) != 0) {
			print_error("%s (%s): function '%s', expected '%s'\n", name, how, f->function, w->function);
			bad++;
		}
		if (!f->is_complete || f->last_line < f->first_line) {
			print_error("%s (%s): not complete\n", name, how);
			bad++;
		}
	}
	return bad;
}

static struct analyser *feed(const char *text, size_t n, size_t chunk)
{
	struct analyser *a = analyser_new(NULL);

	for (size_t i = 0; i < n; i += chunk)
		analyser_console(a, text + i, n - i < chunk ? n - i : chunk, 0);
	analyser_finish(a, 0);
	return a;
}

/* The same as kmsg has it, through both channels, without stamps. */
static void other_ways(const struct str *log, struct analyser **ret_both, struct analyser **ret_bare)
{
	struct analyser *both = analyser_new(NULL);
	struct str bare = STR_INIT;
	uint64_t seq = 0;

	for (const char *p = log->p, *end = log->p + log->len, *nl; p < end; p = nl + 1) {
		struct log_line l;
		char text[1024];

		nl = memchr(p, '\n', (size_t)(end - p));
		nl = nl ? nl : end - 1;
		log_line_parse(p, (size_t)(nl - p), p == log->p, &l);
		str_add_mem(&bare, l.text, l.len);
		str_add_char(&bare, '\n');
		analyser_console(both, p, (size_t)(nl + 1 - p), seq / 10);
		if (!l.has_time)
			continue;
		snprintf(text, sizeof(text), "%.*s", (int)(l.len < sizeof(text) ? l.len : sizeof(text) - 1), l.text);
		analyser_kmsg(both, seq, 4, l.time_us, text, seq / 10);
		seq++;
	}
	analyser_finish(both, seq / 10);
	*ret_both = both;
	*ret_bare = feed(str_cstr(&bare), bare.len, 65536);
	str_clear(&bare);
}

static int check_recording(const char *path)
{
	_cleanup_str_ struct str log = STR_INIT, text = STR_INIT;
	_cleanup_free_ char *expect_path = mem_printf("%.*s.expect", (int)(strlen(path) - 4), path);
	const char *name = path + strlen(data_dir) + 1;
	bool is_held_out = hash_str(HASH_INIT, name) % 3 == 0;
	struct error err = ERROR_INIT;
	struct analyser *a, *both, *bare;
	const struct finding *first;
	struct expect e;
	size_t pos = 0;
	int bad = 0;

	if (fs_read(path, LOG_MAX, &log, &err) < 0 || fs_read(expect_path, 65536, &text, &err) < 0)
		fail_msg("%s", err.text);
	parse_expect(expect_path, str_cstr(&text), &e);

	a = feed(log.p, log.len, 4096);
	first = next_notable(a, &e, &pos);
	matrix[is_held_out][e.n ? e.wants[0].class : CLEAN][first ? first->class : CLEAN]++;
	bad += compare(name, "console", a, &e, true);
	analyser_free(a);

	a = feed(log.p, log.len, 7);
	bad += compare(name, "small chunks", a, &e, true);
	analyser_free(a);

	other_ways(&log, &both, &bare);
	bad += compare(name, "both channels", both, &e, true);
	bad += compare(name, "no stamps", bare, &e, true);
	analyser_free(both);
	analyser_free(bare);
	return bad;
}

static void print_matrix(int held_out)
{
	unsigned n = 0, right = 0;

	for (int w = 0; w <= FINDING_N_CLASSES; w++)
		for (int f = 0; f <= FINDING_N_CLASSES; f++) {
			unsigned v = matrix[held_out][w][f];

			if (v)
				print_message("#   %-16s found as %-16s %3u%s\n", class_name((enum finding_class)w),
					      class_name((enum finding_class)f), v, w == f ? "" : "   <--");
			n += v;
			right += w == f ? v : 0;
		}
	print_message("# %s: %u of %u recordings have the class that was provoked\n", held_out ? "held out" : "in view",
		      right, n);
}

static void test_recordings(void **state)
{
	_cleanup_strv_ struct strv kernels = STRV_INIT;
	unsigned n = 0;
	int bad = 0;

	(void)state;
	assert_int_equal(fs_list(data_dir, &kernels, NULL), 0);
	for (size_t i = 0; i < kernels.n; i++) {
		_cleanup_free_ char *dir = fs_join(data_dir, kernels.v[i]);
		_cleanup_strv_ struct strv names = STRV_INIT;

		assert_int_equal(fs_list(dir, &names, NULL), 0);
		for (size_t j = 0; j < names.n; j++) {
			_cleanup_free_ char *path = fs_join(dir, names.v[j]);

			if (!str_ends(path, ".log"))
				continue;
			bad += check_recording(path);
			n++;
		}
	}
	print_matrix(0);
	print_matrix(1);
	assert_int_not_equal(n, 0);
	assert_int_equal(bad, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recordings),
	};

	data_dir = argc > 1 ? argv[1] : getenv("QUIZ_RECORDINGS");
	if (!data_dir) {
		fprintf(stderr, "usage: test_recordings tests/data/console\n");
		return 2;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
