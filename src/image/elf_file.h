/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Just enough ELF for the run path, which links no ELF library: what a kernel
 * module says about itself, where one of its symbols lies. Both classes and
 * both byte orders. The file may be replaced or damaged while it is read: everything
 * is read with pread(2) and every offset is checked.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct elf_section {
	char *name; /* owned */
	uint32_t type;
	uint64_t flags, offset, size, align;
	uint32_t link, info;
};

struct elf_file {
	char *path; /* owned */
	int fd;	    /* owned; -1: closed */
	uint64_t size;
	bool is_64, is_big;
	uint16_t type; /* ET_REL, ET_EXEC, ET_DYN */
	uint64_t shoff;
	struct elf_section *sections; /* owned; without .shstrtab's own name table */
	size_t n_sections;
};

#define ELF_FILE_INIT { .fd = -1 }

/* Opens and reads the section table. ERROR_UNSUPPORTED when it is no ELF file or a damaged one. */
int elf_open(const char *path, struct elf_file *ret, struct error *err);
void elf_close(struct elf_file *ef);
#define _cleanup_elf_ _cleanup_(elf_close)

/* NULL when there is none. Borrowed. */
const struct elf_section *elf_section(const struct elf_file *ef, const char *name);

/* Value of "key=" in .modinfo ("" when it is empty), or NULL. Caller frees. */
char *elf_modinfo(const struct elf_file *ef, const char *key);

/* Where a symbol with that name is defined. false: not there. */
bool elf_symbol(const struct elf_file *ef, const char *name, const struct elf_section **ret_section,
		uint64_t *ret_value);

/* The dynamic section's DT_SONAME, or NULL. Caller frees. */
char *elf_soname(const struct elf_file *ef);

/*
 * Makes an executable or library of a build tree fit for the machine: its
 * DT_RPATH or DT_RUNPATH, which names folders of the build, becomes `dir` when
 * that is not longer than what was there, else it is made harmless. Works in
 * place. A file that has neither stays as it is.
 */
int elf_set_rpath(const char *path, const char *dir, struct error *err);
