/* SPDX-License-Identifier: MPL-2.0 */
/*
 * quiz symbolize: where files with debug information are looked for, in this order:
 *
 *	--modules DIR or FILE		what the user names
 *	<workspace>/.quiz/openzfs/<kernel id>, <workspace>/module	unstripped modules of an OpenZFS build
 *	<workspace>, or the current folder	other modules' and kernels' trees, a few levels deep
 *	<kernel>/debug, build, modules	the store
 *	/usr/lib/debug			the host's debug packages, by release, and first by build id where the log has it
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "cmd/helper/symbols.h"
#include "image/kernel.h"
#include "run/symbolize.h"
#include "sys/fs.h"

#define LOG_MAX	      (256u * 1024 * 1024)
#define TREE_DEPTH    10
#define SHALLOW_DEPTH 4
#define TREE_ENTRIES  200000 /* a folder like / is not searched for ever */

struct symbolize_options {
	char *kernel;
	struct strv modules;
	bool no_source;
	bool notes;
};

#define FIELD(name) offsetof(struct symbolize_options, name)
static const struct option_row options[] = {
	{ "kernel", 'k', OPTION_REQUIRED, 0, FIELD(kernel), option_set_text, NULL, "KERNEL", NULL, NULL, "kernel",
	  "the kernel of the log, or the path of its vmlinux (default: by the release in the log)" },
	{ "modules", 'm', OPTION_REQUIRED, OPTION_LIST, FIELD(modules), option_set_paths, NULL, "PATH", NULL, NULL,
	  "file", "a module with debug information, or a folder to look in" },
	{ "no-source", 0, OPTION_FLAG, 0, FIELD(no_source), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "locations only, no lines of source" },
	{ "notes", 0, OPTION_FLAG, OPTION_HIDDEN, FIELD(notes), option_set_flag, NULL, NULL, NULL, NULL, NULL,
	  "what is missing goes to standard output, in lines that begin with 'note: ' (for quiz itself)" },
};

#define USAGE "[-k KERNEL] [-m PATH]... [FILE|-]"

struct places {
	const struct symbolize_options *options;
	struct workspace workspace;
	struct kernel kernel;
	bool has_kernel;
	const char *vmlinux; /* -k PATH */
	char *release;	     /* of the log, or NULL */
};

/* Is `file` the module `name`? '-' and '_' are the same in module names. */
static bool is_module_file(const char *file, const char *name)
{
	for (; *name; file++, name++)
		if ((*file == '-' ? '_' : *file) != (*name == '-' ? '_' : *name))
			return false;
	return str_eq(file, ".ko") || str_eq(file, ".ko.debug");
}

static void look_in(struct symbols *s, const char *module, const char *path, unsigned depth, unsigned *budget)
{
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (depth == 0 || *budget == 0 || fs_list(path, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n && *budget; i++) {
		_cleanup_free_ char *sub = fs_join(path, names.v[i]);
		struct stat st;

		--*budget;
		if (lstat(sub, &st) < 0)
			continue;
		if (S_ISREG(st.st_mode) && is_module_file(names.v[i], module))
			symbols_add(s, module, sub);
		else if (S_ISDIR(st.st_mode))
			look_in(s, module, sub, depth - 1, budget);
	}
}

static void look_at(struct symbols *s, const char *module, const char *path, unsigned depth)
{
	const char *base = strrchr(path, '/');
	unsigned budget = TREE_ENTRIES;

	if (fs_is_dir(path))
		look_in(s, module, path, depth, &budget);
	else if (is_module_file(base ? base + 1 : path, module) && fs_exists(path))
		symbols_add(s, module, path);
}

static void look_below(struct symbols *s, const char *module, const char *dir, const char *fmt, const char *arg)
{
	_cleanup_free_ char *rest = mem_printf("%s%s", fmt, arg ? arg : "");
	_cleanup_free_ char *path = fs_join(dir, rest);

	look_at(s, module, path, TREE_DEPTH);
}

static void add_if_there(struct symbols *s, char *path_consumed)
{
	if (fs_exists(path_consumed))
		symbols_add(s, "", path_consumed);
	free(path_consumed);
}

static void find_vmlinux(const struct places *p, struct symbols *s)
{
	if (p->vmlinux)
		symbols_add(s, "", p->vmlinux);
	if (p->workspace.root)
		add_if_there(s, fs_join(p->workspace.root, "vmlinux"));
	if (p->has_kernel) {
		add_if_there(s, fs_join(p->kernel.dir, "debug/vmlinux"));
		add_if_there(s, fs_join(p->kernel.dir, "build/vmlinux"));
		add_if_there(s, fs_join(p->kernel.dir, "vmlinux"));
	}
	if (p->release && !strchr(p->release, '/')) {
		add_if_there(s, mem_printf("/usr/lib/debug/boot/vmlinux-%s", p->release));
		add_if_there(s, mem_printf("/usr/lib/debug/lib/modules/%s/vmlinux", p->release));
	}
}

/* Where distributions put debug information that is asked for by build id. */
static void find_by_build_id(struct symbols *s, const char *module, const char *build_id)
{
	_cleanup_free_ char *path = NULL;

	if (!build_id || strlen(build_id) < 4)
		return;
	path = mem_printf("/usr/lib/debug/.build-id/%.2s/%s.debug", build_id, build_id + 2);
	if (fs_exists(path))
		symbols_add(s, module, path);
}

static void find_files(void *ctx, struct symbols *s, const char *module, const char *build_id)
{
	const struct places *p = ctx;

	find_by_build_id(s, module, build_id);

	if (!*module) {
		find_vmlinux(p, s);
		return;
	}
	for (size_t i = 0; i < p->options->modules.n; i++)
		look_at(s, module, p->options->modules.v[i], TREE_DEPTH);
	if (p->workspace.root && p->has_kernel)
		look_below(s, module, p->workspace.dir, "openzfs/", p->kernel.id);
	if (p->workspace.root)
		look_below(s, module, p->workspace.root, "module", NULL);
	look_at(s, module, p->workspace.root ? p->workspace.root : ".", SHALLOW_DEPTH);
	if (p->has_kernel) {
		look_below(s, module, p->kernel.dir, "debug", NULL);
		look_below(s, module, p->kernel.dir, "modules", NULL);
	}
	if (p->release && !strchr(p->release, '/'))
		look_below(s, module, "/usr/lib/debug/lib/modules", "/", p->release);
}

/* The kernel by name, or by the log's release; none is no error unless it was named. */
static int find_kernel(struct places *p, const struct context *ctx, struct error *err)
{
	struct kernel_list list = { 0 };
	int rc = 0;

	if (p->options->kernel && fs_exists(p->options->kernel) && !fs_is_dir(p->options->kernel)) {
		p->vmlinux = p->options->kernel;
		return 0;
	}
	if (p->options->kernel) {
		rc = kernel_find(&ctx->paths, NULL, p->options->kernel, NULL, &p->kernel, err);
		p->has_kernel = rc == 0;
		return rc;
	}
	if (!p->release || kernel_list(&ctx->paths, &list, NULL, NULL) < 0)
		return 0;
	for (size_t i = 0; i < list.n && !p->has_kernel; i++)
		if (str_eq(list.v[i].release, p->release))
			p->has_kernel = kernel_load(list.v[i].dir, &p->kernel, NULL) == 0;
	kernel_list_clear(&list);
	return 0;
}

/* What would have made it better. */
static void print_missing(const struct symbolize *z, const struct places *p)
{
	FILE *to = p->options->notes ? stdout : stderr;
	const char *before = p->options->notes ? "note: " : "quiz: ";

	for (size_t i = 0; i < z->n_counts; i++) {
		const struct symbolize_count *c = &z->counts[i];
		const char *what = *c->module ? c->module : "the kernel", *file = symbols_file(z->symbols, c->module);

		if (c->n_other_build > c->n_found)
			fprintf(to, "%s'%s' is another build of %s than the one in the log\n", before,
				file ? file : "?", what);
		if (!(c->n_no_file + c->n_no_debug))
			continue;
		fprintf(to, "%sno source lines for %s: %s; ", before, what,
			c->n_no_debug ? "its file has no debug information" : "no file of it was found");
		if (!*c->module && p->has_kernel && str_eq(p->kernel.origin, "debian"))
			fprintf(to, "quiz kernel fetch debian --debug brings its debug package\n");
		else if (*c->module)
			fprintf(to, "the tree that it was built in has them (quiz symbolize -m TREE)\n");
		else
			fprintf(to,
				"a build of %s with CONFIG_DEBUG_INFO or its debug package has them (quiz symbolize -k "
				"KERNEL, or a path to vmlinux)\n",
				p->release ? p->release : "that kernel");
	}
}

static int read_input(const char *path, struct str *ret, struct error *err)
{
	char buf[65536];
	ssize_t n;

	if (!str_eq(path, "-"))
		return fs_read(path, LOG_MAX, ret, err);
	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "read standard input");
		if (ret->len + (size_t)n > LOG_MAX)
			return error_set(err, ERROR_USAGE, "the log is larger than %u MiB", LOG_MAX >> 20);
		str_add_mem(ret, buf, (size_t)n);
	}
	return 0;
}

static int symbolize_main(int argc, char **argv, struct error *err)
{
	_cleanup_strv_ struct strv words = STRV_INIT;
	_cleanup_str_ struct str text = STR_INIT, out = STR_INIT;
	_cleanup_context_ struct context ctx = { 0 };
	struct symbolize_options o = { 0 };
	struct places places = { .options = &o };
	struct symbolize z;
	int rc = -1;

	symbolize_init(&z);
	if (command_options(options, ARRAY_SIZE(options), "symbolize", argc, argv, &o, &words, err) < 0 ||
	    command_want_words(&words, 0, 1, "symbolize", USAGE, err) < 0 || context_load(&ctx, err) < 0 ||
	    read_input(words.n ? words.v[0] : "-", &text, err) < 0)
		goto out;
	places.workspace = ctx.workspace;
	places.release = symbolize_release(str_cstr(&text), text.len);
	if (find_kernel(&places, &ctx, err) < 0)
		goto out;
	z.find = find_files;
	z.ctx = &places;
	z.no_source = o.no_source;
	symbolize_text(&z, str_cstr(&text), text.len, &out);
	fputs(str_cstr(&out), stdout);
	fflush(stdout);
	print_missing(&z, &places);
	rc = 0;
out:
	if (places.has_kernel)
		kernel_clear(&places.kernel);
	symbolize_clear(&z);
	strv_clear(&o.modules);
	free(o.kernel);
	free(places.release);
	return rc;
}

const struct command cmd_symbolize = {
	.name = "symbolize",
	.group = GROUP_LOOK,
	.usage = USAGE,
	.summary = "Put source lines to the stacks of a kernel log",
	.help = "Prints the log with function, file and line behind every symbol+offset, inlined\n"
		"functions included, and the line of source where the source is at hand. The kernel\n"
		"is the one in the store whose release the log names, or -k. Modules come from the\n"
		"workspace's build, from -m, and from the kernel's debug files.\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.main = symbolize_main,
};
