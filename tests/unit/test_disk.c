/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "image/disk.h"
#include "sys/fs.h"

static char dir[] = "/tmp/quiz-test-disk-XXXXXX";
static struct paths paths = { .state = dir };

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	return fs_remove_tree(dir, NULL, NULL);
}

static void fresh_disks_are_sparse(void **state)
{
	struct error err = ERROR_INIT;
	struct stat st;
	char *path;

	assert_int_equal(disk_make(dir, "a", 100 << 20, &path, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 100 << 20);
	assert_int_equal(st.st_blocks, 0);
	free(path);
	assert_int_equal(disk_make(dir, "a", 100 << 20, &path, &err), -1);
	assert_int_equal(err.kind, ERROR_SYSTEM);
	error_clear(&err);
	assert_int_equal(disk_make(dir, "b", 1, &path, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
}

static void one_holder_at_a_time(void **state)
{
	struct error err = ERROR_INIT;
	struct disk_set_list list;
	int fd = disk_set_take(&paths, "tank", "run 1a2b (pid 7)", &err);

	assert_true(fd >= 0);
	assert_int_equal(disk_set_take(&paths, "tank", "run 2", &err), -1);
	assert_int_equal(err.kind, ERROR_BUSY);
	assert_non_null(strstr(err.text, "run 1a2b (pid 7)"));
	assert_true(err.hint[0]);
	error_clear(&err);
	assert_int_equal(disk_set_remove(&paths, "tank", NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_BUSY);
	assert_int_equal(disk_set_list(&paths, &list, NULL), 0);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.v[0].holder, "run 1a2b (pid 7)");
	disk_set_list_clear(&list);
	close(fd);
	assert_int_equal(disk_set_list(&paths, &list, NULL), 0);
	assert_null(list.v[0].holder);
	disk_set_list_clear(&list);
	fd = disk_set_take(&paths, "tank", "run 3", NULL);
	assert_true(fd >= 0);
	close(fd);
}

static void sizes_do_not_change_silently(void **state)
{
	struct error err = ERROR_INIT;
	struct disk_set_list list;
	uint64_t bytes = 0;
	char *path;

	assert_int_equal(disk_set_get(&paths, "pool", 0, 0, &path, &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	error_clear(&err);
	assert_int_equal(disk_set_get(&paths, "pool", 0, 64 << 20, &path, &bytes, &err), 0);
	assert_int_equal(bytes, 64 << 20);
	free(path);
	assert_int_equal(disk_set_get(&paths, "pool", 0, 0, &path, &bytes, &err), 0);
	assert_int_equal(bytes, 64 << 20);
	free(path);
	assert_int_equal(disk_set_get(&paths, "pool", 0, 32 << 20, &path, &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_non_null(strstr(err.hint, "quiz disk rm pool"));
	error_clear(&err);
	assert_int_equal(disk_set_get(&paths, "pool", 1, 32 << 20, &path, &bytes, &err), 0);
	free(path);
	assert_int_equal(disk_set_get(&paths, "pool", 256, 32 << 20, &path, &bytes, &err), -1);
	error_clear(&err);
	assert_int_equal(disk_set_list(&paths, &list, NULL), 0);
	for (size_t i = 0; i < list.n; i++)
		if (str_eq(list.v[i].name, "pool")) {
			assert_int_equal(list.v[i].n_disks, 2);
			assert_int_equal(list.v[i].capacity, 96 << 20);
		}
	disk_set_list_clear(&list);
	assert_int_equal(disk_set_remove(&paths, "pool", &bytes, &err), 0);
	assert_int_equal(disk_set_remove(&paths, "pool", &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
}

static void names_stay_in_the_folder(void **state)
{
	static const char *const bad[] = { "", ".", "..", "../x", "a/b", ".hidden", "a b", "x\n" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = ERROR_INIT;

		assert_int_equal(disk_set_take(&paths, bad[i], "me", &err), -1);
		assert_int_equal(err.kind, ERROR_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh_disks_are_sparse),
		cmocka_unit_test(one_holder_at_a_time),
		cmocka_unit_test(sizes_do_not_change_silently),
		cmocka_unit_test(names_stay_in_the_folder),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
