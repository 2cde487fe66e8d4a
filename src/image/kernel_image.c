/* SPDX-License-Identifier: MPL-2.0 */
/* Taking kernel images apart; every offset is checked, as images come from anywhere. */

#include "image/kernel_image.h"

#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/kernel_s390x.h"
#include "sys/fs.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18

DEFINE_CLEANUP(struct archive *, archive_read_free)

static uint32_t get_le(const void *p, unsigned n)
{
	const unsigned char *b = p;
	uint32_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v |= (uint32_t)b[i] << (8 * i);
	return v;
}

static bool has_at(const void *image, size_t n, size_t offset, const char *magic, size_t magic_n)
{
	return offset + magic_n <= n && memcmp((const char *)image + offset, magic, magic_n) == 0;
}

/* ---- containers ---- */

/* Offsets of the x86 setup header. */
enum {
	SETUP_SECTS = 0x1f1,
	SETUP_MAGIC = 0x202,
	SETUP_VERSION = 0x206,
	SETUP_PAYLOAD_OFFSET = 0x248,
	SETUP_PAYLOAD_LENGTH = 0x24c,
	SETUP_END = 0x250,
};

static int bzimage_payload(const unsigned char *image, size_t n, struct kernel_payload *ret)
{
	size_t sectors, start, offset, length;

	if (n < SETUP_END || !has_at(image, n, SETUP_MAGIC, "HdrS", 4) || get_le(image + SETUP_VERSION, 2) < 0x208)
		return -1;
	sectors = image[SETUP_SECTS] ? image[SETUP_SECTS] : 4; /* 0 means 4, for boot sectors of the last century */
	start = (sectors + 1) * 512;
	offset = get_le(image + SETUP_PAYLOAD_OFFSET, 4);
	length = get_le(image + SETUP_PAYLOAD_LENGTH, 4);
	if (start > n || offset > n - start || length > n - start - offset || length < 8)
		return -1;
	*ret = (struct kernel_payload){ start + offset, length, true };
	return 0;
}

static int zboot_payload(const unsigned char *image, size_t n, struct kernel_payload *ret)
{
	size_t offset, length;

	if (n < 64 || !has_at(image, n, 0, "MZ", 2) || !has_at(image, n, 4, "zimg", 4))
		return -1;
	offset = get_le(image + 8, 4);
	length = get_le(image + 12, 4);
	if (offset > n || length > n - offset || length < 8)
		return -1;
	*ret = (struct kernel_payload){ offset, length, false };
	return 0;
}

int kernel_image_payload(const void *image, size_t n, struct kernel_payload *ret)
{
	return bzimage_payload(image, n, ret) == 0 ? 0 : zboot_payload(image, n, ret);
}

/* ---- compression ---- */

static const struct compression {
	const char *name, *magic;
	size_t magic_n;
	bool has_size; /* the kernel's build appends 4 bytes with the size to formats that do not have it */
} compressions[] = {
	{ "gzip", "\x1f\x8b", 2, false },
	{ "xz", "\xfd" "7zXZ\0", 6, true },
	{ "lzma", "\x5d\0\0", 3, true },
	{ "bzip2", "BZh", 3, true },
	{ "lz4", "\x02\x21\x4c\x18", 4, true },
	{ "zstd", "\x28\xb5\x2f\xfd", 4, true },
};

static const struct compression *compression_of(const void *mem, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++)
		if (has_at(mem, n, 0, compressions[i].magic, compressions[i].magic_n))
			return &compressions[i];
	return NULL;
}

int kernel_image_decompress(const void *mem, size_t n, size_t max, struct str *ret, struct error *err)
{
	_cleanup_(cleanup_archive_read_free) struct archive *a = archive_read_new();
	const struct compression *c = compression_of(mem, n);
	struct archive_entry *e;
	char buf[1 << 16];
	la_ssize_t got;

	if (!c)
		return error_set(err, ERROR_UNSUPPORTED, "its compression is unknown");
	archive_read_support_format_raw(a);
	archive_read_support_filter_all(a);
	if (archive_read_open_memory(a, mem, n) != ARCHIVE_OK || archive_read_next_header(a, &e) != ARCHIVE_OK)
		return error_set(err, ERROR_UNSUPPORTED, "cannot decompress %s: %s", c->name, archive_error_string(a));
	while ((got = archive_read_data(a, buf, sizeof(buf))) > 0) {
		if (ret->len + (size_t)got > max)
			return error_set(err, ERROR_UNSUPPORTED, "its content is larger than %zu bytes", max);
		str_add_mem(ret, buf, (size_t)got);
	}
	if (got < 0)
		return error_set(err, ERROR_UNSUPPORTED, "cannot decompress %s: %s", c->name, archive_error_string(a));
	return 0;
}

/* The payload without the size that the kernel's build appended: it is not part of the compressed stream. */
static int unpack_payload(const char *image, const struct kernel_payload *p, struct str *ret, struct error *err)
{
	const struct compression *c = compression_of(image + p->offset, p->length);
	size_t n = p->length;

	if (p->has_size && c && c->has_size && n > 4)
		n -= 4;
	return kernel_image_decompress(image + p->offset, n, KERNEL_IMAGE_MAX, ret, err);
}

/* ---- ELF notes ---- */

static bool notes_have_pvh(const char *notes, size_t n)
{
	while (n >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr h; /* the same layout in 32-bit files */
		size_t name_n, desc_n, whole;

		memcpy(&h, notes, sizeof(h));
		name_n = ((size_t)h.n_namesz + 3) & ~(size_t)3;
		desc_n = ((size_t)h.n_descsz + 3) & ~(size_t)3;
		whole = sizeof(h) + name_n + desc_n;
		if (whole > n)
			return false;
		if (h.n_type == XEN_ELFNOTE_PHYS32_ENTRY && h.n_namesz == 4 && !memcmp(notes + sizeof(h), "Xen", 4))
			return true;
		notes += whole;
		n -= whole;
	}
	return false;
}

/* Little-endian only: PVH is x86's. The host of this code path runs either byte order, so fields go through get_le(). */
static uint64_t get_le64(const unsigned char *p)
{
	return get_le(p, 4) | (uint64_t)get_le(p + 4, 4) << 32;
}

bool kernel_image_has_pvh(const void *elf, size_t n)
{
	const unsigned char *e = elf;
	bool is64;
	uint64_t phoff, phnum, phentsize;

	if (n < sizeof(Elf32_Ehdr) || memcmp(e, ELFMAG, SELFMAG) != 0 || e[EI_DATA] != ELFDATA2LSB)
		return false;
	is64 = e[EI_CLASS] == ELFCLASS64;
	if (is64 && n < sizeof(Elf64_Ehdr))
		return false;
	phoff = is64 ? get_le64(e + offsetof(Elf64_Ehdr, e_phoff)) : get_le(e + offsetof(Elf32_Ehdr, e_phoff), 4);
	phentsize = get_le(e + (is64 ? offsetof(Elf64_Ehdr, e_phentsize) : offsetof(Elf32_Ehdr, e_phentsize)), 2);
	phnum = get_le(e + (is64 ? offsetof(Elf64_Ehdr, e_phnum) : offsetof(Elf32_Ehdr, e_phnum)), 2);
	if (phentsize < (is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) || phoff > n || phnum * phentsize > n - phoff)
		return false;
	for (uint64_t i = 0; i < phnum; i++) {
		const unsigned char *ph = e + phoff + i * phentsize;
		uint64_t offset = is64 ? get_le64(ph + offsetof(Elf64_Phdr, p_offset)) :
					 get_le(ph + offsetof(Elf32_Phdr, p_offset), 4);
		uint64_t size = is64 ? get_le64(ph + offsetof(Elf64_Phdr, p_filesz)) :
				       get_le(ph + offsetof(Elf32_Phdr, p_filesz), 4);

		if (get_le(ph, 4) != PT_NOTE || offset > n || size > n - offset)
			continue;
		if (notes_have_pvh((const char *)e + offset, size))
			return true;
	}
	return false;
}

/* ---- what it is ---- */

static const struct {
	const char *arch;
	size_t offset;
	const char *magic;
	size_t magic_n;
} image_magics[] = {
	{ "x86_64", SETUP_MAGIC, "HdrS", 4 },
	{ "aarch64", 0x38, "ARM\x64", 4 },  /* Documentation/arch/arm64/booting.rst */
	{ "riscv64", 0x38, "RSC\x05", 4 },  /* Documentation/arch/riscv/boot-image-header.rst */
	{ "s390x", 0x10008, "S390EP", 6 },   /* arch/s390/boot/head.S */
	{ "armv7l", 0x24, "\x18\x28\x6f\x01", 4 },	   /* arch/arm/boot/compressed/head.S */
	{ "loongarch64", 0x38, "\xcd\x23\x82\x81", 4 }, /* Documentation/arch/loongarch/booting.rst */
};

static const struct {
	const char *arch;
	uint16_t machine;
	unsigned char data;
} elf_machines[] = {
	{ "x86_64", EM_X86_64, ELFDATA2LSB }, { "aarch64", EM_AARCH64, ELFDATA2LSB },
	{ "riscv64", EM_RISCV, ELFDATA2LSB }, { "s390x", EM_S390, ELFDATA2MSB },
	{ "ppc64le", EM_PPC64, ELFDATA2LSB }, { "armv7l", EM_ARM, ELFDATA2LSB },
	{ "loongarch64", 258, ELFDATA2LSB }, /* EM_LOONGARCH; older elf.h files do not have it */
};

const char *kernel_image_arch(const void *image, size_t n)
{
	const unsigned char *e = image;

	if (has_at(image, n, 0, ELFMAG, SELFMAG) && n >= sizeof(Elf32_Ehdr)) {
		unsigned low = e[EI_DATA] == ELFDATA2LSB ? 18 : 19, high = low ^ 1;
		uint16_t machine = (uint16_t)(e[low] | e[high] << 8);

		for (size_t i = 0; i < ARRAY_SIZE(elf_machines); i++)
			if (elf_machines[i].machine == machine && elf_machines[i].data == e[EI_DATA])
				return elf_machines[i].arch;
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(image_magics); i++)
		if (has_at(image, n, image_magics[i].offset, image_magics[i].magic, image_magics[i].magic_n))
			return image_magics[i].arch;
	return NULL;
}

/* The word after a prefix, made of what releases are made of; NULL when there is none. */
static char *release_at(const char *s, size_t n)
{
	size_t len = 0;

	while (len < n && len < 64 && (isalnum((unsigned char)s[len]) || (s[len] && strchr("._+~-", s[len]))))
		len++;
	return len && isdigit((unsigned char)*s) ? mem_strndup(s, len) : NULL;
}

static char *release_in(const char *mem, size_t n)
{
	static const char banner[] = "Linux version ";
	const char *s = mem;

	while ((s = memmem(s, n - (size_t)(s - mem), banner, sizeof(banner) - 1))) {
		char *release;

		s += sizeof(banner) - 1;
		release = release_at(s, n - (size_t)(s - mem));
		if (release)
			return release;
	}
	return NULL;
}

char *kernel_image_release(const void *image, size_t n)
{
	_cleanup_str_ struct str plain = STR_INIT;
	struct kernel_payload payload = { 0, n };
	const char *mem = image;

	if (has_at(image, n, SETUP_MAGIC, "HdrS", 4) && n > SETUP_END) {
		size_t at = get_le(mem + 0x20e, 2) + 0x200u; /* kernel_version: an offset behind the boot sector */
		char *release = at > 0x200 && at < n ? release_at(mem + at, n - at) : NULL;

		if (release)
			return release;
	}
	if (kernel_image_payload(image, n, &payload) < 0 && !compression_of(image, n))
		return release_in(mem, n);
	if (unpack_payload(mem, &payload, &plain, NULL) < 0)
		return NULL;
	return release_in(str_cstr(&plain), plain.len);
}

int kernel_image_read(const char *path, struct str *ret, struct error *err)
{
	if (fs_read(path, KERNEL_IMAGE_MAX, ret, err) < 0)
		return -1;
	return ret->len ? 0 : error_set(err, ERROR_UNSUPPORTED, "cannot use kernel image '%s': it is empty", path);
}

/* ---- preparing ---- */

static int replace(const char *dir, const char *old, const char *name, const struct str *content, struct error *err)
{
	_cleanup_free_ char *old_path = fs_join(dir, old);
	_cleanup_free_ char *path = fs_join(dir, name);

	if (fs_write_atomic(path, content->p, content->len, 0644, false, err) < 0)
		return -1;
	if (!str_eq(old, name))
		unlink(old_path);
	return 0;
}

static int prepare_x86(const char *dir, const char *file, const struct str *image, char **ret_file,
		       enum kernel_entry *ret_entry, struct error *err)
{
	_cleanup_str_ struct str vmlinux = STR_INIT;
	struct kernel_payload payload;

	*ret_entry = KERNEL_IMAGE;
	if (kernel_image_has_pvh(image->p, image->len)) {
		*ret_entry = KERNEL_PVH;
	} else if (kernel_image_payload(image->p, image->len, &payload) == 0 &&
		   unpack_payload(image->p, &payload, &vmlinux, NULL) == 0 &&
		   kernel_image_has_pvh(vmlinux.p, vmlinux.len)) {
		if (replace(dir, file, "vmlinux", &vmlinux, err) < 0)
			return -1;
		*ret_entry = KERNEL_PVH;
		*ret_file = mem_strdup("vmlinux");
		return 0;
	}
	*ret_file = mem_strdup(file);
	return 0;
}

int kernel_image_prepare(const char *dir, const char *file, const char *arch, char **ret_file,
			 enum kernel_entry *ret_entry, struct error *err)
{
	_cleanup_free_ char *path = fs_join(dir, file);
	_cleanup_str_ struct str image = STR_INIT, plain = STR_INIT;
	struct kernel_payload payload;
	int r = 0;

	if (kernel_image_read(path, &image, err) < 0)
		return -1;
	if (str_eq(arch, "x86_64"))
		return prepare_x86(dir, file, &image, ret_file, ret_entry, err);
	/* s390x's bzImage unpacks itself and must stay whole otherwise; the others are a gzip file or an EFI zboot image. */
	if (str_eq(arch, "s390x"))
		(void)kernel_s390x_unpack(image.p, image.len, &plain);
	else if (zboot_payload((const unsigned char *)image.p, image.len, &payload) == 0)
		r = unpack_payload(image.p, &payload, &plain, err);
	else if (compression_of(image.p, image.len))
		r = kernel_image_decompress(image.p, image.len, KERNEL_IMAGE_MAX, &plain, err);
	if (r < 0)
		return error_wrap(err, "cannot unpack kernel image '%s'", path);
	if (plain.len && replace(dir, file, "image", &plain, err) < 0)
		return -1;
	*ret_file = mem_strdup(plain.len ? "image" : file);
	*ret_entry = KERNEL_IMAGE;
	return 0;
}
