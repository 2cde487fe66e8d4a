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

#include "sys/fs.h"

#define SECTIONS_MAX	65535	     /* more need SHN_XINDEX, which no module and no program of interest has */
#define TABLE_MAX	(256u << 20) /* bytes of one section that is read whole */
#define DT_QUIZ_NOTHING 0x6ffffef4u  /* in the range that loaders skip (DT_ADDRRNGLO..), used by nobody */

static uint64_t get(const struct elf_file *ef, const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)p[ef->is_big ? n - 1 - i : i] << (8 * i);
	return v;
}

static void put(const struct elf_file *ef, uint8_t *p, unsigned n, uint64_t v)
{
	for (unsigned i = 0; i < n; i++)
		p[ef->is_big ? n - 1 - i : i] = (uint8_t)(v >> (8 * i));
}

/* Offsets of the fields that are used, by class: { 32 bit, 64 bit }. */
enum field {
	EH_SHOFF,
	EH_SHENTSIZE,
	EH_SHNUM,
	EH_SHSTRNDX,
	SH_FLAGS,
	SH_OFFSET,
	SH_SIZE,
	SH_LINK,
	SH_INFO,
	SH_ALIGN,
	ST_VALUE,
	ST_SHNDX,
};

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

static uint64_t get_field(const struct elf_file *ef, const uint8_t *p, enum field f)
{
	return get(ef, p + fields[f].at[ef->is_64], fields[f].width[ef->is_64]);
}

static void put_field(const struct elf_file *ef, uint8_t *p, enum field f, uint64_t v)
{
	put(ef, p + fields[f].at[ef->is_64], fields[f].width[ef->is_64], v);
}

static size_t header_size(const struct elf_file *ef)
{
	return ef->is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
}

static size_t section_size(const struct elf_file *ef)
{
	return ef->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
}

static int damaged(const struct elf_file *ef, const char *what, struct error *err)
{
	return error_set(err, ERROR_UNSUPPORTED, "cannot use '%s': %s", ef->path, what);
}

/* Reads exactly n bytes at an offset of the file. */
static int read_at(const struct elf_file *ef, uint64_t offset, void *to, size_t n, struct error *err)
{
	uint8_t *p = to;

	if (offset > ef->size || n > ef->size - offset)
		return damaged(ef, "damaged ELF file", err);
	while (n > 0) {
		ssize_t r = pread(ef->fd, p, n, (off_t)offset);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return error_sys(err, errno, "read '%s'", ef->path);
		if (r == 0)
			return damaged(ef, "it became shorter while it was read", err);
		p += r;
		offset += (uint64_t)r;
		n -= (size_t)r;
	}
	return 0;
}

/* A section's content with a NUL behind it. Caller frees; NULL with err set. */
static uint8_t *read_section(const struct elf_file *ef, const struct elf_section *s, struct error *err)
{
	_cleanup_free_ uint8_t *p = NULL;

	if (s->type == SHT_NOBITS || s->size > TABLE_MAX) {
		damaged(ef, "damaged ELF file", err);
		return NULL;
	}
	p = mem_alloc(s->size + 1);
	if (read_at(ef, s->offset, p, s->size, err) < 0)
		return NULL;
	return take_ptr(p);
}

static int read_names(struct elf_file *ef, const uint8_t *table, size_t names_index, struct error *err)
{
	_cleanup_free_ uint8_t *names = NULL;
	size_t size = section_size(ef);

	if (names_index >= ef->n_sections)
		return damaged(ef, "damaged ELF file", err);
	names = read_section(ef, &ef->sections[names_index], err);
	if (!names)
		return -1;
	for (size_t i = 0; i < ef->n_sections; i++) {
		uint64_t at = get(ef, table + i * size, 4);

		if (at > ef->sections[names_index].size)
			return damaged(ef, "damaged ELF file", err);
		ef->sections[i].name = mem_strdup((char *)names + at);
	}
	return 0;
}

static int read_sections(struct elf_file *ef, const uint8_t *header, struct error *err)
{
	size_t n = get_field(ef, header, EH_SHNUM), size = section_size(ef);
	_cleanup_free_ uint8_t *table = NULL;

	ef->shoff = get_field(ef, header, EH_SHOFF);
	if (n == 0)
		return 0;
	if (get_field(ef, header, EH_SHENTSIZE) != size || n > SECTIONS_MAX)
		return damaged(ef, "damaged ELF file", err);
	table = mem_alloc(n * size);
	if (read_at(ef, ef->shoff, table, n * size, err) < 0)
		return -1;
	ef->sections = mem_alloc(n * sizeof(*ef->sections));
	ef->n_sections = n;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = table + i * size;
		struct elf_section *s = &ef->sections[i];

		s->type = (uint32_t)get(ef, p + 4, 4);
		s->flags = get_field(ef, p, SH_FLAGS);
		s->offset = get_field(ef, p, SH_OFFSET);
		s->size = get_field(ef, p, SH_SIZE);
		s->link = (uint32_t)get_field(ef, p, SH_LINK);
		s->info = (uint32_t)get_field(ef, p, SH_INFO);
		s->align = get_field(ef, p, SH_ALIGN);
	}
	return read_names(ef, table, get_field(ef, header, EH_SHSTRNDX), err);
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
		return damaged(&ef, "not an ELF file", err);
	if (read_at(&ef, 0, header, ef.size < sizeof(header) ? ef.size : sizeof(header), err) < 0)
		return -1;
	if (memcmp(header, ELFMAG, SELFMAG) != 0 ||
	    (header[EI_CLASS] != ELFCLASS32 && header[EI_CLASS] != ELFCLASS64) ||
	    (header[EI_DATA] != ELFDATA2LSB && header[EI_DATA] != ELFDATA2MSB))
		return damaged(&ef, "not an ELF file", err);
	ef.is_64 = header[EI_CLASS] == ELFCLASS64;
	ef.is_big = header[EI_DATA] == ELFDATA2MSB;
	if (ef.size < header_size(&ef))
		return damaged(&ef, "damaged ELF file", err);
	ef.type = (uint16_t)get(&ef, header + 16, 2);
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
	_cleanup_free_ uint8_t *text = s ? read_section(ef, s, NULL) : NULL;
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
	symbols = read_section(ef, s, NULL);
	names = read_section(ef, &ef->sections[s->link], NULL);
	for (size_t i = 0; symbols && names && i < s->size / size; i++) {
		const uint8_t *p = symbols + i * size;
		uint64_t at = get(ef, p, 4), shndx = get_field(ef, p, ST_SHNDX);

		if (at < names_size && shndx != SHN_UNDEF && shndx < ef->n_sections &&
		    str_eq((char *)names + at, name)) {
			*ret_section = &ef->sections[shndx];
			*ret_value = get_field(ef, p, ST_VALUE);
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
	*ret = (struct dynamic){ ef,	    read_section(ef, s, NULL),
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
	*ret_tag = get(d->ef, d->table + i * d->entry, half);
	*ret_value = get(d->ef, d->table + i * d->entry + half, half);
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
		strings = read_section(ef, d.strings, NULL);
		name = strings ? mem_strdup((char *)strings + value) : NULL;
	}
	free(d.table);
	return name;
}

/* Does the kernel want this section of a module? */
static bool is_wanted(const struct elf_file *ef, const struct elf_section *s)
{
	switch (s->type) {
	case SHT_RELA:
	case SHT_REL:
		return s->info < ef->n_sections && (ef->sections[s->info].flags & SHF_ALLOC);
	case SHT_SYMTAB:
	case SHT_STRTAB:
		return true;
	default:
		return s->flags & SHF_ALLOC;
	}
}

/* A copy in the making: the file so far, and the section table that will end it. */
struct copy {
	const struct elf_file *ef;
	struct str out;
	uint8_t *table; /* owned */
};

static void copy_clear(struct copy *c)
{
	str_clear(&c->out);
	free(c->table);
}

static uint8_t *copy_entry(struct copy *c, size_t section)
{
	return c->table + section * section_size(c->ef);
}

/* Where a section's content lies in the copy. */
static uint8_t *copy_content(struct copy *c, size_t section)
{
	return (uint8_t *)c->out.p + get_field(c->ef, copy_entry(c, section), SH_OFFSET);
}

/* Makes the kernel ignore a section. */
static void copy_drop(struct copy *c, size_t section)
{
	uint8_t *p = copy_entry(c, section);

	put(c->ef, p + 4, 4, SHT_NOBITS);
	put_field(c->ef, p, SH_FLAGS, 0);
	put_field(c->ef, p, SH_SIZE, 0);
}

static int copy_begin(struct copy *c, const struct elf_file *ef, struct error *err)
{
	size_t table_size = ef->n_sections * section_size(ef);
	uint8_t header[sizeof(Elf64_Ehdr)];

	*c = (struct copy){ .ef = ef, .table = mem_alloc(table_size + 1) };
	if (ef->type != ET_REL)
		return damaged(ef, "not a kernel module", err);
	if (read_at(ef, 0, header, header_size(ef), err) < 0 || read_at(ef, ef->shoff, c->table, table_size, err) < 0)
		return -1;
	str_add_mem(&c->out, header, header_size(ef));
	for (size_t i = 0; i < ef->n_sections; i++) {
		const struct elf_section *s = &ef->sections[i];
		_cleanup_free_ uint8_t *content = NULL;

		if (s->type == SHT_NULL || s->type == SHT_NOBITS)
			continue;
		put_field(ef, copy_entry(c, i), SH_OFFSET, 0);
		if (!is_wanted(ef, s)) {
			copy_drop(c, i);
			continue;
		}
		if (s->align > 4096 || (s->align & (s->align - 1)))
			return damaged(ef, "damaged ELF file", err);
		content = read_section(ef, s, err);
		if (!content)
			return -1;
		while (s->align > 1 && c->out.len % s->align)
			str_add_char(&c->out, '\0');
		put_field(ef, copy_entry(c, i), SH_OFFSET, c->out.len);
		str_add_mem(&c->out, content, s->size);
	}
	return 0;
}

static int copy_end(struct copy *c, const char *to, struct error *err)
{
	while (c->out.len % 8)
		str_add_char(&c->out, '\0');
	put_field(c->ef, (uint8_t *)c->out.p, EH_SHOFF, c->out.len);
	str_add_mem(&c->out, c->table, c->ef->n_sections * section_size(c->ef));
	return fs_write_atomic(to, c->out.p, c->out.len, 0644, false, err);
}

int elf_copy_module(const struct elf_file *ef, const char *to, struct error *err)
{
	_cleanup_(copy_clear) struct copy c = { 0 };

	return copy_begin(&c, ef, err) < 0 ? -1 : copy_end(&c, to, err);
}

/* ---- calls to __fentry__ (x86_64) ---- */

#define CALL_BYTES 5
static const uint8_t call_opcode = 0xe8;
static const uint8_t nop[CALL_BYTES] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

static size_t section_index(const struct elf_file *ef, const char *name)
{
	const struct elf_section *s = elf_section(ef, name);

	return s ? (size_t)(s - ef->sections) : 0;
}

/* The relocations that belong to a section; 0: none. */
static size_t relocations_of(const struct elf_file *ef, size_t section)
{
	for (size_t i = 0; i < ef->n_sections; i++)
		if (ef->sections[i].type == SHT_RELA && ef->sections[i].info == section)
			return i;
	return 0;
}

/* One call site per byte of each section with code: 1 = listed, 2 = its relocation was seen. */
struct sites {
	uint8_t **marks; /* owned, by section; NULL: no site there */
	size_t n_sections, n;
};

static void sites_clear(struct sites *s)
{
	for (size_t i = 0; i < s->n_sections; i++)
		free(s->marks[i]);
	free(s->marks);
}

/* Reads the list: each entry is a relocation against the site's section symbol. */
static bool sites_read(struct copy *c, size_t list_rela, struct sites *ret)
{
	const struct elf_file *ef = c->ef;
	const struct elf_section *rela = &ef->sections[list_rela];
	const struct elf_section *symtab = rela->link < ef->n_sections ? &ef->sections[rela->link] : NULL;

	if (!symtab || symtab->type != SHT_SYMTAB)
		return false;
	ret->marks = mem_alloc(ef->n_sections * sizeof(*ret->marks));
	ret->n_sections = ef->n_sections;
	for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= rela->size; at += sizeof(Elf64_Rela), ret->n++) {
		const uint8_t *p = copy_content(c, list_rela) + at;
		uint64_t info = get(ef, p + 8, 8), addend = get(ef, p + 16, 8), site, section;
		const uint8_t *symbol;

		if ((info >> 32) >= symtab->size / sizeof(Elf64_Sym) || (uint32_t)info != R_X86_64_64)
			return false;
		symbol = copy_content(c, rela->link) + (info >> 32) * sizeof(Elf64_Sym);
		section = get_field(ef, symbol, ST_SHNDX);
		site = get_field(ef, symbol, ST_VALUE) + addend;
		/* Only what is loaded has its content in the copy. */
		if (section >= ef->n_sections || ef->sections[section].type != SHT_PROGBITS ||
		    !(ef->sections[section].flags & SHF_ALLOC) || ef->sections[section].size < CALL_BYTES ||
		    site > ef->sections[section].size - CALL_BYTES || copy_content(c, section)[site] != call_opcode)
			return false;
		if (!ret->marks[section])
			ret->marks[section] = mem_alloc(ef->sections[section].size);
		if (ret->marks[section][site])
			return false;
		ret->marks[section][site] = 1;
	}
	return ret->n > 0;
}

static bool is_fentry(struct copy *c, const struct elf_section *symtab, size_t symtab_index, uint64_t index)
{
	const struct elf_section *strtab = symtab->link < c->ef->n_sections ? &c->ef->sections[symtab->link] : NULL;
	uint64_t name;

	if (!strtab || strtab->type != SHT_STRTAB || index >= symtab->size / sizeof(Elf64_Sym))
		return false;
	name = get(c->ef, copy_content(c, symtab_index) + index * sizeof(Elf64_Sym), 4);
	return name < strtab->size &&
	       strnlen((char *)copy_content(c, symtab->link) + name, strtab->size - name) == 10 &&
	       memcmp(copy_content(c, symtab->link) + name, "__fentry__", 10) == 0;
}

/* Goes over the relocations of one section's sites; apply: makes them none and the calls nops. Returns how many. */
static size_t sites_of_section(struct copy *c, struct sites *s, size_t section, bool apply)
{
	size_t rela_index = relocations_of(c->ef, section), n = 0;
	const struct elf_section *rela = &c->ef->sections[rela_index];

	if (!rela_index || rela->link >= c->ef->n_sections)
		return 0;
	for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= rela->size; at += sizeof(Elf64_Rela)) {
		uint8_t *p = copy_content(c, rela_index) + at;
		uint64_t offset = get(c->ef, p, 8), info = get(c->ef, p + 8, 8);
		uint32_t type = (uint32_t)info;

		if (offset == 0 || offset > c->ef->sections[section].size || !s->marks[section][offset - 1])
			continue;
		if (apply) {
			put(c->ef, p + 8, 8, R_X86_64_NONE);
			memcpy(copy_content(c, section) + offset - 1, nop, CALL_BYTES);
		} else if ((type != R_X86_64_PLT32 && type != R_X86_64_PC32) || s->marks[section][offset - 1] != 1 ||
			   !is_fentry(c, &c->ef->sections[rela->link], rela->link, info >> 32)) {
			return 0;
		} else {
			s->marks[section][offset - 1] = 2;
		}
		n++;
	}
	return n;
}

/* All or nothing: every listed site must be a call to __fentry__ with one relocation. */
static bool drop_calls(struct copy *c)
{
	size_t list = section_index(c->ef, "__mcount_loc"), list_rela = list ? relocations_of(c->ef, list) : 0,
	       found = 0;
	_cleanup_(sites_clear) struct sites s = { 0 };

	if (!list_rela || !(c->ef->sections[list].flags & SHF_ALLOC) || !c->ef->is_64 || c->ef->is_big ||
	    get(c->ef, (uint8_t *)c->out.p + 18, 2) != EM_X86_64 || !sites_read(c, list_rela, &s))
		return false;
	for (size_t i = 0; i < s.n_sections; i++)
		found += s.marks[i] ? sites_of_section(c, &s, i, false) : 0;
	if (found != s.n)
		return false;
	for (size_t i = 0; i < s.n_sections; i++)
		if (s.marks[i])
			sites_of_section(c, &s, i, true);
	copy_drop(c, list);
	copy_drop(c, list_rela);
	return true;
}

int elf_copy_module_untraced(const struct elf_file *ef, const char *to, bool *ret_dropped, struct error *err)
{
	_cleanup_(copy_clear) struct copy c = { 0 };
	bool dropped;

	if (copy_begin(&c, ef, err) < 0)
		return -1;
	dropped = drop_calls(&c);
	if (ret_dropped)
		*ret_dropped = dropped;
	return copy_end(&c, to, err);
}

/* ---- RUNPATH ---- */

/* Puts `dir` over the path string at `at` of the string table. false: it does not fit. */
static int replace_path(const struct dynamic *d, int fd, uint64_t at, const char *dir, bool *ret_fits,
			struct error *err)
{
	_cleanup_free_ uint8_t *strings = at < d->strings->size ? read_section(d->ef, d->strings, err) : NULL;
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
		put(d->ef, p, (unsigned)(d->entry / 2), DT_QUIZ_NOTHING);
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
