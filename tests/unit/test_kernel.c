/* SPDX-License-Identifier: MPL-2.0 */
/* The kernel store: versions as people type them, which kernel a name means, manifests, locks and removal. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/initramfs.h"
#include "image/kernel.h"
#include "image/kernel_version.h"
#include "spec/arch.h"
#include "sys/fs.h"

/* ---- versions ---- */

static const struct version_row {
	const char *text;
	bool is_good;
	unsigned part[3], n_parts;
	enum kernel_stage stage;
	unsigned number;
	const char *rest;
} version_rows[] = {
	{ "6.1", true, { 6, 1, 0 }, 2, KERNEL_STAGE_RELEASE, 0, "" },
	{ "v6.1", true, { 6, 1, 0 }, 2, KERNEL_STAGE_RELEASE, 0, "" },
	{ "6.1.0", true, { 6, 1, 0 }, 3, KERNEL_STAGE_RELEASE, 0, "" },
	{ "6.12.y", true, { 6, 12, 0 }, 2, KERNEL_STAGE_RELEASE, 0, "" },
	{ "6.1-rc1", true, { 6, 1, 0 }, 2, KERNEL_STAGE_RC, 1, "" },
	{ "6.1.0-rc1", true, { 6, 1, 0 }, 3, KERNEL_STAGE_RC, 1, "" },
	{ "6.18-rc3+kasan", true, { 6, 18, 0 }, 2, KERNEL_STAGE_RC, 3, "+kasan" },
	{ "next-20250721", true, { 0, 0, 0 }, 0, KERNEL_STAGE_NEXT, 20250721, "" },
	{ "next", true, { 0, 0, 0 }, 0, KERNEL_STAGE_NEXT, 0, "" },
	{ "6.16.0-next-20250618", true, { 6, 16, 0 }, 3, KERNEL_STAGE_NEXT, 20250618, "" },
	{ "6.16.0-rc7-next-20250721", true, { 6, 16, 0 }, 3, KERNEL_STAGE_NEXT, 20250721, "" },
	{ "6.16-rc7-nextcloud", true, { 6, 16, 0 }, 2, KERNEL_STAGE_RC, 7, "-nextcloud" },
	{ "master", true, { 0, 0, 0 }, 0, KERNEL_STAGE_RELEASE, 0, "" },
	{ "6.1.0-50-amd64", true, { 6, 1, 0 }, 3, KERNEL_STAGE_RELEASE, 0, "-50-amd64" },
	{ "6.12.107+deb13-amd64", true, { 6, 12, 107 }, 3, KERNEL_STAGE_RELEASE, 0, "+deb13-amd64" },
	{ "6.1.176", true, { 6, 1, 176 }, 3, KERNEL_STAGE_RELEASE, 0, "" },
	{ "", false, { 0 }, 0, 0, 0, NULL },
	{ "cloud", false, { 0 }, 0, 0, 0, NULL },
	{ "nextcloud", false, { 0 }, 0, 0, 0, NULL },
	{ "6.1rubbish", false, { 0 }, 0, 0, 0, NULL },
	{ "6.", false, { 0 }, 0, 0, 0, NULL },
	{ "99999999999.1", false, { 0 }, 0, 0, 0, NULL },
};

static void test_version_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(version_rows); i++) {
		const struct version_row *row = &version_rows[i];
		struct error err = ERROR_INIT;
		struct kernel_version v;
		int r = kernel_version_parse(row->text, &v, &err);

		if ((r == 0) != row->is_good)
			fail_msg("'%s' is %s", row->text, r ? "refused" : "taken");
		if (!row->is_good) {
			assert_int_equal(err.kind, ERROR_USAGE);
			continue;
		}
		for (int j = 0; j < 3; j++)
			if (v.part[j] != row->part[j])
				fail_msg("'%s': part %d is %u, not %u", row->text, j, v.part[j], row->part[j]);
		assert_int_equal(v.n_parts, row->n_parts);
		assert_int_equal(v.stage, row->stage);
		assert_int_equal(v.stage_number, row->number);
		assert_string_equal(v.rest, row->rest);
	}
}

static void test_version_order(void **state)
{
	/* Each is older than the next. */
	static const char *const order[] = {
		"5.4", "5.10.1", "5.10.99", "6.1-rc1", "6.1.0-rc2", "6.1.0-next-20221001", "6.1", "6.1.9", "6.1.10",
		"6.2-rc1", "6.12", "next-20250721", "master",
	};
	struct kernel_version a, b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		for (size_t j = 0; j < ARRAY_SIZE(order); j++) {
			int want = i < j ? -1 : i > j;
			int got;

			assert_int_equal(kernel_version_parse(order[i], &a, NULL), 0);
			assert_int_equal(kernel_version_parse(order[j], &b, NULL), 0);
			got = kernel_version_compare(&a, &b);
			if ((got > 0) - (got < 0) != want)
				fail_msg("'%s' against '%s' is %d, not %d", order[i], order[j], got, want);
		}
	assert_int_equal(kernel_version_parse("6.1", &a, NULL), 0);
	assert_int_equal(kernel_version_parse("6.1.0", &b, NULL), 0);
	assert_int_equal(kernel_version_compare(&a, &b), 0);
}

static void test_version_matches(void **state)
{
	static const struct {
		const char *want, *have;
		bool matches;
	} rows[] = {
		{ "6.1", "6.1.176", true },	 { "6.1", "6.1.0-rc3", true },	{ "6.1", "6.12", false },
		{ "6.1.0", "6.1", true },	 { "6.1.0", "6.1.1", false },	{ "6", "6.12.3", true },
		{ "6.18-rc3", "6.18.0-rc3", true }, { "6.18-rc3", "6.18-rc4", false }, { "6.18-rc3", "6.18", false },
		{ "6.12.y", "6.12.7", true },	 { "next", "6.16.0-next-20250618", true },
		{ "next-20250618", "6.16.0-next-20250618", true }, { "next-20250619", "6.16.0-next-20250618", false },
		{ "next-20250721", "6.16.0-rc7-next-20250721", true }, { "6.16-rc7", "6.16.0-rc7-next-20250721", false },
		{ "master", "6.1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kernel_version want, have;

		assert_int_equal(kernel_version_parse(rows[i].want, &want, NULL), 0);
		assert_int_equal(kernel_version_parse(rows[i].have, &have, NULL), 0);
		if (kernel_version_matches(&want, &have) != rows[i].matches)
			fail_msg("'%s' against '%s' is not %d", rows[i].want, rows[i].have, rows[i].matches);
	}
}

/* ---- selection ---- */

#define NATIVE "@" /* stands for the host's architecture */

static const struct {
	const char *id, *release, *version, *flavour, *origin, *arch;
	uint64_t created;
} stored[] = {
	{ "6.1.0-50-amd64", "6.1.0-50-amd64", "6.1.176", "", "debian", NATIVE, 100 },
	{ "6.1.0-56-amd64", "6.1.0-56-amd64", "6.1.192", "", "debian", NATIVE, 90 },
	{ "6.1.0-56-cloud-amd64", "6.1.0-56-cloud-amd64", "6.1.192", "cloud", "debian", NATIVE, 110 },
	{ "6.12.7", "6.12.7-quiz", "6.12.7", "", "built", NATIVE, 50 },
	{ "6.12.9+kasan", "6.12.9", "6.12.9", "kasan", "built", NATIVE, 60 },
	{ "6.12.8+kasan+lockdep", "6.12.8", "6.12.8", "kasan+lockdep", "built", NATIVE, 61 },
	{ "6.6.1", "6.6.1", "6.6.1", "", "built", NATIVE, 70 },
	{ "mine", "6.18.0-rc3-mine", "6.18.0-rc3", "", "added", NATIVE, 200 },
	{ "6.1.0-50-other", "6.1.0-50-other", "6.1.176", "", "debian", "other", 10 },
	{ "6.12.7-other", "6.12.7-quiz", "6.12.7", "", "built", "other", 5 },
};

static struct kernel_list make_list(void)
{
	struct kernel_list list = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(stored); i++) {
		struct kernel *k = VEC_PUSH(list.v, list.n);

		k->id = mem_strdup(stored[i].id);
		k->release = mem_strdup(stored[i].release);
		k->version = mem_strdup(stored[i].version);
		k->flavour = mem_strdup(stored[i].flavour);
		k->origin = mem_strdup(stored[i].origin);
		k->arch = mem_strdup(str_eq(stored[i].arch, NATIVE) ? arch_native()->name : stored[i].arch);
		k->created = stored[i].created;
	}
	return list;
}

static void test_select(void **state)
{
	static const struct {
		const char *arch, *name, *id; /* id NULL: ERROR_MISSING */
	} rows[] = {
		{ NULL, NULL, "6.12.7" },	   /* own-built and plain before fetched and newer flavours */
		{ NULL, "", "6.12.7" },
		{ NULL, "6.1", "6.1.0-56-amd64" }, /* the newest, though it was made earlier; not the cloud one */
		{ NULL, "6.1.176", "6.1.0-50-amd64" },
		{ NULL, "6.1.0-50-amd64", "6.1.0-50-amd64" },
		{ NULL, "6.12", "6.12.7" },	   /* a plain one before newer ones with a flavour */
		{ NULL, "6.12.y", "6.12.7" },
		{ NULL, "6.12+kasan", "6.12.9+kasan" },
		{ NULL, "6.12+lockdep+kasan", "6.12.8+kasan+lockdep" },
		{ NULL, "kasan", "6.12.9+kasan" },
		{ NULL, "+kasan", "6.12.9+kasan" },
		{ NULL, "cloud", "6.1.0-56-cloud-amd64" },
		{ NULL, "6.1+cloud", "6.1.0-56-cloud-amd64" },
		{ NULL, "6.12.9", "6.12.9+kasan" }, /* only that one has this version */
		{ NULL, "mine", "mine" },
		{ NULL, "6.18-rc3", "mine" },
		{ NULL, "6.12.7-quiz", "6.12.7" },  /* by release */
		{ NULL, "6.1.0-50-other", "6.1.0-50-other" }, /* an exact id names its architecture too */
		{ "other", NULL, "6.12.7-other" },
		{ "other", "6.1", "6.1.0-50-other" },
		{ "other", "6.12.7-quiz", "6.12.7-other" },
		{ NULL, "6.5", NULL },
		{ NULL, "6.12+ubsan", NULL },
		{ NULL, "debug", NULL },
		{ "third", NULL, NULL },
	};
	struct kernel_list list = make_list();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err = ERROR_INIT;
		const struct kernel *k = kernel_select(&list, rows[i].arch, rows[i].name, &err);

		if (!str_eq(k ? k->id : NULL, rows[i].id))
			fail_msg("row %zu, '%s': got '%s', not '%s'", i, rows[i].name ? rows[i].name : "(default)",
				 k ? k->id : "nothing", rows[i].id ? rows[i].id : "nothing");
		if (!k) {
			assert_int_equal(err.kind, ERROR_MISSING);
			assert_true(err.hint[0] != '\0');
		}
	}
	kernel_list_clear(&list);
}

static void test_select_errors(void **state)
{
	struct kernel_list list = make_list(), empty = { 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_null(kernel_select(&list, NULL, "6.5", &err));
	assert_non_null(strstr(err.text, "6.1.0-56-amd64"));
	assert_non_null(strstr(err.hint, "quiz kernel build 6.5"));
	assert_null(kernel_select(&empty, NULL, NULL, &err));
	assert_string_equal(err.hint, "quiz setup");
	assert_null(kernel_select(&list, "other", "6.1.0-56-amd64", &err));
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_null(kernel_select(&list, NULL, "6.5+kcsan", &err));
	assert_non_null(strstr(err.hint, "quiz kernel build 6.5 --flavour kcsan"));
	assert_null(kernel_select(&list, NULL, "+kcsan", &err));
	assert_string_equal(err.hint, "quiz kernel list, or quiz kernel build --flavour kcsan");
	assert_null(kernel_select(&list, "other", "kcsan", &err));
	assert_string_equal(err.hint, "quiz kernel list, or quiz kernel build --flavour kcsan -a other");
	kernel_list_clear(&list);
}

/* The command that a hint gives for another kernel of the same source. */
static void test_build_again(void **state)
{
	static const struct {
		const char *origin, *text, *arch, *command;
	} rows[] = {
		{ "built", "linux-source-6.1 6.1.192-2", NATIVE, "quiz kernel build linux-source-6.1" },
		{ "built", "linux-source-6.1 6.1.192-2", "s390x", "quiz kernel build linux-source-6.1 -a s390x" },
		{ "built", "kernel.org 6.12.7", NATIVE, "quiz kernel build 6.12.7" },
		{ "built", "folder /my/linux tree", NATIVE, "quiz kernel build --tree '/my/linux tree'" },
		{ "built", "https://host/linux.git v6.12 (0123456789ab)", NATIVE, "quiz kernel build --git https://host/linux.git@v6.12" },
		{ "built", "/my/linux tree HEAD (0123456789ab)", NATIVE, "quiz kernel build --git '/my/linux tree@HEAD'" },
		{ "debian", "linux-image-6.12.7-amd64 6.12.7-1 (trixie)", NATIVE, "quiz kernel build linux-source-6.12/trixie" },
		{ "added", "/boot/vmlinuz", NATIVE, "quiz kernel build 6.12.7" },
		{ "added", NULL, NATIVE, "quiz kernel build 6.12.7" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *arch = str_eq(rows[i].arch, NATIVE) ? arch_native()->name : rows[i].arch;
		struct kernel k = { .origin = (char *)rows[i].origin, .origin_text = (char *)rows[i].text,
				    .arch = (char *)arch, .version = (char *)"6.12.7" };
		struct str command = STR_INIT;

		kernel_build_again(&k, &command);
		assert_string_equal(str_cstr(&command), rows[i].command);
		str_clear(&command);
	}
}

/* ---- the store on disk ---- */

struct store {
	char *dir;
	struct paths paths;
};

static int setup(void **state)
{
	struct store *s = mem_alloc(sizeof(*s));
	char template[] = "/tmp/quiz-test-kernel.XXXXXX";

	if (!mkdtemp(template))
		return -1;
	s->dir = mem_strdup(template);
	s->paths.data = mem_printf("%s/data", s->dir);
	s->paths.cache = mem_printf("%s/cache", s->dir);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct store *s = *state;

	fs_remove_tree(s->dir, NULL, NULL);
	paths_clear(&s->paths);
	free(s->dir);
	free(s);
	return 0;
}

static char *put_kernel(struct store *s, const char *id, const char *arch)
{
	struct error err = ERROR_INIT;
	char *dir = mem_printf("%s/kernels/%s", s->paths.data, id);
	struct kernel k = {
		.id = mem_strdup(id),
		.release = mem_strdup(id),
		.version = mem_strdup("6.1.176"),
		.flavour = mem_strdup("kasan+cloud"),
		.origin = mem_strdup("debian"),
		.origin_text = mem_strdup("line \"one\"\nline two"),
		.arch = mem_strdup(arch),
		.boot_file = mem_strdup("vmlinux"),
		.key = mem_strdup("0123"),
		.entry = KERNEL_IMAGE,
		.created = 1234567890123,
		.bytes = 5000000000,
		.virtio_blk = TRI_MODULE,
		.acpi = TRI_YES,
	};

	strv_add(&k.initrd_modules, "kernel/a.ko");
	strv_add(&k.initrd_modules, "kernel/b.ko");
	assert_int_equal(fs_mkdir_p(dir, 0755, &err), 0);
	assert_int_equal(store_save(&kernel_store, dir, &k, &err), 0);
	kernel_clear(&k);
	return dir;
}

static void test_manifest(void **state)
{
	struct store *s = *state;
	_cleanup_free_ char *dir = put_kernel(s, "6.1.0-50-amd64", "x86_64");
	_cleanup_free_ char *debug = fs_join(dir, "debug/vmlinux");
	struct error err = ERROR_INIT;
	struct kernel k;

	assert_int_equal(kernel_load(dir, &k, &err), 0);
	assert_string_equal(k.id, "6.1.0-50-amd64");
	assert_string_equal(k.flavour, "kasan+cloud");
	assert_string_equal(k.origin_text, "line \"one\"\nline two");
	assert_string_equal(k.dir, dir);
	assert_int_equal(k.entry, KERNEL_IMAGE);
	assert_true(k.created == 1234567890123);
	assert_true(k.bytes == 5000000000);
	assert_int_equal(k.virtio_blk, TRI_MODULE);
	assert_int_equal(k.acpi, TRI_YES);
	assert_int_equal(k.erofs, TRI_NO);
	assert_int_equal(k.initrd_modules.n, 2);
	assert_string_equal(k.initrd_modules.v[1], "kernel/b.ko");
	assert_false(k.has_debug || k.has_build || k.has_modules);
	kernel_clear(&k);
	/* debug/ may come later, the manifest stays */
	assert_int_equal(fs_mkdir_parents(debug, &err), 0);
	assert_int_equal(fs_write_atomic(debug, "x", 1, 0644, false, &err), 0);
	assert_int_equal(kernel_load(dir, &k, &err), 0);
	assert_true(k.has_debug);
	kernel_clear(&k);
}

static void test_manifest_damaged(void **state)
{
	static const struct {
		const char *text;
		enum error_kind kind;
	} rows[] = {
		{ "", ERROR_MISSING },
		{ "{", ERROR_MISSING },
		{ "[]", ERROR_UNSUPPORTED },
		{ "{\"manifest\": 2}", ERROR_UNSUPPORTED },
		{ "{\"manifest\": 1, \"id\": \"x\"}", ERROR_MISSING },
		{ "{\"manifest\": 1, \"id\": 7}", ERROR_MISSING },
	};
	struct store *s = *state;
	_cleanup_free_ char *path = mem_printf("%s/manifest.json", s->dir);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err = ERROR_INIT;
		struct kernel k;

		assert_int_equal(fs_write_atomic(path, rows[i].text, strlen(rows[i].text), 0644, false, &err), 0);
		if (kernel_load(s->dir, &k, &err) == 0)
			fail_msg("row %zu is taken", i);
		assert_int_equal(err.kind, rows[i].kind);
		assert_non_null(strstr(err.text, "manifest.json"));
	}
}

static void test_find(void **state)
{
	struct store *s = *state;
	const char *native = arch_native()->name;
	_cleanup_free_ char *a = put_kernel(s, "6.1.0-50-native", native);
	_cleanup_free_ char *b = put_kernel(s, "6.1.0-50-other", "other");
	_cleanup_free_ char *broken = mem_printf("%s/kernels/broken", s->paths.data);
	_cleanup_strv_ struct strv damaged = STRV_INIT;
	struct error err = ERROR_INIT;
	struct kernel_list list;
	struct kernel k;

	assert_int_equal(fs_mkdir_p(broken, 0755, &err), 0);
	assert_int_equal(kernel_list(&s->paths, &list, &damaged, &err), 0);
	assert_int_equal(list.n, 2);
	assert_string_equal(list.v[0].arch, native);
	assert_int_equal(damaged.n, 1);
	kernel_list_clear(&list);

	assert_int_equal(kernel_find(&s->paths, NULL, NULL, NULL, &k, &err), 0);
	assert_string_equal(k.id, "6.1.0-50-native");
	kernel_clear(&k);
	assert_int_equal(kernel_find(&s->paths, NULL, NULL, "6.1.0-50-other", &k, &err), 0);
	assert_string_equal(k.id, "6.1.0-50-other");
	kernel_clear(&k);
	/* the config's default is for the host's architecture; asking for another one goes by rank there */
	assert_int_equal(kernel_find(&s->paths, "other", NULL, "6.1.0-50-native", &k, &err), 0);
	assert_string_equal(k.id, "6.1.0-50-other");
	kernel_clear(&k);
	assert_int_equal(kernel_find(&s->paths, "other", "6.1.0-50-native", NULL, &k, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_int_equal(kernel_find(&s->paths, NULL, "../kernels", NULL, &k, &err), -1);
	assert_int_equal(kernel_find(&s->paths, NULL, NULL, "7.7", &k, &err), -1);
	assert_non_null(strstr(err.text, "config"));
}

/* A store that was left alone: what it answered is noted in the cache, and forgotten with the next change. */
static void test_find_noted(void **state)
{
	struct store *s = *state;
	const char *native = arch_native()->name;
	_cleanup_free_ char *a = put_kernel(s, "6.1.0-50-native", native);
	_cleanup_free_ char *manifest = mem_printf("%s/kernels/6.1.0-50-native/manifest.json", s->paths.data);
	_cleanup_free_ char *store = mem_printf("%s/kernels", s->paths.data);
	const struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	_cleanup_free_ char *b = NULL;
	struct error err = ERROR_INIT;
	struct kernel k;

	assert_int_equal(utimensat(AT_FDCWD, store, old, 0), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(kernel_find(&s->paths, NULL, NULL, NULL, &k, &err), 0);
		assert_string_equal(k.id, "6.1.0-50-native");
		kernel_clear(&k);
	}
	/* Another one that goes before it. */
	b = put_kernel(s, "6.2.0-1-native", native);
	assert_int_equal(kernel_load(b, &k, &err), 0);
	free(k.version);
	k.version = mem_strdup("6.2.1");
	assert_int_equal(store_save(&kernel_store, b, &k, &err), 0);
	kernel_clear(&k);
	assert_int_equal(kernel_find(&s->paths, NULL, NULL, NULL, &k, &err), 0);
	assert_string_equal(k.id, "6.2.0-1-native");
	kernel_clear(&k);
	/* What is noted can not be read any more. */
	assert_int_equal(utimensat(AT_FDCWD, store, old, 0), 0);
	assert_int_equal(kernel_find(&s->paths, NULL, "6.1", NULL, &k, &err), 0);
	assert_string_equal(k.id, "6.1.0-50-native");
	kernel_clear(&k);
	assert_int_equal(unlink(manifest), 0);
	assert_int_equal(kernel_find(&s->paths, NULL, "6.1", NULL, &k, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
}

static void test_remove(void **state)
{
	struct store *s = *state;
	_cleanup_free_ char *dir = put_kernel(s, "6.1", arch_native()->name);
	_cleanup_close_ int lock = -1;
	struct error err = ERROR_INIT;
	uint64_t bytes = 0;
	struct kernel k;

	assert_int_equal(kernel_load(dir, &k, &err), 0);
	lock = kernel_lock_shared(&k, &err);
	assert_true(lock >= 0);
	assert_int_equal(store_remove(&kernel_store, &k, &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_BUSY);
	assert_true(fs_is_dir(dir));
	close_fd(&lock);
	assert_int_equal(store_remove(&kernel_store, &k, &bytes, &err), 0);
	assert_true(bytes > 0);
	assert_false(fs_exists(dir));
	assert_int_equal(kernel_lock_shared(&k, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	kernel_clear(&k);
}

/* ---- initramfs ---- */

static void write_text(const char *dir, const char *name, const char *text)
{
	_cleanup_free_ char *path = fs_join(dir, name);

	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0644, false, NULL), 0);
}

static void test_initramfs(void **state)
{
	struct store *s = *state;
	_cleanup_free_ char *dir = put_kernel(s, "6.1", "x86_64");
	_cleanup_free_ char *agent = mem_printf("%s/agent.cpio", s->dir);
	_cleanup_free_ char *path = NULL, *key = NULL, *again = NULL, *key2 = NULL, *newer = NULL, *key3 = NULL;
	_cleanup_str_ struct str text = STR_INIT;
	struct error err = ERROR_INIT;
	const struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	struct kernel k;
	uint64_t stamp;

	assert_int_equal(kernel_load(dir, &k, &err), 0);
	assert_int_equal(initramfs_get(&s->paths, &k, NULL, agent, &path, &key, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	write_text(dir, "initrd.cpio", "12345");
	write_text(s->dir, "agent.cpio", "agent");
	assert_int_equal(initramfs_get(&s->paths, &k, NULL, agent, &path, &key, &err), 0);
	assert_int_equal(fs_read(path, 100, &text, &err), 0);
	/* the second archive begins at a multiple of four */
	assert_int_equal(text.len, 13);
	assert_memory_equal(text.p, "12345\0\0\0agent", 13);
	/* the warm path touches nothing */
	stamp = fs_stamp(path);
	assert_int_equal(initramfs_get(&s->paths, &k, NULL, agent, &again, &key2, &err), 0);
	assert_string_equal(path, again);
	assert_string_equal(key, key2);
	assert_true(fs_stamp(path) == stamp);
	/* a new agent makes a new file; the old one stays, as another quiz may be about to boot with it */
	write_text(s->dir, "agent.cpio", "agent 2");
	assert_int_equal(initramfs_get(&s->paths, &k, NULL, agent, &newer, &key3, &err), 0);
	assert_string_not_equal(key, key3);
	assert_true(fs_exists(newer));
	assert_true(fs_exists(path));
	/* until it is old */
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	write_text(s->dir, "agent.cpio", "agent 3 is longer");
	free(newer);
	free(key3);
	assert_int_equal(initramfs_get(&s->paths, &k, NULL, agent, &newer, &key3, &err), 0);
	assert_false(fs_exists(path));
	kernel_clear(&k);
}

static void test_initramfs_of_root(void **state)
{
	struct store *s = *state;
	_cleanup_free_ char *dir = put_kernel(s, "6.1", "x86_64");
	_cleanup_free_ char *agent = mem_printf("%s/agent.cpio", s->dir);
	_cleanup_free_ char *usual = NULL, *key = NULL, *ext4 = NULL, *key2 = NULL, *built_in = NULL, *key3 = NULL;
	_cleanup_str_ struct str text = STR_INIT;
	struct error err = ERROR_INIT;
	struct kernel k;

	assert_int_equal(kernel_load(dir, &k, &err), 0);
	write_text(s->dir, "agent.cpio", "agent");
	write_text(dir, "initrd.cpio", "usual...");
	write_text(dir, "initrd-ext4.cpio", "and ext4");
	assert_int_equal(initramfs_get(&s->paths, &k, "erofs", agent, &usual, &key, &err), 0);
	assert_int_equal(fs_read(usual, 100, &text, &err), 0);
	assert_string_equal(str_cstr(&text), "usual...agent");
	/* a root of another file system brings its modules, in another file and with another key */
	assert_int_equal(initramfs_get(&s->paths, &k, "ext4", agent, &ext4, &key2, &err), 0);
	str_truncate(&text, 0);
	assert_int_equal(fs_read(ext4, 100, &text, &err), 0);
	assert_string_equal(str_cstr(&text), "and ext4agent");
	assert_string_not_equal(usual, ext4);
	assert_string_not_equal(key, key2);
	/* one that the kernel has built in needs none */
	assert_int_equal(initramfs_get(&s->paths, &k, "squashfs", agent, &built_in, &key3, &err), 0);
	assert_string_equal(usual, built_in);
	assert_string_equal(key, key3);
	kernel_clear(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_parse),
		cmocka_unit_test(test_version_order),
		cmocka_unit_test(test_version_matches),
		cmocka_unit_test(test_select),
		cmocka_unit_test(test_select_errors),
		cmocka_unit_test(test_build_again),
		cmocka_unit_test_setup_teardown(test_manifest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_manifest_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find_noted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove, setup, teardown),
		cmocka_unit_test_setup_teardown(test_initramfs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_initramfs_of_root, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
