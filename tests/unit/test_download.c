/* SPDX-License-Identifier: MPL-2.0 */
/* Downloads from a server on loopback: whole, redirected, cut, continued, spoilt, missing, and onto a full disk. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "image/download.h"
#include "lib/http_server.h"
#include "lib/small_disk.h"
#include "sys/fs.h"

#define SIZE 200000

static char dir[] = "/tmp/quiz-test-download.XXXXXX";
static struct http_server server;
static char *content, *sum;

static char *in_dir(const char *name)
{
	return fs_join(dir, name);
}

static void write_file(const char *name, const char *data, size_t n)
{
	_cleanup_free_ char *path = in_dir(name);
	struct error err = ERROR_INIT;

	if (fs_write_atomic(path, data, n, 0644, false, &err) < 0)
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	_cleanup_free_ char *path = NULL;

	/* No proxy between us and loopback. */
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	if (!mkdtemp(dir))
		return -1;
	content = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		content[i] = (char)(i * 2654435761u >> 13);
	write_file("file", content, SIZE);
	path = in_dir("file");
	sum = download_sha256(path, NULL);
	return sum ? http_server_start(&server, dir) : -1;
}

static int teardown(void **state)
{
	http_server_stop(&server);
	free(content);
	free(sum);
	return fs_remove_tree(dir, NULL, NULL);
}

/* Each test has its own destination and a fresh request log. */
static int fetch(const char *how, const char *to, const char *sha, struct error *err)
{
	_cleanup_free_ char *url = mem_printf("http://127.0.0.1:%u/%s", server.port, how);
	_cleanup_free_ char *path = in_dir(to);

	return download_file(url, path, sha, NULL, err);
}

static void assert_whole(const char *name)
{
	_cleanup_free_ char *path = in_dir(name);
	_cleanup_str_ struct str text = STR_INIT;
	struct error err = ERROR_INIT;

	if (fs_read(path, SIZE * 2, &text, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(text.len, SIZE);
	assert_memory_equal(text.p, content, SIZE);
}

static void assert_absent(const char *name)
{
	_cleanup_free_ char *path = in_dir(name);

	if (fs_exists(path))
		fail_msg("'%s' is there", path);
}

static bool was_asked_for(const char *line)
{
	_cleanup_free_ char *path = in_dir("requests");
	_cleanup_free_ char *want = mem_printf("%s\n", line);
	_cleanup_str_ struct str text = STR_INIT;

	return fs_read(path, 1 << 20, &text, NULL) == 0 && strstr(str_cstr(&text), want);
}

static void expect_ok(const char *how, const char *to, const char *sha)
{
	struct error err = ERROR_INIT;

	if (fetch(how, to, sha, &err) < 0)
		fail_msg("%s: %s", how, err.text);
	assert_whole(to);
}

static void test_whole(void **state)
{
	expect_ok("ok/file", "a/whole", sum);
	assert_absent("a/whole.part");
}

static void test_redirect(void **state)
{
	expect_ok("redirect/redirect/ok/file", "redirected", sum);
}

static void test_redirect_loop(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(fetch("loop/file", "looped", NULL, &err), -1);
	assert_non_null(strstr(err.text, "redirect"));
	assert_absent("looped");
}

/* Halves of what is left, until one byte is left: more breaks than TRIES_MAX, each with some progress. */
static void test_cut_and_continued(void **state)
{
	expect_ok("cut/file", "cut", sum);
	assert_true(was_asked_for("cut/file 0"));
	assert_true(was_asked_for("cut/file 100000"));
	assert_true(was_asked_for("cut/file 150000"));
}

static void test_dead_line(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(fetch("dead/file", "dead", sum, &err), -1);
	assert_absent("dead");
}

static void test_part_is_continued(void **state)
{
	write_file("later.part", content, 120001);
	expect_ok("ok/file", "later", sum);
	assert_true(was_asked_for("ok/file 120001"));
}

static void test_part_without_ranges(void **state)
{
	write_file("plain.part", content, 70000);
	expect_ok("plain/file", "plain", sum);
}

static void test_part_of_something_else(void **state)
{
	write_file("other.part", "not its beginning", 17);
	expect_ok("ok/file", "other", sum);
}

static void test_part_too_long(void **state)
{
	_cleanup_free_ char *longer = calloc(1, SIZE + 5);

	write_file("longer.part", longer, SIZE + 5);
	expect_ok("ok/file", "longer", sum);
}

static void test_wrong_sum(void **state)
{
	_cleanup_free_ char *wrong = mem_strdup(sum);
	struct error err = ERROR_INIT;

	wrong[0] = wrong[0] == '0' ? '1' : '0';
	assert_int_equal(fetch("ok/file", "spoilt", wrong, &err), -1);
	assert_int_equal(err.kind, ERROR_UNSUPPORTED);
	assert_non_null(strstr(err.text, sum));
	assert_non_null(strstr(err.text, wrong));
	assert_absent("spoilt");
	assert_absent("spoilt.part");
}

static void test_missing(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(fetch("ok/nothing", "missing", NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	assert_non_null(strstr(err.text, "404"));
	assert_absent("missing");
}

static void test_server_error_is_not_content(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(fetch("error/file", "page", NULL, &err), -1);
	assert_non_null(strstr(err.text, "503"));
	assert_absent("page");
}

static void test_nobody_there(void **state)
{
	_cleanup_free_ char *path = in_dir("nobody");
	struct error err = ERROR_INIT;

	/* Port 1 of loopback. */
	assert_int_equal(download_file("http://127.0.0.1:1/x", path, NULL, NULL, &err), -1);
	assert_true(*err.hint);
	assert_absent("nobody");
}

static void test_other_protocols(void **state)
{
	_cleanup_free_ char *source = in_dir("file");
	_cleanup_free_ char *url = mem_printf("file://%s", source);
	_cleanup_free_ char *path = in_dir("copied");
	struct error err = ERROR_INIT;

	assert_int_equal(download_file(url, path, NULL, NULL, &err), -1);
	assert_absent("copied");
}

static void test_text(void **state)
{
	_cleanup_free_ char *url = mem_printf("http://127.0.0.1:%u/ok/short", server.port);
	_cleanup_str_ struct str text = STR_INIT;
	struct error err = ERROR_INIT;

	write_file("short", "two\nlines\n", 10);
	assert_int_equal(download_text(url, 10, &text, &err), 0);
	assert_string_equal(str_cstr(&text), "two\nlines\n");
	assert_int_equal(download_text(url, 9, &text, &err), -1);
	assert_non_null(strstr(err.text, "longer than 9 bytes"));
}

static int full_disk_child(const char *mount_point)
{
	_cleanup_free_ char *url = mem_printf("http://127.0.0.1:%u/ok/file", server.port);
	_cleanup_free_ char *path = fs_join(mount_point, "big");
	struct error err = ERROR_INIT;

	if (small_disk_mount(mount_point, "size=64k") < 0)
		return 77;
	if (download_file(url, path, NULL, NULL, &err) == 0 || fs_exists(path))
		return 1;
	return err.kind == ERROR_SYSTEM && err.errnum == ENOSPC ? 0 : 2;
}

static void test_full_disk(void **state)
{
	_cleanup_free_ char *mount_point = in_dir("full");
	int st;
	pid_t pid;

	assert_int_equal(fs_mkdir_p(mount_point, 0755, NULL), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(full_disk_child(mount_point));
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFEXITED(st));
	if (WEXITSTATUS(st) == 77) {
		print_message("skipped: no mount namespace for us here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(st), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_redirect_loop),
		cmocka_unit_test(test_cut_and_continued),
		cmocka_unit_test(test_dead_line),
		cmocka_unit_test(test_part_is_continued),
		cmocka_unit_test(test_part_without_ranges),
		cmocka_unit_test(test_part_of_something_else),
		cmocka_unit_test(test_part_too_long),
		cmocka_unit_test(test_wrong_sum),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_server_error_is_not_content),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_other_protocols),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
