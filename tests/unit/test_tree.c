/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "image/tree.h"

static void check_merged(const char *path, const char *want)
{
	char *got = tree_usr_merged(path);

	assert_string_equal(got, want);
	free(got);
}

static void paths_become_usr_merged(void **state)
{
	check_merged("/lib/modules/6.1/a.ko", "usr/lib/modules/6.1/a.ko");
	check_merged("sbin/mount.zfs", "usr/sbin/mount.zfs");
	check_merged("./bin", "usr/bin");
	check_merged("lib64/ld.so", "usr/lib64/ld.so");
	check_merged("/library/x", "library/x");
	check_merged("usr/lib/x", "usr/lib/x");
	check_merged("etc/lib/x", "etc/lib/x");
	check_merged("/", "");
	check_merged("", "");
}

static void check_target(const char *path, const char *target, const char *want)
{
	char *got = tree_usr_merged_target(path, target);

	assert_string_equal(got, want);
	free(got);
}

static void links_stay_right_when_moved(void **state)
{
	check_target("lib/a", "b", "b");
	check_target("lib/x/a", "../b", "../b");
	check_target("lib/a", "../etc/b", "/etc/b");
	check_target("sbin/a", "../usr/sbin/b", "/usr/sbin/b");
	check_target("lib/x/y/a", "../../../usr/share/z", "/usr/share/z");
	check_target("lib/a", "/etc/b", "/etc/b");
	check_target("usr/lib/a", "../../etc/b", "../../etc/b");
	check_target("lib/a", "..", "/");
}

static void put_and_find(void **state)
{
	struct error err = ERROR_INIT;
	struct tree_node *top = tree_new(), *n;

	n = tree_put(top, "./a//b/c", S_IFREG | 0644, &err);
	assert_non_null(n);
	assert_ptr_equal(tree_find(top, "/a/b/c"), n);
	assert_true(S_ISDIR(tree_find(top, "a/b")->mode));
	assert_null(tree_find(top, "a/b/cc"));
	assert_null(tree_find(top, "a/b/"  "x"));
	/* a folder over a folder keeps what is in it, a file over a folder does not */
	assert_non_null(tree_put(top, "a", S_IFDIR | 0700, &err));
	assert_int_equal(tree_find(top, "a")->mode, S_IFDIR | 0700);
	assert_non_null(tree_find(top, "a/b/c"));
	assert_non_null(tree_put(top, "a/b", S_IFREG | 0600, &err));
	assert_null(tree_find(top, "a/b/c"));
	/* a file in the way of a path becomes a folder */
	assert_non_null(tree_put(top, "a/b/d", S_IFREG | 0600, &err));
	assert_true(S_ISDIR(tree_find(top, "a/b")->mode));
	tree_remove(tree_find(top, "a/b"));
	assert_null(tree_find(top, "a/b"));
	assert_int_equal(err.kind, ERROR_NONE);
	tree_free(top);
}

static void children_are_sorted(void **state)
{
	static const char *const names[] = { "b", "a", "ab", "B", "a.b", "\xc3\xa9", "aa", "c", "a" };
	struct tree_node *top = tree_new();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_non_null(tree_put(top, names[i], S_IFREG | 0644, NULL));
	assert_int_equal(top->n_children, 8);
	for (size_t i = 1; i < top->n_children; i++)
		assert_true(strcmp(top->children[i - 1]->name, top->children[i]->name) < 0);
	tree_free(top);
}

static void paths_can_not_leave(void **state)
{
	char *deep = mem_alloc(TREE_PATH_MAX + 10);
	char name[300] = { 0 };
	struct error err = ERROR_INIT;
	struct tree_node *top = tree_new();

	assert_null(tree_put(top, "a/../../etc/passwd", S_IFREG | 0644, &err));
	assert_int_equal(err.kind, ERROR_UNSUPPORTED);
	error_clear(&err);
	assert_null(tree_put(top, "..", S_IFREG | 0644, &err));
	error_clear(&err);
	assert_null(tree_put(top, "", S_IFREG | 0644, &err));
	error_clear(&err);
	memset(name, 'x', 256);
	assert_null(tree_put(top, name, S_IFREG | 0644, &err));
	error_clear(&err);
	for (int i = 0; i < TREE_PATH_MAX + 2; i += 2)
		memcpy(deep + i, "a/", 3);
	assert_null(tree_put(top, deep, S_IFREG | 0644, &err));
	assert_int_equal(err.kind, ERROR_UNSUPPORTED);
	free(deep);
	tree_free(top);
}

static void merged_links_are_left_out(void **state)
{
	struct tree_node *top = tree_new(), *n;

	assert_int_equal(tree_put_usr_merged(top, "lib", S_IFLNK | 0777, "usr/lib", &n, NULL), 0);
	assert_null(n);
	assert_null(tree_find(top, "lib"));
	/* /usr/bin/x -> ../../bin/x would point at itself */
	assert_int_equal(tree_put_usr_merged(top, "usr/bin/x", S_IFLNK | 0777, "../../bin/x", &n, NULL), 0);
	assert_null(n);
	assert_int_equal(tree_put_usr_merged(top, "bin/y", S_IFLNK | 0777, "/usr/bin/y", &n, NULL), 0);
	assert_null(n);
	assert_int_equal(tree_put_usr_merged(top, "bin/z", S_IFLNK | 0777, "../etc/z", &n, NULL), 0);
	assert_non_null(n);
	assert_string_equal(n->target, "/etc/z");
	assert_ptr_equal(tree_find(top, "usr/bin/z"), n);
	tree_free(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_become_usr_merged), cmocka_unit_test(links_stay_right_when_moved),
		cmocka_unit_test(put_and_find),		   cmocka_unit_test(children_are_sorted),
		cmocka_unit_test(paths_can_not_leave),	   cmocka_unit_test(merged_links_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
