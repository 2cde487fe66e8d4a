/* SPDX-License-Identifier: MPL-2.0 */
/* Drafts and leftovers of the store, with roots as the kind. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/root.h"
#include "image/store_draft.h"
#include "sys/fs.h"
#include "sys/lock.h"

struct store {
	char dir[32];
	struct paths paths;
};

static int set_up(void **state)
{
	struct store *s = mem_alloc(sizeof(*s));

	strcpy(s->dir, "/tmp/quiz-store-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	s->paths.data = mem_strdup(s->dir);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct store *s = *state;

	fs_remove_tree(s->dir, NULL, NULL);
	paths_clear(&s->paths);
	free(s);
	return 0;
}

static char *in_store(const struct store *s, const char *name)
{
	return mem_printf("%s/roots/%s", s->dir, name);
}

/* A folder with something in it. */
static void put_folder(const struct store *s, const char *name)
{
	_cleanup_free_ char *dir = in_store(s, name);
	_cleanup_free_ char *file = fs_join(dir, "content");

	assert_int_equal(fs_mkdir_p(dir, 0755, NULL), 0);
	assert_int_equal(fs_write_atomic(file, "x", 1, 0644, false, NULL), 0);
}

static bool is_there(const struct store *s, const char *name)
{
	_cleanup_free_ char *path = in_store(s, name);

	return fs_exists(path);
}

static int begin(struct store *s, const char *id, struct store_draft *d, struct root *r, bool *ret_exists, struct error *err)
{
	return store_draft_begin(&root_store, &s->paths, id, "a test", NULL, d, r, ret_exists, err);
}

static void fill(struct root *r)
{
	r->arch = mem_strdup("x86_64");
	r->image = mem_strdup("root.erofs");
	r->fstype = mem_strdup("erofs");
	r->key = mem_strdup("1");
}

static void a_draft_is_published_whole(void **state)
{
	struct store *s = *state;
	struct store_draft d = STORE_DRAFT_INIT;
	struct error err = ERROR_INIT;
	struct root r = { 0 };
	bool exists = true;

	assert_int_equal(begin(s, "one", &d, &r, &exists, &err), 0);
	assert_false(exists);
	assert_string_equal(r.id, "one");
	assert_false(is_there(s, "one"));
	fill(&r);
	assert_int_equal(store_draft_publish(&d, &r, &err), 0);
	assert_true(is_there(s, "one/manifest.json"));
	assert_string_equal(r.key, "1");
	assert_true(str_ends(r.dir, "/roots/one"));
	assert_true(r.created > 0);
	store_draft_end(&d);
	root_clear(&r);

	assert_int_equal(begin(s, "one", &d, &r, &exists, &err), 0);
	assert_true(exists);
	assert_string_equal(r.arch, "x86_64");
	store_draft_end(&d);
	root_clear(&r);
}

static void an_ended_draft_leaves_nothing(void **state)
{
	struct store *s = *state;
	_cleanup_free_ char *top = in_store(s, "");
	_cleanup_strv_ struct strv names = STRV_INIT;
	struct store_draft d = STORE_DRAFT_INIT;
	struct root r = { 0 };
	bool exists;

	assert_int_equal(begin(s, "gone", &d, &r, &exists, NULL), 0);
	store_draft_end(&d);
	store_draft_end(&d);
	root_clear(&r);
	assert_int_equal(fs_list(top, &names, NULL), 0);
	assert_int_equal(names.n, 1); /* .locks */
}

static void ids_are_checked(void **state)
{
	static const char *const bad[] = { "", ".hidden", "-option", "a/b", "..", "a b", "a\n" };
	struct store *s = *state;
	char longest[102];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct store_draft d = STORE_DRAFT_INIT;
		struct error err = ERROR_INIT;
		struct root r = { 0 };
		bool exists;

		assert_int_equal(begin(s, bad[i], &d, &r, &exists, &err), -1);
		assert_int_equal(err.kind, ERROR_USAGE);
		error_clear(&err);
	}
	memset(longest, 'a', 101);
	longest[101] = '\0';
	assert_false(store_is_valid_id(longest));
	longest[100] = '\0';
	assert_true(store_is_valid_id(longest));
	assert_true(store_is_valid_id("6.1.0~rc1+kasan_1-amd64"));
}

static void a_damaged_one_is_not_replaced(void **state)
{
	struct store *s = *state;
	_cleanup_free_ char *manifest = in_store(s, "bad/manifest.json");
	struct store_draft d = STORE_DRAFT_INIT;
	struct error err = ERROR_INIT;
	struct root r = { 0 };
	bool exists;

	put_folder(s, "bad");
	assert_int_equal(fs_write_atomic(manifest, "{", 1, 0644, false, NULL), 0);
	assert_int_equal(begin(s, "bad", &d, &r, &exists, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	assert_string_equal(err.hint, "quiz root rm bad");
	assert_true(is_there(s, "bad/content"));
	error_clear(&err);
}

static void leftovers_are_swept_and_work_is_not(void **state)
{
	struct store *s = *state;
	_cleanup_free_ char *busy_lock = in_store(s, ".locks/busy");
	_cleanup_free_ char *whole = in_store(s, "whole/manifest.json");
	/* This process's number in the name: a dead maker whose number was given out again. */
	_cleanup_free_ char *reused = mem_printf(".tmp-dead.1.%d.0", (int)getpid());
	int busy = lock_take(busy_lock, LOCK_EXCLUSIVE_MODE, false, NULL, NULL, NULL);

	assert_true(busy >= 0);
	put_folder(s, reused);
	put_folder(s, ".tmp-busy.999999999.0");
	put_folder(s, ".tmp-");
	put_folder(s, ".other");
	put_folder(s, "half-removed");
	put_folder(s, "whole");
	assert_int_equal(fs_write_atomic(whole, "{", 1, 0644, false, NULL), 0);

	assert_true(store_sweep(&root_store, &s->paths) > 0);
	assert_false(is_there(s, reused));
	assert_false(is_there(s, "half-removed"));
	assert_true(is_there(s, ".tmp-busy.999999999.0"));
	assert_true(is_there(s, ".tmp-"));
	assert_true(is_there(s, ".other"));
	assert_true(is_there(s, "whole/content"));

	close(busy);
	store_sweep(&root_store, &s->paths);
	assert_false(is_there(s, ".tmp-busy.999999999.0"));
}

/* Publishes one with that key, in the place of what is there. */
static void put_in_place(struct store *s, const char *key)
{
	struct store_draft d = STORE_DRAFT_INIT;
	struct root r = { 0 };
	bool exists;

	assert_int_equal(begin(s, "one", &d, &r, &exists, NULL), 0);
	if (exists)
		assert_int_equal(store_draft_replace(&d, &r, NULL), 0);
	assert_string_equal(r.id, "one");
	assert_true(is_there(s, "one/manifest.json") == exists);
	fill(&r);
	free(r.key);
	r.key = mem_strdup(key);
	assert_int_equal(store_draft_publish(&d, &r, NULL), 0);
	assert_string_equal(r.key, key);
	store_draft_end(&d);
	root_clear(&r);
}

static size_t folders(struct store *s)
{
	_cleanup_free_ char *top = in_store(s, "");
	_cleanup_strv_ struct strv names = STRV_INIT;

	assert_int_equal(fs_list(top, &names, NULL), 0);
	return names.n - 1; /* .locks */
}

static void what_is_in_use_is_replaced_and_kept(void **state)
{
	struct store *s = *state;
	_cleanup_free_ char *dir = in_store(s, "one");
	struct root r = { 0 };
	struct stat st;
	int lock;

	put_in_place(s, "1");
	put_in_place(s, "2");
	assert_int_equal(folders(s), 1);
	assert_int_equal(store_load(&root_store, dir, &r, NULL), 0);
	assert_string_equal(r.key, "2");
	lock = store_lock_shared(&root_store, &r, NULL);
	assert_true(lock >= 0);
	root_clear(&r);

	put_in_place(s, "3");
	assert_int_equal(folders(s), 2);
	assert_int_equal(store_sweep(&root_store, &s->paths), 0);
	assert_int_equal(fstatat(lock, "manifest.json", &st, 0), 0);
	assert_int_equal(store_load(&root_store, dir, &r, NULL), 0);
	assert_string_equal(r.key, "3");
	root_clear(&r);

	close(lock);
	assert_true(store_sweep(&root_store, &s->paths) > 0);
	assert_int_equal(folders(s), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_draft_is_published_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_ended_draft_leaves_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ids_are_checked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_one_is_not_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(leftovers_are_swept_and_work_is_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_in_use_is_replaced_and_kept, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
