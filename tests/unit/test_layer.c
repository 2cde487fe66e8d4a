/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "erofs_reader.h"
#include "image/erofs.h"
#include "image/layer.h"
#include "sys/fs.h"
#include "sys/proc.h"

static char dir[] = "/tmp/quiz-test-layer-XXXXXX";
static struct paths paths = { .cache = dir };

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	return fs_remove_tree(dir, NULL, NULL);
}

static char *at(const char *name)
{
	return fs_join(dir, name);
}

static void put(const char *name, const void *text, size_t n, mode_t mode)
{
	char *path = at(name);

	assert_int_equal(fs_mkdir_parents(path, NULL), 0);
	assert_int_equal(fs_write_atomic(path, text, n, mode, false, NULL), 0);
	assert_int_equal(chmod(path, mode), 0);
	free(path);
}

static void put_text(const char *name, const char *text)
{
	put(name, text, strlen(text), 0644);
}

static void get(const struct layer_source *s, size_t n, struct layer_image *ret)
{
	struct error err = ERROR_INIT;

	if (layer_get(&paths, s, n, NULL, ret, &err) < 0)
		fail_msg("layer_get: %s", err.text);
}

static void expect(const struct erofs_image *im, const char *path, uint32_t mode, const char *text)
{
	struct erofs_file f;

	if (!erofs_image_find(im, path, &f))
		fail_msg("%s is missing", path);
	assert_int_equal(f.mode, mode);
	assert_int_equal(f.uid, 0);
	assert_int_equal(f.gid, 0);
	if (text)
		assert_string_equal(f.data, text);
	erofs_file_clear(&f);
}

static void expect_none(const struct erofs_image *im, const char *path)
{
	struct erofs_file f;

	assert_false(erofs_image_find(im, path, &f));
}

/* Sizes around the borders of blocks and of what is kept beside the inode. */
static void content_of_every_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 2047, 2048, 2049, 4031, 4032, 4033, 4095, 4096, 4097, 6144, 6145, 8192, 70000, 600001 };
	char *host = at("sizes"), name[64];
	struct layer_source s = { .host = host };
	struct layer_image li = { 0 };
	struct erofs_image im;
	unsigned char *bytes = malloc(600001);

	for (size_t i = 0; i < 600001; i++)
		bytes[i] = (unsigned char)(i * 7 + i / 251);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		snprintf(name, sizeof(name), "sizes/f%zu", sizes[i]);
		put(name, bytes, sizes[i], 0640);
	}
	get(&s, 1, &li);
	erofs_image_open(&im, li.path);
	assert_int_equal(erofs_image_check(&im), ARRAY_SIZE(sizes));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct erofs_file f;

		snprintf(name, sizeof(name), "f%zu", sizes[i]);
		assert_true(erofs_image_find(&im, name, &f));
		assert_int_equal(f.size, sizes[i]);
		assert_int_equal(f.mode, S_IFREG | 0640);
		assert_memory_equal(f.data, bytes, sizes[i]);
		erofs_file_clear(&f);
	}
	assert_int_equal(li.capacity_bytes, LAYER_SLOT_BYTES);
	assert_true(li.bytes < 2 << 20);
	erofs_image_close(&im);
	layer_image_clear(&li);
	free(bytes);
	free(host);
}

static void folder_of_many_blocks(void **state)
{
	char *host = at("many"), name[64];
	struct layer_source s = { .host = host, .guest = "/srv/many" };
	struct layer_image li = { 0 };
	struct erofs_image im;

	for (int i = 0; i < 700; i++) {
		snprintf(name, sizeof(name), "many/a-name-of-some-length-%d", i * 37 % 1000);
		put_text(name, name);
	}
	get(&s, 1, &li);
	erofs_image_open(&im, li.path);
	assert_int_equal(erofs_image_check(&im), 700 + 2);
	expect(&im, "/srv/many/a-name-of-some-length-37", S_IFREG | 0644, "many/a-name-of-some-length-37");
	expect_none(&im, "/srv/many/a-name-of-some-length-1001");
	erofs_image_close(&im);
	layer_image_clear(&li);
	free(host);
}

static void sources_lie_over_each_other(void **state)
{
	char *one = at("one"), *two = at("two"), *file = at("motd"), *link;
	struct layer_source s[] = { { .host = one }, { .host = two, .guest = "/" }, { .host = file, .guest = "/etc/motd" } };
	struct layer_image li = { 0 };
	struct erofs_image im;

	put_text("one/lib/modules/6.1/a.ko", "old");
	put_text("one/lib/modules/6.1/b.ko", "b");
	put_text("one/etc/motd", "one");
	put_text("two/usr/lib/modules/6.1/a.ko", "new");
	put_text("two/sbin/tool", "tool");
	put_text("motd", "hello");
	link = at("two/sbin/link");
	assert_int_equal(symlink("../etc/motd", link), 0);
	free(link);
	link = at("two/lib64");
	assert_int_equal(symlink("usr/lib64", link), 0);
	free(link);
	assert_int_equal(chmod(one, 0700), 0);
	get(s, 3, &li);
	erofs_image_open(&im, li.path);
	erofs_image_check(&im);
	expect(&im, "/", S_IFDIR | 0755, NULL);
	expect(&im, "/usr", S_IFDIR | 0755, NULL);
	expect(&im, "/usr/lib/modules/6.1/a.ko", S_IFREG | 0644, "new");
	expect(&im, "/usr/lib/modules/6.1/b.ko", S_IFREG | 0644, "b");
	expect(&im, "/etc/motd", S_IFREG | 0644, "hello");
	expect(&im, "/usr/sbin/tool", S_IFREG | 0644, "tool");
	expect(&im, "/usr/sbin/link", S_IFLNK | 0777, "/etc/motd");
	expect_none(&im, "/lib");
	expect_none(&im, "/sbin");
	expect_none(&im, "/lib64");
	erofs_image_close(&im);
	layer_image_clear(&li);
	free(one);
	free(two);
	free(file);
}

static void unchanged_trees_are_not_packed_again(void **state)
{
	char *host = at("tree"), *path = at("tree/usr/bin/x");
	struct layer_source s = { .host = host };
	struct layer_image a = { 0 }, b = { 0 };
	struct stat before, after;
	char *peek;
	bool ready;

	put_text("tree/usr/bin/x", "one");
	assert_int_equal(layer_peek(&paths, &s, 1, NULL, &peek, &ready, NULL), 0);
	assert_false(ready);
	get(&s, 1, &a);
	assert_string_equal(peek, a.path);
	free(peek);
	assert_int_equal(stat(a.path, &before), 0);
	get(&s, 1, &b);
	assert_string_equal(a.path, b.path);
	assert_int_equal(stat(b.path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	layer_image_clear(&b);

	/* the same size and the same time are no hiding place */
	assert_int_equal(stat(path, &before), 0);
	put_text("tree/usr/bin/x", "two");
	assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){ before.st_mtim, before.st_mtim }, 0), 0);
	get(&s, 1, &b);
	assert_string_not_equal(a.path, b.path);
	assert_string_not_equal(a.key, b.key);
	layer_image_clear(&b);

	/* equal content is equal content, whatever its times */
	put_text("tree/usr/bin/x", "one");
	get(&s, 1, &b);
	assert_string_not_equal(a.path, b.path);
	assert_string_equal(a.key, b.key);
	layer_image_clear(&b);
	layer_image_clear(&a);
	free(host);
	free(path);
}

static void mode_names_and_links_count(void **state)
{
	char *host = at("stamp"), *f = at("stamp/f"), *g = at("stamp/g");
	uint64_t stamp[6];

	put_text("stamp/f", "x");
	assert_int_equal(layer_stamp(host, &stamp[0], NULL), 0);
	assert_int_equal(layer_stamp(host, &stamp[1], NULL), 0);
	assert_true(stamp[0] == stamp[1]);
	assert_int_equal(chmod(f, 0600), 0);
	assert_int_equal(layer_stamp(host, &stamp[1], NULL), 0);
	assert_int_equal(rename(f, g), 0);
	assert_int_equal(layer_stamp(host, &stamp[2], NULL), 0);
	assert_int_equal(symlink("g", f), 0);
	assert_int_equal(layer_stamp(host, &stamp[3], NULL), 0);
	assert_int_equal(unlink(f), 0);
	assert_int_equal(symlink("h", f), 0);
	assert_int_equal(layer_stamp(host, &stamp[4], NULL), 0);
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < i; j++)
			assert_true(stamp[i] != stamp[j]);
	free(host);
	free(f);
	free(g);
}

static void keyed_sources_are_not_walked(void **state)
{
	char *host = at("keyed");
	struct layer_source s = { .host = host, .key = "kernel-1" };
	struct layer_image a = { 0 }, b = { 0 };

	put_text("keyed/x", "1");
	get(&s, 1, &a);
	put_text("keyed/x", "2");
	get(&s, 1, &b);
	assert_string_equal(a.path, b.path);
	layer_image_clear(&b);
	s.key = "kernel-2";
	get(&s, 1, &b);
	assert_string_not_equal(a.path, b.path);
	layer_image_clear(&a);
	layer_image_clear(&b);
	free(host);
}

static void what_can_not_be_read_is_named(void **state)
{
	char *host = at("nowhere");
	struct layer_source s = { .host = host };
	struct layer_image li = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(layer_get(&paths, &s, 1, NULL, &li, &err), -1);
	assert_non_null(strstr(err.text, host));
	assert_null(li.path);
	error_clear(&err);
	put_text("nowhere/x", "x");
	assert_int_equal(layer_get(&paths, &s, 1, "ntfs", &li, &err), -1);
	assert_int_equal(err.kind, ERROR_UNSUPPORTED);
	free(host);
}

/* For kernels without EROFS. The user's tree must come out of it with the times that it had. */
static void other_formats(const char *fstype, const char *program, size_t magic_at, const char *magic, size_t n_magic)
{
	_cleanup_free_ char *found = fs_find_program(program);
	_cleanup_free_ char *host = at("formats");
	struct layer_source s = { .host = host, .guest = "/lib/x" };
	struct layer_image li = { 0 };
	struct error err = ERROR_INIT;
	uint64_t before, after;
	char bytes[2048];
	int fd;

	if (!found) {
		print_message("skipped: %s is not installed\n", program);
		skip();
	}
	put("formats/a", "aaa", 3, 04755);
	put_text("formats/sub/b", "");
	assert_int_equal(layer_stamp(host, &before, NULL), 0);
	if (layer_get(&paths, &s, 1, fstype, &li, &err) < 0)
		fail_msg("%s: %s", fstype, err.text);
	assert_int_equal(layer_stamp(host, &after, NULL), 0);
	assert_true(before == after);
	assert_string_equal(li.fstype, fstype);
	assert_int_equal(li.capacity_bytes, LAYER_SLOT_BYTES);
	fd = open(li.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
	close(fd);
	assert_memory_equal(bytes + magic_at, magic, n_magic);
	layer_image_clear(&li);
}

static void squashfs_layers(void **state)
{
	other_formats("squashfs", "mksquashfs", 0, "hsqs", 4);
}

static void ext4_layers(void **state)
{
	_cleanup_free_ char *debugfs = fs_find_program("debugfs");

	other_formats("ext4", debugfs ? "mke2fs" : "debugfs", 1024 + 56, "\x53\xef", 2);
}

/* A second opinion. */
static void fsck_finds_nothing(void **state)
{
	_cleanup_free_ char *fsck = fs_find_program("fsck.erofs");
	_cleanup_free_ char *host = at("fsck");
	struct layer_source s = { .host = host };
	struct layer_image li = { 0 };
	struct error err = ERROR_INIT;

	if (!fsck) {
		print_message("skipped: fsck.erofs is not installed\n");
		skip();
	}
	for (int i = 0; i < 300; i++) {
		char name[64], text[6000];

		snprintf(name, sizeof(name), "fsck/%d/%d/file-%d", i % 3, i % 7, i);
		memset(text, 'a' + i % 26, sizeof(text));
		put(name, text, (size_t)i * 19, 0644);
	}
	get(&s, 1, &li);
	const char *const argv[] = { fsck, li.path, NULL };
	if (proc_run(argv, NULL, &err) < 0)
		fail_msg("%s", err.text);
	layer_image_clear(&li);
}

/* A tree that is written to all the time: whatever comes out is whole, or an error. */
static void restless_trees_are_packed_again_or_refused(void **state)
{
	char *host = at("restless");
	struct layer_source s = { .host = host };
	struct layer_image li = { 0 };
	struct error err = ERROR_INIT;
	int status;
	pid_t pid;

	put_text("restless/a", "0");
	pid = fork();
	if (pid == 0) {
		for (;;)
			put_text("restless/a", "abcdefgh");
	}
	if (layer_get(&paths, &s, 1, NULL, &li, &err) < 0)
		assert_int_equal(err.kind, ERROR_BUSY);
	else
		layer_image_clear(&li);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	get(&s, 1, &li);
	layer_image_clear(&li);
	free(host);
}

static void two_at_once_build_once(void **state)
{
	char *host = at("twice");
	struct layer_source s = { .host = host };
	struct layer_image li = { 0 };
	struct strv names = STRV_INIT;
	char *layers = at("layers");
	size_t n_temp = 0;
	pid_t pids[4];
	int status;

	for (int i = 0; i < 50; i++) {
		char name[32];

		snprintf(name, sizeof(name), "twice/f%d", i);
		put_text(name, name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(layer_get(&paths, &s, 1, NULL, &li, NULL) < 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(fs_list(layers, &names, NULL), 0);
	for (size_t i = 0; i < names.n; i++)
		n_temp += str_starts(names.v[i], ".tmp-");
	assert_int_equal(n_temp, 0);
	strv_clear(&names);
	free(layers);
	free(host);
}

static void age_file(const char *path, time_t seconds)
{
	struct timespec t[2] = { { .tv_sec = time(NULL) - seconds }, { .tv_sec = time(NULL) - seconds } };

	assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

static void sweeping_goes_by_last_use(void **state)
{
	char *one = at("sweep/1"), *two = at("sweep/2"), *three = at("sweep/3"), *stale = at("layers/.tmp-0.1.0");
	char *laid_out = at("layers/.tmp-0.1.0.d"), *others = at("layers/others");
	struct layer_source s[] = { { .host = one }, { .host = two }, { .host = three } };
	struct layer_image li[3] = { { 0 } };
	uint64_t freed;

	for (int i = 0; i < 3; i++) {
		char name[32];

		snprintf(name, sizeof(name), "sweep/%d/f", i + 1);
		put_text(name, name);
		get(&s[i], 1, &li[i]);
	}
	put_text("layers/.tmp-0.1.0", "left by a killed builder");
	put_text("layers/.tmp-0.1.0.d/f", "and where it laid out a tree");
	put_text("layers/others/f", "what nobody of us made");
	age_file(stale, 7200);
	age_file(laid_out, 7200);
	age_file(others, 7200);
	age_file(li[0].path, 7200);
	age_file(li[1].path, 3600);
	/* by age: only the first is older than that */
	assert_int_equal(layer_sweep(&paths, 0, 5000, &freed, NULL), 0);
	assert_true(freed > 0);
	assert_false(fs_exists(stale));
	assert_false(fs_exists(laid_out));
	assert_true(fs_exists(others));
	assert_false(fs_exists(li[0].path));
	assert_true(fs_exists(li[1].path));
	/* by size: what was used a moment ago stays */
	assert_int_equal(layer_sweep(&paths, 1, 5000, &freed, NULL), 0);
	assert_false(fs_exists(li[1].path));
	assert_true(fs_exists(li[2].path));
	for (int i = 0; i < 3; i++)
		layer_image_clear(&li[i]);
	free(one);
	free(two);
	free(three);
	free(stale);
	free(laid_out);
	free(others);
}

static void attributes_and_hard_links(void **state)
{
	static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 32 };
	struct erofs_writer w;
	struct tree_node *top = tree_new(), *a, *b, *link;
	struct tree_xattr *x;
	struct erofs_image im;
	struct erofs_file f, g;
	char *path = at("hand.erofs"), *key, *key2;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	erofs_init(&w, fd);
	a = tree_put(top, "bin/ping", S_IFREG | 04755, NULL);
	a->uid = 70000;
	a->gid = 5;
	a->mtime = 1234567890;
	a->size = 3;
	x = VEC_PUSH(a->xattrs, a->n_xattrs);
	x->name = mem_strdup("security.capability");
	x->value = mem_alloc(sizeof(cap));
	memcpy(x->value, cap, sizeof(cap));
	x->n = sizeof(cap);
	assert_int_equal(erofs_append(&w, a, "ab", 2, NULL), 0);
	assert_int_equal(erofs_append(&w, a, "c", 1, NULL), 0);
	assert_int_equal(erofs_append(&w, a, "d", 1, NULL), -1);
	link = tree_put(top, "bin/ping6", S_IFREG, NULL);
	link->link = a;
	b = tree_put(top, "zeros", S_IFREG | 0600, NULL);
	b->size = 10;
	assert_int_equal(erofs_finish(&w, top, NULL, NULL), -1); /* its bytes never came */
	assert_int_equal(ftruncate(fd, 0), 0);

	erofs_init(&w, fd);
	a->fill = a->n_links = link->n_links = 0;
	free(a->tail);
	a->tail = NULL;
	tree_remove(b);
	assert_int_equal(erofs_append(&w, a, "abc", 3, NULL), 0);
	assert_int_equal(erofs_finish(&w, top, NULL, NULL), 0);
	key = erofs_content_key(fd, NULL);
	assert_int_equal(strlen(key), 32);
	erofs_image_open(&im, path);
	assert_int_equal(erofs_image_check(&im), 3);
	assert_true(erofs_image_find(&im, "bin/ping", &f));
	assert_true(erofs_image_find(&im, "bin/ping6", &g));
	assert_int_equal(f.nid, g.nid);
	assert_int_equal(f.n_links, 2);
	assert_int_equal(f.mode, S_IFREG | 04755);
	assert_int_equal(f.uid, 70000);
	assert_int_equal(f.gid, 5);
	assert_int_equal(f.mtime, 1234567890);
	assert_string_equal(f.data, "abc");
	assert_int_equal(f.n_xattrs, 12 + 4 + 10 + 20 + 2);
	assert_int_equal(f.xattrs[12], 10);
	assert_int_equal(f.xattrs[13], 6);
	assert_int_equal(f.xattrs[14], sizeof(cap));
	assert_memory_equal(f.xattrs + 16, "capability", 10);
	assert_memory_equal(f.xattrs + 26, cap, sizeof(cap));
	erofs_file_clear(&f);
	erofs_file_clear(&g);
	erofs_image_close(&im);
	close(fd);

	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	key2 = erofs_content_key(fd, NULL);
	assert_null(key2);
	close(fd);
	free(key);
	free(path);
	tree_free(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_of_every_size),
		cmocka_unit_test(folder_of_many_blocks),
		cmocka_unit_test(sources_lie_over_each_other),
		cmocka_unit_test(unchanged_trees_are_not_packed_again),
		cmocka_unit_test(mode_names_and_links_count),
		cmocka_unit_test(keyed_sources_are_not_walked),
		cmocka_unit_test(what_can_not_be_read_is_named),
		cmocka_unit_test(restless_trees_are_packed_again_or_refused),
		cmocka_unit_test(two_at_once_build_once),
		cmocka_unit_test(sweeping_goes_by_last_use),
		cmocka_unit_test(attributes_and_hard_links),
		cmocka_unit_test(squashfs_layers),
		cmocka_unit_test(ext4_layers),
		cmocka_unit_test(fsck_finds_nothing),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
