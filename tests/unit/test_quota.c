/* SPDX-License-Identifier: MPL-2.0 */
/* What a guest may fill of /shared: when the folder is measured, what is too much, and how soon it is looked at again. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/quota.h"
#include "sys/proc.h"

#define MB (1024ull * 1024)
#define GB (1024 * MB)

static struct quota_look look_at(uint64_t now_ms, uint64_t written)
{
	return (struct quota_look){ .now_ms = now_ms, .written_bytes = written, .free_bytes = 100 * GB, .free_files = UINT64_MAX };
}

static void who_wrote_little_is_not_measured(void **state)
{
	struct quota q = { .max_bytes = GB };
	struct quota_look look = look_at(5000, 900 * MB);
	const struct fs_usage half = { 500 * MB, 10, true };

	assert_false(quota_is_due(&q, &look));
	look.written_bytes = GB + 1;
	assert_true(quota_is_due(&q, &look));
	assert_int_equal(quota_measured(&q, &look, &half), QUOTA_OK);
	/* Half of it went elsewhere: the folder has room for as much again. */
	look.written_bytes = GB + 500 * MB;
	assert_false(quota_is_due(&q, &look));
	look.written_bytes = GB + 600 * MB;
	assert_true(quota_is_due(&q, &look));
	/* Another VMM counts from 0, a host that does not count is always asked. */
	look.written_bytes = 1;
	assert_true(quota_is_due(&q, &look));
	look.written_bytes = UINT64_MAX;
	assert_true(quota_is_due(&q, &look));
	/* No limit, and room enough. */
	q.max_bytes = 0;
	assert_false(quota_is_due(&q, &look));
}

static void a_host_that_runs_short_is_asked(void **state)
{
	struct quota q = { .max_bytes = 0 };
	struct quota_look look = look_at(5000, 10);

	look.free_bytes = QUOTA_RESERVE_BYTES - 1;
	assert_true(quota_is_due(&q, &look));
	look.free_bytes = GB;
	look.free_files = QUOTA_RESERVE_FILES - 1;
	assert_true(quota_is_due(&q, &look));
}

static void excess(void **state)
{
	static const struct {
		const char *name;
		uint64_t max_bytes, free_bytes, free_files;
		struct fs_usage usage;
		enum quota_excess want;
	} rows[] = {
		{ "all of it", GB, 10 * GB, UINT64_MAX, { GB, 10, true }, QUOTA_OK },
		{ "more", GB, 10 * GB, UINT64_MAX, { GB + 1, 10, true }, QUOTA_TOO_LARGE },
		{ "more, without a limit", 0, 10 * GB, UINT64_MAX, { 100 * GB, 10, true }, QUOTA_OK },
		{ "files", GB, 10 * GB, UINT64_MAX, { 10, QUOTA_FILES_MAX, false }, QUOTA_TOO_MANY },
		{ "what can not be counted", GB, 10 * GB, UINT64_MAX, { 10, 300, false }, QUOTA_TOO_MANY },
		{ "a full host", GB, 10 * MB, UINT64_MAX, { QUOTA_RESERVE_BYTES + 1, 10, true }, QUOTA_HOST_FULL },
		{ "a full host, without a limit", 0, 10 * MB, UINT64_MAX, { QUOTA_RESERVE_BYTES + 1, 10, true }, QUOTA_HOST_FULL },
		{ "one that others filled", GB, 10 * MB, UINT64_MAX, { 10 * MB, 10, true }, QUOTA_OK },
		{ "no inodes", GB, 10 * GB, 5, { 10 * MB, QUOTA_RESERVE_FILES + 1, true }, QUOTA_HOST_FULL },
		{ "none, by others", GB, 10 * GB, 5, { 10 * MB, 5, true }, QUOTA_OK },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct quota q = { .max_bytes = rows[i].max_bytes };
		struct quota_look look = look_at(5000, 10);

		look.free_bytes = rows[i].free_bytes;
		look.free_files = rows[i].free_files;
		if (quota_measured(&q, &look, &rows[i].usage) != rows[i].want)
			fail_msg("%s: %d, not %d", rows[i].name, quota_measured(&q, &look, &rows[i].usage), rows[i].want);
	}
}

static void who_writes_fast_is_looked_at_sooner(void **state)
{
	struct quota q = { .max_bytes = 10 * GB };
	struct quota_look look = look_at(5000, 0);
	uint64_t next;

	assert_int_equal(quota_next_ms(&q, &look, 5000), 5000);
	look = look_at(10000, 10 * MB); /* would take hours */
	assert_int_equal(quota_next_ms(&q, &look, 5000), 5000);
	look = look_at(15000, 6 * GB); /* 6 GiB in 5 s, and 4 are left: 3.3 s */
	next = quota_next_ms(&q, &look, 5000);
	assert_in_range(next, 1500, 1800);
	look = look_at(16000, 9 * GB + 1023 * MB);
	assert_int_equal(quota_next_ms(&q, &look, 5000), QUOTA_LOOK_MIN_MS);
	/* The host's room counts as well. */
	q = (struct quota){ .max_bytes = 0 };
	look = look_at(5000, GB);
	assert_int_equal(quota_next_ms(&q, &look, 5000), 5000);
	look = look_at(10000, 3 * GB);
	look.free_bytes = GB + QUOTA_RESERVE_BYTES;
	assert_in_range(quota_next_ms(&q, &look, 5000), 1200, 1300);
}

static void usage_of_a_tree(void **state)
{
	char dir[] = "/tmp/quiz-quota.XXXXXX", path[128], cmd[256];
	struct fs_usage u;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sub", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/sub/file", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	for (int i = 0; i < 100; i++)
		fputs("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789", f);
	fclose(f);
	fs_tree_usage(dir, 100, &u);
	assert_true(u.is_complete);
	assert_int_equal(u.n, 3);
	assert_int_equal(u.bytes, fs_tree_bytes(dir));
	assert_in_range(u.bytes, 10000, 100000);
	fs_tree_usage(dir, 2, &u);
	assert_false(u.is_complete);

	/* Deeper than there are descriptors for. */
	snprintf(cmd, sizeof(cmd), "%s", dir);
	assert_int_equal(chdir(cmd), 0);
	for (int i = 0; i < 400; i++) {
		assert_int_equal(mkdir("d", 0700), 0);
		assert_int_equal(chdir("d"), 0);
	}
	assert_int_equal(chdir("/"), 0);
	fs_tree_usage(dir, 100000, &u);
	assert_false(u.is_complete);
	assert_int_equal(fs_remove_tree(dir, NULL, NULL), 0);
}

static void what_a_process_has_written(void **state)
{
	uint64_t before = proc_written_bytes(getpid());
	FILE *f = tmpfile();

	if (before == UINT64_MAX)
		skip();
	assert_non_null(f);
	for (int i = 0; i < 100; i++)
		fputs("01234567890123456789", f);
	fclose(f);
	assert_true(proc_written_bytes(getpid()) >= before + 2000);
	assert_int_equal(proc_written_bytes(0x3fffffff), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_wrote_little_is_not_measured),
		cmocka_unit_test(a_host_that_runs_short_is_asked),
		cmocka_unit_test(excess),
		cmocka_unit_test(who_writes_fast_is_looked_at_sooner),
		cmocka_unit_test(usage_of_a_tree),
		cmocka_unit_test(what_a_process_has_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
