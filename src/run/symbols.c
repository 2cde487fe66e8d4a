/* SPDX-License-Identifier: MPL-2.0 */
/*
 * libdwfl gives each file addresses of its own and applies the relocations
 * of a module's debug sections; symbols are looked up by name and size in its
 * symbol table, and what is at symbol + offset comes from the debug
 * information: the line, and the scopes around it, of which the inlined ones
 * are frames that the kernel's unwinder can not know.
 *
 * A name can belong to several functions (every file may have its static
 * init()); the size in the log tells them apart, and a size that fits none tells
 * that the file is of another build. A wrong source line would be worse than none.
 */

#include "run/symbols.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run/analyser_line.h"
#include "sys/fs.h"

#define SOURCE_MAX (8 * 1024 * 1024)

struct symbol {
	const char *name; /* borrowed from the file */
	uint64_t address, size;
};

struct symbol_file {
	char *module, *path; /* owned */
	bool is_open;
	Dwfl *dwfl;
	Dwfl_Module *mod;
	bool has_debug;
	char build_id[2 * BUILD_ID_BYTES_MAX + 1]; /* "": it has none */
	struct symbol *symbols; /* owned, sorted by name */
	size_t n_symbols;
};

struct source {
	char *path;	 /* owned */
	struct str text; /* empty: can not be read */
};

struct symbols {
	struct symbol_file *files;
	size_t n_files;
	struct source *sources;
	size_t n_sources;
	struct strv tops; /* of source trees */
};

static int no_debuginfo(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base, const char *file,
			const char *link, GElf_Word crc, char **ret)
{
	return -1;
}

static int no_elf(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base, char **file, Elf **elf)
{
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = no_elf,
	.find_debuginfo = no_debuginfo,
	.section_address = dwfl_offline_section_address,
};

struct symbols *symbols_new(void)
{
	return mem_alloc(sizeof(struct symbols));
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_files; i++) {
		if (s->files[i].dwfl)
			dwfl_end(s->files[i].dwfl);
		free(s->files[i].module);
		free(s->files[i].path);
		free(s->files[i].symbols);
	}
	for (size_t i = 0; i < s->n_sources; i++) {
		free(s->sources[i].path);
		str_clear(&s->sources[i].text);
	}
	strv_clear(&s->tops);
	free(s->files);
	free(s->sources);
	free(s);
}

void symbols_add(struct symbols *s, const char *module, const char *path)
{
	struct symbol_file *f = VEC_PUSH(s->files, s->n_files);

	f->module = mem_strdup(module);
	f->path = mem_strdup(path);
}

bool symbols_knows(const struct symbols *s, const char *module)
{
	for (size_t i = 0; i < s->n_files; i++)
		if (str_eq(s->files[i].module, module))
			return true;
	return false;
}

void symbol_frames_clear(struct symbol_frames *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].function);
		free(f->v[i].file);
		free(f->v[i].path);
	}
	free(f->v);
	*f = (struct symbol_frames){ 0 };
}

static int compare_symbols(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : x->address < y->address ? -1 : x->address > y->address;
}

static void read_symbols(struct symbol_file *f)
{
	int n = dwfl_module_getsymtab(f->mod);

	if (n <= 0)
		return;
	f->symbols = mem_alloc((size_t)n * sizeof(*f->symbols));
	for (int i = 1; i < n; i++) {
		GElf_Sym sym;
		GElf_Addr address;
		const char *name = dwfl_module_getsym_info(f->mod, i, &sym, &address, NULL, NULL, NULL);

		if (!name || !*name || GELF_ST_TYPE(sym.st_info) == STT_FILE ||
		    GELF_ST_TYPE(sym.st_info) == STT_SECTION || sym.st_shndx == SHN_UNDEF)
			continue;
		f->symbols[f->n_symbols++] = (struct symbol){ name, address, sym.st_size };
	}
	qsort(f->symbols, f->n_symbols, sizeof(*f->symbols), compare_symbols);
}

static void read_build_id(struct symbol_file *f)
{
	const unsigned char *bits;
	GElf_Addr at;
	Dwarf_Addr bias;
	int n;

	if (!dwfl_module_getelf(f->mod, &bias))
		return;
	n = dwfl_module_build_id(f->mod, &bits, &at);
	for (int i = 0; i < n && n <= BUILD_ID_BYTES_MAX; i++)
		snprintf(f->build_id + 2 * i, 3, "%02x", bits[i]);
}

static void open_file(struct symbol_file *f)
{
	Dwarf_Addr bias;

	f->is_open = true;
	f->dwfl = dwfl_begin(&callbacks);
	if (!f->dwfl)
		return;
	dwfl_report_begin(f->dwfl);
	f->mod = dwfl_report_offline(f->dwfl, "", f->path, -1);
	dwfl_report_end(f->dwfl, NULL, NULL);
	if (!f->mod)
		return;
	read_build_id(f);
	f->has_debug = dwfl_module_getdwarf(f->mod, &bias) != NULL;
	if (f->has_debug)
		read_symbols(f);
}

const char *symbols_file(const struct symbols *s, const char *module)
{
	for (size_t i = 0; i < s->n_files; i++)
		if (str_eq(s->files[i].module, module) && s->files[i].has_debug)
			return s->files[i].path;
	return NULL;
}

static const struct symbol *find_symbol(const struct symbol_file *f, const char *name, uint64_t size)
{
	size_t lo = 0, hi = f->n_symbols;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (strcmp(f->symbols[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < f->n_symbols && strcmp(f->symbols[lo].name, name) == 0; lo++)
		/* The kernel's size reaches to the next symbol: padding is part of it. Labels of assembly have none. */
		if (f->symbols[lo].size == 0 || (f->symbols[lo].size <= size && size - f->symbols[lo].size < 64))
			return &f->symbols[lo];
	return NULL;
}

/* ---- source files */

/* "a/b/../c" and "./c" without the detours, in place: builds in a folder of their own name their sources so. */
static void collapse(char *path)
{
	char *out = path;
	const char *p = path;

	while (*p) {
		if (str_starts(p, "/./")) {
			p += 2;
		} else if (str_starts(p, "/../") && out > path) {
			while (out > path && *--out != '/')
				;
			p += 3;
		} else {
			*out++ = *p++;
		}
	}
	*out = '\0';
}

/*
 * The top of the tree that a source lies in, as far as it is on this host: a
 * kernel's, OpenZFS's or a repository. Its length; 0: none. Remembered, as a stack names few trees.
 */
static size_t tree_top(struct symbols *s, const char *path)
{
	static const char *const marks[] = { "MAINTAINERS", "META", ".git" };
	_cleanup_free_ char *dir = mem_strdup(path);
	char *slash;

	for (size_t i = 0; i < s->tops.n; i++)
		if (str_starts(path, s->tops.v[i]) && path[strlen(s->tops.v[i])] == '/')
			return strlen(s->tops.v[i]);
	for (unsigned depth = 0; depth < 12 && (slash = strrchr(dir, '/')) && slash > dir; depth++) {
		*slash = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
			_cleanup_free_ char *mark = fs_join(dir, marks[i]);

			if (!fs_exists(mark))
				continue;
			strv_add(&s->tops, dir);
			return strlen(dir);
		}
	}
	return 0;
}

/* The path as people know it: below the top of its tree, the folder that the build ran in, or ours. */
static char *short_path(struct symbols *s, const char *path, const char *comp_dir)
{
	char cwd[4096];
	const char *const roots[] = { comp_dir, getcwd(cwd, sizeof(cwd)) };
	size_t top = path[0] == '/' ? tree_top(s, path) : 0;

	if (top)
		return mem_strdup(path + top + 1);
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		size_t n = roots[i] ? strlen(roots[i]) : 0;

		if (n > 1 && strncmp(path, roots[i], n) == 0 && path[n] == '/')
			return mem_strdup(path + n + 1);
	}
	return mem_strdup(str_starts(path, "./") ? path + 2 : path);
}

static void add_frame(struct symbols *s, struct symbol_frames *ret, const char *function, const char *path, int line,
		      const char *comp_dir, bool is_inlined)
{
	struct symbol_frame *f = VEC_PUSH(ret->v, ret->n);

	f->function = mem_strdup(function ? function : "?");
	f->is_inlined = is_inlined;
	if (!path)
		return;
	f->line = line > 0 ? (unsigned)line : 0;
	f->path = path[0] == '/' || !comp_dir ? mem_strdup(path) : fs_join(comp_dir, path);
	collapse(f->path);
	f->file = short_path(s, f->path, comp_dir);
	if (access(f->path, R_OK) < 0) {
		free(f->path);
		f->path = NULL;
	}
}

char *symbols_source_line(struct symbols *s, const char *path, unsigned line)
{
	struct source *src = NULL;
	const char *p, *nl;

	for (size_t i = 0; i < s->n_sources && !src; i++)
		if (strcmp(s->sources[i].path, path) == 0)
			src = &s->sources[i];
	if (!src) {
		src = VEC_PUSH(s->sources, s->n_sources);
		src->path = mem_strdup(path);
		fs_read(path, SOURCE_MAX, &src->text, NULL);
	}
	p = str_cstr(&src->text);
	for (unsigned i = 1; i < line && p; i++) {
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	if (!line || !p || !*p)
		return NULL;
	p += strspn(p, " \t");
	nl = strchr(p, '\n');
	return mem_strndup(p, nl ? (size_t)(nl - p) : strlen(p));
}

/* ---- debug information */

static const char *attr_string(Dwarf_Die *die, unsigned at)
{
	Dwarf_Attribute attr;

	return dwarf_attr_integrate(die, at, &attr) ? dwarf_formstring(&attr) : NULL;
}

static const char *call_site(Dwarf_Die *cu, Dwarf_Die *die, int *ret_line)
{
	Dwarf_Attribute attr;
	Dwarf_Word file = 0, line = 0;
	Dwarf_Files *files;
	size_t n_files;

	if (dwarf_attr(die, DW_AT_call_line, &attr))
		dwarf_formudata(&attr, &line);
	*ret_line = (int)line;
	if (!dwarf_attr(die, DW_AT_call_file, &attr) || dwarf_formudata(&attr, &file) < 0 ||
	    dwarf_getsrcfiles(cu, &files, &n_files) < 0 || file >= n_files)
		return NULL;
	return dwarf_filesrc(files, file, NULL, NULL);
}

/*
 * The scopes around an address, innermost first, as they lie in the code: dwarf_getscopes() leaves the code at the first
 * inlined function and goes on in the file where that was written.
 */
static int scopes_at(Dwarf_Die *cu, Dwarf_Addr address, Dwarf_Die **ret)
{
	Dwarf_Die *found = NULL, innermost;

	*ret = NULL;
	if (dwarf_getscopes(cu, address, &found) <= 0)
		return 0;
	innermost = found[0];
	free(found);
	return dwarf_getscopes_die(&innermost, ret);
}

static void resolve_at(struct symbols *s, struct symbol_file *f, const char *name, uint64_t address, bool is_before,
		       struct symbol_frames *ret)
{
	Dwarf_Addr bias = 0;
	Dwarf_Die *cu = dwfl_module_addrdie(f->mod, address, &bias), *scopes = NULL;
	const char *path = NULL, *comp_dir;
	Dwarf_Line *at;
	int line = 0, n;

	if (!cu)
		return;
	comp_dir = attr_string(cu, DW_AT_comp_dir);
	at = dwarf_getsrc_die(cu, address - bias);
	if (at) {
		path = dwarf_linesrc(at, NULL, NULL);
		dwarf_lineno(at, &line);
	}
	n = scopes_at(cu, address - bias, &scopes);
	for (int i = 0; i < n; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag == DW_TAG_subprogram) {
			/* The byte before a function's first belongs to the one before it: a call that never returns.
			 */
			if (is_before)
				name = dwarf_diename(&scopes[i]);
			break;
		}
		if (tag != DW_TAG_inlined_subroutine)
			continue;
		add_frame(s, ret, dwarf_diename(&scopes[i]), path, line, comp_dir, true);
		path = call_site(cu, &scopes[i], &line);
	}
	free(scopes);
	add_frame(s, ret, name, path, line, comp_dir, false);
}

enum symbols_result symbols_resolve(struct symbols *s, const char *module, const char *name, uint64_t offset,
				    uint64_t size, bool is_return, const char *build_id, struct symbol_frames *ret)
{
	enum symbols_result result = SYMBOLS_NO_FILE;

	*ret = (struct symbol_frames){ 0 };
	for (size_t i = 0; i < s->n_files; i++) {
		struct symbol_file *f = &s->files[i];
		const struct symbol *sym;

		if (!str_eq(f->module, module))
			continue;
		if (!f->is_open)
			open_file(f);
		if (build_id && *f->build_id && !str_eq(build_id, f->build_id)) {
			result = SYMBOLS_OTHER_BUILD;
			continue;
		}
		sym = f->has_debug ? find_symbol(f, name, size) : NULL;
		if (sym)
			resolve_at(s, f, name, sym->address + offset - (is_return ? 1 : 0), is_return && !offset, ret);
		if (ret->n)
			return SYMBOLS_FOUND;
		if (f->has_debug)
			result = SYMBOLS_OTHER_BUILD;
		else if (result == SYMBOLS_NO_FILE)
			result = SYMBOLS_NO_DEBUG;
	}
	return result;
}
