/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/ram_copy.h"
#include "sys/fs.h"

static char dir[] = "/tmp/quiz-test-ram-copy-XXXXXX";

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	return fs_remove_tree(dir, NULL, NULL);
}

struct copy_end {
	struct loop *loop;
	bool is_done;
	int errnum;
};

static void on_copied(void *ctx, const struct error *err)
{
	struct copy_end *e = ctx;

	e->is_done = true;
	e->errnum = err ? err->errnum : 0;
	loop_stop(e->loop);
}

/* Single pages, a long stretch with zeros in it, and a wide hole before the last page. */
static void memory_is_copied(void **state)
{
	enum { PAGES = 19 << 8, LONG_FROM = 4 << 8, LONG_TO = 9 << 8, SIZE = (64 << 20) + 4096 };
	_cleanup_free_ char *to = mem_printf("%s/memory", dir);
	_cleanup_close_ int in = -1;
	_cleanup_close_ int out = -1;
	struct copy_end end = { .loop = loop_new() };
	struct error err = ERROR_INIT;
	struct ram_copy *c;
	struct stat st;

	unlink(to);
	in = fs_memory_file("test", &err);
	assert_true(in >= 0);
	assert_int_equal(ftruncate(in, SIZE), 0);
	for (uint32_t i = 0; i < PAGES; i += i >= LONG_FROM && i < LONG_TO ? 1 : 3) {
		uint32_t word = i % 100 ? i : 0;

		assert_int_equal(pwrite(in, &word, sizeof(word), (off_t)i * 4096 + 17), sizeof(word));
	}
	assert_int_equal(pwrite(in, "last", 4, SIZE - 4), 4);
	c = ram_copy_start(end.loop, in, to, on_copied, &end, &err);
	assert_non_null(c);
	loop_run(end.loop);
	assert_true(end.is_done);
	assert_int_equal(end.errnum, 0);
	ram_copy_free(c);
	out = open(to, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(out, &st), 0);
	assert_int_equal(st.st_size, SIZE);
	for (off_t pos = 0; pos < SIZE; pos += 4096) {
		char a[4096], b[4096];

		assert_int_equal(pread(in, a, sizeof(a), pos), sizeof(a));
		assert_int_equal(pread(out, b, sizeof(b), pos), sizeof(b));
		assert_memory_equal(a, b, sizeof(a));
	}
	/* A file that is there already is somebody else's. */
	assert_null(ram_copy_start(end.loop, in, to, on_copied, &end, &err));
	assert_int_equal(err.errnum, EEXIST);
	unlink(to);
	loop_free(end.loop);
}

/* Large pages or not, it is a file like any other: nobody else's, and gone with its descriptor. */
static void large_memory_is_a_file(void **state)
{
	struct error err = ERROR_INIT;
	_cleanup_close_ int fd = fs_large_memory_file("test", &err);
	struct stat st;
	char *p;

	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_mode & 077, 0);
	/* More than a tmpfs has by itself, half of the host's memory. */
	assert_int_equal(ftruncate(fd, (off_t)1 << 46), 0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)1 << 45);
	assert_true(p != MAP_FAILED);
	p[17] = 'x';
	assert_int_equal(pread(fd, &st, 1, ((off_t)1 << 45) + 17), 1);
	assert_int_equal(*(char *)&st, 'x');
	munmap(p, 4096);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void a_copy_can_be_ended(void **state)
{
	_cleanup_free_ char *to = mem_printf("%s/memory", dir);
	struct copy_end end = { .loop = loop_new() };
	struct error err = ERROR_INIT;
	_cleanup_close_ int in = fs_memory_file("test", &err);
	struct ram_copy *c;

	assert_int_equal(ftruncate(in, 64 << 20), 0);
	c = ram_copy_start(end.loop, in, to, on_copied, &end, &err);
	assert_non_null(c);
	ram_copy_free(c);
	assert_false(end.is_done);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	unlink(to);
	loop_free(end.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_copied),
		cmocka_unit_test(a_copy_can_be_ended),
		cmocka_unit_test(large_memory_is_a_file),
	};

	return cmocka_run_group_tests_name("ram_copy", tests, make_dir, drop_dir);
}
