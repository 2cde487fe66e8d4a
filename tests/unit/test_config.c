/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "spec/config.h"
#include "spec/ini.h"
#include "sys/fs.h"

static int parse(struct config *c, const char *text, bool trusted, struct error *err)
{
	*err = (struct error)ERROR_INIT;
	return config_parse(c, text, strlen(text), "test.cfg", "/base", trusted, err);
}

static int note(void *ctx, const struct ini_item *item, struct error *err)
{
	if (item->key)
		str_addf(ctx, "%s|%s|%s|%u\n", item->section, item->key, item->value, item->line);
	return 0;
}

static void ini(void **state)
{
	static const char text[] = "a = 1\n"
				   "# comment\n"
				   "\n"
				   "[s t]\n"
				   "b=x = y ; not a comment\n"
				   "c =\n"
				   "d = one\n"
				   "    two\n"
				   "\tthree\n"
				   "e = last";
	_cleanup_str_ struct str out = STR_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(ini_parse(text, strlen(text), "x", note, &out, &err), 0);
	assert_string_equal(str_cstr(&out), "|a|1|1\n"
					    "s t|b|x = y ; not a comment|5\n"
					    "s t|c||6\n"
					    "s t|d|one two three|7\n"
					    "s t|e|last|10\n");
}

static void ini_mistakes(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "nonsense", "x:1: neither" },
		{ "a=1\n[open\n", "x:2: a section looks like" },
		{ "[]\n", "x:1: a section looks like" },
		{ "= 3\n", "x:1: neither" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_str_ struct str out = STR_INIT;
		struct error err = ERROR_INIT;

		assert_int_equal(ini_parse(rows[i].text, strlen(rows[i].text), "x", note, &out, &err), -1);
		assert_non_null(strstr(err.text, rows[i].want));
	}
	struct error err = ERROR_INIT;

	assert_int_equal(ini_parse("a=\0b", 4, "x", note, NULL, &err), -1);
	assert_non_null(strstr(err.text, "not a text file"));
}

static void long_lines(void **state)
{
	_cleanup_str_ struct str text = STR_INIT, out = STR_INIT;
	struct error err = ERROR_INIT;

	str_add(&text, "a = ");
	for (int i = 0; i < 1000; i++)
		str_add(&text, "0123456789");
	assert_int_equal(ini_parse(text.p, text.len, "x", note, &out, &err), 0);
	assert_true(out.len > 10000);
	for (int i = 0; i < 1000; i++)
		str_add(&text, "0123456789");
	assert_int_equal(ini_parse(text.p, text.len, "x", note, &out, &err), -1);
	assert_non_null(strstr(err.text, "too long"));
}

static void merge(void **state)
{
	struct config c = { 0 };
	struct runspec rs;
	struct error err;

	assert_int_equal(parse(&c, "memory = 2G\nprofile = zfs,memdev\nenv = A=1\nlayer = one\n[profile.memdev]\ncount = 3\n",
			       true, &err), 0);
	assert_int_equal(parse(&c, "memory = 3G\nprofile = net\nenv = B=2\n[profile.memdev]\ncount = 4\n", true, &err), 0);
	runspec_init(&rs);
	assert_int_equal(config_apply(&c, &rs, &err), 0);
	assert_int_equal(rs.memory_bytes, 3ull << 30);
	/* profile replaces what an earlier source said, other lists add up */
	assert_int_equal(rs.n_profiles, 1);
	assert_string_equal(rs.profiles[0].name, "net");
	assert_int_equal(rs.env.n, 2);
	assert_string_equal(rs.layers.v[0], "/base/one");
	assert_string_equal(config_profile_value(&c, "memdev", "count")->value, "4");
	assert_string_equal(config_profile_value(&c, "memdev", "count")->origin, "test.cfg:5");
	assert_null(config_profile_value(&c, "memdev", "size"));
	runspec_clear(&rs);
	config_clear(&c);
}

static void mistakes(void **state)
{
	static const struct {
		const char *text, *want, *hint;
		bool trusted;
	} rows[] = {
		{ "a = 1", "test.cfg:1: unknown key 'a'", "", true },
		{ "\nmemroy = 1G", "test.cfg:2: unknown key 'memroy'", "did you mean 'memory'?", true },
		{ "memory = big", "test.cfg:1: memory: 'big' is not a size", "", true },
		{ "detach = yes", "test.cfg:1: 'detach' is an option for the command line only", "", true },
		{ "[profiles.x]\n", "test.cfg:1: unknown section [profiles.x]", "[profile.NAME]", true },
		{ "[profile.]\n", "test.cfg:1: unknown section", "", true },
		{ "qemu = /tmp/evil", "not trusted", "quiz init --trust", false },
		{ "qemu-arg = -x", "not trusted", "", false },
		{ "share = /", "not trusted", "", false },
		{ "make = yes", "not trusted", "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config c = { 0 };
		struct error err;

		assert_int_equal(parse(&c, rows[i].text, rows[i].trusted, &err), -1);
		assert_int_equal(err.kind, ERROR_USAGE);
		if (!strstr(err.text, rows[i].want) || !strstr(err.hint, rows[i].hint))
			fail_msg("row %zu: got '%s' (hint '%s'), want '%s' (hint '%s')", i, err.text, err.hint,
				 rows[i].want, rows[i].hint);
		config_clear(&c);
	}
}

/* Every key of the table that a file may set is taken by one. */
static void all_keys(void **state)
{
	size_t n;
	const struct option_row *rows = run_options(&n);

	for (size_t i = 0; i < n; i++) {
		const char *value = rows[i].fallback ? rows[i].fallback : rows[i].arg == OPTION_FLAG ? "yes" :
				    rows[i].arg == OPTION_COUNT ? "1" : "x";
		_cleanup_free_ char *text = mem_printf("%s = %s\n", rows[i].name, value);
		struct config c = { 0 };
		struct error err;

		if (rows[i].flags & OPTION_LINE_ONLY)
			continue;
		if (parse(&c, text, true, &err) < 0)
			fail_msg("%s: %s", text, err.text);
		config_clear(&c);
	}
}

/* A folder of the test's own; removed by the caller. */
static char *scratch(void)
{
	char *dir = mem_strdup("/tmp/quiz-test-config.XXXXXX");

	assert_non_null(mkdtemp(dir));
	return dir;
}

static void environment_and_files(void **state)
{
	_cleanup_free_ char *dir = scratch();
	_cleanup_free_ char *state_dir = fs_join(dir, "state"), *tree = fs_join(dir, "tree"), *etc = fs_join(dir, "etc");
	_cleanup_free_ char *file = fs_join(etc, "quiz.cfg"), *local = fs_join(tree, ".quiz/quiz.cfg");
	struct paths paths = { .config = dir, .sysconf = etc, .state = state_dir };
	struct workspace ws = { 0 };
	struct config c = { 0 };
	struct runspec rs;
	struct error err = ERROR_INIT;

	assert_int_equal(fs_mkdir_p(etc, 0755, &err), 0);
	assert_int_equal(fs_mkdir_p(tree, 0755, &err), 0);
	assert_int_equal(workspace_init(&paths, tree, false, &ws, &err), 0);
	assert_int_equal(fs_write_atomic(file, "memory = 2G\ncpus = 2\nkernel = a\n", 31, 0644, false, &err), 0);
	assert_int_equal(fs_write_atomic(local, "cpus = 3\nkernel = b\n", 20, 0644, false, &err), 0);
	setenv("QUIZ_KERNEL", "c", 1);
	setenv("QUIZ_MEMDEV_COUNT", "9", 1);
	assert_int_equal(config_load(&paths, &ws, &c, &err), 0);
	runspec_init(&rs);
	assert_int_equal(config_apply(&c, &rs, &err), 0);
	assert_int_equal(rs.memory_bytes, 2ull << 30);
	assert_int_equal(rs.n_cpus, 3);
	assert_string_equal(rs.kernel, "c");
	assert_string_equal(config_profile_value(&c, "memdev", "count")->value, "9");
	runspec_clear(&rs);
	config_clear(&c);

	setenv("QUIZ_MEMORY", "much", 1);
	assert_int_equal(config_load(&paths, &ws, &c, &err), -1);
	assert_non_null(strstr(err.text, "environment variable QUIZ_MEMORY: 'much' is not a size"));
	unsetenv("QUIZ_MEMORY");
	unsetenv("QUIZ_KERNEL");
	unsetenv("QUIZ_MEMDEV_COUNT");
	workspace_clear(&ws);
	fs_remove_tree(dir, NULL, NULL);
}

static void workspaces(void **state)
{
	_cleanup_free_ char *dir = scratch();
	_cleanup_free_ char *state_dir = fs_join(dir, "state"), *tree = fs_join(dir, "tree"), *sub = fs_join(tree, "a/b");
	_cleanup_free_ char *quiz = fs_join(tree, ".quiz"), *moved = fs_join(dir, "moved"), *ignore = fs_join(quiz, ".gitignore");
	_cleanup_str_ struct str text = STR_INIT;
	struct paths paths = { .state = state_dir };
	struct workspace ws = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(fs_mkdir_p(sub, 0755, &err), 0);
	assert_int_equal(workspace_find(&paths, sub, &ws, &err), 0);
	assert_null(ws.root);
	assert_int_equal(workspace_init(&paths, tree, false, &ws, &err), 0);
	assert_false(ws.is_trusted);
	workspace_clear(&ws);
	assert_int_equal(fs_read(ignore, 100, &text, &err), 0);
	assert_string_equal(str_cstr(&text), "*\n");

	assert_int_equal(workspace_find(&paths, sub, &ws, &err), 0);
	assert_string_equal(strrchr(ws.root, '/'), "/tree");
	assert_false(ws.is_trusted);
	workspace_clear(&ws);

	assert_int_equal(workspace_init(&paths, tree, true, &ws, &err), 0);
	workspace_clear(&ws);
	assert_int_equal(workspace_find(&paths, sub, &ws, &err), 0);
	assert_true(ws.is_trusted);
	workspace_clear(&ws);

	/* Another .quiz/ at the same path does not inherit it. */
	assert_int_equal(rename(quiz, moved), 0);
	assert_int_equal(mkdir(quiz, 0755), 0);
	assert_int_equal(workspace_find(&paths, sub, &ws, &err), 0);
	assert_false(ws.is_trusted);
	workspace_clear(&ws);
	fs_remove_tree(dir, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ini),	    cmocka_unit_test(ini_mistakes),	     cmocka_unit_test(long_lines),
		cmocka_unit_test(merge),    cmocka_unit_test(mistakes),		     cmocka_unit_test(all_keys),
		cmocka_unit_test(environment_and_files), cmocka_unit_test(workspaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
