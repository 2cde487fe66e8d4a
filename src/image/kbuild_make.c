/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Running the kernel's make. Its output is one line per object ("  CC
 * fs/open.o"), which is what progress is counted by; the total is what the
 * last build of this id had, else an estimate by the number of symbols.
 *
 * Nothing of the build's circumstances goes into the objects (time, user,
 * host, git revision), and ccache is told not to mind the build folder's name
 * and fresh time stamps of generated headers: so another flavour, or the
 * same one after `quiz clean`, finds what has been compiled before.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/kbuild.h"
#include "image/kernel.h"
#include "sys/fs.h"
#include "sys/proc.h"

#define FIRST_ERRORS_MAX 5
#define ERROR_LINE_MAX 300
#define STATSLOG_MAX (64 * 1024 * 1024)

/* Objects for 100 symbols that are set, as Linux 6.1 has it: a first guess. */
#define OBJECTS_PER_100_SYMBOLS 165

/*
 * make and all that it starts have the lock's descriptor, out of the way of
 * scripts that number theirs: when quiz is killed the compilers that run end
 * in their own time, and until then nobody else may write in the build folder.
 */
#define LOCK_CHILD_FD 100

/* What would change the build if it came in from the user's shell. */
static bool is_unwanted(const char *variable)
{
	static const char *const names[] = {
		"ARCH=", "SUBARCH=", "CROSS_COMPILE=", "LOCALVERSION=", "MAKEFLAGS=", "MAKEOVERRIDES=", "MFLAGS=",
		"MAKELEVEL=", "O=", "V=", "W=", "M=", "CC=", "LD=", "AR=", "LLVM=", "HOSTCC=", "CFLAGS=", "LDFLAGS=",
		"KCFLAGS=", "KAFLAGS=", "KCPPFLAGS=", "INSTALL_MOD_PATH=", "INSTALL_MOD_STRIP=", "srctree=", "objtree=",
	};

	if (str_starts(variable, "KBUILD_") || str_starts(variable, "KCONFIG_") || str_starts(variable, "LC_"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_starts(variable, names[i]))
			return true;
	return false;
}

static void make_env(struct kbuild *b)
{
	static const char *const fixed[] = {
		"LC_ALL=C",
		"KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970",
		"KBUILD_BUILD_USER=quiz",
		"KBUILD_BUILD_HOST=quiz",
		"KBUILD_BUILD_VERSION=1",
		"LOCALVERSION=",	     /* set, though empty: no "+" for a tree that is not at a tag */
		"PYTHONDONTWRITEBYTECODE=1", /* scripts/ of the source may be written in it */
		"CCACHE_NOHASHDIR=1",
		"CCACHE_SLOPPINESS=include_file_mtime,include_file_ctime,time_macros",
	};

	for (char **e = environ; *e; e++)
		if (!is_unwanted(*e) && !str_starts(*e, "CCACHE_NOHASHDIR=") && !str_starts(*e, "CCACHE_SLOPPINESS=") &&
		    !str_starts(*e, "CCACHE_STATSLOG="))
			strv_add(&b->env, *e);
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		strv_add(&b->env, fixed[i]);
	strv_addf(&b->env, "CCACHE_STATSLOG=%s/ccache.log", b->obj);
}

static bool is_cross(const struct kbuild *b)
{
	return !str_eq(b->arch->name, arch_native()->name);
}

char *kbuild_tool(const struct kbuild *b, const char *name)
{
	if (b->req->use_llvm)
		return mem_printf("llvm-%s", name);
	return mem_printf("%s%s", is_cross(b) && b->arch->cross_prefix ? b->arch->cross_prefix : "", name);
}

/* What make would stumble over later, in the middle of its output. */
int kbuild_check_tools(const struct kbuild *b, struct error *err)
{
	static const struct {
		const char *tool, *package;
		enum { ALWAYS, GCC, LLVM } when;
	} tools[] = {
		{ "make", "make", ALWAYS },	  { "flex", "flex", ALWAYS },	{ "bison", "bison", ALWAYS },
		{ "bc", "bc", ALWAYS },		  { "gcc", "gcc", GCC },	{ "ld", "binutils", GCC },
		{ "clang", "clang", LLVM },	  { "ld.lld", "lld", LLVM },	{ "llvm-strip", "llvm", LLVM },
		{ "llvm-objcopy", "llvm", LLVM },
	};
	const char *cross = is_cross(b) && b->arch->cross_prefix ? b->arch->cross_prefix : "";

	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		bool is_prefixed = tools[i].when == GCC && *cross;
		_cleanup_free_ char *tool = mem_printf("%s%s", is_prefixed ? cross : "", tools[i].tool), *path = NULL;

		if (tools[i].when != ALWAYS && (tools[i].when == LLVM) != b->req->use_llvm)
			continue;
		path = fs_find_program(tool);
		if (path)
			continue;
		error_set(err, ERROR_MISSING, "cannot build kernel '%s': '%s' is not installed", b->id, tool);
		if (is_prefixed)
			return error_hint(err, "apt-get install gcc-%.*s", (int)strlen(cross) - 1, cross);
		return error_hint(err, "apt-get install %s", tools[i].package);
	}
	return 0;
}

static int check_folder(const struct kbuild *b, const char *path, const char *hint, struct error *err)
{
	size_t at = strcspn(path, " \t\n:#$%'\"\\`&;|<>()*?");

	if (!path[at])
		return 0;
	error_set(err, ERROR_USAGE, "cannot build kernel '%s': make cannot work with the '%c' in '%s'", b->id, path[at], path);
	return error_hint(err, "%s", hint);
}

int kbuild_check_folders(const struct kbuild *b, struct error *err)
{
	_cleanup_free_ char *store = store_path(&kernel_store, b->paths);
	_cleanup_free_ char *git = mem_printf("rename it, or build what is committed: quiz kernel build --git '%s'", b->source.dir);

	if (b->source.kind == KERNEL_SOURCE_TREE && check_folder(b, b->source.dir, git, err) < 0)
		return -1;
	if (check_folder(b, b->obj, "put the cache elsewhere: XDG_CACHE_HOME=/var/tmp/cache quiz kernel build ...", err) < 0)
		return -1;
	return check_folder(b, store, "put the store elsewhere, by XDG_DATA_HOME in the environment of every quiz", err);
}

void kbuild_make_init(struct kbuild *b)
{
	_cleanup_free_ char *ccache = fs_find_program("ccache");
	const char *cross = is_cross(b) && b->arch->cross_prefix ? b->arch->cross_prefix : "";
	const char *prefix = ccache ? "ccache " : "";
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	b->result->has_ccache = ccache;
	strv_add(&b->make, "make");
	strv_add(&b->make, "--no-print-directory");
	strv_addf(&b->make, "-j%u", b->req->jobs ? b->req->jobs : cpus > 0 ? (unsigned)cpus : 1);
	strv_addf(&b->make, "--directory=%s", b->source.dir);
	strv_addf(&b->make, "O=%s", b->obj);
	strv_addf(&b->make, "ARCH=%s", b->arch->kernel_arch);
	if (b->req->use_llvm) {
		strv_add(&b->make, "LLVM=1");
		strv_addf(&b->make, "CC=%sclang", prefix);
		strv_addf(&b->make, "HOSTCC=%sclang", prefix);
	} else {
		if (*cross)
			strv_addf(&b->make, "CROSS_COMPILE=%s", cross);
		strv_addf(&b->make, "CC=%s%sgcc", prefix, cross);
		strv_addf(&b->make, "HOSTCC=%sgcc", prefix);
	}
	make_env(b);
}

/* ---- What make says ---- */

static bool is_cause(const char *line)
{
	static const char *const signs[] = { " error: ", "undefined reference", "No rule to make target", "*** ",
					     "No space left", "not found", "ERROR: " };

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
		if (strstr(line, signs[i]))
			return true;
	return false;
}

static void on_line(void *ctx, const char *line)
{
	struct kbuild *b = ctx;

	if (str_starts(line, "  CC  ") || str_starts(line, "  AS  ") || str_starts(line, "  CC [M]") ||
	    str_starts(line, "  AS [M]")) {
		b->n_done++;
		b->result->n_objects++;
		progress_count(b->progress, b->n_done, b->n_total > b->n_done ? b->n_total : b->n_done);
	} else if (b->first_errors.n < FIRST_ERRORS_MAX && is_cause(line)) {
		_cleanup_str_ struct str safe = STR_INIT;

		str_add_safe(&safe, line, strnlen(line, ERROR_LINE_MAX), false);
		strv_add(&b->first_errors, str_cstr(&safe));
	}
	progress_line(b->progress, line + strspn(line, " "));
}

int kbuild_hint_room(struct error *err)
{
	return error_hint(err, "quiz kernel rm ID and quiz clean make room; the same command then goes on where this one ended");
}

static int report_failure(struct kbuild *b, const char *stage, struct error *err)
{
	_cleanup_str_ struct str text = STR_INIT;
	bool is_disk_full = false;

	if (err->kind != ERROR_CHILD)
		return -1;
	for (size_t i = 0; i < b->first_errors.n; i++) {
		str_addf(&text, "\n    %s", b->first_errors.v[i]);
		is_disk_full |= strstr(b->first_errors.v[i], strerror(ENOSPC)) != NULL;
	}
	if (b->first_errors.n) {
		error_clear(err);
		error_set(err, ERROR_CHILD, "make failed; the first errors:%s", str_cstr(&text));
	}
	error_wrap(err, "cannot build kernel '%s': %s", b->id, stage);
	return is_disk_full ? kbuild_hint_room(err) : error_hint(err, "less %s (the full log)", b->log_path);
}

int kbuild_make(struct kbuild *b, const char *stage, const char *const *targets, struct error *err)
{
	_cleanup_strv_ struct strv argv = STRV_INIT;
	const struct proc_fd lock = { b->lock_fd, LOCK_CHILD_FD };
	struct proc_spec spec = { .fds = &lock, .n_fds = 1 };

	strv_add_all(&argv, b->make.v);
	strv_add_all(&argv, (char *const *)targets);
	spec.argv = (const char *const *)argv.v;
	spec.env = (const char *const *)b->env.v;
	progress_stage(b->progress, "%s %s", stage, b->id);
	strv_clear(&b->first_errors);
	if (proc_run_lines(&spec, b->log_fd, on_line, b, err) < 0)
		return report_failure(b, stage, err);
	return 0;
}

/* ---- Counting ---- */

static char *count_path(const struct kbuild *b)
{
	return mem_printf("%s/build/%s.objects", b->paths->cache, b->id);
}

/* Objects that an interrupted build has left. */
static unsigned count_objects(const char *dir, unsigned depth)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	unsigned n = 0;

	if (depth > 16 || fs_list(dir, &names, NULL) < 0)
		return 0;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(dir, names.v[i]);
		struct stat st;

		if (lstat(path, &st) < 0 || (depth == 0 && (str_eq(names.v[i], "scripts") || str_eq(names.v[i], "tools"))))
			continue;
		if (S_ISDIR(st.st_mode))
			n += count_objects(path, depth + 1);
		else if (names.v[i][0] != '.' && str_ends(names.v[i], ".o"))
			n++;
	}
	return n;
}

void kbuild_count(struct kbuild *b)
{
	_cleanup_free_ char *path = count_path(b);
	_cleanup_str_ struct str text = STR_INIT;
	uint32_t last;

	b->n_total = b->n_total * OBJECTS_PER_100_SYMBOLS / 100;
	if (fs_read(path, 64, &text, NULL) == 0 && parse_u32(str_cstr(&text), 1, 1000000, &last, NULL) == 0)
		b->n_total = last;
	b->n_done = count_objects(b->obj, 0);
	b->result->n_objects = 0;
}

static void count_ccache(struct kbuild *b)
{
	_cleanup_free_ char *path = fs_join(b->obj, "ccache.log");
	_cleanup_str_ struct str text = STR_INIT;

	if (fs_read(path, STATSLOG_MAX, &text, NULL) < 0)
		return;
	for (const char *line = str_cstr(&text); *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (str_starts(line, "direct_cache_hit\n") || str_starts(line, "preprocessed_cache_hit\n"))
			b->result->n_hits++;
		else if (str_starts(line, "cache_miss\n"))
			b->result->n_misses++;
	}
}

void kbuild_statistics(struct kbuild *b)
{
	_cleanup_free_ char *path = count_path(b);
	_cleanup_free_ char *text = mem_printf("%u", b->n_done);

	fs_write_atomic(path, text, strlen(text), 0644, false, NULL); /* only an estimate for the next time */
	count_ccache(b);
}
