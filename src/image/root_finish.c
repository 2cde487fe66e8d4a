/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation.
 *
 *	mmdebstrap --variant=extract	unpacks; nothing of the root is executed
 *	  its archive, with all .deb files in /var/lib/quiz-packages
 *	quiz root add			into a store of our own, whose kernels are the user's
 *	quiz -a ARCH ...		the script below, as mmdebstrap itself would
 *	  /shared/root.tar		what came of it
 *
 * Each program that dpkg needs is there already, unpacked, so one call that
 * ignores the order of packages installs them all. What is written meanwhile
 * is in the machine's memory.
 */

#include "image/root_finish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/kernel.h"
#include "image/root_build.h"
#include "image/root_hooks.h"
#include "sys/fs.h"

/* What mmdebstrap's minbase has besides what is asked for. */
#define BASE	     "?or(?essential,?priority(required))"
#define PACKAGES     "/var/lib/quiz-packages"
#define MEMORY_MIB   1024u /* and three times the archive: unpacked, unpacked once more, and room */
#define UNFINISHED   "unfinished"

/* All of / but what is mounted, and the kernel's own layer. */
#define PACK "rm -rf /usr/lib/modules /boot/*; cd / && tar -cf /shared/root.tar $(ls -A | grep -vxE 'proc|sys|dev|run|tmp|shared|lost\\+found')\n"

static const char install_script[] =
    "set -e\n"
    "export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8\n"
    "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
    /* What dpkg leaves out (dpkg.cfg.d) was unpacked all the same. */
    "rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/info/* /usr/share/lintian/* /usr/share/locale/*\n"
    "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d\n" /* no daemon is started */
    "chmod 755 /usr/sbin/policy-rc.d\n"
    "dpkg --install --force-depends " PACKAGES "/base-passwd_*.deb\n"
    "dpkg --install --force-depends " PACKAGES "/base-files_*.deb\n"
    "dpkg --install --force-depends " PACKAGES "/*.deb\n"
    "rm -rf /usr/sbin/policy-rc.d " PACKAGES " /etc/machine-id\n"
    "useradd --create-home --shell /bin/bash --uid 1000 quiz\n"
    "if test -d /etc/sudoers.d; then echo 'quiz ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/quiz; fi\n" PACK;

static const char links_script[] =
    "set -e\n"
    "/bin/busybox mkdir -p /bin /sbin /usr/bin /usr/sbin\n"
    "/bin/busybox --install -s\n"
    "rm -rf " PACKAGES "\n" PACK;

int root_finish_check(const struct paths *p, const struct arch *arch, struct error *err)
{
	struct kernel kernel = { 0 };
	int r = kernel_find(p, arch->name, NULL, NULL, &kernel, err);

	kernel_clear(&kernel);
	return r < 0 ? error_wrap(err, "cannot build a root for %s, whose programs can not run here, without a machine", arch->name) : 0;
}

/* ---- unpacking ---- */

/* Of all packages that were ever downloaded those that are unpacked, which only apt knows. */
static void keep_packages(const struct strv *packages, struct str *hook)
{
	str_add(hook, "mkdir -p \"$1\"" PACKAGES " && APT_CONFIG=\"$MMDEBSTRAP_APT_CONFIG\" apt-get -s -y -oDebug::NoLocking=1 "
		      "install '" BASE "' apt");
	for (size_t i = 0; i < packages->n; i++) {
		str_add_char(hook, ' ');
		str_add_shell(hook, packages->v[i]);
	}
	str_add(hook, " | sed -n 's/^Inst \\([^ ]*\\) .*(\\([^ ]*\\) .*\\[\\([^]]*\\)\\]).*/\\1_\\2_\\3.deb/p' | sed 's/:/%3a/g' | "
		      "while read -r deb; do mv \"$1\"/var/cache/apt/archives/\"$deb\" \"$1\"" PACKAGES "/ || exit; done");
}

void root_finish_options(struct strv *argv, const struct root_set *set, const struct strv *packages, const char *deb_dir)
{
	_cleanup_str_ struct str keep = STR_INIT;

	strv_add(argv, "--variant=extract");
	strv_add(argv, "--skip=check/qemu");
	/* An option each: with a pattern among them they are not split at commas. */
	if (!set->is_bare) {
		strv_add(argv, "--include=" BASE);
		strv_add(argv, "--include=apt");
	}
	for (size_t i = 0; i < packages->n; i++)
		strv_addf(argv, "--include=%s", packages->v[i]);
	if (set->is_bare)
		return;
	root_hook_packages(argv, deb_dir, "extract");
	keep_packages(packages, &keep);
	strv_addf(argv, "--extract-hook=%s", str_cstr(&keep));
}

/* ---- the machine ---- */

/* Nothing of the user's settings, and records where they are removed with the rest. */
static void set_environment(struct strv *env, const char *home)
{
	static const char *const ours[] = { "XDG_DATA_HOME=", "XDG_STATE_HOME=", "XDG_CONFIG_HOME=" };

	for (char **e = environ; *e; e++) {
		bool is_ours = str_starts(*e, "QUIZ_") && !str_starts(*e, "QUIZ_TREE=") && !str_starts(*e, "QUIZ_QEMU=");

		for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
			is_ours |= str_starts(*e, ours[i]);
		if (!is_ours)
			strv_add(env, *e);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		strv_addf(env, "%s%s", ours[i], home);
}

static int run(const struct root_finish *f, const char *home, uint64_t tar_bytes, struct error *err)
{
	_cleanup_free_ char *program = fs_join(f->paths->libexec, "quiz");
	_cleanup_strv_ struct strv argv = STRV_INIT, env = STRV_INIT;
	_cleanup_close_ int log = open(f->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
	struct proc_spec spec = { .cwd = home, .pass_signals = true };

	if (log < 0)
		return error_sys(err, errno, "open '%s'", f->log_path);
	strv_add_all(&argv, (char *[]){ program, "run", "--cold", "--no-tty", "--root", UNFINISHED, "--arch", (char *)f->arch->name, NULL });
	strv_addf(&argv, "--memory=%uM", MEMORY_MIB + (unsigned)(3 * tar_bytes >> 20));
	strv_add(&argv, "--");
	if (f->set->is_bare)
		strv_add(&argv, "/bin/busybox");
	strv_add(&argv, f->set->is_bare ? "sh" : "/bin/bash");
	strv_add(&argv, "-c");
	strv_add(&argv, f->set->is_bare ? links_script : install_script);
	set_environment(&env, home);
	spec.argv = (const char *const *)argv.v;
	spec.env = (const char *const *)env.v;
	if (proc_run_lines(&spec, log, f->line, f->ctx, err) == 0)
		return 0;
	if (err->kind == ERROR_SYSTEM && err->errnum == EINTR)
		return -1;
	error_wrap(err, "cannot install packages in a machine of %s", f->arch->name);
	return error_hint(err, "the whole story is in %s", f->log_path);
}

/* <home>/quiz/runs/<the only one>/artifacts/root.tar */
static char *find_result(const char *home)
{
	_cleanup_free_ char *runs = mem_printf("%s/quiz/runs", home);
	_cleanup_strv_ struct strv names = STRV_INIT;

	fs_list(runs, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		char *path = mem_printf("%s/%s/artifacts/root.tar", runs, names.v[i]);

		if (fs_exists(path))
			return path;
		free(path);
	}
	return NULL;
}

static int prepare(const struct root_finish *f, const char *home, const char *tar, struct error *err)
{
	const struct root_add_options opt = { .id = UNFINISHED, .arch = f->arch };
	_cleanup_free_ char *data = fs_join(home, "quiz");
	_cleanup_free_ char *kernels = fs_join(f->paths->data, "kernels");
	_cleanup_free_ char *link_path = fs_join(data, "kernels");
	struct paths paths = *f->paths;
	struct root root = { 0 };

	if (fs_mkdir_p(data, 0755, err) < 0)
		return -1;
	if (symlink(kernels, link_path) < 0)
		return error_sys(err, errno, "make link '%s'", link_path);
	paths.data = data;
	if (root_add(&paths, tar, &opt, NULL, &root, err) < 0)
		return -1;
	root_clear(&root);
	return 0;
}

int root_finish(const struct root_finish *f, const char *tar, struct error *err)
{
	_cleanup_free_ char *home = fs_join(f->dir, "machine");
	_cleanup_free_ char *result = NULL;
	struct stat st;
	int r;

	if (stat(tar, &st) < 0)
		return error_sys(err, errno, "look at '%s'", tar);
	progress_stage(f->progress, "installing packages in a machine of %s, which takes minutes", f->arch->name);
	r = prepare(f, home, tar, err);
	if (r == 0)
		r = run(f, home, (uint64_t)st.st_size, err);
	if (r == 0) {
		result = find_result(home);
		if (!result)
			r = error_set(err, ERROR_GUEST, "the machine of %s packed no root", f->arch->name);
		else if (rename(result, tar) < 0)
			r = error_sys(err, errno, "take '%s'", result);
	}
	fs_remove_tree(home, NULL, NULL);
	return r;
}
