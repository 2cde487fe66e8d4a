/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation. User space is built by the cross compiler with a
 * sysroot of our own (sysroot.h); --build is given, too, so that configure
 * does not try whether the host happens to run the target's programs. For the
 * modules, OpenZFS 2.2 and later pass KERNEL_ARCH and KERNEL_CROSS_COMPILE on
 * to the kernel's build. Earlier ones know neither, but leave ARCH and
 * CROSS_COMPILE of the environment to it. KERNEL_CC must always be given:
 * configure tries flags for the modules with it, and with the host's compiler
 * otherwise.
 *
 * Programs name few of the libraries that they use through others (libzfs.so
 * needs libuutil.so). Debian's libtool leaves those out of the command line
 * (link_all_deplibs=no) and trusts the linker to find them by the RUNPATH in
 * libzfs.so, which a native linker follows and a cross linker does not: it is
 * told the folders of the build.
 */

#include "image/openzfs_cross.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/sysroot.h"
#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/proc.h"

void openzfs_cross_clear(struct openzfs_cross *c)
{
	strv_clear(&c->args);
	strv_clear(&c->env);
}

static int check_compiler(const struct arch *arch, struct error *err)
{
	_cleanup_free_ char *name = mem_printf("%sgcc", arch->cross_prefix), *path = fs_find_program(name);
	_cleanup_free_ char *triplet = sysroot_triplet(arch);

	if (path)
		return 0;
	error_set(err, ERROR_MISSING, "cannot build OpenZFS for %s: there is no '%s'", arch->name, name);
	return error_hint(err, "apt-get install gcc-%s libc6-dev-%s-cross", triplet, arch->debian);
}

/* In the helper, which can download and unpack. What it says goes to our own stderr. */
static int make_sysroot(const struct paths *paths, const struct arch *arch, struct error *err)
{
	static const struct proc_fd fds[] = { { STDERR_FILENO, STDERR_FILENO } };
	_cleanup_free_ char *helper = fs_join(paths->libexec, "quiz-image");
	const char *const argv[] = { helper, SYSROOT_COMMAND, arch->name, NULL };
	struct proc_spec spec = { .argv = argv, .fds = fds, .n_fds = ARRAY_SIZE(fds), .same_group = true };
	int status;
	pid_t pid;

	fflush(NULL);
	if (proc_start(&spec, &pid, err) < 0 || proc_wait(pid, &status, err) < 0)
		return -1;
	if (status)
		return error_set(err, ERROR_CHILD, "cannot build OpenZFS for %s: there is no sysroot", arch->name);
	return 0;
}

/* Whether the tree's configure passes KERNEL_ARCH on. */
static bool knows_kernel_arch(const char *tree)
{
	_cleanup_free_ char *path = fs_join(tree, "config/kernel.m4");
	_cleanup_str_ struct str text = STR_INIT;

	return fs_read(path, 1 << 20, &text, NULL) == 0 && strstr(str_cstr(&text), "KERNEL_ARCH");
}

/* Up to 2.1 each library has a folder of its own, later there is one for all. */
static char *linker_flags(const char *home)
{
	static const char *const libraries[] = { "libnvpair", "libuutil", "libzfs_core", "libzfs", "libzpool" };
	_cleanup_str_ struct str flags = STR_INIT;

	str_addf(&flags, "-Wl,-rpath-link,%s/build/.libs", home);
	for (size_t i = 0; i < ARRAY_SIZE(libraries); i++)
		str_addf(&flags, " -Wl,-rpath-link,%s/build/lib/%s/.libs", home, libraries[i]);
	return mem_strdup(str_cstr(&flags));
}

int openzfs_cross_init(const struct paths *paths, const char *tree, const char *home, const struct kernel *kernel,
		       struct openzfs_cross *ret, struct error *err)
{
	const struct arch *arch = arch_find(kernel->arch);
	_cleanup_free_ char *root = NULL, *triplet = NULL, *build = NULL, *flags = NULL;

	if (!arch || arch == arch_native())
		return 0;
	if (check_compiler(arch, err) < 0 || make_sysroot(paths, arch, err) < 0)
		return -1;
	root = sysroot_path(paths, arch);
	triplet = sysroot_triplet(arch);
	build = sysroot_triplet(arch_native());
	strv_addf(&ret->args, "--build=%s", build);
	strv_addf(&ret->args, "--host=%s", triplet);
	strv_addf(&ret->args, "CC=%sgcc --sysroot=%s", arch->cross_prefix, root);
	flags = linker_flags(home);
	strv_addf(&ret->args, "LDFLAGS=%s", flags);
	strv_addf(&ret->args, "KERNEL_CROSS_COMPILE=%s", arch->cross_prefix);
	strv_addf(&ret->args, "KERNEL_ARCH=%s", arch->kernel_arch);
	strv_addf(&ret->args, "KERNEL_CC=%sgcc", arch->cross_prefix);
	sysroot_environment(paths, arch, &ret->env);
	if (!knows_kernel_arch(tree)) {
		strv_addf(&ret->env, "ARCH=%s", arch->kernel_arch);
		strv_addf(&ret->env, "CROSS_COMPILE=%s", arch->cross_prefix);
	}
	return 0;
}
