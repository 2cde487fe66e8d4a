/* SPDX-License-Identifier: MPL-2.0 */
/* Small copies of kernel modules; see the header for what and why. */

#include "image/elf_module.h"

#include <elf.h>
#include <string.h>

#include "image/elf_bytes.h"
#include "sys/fs.h"

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
	return c->table + section * elf_section_size(c->ef);
}

/* Where a section's content lies in the copy. */
static uint8_t *copy_content(struct copy *c, size_t section)
{
	return (uint8_t *)c->out.p + elf_get_field(c->ef, copy_entry(c, section), SH_OFFSET);
}

/* Makes the kernel ignore a section. */
static void copy_drop(struct copy *c, size_t section)
{
	uint8_t *p = copy_entry(c, section);

	elf_put(c->ef, p + 4, 4, SHT_NOBITS);
	elf_put_field(c->ef, p, SH_FLAGS, 0);
	elf_put_field(c->ef, p, SH_SIZE, 0);
}

static int copy_begin(struct copy *c, const struct elf_file *ef, struct error *err)
{
	size_t table_size = ef->n_sections * elf_section_size(ef);
	uint8_t header[sizeof(Elf64_Ehdr)];

	*c = (struct copy){ .ef = ef, .table = mem_alloc(table_size + 1) };
	if (ef->type != ET_REL)
		return elf_damaged(ef, "not a kernel module", err);
	if (elf_read_at(ef, 0, header, elf_header_size(ef), err) < 0 || elf_read_at(ef, ef->shoff, c->table, table_size, err) < 0)
		return -1;
	str_add_mem(&c->out, header, elf_header_size(ef));
	for (size_t i = 0; i < ef->n_sections; i++) {
		const struct elf_section *s = &ef->sections[i];
		_cleanup_free_ uint8_t *content = NULL;

		if (s->type == SHT_NULL || s->type == SHT_NOBITS)
			continue;
		elf_put_field(ef, copy_entry(c, i), SH_OFFSET, 0);
		if (!is_wanted(ef, s)) {
			copy_drop(c, i);
			continue;
		}
		if (s->align > 4096 || (s->align & (s->align - 1)))
			return elf_damaged(ef, "damaged ELF file", err);
		content = elf_read_section(ef, s, err);
		if (!content)
			return -1;
		while (s->align > 1 && c->out.len % s->align)
			str_add_char(&c->out, '\0');
		elf_put_field(ef, copy_entry(c, i), SH_OFFSET, c->out.len);
		str_add_mem(&c->out, content, s->size);
	}
	return 0;
}

static int copy_end(struct copy *c, const char *to, struct error *err)
{
	while (c->out.len % 8)
		str_add_char(&c->out, '\0');
	elf_put_field(c->ef, (uint8_t *)c->out.p, EH_SHOFF, c->out.len);
	str_add_mem(&c->out, c->table, c->ef->n_sections * elf_section_size(c->ef));
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
		uint64_t info = elf_get(ef, p + 8, 8), addend = elf_get(ef, p + 16, 8), site, section;
		const uint8_t *symbol;

		if ((info >> 32) >= symtab->size / sizeof(Elf64_Sym) || (uint32_t)info != R_X86_64_64)
			return false;
		symbol = copy_content(c, rela->link) + (info >> 32) * sizeof(Elf64_Sym);
		section = elf_get_field(ef, symbol, ST_SHNDX);
		site = elf_get_field(ef, symbol, ST_VALUE) + addend;
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
	name = elf_get(c->ef, copy_content(c, symtab_index) + index * sizeof(Elf64_Sym), 4);
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
		uint64_t offset = elf_get(c->ef, p, 8), info = elf_get(c->ef, p + 8, 8);
		uint32_t type = (uint32_t)info;

		if (offset == 0 || offset > c->ef->sections[section].size || !s->marks[section][offset - 1])
			continue;
		if (apply) {
			elf_put(c->ef, p + 8, 8, R_X86_64_NONE);
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
	    elf_get(c->ef, (uint8_t *)c->out.p + 18, 2) != EM_X86_64 || !sites_read(c, list_rela, &s))
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
