/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "spec/profile.h"
#include "sys/fs.h"

/* A place for profiles of the test's own, beside the shipped ones. */
struct fixture {
	char *dir;
	struct profile_dirs dirs;
	struct config config;
	struct runspec rs;
	struct profile_set set;
	struct error err;
};

static int setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	f->dir = mem_strdup("/tmp/quiz-test-profile.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->dirs.user = fs_join(f->dir, "user");
	f->dirs.workspace = fs_join(f->dir, "workspace");
	f->dirs.shipped = mem_strdup(TEST_PROFILES);
	runspec_init(&f->rs);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fs_remove_tree(f->dir, NULL, NULL);
	profile_dirs_clear(&f->dirs);
	config_clear(&f->config);
	runspec_clear(&f->rs);
	profile_set_clear(&f->set);
	free(f->dir);
	free(f);
	return 0;
}

static void write_file(const char *dir, const char *profile, const char *name, const char *text, mode_t mode)
{
	_cleanup_free_ char *path = mem_printf("%s/%s/%s", dir, profile, name);

	assert_int_equal(fs_mkdir_parents(path, NULL), 0);
	assert_int_equal(fs_write_atomic(path, text, strlen(text), mode, false, NULL), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void user_profile(struct fixture *f, const char *name, const char *text)
{
	write_file(f->dirs.user, name, "profile.conf", text, 0644);
}

/* Resolves a list; the set is fresh each time. */
static int resolve(struct fixture *f, const char *list)
{
	runspec_clear(&f->rs);
	runspec_init(&f->rs);
	profile_set_clear(&f->set);
	error_clear(&f->err);
	assert_int_equal(profile_parse_list(list, &f->rs.profiles, &f->rs.n_profiles, &f->err), 0);
	return profile_resolve(&f->dirs, &f->config, &f->rs, &f->set, &f->err);
}

static void want_error(struct fixture *f, const char *list, const char *text, const char *hint)
{
	assert_int_equal(resolve(f, list), -1);
	if (!strstr(f->err.text, text) || !strstr(f->err.hint, hint))
		fail_msg("-p %s: got '%s' (hint '%s'), want '%s' (hint '%s')", list, f->err.text, f->err.hint, text, hint);
}

/* Names in order, joined by spaces. */
static void want_names(struct fixture *f, const char *list, const char *want)
{
	_cleanup_str_ struct str names = STR_INIT;

	if (resolve(f, list) < 0)
		fail_msg("-p %s: %s", list, f->err.text);
	for (size_t i = 0; i < f->set.names.n; i++)
		str_addf(&names, "%s%s", i ? " " : "", f->set.names.v[i]);
	assert_string_equal(str_cstr(&names), want);
}

static void shipped(void **state)
{
	struct fixture *f = *state;
	struct profile *list;
	size_t n;

	if (profile_list(&f->dirs, &list, &n, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_in_range(n, 11, 100);
	for (size_t i = 0; i < n; i++) {
		if (resolve(f, list[i].name) < 0)
			fail_msg("%s: %s", list[i].name, f->err.text);
		profile_clear(&list[i]);
	}
	free(list);
}

static void memdev(void **state)
{
	struct fixture *f = *state;

	want_names(f, "memdev", "memdev");
	assert_int_equal(f->set.n_memdevs, 1);
	assert_string_equal(f->set.memdevs[0].prefix, "quizm");
	assert_int_equal(f->set.memdevs[0].count, 6);
	assert_int_equal(f->set.memdevs[0].size_bytes, 100 << 20);
	assert_int_equal(f->set.memdevs[0].sector_bytes, 0);
	assert_int_equal(f->set.n_modules, 1);
	assert_string_equal(f->set.modules[0].name, "loop");
	assert_int_equal(f->set.n_hooks, 0);
	assert_true(f->set.is_template_safe);
	assert_string_equal(f->set.prints.v[0], "memdev");
}

static void memdev_options(void **state)
{
	struct fixture *f = *state;

	want_names(f, "memdev:count=2,size=1G,sector=4096", "memdev");
	assert_int_equal(f->set.memdevs[0].count, 2);
	assert_int_equal(f->set.memdevs[0].size_bytes, 1 << 30);
	assert_int_equal(f->set.memdevs[0].sector_bytes, 4096);
	assert_string_equal(f->set.prints.v[0], "memdev:count=2,size=1G,sector=4096");

	want_names(f, "memdev:gpt", "udev memdev");
	assert_true(f->set.wants_udev);
	assert_int_equal(f->set.n_hooks, 2);
	assert_string_equal(f->set.hooks[1].profile, "memdev");
	assert_int_equal(f->set.hooks[1].phase, PROFILE_GUEST_INIT);
	assert_true(strv_has(&f->set.hooks[1].env, "QUIZ_OPT_GPT=yes"));
	assert_true(strv_has(&f->set.hooks[1].env, "QUIZ_MEMDEV_COUNT=6"));
	assert_true(strv_has(&f->set.hooks[1].env, "QUIZ_UDEV_SETTLE=yes"));
	assert_true(strv_has(&f->set.hooks[1].env, "QUIZ_PROFILES=udev memdev"));
}

static void blockdev(void **state)
{
	struct fixture *f = *state;

	want_names(f, "blockdev:count=2,logical=4k,physical=4k,rotational=yes,discard=no,iops=100,persist=data", "blockdev");
	assert_int_equal(f->set.n_disks, 1);
	assert_string_equal(f->set.disks[0].prefix, "quizb");
	assert_int_equal(f->set.disks[0].logical_block, 4096);
	assert_true(f->set.disks[0].is_rotational);
	assert_false(f->set.disks[0].has_discard);
	assert_int_equal(f->set.disks[0].iops_limit, 100);
	assert_string_equal(f->set.disks[0].persist, "data");
	assert_false(f->set.is_template_safe);
	want_names(f, "blockdev:logical=4k", "blockdev");
	assert_int_equal(f->set.disks[0].physical_block, 4096);
	want_error(f, "blockdev:logical=8k,physical=4k", "the physical sector is smaller than the logical one", "");
	want_error(f, "blockdev:logical=700", "no sector size", "");
}

static void module_parameters(void **state)
{
	struct fixture *f = *state;

	user_profile(f, "m",
		     "[profile]\nsummary = x\nmodules = loop dm-mod\n[module.loop]\nparams = max_loop=${n}\n"
		     "[option.n]\ntype = number\ndefault = 4\n[option.dm_*]\nmodule = dm-mod\n");
	want_names(f, "m:dm_a=1,dm_b=2", "m");
	assert_int_equal(f->set.n_modules, 2);
	assert_string_equal(f->set.modules[0].params, "max_loop=4");
	assert_string_equal(f->set.modules[1].params, "dm_a=1 dm_b=2");
}

static void order(void **state)
{
	struct fixture *f = *state;

	user_profile(f, "a", "[profile]\nsummary = x\nneeds = b\n");
	user_profile(f, "b", "[profile]\nsummary = x\n");
	user_profile(f, "c", "[profile]\nsummary = x\nafter = d\n");
	user_profile(f, "d", "[profile]\nsummary = x\n");
	want_names(f, "a", "b a");
	want_names(f, "c,a", "c b a");	 /* the command line */
	want_names(f, "a,c", "b a c");
	want_names(f, "c,d", "d c");	 /* after wins over it */
	want_names(f, "b,a,b", "b a");
}

static void circles_and_conflicts(void **state)
{
	struct fixture *f = *state;

	user_profile(f, "a", "[profile]\nsummary = x\nneeds = b\n");
	user_profile(f, "b", "[profile]\nsummary = x\nneeds = c\n");
	user_profile(f, "c", "[profile]\nsummary = x\nafter = a\n");
	user_profile(f, "d", "[profile]\nsummary = x\nconflicts = e\n");
	user_profile(f, "e", "[profile]\nsummary = x\n");
	user_profile(f, "g", "[profile]\nsummary = x\nneeds = nosuch\n");
	want_error(f, "a", "in a circle: a -> b -> c -> a", "quiz profile show");
	want_error(f, "e,d", "profiles 'd' and 'e' can not be used together", "");
	want_error(f, "g", "profile 'g' needs 'nosuch': there is no profile 'nosuch'", "quiz profile list");
	want_error(f, "memdve", "there is no profile 'memdve'", "did you mean 'memdev'?");
}

static void bad_options(void **state)
{
	struct fixture *f = *state;

	want_error(f, "memdev:cont=3", "profile 'memdev' has no option 'cont'", "did you mean 'count'?");
	want_error(f, "memdev:count=x", "profile 'memdev': option 'count': 'x' is not a number", "");
	want_error(f, "memdev:count=65", "profile 'memdev': option 'count': '65' is not a number from 0 to 64", "quiz profile show memdev");
	want_error(f, "memdev:count", "option 'count' needs a value", "");
	want_error(f, "memdev:count=", "option 'count' needs a value", "quiz profile show memdev");
	want_error(f, "error:on=", "option 'on' needs a value", "");
	want_error(f, "error:kind=odd", "'odd' is none of error|flakey", "");
	want_error(f, "pool:name=a/b", "no name of letters", "");
}

static void config_values(void **state)
{
	struct fixture *f = *state;
	const char *text = "[profile.memdev]\ncount = 3\nsize = 7M\n[profile.strict]\nhung = 5\n";

	assert_int_equal(config_parse(&f->config, text, strlen(text), "q.cfg", NULL, true, &f->err), 0);
	want_names(f, "memdev:size=8M", "memdev");
	assert_int_equal(f->set.memdevs[0].count, 3);
	assert_int_equal(f->set.memdevs[0].size_bytes, 8 << 20);
	text = "[profile.memdev]\ncuont = 3\n";
	assert_int_equal(config_parse(&f->config, text, strlen(text), "r.cfg", NULL, true, &f->err), 0);
	want_error(f, "memdev", "r.cfg:2: profile 'memdev' has no option 'cuont'", "did you mean 'count'?");
}

static void conditions(void **state)
{
	struct fixture *f = *state;

	user_profile(f, "w",
		     "[profile]\nsummary = x\n[option.kind]\ntype = a|b\ndefault = a\n[option.f]\ntype = flag\n"
		     "[when.kind=a]\nappend = is-a\n[when.kind=b]\nappend = is-b\nmemory = 3G\n[when.f]\nappend = f\n"
		     "[when.!f]\nappend = not-f\n[memdev]\nif = ${f}\n");
	want_names(f, "w", "w");
	assert_int_equal(f->set.append.n, 2);
	assert_string_equal(f->set.append.v[0], "is-a");
	assert_string_equal(f->set.append.v[1], "not-f");
	assert_int_equal(f->set.n_memdevs, 0);
	want_names(f, "w:kind=b,f=yes", "w");
	assert_string_equal(f->set.append.v[0], "is-b");
	assert_string_equal(f->set.append.v[1], "f");
	assert_int_equal(f->set.memory_min_bytes, 3ull << 30);
	assert_int_equal(f->set.n_memdevs, 1);
}

static void broken_files(void **state)
{
	static const struct {
		const char *text, *want, *hint;
	} rows[] = {
		{ "[profile]\n", "[profile] has no summary", "" },
		{ "summary = x\n", "stands before the first [section]", "" },
		{ "[profile]\nsummary = x\nmodlues = a\n", "profile.conf:3: unknown key 'modlues' in [profile]", "'modules'" },
		{ "[profile]\nsummary = x\n[memdve]\n", "profile.conf:3: unknown section [memdve]", "[memdev]" },
		{ "[profile]\nsummary = x\n[when.a]\nsummary = y\n", "unknown key 'summary' in [when]", "" },
		{ "[profile]\nsummary = x\n[when.a]\ncpus = 3\n", "'a' names no option", "" },
		{ "[profile]\nsummary = x\nappend = ${y}\n", "'${y}' names no option of the profile", "" },
		{ "[profile]\nsummary = x\n[option.a]\ntype = int\n", "unknown type 'int'", "" },
		{ "[profile]\nsummary = x\n[option.a]\ntype = size\ndefault = x\n", "'x' is not a size", "" },
		{ "[profile]\nsummary = x\n[option.a]\n[option.a]\n", "declared twice", "" },
		{ "[profile]\nsummary = x\n[write]\n/etc/passwd = x\n", "no file in /sys or /proc", "" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		user_profile(f, "z", rows[i].text);
		want_error(f, "z", rows[i].want, rows[i].hint);
	}
}

/* One that can not be read hides none of the others. */
static void list_with_broken(void **state)
{
	struct fixture *f = *state;
	struct profile *list;
	size_t n, n_broken = 0;

	user_profile(f, "a-broken", "[profile]\nsummary = x\nmodlues = a\n");
	user_profile(f, "zzz-good", "[profile]\nsummary = fine\n");
	assert_int_equal(profile_list(&f->dirs, &list, &n, &f->err), 0);
	assert_string_equal(list[0].name, "a-broken");
	assert_string_equal(list[0].origin, "user");
	assert_non_null(strstr(list[0].problem, "profile.conf:3: unknown key 'modlues'"));
	assert_string_equal(list[n - 1].summary, "fine");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			assert_true(strcmp(list[i - 1].name, list[i].name) < 0);
		n_broken += list[i].problem != NULL;
	}
	assert_int_equal(n_broken, 1);
	for (size_t i = 0; i < n; i++)
		profile_clear(&list[i]);
	free(list);
}

static void trust(void **state)
{
	struct fixture *f = *state;

	write_file(f->dirs.workspace, "t", "profile.conf", "[profile]\nsummary = x\n", 0644);
	write_file(f->dirs.workspace, "t", "guest-init", "#!/bin/sh\n", 0755);
	want_names(f, "t", "t");
	write_file(f->dirs.workspace, "t", "host-setup", "#!/bin/sh\n", 0755);
	want_error(f, "t", "the workspace is not trusted", "quiz init --trust");
	assert_int_equal(f->err.kind, ERROR_MISSING);
	f->dirs.workspace_is_trusted = true;
	want_names(f, "t", "t");
	assert_int_equal(f->set.n_hooks, 2);
	assert_int_equal(f->set.hooks[0].phase, PROFILE_HOST_SETUP);
	write_file(f->dirs.workspace, "t", "host-collect", "#!/bin/sh\n", 0644);
	want_error(f, "t", "is not executable", "chmod +x");
}

static void directives(void **state)
{
	static const char text[] = "[profile]\nmodules = loop\ntemplate = no\n[env]\nA = 1\n[disk]\nsize = 2G\nprefix = d\n";
	static const char bad[] = "[disk]\nsize = much\n";
	struct fixture *f = *state;

	want_names(f, "memdev", "memdev");
	assert_int_equal(profile_apply_directives(&f->set, "memdev", text, strlen(text), &f->err), 0);
	assert_int_equal(f->set.n_modules, 1);
	assert_int_equal(f->set.n_disks, 1);
	assert_true(strv_has(&f->set.env, "A=1"));
	assert_false(f->set.is_template_safe);
	assert_int_equal(profile_apply_directives(&f->set, "memdev", bad, strlen(bad), &f->err), -1);
	assert_non_null(strstr(f->err.text, "host-setup of profile 'memdev':2: size: 'much'"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(shipped),	T(memdev_options), T(blockdev),	    T(module_parameters), T(order), T(circles_and_conflicts),
		T(bad_options), T(config_values),  T(conditions),   T(broken_files),	  T(list_with_broken), T(trust), T(directives),
		T(memdev),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
