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
#include "image/disk_file.h"
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

static char *disk_of_size(const char *name)
{
	_cleanup_free_ char *made = NULL;
	char *path = fs_join(dir, name);

	assert_int_equal(disk_make(dir, name, 1 << 20, &made, NULL), 0);
	assert_int_equal(rename(made, path), 0);
	return path;
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

/* The first bytes of a qcow2 file, as docs/interop/qcow2.txt has them. */
static void write_qcow2(const char *path, uint32_t version, uint64_t size, uint32_t crypt)
{
	uint8_t head[512] = { 'Q', 'F', 'I', 0xfb };

	head[7] = (uint8_t)version;
	for (int i = 0; i < 8; i++)
		head[24 + i] = (uint8_t)(size >> (56 - 8 * i));
	head[35] = (uint8_t)crypt;
	assert_int_equal(fs_write_atomic(path, head, sizeof(head), 0600, false, NULL), 0);
}

static void what_can_be_a_disk(void **state)
{
	static const struct {
		const char *name, *text, *hint;
		enum error_kind kind;
	} rows[] = {
		{ "nowhere", "there is no such file", "truncate -s 1G", ERROR_MISSING },
		{ ".", "neither a file nor a block device", "", ERROR_USAGE },
		{ "empty", "it is empty", "truncate -s 1G", ERROR_USAGE },
		{ "odd", "4 bytes are no whole number", "truncate -s %512", ERROR_USAGE },
		{ "disguised", "looks like qcow2", "ln -s", ERROR_USAGE },
		{ "raw.qcow2", "is called qcow2 and is none", "", ERROR_USAGE },
		{ "future.qcow2", "is called qcow2 and is none", "", ERROR_USAGE },
		{ "secret.qcow2", "is encrypted", "", ERROR_UNSUPPORTED },
		{ "cut.qcow2", "is called qcow2 and is none", "", ERROR_USAGE },
	};
	_cleanup_free_ char *at = fs_join(dir, "disguised");
	struct disk_file f;

	assert_int_equal(chdir(dir), 0);
	fs_write_atomic("empty", "", 0, 0600, false, NULL);
	fs_write_atomic("odd", "abc\n", 4, 0600, false, NULL);
	fs_write_atomic("cut.qcow2", "QFI", 3, 0600, false, NULL);
	write_qcow2("disguised", 3, 1 << 30, 0);
	write_qcow2("future.qcow2", 4, 1 << 30, 0);
	write_qcow2("secret.qcow2", 2, 1 << 30, 1);
	write_qcow2("good.qcow2", 2, 1 << 30, 0);
	free(disk_of_size("raw.qcow2"));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err = ERROR_INIT;

		if (disk_file_open(rows[i].name, false, &f, &err) == 0)
			fail_msg("'%s' was taken for a disk", rows[i].name);
		if (err.kind != rows[i].kind || !strstr(err.text, rows[i].text) || !strstr(err.hint, rows[i].hint))
			fail_msg("'%s': got '%s' (hint '%s')", rows[i].name, err.text, err.hint);
	}
	assert_int_equal(disk_file_open("good.qcow2", false, &f, NULL), 0);
	assert_true(f.is_qcow2);
	assert_int_equal(f.bytes, 1 << 30);
	disk_file_clear(&f);
	assert_int_equal(symlink(at, "link.qcow2"), 0);
	assert_int_equal(disk_file_open("link.qcow2", false, &f, NULL), 0);
	assert_string_equal(f.path, at);
	disk_file_clear(&f);
}

static void one_writer_or_many_readers(void **state)
{
	_cleanup_free_ char *path = disk_of_size("shared");
	struct disk_file a = DISK_FILE_INIT, b = DISK_FILE_INIT, w = DISK_FILE_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(disk_file_open(path, false, &a, &err), 0);
	assert_int_equal(a.bytes, 1 << 20);
	assert_int_equal(disk_file_open(path, false, &b, &err), 0);
	assert_int_equal(disk_file_open(path, true, &w, &err), 0);
	assert_int_equal(disk_file_lock(&a, &err), 0);
	assert_int_equal(disk_file_lock(&b, &err), 0);
	assert_int_equal(disk_file_lock(&w, &err), -1);
	assert_int_equal(err.kind, ERROR_BUSY);
	assert_non_null(strstr(err.text, "another run has it"));
	assert_true(err.hint[0]);
	error_clear(&err);
	disk_file_clear(&a);
	disk_file_clear(&b);
	assert_int_equal(disk_file_lock(&w, &err), 0);
	assert_int_equal(disk_file_open(path, false, &a, &err), 0);
	assert_int_equal(disk_file_lock(&a, &err), -1);
	assert_non_null(strstr(err.text, "another run writes to it"));
	disk_file_clear(&a);
	disk_file_clear(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh_disks_are_sparse),	cmocka_unit_test(one_holder_at_a_time),
		cmocka_unit_test(sizes_do_not_change_silently), cmocka_unit_test(names_stay_in_the_folder),
		cmocka_unit_test(what_can_be_a_disk),		cmocka_unit_test(one_writer_or_many_readers),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
