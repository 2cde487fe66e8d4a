/* SPDX-License-Identifier: MPL-2.0 */
/* A small ELF reader; see the header for what and why. */

#include "image/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/elf_bytes.h"

#define SECTIONS_MAX	65535	     /* more need SHN_XINDEX, which no module and no program of interest has */
#define TABLE_MAX	(256u << 20) /* bytes of one section that is read whole */
#define DT_QUIZ_NOTHING 0x6ffffef4u  /* in the range that loaders skip (DT_ADDRRNGLO..), used by nobody */

uint64_t elf_get(const struct elf_file *ef, const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)p[ef->is_big ? n - 1 - i : i] << (8 * i);
	return v;
}

void elf_put(const struct elf_file *ef, uint8_t *p, unsigned n, uint64_t v)
{
	for (unsigned i = 0; i < n; i++)
		p[ef->is_big ? n - 1 - i : i] = (uint8_t)(v >> (8 * i));
}

/* { 32 bit, 64 bit } */
static const struct {
	uint8_t at[2], width[2];
} fields[] = {
	[EH_SHOFF] = { { 32, 40 }, { 4, 8 } }, [EH_SHENTSIZE] = { { 46, 58 }, { 2, 2 } },
	[EH_SHNUM] = { { 48, 60 }, { 2, 2 } }, [EH_SHSTRNDX] = { { 50, 62 }, { 2, 2 } },
	[SH_FLAGS] = { { 8, 8 }, { 4, 8 } },   [SH_OFFSET] = { { 16, 24 }, { 4, 8 } },
	[SH_SIZE] = { { 20, 32 }, { 4, 8 } },  [SH_LINK] = { { 24, 40 }, { 4, 4 } },
	[SH_INFO] = { { 28, 44 }, { 4, 4 } },  [SH_ALIGN] = { { 32, 48 }, { 4, 8 } },
	[ST_VALUE] = { { 4, 8 }, { 4, 8 } },   [ST_SHNDX] = { { 14, 6 }, { 2, 2 } },
};

uint64_t elf_get_field(const struct elf_file *ef, const uint8_t *p, enum elf_field f)
{
	return elf_get(ef, p + fields[f].at[ef->is_64], fields[f].width[ef->is_64]);
}

void elf_put_field(const struct elf_file *ef, uint8_t *p, enum elf_field f, uint64_t v)
{
	elf_put(ef, p + fields[f].at[ef->is_64], fields[f].width[ef->is_64], v);
}

size_t elf_header_size(const struct elf_file *ef)
{
	return ef->is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
}

size_t elf_section_size(const struct elf_file *ef)
{
	return ef->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
}

int elf_damaged(const struct elf_file *ef, const char *what, struct error *err)
{
	return error_set(err, ERROR_UNSUPPORTED, "cannot use '%s': %s", ef->path, what);
}

int elf_read_at(const struct elf_file *ef, uint64_t offset, void *to, size_t n, struct error *err)
{
	uint8_t *p = to;

	if (offset > ef->size || n > ef->size - offset)
		return elf_damaged(ef, "damaged ELF file", err);
	while (n > 0) {
		ssize_t r = pread(ef->fd, p, n, (off_t)offset);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return error_sys(err, errno, "read '%s'", ef->path);
		if (r == 0)
			return elf_damaged(ef, "it became shorter while it was read", err);
		p += r;
		offset += (uint64_t)r;
		n -= (size_t)r;
	}
	return 0;
}

uint8_t *elf_read_section(const struct elf_file *ef, const struct elf_section *s, struct error *err)
{
	_cleanup_free_ uint8_t *p = NULL;

	if (s->type == SHT_NOBITS || s->size > TABLE_MAX) {
		elf_damaged(ef, "damaged ELF file", err);
		return NULL;
	}
	p = mem_alloc(s->size + 1);
	if (elf_read_at(ef, s->offset, p, s->size, err) < 0)
		return NULL;
	return take_ptr(p);
}

static int read_names(struct elf_file *ef, const uint8_t *table, size_t names_index, struct error *err)
{
	_cleanup_free_ uint8_t *names = NULL;
	size_t size = elf_section_size(ef);

	if (names_index >= ef->n_sections)
		return elf_damaged(ef, "damaged ELF file", err);
	names = elf_read_section(ef, &ef->sections[names_index], err);
	if (!names)
		return -1;
	for (size_t i = 0; i < ef->n_sections; i++) {
		uint64_t at = elf_get(ef, table + i * size, 4);

		if (at > ef->sections[names_index].size)
			return elf_damaged(ef, "damaged ELF file", err);
		ef->sections[i].name = mem_strdup((char *)names + at);
	}
	return 0;
}

static int read_sections(struct elf_file *ef, const uint8_t *header, struct error *err)
{
	size_t n = elf_get_field(ef, header, EH_SHNUM), size = elf_section_size(ef);
	_cleanup_free_ uint8_t *table = NULL;

	ef->shoff = elf_get_field(ef, header, EH_SHOFF);
	if (n == 0)
		return 0;
	if (elf_get_field(ef, header, EH_SHENTSIZE) != size || n > SECTIONS_MAX)
		return elf_damaged(ef, "damaged ELF file", err);
	table = mem_alloc(n * size);
	if (elf_read_at(ef, ef->shoff, table, n * size, err) < 0)
		return -1;
	ef->sections = mem_alloc(n * sizeof(*ef->sections));
	ef->n_sections = n;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = table + i * size;
		struct elf_section *s = &ef->sections[i];

		s->type = (uint32_t)elf_get(ef, p + 4, 4);
		s->flags = elf_get_field(ef, p, SH_FLAGS);
		s->offset = elf_get_field(ef, p, SH_OFFSET);
		s->size = elf_get_field(ef, p, SH_SIZE);
		s->link = (uint32_t)elf_get_field(ef, p, SH_LINK);
		s->info = (uint32_t)elf_get_field(ef, p, SH_INFO);
		s->align = elf_get_field(ef, p, SH_ALIGN);
	}
	return read_names(ef, table, elf_get_field(ef, header, EH_SHSTRNDX), err);
}

int elf_open(const char *path, struct elf_file *ret, struct error *err)
{
	_cleanup_elf_ struct elf_file ef = ELF_FILE_INIT;
	uint8_t header[sizeof(Elf64_Ehdr)] = { 0 };
	struct stat st;

	ef.path = mem_strdup(path);
	ef.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (ef.fd < 0 || fstat(ef.fd, &st) < 0)
		return error_sys(err, errno, "open '%s'", path);
	ef.size = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode) || ef.size < sizeof(Elf32_Ehdr))
		return elf_damaged(&ef, "not an ELF file", err);
	if (elf_read_at(&ef, 0, header, ef.size < sizeof(header) ? ef.size : sizeof(header), err) < 0)
		return -1;
	if (memcmp(header, ELFMAG, SELFMAG) != 0 ||
	    (header[EI_CLASS] != ELFCLASS32 && header[EI_CLASS] != ELFCLASS64) ||
	    (header[EI_DATA] != ELFDATA2LSB && header[EI_DATA] != ELFDATA2MSB))
		return elf_damaged(&ef, "not an ELF file", err);
	ef.is_64 = header[EI_CLASS] == ELFCLASS64;
	ef.is_big = header[EI_DATA] == ELFDATA2MSB;
	if (ef.size < elf_header_size(&ef))
		return elf_damaged(&ef, "damaged ELF file", err);
	ef.type = (uint16_t)elf_get(&ef, header + 16, 2);
	if (read_sections(&ef, header, err) < 0)
		return -1;
	*ret = ef;
	ef = (struct elf_file)ELF_FILE_INIT;
	return 0;
}

void elf_close(struct elf_file *ef)
{
	for (size_t i = 0; i < ef->n_sections; i++)
		free(ef->sections[i].name);
	free(ef->sections);
	free(ef->path);
	close_fd(&ef->fd);
	*ef = (struct elf_file)ELF_FILE_INIT;
}

const struct elf_section *elf_section(const struct elf_file *ef, const char *name)
{
	for (size_t i = 0; i < ef->n_sections; i++)
		if (str_eq(ef->sections[i].name, name))
			return &ef->sections[i];
	return NULL;
}

char *elf_modinfo(const struct elf_file *ef, const char *key)
{
	const struct elf_section *s = elf_section(ef, ".modinfo");
	_cleanup_free_ uint8_t *text = s ? elf_read_section(ef, s, NULL) : NULL;
	size_t key_len = strlen(key);

	for (size_t i = 0; text && i < s->size; i += strlen((char *)text + i) + 1) {
		const char *entry = (char *)text + i;

		if (strncmp(entry, key, key_len) == 0 && entry[key_len] == '=')
			return mem_strdup(entry + key_len + 1);
	}
	return NULL;
}

bool elf_symbol(const struct elf_file *ef, const char *name, const struct elf_section **ret_section,
		uint64_t *ret_value)
{
	const struct elf_section *s = elf_section(ef, ".symtab");
	_cleanup_free_ uint8_t *symbols = NULL, *names = NULL;
	size_t size = ef->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	uint64_t names_size;

	if (!s || s->link >= ef->n_sections)
		return false;
	names_size = ef->sections[s->link].size;
	symbols = elf_read_section(ef, s, NULL);
	names = elf_read_section(ef, &ef->sections[s->link], NULL);
	for (size_t i = 0; symbols && names && i < s->size / size; i++) {
		const uint8_t *p = symbols + i * size;
		uint64_t at = elf_get(ef, p, 4), shndx = elf_get_field(ef, p, ST_SHNDX);

		if (at < names_size && shndx != SHN_UNDEF && shndx < ef->n_sections &&
		    str_eq((char *)names + at, name)) {
			*ret_section = &ef->sections[shndx];
			*ret_value = elf_get_field(ef, p, ST_VALUE);
			return true;
		}
	}
	return false;
}

/* The dynamic section, read whole. */
struct dynamic {
	const struct elf_file *ef;
	uint8_t *table; /* owned */
	size_t size, entry;
	uint64_t offset;
	const struct elf_section *strings;
};

static bool dynamic_read(const struct elf_file *ef, struct dynamic *ret)
{
	const struct elf_section *s = elf_section(ef, ".dynamic");

	if (!s || s->link >= ef->n_sections)
		return false;
	*ret = (struct dynamic){ ef,	    elf_read_section(ef, s, NULL),
				 s->size,   ef->is_64 ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn),
				 s->offset, &ef->sections[s->link] };
	return ret->table != NULL;
}

/* Entry i: its tag, its value. false at the end. */
static bool dynamic_at(const struct dynamic *d, size_t i, uint64_t *ret_tag, uint64_t *ret_value)
{
	unsigned half = (unsigned)(d->entry / 2);

	if ((i + 1) * d->entry > d->size)
		return false;
	*ret_tag = elf_get(d->ef, d->table + i * d->entry, half);
	*ret_value = elf_get(d->ef, d->table + i * d->entry + half, half);
	return *ret_tag != DT_NULL;
}

char *elf_soname(const struct elf_file *ef)
{
	struct dynamic d = { 0 };
	uint64_t tag, value;
	char *name = NULL;

	if (!dynamic_read(ef, &d))
		return NULL;
	for (size_t i = 0; !name && dynamic_at(&d, i, &tag, &value); i++) {
		_cleanup_free_ uint8_t *strings = NULL;

		if (tag != DT_SONAME || value >= d.strings->size)
			continue;
		strings = elf_read_section(ef, d.strings, NULL);
		name = strings ? mem_strdup((char *)strings + value) : NULL;
	}
	free(d.table);
	return name;
}

/* ---- RUNPATH ---- */

/* Puts `dir` over the path string at `at` of the string table. false: it does not fit. */
static int replace_path(const struct dynamic *d, int fd, uint64_t at, const char *dir, bool *ret_fits,
			struct error *err)
{
	_cleanup_free_ uint8_t *strings = at < d->strings->size ? elf_read_section(d->ef, d->strings, err) : NULL;
	size_t n = strlen(dir) + 1;

	*ret_fits = strings && strlen((char *)strings + at) + 1 >= n;
	if (*ret_fits && pwrite(fd, dir, n, (off_t)(d->strings->offset + at)) != (ssize_t)n)
		return error_sys(err, errno, "write '%s'", d->ef->path);
	return strings || at >= d->strings->size ? 0 : -1;
}

static int set_rpath(struct dynamic *d, int fd, const char *dir, struct error *err)
{
	uint64_t tag, value;

	for (size_t i = 0; dynamic_at(d, i, &tag, &value); i++) {
		uint8_t *p = d->table + i * d->entry;
		bool fits;

		if (tag != DT_RPATH && tag != DT_RUNPATH)
			continue;
		if (replace_path(d, fd, value, dir, &fits, err) < 0)
			return -1;
		if (fits)
			continue;
		elf_put(d->ef, p, (unsigned)(d->entry / 2), DT_QUIZ_NOTHING);
		if (pwrite(fd, p, d->entry, (off_t)(d->offset + i * d->entry)) != (ssize_t)d->entry)
			return error_sys(err, errno, "write '%s'", d->ef->path);
	}
	return 0;
}

int elf_set_rpath(const char *path, const char *dir, struct error *err)
{
	_cleanup_elf_ struct elf_file ef = ELF_FILE_INIT;
	_cleanup_close_ int fd = -1;
	struct dynamic d = { 0 };
	int rc;

	if (elf_open(path, &ef, err) < 0)
		return -1;
	if (!dynamic_read(&ef, &d))
		return 0;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	rc = fd < 0 ? error_sys(err, errno, "open '%s'", path) : set_rpath(&d, fd, dir, err);
	free(d.table);
	return rc;
}
