/* SPDX-License-Identifier: MPL-2.0 */
/* The module that gives a clone its own ZFS GUIDs: built here, its story is in profiles/zfs/module/. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/elf_file.h"
#include "image/kernel.h"
#include "image/openzfs_build.h"
#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/lock.h"
#include "sys/proc.h"

#define STATE_SYMBOL "spl_pseudo_entropy"
#define MODULE_KO    OPENZFS_RESEED_MODULE ".ko"

static const char *const sources[] = { "Kbuild", OPENZFS_RESEED_MODULE ".c" };

char *openzfs_reseed_params(const char *spl_ko)
{
	_cleanup_elf_ struct elf_file ef = ELF_FILE_INIT;
	const struct elf_section *section;
	uint64_t offset;

	if (elf_open(spl_ko, &ef, NULL) < 0 || !elf_symbol(&ef, STATE_SYMBOL, &section, &offset))
		return NULL;
	return mem_printf("section=%s offset=0x%llx", section->name, (unsigned long long)offset);
}

/* The folder depends on the sources too, so that a new quiz builds its new module. */
static char *cache_folder(const struct paths *paths, const struct kernel *kernel)
{
	uint64_t h = hash_str(hash_str(HASH_INIT, kernel->key), kernel->release);

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		_cleanup_free_ char *path = mem_printf("%s/profiles/zfs/module/%s", paths->share, sources[i]);
		_cleanup_str_ struct str text = STR_INIT;

		if (fs_read(path, 1 << 20, &text, NULL) == 0)
			h = hash_mem(h, text.p, text.len);
	}
	return mem_printf("%s/zfs-reseed/%016llx", paths->cache, (unsigned long long)h);
}

/* What may well succeed the next time: the build was killed, or had no room. */
static bool is_passing(const struct error *failed)
{
	return error_is_set(failed) && (failed->kind != ERROR_CHILD || strstr(failed->text, "ended by signal") ||
					strstr(failed->text, strerror(ENOSPC)) || strstr(failed->text, "Killed"));
}

/*
 * Builds in a folder of its own and publishes that. A failed build is
 * published too, with the compiler's words in `log` and without a module: it
 * would fail again, and a run must not pay for that each time.
 */
static int build_module(const struct paths *paths, const struct kernel *kernel, const char *folder, struct error *err)
{
	_cleanup_free_ char *parent = fs_join(paths->cache, "zfs-reseed");
	_cleanup_free_ char *kbuild = kernel_build_path(kernel), *tmp = NULL, *m = NULL, *log_path = NULL;
	const struct arch *arch = arch_find(kernel->arch);
	_cleanup_strv_ struct strv argv = STRV_INIT;
	struct error failed = ERROR_INIT;
	_cleanup_close_ int log = -1;

	fs_sweep_temp_dirs(parent, "build"); /* the caller has the lock: who made them is dead */
	if (fs_mkdir_p(parent, 0755, err) < 0 || !(tmp = fs_temp_dir(parent, "build", err)))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		_cleanup_free_ char *from = mem_printf("%s/profiles/zfs/module/%s", paths->share, sources[i]);
		_cleanup_free_ char *to = fs_join(tmp, sources[i]);

		if (fs_copy_file(from, to, 0644, err) < 0) {
			fs_remove_tree(tmp, NULL, NULL);
			return -1;
		}
	}
	log_path = fs_join(tmp, "log");
	log = open(log_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	m = mem_printf("M=%s", tmp);
	strv_add_all(&argv, (char *[]){ "make", "-C", kbuild, m, "modules", NULL });
	if (arch && arch != arch_native()) {
		strv_addf(&argv, "ARCH=%s", arch->kernel_arch);
		strv_addf(&argv, "CROSS_COMPILE=%s", arch->cross_prefix);
	}
	(void)proc_run_lines(&(struct proc_spec){ .argv = (const char *const *)argv.v }, log, NULL, NULL, &failed);
	if (!is_passing(&failed) && fs_publish_dir(tmp, folder, err) == 0)
		return 0;
	fs_remove_tree(tmp, NULL, NULL);
	return -1;
}

char *openzfs_reseed_module(const struct paths *paths, const struct kernel *kernel, bool build)
{
	_cleanup_free_ char *folder = cache_folder(paths, kernel);
	_cleanup_free_ char *ko = fs_join(folder, MODULE_KO);
	_cleanup_free_ char *lock = mem_printf("%s/zfs-reseed/lock", paths->cache);
	_cleanup_close_ int fd = -1;

	if (fs_exists(ko))
		return take_ptr(ko);
	if (!build || !kernel->has_build || fs_is_dir(folder))
		return NULL;
	fd = lock_take(lock, LOCK_EXCLUSIVE_MODE, true, "building the reseeding module", NULL, NULL);
	if (fd < 0 || (!fs_is_dir(folder) && build_module(paths, kernel, folder, NULL) < 0))
		return NULL;
	return fs_exists(ko) ? take_ptr(ko) : NULL;
}
