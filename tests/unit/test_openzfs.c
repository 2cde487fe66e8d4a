/* SPDX-License-Identifier: MPL-2.0 */
/* OpenZFS layers from made-up builds, and the ELF reader under them. */

#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/elf_file.h"
#include "image/elf_module.h"
#include "image/openzfs.h"
#include "image/openzfs_make.h"
#include "sys/fs.h"

#define RELEASE	    "6.1.0-test"
#define DEBUG_BYTES (64u << 10)

/* ---- a module of any class and byte order ---- */

struct maker {
	bool is_64, is_big;
	struct str out;
};

static void put(struct maker *m, unsigned n, uint64_t v)
{
	for (unsigned i = 0; i < n; i++)
		str_add_char(&m->out, (char)(v >> (8 * (m->is_big ? n - 1 - i : i))));
}

static void put_word(struct maker *m, uint64_t v)
{
	put(m, m->is_64 ? 8 : 4, v);
}

struct section {
	const char *name;
	uint32_t type;
	uint64_t flags;
	struct str content;
	uint32_t link, info;
	uint64_t offset;
};

enum {
	S_NULL,
	S_TEXT,
	S_RELA_TEXT,
	S_CALLS,
	S_RELA_CALLS,
	S_MODINFO,
	S_BSS,
	S_DEBUG,
	S_RELA_DEBUG,
	S_SYMTAB,
	S_STRTAB,
	S_SHSTRTAB,
	N_SECTIONS,
};

/* Two functions that begin with a call to __fentry__. */
#define SECOND_CALL 16
static const char code_bytes[32] = { [0] = (char)0xe8, [5] = 'a', [SECOND_CALL] = (char)0xe8, [SECOND_CALL + 5] = 'b' };

static void add_symbol(struct maker *m, uint32_t name, uint16_t section, uint64_t value)
{
	put(m, 4, name);
	if (m->is_64) {
		put(m, 2, 0);
		put(m, 2, section);
		put(m, 8, value);
		put(m, 8, 8);
	} else {
		put(m, 4, value);
		put(m, 4, 8);
		put(m, 2, 0);
		put(m, 2, section);
	}
}

static void add_relocation(struct maker *m, uint64_t offset, uint32_t symbol, uint32_t type, int64_t addend)
{
	put(m, 8, offset);
	put(m, 8, (uint64_t)symbol << 32 | type);
	put(m, 8, (uint64_t)addend);
}

static void write_sections(struct maker *m, struct section *s)
{
	uint32_t names[N_SECTIONS];

	for (int i = 0; i < N_SECTIONS; i++) {
		names[i] = (uint32_t)s[S_SHSTRTAB].content.len;
		str_add_mem(&s[S_SHSTRTAB].content, s[i].name, strlen(s[i].name) + 1);
	}
	for (int i = 0; i < N_SECTIONS; i++) {
		s[i].offset = m->out.len;
		if (s[i].type != SHT_NOBITS)
			str_add_mem(&m->out, str_cstr(&s[i].content), s[i].content.len);
	}
	for (int i = 0; i < N_SECTIONS; i++) {
		put(m, 4, names[i]);
		put(m, 4, s[i].type);
		put_word(m, s[i].flags);
		put_word(m, 0);
		put_word(m, s[i].offset);
		put_word(m, s[i].type == SHT_NOBITS ? 0x100 : s[i].content.len);
		put(m, 4, s[i].link);
		put(m, 4, s[i].info);
		put_word(m, 1);
		put_word(m, 0);
	}
}

static void write_header(struct maker *m, uint64_t shoff)
{
	static const char magic[] = { 0x7f, 'E', 'L', 'F' };

	str_add_mem(&m->out, magic, sizeof(magic));
	put(m, 1, m->is_64 ? ELFCLASS64 : ELFCLASS32);
	put(m, 1, m->is_big ? ELFDATA2MSB : ELFDATA2LSB);
	put(m, 1, EV_CURRENT);
	for (int i = 0; i < 9; i++)
		put(m, 1, 0);
	put(m, 2, ET_REL);
	put(m, 2, EM_X86_64);
	put(m, 4, EV_CURRENT);
	put_word(m, 0);
	put_word(m, 0);
	put_word(m, shoff);
	put(m, 4, 0);
	put(m, 2, m->is_64 ? 64 : 52);
	put(m, 2, 0);
	put(m, 2, 0);
	put(m, 2, m->is_64 ? 64 : 40);
	put(m, 2, N_SECTIONS);
	put(m, 2, S_SHSTRTAB);
}

static void make_module(const char *path, bool is_64, bool is_big, const char *release, const char *licence,
			const char *depends)
{
	struct maker m = { is_64, is_big, STR_INIT }, symbols = m, calls = m, list = m;
	struct section s[N_SECTIONS] = {
		[S_NULL] = { .name = "" },
		[S_TEXT] = { .name = ".text", .type = SHT_PROGBITS, .flags = SHF_ALLOC },
		[S_RELA_TEXT] = { .name = ".rela.text", .type = SHT_RELA, .link = S_SYMTAB, .info = S_TEXT },
		[S_CALLS] = { .name = "__mcount_loc", .type = SHT_PROGBITS, .flags = SHF_ALLOC },
		[S_RELA_CALLS] = { .name = ".rela__mcount_loc", .type = SHT_RELA, .link = S_SYMTAB, .info = S_CALLS },
		[S_MODINFO] = { .name = ".modinfo", .type = SHT_PROGBITS, .flags = SHF_ALLOC },
		[S_BSS] = { .name = ".bss", .type = SHT_NOBITS, .flags = SHF_ALLOC },
		[S_DEBUG] = { .name = ".debug_info", .type = SHT_PROGBITS },
		[S_RELA_DEBUG] = { .name = ".rela.debug_info", .type = SHT_RELA, .link = S_SYMTAB, .info = S_DEBUG },
		[S_SYMTAB] = { .name = ".symtab", .type = SHT_SYMTAB, .link = S_STRTAB },
		[S_STRTAB] = { .name = ".strtab", .type = SHT_STRTAB },
		[S_SHSTRTAB] = { .name = ".shstrtab", .type = SHT_STRTAB },
	};
	static const char strings[] = "\0spl_pseudo_entropy\0__fentry__";
	static const char no_addresses[16];

	str_add_mem(&s[S_TEXT].content, code_bytes, sizeof(code_bytes));
	str_add_mem(&s[S_CALLS].content, no_addresses, sizeof(no_addresses));
	for (int i = 0; i < 2; i++) {
		add_relocation(&calls, (uint64_t)i * SECOND_CALL + 1, 3, R_X86_64_PLT32, -4);
		add_relocation(&list, (uint64_t)i * 8, 2, R_X86_64_64, (int64_t)i * SECOND_CALL);
	}
	s[S_RELA_TEXT].content = calls.out;
	s[S_RELA_CALLS].content = list.out;
	str_addf(&s[S_MODINFO].content, "license=%s%c", licence, 0);
	str_addf(&s[S_MODINFO].content, "depends=%s%c", depends, 0);
	str_addf(&s[S_MODINFO].content, "vermagic=%s SMP mod_unload%c", release, 0);
	for (unsigned i = 0; i < DEBUG_BYTES; i++)
		str_add_char(&s[S_DEBUG].content, 'd');
	str_add_mem(&s[S_RELA_DEBUG].content, strings, sizeof(strings));
	str_add_mem(&s[S_STRTAB].content, strings, sizeof(strings));
	add_symbol(&symbols, 0, 0, 0);
	add_symbol(&symbols, 1, S_BSS, 0x40);
	add_symbol(&symbols, 0, S_TEXT, 0);
	add_symbol(&symbols, 20, 0, 0);
	s[S_SYMTAB].content = symbols.out;

	/* Twice: the first time to know where the section table comes to lie. */
	write_header(&m, 0);
	write_sections(&m, s);
	uint64_t shoff = s[N_SECTIONS - 1].offset + s[S_SHSTRTAB].content.len;
	str_truncate(&m.out, 0);
	str_truncate(&s[S_SHSTRTAB].content, 0);
	write_header(&m, shoff);
	write_sections(&m, s);
	assert_int_equal(fs_write_atomic(path, m.out.p, m.out.len, 0644, false, NULL), 0);
	for (int i = 0; i < N_SECTIONS; i++)
		str_clear(&s[i].content);
	str_clear(&m.out);
}

/* ---- fixture: a tree, a kernel, folders of quiz's own ---- */

struct fixture {
	char dir[64];
	char *tree;
	struct paths paths;
	struct kernel kernel;
};

static void write_file(const char *dir, const char *name, const char *text)
{
	_cleanup_free_ char *path = fs_join(dir, name);

	assert_int_equal(fs_mkdir_parents(path, NULL), 0);
	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0755, false, NULL), 0);
}

static void set_age(const char *dir, const char *name, time_t age)
{
	_cleanup_free_ char *path = fs_join(dir, name);
	struct timespec t = { .tv_sec = time(NULL) - age };

	assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){ t, t }, AT_SYMLINK_NOFOLLOW), 0);
}

static void add_module(const struct fixture *f, const char *name, const char *release, const char *licence)
{
	_cleanup_free_ char *path = mem_printf("%s/module/%s.ko", f->tree, name);

	assert_int_equal(fs_mkdir_parents(path, NULL), 0);
	make_module(path, true, false, release, licence, str_eq(name, "zfs") ? "spl,zlib_deflate" : "");
}

static int setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	strcpy(f->dir, "/tmp/quiz-test-openzfs.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->tree = fs_join(f->dir, "tree");
	f->paths.cache = fs_join(f->dir, "cache");
	f->paths.share = fs_join(f->dir, "share");
	f->kernel.id = mem_strdup("6.1-test");
	f->kernel.release = mem_strdup(RELEASE);
	f->kernel.version = mem_strdup("6.1.0");
	f->kernel.arch = mem_strdup("x86_64");
	f->kernel.key = mem_strdup("key");
	f->kernel.dir = fs_join(f->dir, "kernel");
	write_file(f->tree, "META", "Meta: 1\nName:          zfs\nVersion:       2.4.99\nRelease:       1\n");
	write_file(f->tree, "module/os/spa.c", "int x;\n");
	write_file(f->tree, ".libs/zpool", "#!/bin/sh\n");
	set_age(f->tree, "module/os/spa.c", 1000);
	add_module(f, "spl", RELEASE, "CDDL");
	add_module(f, "zfs", RELEASE, "CDDL");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fs_remove_tree(f->dir, NULL, NULL);
	free(f->tree);
	free(f->paths.cache);
	free(f->paths.share);
	kernel_clear(&f->kernel);
	free(f);
	return 0;
}

static int layer(struct fixture *f, struct openzfs_stage *st, struct error *err)
{
	struct openzfs_request request = { .workspace_root = f->tree };

	*st = (struct openzfs_stage){ 0 };
	return openzfs_layer(&f->paths, &request, &f->kernel, st, err);
}

static bool is_staged(const struct fixture *f, const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/.quiz/openzfs/6.1-test/stage/%s", f->tree, name);

	return fs_exists(path);
}

static uint64_t staged_stamp(const struct fixture *f, const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/.quiz/openzfs/6.1-test/stage/%s", f->tree, name);

	return fs_stamp(path);
}

#define GUEST_KO(name) "usr/lib/modules/" RELEASE "/extra/" name ".ko"

/* ---- tests ---- */

static void test_elf_reads_every_class(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = fs_join(f->dir, "m.ko"), *copy = fs_join(f->dir, "copy.ko");

	for (int i = 0; i < 4; i++) {
		struct elf_file ef = ELF_FILE_INIT, small = ELF_FILE_INIT;
		const struct elf_section *section = NULL;
		uint64_t value = 0;
		struct error err = ERROR_INIT;

		make_module(path, i & 1, i & 2, RELEASE, "CDDL", "a,b");
		assert_int_equal(elf_open(path, &ef, &err), 0);
		_cleanup_free_ char *depends = elf_modinfo(&ef, "depends"), *none = elf_modinfo(&ef, "depend");
		assert_string_equal(depends, "a,b");
		assert_null(none);
		assert_true(elf_symbol(&ef, "spl_pseudo_entropy", &section, &value));
		assert_string_equal(section->name, ".bss");
		assert_int_equal(value, 0x40);
		assert_false(elf_symbol(&ef, "spl_pseudo", &section, &value));

		assert_int_equal(elf_copy_module(&ef, copy, &err), 0);
		assert_int_equal(elf_open(copy, &small, &err), 0);
		assert_in_range(small.size, 1, 4096);
		assert_int_equal(small.n_sections, ef.n_sections);
		assert_int_equal(elf_section(&small, ".debug_info")->size, 0);
		assert_int_equal(elf_section(&small, ".rela.debug_info")->size, 0);
		_cleanup_free_ char *again = elf_modinfo(&small, "depends");
		assert_string_equal(again, "a,b");
		assert_true(elf_symbol(&small, "spl_pseudo_entropy", &section, &value));
		assert_int_equal(value, 0x40);
		elf_close(&ef);
		elf_close(&small);
	}
}

/* Calls of the function tracer become nops, all of them or none. */
static void test_elf_drops_calls(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = fs_join(f->dir, "m.ko"), *copy = fs_join(f->dir, "copy.ko");
	static const unsigned char nop[] = { 0x0f, 0x1f, 0x44, 0, 0 };
	_cleanup_str_ struct str whole = STR_INIT;

	for (int i = 0; i < 3; i++) {
		struct elf_file ef = ELF_FILE_INIT, small = ELF_FILE_INIT;
		_cleanup_str_ struct str got = STR_INIT;
		struct error err = ERROR_INIT;
		bool dropped = i != 0;
		const char *code;

		make_module(path, true, i == 2, RELEASE, "CDDL", "");
		assert_int_equal(elf_open(path, &ef, &err), 0);
		if (i == 1) { /* the second listed place is no call: something is not as we think */
			str_truncate(&whole, 0);
			assert_int_equal(fs_read(path, 1 << 20, &whole, &err), 0);
			whole.p[elf_section(&ef, ".text")->offset + SECOND_CALL] = 'x';
			assert_int_equal(fs_write_atomic(path, whole.p, whole.len, 0644, false, &err), 0);
			elf_close(&ef);
			assert_int_equal(elf_open(path, &ef, &err), 0);
		}
		assert_int_equal(elf_copy_module_untraced(&ef, copy, &dropped, &err), 0);
		assert_int_equal(dropped, i == 0);
		assert_int_equal(elf_open(copy, &small, &err), 0);
		assert_int_equal(fs_read(copy, 1 << 20, &got, &err), 0);
		code = got.p + elf_section(&small, ".text")->offset;
		assert_int_equal(memcmp(code, i ? code_bytes : (const char *)nop, sizeof(nop)), 0);
		assert_int_equal(memcmp(code + SECOND_CALL, nop, sizeof(nop)) == 0, i == 0);
		assert_int_equal(code[5], 'a');
		assert_int_equal(elf_section(&small, "__mcount_loc")->size, i ? 16 : 0);
		elf_close(&ef);
		elf_close(&small);
	}
}

/* Whatever is cut off or overwritten: an error or nothing found, never a read beyond the file. */
static void test_elf_survives_damage(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = fs_join(f->dir, "m.ko"), *bad = fs_join(f->dir, "bad.ko"),
			    *copy = fs_join(f->dir, "c.ko");
	_cleanup_str_ struct str text = STR_INIT;

	make_module(path, true, false, RELEASE, "CDDL", "a");
	assert_int_equal(fs_read(path, 1 << 20, &text, NULL), 0);
	for (size_t at = 0; at < text.len; at += at < 256 || text.len - at < 1000 ? 1 : 4096) {
		char saved = text.p[at];

		for (int how = 0; how < 2; how++) {
			struct elf_file ef = ELF_FILE_INIT;
			struct error err = ERROR_INIT;
			const struct elf_section *section;
			uint64_t value;

			text.p[at] = how ? (char)0xff : saved;
			assert_int_equal(fs_write_atomic(bad, text.p, how ? text.len : at, 0644, false, NULL), 0);
			if (elf_open(bad, &ef, &err) == 0) {
				free(elf_modinfo(&ef, "depends"));
				free(elf_soname(&ef));
				(void)elf_symbol(&ef, "x", &section, &value);
				(void)elf_copy_module_untraced(&ef, copy, NULL, &err);
				elf_close(&ef);
			} else {
				assert_true(error_is_set(&err));
			}
		}
		text.p[at] = saved;
	}
}

static void test_stages_once(void **state)
{
	struct fixture *f = *state;
	struct openzfs_stage st;
	struct error err = ERROR_INIT;
	uint64_t spl, zfs;

	assert_int_equal(layer(f, &st, &err), 0);
	assert_true(st.is_restaged);
	assert_true(st.has_user_space);
	assert_int_equal(st.origin, OPENZFS_TREE);
	assert_string_equal(st.describe, "2.4.99-1");
	assert_int_equal(st.modules.n, 3);
	assert_string_equal(st.modules.v[0], "zlib_deflate");
	assert_string_equal(st.modules.v[1], "/" GUEST_KO("spl"));
	assert_string_equal(st.modules.v[2], "/" GUEST_KO("zfs"));
	assert_int_equal(st.unstripped.n, 2);
	assert_null(st.reseed);
	assert_true(is_staged(f, GUEST_KO("zfs")));
	assert_true(is_staged(f, "usr/local/sbin/zpool"));
	openzfs_stage_clear(&st);

	assert_int_equal(layer(f, &st, &err), 0);
	assert_false(st.is_restaged);
	assert_int_equal(st.modules.n, 3);
	openzfs_stage_clear(&st);

	/* One module changes: the other's copy is left alone. */
	spl = staged_stamp(f, GUEST_KO("spl"));
	zfs = staged_stamp(f, GUEST_KO("zfs"));
	add_module(f, "zfs", RELEASE, "CDDL v2");
	assert_int_equal(layer(f, &st, &err), 0);
	assert_true(st.is_restaged);
	assert_int_equal(staged_stamp(f, GUEST_KO("spl")), spl);
	assert_int_not_equal(staged_stamp(f, GUEST_KO("zfs")), zfs);
	openzfs_stage_clear(&st);
}

static void test_removes_what_is_gone(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *zpool = fs_join(f->tree, ".libs/zpool");
	struct openzfs_stage st;
	struct error err = ERROR_INIT;

	assert_int_equal(layer(f, &st, &err), 0);
	openzfs_stage_clear(&st);
	unlink(zpool);
	assert_int_equal(layer(f, &st, &err), 0);
	assert_false(st.has_user_space);
	assert_false(is_staged(f, "usr/local/sbin/zpool"));
	assert_true(is_staged(f, GUEST_KO("zfs")));
	openzfs_stage_clear(&st);
}

static void test_refuses_another_kernels(void **state)
{
	struct fixture *f = *state;
	struct openzfs_stage st;
	struct error err = ERROR_INIT;

	add_module(f, "zfs", "5.10.0-other", "CDDL");
	assert_int_equal(layer(f, &st, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	assert_non_null(strstr(err.text, "5.10.0-other"));
	assert_non_null(strstr(err.text, RELEASE));
	assert_string_equal(err.hint, "quiz openzfs make -k 6.1-test");

	/* The newest alone is not enough: an older spl.ko of another kernel is found when it is staged. */
	err = (struct error)ERROR_INIT;
	add_module(f, "zfs", RELEASE, "CDDL");
	add_module(f, "spl", "5.10.0-other", "CDDL");
	assert_int_equal(layer(f, &st, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	assert_non_null(strstr(err.text, "spl.ko"));
}

static void test_quiz_build_of_replaced_kernel(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *home = mem_printf("%s/.quiz/openzfs/6.1-test", f->tree);
	_cleanup_free_ char *old = fs_join(f->tree, "module"), *build = fs_join(home, "build"),
			    *new = fs_join(build, "module");
	struct openzfs_stage st;
	struct error err = ERROR_INIT;

	assert_int_equal(fs_mkdir_p(build, 0755, NULL), 0);
	assert_int_equal(rename(old, new), 0);
	write_file(home, "configured", "key key\nkernel 6.1-test\n");
	assert_int_equal(layer(f, &st, &err), 0);
	assert_int_equal(st.origin, OPENZFS_QUIZ_BUILD);
	openzfs_stage_clear(&st);
	write_file(home, "configured", "key another\nkernel 6.1-test\n");
	assert_int_equal(layer(f, &st, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	assert_string_equal(err.hint, "quiz openzfs make -k 6.1-test");
}

static void test_gpl_is_checked(void **state)
{
	struct fixture *f = *state;
	struct openzfs_request request = { .workspace_root = f->tree, .wants_gpl = true };
	struct openzfs_stage st = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(openzfs_layer(&f->paths, &request, &f->kernel, &st, &err), -1);
	assert_non_null(strstr(err.hint, "configure --gpl"));
	add_module(f, "zfs", RELEASE, "GPL");
	assert_int_equal(openzfs_layer(&f->paths, &request, &f->kernel, &st, &err), 0);
	openzfs_stage_clear(&st);
}

static void test_says_what_is_missing(void **state)
{
	struct fixture *f = *state;
	struct openzfs_request request = { 0 };
	struct openzfs_stage st = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(openzfs_layer(&f->paths, &request, &f->kernel, &st, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
	assert_non_null(strstr(err.hint, "quiz openzfs make"));
	assert_non_null(strstr(err.hint, "zfs:build=DIR"));
}

static void test_newer_source(void **state)
{
	struct fixture *f = *state;
	struct openzfs_stage st;
	struct error err = ERROR_INIT;

	assert_int_equal(layer(f, &st, &err), 0);
	assert_null(openzfs_newer_source(&st));
	set_age(f->tree, "module/os/spa.c", -10);
	_cleanup_free_ char *newer = openzfs_newer_source(&st);
	assert_non_null(newer);
	assert_true(str_ends(newer, "module/os/spa.c"));
	openzfs_stage_clear(&st);
}

/* Links for a tree that is not to be built in: sources yes, another META, new files at the next call. */
static void test_source_of_links(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *home = fs_join(f->dir, "home"), *meta = fs_join(home, "source/META");
	_cleanup_free_ char *added = fs_join(home, "source/module/new.c"), *there = fs_join(f->tree, "module/new.c");
	_cleanup_str_ struct str text = STR_INIT;
	struct error err = ERROR_INIT;

	write_file(f->tree, "META", "Name:          zfs\nLicense:       CDDL\nVersion:       2\n");
	assert_int_equal(openzfs_source(f->tree, home, true, &err), 0);
	assert_int_equal(fs_read(meta, 4096, &text, &err), 0);
	assert_non_null(strstr(str_cstr(&text), "License:       GPL\n"));
	assert_null(strstr(str_cstr(&text), "CDDL"));
	assert_false(fs_exists(added));
	write_file(f->tree, "module/new.c", "\n");
	assert_int_equal(openzfs_source(f->tree, home, true, &err), 0);
	assert_true(fs_exists(added));
	unlink(there);
	assert_int_equal(openzfs_source(f->tree, home, true, &err), 0);
	assert_int_equal(readlink(added, (char[8]){ 0 }, 8), -1);

	/* Configured in place and without git nobody can tell sources from what was made. */
	write_file(f->tree, "config.status", "");
	assert_int_equal(openzfs_source(f->tree, home, false, &err), -1);
	assert_int_equal(err.kind, ERROR_UNSUPPORTED);
	assert_non_null(strstr(err.hint, "distclean"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_elf_reads_every_class),
		TEST(test_elf_drops_calls),
		TEST(test_elf_survives_damage),
		TEST(test_stages_once),
		TEST(test_removes_what_is_gone),
		TEST(test_refuses_another_kernels),
		TEST(test_quiz_build_of_replaced_kernel),
		TEST(test_gpl_is_checked),
		TEST(test_says_what_is_missing),
		TEST(test_newer_source),
		TEST(test_source_of_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
