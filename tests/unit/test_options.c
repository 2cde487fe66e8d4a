/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "spec/options.h"
#include "spec/profile.h"

#define PARSE(rs, err, ...) parse(rs, err, (char *[]){ __VA_ARGS__, NULL })

static int parse(struct runspec *rs, struct error *err, char **argv)
{
	int n = 0;

	while (argv[n])
		n++;
	runspec_init(rs);
	*err = (struct error)ERROR_INIT;
	return options_parse(n, argv, rs, err);
}

static void defaults(void **state)
{
	struct runspec rs;

	runspec_init(&rs);
	assert_int_equal(rs.memory_bytes, 1 << 30);
	assert_int_equal(rs.n_cpus, 0); /* auto */
	assert_true(rs.workspace_mount);
	assert_int_equal(rs.tty, TTY_AUTO);
	assert_int_equal(rs.keep_runs, 50);
	assert_int_equal(rs.argv.n, 0);
	runspec_clear(&rs);
}

static void values(void **state)
{
	struct runspec rs;
	struct error err;

	assert_int_equal(PARSE(&rs, &err, "-m2G", "-c", "3", "--timeout=90s", "-vv", "-vqS", "--no-workspace", "-t",
			       "--env", "A=1", "--env=B", "--append", "quiet", "--append=debug x=1", "--make",
			       "--strict", "--accel", "tcg", "uname", "-a"),
			 0);
	assert_int_equal(rs.memory_bytes, 2ull << 30);
	assert_int_equal(rs.n_cpus, 3);
	assert_int_equal(rs.timeout_ms, 90000);
	assert_int_equal(rs.verbosity, 3);
	assert_true(rs.quiet);
	assert_true(rs.shell_after);
	assert_false(rs.workspace_mount);
	assert_int_equal(rs.tty, TTY_FORCE);
	assert_int_equal(rs.accel, ACCEL_TCG);
	assert_int_equal(rs.env.n, 2);
	assert_string_equal(rs.env.v[1], "B");
	assert_string_equal(rs.append, "quiet debug x=1");
	assert_true(rs.do_make);
	assert_string_equal(rs.make_target, "");
	assert_true(rs.is_strict);
	/* What follows the program is the program's. */
	assert_int_equal(rs.argv.n, 2);
	assert_string_equal(rs.argv.v[1], "-a");
	assert_false(rs.argv_is_exact);
	runspec_clear(&rs);
}

static void double_dash(void **state)
{
	struct runspec rs;
	struct error err;

	assert_int_equal(PARSE(&rs, &err, "-T", "--", "--help", "&&", "-x"), 0);
	assert_true(rs.argv_is_exact);
	assert_int_equal(rs.tty, TTY_NEVER);
	assert_int_equal(rs.argv.n, 3);
	assert_string_equal(rs.argv.v[0], "--help");
	runspec_clear(&rs);
	/* A "--" of the program's own stays its own. */
	assert_int_equal(PARSE(&rs, &err, "env", "--", "true"), 0);
	assert_false(rs.argv_is_exact);
	assert_int_equal(rs.argv.n, 3);
	runspec_clear(&rs);
}

static void mistakes(void **state)
{
	static const struct {
		const char *argv[3], *text, *hint;
	} rows[] = {
		{ { "--memry=2" }, "unknown option '--memry'", "did you mean --memory?" },
		{ { "-Z" }, "unknown option '-Z'", "quiz help run" },
		{ { "--memory" }, "'--memory' needs a value", "quiz help run" },
		{ { "-m" }, "'-m' needs a value", "quiz help run" },
		{ { "--memory", "lots" }, "option '--memory': 'lots' is not a size", "" },
		{ { "--memory", "1M" }, "a machine needs 64M at least", "" },
		{ { "--cpus", "0" }, "'0' is not a number from 1 to 255", "" },
		{ { "--accel", "xen" }, "'xen' is none of auto, kvm, tcg", "" },
		{ { "--no-memory" }, "unknown option '--no-memory'", "" },
		{ { "--no-strict=yes" }, "takes no value", "" },
		{ { "--strict=perhaps" }, "'perhaps' is neither yes nor no", "" },
		{ { "--share", "/a:b" }, "the guest's path must be absolute", "" },
		{ { "--disk", ":rw" }, "':rw' is neither a size nor a file", "" },
		{ { "--env", "=x" }, "no NAME or NAME=VALUE", "" },
		{ { "-p", "a,,b" }, "no name of a profile", "" },
		{ { "-p", "x=1" }, "follows no profile", "" },
		{ { "-p", "zfs," }, "ends with a comma", "" },
		{ { "-p", "zfs:" }, "no option after the colon", "" },
		{ { "-p", "../x" }, "no name of a profile", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct runspec rs;
		struct error err;

		assert_int_equal(PARSE(&rs, &err, (char *)rows[i].argv[0], (char *)rows[i].argv[1]), -1);
		assert_int_equal(err.kind, ERROR_USAGE);
		if (!strstr(err.text, rows[i].text) || !strstr(err.hint, rows[i].hint))
			fail_msg("row %zu: got '%s' (hint '%s'), want '%s' (hint '%s')", i, err.text, err.hint,
				 rows[i].text, rows[i].hint);
		runspec_clear(&rs);
	}
}

static void shares(void **state)
{
	static const struct {
		const char *text, *host, *guest;
		bool is_rw;
	} rows[] = {
		{ "/a", "/a", NULL, false }, { "/a:/b", "/a", "/b", false },  { "/a:/b:rw", "/a", "/b", true },
		{ ".:rw", ".", NULL, true }, { "x:/y:ro", "x", "/y", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct runspec rs;
		struct error err;

		assert_int_equal(PARSE(&rs, &err, "--share", (char *)rows[i].text), 0);
		assert_int_equal(rs.n_shares, 1);
		assert_string_equal(rs.shares[0].host, rows[i].host);
		assert_true(str_eq(rs.shares[0].guest, rows[i].guest));
		assert_int_equal(rs.shares[0].is_rw, rows[i].is_rw);
		runspec_clear(&rs);
	}
}

static void disks(void **state)
{
	static const struct {
		const char *text, *file;
		enum disk_use use;
		uint64_t bytes;
	} rows[] = {
		{ "10G", NULL, DISK_USE_FRESH, 10ull << 30 },	 { "a.img", "a.img", DISK_USE_SNAPSHOT, 0 },
		{ "./10G", "./10G", DISK_USE_SNAPSHOT, 0 },	 { "a.img:rw", "a.img", DISK_USE_WRITE, 0 },
		{ "/dev/sdb:ro", "/dev/sdb", DISK_USE_READ, 0 }, { "a:b", "a:b", DISK_USE_SNAPSHOT, 0 },
		{ "10G:rw", "10G", DISK_USE_WRITE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct runspec rs;
		struct error err;

		assert_int_equal(PARSE(&rs, &err, "--disk", (char *)rows[i].text), 0);
		assert_int_equal(rs.n_disks, 1);
		if (!str_eq(rs.disks[0].file, rows[i].file) || rs.disks[0].use != rows[i].use ||
		    rs.disks[0].size_bytes != rows[i].bytes)
			fail_msg("'%s': got '%s' use %d, %llu bytes", rows[i].text,
				 rs.disks[0].file ? rs.disks[0].file : "(none)", rs.disks[0].use,
				 (unsigned long long)rs.disks[0].size_bytes);
		runspec_clear(&rs);
	}
}

static void profile_lists(void **state)
{
	struct runspec rs;
	struct error err;

	/* A comma starts a new profile unless what follows is key=value; a value may hold colons. */
	assert_int_equal(
	    PARSE(&rs, &err, "-p", "zfs,memdev:count=6,size=1G,net:forward=tcp:1.2.3.4:1-:2,a:gpt", "-p", "b"), 0);
	assert_int_equal(rs.n_profiles, 5);
	assert_string_equal(rs.profiles[0].name, "zfs");
	assert_int_equal(rs.profiles[0].options.n, 0);
	assert_string_equal(rs.profiles[1].name, "memdev");
	assert_int_equal(rs.profiles[1].options.n, 2);
	assert_string_equal(rs.profiles[1].options.v[1], "size=1G");
	assert_string_equal(rs.profiles[2].options.v[0], "forward=tcp:1.2.3.4:1-:2");
	assert_string_equal(rs.profiles[3].options.v[0], "gpt");
	assert_string_equal(rs.profiles[4].name, "b");
	runspec_clear(&rs);
}

/* The table itself: names and letters are unique, fields are described. */
static void table(void **state)
{
	size_t n;
	const struct option_row *rows = run_options(&n);

	for (size_t i = 0; i < n; i++) {
		assert_non_null(rows[i].help);
		if (rows[i].arg == OPTION_REQUIRED || rows[i].arg == OPTION_OPTIONAL)
			assert_non_null(rows[i].metavar);
		if (rows[i].flags & OPTION_REPLACES)
			assert_non_null(rows[i].reset);
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(rows[i].name, rows[k].name);
			if (rows[i].letter)
				assert_int_not_equal(rows[i].letter, rows[k].letter);
		}
	}
}

/* What a further program in a machine that is up can have: no option of the machine is taken and forgotten. */
static void options_of_a_program(void **state)
{
	size_t n;
	const struct option_row *rows = program_options(&n);
	static const char *const want[] = { "env", "cwd", "user", "tty", "no-tty" };

	assert_int_equal(n, ARRAY_SIZE(want));
	for (size_t i = 0; i < n; i++)
		assert_string_equal(rows[i].name, want[i]);
}

static void environment_of_a_program(void **state)
{
	static char *const argv[] = { "--env", "A=1", "--env=QUIZ_T", "--env", "QUIZ_U", "--env", "QUIZ_V" };
	_cleanup_strv_ struct strv env = STRV_INIT;
	struct error err = ERROR_INIT;
	struct runspec rs;

	setenv("QUIZ_T", "two", 1);
	setenv("QUIZ_U", "", 1);
	unsetenv("QUIZ_V");
	runspec_init(&rs);
	assert_int_equal(options_parse(ARRAY_SIZE(argv), argv, &rs, &err), 0);
	runspec_add_env(&rs, &env);
	assert_int_equal(env.n, 3);
	assert_string_equal(env.v[0], "A=1");
	assert_string_equal(env.v[1], "QUIZ_T=two");
	assert_string_equal(env.v[2], "QUIZ_U=");
	runspec_clear(&rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),	 cmocka_unit_test(values), cmocka_unit_test(double_dash),
		cmocka_unit_test(mistakes),	 cmocka_unit_test(shares), cmocka_unit_test(disks),
		cmocka_unit_test(profile_lists), cmocka_unit_test(table),
		cmocka_unit_test(options_of_a_program),
		cmocka_unit_test(environment_of_a_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
