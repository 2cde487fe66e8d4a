/* SPDX-License-Identifier: MPL-2.0 */
/* Fragments: reading, merging, version conditions, and the comparison with what came out. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "image/kconfig.h"
#include "sys/fs.h"

static char dir[] = "/tmp/quiz-test-kconfig.XXXXXX";
static struct strv dirs = STRV_INIT;

static void put(const char *name, const char *text)
{
	_cleanup_free_ char *path = fs_join(dir, name);
	struct error err = ERROR_INIT;

	if (fs_mkdir_parents(path, &err) < 0 || fs_write_atomic(path, text, strlen(text), 0644, false, &err) < 0)
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	strv_add(&dirs, dir);
	put("base",
	    "# words\n#: summary the base\n#: required\nCONFIG_NET=y\nCONFIG_BIG=n\n#: wanted\nCONFIG_SHIFT=18\n");
	put("extra", "#: with base\nCONFIG_SHIFT=20\n");
	put("lean", "#: summary on its own\n#: without default\n#: with extra\nCONFIG_LEAN=y\n");
	put("loop-a", "#: with loop-b\nCONFIG_A=y\n");
	put("loop-b", "#: with loop-a\nCONFIG_B=y\n");
	put("src/Kconfig", "menuconfig NET\n\tbool \"Net\"\n\nconfig TUNED\n\tbool\n\tdepends on NET && HAVE_TUNE\n"
			   "\tdepends on !S390\n\nconfig LAST\n\tbool\n");
	put("src/drivers/x/Kconfig.debug", "\tconfig INDENTED\n\t\tbool\n\t\tdepends on PCI\n");
	return 0;
}

static int teardown(void **state)
{
	strv_clear(&dirs);
	return fs_remove_tree(dir, NULL, NULL);
}

static struct kernel_version version(const char *text)
{
	struct kernel_version v;

	assert_int_equal(kernel_version_parse(text, &v, NULL), 0);
	return v;
}

static const char *value_of(const struct kconfig *k, const char *symbol)
{
	for (size_t i = 0; i < k->n_requests; i++)
		if (str_eq(k->requests[i].symbol, symbol))
			return k->requests[i].value;
	return NULL;
}

static void test_merge(void **state)
{
	_cleanup_kconfig_ struct kconfig k = { 0 };
	_cleanup_str_ struct str out = STR_INIT;
	struct kernel_version v = version("6.1");
	struct error err = ERROR_INIT;

	assert_int_equal(kconfig_add_fragment(&k, &dirs, "extra", &v, &err), 0);
	assert_int_equal(kconfig_add_fragment(&k, &dirs, "base", &v, &err), 0);
	assert_int_equal(k.fragments.n, 2);
	assert_int_equal(k.n_conflicts, 1);
	assert_string_equal(k.conflicts[0].symbol, "SHIFT");
	assert_string_equal(k.conflicts[0].loser, "18 (base:7)");
	assert_int_equal(kconfig_add_symbol(&k, "CONFIG_NAME", "\"a b\"", "--set", true, &err), 0);
	kconfig_write(&k, &out);
	assert_string_equal(str_cstr(&out),
			    "# CONFIG_BIG is not set\nCONFIG_NAME=\"a b\"\nCONFIG_NET=y\nCONFIG_SHIFT=20\n");
}

static void test_users_word_is_last(void **state)
{
	_cleanup_kconfig_ struct kconfig k = { 0 };
	struct kernel_version v = version("6.1");
	struct error err = ERROR_INIT;

	assert_int_equal(kconfig_add_fragment(&k, &dirs, "base", &v, &err), 0);
	assert_int_equal(kconfig_add_symbol(&k, "NET", "n", "--disable", true, &err), 0);
	assert_string_equal(value_of(&k, "NET"), "n");
	assert_int_equal(k.n_conflicts, 0);
}

static void test_required_stays(void **state)
{
	static const char wanted[] = "#: wanted\nCONFIG_NET=n\n";
	static const char required[] = "#: required\nCONFIG_NET=n\n";
	_cleanup_kconfig_ struct kconfig k = { 0 };
	struct kernel_version v = version("6.1");
	struct error err = ERROR_INIT;

	assert_int_equal(kconfig_add_fragment(&k, &dirs, "base", &v, &err), 0);
	assert_int_equal(kconfig_add_text(&k, &dirs, "w", wanted, strlen(wanted), false, &v, &err), 0);
	assert_string_equal(value_of(&k, "NET"), "y");
	assert_int_equal(k.n_conflicts, 1);
	assert_int_equal(kconfig_add_text(&k, &dirs, "r", required, strlen(required), false, &v, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_non_null(strstr(err.text, "base:4 wants CONFIG_NET=y, r:2 wants CONFIG_NET=n"));
}

static void test_versions(void **state)
{
	static const char text[] = "#: since 5.13\nCONFIG_NEW=y\n#: until 5.13\nCONFIG_OLD=y\n"
				   "#: since 5.4 until 6.1\nCONFIG_MIDDLE=y\n#: always\nCONFIG_ALL=y\n";
	static const struct {
		const char *version;
		bool has_new, has_old, has_middle;
	} rows[] = {
		{ "5.4.300", false, true, true },  { "5.10", false, true, true },
		{ "5.13-rc1", true, false, true }, { "6.0.19", true, false, true },
		{ "6.1", true, false, false },	   { "6.1.192", true, false, false },
		{ "master", true, false, false },  { "next-20250721", true, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_kconfig_ struct kconfig k = { 0 };
		struct kernel_version v = version(rows[i].version);
		struct error err = ERROR_INIT;

		if (kconfig_add_text(&k, &dirs, "t", text, strlen(text), false, &v, &err) < 0)
			fail_msg("%s: %s", rows[i].version, err.text);
		if ((value_of(&k, "NEW") != NULL) != rows[i].has_new ||
		    (value_of(&k, "OLD") != NULL) != rows[i].has_old ||
		    (value_of(&k, "MIDDLE") != NULL) != rows[i].has_middle || !value_of(&k, "ALL"))
			fail_msg("%s: new %d old %d middle %d", rows[i].version, value_of(&k, "NEW") != NULL,
				 value_of(&k, "OLD") != NULL, value_of(&k, "MIDDLE") != NULL);
	}
}

static void test_architectures(void **state)
{
	static const char text[] =
	    "#: on x86_64\n#: with extra\nCONFIG_PC=y\n#: since 5.13 on x86_64, s390x\nCONFIG_NEW=y\n"
	    "#: off x86_64 riscv64\nCONFIG_CCW=y\n#: always\nCONFIG_ALL=y\n";
	static const struct {
		const char *arch, *version;
		bool has_pc, has_new, has_ccw;
	} rows[] = {
		{ "x86_64", "6.1", true, true, false },	   { "x86_64", "5.10", true, false, false },
		{ "s390x", "6.1", false, true, true },	   { "s390x", "5.10", false, false, true },
		{ "riscv64", "6.1", false, false, false }, { NULL, "6.1", false, false, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_kconfig_ struct kconfig k = { .arch = rows[i].arch };
		struct kernel_version v = version(rows[i].version);
		struct error err = ERROR_INIT;

		if (kconfig_add_text(&k, &dirs, "t", text, strlen(text), false, &v, &err) < 0)
			fail_msg("%s: %s", rows[i].arch, err.text);
		if ((value_of(&k, "PC") != NULL) != rows[i].has_pc ||
		    (value_of(&k, "SHIFT") != NULL) != rows[i].has_pc ||
		    (value_of(&k, "NEW") != NULL) != rows[i].has_new ||
		    (value_of(&k, "CCW") != NULL) != rows[i].has_ccw || !value_of(&k, "ALL"))
			fail_msg("%s %s: pc %d new %d ccw %d", rows[i].arch ? rows[i].arch : "none", rows[i].version,
				 value_of(&k, "PC") != NULL, value_of(&k, "NEW") != NULL, value_of(&k, "CCW") != NULL);
	}
}

static void test_bad_text(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "CONFIG_X\n", "t:1: expected CONFIG_SYMBOL=value" },
		{ "\n\nX=y\n", "t:3: expected CONFIG_SYMBOL=value" },
		{ "CONFIG_X=yes\n", "t:1: 'CONFIG_X=yes'" },
		{ "CONFIG_X-Y=y\n", "t:1: 'CONFIG_X-Y=y'" },
		{ "CONFIG_X=\"open\n", "t:1:" },
		{ "#: requird\n", "t:1: '#: requird' is not known" },
		{ "#: since\n", "t:1: expected 'since VERSION'" },
		{ "#: since pizza\n", "t:1" },
		{ "#: on\n", "t:1: expected 'since VERSION', 'until VERSION', 'on ARCH...'" },
		{ "#: with nothing-like-it\n", "t:1: cannot find kernel configuration fragment" },
		{ "#: with ../etc/passwd\n", "t:1: '../etc/passwd' is not the name" },
	};
	struct kernel_version v = version("6.1");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_kconfig_ struct kconfig k = { 0 };
		struct error err = ERROR_INIT;

		if (kconfig_add_text(&k, &dirs, "t", rows[i].text, strlen(rows[i].text), false, &v, &err) == 0)
			fail_msg("accepted: %s", rows[i].text);
		if (!strstr(err.text, rows[i].want))
			fail_msg("%s: got '%s'", rows[i].text, err.text);
	}
}

static void test_with_each_other(void **state)
{
	_cleanup_kconfig_ struct kconfig k = { 0 };
	struct kernel_version v = version("6.1");
	struct error err = ERROR_INIT;

	assert_int_equal(kconfig_add_fragment(&k, &dirs, "loop-a", &v, &err), 0);
	assert_int_equal(k.n_requests, 2);
	assert_int_equal(kconfig_add_fragment(&k, &dirs, "bse", &v, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	assert_string_equal(err.hint, "did you mean 'base'?");
}

static void test_without_default(void **state)
{
	_cleanup_kconfig_ struct kconfig k = { 0 };
	struct kernel_version v = version("6.1");

	assert_true(kconfig_is_without_default(&dirs, "lean"));
	assert_false(kconfig_is_without_default(&dirs, "extra"));
	assert_false(kconfig_is_without_default(&dirs, "nothing of that name"));
	assert_int_equal(kconfig_add_fragment(&k, &dirs, "lean", &v, NULL), 0);
	assert_string_equal(value_of(&k, "LEAN"), "y");
}

static void test_check(void **state)
{
	static const char text[] =
	    "#: required\nCONFIG_NET=y\nCONFIG_TUNED=y\n#: wanted\nCONFIG_NOSUCH=y\nCONFIG_OFF=n\n"
	    "CONFIG_INDENTED=m\nCONFIG_SHIFT=20\nCONFIG_NAME=\"x\"\nCONFIG_ABSENT=n\nCONFIG_SPARE=m\n";
	static const char config[] = "CONFIG_NET=y\n# CONFIG_TUNED is not set\nCONFIG_OFF=y\nCONFIG_SHIFT=18\n"
				     "CONFIG_NAME=\"x\"\nCONFIG_MORE_NET=m\nCONFIG_SPARE=y\n";
	_cleanup_kconfig_ struct kconfig k = { 0 };
	_cleanup_kconfig_check_ struct kconfig_check c = { 0 };
	_cleanup_free_ char *src = fs_join(dir, "src");
	_cleanup_str_ struct str report = STR_INIT;
	struct kernel_version v = version("6.1");
	struct error err = ERROR_INIT;

	assert_int_equal(kconfig_add_text(&k, &dirs, "t", text, strlen(text), false, &v, &err), 0);
	assert_int_equal(kconfig_check(&k, config, src, &c, &err), 0);
	assert_int_equal(c.n_builtin, 3);
	assert_int_equal(c.n_module, 1);
	kconfig_check_report(&c, &k, &report);
	assert_string_equal(str_cstr(&report),
			    "not taken: TUNED=y (needs NET && HAVE_TUNE && !S390), INDENTED=m (needs PCI)\n"
			    "set to something else: OFF=n (is y), SHIFT=20 (is 18), SPARE=m (is y; needs MODULES)\n"
			    "unknown in this version: NOSUCH=y\n");
	assert_int_equal(kconfig_check_required(&c, &err), -1);
	assert_int_equal(err.kind, ERROR_UNSUPPORTED);
	assert_string_equal(err.text,
			    "cannot configure the kernel as wanted: CONFIG_TUNED=y (needs NET && HAVE_TUNE && "
			    "!S390), asked for by t:3");
}

static void test_value(void **state)
{
	static const struct {
		const char *symbol, *want;
	} rows[] = {
		{ "NET", "y" }, { "ET", "n" }, { "NE", "n" }, { "S", "\"a=b\"" }, { "LAST", "m" }, { "OFF", "n" },
	};
	static const char config[] = "CONFIG_NET=y\n# CONFIG_OFF is not set\nCONFIG_S=\"a=b\"\r\nCONFIG_LAST=m";

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *v = kconfig_value(config, rows[i].symbol);

		assert_string_equal(v, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge),		cmocka_unit_test(test_users_word_is_last),
		cmocka_unit_test(test_required_stays),	cmocka_unit_test(test_versions),
		cmocka_unit_test(test_architectures),	cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_with_each_other), cmocka_unit_test(test_without_default),
		cmocka_unit_test(test_check),		cmocka_unit_test(test_value),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
