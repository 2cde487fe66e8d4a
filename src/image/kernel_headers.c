/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What is absolute in Debian's headers: the Makefile includes
 * /usr/src/linux-headers-<abi>-common/Makefile, links may point to /usr/lib or
 * /usr/src, and .kernelvariables names gcc-<n>, which a host of another
 * release does not have. Kbuild itself only wants to know where its Makefile
 * is, so a relative include is enough.
 */

#include "image/kernel_headers.h"

#include <elf.h>
#include <errno.h>
#include <fts.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "image/kernel_make.h"
#include "sys/fs.h"
#include "sys/proc.h"

#define TEXT_MAX (1u << 20)
#define PROGRAM_MAX (64u << 20)

DEFINE_CLEANUP(FTS *, fts_close)

static char *headers_dir(const struct kernel_headers *h)
{
	return mem_printf("%s/usr/src/linux-headers-%s", h->root, h->release);
}

static int write_text(const char *path, const struct str *text, struct error *err)
{
	return fs_write_atomic(path, str_cstr(text), text->len, 0644, false, err);
}

/* /usr/src/X in the Makefile becomes X beside the Makefile's own folder. */
static int fix_makefile(const char *dir, struct error *err)
{
	static const char absolute[] = "/usr/src/";
	static const char relative[] = "$(dir $(lastword $(MAKEFILE_LIST)))../";
	_cleanup_free_ char *path = fs_join(dir, "Makefile");
	_cleanup_str_ struct str text = STR_INIT, out = STR_INIT;
	const char *s, *at;

	if (fs_read(path, TEXT_MAX, &text, err) < 0)
		return -1;
	for (s = str_cstr(&text); (at = strstr(s, absolute)); s = at + sizeof(absolute) - 1) {
		str_add_mem(&out, s, (size_t)(at - s));
		str_add(&out, relative);
	}
	str_add(&out, s);
	return write_text(path, &out, err);
}

/*
 * Config symbols that say what the compiler of the distribution could do and
 * that make kbuild use an option without asking the compiler that is there.
 */
static const struct {
	const char *symbol, *option;
} compiler_symbols[] = {
	{ "CC_HAS_MIN_FUNCTION_ALIGNMENT", "-fmin-function-alignment=16" }, /* gcc 14 */
};

static int add_compiler_symbols(const char *dir, struct str *text, struct error *err)
{
	_cleanup_free_ char *path = fs_join(dir, ".config");
	_cleanup_str_ struct str config = STR_INIT;

	if (!fs_exists(path))
		return 0;
	if (fs_read(path, TEXT_MAX * 4, &config, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(compiler_symbols); i++)
		if (kernel_config_value(str_cstr(&config), compiler_symbols[i].symbol) == TRI_YES)
			str_addf(text,
				 "ifeq ($(shell $(CC) %s -x c -c /dev/null -o /dev/null 2>/dev/null && echo y),)\n"
				 "override CONFIG_%s :=\n"
				 "endif\n",
				 compiler_symbols[i].option, compiler_symbols[i].symbol);
	return 0;
}

/* The compiler that built the kernel when it is there, else the host's own; a cross compiler on another machine. */
static int fix_variables(const struct kernel_headers *h, const char *dir, struct error *err)
{
	_cleanup_free_ char *path = fs_join(dir, ".kernelvariables");
	_cleanup_str_ struct str text = STR_INIT;
	const char *gcc;

	if (!fs_exists(path))
		return 0;
	if (fs_read(path, TEXT_MAX, &text, err) < 0)
		return -1;
	gcc = strstr(str_cstr(&text), "gcc-");
	str_addf(&text,
		 "# By quiz, so that this works on any host and from any place:\n"
		 "ifneq ($(shell uname -m),%s)\n"
		 "CROSS_COMPILE ?= %s\n"
		 "endif\n"
		 "ifneq ($(filter default file undefined,$(origin CC)),)\n"
		 "CC := $(notdir $(firstword $(shell command -v $(CROSS_COMPILE)%.*s $(CROSS_COMPILE)gcc) $(CROSS_COMPILE)gcc))\n"
		 "endif\n",
		 h->arch->name, h->arch->cross_prefix, gcc ? (int)(4 + strspn(gcc + 4, "0123456789")) : 3,
		 gcc ? gcc : "gcc");
	if (add_compiler_symbols(dir, &text, err) < 0)
		return -1;
	return write_text(path, &text, err);
}

static int fix_link(const char *root, const char *path, struct error *err)
{
	_cleanup_str_ struct str to = STR_INIT;
	char target[4096];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return error_sys(err, errno, "read link '%s'", path);
	target[n] = '\0';
	if (!str_starts(target, "/usr/"))
		return 0;
	/* As many steps up as there are folders between the root and the link. */
	for (const char *c = path + strlen(root) + 1; *c; c++)
		if (*c == '/')
			str_add(&to, "../");
	str_add(&to, target + 1);
	if (unlink(path) < 0 || symlink(str_cstr(&to), path) < 0)
		return error_sys(err, errno, "change link '%s'", path);
	return 0;
}

static int fix_links(const char *root, struct error *err)
{
	char *const roots[] = { (char *)(uintptr_t)root, NULL };
	_cleanup_(cleanup_fts_close) FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *e;

	if (!fts)
		return error_sys(err, errno, "walk '%s'", root);
	while ((e = fts_read(fts)))
		if ((e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE) && fix_link(root, e->fts_path, err) < 0)
			return -1;
	return 0;
}

int kernel_headers_relocate(const struct kernel_headers *h, struct error *err)
{
	_cleanup_free_ char *dir = headers_dir(h);
	_cleanup_free_ char *btf = fs_join(dir, "vmlinux");

	/*
	 * Later releases ship a vmlinux with nothing but BTF: kbuild then runs
	 * pahole over each module, which costs seconds in an edit-build-run
	 * loop and fails where pahole is not installed.
	 */
	unlink(btf);
	if (fix_makefile(dir, err) < 0 || fix_variables(h, dir, err) < 0 || fix_links(h->root, err) < 0)
		return error_wrap(err, "cannot make the headers of kernel %s relocatable", h->release);
	return 0;
}

/* ---- programs of a newer release ---- */

/* The 38 of the highest "GLIBC_2.38" among a program's version names; its major version has been 2 since 1997. */
static unsigned highest_glibc(const struct str *file)
{
	static const char name[] = "GLIBC_2.";
	const char *s = str_cstr(file), *end = s + file->len;
	unsigned highest = 0;

	while ((s = memmem(s, (size_t)(end - s), name, sizeof(name) - 1))) {
		unsigned minor = 0;

		for (s += sizeof(name) - 1; s < end && *s >= '0' && *s <= '9' && minor < 10000; s++)
			minor = minor * 10 + (unsigned)(*s - '0');
		if (minor > highest)
			highest = minor;
	}
	return highest;
}

static int add_if_too_new(const char *path, unsigned have, struct strv *ret, struct error *err)
{
	_cleanup_str_ struct str file = STR_INIT;

	if (fs_read(path, PROGRAM_MAX, &file, err) < 0)
		return -1;
	if (file.len > SELFMAG && !memcmp(file.p, ELFMAG, SELFMAG) && highest_glibc(&file) > have)
		strv_add(ret, path);
	return 0;
}

int kernel_headers_too_new(const struct kernel_headers *h, struct strv *ret, struct error *err)
{
	_cleanup_free_ char *lib = fs_join(h->root, "usr/lib");
	char *const roots[] = { lib, NULL };
	_cleanup_(cleanup_fts_close) FTS *fts = NULL;
	unsigned have = 0;
	FTSENT *e;

	if (!fs_is_dir(lib))
		return 0;
#ifdef __GLIBC__
	have = (unsigned)strtoul(strchr(gnu_get_libc_version(), '.') + 1, NULL, 10);
#endif
	fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	if (!fts)
		return error_sys(err, errno, "walk '%s'", lib);
	while ((e = fts_read(fts)))
		if (e->fts_info == FTS_F && (e->fts_statp->st_mode & 0100) && add_if_too_new(e->fts_path, have, ret, err) < 0)
			return -1;
	return 0;
}

/* ld-linux-x86-64.so.2, ld64.so.2, ...: the loader among the libraries. Caller frees; NULL. */
static char *find_loader(const char *dir)
{
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (fs_list(dir, &names, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < names.n; i++)
		if (str_starts(names.v[i], "ld-") || str_starts(names.v[i], "ld64.so") || str_starts(names.v[i], "ld.so"))
			return mem_strdup(names.v[i]);
	return NULL;
}

static int wrap(const struct kernel_headers *h, const char *program, const char *loader, struct error *err)
{
	const char *name = strrchr(program, '/') + 1;
	_cleanup_free_ char *real = mem_printf("%.*s.%s.real", (int)(name - program), program, name);
	_cleanup_str_ struct str script = STR_INIT, up = STR_INIT;

	/* As many steps up as there are folders between the root and the program. */
	for (const char *c = program + strlen(h->root) + 1; *c; c++)
		if (*c == '/')
			str_add(&up, "/..");
	str_addf(&script,
		 "#!/bin/sh\n"
		 "# By quiz: this program is of a newer release than the host, so it brings its libraries.\n"
		 "here=$(dirname \"$(readlink -f \"$0\")\")\n"
		 "exec \"$here%s/hostlib/%s\" --library-path \"$here%s/hostlib\" --argv0 \"$0\" \"$here/.%s.real\" \"$@\"\n",
		 up.p, loader, up.p, name);
	if (rename(program, real) < 0)
		return error_sys(err, errno, "rename '%s'", program);
	return fs_write_atomic(program, script.p, script.len, 0755, false, err);
}

int kernel_headers_wrap(const struct kernel_headers *h, const struct strv *programs, struct error *err)
{
	_cleanup_free_ char *dir = fs_join(h->root, "hostlib");
	_cleanup_free_ char *loader = find_loader(dir);
	_cleanup_free_ char *path = loader ? fs_join(dir, loader) : NULL;

	if (!loader)
		return error_set(err, ERROR_MISSING, "cannot find a loader in '%s'", dir);
	chmod(path, 0755);
	for (size_t i = 0; i < programs->n; i++)
		if (wrap(h, programs->v[i], loader, err) < 0)
			return -1;
	return 0;
}

int kernel_headers_check(const struct kernel_headers *h, struct error *err)
{
	_cleanup_free_ char *dir = headers_dir(h);
	_cleanup_free_ char *program = fs_join(dir, "scripts/mod/modpost");
	const char *const argv[] = { program, NULL };
	struct proc_spec spec = { .argv = argv, .cwd = h->root };
	struct error why = ERROR_INIT;

	/* Without arguments it has nothing to do; the loader fails before that. */
	if (proc_run_lines(&spec, -1, NULL, NULL, &why) == 0)
		return 0;
	return error_set(err, ERROR_UNSUPPORTED, "its build programs do not run here: %s", why.text);
}
