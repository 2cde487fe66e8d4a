/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* Reading and writing the bytes of an ELF file of either class and byte order: elf_file.c and what builds on it. */

#include <stddef.h>
#include <stdint.h>

#include "image/elf_file.h"

/* The fields that are used, of the file, a section and a symbol. */
enum elf_field {
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

uint64_t elf_get(const struct elf_file *ef, const uint8_t *p, unsigned n);
void elf_put(const struct elf_file *ef, uint8_t *p, unsigned n, uint64_t v);
uint64_t elf_get_field(const struct elf_file *ef, const uint8_t *p, enum elf_field f);
void elf_put_field(const struct elf_file *ef, uint8_t *p, enum elf_field f, uint64_t v);

/* Bytes of the file's header, and of a section's. */
size_t elf_header_size(const struct elf_file *ef);
size_t elf_section_size(const struct elf_file *ef);

/* Sets ERROR_UNSUPPORTED. Returns -1. */
int elf_damaged(const struct elf_file *ef, const char *what, struct error *err);

/* Reads exactly n bytes at an offset of the file. */
int elf_read_at(const struct elf_file *ef, uint64_t offset, void *to, size_t n, struct error *err);

/* A section's content with a NUL behind it. Caller frees; NULL with err set. */
uint8_t *elf_read_section(const struct elf_file *ef, const struct elf_section *s, struct error *err);
