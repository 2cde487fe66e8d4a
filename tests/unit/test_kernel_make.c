/* SPDX-License-Identifier: MPL-2.0 */
/* What fetching is made of, on synthetic data: images, notes, package names, apt's texts. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/apt.h"
#include "image/apt_sources.h"
#include "image/kernel_fetch.h"
#include "image/kernel_image.h"
#include "image/kernel_make.h"
#include "image/kernel_s390x.h"

/* ---- images ---- */

static void put_le(unsigned char *p, unsigned n, uint64_t v)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

#define BZ_SIZE 4096

/* A bzImage with one setup sector: its payload begins at 1024 + offset. */
static void make_bzimage(unsigned char *image, uint32_t offset, uint32_t length)
{
	memset(image, 0, BZ_SIZE);
	image[0x1f1] = 1;
	memcpy(image + 0x202, "HdrS", 4);
	put_le(image + 0x206, 2, 0x20f);
	put_le(image + 0x248, 4, offset);
	put_le(image + 0x24c, 4, length);
}

static void test_payload(void **state)
{
	static const struct {
		uint32_t offset, length;
		bool is_good;
	} rows[] = {
		{ 0, 100, true },	    { 16, BZ_SIZE - 1024 - 16, true }, { 16, BZ_SIZE - 1024 - 15, false },
		{ BZ_SIZE, 100, false },    { 0xffffffff, 100, false },	       { 0, 0xffffffff, false },
		{ 0xffffff00, 0x200, false }, { 0, 0, false },
	};
	unsigned char image[BZ_SIZE];
	struct kernel_payload p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		make_bzimage(image, rows[i].offset, rows[i].length);
		if ((kernel_image_payload(image, sizeof(image), &p) == 0) != rows[i].is_good)
			fail_msg("row %zu is not %d", i, rows[i].is_good);
		if (rows[i].is_good) {
			assert_int_equal(p.offset, 1024 + rows[i].offset);
			assert_int_equal(p.length, rows[i].length);
		}
	}
	make_bzimage(image, 0, 100);
	for (size_t n = 0; n < 0x250; n++) /* cut anywhere in the header */
		assert_int_equal(kernel_image_payload(image, n, &p), -1);
	put_le(image + 0x206, 2, 0x207); /* before the payload fields */
	assert_int_equal(kernel_image_payload(image, sizeof(image), &p), -1);
}

static void test_payload_zboot(void **state)
{
	unsigned char image[256] = "MZ";
	struct kernel_payload p;

	(void)state;
	memcpy(image + 4, "zimg", 4);
	put_le(image + 8, 4, 64);
	put_le(image + 12, 4, 192);
	assert_int_equal(kernel_image_payload(image, sizeof(image), &p), 0);
	assert_int_equal(p.offset, 64);
	assert_int_equal(p.length, 192);
	assert_false(p.has_size);
	put_le(image + 12, 4, 193);
	assert_int_equal(kernel_image_payload(image, sizeof(image), &p), -1);
}

/* printf 'Linux version 6.1.2-x (me)' | gzip -n */
static const unsigned char gzipped[] = {
	0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xf3, 0xc9, 0xcc, 0x2b, 0xad, 0x50,
	0x28, 0x4b, 0x2d, 0x2a, 0xce, 0xcc, 0xcf, 0x53, 0x30, 0xd3, 0x33, 0xd4, 0x33, 0xd2, 0xad, 0x50,
	0xd0, 0xc8, 0x4d, 0xd5, 0x04, 0x00, 0x06, 0x22, 0x53, 0x45, 0x1a, 0x00, 0x00, 0x00,
};

static void test_decompress(void **state)
{
	_cleanup_str_ struct str out = STR_INIT, none = STR_INIT;
	struct error err = ERROR_INIT;
	char *release;

	(void)state;
	assert_int_equal(kernel_image_decompress(gzipped, sizeof(gzipped), 1000, &out, &err), 0);
	assert_string_equal(str_cstr(&out), "Linux version 6.1.2-x (me)");
	assert_int_equal(kernel_image_decompress(gzipped, sizeof(gzipped), 10, &none, &err), -1);
	assert_int_equal(kernel_image_decompress("plain text", 10, 1000, &none, &err), -1);
	assert_int_equal(err.kind, ERROR_UNSUPPORTED);
	release = kernel_image_release(gzipped, sizeof(gzipped));
	assert_string_equal(release, "6.1.2-x");
	free(release);
	assert_null(kernel_image_release("Linux version of nothing", 24));
}

static void test_bzimage_release(void **state)
{
	unsigned char image[BZ_SIZE];
	_cleanup_free_ char *release = NULL;

	(void)state;
	make_bzimage(image, 0, 100);
	put_le(image + 0x20e, 2, 0x100);
	memcpy(image + 0x300, "6.1.0-50-amd64 (who@where) #1", 30);
	release = kernel_image_release(image, sizeof(image));
	assert_string_equal(release, "6.1.0-50-amd64");
	assert_string_equal(kernel_image_arch(image, sizeof(image)), "x86_64");
	put_le(image + 0x20e, 2, 0xffff); /* beyond the file */
	assert_null(kernel_image_release(image, sizeof(image)));
}

/* ---- s390x ---- */

#define STAGE_BYTES 0x18000u /* of the boot stage; the payload follows */
#define START_WORD  0x11320u
#define END_WORD    0x11358u

static uint64_t be64_at(const struct str *s, size_t at)
{
	uint64_t v = 0;

	for (size_t i = 0; i < 8; i++)
		v = v << 8 | (unsigned char)s->p[at + i];
	return v;
}

static void put_be64(struct str *s, size_t at, uint64_t v)
{
	for (size_t i = 0; i < 8; i++)
		s->p[at + i] = (char)(v >> (56 - 8 * i));
}

/* A bzImage of s390x with a kernel of so many bytes, what follows the payload in it, and the stage's own XZ magic. */
static void make_s390x(struct str *image, const char *release, size_t n)
{
	_cleanup_str_ struct str kernel = STR_INIT;

	str_clear(image);
	for (size_t i = 0; i < n; i++)
		str_add_char(&kernel, (char)(i * 7 + i / 251));
	str_addf(&kernel, "Linux version %s (me)", release);
	for (size_t i = 0; i < STAGE_BYTES; i++)
		str_add_char(image, 0);
	memcpy(image->p + 0x10008, "S390EP", 6);
	memcpy(image->p + 0x12345, "\xfd" "7zXZ", 6);
	kernel_s390x_store_xz(kernel.p, kernel.len, image);
	str_add(image, "size");
	put_be64(image, START_WORD, STAGE_BYTES);
	put_be64(image, END_WORD, image->len);
	str_add(image, "trailer");
}

static void test_s390x(void **state)
{
	static const size_t sizes[] = { 0, 1, 3, 65535, 65536, 65537, 300000 };
	_cleanup_str_ struct str image = STR_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		_cleanup_str_ struct str got = STR_INIT, old = STR_INIT, new = STR_INIT;
		uint64_t start, end, old_end;

		make_s390x(&image, "6.1.0-50-s390x", sizes[i]);
		old_end = be64_at(&image, END_WORD);
		assert_int_equal(kernel_s390x_unpack(image.p, image.len, &got), 0);
		start = be64_at(&got, START_WORD);
		end = be64_at(&got, END_WORD);
		assert_int_equal(end, got.len);
		assert_true(start > image.len + sizes[i]);
		assert_memory_equal(got.p + old_end, "trailer", 7);
		/* Another's reader of XZ agrees. */
		assert_int_equal(kernel_image_decompress(got.p + start, end - 4 - start, 1 << 20, &new, &err), 0);
		assert_int_equal(kernel_image_decompress(image.p + STAGE_BYTES, old_end - 4 - STAGE_BYTES, 1 << 20, &old, &err), 0);
		assert_int_equal(new.len, old.len);
		assert_memory_equal(new.p, old.p, new.len);
		assert_int_equal(got.p[end - 4] & 0xff, new.len & 0xff);
		/* All else of the stage is as it was. */
		put_be64(&got, START_WORD, STAGE_BYTES);
		put_be64(&got, END_WORD, old_end);
		assert_memory_equal(got.p, image.p, STAGE_BYTES);
	}
}

static void test_s390x_stays(void **state)
{
	_cleanup_str_ struct str image = STR_INIT, got = STR_INIT;

	(void)state;
	make_s390x(&image, "6.8.0-rc1-x", 100); /* unpacks to anywhere */
	assert_int_equal(kernel_s390x_unpack(image.p, image.len, &got), -1);
	make_s390x(&image, "nothing", 100);
	assert_int_equal(kernel_s390x_unpack(image.p, image.len, &got), -1);
	make_s390x(&image, "6.7.12", 100);
	put_be64(&image, 0x14000, STAGE_BYTES); /* which word is it? */
	assert_int_equal(kernel_s390x_unpack(image.p, image.len, &got), -1);
	make_s390x(&image, "6.7.12", 100);
	put_be64(&image, END_WORD, image.len + 1);
	assert_int_equal(kernel_s390x_unpack(image.p, image.len, &got), -1);
	make_s390x(&image, "6.7.12", 100);
	for (size_t n = 0; n < image.len - 8; n += n < 0x17f00 ? 4096 : 1) /* cut anywhere */
		assert_int_equal(kernel_s390x_unpack(image.p, n, &got), -1);
	image.p[STAGE_BYTES + 20] ^= 1; /* no good payload */
	assert_int_equal(kernel_s390x_unpack(image.p, image.len, &got), -1);
	assert_int_equal(got.len, 0);
}

struct elf {
	unsigned char b[1024];
	size_t n;
};

/* One PT_NOTE segment with two notes, the second of which has this type and name. */
static void make_elf(struct elf *e, bool is64, uint32_t type, const char *name)
{
	Elf64_Nhdr first = { 4, 5, 1 }, second = { (uint32_t)strlen(name) + 1, 8, type };
	size_t eh = is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr), ph = is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	size_t at = eh + ph, notes = at;

	memset(e, 0, sizeof(*e));
	memcpy(e->b, ELFMAG, SELFMAG);
	e->b[EI_CLASS] = is64 ? ELFCLASS64 : ELFCLASS32;
	e->b[EI_DATA] = ELFDATA2LSB;
	put_le(e->b + 18, 2, is64 ? EM_X86_64 : EM_386);
	memcpy(e->b + at, &first, sizeof(first));
	at += sizeof(first) + 4 + 8;
	memcpy(e->b + at, &second, sizeof(second));
	memcpy(e->b + at + sizeof(second), name, strlen(name));
	at += sizeof(second) + ((strlen(name) + 4) & ~3u) + 8;
	put_le(e->b + (is64 ? offsetof(Elf64_Ehdr, e_phoff) : offsetof(Elf32_Ehdr, e_phoff)), is64 ? 8 : 4, eh);
	put_le(e->b + (is64 ? offsetof(Elf64_Ehdr, e_phentsize) : offsetof(Elf32_Ehdr, e_phentsize)), 2, ph);
	put_le(e->b + (is64 ? offsetof(Elf64_Ehdr, e_phnum) : offsetof(Elf32_Ehdr, e_phnum)), 2, 1);
	put_le(e->b + eh, 4, PT_NOTE);
	put_le(e->b + eh + (is64 ? offsetof(Elf64_Phdr, p_offset) : offsetof(Elf32_Phdr, p_offset)), 4, notes);
	put_le(e->b + eh + (is64 ? offsetof(Elf64_Phdr, p_filesz) : offsetof(Elf32_Phdr, p_filesz)), 4, at - notes);
	e->n = at;
}

static void test_pvh(void **state)
{
	struct elf e;

	(void)state;
	for (int is64 = 0; is64 < 2; is64++) {
		make_elf(&e, is64, 18, "Xen");
		assert_true(kernel_image_has_pvh(e.b, e.n));
		for (size_t n = 0; n < e.n; n++) /* cut anywhere: no note, no crash */
			assert_false(kernel_image_has_pvh(e.b, n));
		put_le(e.b + (is64 ? offsetof(Elf64_Ehdr, e_phoff) : offsetof(Elf32_Ehdr, e_phoff)), 4, 0xfffffff0);
		assert_false(kernel_image_has_pvh(e.b, e.n));
		make_elf(&e, is64, 17, "Xen");
		assert_false(kernel_image_has_pvh(e.b, e.n));
		make_elf(&e, is64, 18, "GNU");
		assert_false(kernel_image_has_pvh(e.b, e.n));
	}
	make_elf(&e, true, 18, "Xen");
	assert_string_equal(kernel_image_arch(e.b, e.n), "x86_64");
	assert_null(kernel_image_arch("nothing", 7));
}

static void test_arch(void **state)
{
	static const struct {
		size_t offset;
		const char *magic, *arch;
	} rows[] = {
		{ 0x38, "ARM\x64", "aarch64" }, { 0x38, "RSC\x05", "riscv64" }, { 0x202, "HdrS", "x86_64" },
		{ 0x10008, "S390EP", "s390x" }, { 0x24, "\x18\x28\x6f\x01", "armv7l" },
		{ 0x38, "\xcd\x23\x82\x81", "loongarch64" },
	};
	static unsigned char image[0x11000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(image, 0, sizeof(image));
		memcpy(image + rows[i].offset, rows[i].magic, strlen(rows[i].magic));
		assert_string_equal(kernel_image_arch(image, sizeof(image)), rows[i].arch);
		assert_null(kernel_image_arch(image, rows[i].offset + 1));
	}
}

static void test_config_value(void **state)
{
	static const char config[] = "CONFIG_A=y\nCONFIG_AB=m\n# CONFIG_C is not set\nCONFIG_D=\"y\"\nXCONFIG_E=y\n";

	(void)state;
	assert_int_equal(kernel_config_value(config, "A"), TRI_YES);
	assert_int_equal(kernel_config_value(config, "AB"), TRI_MODULE);
	assert_int_equal(kernel_config_value(config, "B"), TRI_NO);
	assert_int_equal(kernel_config_value(config, "C"), TRI_NO);
	assert_int_equal(kernel_config_value(config, "D"), TRI_NO);
	assert_int_equal(kernel_config_value(config, "E"), TRI_NO);
}

/* ---- package names ---- */

static void test_package_names(void **state)
{
	static const struct {
		const char *name, *base, *release, *flavour; /* release NULL: no kernel of this base */
		bool has_version;
	} rows[] = {
		{ "linux-image-6.1.0-50-amd64", "amd64", "6.1.0-50-amd64", "", true },
		{ "linux-image-6.1.0-50-cloud-amd64", "amd64", "6.1.0-50-cloud-amd64", "cloud", true },
		{ "linux-image-6.12.107+deb13-arm64-16k", "arm64", "6.12.107+deb13-arm64-16k", "16k", true },
		{ "linux-image-6.1.0-0.deb11.13-rt-amd64", "amd64", "6.1.0-0.deb11.13-rt-amd64", "rt", true },
		{ "linux-image-6.18-rc3-amd64", "amd64", "6.18-rc3-amd64", "", true },
		{ "linux-image-6.12-amd64", "amd64", "6.12-amd64", "", true },
		{ "linux-image-amd64", "amd64", "amd64", "", false },
		{ "linux-image-rt-amd64", "amd64", "rt-amd64", "rt", false },
		{ "linux-image-powerpc64le", "powerpc64le", "powerpc64le", "", false },
		{ "linux-image-amd64-dbg", "amd64", NULL, NULL, false },
		{ "linux-image-6.1.0-50-amd64-unsigned", "amd64", NULL, NULL, false },
		{ "linux-image-amd64-signed-template", "amd64", NULL, NULL, false },
		{ "linux-image-6.1.0-50-amd64", "s390x", NULL, NULL, false },
		{ "linux-headers-6.1.0-50-amd64", "amd64", NULL, NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kernel_package_name n = { 0 };
		bool good = kernel_package_parse(rows[i].name, rows[i].base, &n);

		if (good != (rows[i].release != NULL))
			fail_msg("'%s' for %s is %d", rows[i].name, rows[i].base, good);
		if (good) {
			assert_string_equal(n.release, rows[i].release);
			assert_string_equal(n.flavour, rows[i].flavour);
			assert_int_equal(n.has_version, rows[i].has_version);
		}
		kernel_package_clear(&n);
	}
	assert_string_equal(kernel_package_base("ppc64el"), "powerpc64le");
	assert_string_equal(kernel_package_base("s390x"), "s390x");
}

static void test_upstream(void **state)
{
	static const struct {
		const char *version, *upstream;
	} rows[] = {
		{ "6.1.176-1", "6.1.176" },
		{ "6.18~rc3-1~exp1", "6.18-rc3" },
		{ "1:6.1.9-2", "6.1.9" },
		{ "6.1.9", "6.1.9" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *u = kernel_package_upstream(rows[i].version);

		assert_string_equal(u, rows[i].upstream);
	}
}

static const char archive_text[] =
	"Package: linux-image-amd64\nVersion: 6.1.176-1\nArchitecture: amd64\n"
	"Depends: linux-image-6.1.0-50-amd64 (= 6.1.176-1)\nSize: 1480\nInstalled-Size: 13\n\n"
	"Package: linux-image-amd64\nVersion: 6.1.192-2\nArchitecture: amd64\n"
	"Depends: linux-image-6.1.0-56-amd64 (= 6.1.192-2)\nSize: 1480\n\n"
	"Package: linux-image-cloud-amd64\nVersion: 6.1.192-2\nArchitecture: amd64\n"
	"Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)\n\n"
	"Package: linux-image-6.1.0-50-amd64\nVersion: 6.1.176-1\nArchitecture: amd64\nDepends: kmod\nSize: 70305560\n"
	"Description: Linux\n long text: with a colon\n\n"
	"Package: linux-image-6.1.0-56-amd64\nVersion: 6.1.192-2\nArchitecture: amd64\n\n"
	"Package: linux-image-6.1.0-56-cloud-amd64\nVersion: 6.1.192-2\nArchitecture: amd64\n\n"
	"Package: linux-image-6.12-amd64\nVersion: 6.12.117-1~deb12u1\nArchitecture: amd64\n"
	"Depends: linux-image-6.12.117+deb12-amd64 (= 6.12.117-1~deb12u1)\n\n"
	"Package: linux-image-6.12.117+deb12-amd64\nVersion: 6.12.117-1~deb12u1\nArchitecture: amd64\n\n"
	"Package: linux-image-6.1.0-56-rt-amd64\nVersion: 6.1.192-2\nArchitecture: amd64\n";

static void test_pick(void **state)
{
	static const struct {
		const char *wanted, *package, *version; /* package NULL: none */
	} rows[] = {
		{ NULL, "linux-image-amd64", "6.1.192-2" },
		{ "cloud", "linux-image-cloud-amd64", "6.1.192-2" },
		{ "cloud-amd64", "linux-image-cloud-amd64", "6.1.192-2" },
		{ "rt", "linux-image-6.1.0-56-rt-amd64", "6.1.192-2" }, /* no meta package */
		{ "6.1", "linux-image-6.1.0-56-amd64", "6.1.192-2" },
		{ "6.1+cloud", "linux-image-6.1.0-56-cloud-amd64", "6.1.192-2" },
		{ "6.1.176", "linux-image-6.1.0-50-amd64", "6.1.176-1" },
		{ "6.1.0-50", "linux-image-6.1.0-50-amd64", "6.1.176-1" },
		{ "6.1.0-50-amd64", "linux-image-6.1.0-50-amd64", "6.1.176-1" },
		{ "linux-image-6.1.0-50-amd64", "linux-image-6.1.0-50-amd64", "6.1.176-1" },
		{ "6.12", "linux-image-6.12.117+deb12-amd64", "6.12.117-1~deb12u1" },
		{ "6.12.117+deb12", "linux-image-6.12.117+deb12-amd64", "6.12.117-1~deb12u1" },
		{ "6.5", NULL, NULL },
		{ "6.1.0-51", NULL, NULL },
		{ "6.12+cloud", NULL, NULL },
		{ "kasan", NULL, NULL },
	};
	_cleanup_apt_packages_ struct apt_packages all = { 0 };

	(void)state;
	apt_parse_packages(archive_text, &all);
	assert_int_equal(all.n, 9);
	assert_int_equal(all.v[3].size_bytes, 70305560);
	assert_int_equal(all.v[0].installed_bytes, 13 * 1024);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct apt_package *p = kernel_package_pick(&all, "amd64", rows[i].wanted);

		if (!str_eq(p ? p->name : NULL, rows[i].package) || (p && !str_eq(p->version, rows[i].version)))
			fail_msg("'%s': got '%s', not '%s'", rows[i].wanted ? rows[i].wanted : "(default)",
				 p ? p->name : "nothing", rows[i].package ? rows[i].package : "nothing");
	}
}

/* ---- apt's texts ---- */

static void test_apt_texts(void **state)
{
	_cleanup_strv_ struct strv v = STRV_INIT;

	(void)state;
	assert_true(apt_parse_status("dlstatus:1:20.5:Retrieving file 1 of 3") == 20.5);
	assert_true(apt_parse_status("dlstatus:1:rubbish") < 0);
	assert_true(apt_parse_status("dlstatus:1:1e99:x") < 0);
	assert_true(apt_parse_status("Get:1 http://somewhere") < 0);
	apt_depends("kmod, linux-headers-6.1-common (= 1), linux-headers-a:any | linux-headers-b, other", "linux-headers-",
		    &v);
	assert_int_equal(v.n, 3);
	assert_string_equal(v.v[0], "linux-headers-6.1-common");
	assert_string_equal(v.v[1], "linux-headers-a");
	assert_string_equal(v.v[2], "linux-headers-b");
}

static const char one_line[] =
	"# a comment\n"
	"deb [arch=amd64 signed-by=/k.gpg,/l.gpg trusted=yes] http://mirror/debian bookworm main non-free # tail\n"
	"deb http://mirror/security bookworm-security main\n"
	"deb-src http://mirror/debian bookworm main\n"
	"deb http://cloud/apt cloud-sdk-bookworm main\n"
	"deb http://docker bookworm stable\n"
	"deb http://mirror/debian bookworm-backports main\n";

static const char deb822[] =
	"Types: deb deb-src\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\n"
	"Components: main\nSigned-By:\n -----BEGIN-----\n .\n abc\n\n"
	"# off\nEnabled: no\nTypes: deb\nURIs: http://off\nSuites: bookworm\nComponents: main\n";

static void check_derived(const char *name, const char *text, const char *suite, bool with_source, size_t n,
			  const char *expected)
{
	_cleanup_apt_sources_ struct apt_sources s = { 0 };
	_cleanup_str_ struct str out = STR_INIT;
	struct apt_sources_query q = {
		.host_suite = "bookworm",
		.suite = suite,
		.archs = "s390x amd64",
		.components = "main contrib",
		.with_source = with_source,
	};

	apt_sources_parse(&s, name, text);
	assert_int_equal(apt_sources_derive(&s, &q, &out), n);
	assert_string_equal(str_cstr(&out), expected);
}

static void test_sources(void **state)
{
	(void)state;
	check_derived("sources.list", one_line, "bookworm", false, 3,
		      "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm\nComponents: main contrib\n"
		      "Architectures: s390x amd64\nsigned-by: /k.gpg /l.gpg\ntrusted: yes\n\n"
		      "Types: deb\nURIs: http://mirror/security\nSuites: bookworm-security\nComponents: main contrib\n"
		      "Architectures: s390x amd64\n\n"
		      "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm-backports\nComponents: main contrib\n"
		      "Architectures: s390x amd64\n");
	/* another release: no backports; a rolling one has neither updates nor security */
	check_derived("x.list", one_line + strlen("# a comment\n"), "trixie", false, 2,
		      "Types: deb\nURIs: http://mirror/debian\nSuites: trixie\nComponents: main contrib\n"
		      "Architectures: s390x amd64\nsigned-by: /k.gpg /l.gpg\ntrusted: yes\n\n"
		      "Types: deb\nURIs: http://mirror/security\nSuites: trixie-security\nComponents: main contrib\n"
		      "Architectures: s390x amd64\n");
	check_derived("x.sources", deb822, "sid", true, 1,
		      "Types: deb deb-src\nURIs: http://mirror/debian\nSuites: sid\nComponents: main contrib\n"
		      "Architectures: s390x amd64\nSigned-By:\n -----BEGIN-----\n .\n abc\n");
	check_derived("x.sources", deb822, "trixie", false, 1,
		      "Types: deb\nURIs: http://mirror/debian\nSuites: trixie trixie-updates\nComponents: main contrib\n"
		      "Architectures: s390x amd64\nSigned-By:\n -----BEGIN-----\n .\n abc\n");
	check_derived("x.list", "deb [broken\ndeb\n\nrubbish a b c\n", "trixie", false, 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_payload),	      cmocka_unit_test(test_payload_zboot),
		cmocka_unit_test(test_s390x),	      cmocka_unit_test(test_s390x_stays),
		cmocka_unit_test(test_decompress),    cmocka_unit_test(test_bzimage_release),
		cmocka_unit_test(test_pvh),	      cmocka_unit_test(test_config_value),
		cmocka_unit_test(test_package_names), cmocka_unit_test(test_upstream),
		cmocka_unit_test(test_pick),	      cmocka_unit_test(test_apt_texts),
		cmocka_unit_test(test_sources),	      cmocka_unit_test(test_arch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
