/* SPDX-License-Identifier: MPL-2.0 */
/* configure and make for a kernel of the store: see openzfs_make.h. */

#include "image/openzfs_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/kernel.h"
#include "image/kernel_version.h"
#include "image/openzfs_build.h"
#include "image/openzfs_cross.h"
#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/lock.h"
#include "sys/proc.h"

extern char **environ;

/* The inner loop's target: the modules, once everything has been built. No name that make could be given. */
#define TARGET_LOOP ""

/*
 * What every configuration gets; the user's arguments come after these.
 * - The prefix is one that the test suite's restricted PATH searches.
 * - The folders that would escape the prefix point to merged-usr places.
 * - Without the lt_cv variable libtool trusts the build host's ld.so.conf to
 *   find /usr/local/lib, and gives the programs no RUNPATH; nothing runs
 *   ldconfig in a throw-away machine.
 * - Libraries as archives, which no machine uses, would have every file of
 *   lib/ compiled a second time.
 */
static const char *const configure_args[] = {
	"--prefix=/usr/local",
	"--sysconfdir=/etc",
	"--localstatedir=/var",
	"--with-udevdir=/usr/lib/udev",
	"--with-udevruledir=/usr/lib/udev/rules.d",
	"--with-mounthelperdir=/usr/sbin",
	"--with-dracutdir=/usr/lib/dracut",
	"--disable-sysvinit",
	"--disable-systemd",
	"--disable-pam",
	"--disable-pyzfs",
	"--disable-static",
	"lt_cv_sys_lib_dlsearch_path_spec=/lib /usr/lib",
};

/* Variables that a kernel build takes for its own: some developers' shells have them set. */
static const char *const bad_variables[] = {
	"ARCH=", "CROSS_COMPILE=", "KBUILD_OUTPUT=", "KBUILD_EXTMOD=", "O=", "M="
};

/*
 * Distributions keep links with the compilers' names that lead to ccache. Found
 * first in PATH they serve the tree's own configure and make, which know
 * nothing of it: another branch, a second kernel or a new configuration then
 * costs what has really changed. The folder's name stays in ccache's key, so
 * debug information always names the tree that it was built from.
 */
static const char *const ccache_dirs[] = { "/usr/lib/ccache", "/usr/lib64/ccache", "/usr/lib/ccache/bin" };

static void add_path(struct strv *env, const char *path)
{
	_cleanup_free_ char *ccache = fs_find_program("ccache");
	const char *dir = NULL;

	for (size_t i = 0; ccache && !dir && i < ARRAY_SIZE(ccache_dirs); i++) {
		_cleanup_free_ char *link = fs_join(ccache_dirs[i], "gcc");

		if (fs_exists(link))
			dir = ccache_dirs[i];
	}
	strv_addf(env, "PATH=%s%s%s", dir ? dir : "", dir ? ":" : "", path);
}

/* Whether the variable of an "NAME=VALUE" has a row there. */
static bool is_named(const char *variable, const struct strv *rows)
{
	size_t n = strcspn(variable, "=") + 1;

	for (size_t i = 0; i < rows->n; i++)
		if (strncmp(rows->v[i], variable, n) == 0)
			return true;
	return false;
}

/*
 * more: what a cross build needs. What the user's environment says of the same
 * is left out: of two variables of one name libc's getenv() takes the first,
 * but a shell, which configure is, the last.
 */
static void build_environment(const struct strv *more, struct strv *env)
{
	strv_add_all(env, more->v);
	for (char **e = environ; *e; e++) {
		bool is_bad = is_named(*e, more);

		for (size_t i = 0; i < ARRAY_SIZE(bad_variables); i++)
			is_bad = is_bad || str_starts(*e, bad_variables[i]);
		if (str_starts(*e, "PATH="))
			add_path(env, *e + strlen("PATH="));
		else if (!is_bad)
			strv_add(env, *e);
	}
	if (!getenv("TEST_JOBS")) /* of configure's kernel checks */
		strv_addf(env, "TEST_JOBS=%ld", sysconf(_SC_NPROCESSORS_ONLN));
}

/*
 * Runs it in dir, in our process group, so that Ctrl-C ends all of it. All it
 * says goes to our stderr: stdout is for results, and after --make for those
 * of the program that is run next.
 */
static int run_shown(const struct strv *argv, const char *dir, const struct strv *more_env, struct error *err)
{
	static const struct proc_fd fds[] = { { STDERR_FILENO, STDOUT_FILENO }, { STDERR_FILENO, STDERR_FILENO } };
	_cleanup_strv_ struct strv env = STRV_INIT;
	struct proc_spec spec = {
		.argv = (const char *const *)argv->v,
		.cwd = dir,
		.fds = fds,
		.n_fds = ARRAY_SIZE(fds),
		.same_group = true,
	};
	int status;
	pid_t pid;

	build_environment(more_env, &env);
	spec.env = (const char *const *)env.v;
	fflush(NULL);
	if (proc_start(&spec, &pid, err) < 0 || proc_wait(pid, &status, err) < 0)
		return -1;
	if (status)
		return error_set(err, ERROR_CHILD, "'%s' in '%s' ended with status %d", argv->v[0], dir, status);
	return 0;
}

/* Somebody else's build for the same kernel in the same tree would write the same files. */
static void say_waiting(const char *holder)
{
	fprintf(stderr, "waiting: %s\n", holder);
}

static int lock_home(const char *home, const char *doing, struct error *err)
{
	_cleanup_free_ char *path = fs_join(home, "build.lock");
	_cleanup_free_ char *who = mem_printf("pid %ld: %s", (long)getpid(), doing);

	return lock_take(path, LOCK_EXCLUSIVE_MODE, true, who, say_waiting, err);
}

/* ---- configure ---- */

static int check_tree(const char *tree, const struct kernel *kernel, struct error *err)
{
	_cleanup_str_ struct str hint = STR_INIT;

	if (!openzfs_is_tree(tree))
		return error_set(err, ERROR_USAGE, "cannot build OpenZFS in '%s': it is no OpenZFS tree", tree);
	if (kernel->has_build)
		return 0;
	error_set(err, ERROR_MISSING, "cannot build OpenZFS for kernel '%s': it has no build tree for modules",
		  kernel->id);
	kernel_build_again(kernel, &hint);
	return error_hint(err, "%s -p zfs, and -k its id", str_cstr(&hint));
}

static int run_autogen(const char *tree, struct error *err)
{
	_cleanup_free_ char *configure = fs_join(tree, "configure");
	_cleanup_strv_ struct strv argv = STRV_INIT;

	if (fs_exists(configure))
		return 0;
	strv_add(&argv, "./autogen.sh");
	if (run_shown(&argv, tree, &(struct strv)STRV_INIT, err) == 0)
		return 0;
	error_wrap(err, "make '%s'", configure);
	return error_hint(err, "apt install autoconf automake libtool gettext pkg-config");
}

#define SOURCE_MARK "include/linux/miscdevice.h" /* configure reads it by path */

static bool has_sources(const char *dir)
{
	_cleanup_free_ char *mark = fs_join(dir, SOURCE_MARK);

	return fs_exists(mark);
}

/*
 * Where a build tree's headers are: in it, where its `source` link points (a
 * build with O=), or, in Debian's packages, beside it in a folder that the
 * flavours have in common. Caller frees.
 */
static char *kernel_source(const char *obj)
{
	_cleanup_free_ char *source = fs_join(obj, "source"), *real = fs_real_path(obj, NULL), *parent = NULL;
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (has_sources(obj) || !real)
		return mem_strdup(obj);
	if (has_sources(source))
		return take_ptr(source);
	parent = mem_strndup(real, (size_t)(strrchr(real, '/') - real));
	if (fs_list(parent, &names, NULL) < 0)
		return mem_strdup(obj);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *common = fs_join(parent, names.v[i]);

		if (str_ends(names.v[i], "-common") && has_sources(common))
			return take_ptr(common);
	}
	return mem_strdup(obj);
}

static void add_kernel_args(struct strv *argv, const struct kernel *kernel)
{
	_cleanup_free_ char *obj = kernel_build_path(kernel), *source = kernel_source(obj);

	strv_addf(argv, "--with-linux=%s", source);
	strv_addf(argv, "--with-linux-obj=%s", obj);
}

/* Later versions refuse kernels that are newer than they know, unless told. */
static void add_experimental(struct strv *argv, const char *tree, const struct kernel *kernel)
{
	_cleanup_free_ char *max = openzfs_meta_value(tree, "Linux-Maximum");
	unsigned major, minor, max_major, max_minor;

	if (!max || sscanf(max, "%u.%u", &max_major, &max_minor) != 2 ||
	    sscanf(kernel->version, "%u.%u", &major, &minor) != 2)
		return;
	if (major > max_major || (major == max_major && minor > max_minor)) {
		fprintf(
		    stderr,
		    "kernel %s is newer than this OpenZFS knows (%s): configuring with --enable-linux-experimental\n",
		    kernel->version, max);
		strv_add(argv, "--enable-linux-experimental");
	}
}

/*
 * From 2.3 on programs take libunwind if the host has it, for the backtraces of
 * their own failures; then none starts in a root without it, which a minimal
 * one is.
 */
static void add_without_unwind(struct strv *argv, const char *tree)
{
	_cleanup_free_ char *check = fs_join(tree, "config/user-libunwind.m4");

	if (fs_exists(check))
		strv_add(argv, "--without-libunwind");
}

/* A build folder for another kernel, or of another place, is of no use, and its cached answers would be wrong. */
static int start_afresh(const char *home, struct error *err)
{
	static const char *const parts[] = { "build", "source", "config.cache" };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		_cleanup_free_ char *path = fs_join(home, parts[i]);

		if (fs_remove_tree(path, NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* Works out the source folder: the tree, or links to it. Caller frees; NULL with err set. */
static char *source_folder(const char *tree, const char *home, const struct strv *args, struct error *err)
{
	_cleanup_free_ char *in_place = fs_join(tree, "config.status");
	bool is_gpl = strv_has(args, "--gpl");

	if (!is_gpl && !fs_exists(in_place))
		return mem_strdup(tree);
	return openzfs_source(tree, home, is_gpl, err) < 0 ? NULL : fs_join(home, "source");
}

static int configure_locked(const char *tree, const char *home, const struct kernel *kernel, const struct openzfs_cross *cross,
			    const struct strv *args, struct error *err)
{
	_cleanup_free_ char *dir = fs_join(home, "build"), *source = NULL, *config_status = NULL;
	_cleanup_(openzfs_configured_clear) struct openzfs_configured c = { 0 };
	_cleanup_strv_ struct strv argv = STRV_INIT;

	if (openzfs_configured_load(home, &c, err) < 0)
		return -1;
	if (args) {
		bool was_gpl = strv_has(&c.args, "--gpl");

		strv_clear(&c.args);
		strv_add_all(&c.args, args->v);
		if (was_gpl != strv_has(&c.args, "--gpl") && start_afresh(home, err) < 0)
			return -1;
	}
	if (((c.kernel_key && !str_eq(c.kernel_key, kernel->key)) || openzfs_configured_is_moved(&c, home)) &&
	    start_afresh(home, err) < 0)
		return -1;
	source = run_autogen(tree, err) < 0 ? NULL : source_folder(tree, home, &c.args, err);
	if (!source || fs_mkdir_p(dir, 0755, err) < 0)
		return -1;
	strv_addf(&argv, "%s/configure", source);
	strv_addf(&argv, "--cache-file=%s/config.cache", home);
	add_kernel_args(&argv, kernel);
	strv_add_all(&argv, cross->args.v);
	for (size_t i = 0; i < ARRAY_SIZE(configure_args); i++)
		strv_add(&argv, configure_args[i]);
	add_experimental(&argv, tree, kernel);
	add_without_unwind(&argv, tree);
	for (size_t i = 0; i < c.args.n; i++)
		if (!str_eq(c.args.v[i], "--gpl"))
			strv_add(&argv, str_eq(c.args.v[i], "--debug") ? "--enable-debug" : c.args.v[i]);
	/* One that is interrupted, or fails, leaves a mixture of two: without this file the next make begins it again. */
	config_status = fs_join(dir, "config.status");
	if (unlink(config_status) < 0 && errno != ENOENT)
		return error_sys(err, errno, "remove '%s'", config_status);
	if (run_shown(&argv, dir, &cross->env, err) < 0)
		return error_wrap(err, "configure OpenZFS for kernel '%s'", kernel->id);
	free(c.kernel_key);
	free(c.kernel_text);
	free(c.home);
	c.home = mem_strdup(home);
	c.kernel_key = mem_strdup(kernel->key);
	c.kernel_text = mem_strdup(kernel->id);
	return openzfs_configured_save(home, &c, err);
}

int openzfs_configure(const struct paths *paths, const char *tree, const struct kernel *kernel, const struct strv *args,
		      struct error *err)
{
	_cleanup_free_ char *home = openzfs_home(tree, kernel);
	_cleanup_openzfs_cross_ struct openzfs_cross cross = { 0 };
	_cleanup_close_ int lock = -1;

	if (check_tree(tree, kernel, err) < 0 || openzfs_cross_init(paths, tree, home, kernel, &cross, err) < 0 ||
	    fs_mkdir_p(home, 0755, err) < 0)
		return -1;
	lock = lock_home(home, "configuring OpenZFS", err);
	return lock < 0 ? -1 : configure_locked(tree, home, kernel, &cross, args, err);
}

/* ---- make ---- */

/* The release of the kernel that the tree is configured for in place, or NULL. Caller frees. */
static char *tree_release(const char *tree)
{
	_cleanup_free_ char *path = fs_join(tree, "module/Makefile"), *uts = NULL;
	_cleanup_str_ struct str text = STR_INIT, release = STR_INIT;
	const char *line, *quote;

	if (fs_read(path, 1 << 20, &text, NULL) < 0)
		return NULL;
	for (line = str_cstr(&text); line && !str_starts(line, "LINUX_OBJ");
	     line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		;
	if (!line || !(line = strchr(line, '=')))
		return NULL;
	line += 1 + strspn(line + 1, " \t");
	uts = mem_printf("%.*s/include/generated/utsrelease.h", (int)strcspn(line, " \t\r\n"), line);
	if (fs_read(uts, 4096, &release, NULL) < 0 || !(quote = strchr(str_cstr(&release), '"')))
		return NULL;
	return mem_strndup(quote + 1, strcspn(quote + 1, "\""));
}

/*
 * Where to build: our folder when it is configured for this very kernel, the
 * tree when its user has configured it for that release, else our folder
 * after configuring it. Caller frees; NULL with err set.
 */
static char *build_folder(const char *tree, const char *home, const struct kernel *kernel, const struct openzfs_cross *cross,
			  struct error *err)
{
	_cleanup_(openzfs_configured_clear) struct openzfs_configured c = { 0 };
	_cleanup_free_ char *dir = fs_join(home, "build"), *status = fs_join(dir, "config.status");
	_cleanup_free_ char *in_place = fs_join(tree, "config.status"), *release = NULL;

	if (openzfs_configured_load(home, &c, err) < 0)
		return NULL;
	if (!fs_exists(status) && fs_exists(in_place)) {
		release = tree_release(tree);
		if (str_eq(release, kernel->release))
			return mem_strdup(tree);
	}
	if (fs_exists(status) && str_eq(c.kernel_key, kernel->key) && !openzfs_configured_is_moved(&c, home)) {
		_cleanup_free_ char *source = source_folder(tree, home, &c.args, err); /* new files get their links */

		return source ? take_ptr(dir) : NULL;
	}
	return configure_locked(tree, home, kernel, cross, NULL, err) < 0 ? NULL : take_ptr(dir);
}

/* A configured folder, and what make there is told by its environment. */
struct folder {
	const char *dir, *home;
	const struct strv *env;
};

static int run_make(const struct folder *f, const char *subdir, const char *target, const char *const *more, struct error *err)
{
	_cleanup_strv_ struct strv argv = STRV_INIT;
	const char *flags = getenv("MAKEFLAGS");

	strv_add(&argv, "make");
	if (!flags || !strstr(flags, "j"))
		strv_addf(&argv, "-j%ld", sysconf(_SC_NPROCESSORS_ONLN));
	/* The tree prints which folder it enters for each of its hundred folders. */
	strv_add(&argv, "--no-print-directory");
	if (subdir)
		strv_add_all(&argv, (char *[]){ "-C", (char *)subdir, NULL });
	if (target)
		strv_add(&argv, target);
	strv_add_all(&argv, (char *const *)more);
	return run_shown(&argv, f->dir, f->env, err);
}

/*
 * Into a fresh folder that then takes the place of the old one. The modules
 * that come along are dropped: stage/ has them, newer and without debug
 * sections. INSTALL_MOD_PATH stays inside the folder, as the tree's makefile
 * deletes modules.* wherever that points.
 */
static int run_install(const struct folder *f, struct error *err)
{
	const char *home = f->home;
	_cleanup_free_ char *tmp = fs_temp_dir(home, "install", err), *destdir = NULL, *modules = NULL, *lib = NULL;
	_cleanup_free_ char *to = fs_join(home, "install"), *old = fs_join(home, "install.old");

	if (!tmp)
		return -1;
	destdir = mem_printf("DESTDIR=%s", tmp);
	modules = fs_join(tmp, "usr/lib/modules");
	lib = fs_join(tmp, "lib/modules");
	if (run_make(f, NULL, "install", (const char *[]){ destdir, "INSTALL_MOD_STRIP=1", NULL }, err) < 0 ||
	    fs_remove_tree(modules, NULL, err) < 0 || fs_remove_tree(lib, NULL, err) < 0 ||
	    fs_remove_tree(old, NULL, err) < 0) {
		fs_remove_tree(tmp, NULL, NULL);
		return -1;
	}
	if ((rename(to, old) < 0 && errno != ENOENT) || rename(tmp, to) < 0) {
		error_sys(err, errno, "replace '%s'", to);
		if (!fs_exists(to))
			rename(old, to); /* as it was */
		fs_remove_tree(tmp, NULL, NULL);
		return -1;
	}
	return fs_remove_tree(old, NULL, err);
}

static bool has_user_space(const char *dir)
{
	_cleanup_free_ char *new = fs_join(dir, "zpool"), *old = fs_join(dir, "cmd/zpool/zpool");

	return fs_exists(new) || fs_exists(old);
}

/* Up to 2.1 each folder has a makefile of its own; later there is one for all. */
static bool has_makefiles(const struct folder *f)
{
	_cleanup_free_ char *old = fs_join(f->dir, "cmd/zpool/Makefile");

	return fs_exists(old);
}

/*
 * What makes and shows pools. Left out are the programs linked with libzpool
 * (zdb, ztest, zhack, raidz_test, from 2.2 on zstream), which compiles all of
 * the module a second time and is most of what user space costs, and what only
 * libzpool is made of (libicp, libunicode, libzstd). The folders of lib/ are in
 * the order of the tree's own SUBDIRS; those of other versions are not there.
 */
static int run_tools(const struct folder *f, struct error *err)
{
	static const char *const folders[] = {
		"lib/libavl",	 "lib/libshare", "lib/libspl",	 "lib/libtpool",    "lib/libefi",
		"lib/libnvpair", "lib/libzutil", "lib/libuutil", "lib/libzfs_core", "lib/libzfs",
		"cmd/zpool",	 "cmd/zfs",	 "cmd/zinject",	 "cmd/mount_zfs",
	};
	static const char *const programs[] = { "zpool", "zfs", "zinject", "mount.zfs", NULL };

	if (run_make(f, NULL, "gitrev", NULL, err) < 0)
		return -1;
	if (!has_makefiles(f))
		return run_make(f, NULL, NULL, programs, err);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_free_ char *makefile = mem_printf("%s/%s/Makefile", f->dir, folders[i]);

		if (fs_exists(makefile) && run_make(f, folders[i], NULL, NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* What a machine gets of user space, without tests and manuals. */
static int run_programs(const struct folder *f, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (run_make(f, NULL, "gitrev", NULL, err) < 0)
		return -1;
	if (has_makefiles(f))
		return run_make(f, "lib", NULL, NULL, err) < 0 ? -1 : run_make(f, "cmd", NULL, NULL, err);
	openzfs_stage_programs(&names);
	return run_make(f, NULL, NULL, (const char *const *)names.v, err);
}

static int run_target(const struct folder *f, const char *target, struct error *err)
{
	if (str_eq(target, TARGET_LOOP))
		target = has_user_space(f->dir) ? "modules" : NULL;
	if (str_eq(target, "install"))
		return run_make(f, NULL, NULL, NULL, err) < 0 ? -1 : run_install(f, err);
	if (str_eq(target, "modules"))
		return run_make(f, "module", NULL, NULL, err);
	if (str_eq(target, "programs"))
		return run_programs(f, err);
	if (str_eq(target, "tools"))
		return run_tools(f, err);
	return run_make(f, NULL, target, NULL, err);
}

/* What was built, as git says it: the tree's own zfs_gitrev.h is not made by `make -C module`. */
static int save_describe(const char *tree, const char *home, struct error *err)
{
	_cleanup_free_ char *path = fs_join(home, "describe"), *text = openzfs_git_describe(tree, NULL);

	if (!text)
		text = openzfs_meta_version(tree);
	return fs_write_atomic(path, text ? text : "unknown", strlen(text ? text : "unknown"), 0644, false, err);
}

char *openzfs_git_describe(const char *tree, char **ret_why)
{
	const char *argv[] = { "git", "-C", tree, "describe", "--always", "--long", "--dirty", NULL };
	_cleanup_free_ char *git = fs_join(tree, ".git");
	_cleanup_str_ struct str out = STR_INIT;
	struct error err = ERROR_INIT;

	if (!fs_exists(git))
		return NULL;
	if (proc_run(argv, &out, &err) == 0)
		return mem_strndup(str_cstr(&out), strcspn(str_cstr(&out), "\n"));
	if (ret_why && strstr(err.text, "dubious ownership"))
		*ret_why = mem_printf("git does not read a repository of another user: "
				      "git config --global --add safe.directory %s",
				      tree);
	else if (ret_why)
		*ret_why = mem_strdup(err.text);
	return NULL;
}

int openzfs_make_targets(const struct paths *paths, const char *tree, const struct kernel *kernel, char *const *targets,
			 size_t n, struct error *err)
{
	_cleanup_free_ char *home = openzfs_home(tree, kernel), *dir = NULL, *reseed = NULL;
	_cleanup_openzfs_cross_ struct openzfs_cross cross = { 0 };
	struct folder f = { .home = home, .env = &cross.env };
	_cleanup_close_ int lock = -1;

	if (check_tree(tree, kernel, err) < 0 || openzfs_cross_init(paths, tree, home, kernel, &cross, err) < 0 || fs_mkdir_p(home, 0755, err) < 0)
		return -1;
	lock = lock_home(home, "building OpenZFS", err);
	dir = lock < 0 ? NULL : build_folder(tree, home, kernel, &cross, err);
	if (!dir)
		return -1;
	f.dir = dir;
	for (size_t i = 0; i < n; i++)
		if (run_target(&f, targets[i], err) < 0)
			return -1;
	if (n == 0 && run_target(&f, NULL, err) < 0)
		return -1;
	reseed = openzfs_reseed_module(paths, kernel, true);
	return save_describe(tree, home, err);
}

int openzfs_make(const struct paths *paths, const char *workspace_root, const struct kernel *kernel, const char *target,
		 struct error *err)
{
	char *const targets[] = { (char *)(target && *target ? target : TARGET_LOOP) };

	return openzfs_make_targets(paths, workspace_root, kernel, targets, 1, err);
}
