/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "image/root.h"
#include "image/root_build.h"
#include "image/root_check.h"
#include "image/root_image.h"
#include "spec/arch.h"
#include "sys/fs.h"

static char dir[] = "/tmp/quiz-test-root-XXXXXX";
static struct paths paths = { .data = dir };

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	return fs_remove_tree(dir, NULL, NULL);
}

static void save(const char *id, const char *arch, const char *suite, const char *set, uint64_t created, const char *packages)
{
	_cleanup_free_ char *path = mem_printf("%s/roots/%s", dir, id);
	struct root r = { .id = mem_strdup(id), .arch = mem_strdup(arch), .suite = mem_strdup(suite), .set = mem_strdup(set),
			  .origin_text = mem_strdup("test"), .image = mem_strdup("root.erofs"), .fstype = mem_strdup("erofs"),
			  .key = mem_strdup("k"), .created = created, .bytes = 5 };

	strv_split(&r.packages, packages, ",");
	assert_int_equal(fs_mkdir_p(path, 0755, NULL), 0);
	assert_int_equal(store_save(&root_store, path, &r, NULL), 0);
	root_clear(&r);
}

static const char *foreign(void)
{
	return str_eq(arch_native()->name, "s390x") ? "x86_64" : "s390x";
}

static void fill(void)
{
	const char *native = arch_native()->name;

	save("a-min-old", native, "bookworm", "minimal", 100, "bash 5,kmod 30");
	save("a-min-new", native, "trixie", "minimal", 200, "bash 5,kmod 34");
	save("a-zfs", native, "bookworm", "zfs", 150, "bash 5,libssl3 3,libtirpc3t64 1");
	save("a-added", native, "", "", 900, "");
	save("b-min", foreign(), "bookworm", "minimal", 500, "bash 5");
}

static void expect(const struct root_list *l, const char *arch, const char *name, const char *packages, const char *want)
{
	_cleanup_strv_ struct strv p = STRV_INIT;
	struct error err = ERROR_INIT;
	const struct root *r;

	strv_split(&p, packages ? packages : "", " ");
	r = root_select(l, arch, name, packages ? &p : NULL, &err);
	if (!r)
		fail_msg("%s: %s", name ? name : "default", err.text);
	assert_string_equal(r->id, want);
}

static void selection(void **state)
{
	struct root_list l = { 0 };

	fill();
	assert_int_equal(root_list(&paths, &l, NULL, NULL), 0);
	assert_int_equal(l.n, 5);
	expect(&l, NULL, NULL, NULL, "a-min-new");
	expect(&l, NULL, "minimal", NULL, "a-min-new");
	expect(&l, NULL, "a-min-old", NULL, "a-min-old");
	expect(&l, NULL, "bookworm", NULL, "a-min-old");
	expect(&l, NULL, NULL, "kmod", "a-min-new");
	expect(&l, NULL, NULL, "libssl3 bash", "a-zfs");
	expect(&l, NULL, NULL, "libtirpc3", "a-zfs");
	expect(&l, NULL, NULL, "nosuch|libssl3", "a-zfs");
	expect(&l, NULL, NULL, "gdb", "a-added"); /* nobody knows what is in it */
	expect(&l, foreign(), NULL, NULL, "b-min");
	expect(&l, NULL, "b-min", NULL, "b-min");
	root_list_clear(&l);
}

static void refuse(const struct root_list *l, const char *arch, const char *name, const char *packages, enum error_kind kind,
		   const char *text, const char *hint)
{
	_cleanup_strv_ struct strv p = STRV_INIT;
	struct error err = ERROR_INIT;

	strv_split(&p, packages, " ");
	assert_null(root_select(l, arch, name, &p, &err));
	assert_int_equal(err.kind, kind);
	if (!strstr(err.text, text) || !strstr(err.hint, hint))
		fail_msg("text '%s', hint '%s'", err.text, err.hint);
}

static void refusals_say_what_to_build(void **state)
{
	struct root_list l = { 0 }, none = { 0 };
	_cleanup_free_ char *for_arch = mem_printf("-a %s", foreign());

	fill();
	assert_int_equal(root_list(&paths, &l, NULL, NULL), 0);
	refuse(&l, NULL, "a-min-new", "gdb kmod", ERROR_MISSING, "lacks gdb", "quiz root build --set minimal --package gdb");
	refuse(&l, NULL, "zts", "", ERROR_MISSING, "'zts'", "quiz root build --set zts");
	refuse(&l, NULL, "nosuch", "", ERROR_MISSING, "'nosuch'", "quiz root list");
	refuse(&l, foreign(), NULL, "libssl3", ERROR_MISSING, "lacks libssl3", for_arch);
	refuse(&l, foreign(), "a-zfs", "", ERROR_USAGE, "it is for", "");
	refuse(&none, NULL, NULL, "", ERROR_MISSING, "there is none", "quiz setup");
	root_list_clear(&l);
}

static void locks_keep_it(void **state)
{
	struct error err = ERROR_INIT;
	struct root r = { 0 };
	uint64_t bytes = 0;
	int fd, fd2;

	fill();
	assert_int_equal(root_find(&paths, NULL, "a-min-old", NULL, NULL, &r, &err), 0);
	fd = root_lock_shared(&r, &err);
	fd2 = root_lock_shared(&r, &err);
	assert_true(fd >= 0 && fd2 >= 0);
	close(fd2);
	assert_int_equal(store_remove(&root_store, &r, &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_BUSY);
	error_clear(&err);
	close(fd);
	assert_int_equal(store_remove(&root_store, &r, &bytes, &err), 0);
	assert_true(bytes > 0);
	assert_int_equal(root_lock_shared(&r, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	root_clear(&r);
}

static void damaged_ones_are_told(void **state)
{
	_cleanup_free_ char *path = mem_printf("%s/roots/broken/manifest.json", dir);
	_cleanup_strv_ struct strv broken = STRV_INIT;
	struct root_list l = { 0 };
	bool is_damaged = false;

	assert_int_equal(fs_mkdir_parents(path, NULL), 0);
	assert_int_equal(fs_write_atomic(path, "{\"manifest\": 1, \"id\"", 20, 0644, false, NULL), 0);
	assert_int_equal(root_list(&paths, &l, &broken, NULL), 0);
	assert_true(strv_has(&broken, "broken"));
	for (size_t i = 0; i < l.n; i++)
		assert_string_not_equal(l.v[i].id, "broken");
	root_list_clear(&l);
	assert_int_equal(store_remove_id(&root_store, &paths, "../roots", NULL, &is_damaged, NULL), -1);
	assert_int_equal(store_remove_id(&root_store, &paths, "broken", NULL, &is_damaged, NULL), 0);
	assert_true(is_damaged);
	assert_int_equal(store_remove_id(&root_store, &paths, "broken", NULL, &is_damaged, NULL), -1);
}

static void configured_default_of_another_architecture(void **state)
{
	struct error err = ERROR_INIT;
	struct root r = { 0 };

	fill();
	assert_int_equal(root_find(&paths, NULL, NULL, "a-zfs", NULL, &r, &err), 0);
	assert_string_equal(r.id, "a-zfs");
	root_clear(&r);
	assert_int_equal(root_find(&paths, foreign(), NULL, "a-zfs", NULL, &r, &err), 0);
	assert_string_equal(r.id, "b-min");
	root_clear(&r);
	assert_int_equal(root_find(&paths, NULL, NULL, "gone", NULL, &r, &err), -1);
	assert_non_null(strstr(err.text, "config's default"));
}

static void subordinate_ids(void **state)
{
	static const char text[] = "root:1:65536\nalice:100000:65536\nbob:200000:1000\n1003:300000:70000\n";

	unsigned long start = 0, count = 0;

	assert_true(root_check_find_range(text, "alice", 1000, &start, &count));
	assert_int_equal(start, 100000);
	assert_int_equal(count, 65536);
	assert_false(root_check_find_range(text, "bob", 1001, &start, &count));
	assert_false(root_check_find_range(text, "ali", 1002, &start, &count));
	assert_true(root_check_find_range(text, "carol", 1003, &start, &count));
	assert_int_equal(start, 300000);
	assert_false(root_check_find_range("", "alice", 1000, &start, &count));
	assert_false(root_check_find_range("alice", "alice", 1000, &start, &count));
}

static void ids_say_what_was_asked_for(void **state)
{
	_cleanup_strv_ struct strv few = STRV_INIT, many = STRV_INIT;
	char *id;

	id = root_build_id("debian", "bookworm", "minimal", NULL, arch_native());
	assert_string_equal(id, "debian-bookworm-minimal");
	free(id);
	strv_split(&few, "gdb,strace", ",");
	id = root_build_id("debian", "trixie", "zfs", &few, arch_native());
	assert_string_equal(id, "debian-trixie-zfs+gdb+strace");
	free(id);
	for (int i = 0; i < 50; i++)
		strv_addf(&many, "package-number-%d", i);
	id = root_build_id("debian", "sid", "debug", &many, arch_find(foreign()));
	assert_true(store_is_valid_id(id));
	assert_true(str_ends(id, foreign()));
	free(id);
}

static void builds_go_on_without_updates(void **state)
{
	static const char sources[] = "Types: deb\nURIs: http://a/debian\nSuites: trixie trixie-updates\nComponents: main\n"
				      "Architectures: s390x\nSigned-By: /k.gpg\n\n"
				      "Types: deb\nURIs: http://a/security\nSuites: trixie-security\nComponents: main\n";
	_cleanup_str_ struct str base = STR_INIT;

	root_build_base_sources(sources, "trixie", &base);
	assert_string_equal(base.p, "Types: deb\nURIs: http://a/debian\nSuites: trixie\nComponents: main\nSigned-By: /k.gpg\n");
	assert_true(root_build_lacks_updates("E: Failed to fetch http://a/x/dists/trixie-security/main/Packages.xz  size", "trixie"));
	assert_true(root_build_lacks_updates("E: Failed to fetch http://a/x/dists/trixie-updates/InRelease  404", "trixie"));
	assert_false(root_build_lacks_updates("E: Failed to fetch http://a/x/dists/trixie/InRelease  404", "trixie"));
	assert_false(root_build_lacks_updates("E: Unable to locate package trixie-updates", "trixie"));
	assert_false(root_build_lacks_updates("W: Failed to fetch http://a/dists/trixie-updates/x", "trixie"));
}

static void images_are_known_by_their_magic(void **state)
{
	unsigned char head[2048] = { 0 };

	assert_null(root_add_image_type(head, sizeof(head)));
	memcpy(head, "hsqs", 4);
	assert_string_equal(root_add_image_type(head, 4), "squashfs");
	memset(head, 0, 4);
	memcpy(head + 1024, "\xe2\xe1\xf5\xe0", 4);
	assert_string_equal(root_add_image_type(head, sizeof(head)), "erofs");
	assert_null(root_add_image_type(head, 1027));
	memset(head + 1024, 0, 4);
	memcpy(head + 1080, "\x53\xef", 2);
	assert_string_equal(root_add_image_type(head, sizeof(head)), "ext4");
}

static void dpkg_database_and_os_release(void **state)
{
	_cleanup_strv_ struct strv p = STRV_INIT;
	char *v;

	root_image_packages("Package: b\nStatus: install ok installed\nVersion: 1\nDescription: x\n Package: no\n\n\n"
			    "Package: a\nVersion: 2:3-4\nStatus: hold ok installed\n\n"
			    "Package: c\nStatus: deinstall ok config-files\nVersion: 1\n\n"
			    "Package: d\nStatus: install ok not-installed\nVersion: 1\n\n"
			    "Package: e\nStatus: install ok installed",
			    &p);
	assert_int_equal(p.n, 2);
	assert_string_equal(p.v[0], "a 2:3-4");
	assert_string_equal(p.v[1], "b 1");
	v = root_image_os_release("NAME=x\nVERSION_CODENAME='trixie'\nID=debian", "VERSION_CODENAME");
	assert_string_equal(v, "trixie");
	free(v);
	v = root_image_os_release("NAME=x\nID=debian", "ID");
	assert_string_equal(v, "debian");
	free(v);
	assert_null(root_image_os_release("ID_LIKE=debian\n", "ID"));
}

static void sets_are_whole(void **state)
{
	size_t n;
	const struct root_set *sets = root_sets(&n);

	assert_true(n >= 4);
	assert_string_equal(sets[0].name, "minimal");
	for (size_t i = 0; i < n; i++) {
		assert_true(store_is_valid_id(sets[i].name));
		assert_ptr_equal(root_set_find(sets[i].name), &sets[i]);
		if (sets[i].based_on)
			assert_non_null(root_set_find(sets[i].based_on));
	}
	assert_null(root_set_find("nosuch"));
	assert_false(store_is_valid_id(".hidden"));
	assert_false(store_is_valid_id("a/b"));
	assert_false(store_is_valid_id(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(selection),
		cmocka_unit_test(refusals_say_what_to_build),
		cmocka_unit_test(locks_keep_it),
		cmocka_unit_test(damaged_ones_are_told),
		cmocka_unit_test(configured_default_of_another_architecture),
		cmocka_unit_test(subordinate_ids),
		cmocka_unit_test(ids_say_what_was_asked_for),
		cmocka_unit_test(builds_go_on_without_updates),
		cmocka_unit_test(images_are_known_by_their_magic),
		cmocka_unit_test(dpkg_database_and_os_release),
		cmocka_unit_test(sets_are_whole),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
