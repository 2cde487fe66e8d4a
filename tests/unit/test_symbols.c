/* SPDX-License-Identifier: MPL-2.0 */
/* The symboliser on this very program: a real file, real inlining, real line numbers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "run/symbolize.h"
#include "sys/fs.h"

static uintptr_t seen;

__attribute__((noinline)) static void callee(void)
{
	seen = (uintptr_t)__builtin_return_address(0);
	__asm__ volatile("" ::: "memory");
}

static int line_of_call, line_of_middle, line_of_inline;

__attribute__((always_inline)) static inline void inner(void)
{
	line_of_call = __LINE__ + 1;
	callee();
	__asm__ volatile("" ::: "memory");
}

__attribute__((always_inline)) static inline void middle(void)
{
	line_of_middle = __LINE__ + 1;
	inner();
	__asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) static void outer(void)
{
	line_of_inline = __LINE__ + 1;
	middle();
	__asm__ volatile("" ::: "memory");
}

/* The size as the symbol table has it: what a kernel prints behind the '/'. */
static uint64_t size_of(struct symbols *s, const char *name, uint64_t offset)
{
	struct symbol_frames frames;

	for (uint64_t size = offset; size < 4096; size++) {
		enum symbols_result r = symbols_resolve(s, "", name, offset, size, true, NULL, &frames);

		symbol_frames_clear(&frames);
		if (r == SYMBOLS_FOUND)
			return size;
	}
	return 0;
}

static void test_return_address_and_inlining(void **state)
{
	struct symbols *s = symbols_new();
	struct symbol_frames frames;
	uint64_t offset, size;
	char *code;

	(void)state;
	symbols_add(s, "", "/proc/self/exe");
	outer();
	offset = seen - (uintptr_t)outer;
	size = size_of(s, "outer", offset);
	assert_int_not_equal(size, 0);
	assert_int_equal(symbols_resolve(s, "", "outer", offset, size, true, NULL, &frames), SYMBOLS_FOUND);
	assert_int_equal(frames.n, 3);
	assert_string_equal(frames.v[0].function, "inner");
	assert_true(frames.v[0].is_inlined);
	assert_int_equal(frames.v[0].line, line_of_call);
	assert_string_equal(frames.v[1].function, "middle");
	assert_true(frames.v[1].is_inlined);
	assert_int_equal(frames.v[1].line, line_of_middle);
	assert_string_equal(frames.v[2].function, "outer");
	assert_int_equal(frames.v[2].line, line_of_inline);
	assert_non_null(strstr(frames.v[0].file, "test_symbols.c"));
	if (frames.v[0].path) {
		code = symbols_source_line(s, frames.v[0].path, frames.v[0].line);
		assert_string_equal(code, "callee();");
		free(code);
	}
	symbol_frames_clear(&frames);
	symbols_free(s);
}

static void test_what_is_not_there(void **state)
{
	struct symbols *s = symbols_new();
	struct symbol_frames frames;

	(void)state;
	assert_int_equal(symbols_resolve(s, "", "outer", 1, 2, true, NULL, &frames), SYMBOLS_NO_FILE);
	symbols_add(s, "", "/proc/self/exe");
	/* A size that can not be: the log is of another build. */
	assert_int_equal(symbols_resolve(s, "", "outer", 1, 65536, true, NULL, &frames), SYMBOLS_OTHER_BUILD);
	assert_int_equal(symbols_resolve(s, "", "no_such_function", 1, 2, true, NULL, &frames), SYMBOLS_OTHER_BUILD);
	symbols_add(s, "zfs", "/dev/null");
	assert_int_equal(symbols_resolve(s, "zfs", "zfs_ioctl", 1, 2, true, NULL, &frames), SYMBOLS_NO_DEBUG);
	symbols_free(s);
}

/* The build id that the linker gave this program, as a kernel would print it. */
static void own_build_id(char *to)
{
	struct str all = STR_INIT;
	const char *at;

	assert_int_equal(fs_read("/proc/self/exe", 64u << 20, &all, NULL), 0);
	at = memmem(all.p, all.len, "\4\0\0\0\24\0\0\0\3\0\0\0GNU", 16);
	*to = '\0';
	for (int i = 0; at && i < 20; i++)
		sprintf(to + 2 * i, "%02x", (unsigned char)at[16 + i]);
	str_clear(&all);
}

static void test_build_ids(void **state)
{
	struct symbols *s = symbols_new();
	struct symbol_frames frames;
	char id[64], other[64];
	uint64_t offset, size;

	(void)state;
	own_build_id(id);
	if (!*id) {
		print_message("skipped: this program was linked without a build id\n");
		skip();
	}
	memcpy(other, id, sizeof(other));
	other[5] = other[5] == 'a' ? 'b' : 'a';
	symbols_add(s, "", "/proc/self/exe");
	outer();
	offset = seen - (uintptr_t)outer;
	size = size_of(s, "outer", offset);
	assert_int_equal(symbols_resolve(s, "", "outer", offset, size, true, id, &frames), SYMBOLS_FOUND);
	symbol_frames_clear(&frames);
	assert_int_equal(symbols_resolve(s, "", "outer", offset, size, true, other, &frames), SYMBOLS_OTHER_BUILD);
	symbols_free(s);
}

static void find_self(void *ctx, struct symbols *s, const char *module, const char *build_id)
{
	++*(int *)ctx;
	if (!*module)
		symbols_add(s, "", "/proc/self/exe");
}

static void test_text(void **state)
{
	struct symbols *s = symbols_new();
	struct symbolize z;
	struct str out = STR_INIT;
	char text[512], want[64];
	uint64_t offset;
	int n_finds = 0;

	(void)state;
	symbols_add(s, "", "/proc/self/exe");
	outer();
	offset = seen - (uintptr_t)outer;
	snprintf(text, sizeof(text),
		 "[    1.0] quiet\033[0m line\r\n[    1.000002]  outer+0x%llx/0x%llx\n[    1.000003]  zfs_x+0x1/0x2 "
		 "[zfs]\n[    1.000003]  zfs_y+0x1/0x2 [zfs]",
		 (unsigned long long)offset, (unsigned long long)size_of(s, "outer", offset));
	symbolize_init(&z);
	z.find = find_self;
	z.ctx = &n_finds;
	symbolize_text(&z, text, strlen(text), &out);
	snprintf(want, sizeof(want), "test_symbols.c:%d, in middle at ", line_of_call);
	assert_non_null(strstr(str_cstr(&out), want));
	assert_null(strchr(str_cstr(&out), '\033'));
	assert_int_equal(n_finds, 2); /* once for the kernel, once for zfs */
	assert_int_equal(z.n_counts, 2);
	assert_int_equal(z.counts[1].n_no_file, 2);
	symbolize_clear(&z);
	symbols_free(s);
	str_clear(&out);
}

static void test_release(void **state)
{
	static const char *const logs[] = {
		"[    0.000000] Linux version 6.1.0-50-amd64 (x@y)\n",
		"[    2.8] CPU: 1 PID: 93 Comm: init Tainted: G           OE      6.1.0-50-amd64 #1  Debian "
		"6.1.176-1\n",
		"CPU: 1 UID: 0 PID: 93 Comm: a b Not tainted 6.1.0-50-amd64 #1 PREEMPT\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		char *r = symbolize_release(logs[i], strlen(logs[i]));

		assert_string_equal(r ? r : "(none)", "6.1.0-50-amd64");
		free(r);
	}
	assert_null(symbolize_release("CPU: nothing #", 14));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_return_address_and_inlining),
		cmocka_unit_test(test_what_is_not_there),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_build_ids),
		cmocka_unit_test(test_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
