/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run/template.h"
#include "sys/fs.h"
#include "sys/lock.h"

#define KEY_A "aaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbb"
#define KEY_C "cccccccccccccccc"
#define NO_LIMIT { .count = 100, .bytes = UINT64_MAX }

static char dir[] = "/tmp/quiz-test-template-XXXXXX";
static struct paths paths = { .cache = dir };

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	return fs_remove_tree(dir, NULL, NULL);
}

/* Each test has a place of its own. */
static void new_place(const char *name)
{
	_cleanup_free_ char *place = mem_printf("%s/%s", dir, name);

	setenv("QUIZ_TEMPLATE_DIR", place, 1);
}

static char *in_place(const char *name)
{
	return mem_printf("%s/%s", getenv("QUIZ_TEMPLATE_DIR"), name);
}

static void put(const char *path, const char *text)
{
	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0600, false, NULL), 0);
}

static struct template *begin(const char *key)
{
	const char *why;
	struct template *t = template_begin(&paths, key, 0, &why);

	assert_non_null(t);
	assert_null(why);
	put(t->ram_path, "memory");
	put(t->state_path, "state");
	put(t->console_path, "log");
	return t;
}

static struct template *publish(const char *key, const char *text)
{
	struct error err = ERROR_INIT;
	struct template *t = begin(key);

	if (template_publish(t, text, "{}", &err) < 0)
		fail_msg("%s", err.text);
	return t;
}

static bool can_find(const char *key, const char *text)
{
	struct template *t;

	if (!template_find(&paths, key, text, &t))
		return false;
	template_free(t);
	return true;
}

static size_t n_listed(void)
{
	struct template_entry *v;
	size_t n;

	assert_int_equal(templates_list(&paths, &v, &n, NULL), 0);
	templates_free(v, n);
	return n;
}

/* Names in the place, one per line: what is left there. */
static void assert_left(const char *want)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	_cleanup_str_ struct str all = STR_INIT;

	assert_int_equal(fs_list(getenv("QUIZ_TEMPLATE_DIR"), &names, NULL), 0);
	for (size_t i = 0; i < names.n; i++)
		str_addf(&all, "%s%s", i ? " " : "", names.v[i]);
	assert_string_equal(str_cstr(&all), want);
}

static void what_is_published_is_found(void **state)
{
	struct template *t, *found;
	_cleanup_str_ struct str log = STR_INIT;

	new_place("publish");
	assert_false(can_find(KEY_A, "a=1\n"));
	t = begin(KEY_A);
	assert_false(can_find(KEY_A, "a=1\n"));
	assert_int_equal(n_listed(), 0);
	assert_int_equal(template_publish(t, "a=1\n", "{}", NULL), 0);
	assert_int_equal(template_find(&paths, KEY_A, "a=1\n", &found), 1);
	assert_string_equal(found->dir, t->dir);
	assert_false(found->is_new);
	assert_int_equal(fs_read(found->console_path, 100, &log, NULL), 0);
	assert_string_equal(str_cstr(&log), "log");
	template_free(t);
	template_free(found);
	assert_int_equal(n_listed(), 1);
	assert_left(KEY_A);
}

static void one_maker_at_a_time(void **state)
{
	const char *why = NULL;
	struct template *t;

	new_place("makers");
	t = begin(KEY_A);
	assert_null(template_begin(&paths, KEY_A, 0, &why));
	assert_non_null(strstr(why, "another run"));
	template_free(begin(KEY_B));
	template_free(t);
	assert_left("");
	template_discard(begin(KEY_A));
	assert_left("");
	assert_null(template_begin(&paths, KEY_A, UINT64_MAX / 2, &why));
	assert_non_null(strstr(why, "room"));
}

static void a_place_that_others_can_write_is_not_used(void **state)
{
	const char *why;

	new_place("open");
	template_free(publish(KEY_A, "a\n"));
	assert_int_equal(chmod(getenv("QUIZ_TEMPLATE_DIR"), 0777), 0);
	assert_false(can_find(KEY_A, "a\n"));
	assert_null(template_begin(&paths, KEY_B, 0, &why));
	assert_int_equal(n_listed(), 0);
}

/* Spoils one thing of a template; none must be found afterwards, and none be left. */
static void spoil(const char *file, const char *text)
{
	_cleanup_free_ char *name = mem_printf("%s/%s", KEY_A, file);
	_cleanup_free_ char *path = in_place(name);

	template_free(publish(KEY_A, "a=1\n"));
	assert_true(can_find(KEY_A, "a=1\n"));
	if (text)
		put(path, text);
	else
		assert_int_equal(unlink(path), 0);
	if (can_find(KEY_A, "a=1\n"))
		fail_msg("found with another '%s'", file);
	assert_left("");
}

static void what_was_spoilt_is_removed(void **state)
{
	new_place("spoilt");
	template_free(publish(KEY_A, "a=1\n"));
	assert_false(can_find(KEY_A, "a=2\n"));
	assert_left("");
	spoil("state", "stat");
	spoil("state", NULL);
	spoil("ram", "");
	spoil("manifest", "a=1\n");
	spoil("manifest", NULL);
}

static void one_without_a_lock_does_not_block_its_successor(void **state)
{
	_cleanup_free_ char *lock = NULL;

	new_place("no-lock");
	lock = in_place(KEY_A "/lock");
	template_free(publish(KEY_A, "a\n"));
	assert_int_equal(unlink(lock), 0);
	assert_false(can_find(KEY_A, "a\n"));
	template_free(publish(KEY_A, "a\n"));
	assert_true(can_find(KEY_A, "a\n"));
	assert_left(KEY_A);
}

static void a_discarded_one_is_not_found_while_others_use_it(void **state)
{
	const struct template_limits limits = NO_LIMIT;
	struct template *t, *other;
	_cleanup_free_ char *ram = NULL;

	new_place("discard");
	t = publish(KEY_A, "a\n");
	assert_int_equal(template_find(&paths, KEY_A, "a\n", &other), 1);
	template_discard(t);
	assert_false(can_find(KEY_A, "a\n"));
	ram = mem_strdup(other->ram_path);
	assert_true(fs_exists(ram));
	template_free(other);
	templates_sweep(&paths, &limits);
	assert_false(fs_exists(ram));
	assert_left("");
}

static void removal_by_name(void **state)
{
	struct error err = ERROR_INIT;
	struct template *t;
	uint64_t bytes;

	new_place("remove");
	t = publish(KEY_A, "a\n");
	template_free(publish(KEY_B, "b\n"));
	assert_int_equal(template_remove(&paths, "aa", &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_BUSY);
	error_clear(&err);
	template_free(t);
	assert_int_equal(template_remove(&paths, "", &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	error_clear(&err);
	assert_int_equal(template_remove(&paths, "x", &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	error_clear(&err);
	assert_int_equal(template_remove(&paths, "aa", &bytes, &err), 0);
	assert_left(KEY_B);
}

/* Last used so many seconds ago. */
static void used(const char *key, int64_t ago)
{
	_cleanup_free_ char *name = mem_printf("%s/used", key);
	_cleanup_free_ char *path = in_place(name);
	struct timespec ts[2];

	clock_gettime(CLOCK_REALTIME, &ts[0]);
	ts[0].tv_sec -= ago;
	ts[1] = ts[0];
	assert_int_equal(utimensat(AT_FDCWD, path, ts, 0), 0);
}

static void three(const char *place)
{
	new_place(place);
	template_free(publish(KEY_A, "a\n"));
	template_free(publish(KEY_B, "b\n"));
	template_free(publish(KEY_C, "c\n"));
	used(KEY_A, 1000);
	used(KEY_B, 3000);
	used(KEY_C, 2000);
}

static void sweep(uint32_t count, uint64_t bytes, uint64_t age_ms)
{
	const struct template_limits limits = { count, bytes, age_ms };

	templates_sweep(&paths, &limits);
}

static void bounds(void **state)
{
	struct template_entry *v;
	struct template *t;
	uint64_t bytes;
	size_t n;

	three("count");
	sweep(3, UINT64_MAX, 0);
	assert_left(KEY_A " " KEY_B " " KEY_C);
	sweep(2, UINT64_MAX, 0);
	assert_left(KEY_A " " KEY_C);
	assert_true(can_find(KEY_C, "c\n")); /* which is a use */
	sweep(1, UINT64_MAX, 0);
	assert_left(KEY_C);

	three("age");
	sweep(3, UINT64_MAX, 2500 * 1000);
	assert_left(KEY_A " " KEY_C);
	sweep(3, UINT64_MAX, 1500 * 1000);
	assert_left(KEY_A);

	three("bytes");
	assert_int_equal(templates_list(&paths, &v, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_string_equal(v[0].key, KEY_A);
	assert_string_equal(v[1].key, KEY_C);
	bytes = v[0].bytes + v[1].bytes;
	templates_free(v, n);
	sweep(3, bytes, 0);
	assert_left(KEY_A " " KEY_C);

	three("in-use");
	assert_int_equal(template_find(&paths, KEY_B, "b\n", &t), 1);
	used(KEY_B, 3000);
	sweep(0, 0, 1);
	assert_left(KEY_B);
	template_free(t);
	used(KEY_B, 3000);
	sweep(0, 0, 1);
	assert_left("");
}

/* Ends without a word to anybody, like a maker that was killed. */
static void die_making(const char *key)
{
	pid_t pid = fork();
	const char *why;
	int status;

	if (pid == 0)
		_exit(template_begin(&paths, key, 0, &why) ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void what_dead_makers_left_is_swept(void **state)
{
	const struct template_limits limits = NO_LIMIT;
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct template *t;

	new_place("dead");
	die_making(KEY_A);
	assert_int_equal(fs_list(getenv("QUIZ_TEMPLATE_DIR"), &names, NULL), 0);
	assert_int_equal(names.n, 2);
	t = begin(KEY_B);
	templates_sweep(&paths, &limits);
	assert_true(fs_exists(t->ram_path));
	assert_int_equal(template_publish(t, "b\n", "{}", NULL), 0);
	template_free(t);
	assert_left(KEY_B);

	/* A dead one does not keep the next one from it. */
	die_making(KEY_A);
	template_free(publish(KEY_A, "a\n"));
	templates_sweep(&paths, &limits);
	assert_left(KEY_A " " KEY_B);
}

static void a_published_one_replaces_what_nobody_uses(void **state)
{
	struct error err = ERROR_INIT;
	struct template *t, *late;

	new_place("twice");
	t = publish(KEY_A, "old\n");
	late = begin(KEY_A);
	assert_int_equal(template_publish(late, "new\n", "{}", &err), -1); /* t is in use */
	template_discard(late);
	assert_true(can_find(KEY_A, "old\n"));
	template_free(t);
	template_free(publish(KEY_A, "new\n"));
	assert_true(can_find(KEY_A, "new\n"));
	assert_left(KEY_A);
}

/* Asking whether a template is in use, which every sweep does, must not hide it from a run. */
static void asking_does_not_hide_it(void **state)
{
	_cleanup_free_ char *lock = NULL;
	int status;
	pid_t pid;

	new_place("asking");
	lock = in_place(KEY_A "/lock");
	template_free(publish(KEY_A, "a\n"));
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 20000; i++)
			lock_is_held(lock);
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		for (int i = 0; i < 100; i++)
			assert_true(can_find(KEY_A, "a\n"));
	assert_int_equal(status, 0);
}

static void passing_locks_have_one_holder(void **state)
{
	_cleanup_free_ char *path = mem_printf("%s/passing", dir);
	struct error err = ERROR_INIT;
	int fd = lock_take_passing(path, &err), late;

	assert_true(fd >= 0);
	assert_int_equal(lock_take_passing(path, &err), -1);
	assert_int_equal(err.kind, ERROR_BUSY);
	error_clear(&err);
	lock_sweep(path);
	assert_true(fs_exists(path));
	lock_remove(path, &fd);
	assert_int_equal(fd, -1);
	assert_false(fs_exists(path));
	assert_int_equal(lock_take_existing(path, LOCK_SHARED_MODE, false, &err), -1);
	error_clear(&err);
	fd = lock_take_passing(path, NULL);
	close(fd); /* as if it had been killed */
	assert_true(fs_exists(path));
	late = lock_take_existing(path, LOCK_SHARED_MODE, false, NULL);
	assert_true(late >= 0);
	close(late);
	lock_sweep(path);
	assert_false(fs_exists(path));
}

/* As a run's plan names a file: "stamp kind path". */
static struct template *publish_of_file(const char *key, const char *path)
{
	_cleanup_free_ char *info = mem_printf("{\"files\": [\"%016llx t %s\"]}", (unsigned long long)fs_stamp(path), path);
	struct template *t = begin(key);

	assert_int_equal(template_publish(t, "a=1\n", info, NULL), 0);
	return t;
}

static void what_can_never_serve_again_is_swept(void **state)
{
	const struct template_limits limits = NO_LIMIT;
	_cleanup_free_ char *kernel = mem_printf("%s/a kernel", dir);
	struct template_entry *v;
	struct template *t;
	size_t n;

	new_place("stale");
	put(kernel, "1");
	t = publish_of_file(KEY_A, kernel);
	template_free(publish(KEY_B, "b\n"));
	templates_sweep(&paths, &limits);
	assert_int_equal(n_listed(), 2);
	put(kernel, "2");
	assert_int_equal(templates_list(&paths, &v, &n, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		if (str_eq(v[i].key, KEY_B))
			assert_null(v[i].stale);
		else
			assert_non_null(strstr(v[i].stale, "a kernel"));
	}
	templates_free(v, n);
	templates_sweep(&paths, &limits); /* in use */
	assert_int_equal(n_listed(), 2);
	template_free(t);
	templates_sweep(&paths, &limits);
	assert_left(KEY_B);
	unlink(kernel);
}

static void templates_of_another_boot_are_swept(void **state)
{
	const struct template_limits limits = NO_LIMIT;
	_cleanup_free_ char *manifest = NULL;

	new_place("boot");
	template_free(publish(KEY_A, "a\n"));
	manifest = in_place(KEY_A "/manifest");
	put(manifest, "a\nram=6\nstate=5\nboot=00000000-0000-0000-0000-000000000000\n\n");
	templates_sweep(&paths, &limits);
	assert_left("");
}

/* QUIZ_TEMPLATE_DIR may name a folder with other things in it: they are not templates, and not leftovers either. */
static void what_is_not_ours_stays(void **state)
{
	static const char *const theirs[] = { ".tmp-gone-work.12", ".tmp-work.12.0", "cafe", "documents", KEY_A "b", "project" };

	new_place("home");
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
		_cleanup_free_ char *folder = in_place(theirs[i]);
		_cleanup_free_ char *file = mem_printf("%s/file", folder);

		assert_int_equal(fs_mkdir_p(folder, 0700, NULL), 0);
		put(file, "precious");
	}
	_cleanup_free_ char *manifest = in_place("project/manifest");
	_cleanup_free_ char *maker = in_place("watch.maker");
	_cleanup_free_ char *failed = in_place("tests.failed");

	put(manifest, "of something else");
	put(maker, "");
	put(failed, "{}");
	assert_int_equal(n_listed(), 0);
	template_free(publish(KEY_A, "a=1\n"));
	assert_int_equal(n_listed(), 1);
	sweep(0, 0, 1);
	assert_left(".tmp-gone-work.12 .tmp-work.12.0 " KEY_A "b cafe documents project tests.failed watch.maker");
	assert_true(fs_exists(manifest));
}

static void a_failed_preparation_is_remembered(void **state)
{
	const struct template_limits limits = NO_LIMIT, none = { 0 };
	struct template_entry *v;
	uint64_t bytes;
	size_t n;

	new_place("failed");
	template_note_failed(&paths, KEY_A, "{}"); /* there is no place yet: nowhere to put it */
	assert_false(template_has_failed(&paths, KEY_A));
	template_free(publish(KEY_B, "b\n"));
	template_note_failed(&paths, KEY_A, "{\"failed\": \"why\"}");
	assert_true(template_has_failed(&paths, KEY_A));
	assert_false(template_has_failed(&paths, KEY_C));
	templates_sweep(&paths, &limits);
	assert_int_equal(templates_list(&paths, &v, &n, NULL), 0);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(v[i].is_failed, str_eq(v[i].key, KEY_A));
	templates_free(v, n);
	assert_int_equal(template_remove(&paths, "aaaa", &bytes, NULL), 0);
	assert_false(template_has_failed(&paths, KEY_A));
	template_note_failed(&paths, KEY_A, "{\"files\": [\"1234567890abcdef t /no/such/file\"]}");
	templates_sweep(&paths, &limits);
	assert_false(template_has_failed(&paths, KEY_A));
	template_note_failed(&paths, KEY_A, "{}");
	templates_sweep(&paths, &none);
	assert_left("");
}

static void want_of_room_is_news_once(void **state)
{
	const char *why;

	new_place("room");
	assert_null(template_begin(&paths, KEY_A, UINT64_MAX / 2, &why));
	assert_string_equal(why, TEMPLATE_NO_ROOM);
	assert_true(template_want_of_room_is_news(&paths));
	assert_false(template_want_of_room_is_news(&paths));
	template_free(begin(KEY_A));
	assert_true(template_want_of_room_is_news(&paths));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_published_is_found),
		cmocka_unit_test(one_maker_at_a_time),
		cmocka_unit_test(a_place_that_others_can_write_is_not_used),
		cmocka_unit_test(what_was_spoilt_is_removed),
		cmocka_unit_test(one_without_a_lock_does_not_block_its_successor),
		cmocka_unit_test(a_discarded_one_is_not_found_while_others_use_it),
		cmocka_unit_test(removal_by_name),
		cmocka_unit_test(bounds),
		cmocka_unit_test(what_dead_makers_left_is_swept),
		cmocka_unit_test(a_published_one_replaces_what_nobody_uses),
		cmocka_unit_test(asking_does_not_hide_it),
		cmocka_unit_test(passing_locks_have_one_holder),
		cmocka_unit_test(what_can_never_serve_again_is_swept),
		cmocka_unit_test(templates_of_another_boot_are_swept),
		cmocka_unit_test(what_is_not_ours_stays),
		cmocka_unit_test(a_failed_preparation_is_remembered),
		cmocka_unit_test(want_of_room_is_news_once),
	};

	return cmocka_run_group_tests_name("template", tests, make_dir, drop_dir);
}
