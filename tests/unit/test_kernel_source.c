/* SPDX-License-Identifier: MPL-2.0 */
/* Kernel sources: which file a version means, a release from a server on loopback, git, folders. */

#include <errno.h>
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
#include "image/kernel_source.h"
#include "image/source_unpack.h"
#include "lib/http_server.h"
#include "lib/small_disk.h"
#include "sys/fs.h"
#include "sys/proc.h"

#define SUM_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SUM_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define SUM_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static char dir[] = "/tmp/quiz-test-source.XXXXXX";
static struct http_server server;
static struct paths paths;

static void put(const char *name, const char *text)
{
	_cleanup_free_ char *path = fs_join(dir, name);
	struct error err = ERROR_INIT;

	if (fs_mkdir_parents(path, &err) < 0 || fs_write_atomic(path, text, strlen(text), 0644, false, &err) < 0)
		fail_msg("%s", err.text);
}

static void run(const char *const *argv)
{
	_cleanup_str_ struct str out = STR_INIT;
	struct error err = ERROR_INIT;

	if (proc_run(argv, &out, &err) < 0)
		fail_msg("%s", err.text);
}

static void put_tree(const char *name, const char *makefile)
{
	_cleanup_free_ char *a = mem_printf("%s/Makefile", name);
	_cleanup_free_ char *b = mem_printf("%s/scripts/Makefile.build", name);
	_cleanup_free_ char *c = mem_printf("%s/arch/x86/Makefile", name);

	put(a, makefile);
	put(b, "");
	put(c, "");
}

static int setup(void **state)
{
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	if (!mkdtemp(dir))
		return -1;
	paths.cache = fs_join(dir, "cache");
	return http_server_start(&server, dir);
}

static int teardown(void **state)
{
	http_server_stop(&server);
	free(paths.cache);
	return fs_remove_tree(dir, NULL, NULL);
}

static void test_pick(void **state)
{
	static const char sums[] =
		"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
		SUM_A "  ChangeLog-6.12.30\n"
		SUM_A "  linux-6.12.tar.xz\n"
		SUM_A "  linux-6.12.9.tar.xz\n"
		SUM_B "  linux-6.12.30.tar.xz\n"
		SUM_C "  linux-6.12.30.tar.gz\n"
		SUM_C "  linux-6.12.31-rc1.tar.xz\n"
		SUM_C "  linux-6.1.5.tar.xz\r\n"
		"tooshort  linux-6.12.99.tar.xz\n"
		SUM_A "  patch-6.12.31.xz\n";
	static const struct {
		const char *want, *file, *sum;
	} rows[] = {
		{ "6.12", "linux-6.12.30.tar.xz", SUM_B },  { "6.12.y", "linux-6.12.30.tar.xz", SUM_B },
		{ "6.12.9", "linux-6.12.9.tar.xz", SUM_A }, { "6.12.0", "linux-6.12.tar.xz", SUM_A },
		{ "6.1", "linux-6.1.5.tar.xz", SUM_C },	    { "v6.12.30", "linux-6.12.30.tar.xz", SUM_B },
		{ "6.13", NULL, NULL },			    { "6.12.31", NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *file = NULL, *sum = NULL;
		struct error err = ERROR_INIT;
		struct kernel_version v;

		assert_int_equal(kernel_version_parse(rows[i].want, &v, &err), 0);
		if (kernel_source_pick(sums, &v, &file, &sum, &err) < 0) {
			if (rows[i].file || err.kind != ERROR_MISSING)
				fail_msg("%s: %s", rows[i].want, err.text);
		} else if (!str_eq(file, rows[i].file) || !str_eq(sum, rows[i].sum)) {
			fail_msg("%s: got %s %s", rows[i].want, file, sum);
		}
	}
}

static void test_split_git(void **state)
{
	static const struct {
		const char *text, *url, *ref;
	} rows[] = {
		{ "https://example.org/linux.git", "https://example.org/linux.git", NULL },
		{ "https://example.org/linux.git@v6.1", "https://example.org/linux.git", "v6.1" },
		{ "https://me@example.org/linux.git", "https://me@example.org/linux.git", NULL },
		{ "https://me@example.org/linux.git@topic/x", "https://me@example.org/linux.git", "topic/x" },
		{ "git@example.org:linux.git", "git@example.org:linux.git", NULL },
		{ "git@example.org:linux.git@main", "git@example.org:linux.git", "main" },
		{ "/src/linux@HEAD~3", "/src/linux", "HEAD~3" },
		{ "../linux", "../linux", NULL },
		{ "linux@", "linux", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *url = NULL, *ref = NULL;

		kernel_source_split_git(rows[i].text, &url, &ref);
		if (!str_eq(url, rows[i].url) || !str_eq(ref, rows[i].ref))
			fail_msg("%s: got '%s' and '%s'", rows[i].text, url, ref ? ref : "(none)");
	}
}

static void test_version(void **state)
{
	static const struct {
		const char *makefile, *next, *want;
	} rows[] = {
		{ "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\nNAME = Curry\n", NULL, "6.1.192" },
		{ "# x\nVERSION = 6\nPATCHLEVEL = 18\nSUBLEVEL = 0\nEXTRAVERSION = -rc3\n", NULL, "6.18.0-rc3" },
		{ "VERSION = 6\nPATCHLEVEL = 16\nSUBLEVEL = 0\nEXTRAVERSION = -rc7\n", "-next-20250721\n",
		  "6.16.0-rc7-next-20250721" },
		{ "VERSION = 5\nPATCHLEVEL = 10\n", NULL, "5.10.0" },
		{ "all:\n\techo hello\n", NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *name = mem_printf("tree%zu", i);
		_cleanup_free_ char *next = mem_printf("tree%zu/localversion-next", i);
		_cleanup_free_ char *path = fs_join(dir, name), *got = NULL;
		struct error err = ERROR_INIT;

		put_tree(name, rows[i].makefile);
		if (rows[i].next)
			put(next, rows[i].next);
		got = kernel_source_version(path, &err);
		if (!str_eq(got, rows[i].want))
			fail_msg("row %zu: got %s instead of %s (%s)", i, got ? got : "nothing",
				 rows[i].want ? rows[i].want : "nothing", err.text);
	}
}

static void test_dirty_tree(void **state)
{
	static const char *const products[] = { ".config", "include/config/auto.conf", "arch/x86/include/generated/asm/x.h" };
	struct kernel_source s = { 0 };
	struct error err = ERROR_INIT;

	put_tree("my linux", "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 2\n");
	_cleanup_free_ char *clean = fs_join(dir, "my linux");

	if (kernel_source_get(&paths, KERNEL_SOURCE_TREE, clean, NULL, &s, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(s.version, "6.1.2");
	assert_string_equal(s.suffix, "-my_linux");
	kernel_source_clear(&s);
	for (size_t i = 0; i < ARRAY_SIZE(products); i++) {
		_cleanup_free_ char *name = mem_printf("dirty%zu", i);
		_cleanup_free_ char *product = mem_printf("dirty%zu/%s", i, products[i]);
		_cleanup_free_ char *path = fs_join(dir, name);

		put_tree(name, "VERSION = 6\nPATCHLEVEL = 1\n");
		put(product, "");
		error_clear(&err);
		assert_int_equal(kernel_source_get(&paths, KERNEL_SOURCE_TREE, path, NULL, &s, &err), -1);
		assert_int_equal(err.kind, ERROR_USAGE);
		assert_non_null(strstr(err.hint, "mrproper"));
	}
}

/* A kernel.org of our own with one release, whose checksum is right or not. */
static void serve_release(const char *top, bool is_right)
{
	_cleanup_free_ char *tree = mem_printf("%s/linux-6.99.2", top);
	_cleanup_free_ char *parent = fs_join(dir, top);
	_cleanup_free_ char *tar = mem_printf("%s/%s/v6.x/linux-6.99.2.tar.xz", dir, top);
	_cleanup_free_ char *sums = mem_printf("%s/v6.x/sha256sums.asc", top);
	_cleanup_free_ char *sum = NULL, *text = NULL;
	const char *argv[] = { "tar", "-C", parent, "-cJf", tar, "linux-6.99.2", NULL };
	struct error err = ERROR_INIT;

	put_tree(tree, "VERSION = 6\nPATCHLEVEL = 99\nSUBLEVEL = 2\n");
	put(sums, "");
	run(argv);
	sum = download_sha256(tar, &err);
	assert_non_null(sum);
	text = mem_printf(SUM_A "  linux-6.99.1.tar.xz\n%s  linux-6.99.2.tar.xz\n", is_right ? sum : SUM_B);
	put(sums, text);
}

static int get_release(const char *top, const char *version, struct kernel_source *ret, struct error *err)
{
	_cleanup_free_ char *url = mem_printf("http://127.0.0.1:%u/%s", server.port, top);

	setenv("QUIZ_KERNEL_ORG", url, 1);
	return kernel_source_get(&paths, KERNEL_SOURCE_VERSION, version, NULL, ret, err);
}

static void test_release(void **state)
{
	_cleanup_kernel_source_ struct kernel_source s = { 0 };
	_cleanup_kernel_source_ struct kernel_source again = { 0 };
	_cleanup_free_ char *tar = mem_printf("%s/cache/downloads/linux-6.99.2.tar.xz", dir);
	struct error err = ERROR_INIT;

	serve_release("org", true);
	if (get_release("redirect/ok/org", "6.99", &s, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(s.version, "6.99.2");
	assert_string_equal(s.text, "kernel.org 6.99.2");
	assert_true(str_ends(s.dir, "/cache/sources/linux-6.99.2"));
	assert_true(fs_exists(tar));
	/* The second time needs nothing but the list. */
	assert_int_equal(unlink(tar), 0);
	if (get_release("ok/org", "6.99.2", &again, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(again.dir, s.dir);
	assert_false(fs_exists(tar));
	assert_int_equal(get_release("ok/org", "6.98", &again, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
}

static void test_release_with_wrong_sum(void **state)
{
	_cleanup_free_ char *tree = mem_printf("%s/cache2/sources/linux-6.99.2", dir);
	struct kernel_source s = { 0 };
	struct error err = ERROR_INIT;
	char *cache = paths.cache;
	_cleanup_free_ char *other = fs_join(dir, "cache2");
	int rc;

	serve_release("bad", false);
	paths.cache = other;
	rc = get_release("ok/bad", "6.99", &s, &err);
	paths.cache = cache;
	assert_int_equal(rc, -1);
	assert_non_null(strstr(err.text, "SHA-256"));
	assert_false(fs_exists(tree));
}

static void test_no_list(void **state)
{
	struct kernel_source s = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(get_release("nowhere", "6.99", &s, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	assert_non_null(strstr(err.hint, "linux-source-6.99"));
}

static void test_git(void **state)
{
	_cleanup_free_ char *repo = fs_join(dir, "repo");
	_cleanup_free_ char *what = mem_printf("%s@topic/x", repo);
	_cleanup_free_ char *nothing = mem_printf("%s@nothing", repo);
	const char *init[] = { "git", "init", "-q", "-b", "topic/x", repo, NULL };
	const char *add[] = { "git", "-C", repo, "add", ".", NULL };
	const char *commit[] = { "git", "-C", repo, "-c", "user.name=q", "-c", "user.email=q@example.org", "commit", "-qm", "x",
				 NULL };
	_cleanup_kernel_source_ struct kernel_source s = { 0 };
	struct error err = ERROR_INIT;

	put_tree("repo", "VERSION = 6\nPATCHLEVEL = 7\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n");
	run(init);
	run(add);
	run(commit);
	put("repo/.config", ""); /* a working tree that was built in: the commit is what counts */
	if (kernel_source_get(&paths, KERNEL_SOURCE_GIT, what, NULL, &s, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(s.version, "6.7.0-rc1");
	assert_true(str_starts(s.suffix, "-g"));
	assert_true(str_starts(s.key, "git "));
	assert_int_equal(kernel_source_get(&paths, KERNEL_SOURCE_GIT, nothing, NULL, &s, &err), -1);
	assert_int_equal(err.kind, ERROR_CHILD);
}

/* They begin like a version, and the version alone is something else. */
static void test_more_than_a_version(void **state)
{
	static const struct {
		const char *what, *hint;
	} rows[] = {
		{ "6.99+kasan", "quiz kernel build 6.99 --flavour kasan" },
		{ "6.99.2+kasan+lockdep", "quiz kernel build 6.99.2 --flavour kasan+lockdep" },
		{ "6.99-rc", "6.99-rc1" },
		{ "6.99.0-56-amd64", "linux-source-6.99" },
		{ "6.99.2+deb13-amd64", "linux-source-6.99" },
		{ "6.99.2-1", "linux-source-6.99" },
	};

	serve_release("more", true);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kernel_source s = { 0 };
		struct error err = ERROR_INIT;

		if (get_release("ok/more", rows[i].what, &s, &err) == 0)
			fail_msg("'%s' was taken for %s", rows[i].what, s.text);
		assert_int_equal(err.kind, ERROR_USAGE);
		if (!strstr(err.hint, rows[i].hint))
			fail_msg("'%s': the hint is '%s'", rows[i].what, err.hint);
	}
}

static int full_disk_child(const char *top)
{
	_cleanup_free_ char *cache = fs_join(dir, "full-cache");
	_cleanup_free_ char *tree = fs_join(cache, "sources/linux-6.99.2");
	struct kernel_source s = { 0 };
	struct error err = ERROR_INIT;

	if (fs_mkdir_p(cache, 0755, NULL) < 0 || small_disk_mount(cache, "size=64k") < 0)
		return 77;
	paths.cache = cache;
	if (get_release(top, "6.99", &s, &err) == 0 || fs_exists(tree))
		return 1;
	return err.kind == ERROR_SYSTEM && err.errnum == ENOSPC ? 0 : 2;
}

/* The archive fits, what is in it does not. */
static void test_disk_full_of_source(void **state)
{
	_cleanup_free_ char *zeros = mem_alloc(200001);
	int st;
	pid_t pid;

	memset(zeros, 'z', 200000);
	put("full/linux-6.99.2/init/main.c", zeros);
	serve_release("full", true);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(full_disk_child("ok/full"));
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFEXITED(st));
	if (WEXITSTATUS(st) == 77) {
		print_message("skipped: no mount namespace for us here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(st), 0);
}

static void test_bad_names(void **state)
{
	static const struct {
		enum kernel_source_kind kind;
		const char *what;
	} rows[] = {
		{ KERNEL_SOURCE_VERSION, "pizza" },
		{ KERNEL_SOURCE_VERSION, "" },
		{ KERNEL_SOURCE_TREE, "/nonexistent/tree" },
		{ KERNEL_SOURCE_GIT, "--upload-pack=touch /tmp/x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kernel_source s = { 0 };
		struct error err = ERROR_INIT;

		if (kernel_source_get(&paths, rows[i].kind, rows[i].what, NULL, &s, &err) == 0)
			fail_msg("accepted '%s'", rows[i].what);
	}
}

static void test_archive_that_leads_out(void **state)
{
	_cleanup_free_ char *tar = fs_join(dir, "evil.tar");
	_cleanup_free_ char *dest = fs_join(dir, "inner/dest");
	_cleanup_free_ char *target = fs_join(dir, "inner/escaped");
	const char *argv[] = { "tar", "-C", dir, "-cf", tar, "--transform=s,escaped,top/../../escaped,", "escaped", NULL };
	struct error err = ERROR_INIT;

	put("escaped", "x");
	run(argv);
	assert_int_equal(source_unpack(tar, dest, NULL, &err), -1);
	assert_non_null(strstr(err.text, "leads out"));
	assert_false(fs_exists(target));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pick),
		cmocka_unit_test(test_split_git),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_dirty_tree),
		cmocka_unit_test(test_release),
		cmocka_unit_test(test_release_with_wrong_sum),
		cmocka_unit_test(test_no_list),
		cmocka_unit_test(test_git),
		cmocka_unit_test(test_more_than_a_version),
		cmocka_unit_test(test_disk_full_of_source),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_archive_that_leads_out),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
