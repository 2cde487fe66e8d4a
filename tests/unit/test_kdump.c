/* SPDX-License-Identifier: MPL-2.0 */
/* Flattened cores are put together; cores get their uname; what is damaged is refused, and nothing else is touched. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <endian.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "vmm/kdump.h"

static int file_of(const void *mem, size_t n)
{
	int fd = memfd_create("core", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, mem, n), (ssize_t)n);
	return fd;
}

static void add_piece(struct str *s, uint64_t offset, const char *text)
{
	uint64_t head[2] = { htobe64(offset), htobe64(strlen(text)) };

	str_add_mem(s, head, sizeof(head));
	str_add(s, text);
}

static void add_head(struct str *s)
{
	char head[4096] = "makedumpfile";

	head[23] = head[31] = 1; /* type and version */
	str_add_mem(s, head, sizeof(head));
}

static void add_end(struct str *s)
{
	uint64_t end[2] = { UINT64_MAX, UINT64_MAX };

	str_add_mem(s, end, sizeof(end));
}

static int unflatten(const struct str *s, char *ret, size_t n, struct error *err)
{
	int from = file_of(s->p, s->len), to = memfd_create("whole", MFD_CLOEXEC), r;

	r = kdump_unflatten(from, to, err);
	memset(ret, 0, n);
	assert_true(pread(to, ret, n - 1, 0) >= 0);
	close(from);
	close(to);
	return r;
}

static void pieces_come_to_their_places(void **state)
{
	_cleanup_str_ struct str s = STR_INIT;
	struct error err = ERROR_INIT;
	char got[32];

	(void)state;
	add_head(&s);
	add_piece(&s, 6, "world");
	add_piece(&s, 0, "hello ");
	add_piece(&s, 6, "W");
	add_end(&s);
	assert_int_equal(unflatten(&s, got, sizeof(got), &err), 1);
	assert_string_equal(got, "hello World");
}

static void what_is_not_flattened_stays(void **state)
{
	_cleanup_str_ struct str s = STR_INIT;
	struct error err = ERROR_INIT;
	char got[8];

	(void)state;
	str_add(&s, "KDUMP   short");
	assert_int_equal(unflatten(&s, got, sizeof(got), &err), 0);
	for (int i = 0; i < 5000; i++)
		str_add_char(&s, 'x');
	assert_int_equal(unflatten(&s, got, sizeof(got), &err), 0);
	assert_string_equal(got, "");
	assert_false(error_is_set(&err));
}

static void a_cut_core_is_refused(void **state)
{
	_cleanup_str_ struct str s = STR_INIT;
	char got[8];

	(void)state;
	add_head(&s);
	add_piece(&s, 0, "hello");
	for (size_t cut = 0; cut < 21; cut++) {
		struct error err = ERROR_INIT;

		assert_int_equal(unflatten(&s, got, sizeof(got), &err), -1);
		assert_non_null(strstr(err.text, "cut off"));
		s.len--;
	}
}

static void a_piece_beyond_memory_is_refused(void **state)
{
	_cleanup_str_ struct str s = STR_INIT;
	struct error err = ERROR_INIT;
	char got[8];

	(void)state;
	add_head(&s);
	add_piece(&s, UINT64_MAX - 3, "hello");
	add_end(&s);
	assert_int_equal(unflatten(&s, got, sizeof(got), &err), -1);
	assert_non_null(strstr(err.text, "beyond any memory"));
}

#define VMCOREINFO "CRASHTIME=1\nOSRELEASE=6.1.0-test\nPAGESIZE=4096\n"

/* As QEMU writes it: a version, a machine, the block size, and in block 1 where vmcoreinfo is. */
static size_t make_core(char *core, bool is_big_endian)
{
	uint32_t version = is_big_endian ? htobe32(6) : htole32(6), block = is_big_endian ? htobe32(4096) : htole32(4096);
	uint64_t at = is_big_endian ? htobe64(8192) : htole64(8192);
	uint64_t n = is_big_endian ? htobe64(strlen(VMCOREINFO)) : htole64(strlen(VMCOREINFO));

	memset(core, 0, 8192);
	memcpy(core, "KDUMP   ", 8);
	memcpy(core + 8, &version, 4);
	strcpy(core + 12 + 4 * 65, "machine");
	memcpy(core + 428, &block, 4);
	memcpy(core + 4096 + 32, &at, 8);
	memcpy(core + 4096 + 40, &n, 8);
	strcpy(core + 8192, VMCOREINFO);
	return 8192 + strlen(VMCOREINFO);
}

static void a_core_gets_its_uname(void **state)
{
	(void)state;
	for (int big = 0; big < 2; big++) {
		struct error err = ERROR_INIT;
		char core[9000], got[6 * 65];
		int fd = file_of(core, make_core(core, big));

		assert_int_equal(kdump_add_uname(fd, &err), 0);
		assert_int_equal(pread(fd, got, sizeof(got), 12), sizeof(got));
		assert_string_equal(got, "Linux");
		assert_string_equal(got + 2 * 65, "6.1.0-test");
		assert_true(got[3 * 65]);
		assert_string_equal(got + 4 * 65, "machine");
		close(fd);
	}
}

static void a_strange_core_stays(void **state)
{
	static const struct {
		size_t at;
		const char *bytes;
		size_t n;
	} changes[] = {
		{ 0, "X", 1 },			       /* another file */
		{ 12, "Linux", 5 },		       /* has one already */
		{ 4096 + 32, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8 }, /* vmcoreinfo nowhere */
		{ 4096 + 40, "\xff\xff\xff\x7f", 4 },    /* of two gigabytes */
		{ 4096 + 40, "\x05", 1 },	       /* without a release in it */
		{ 428, "\xff\xff\xff\xff", 4 },	       /* no such block */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct error err = ERROR_INIT;
		char core[9000], got[9000];
		size_t n = make_core(core, false);
		int fd;

		memcpy(core + changes[i].at, changes[i].bytes, changes[i].n);
		fd = file_of(core, n);
		assert_int_equal(kdump_add_uname(fd, &err), 0);
		assert_int_equal(pread(fd, got, n, 0), n);
		assert_memory_equal(got, core, n);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_come_to_their_places), cmocka_unit_test(what_is_not_flattened_stays),
		cmocka_unit_test(a_cut_core_is_refused),       cmocka_unit_test(a_piece_beyond_memory_is_refused),
		cmocka_unit_test(a_core_gets_its_uname),       cmocka_unit_test(a_strange_core_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
