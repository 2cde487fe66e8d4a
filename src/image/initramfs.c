/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The key is made of the kernel's content key and of the agent file's identity
 * (fs_stamp), so a warm run costs two stats. The old file of an agent that was
 * rebuilt is swept when a new one is made for the same kernel: nobody has it
 * mounted, QEMU has read it at start.
 */

#include "image/initramfs.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "image/kernel.h"
#include "sys/fs.h"

#define PART_MAX (256u << 20)

char *initramfs_agent_path(const struct paths *p, const char *arch)
{
	return mem_printf("%s/agents/%s/agent.cpio", p->libexec, arch);
}

/* The kernel wants each archive to begin at a multiple of four bytes; zeros between archives are skipped. */
static void pad(struct str *s)
{
	while (s->len % 4)
		str_add_char(s, '\0');
}

/* Another quiz may be about to boot with an older one (two versions side by side): a day must have passed. */
#define OLD_AFTER_S 86400

static void sweep_old(const char *dir, const char *prefix, const char *keep)
{
	_cleanup_strv_ struct strv names = STRV_INIT;

	if (fs_list(dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = fs_join(dir, names.v[i]);

		struct stat st;

		if (str_starts(names.v[i], prefix) && !str_eq(names.v[i], keep) && stat(path, &st) == 0 &&
		    time(NULL) - st.st_mtime > OLD_AFTER_S)
			unlink(path);
	}
}

static int make(const char *kernel_part, const char *agent_part, const char *path, struct error *err)
{
	_cleanup_str_ struct str all = STR_INIT;

	if (fs_exists(kernel_part) && fs_read(kernel_part, PART_MAX, &all, err) < 0)
		return -1;
	pad(&all);
	if (fs_read(agent_part, PART_MAX, &all, err) < 0)
		return -1;
	if (fs_mkdir_parents(path, err) < 0)
		return -1;
	return fs_write_atomic(path, str_cstr(&all), all.len, 0644, true, err);
}

/* A kernel that has the root's file system built in has no archive for it. */
static char *choose_kernel_part(const struct kernel *k, const char *root_fstype)
{
	_cleanup_free_ char *usual = kernel_initrd_path(k->dir, NULL);
	_cleanup_free_ char *own = kernel_initrd_path(k->dir, root_fstype);

	return fs_exists(own) ? take_ptr(own) : take_ptr(usual);
}

int initramfs_get(const struct paths *p, const struct kernel *k, const char *root_fstype, const char *agent_cpio_path,
		  char **ret_path, char **ret_key, struct error *err)
{
	_cleanup_free_ char *kernel_part = choose_kernel_part(k, root_fstype);
	uint64_t agent = fs_stamp(agent_cpio_path);
	uint64_t prefix_hash = hash_str(hash_str(HASH_INIT, k->dir), k->arch);
	_cleanup_free_ char *dir = fs_join(p->cache, "initrd");
	_cleanup_free_ char *prefix = NULL;
	_cleanup_free_ char *name = NULL;
	_cleanup_free_ char *path = NULL;
	uint64_t h;

	if (!agent) {
		error_set(err, ERROR_MISSING, "cannot boot %s machines: the agent '%s' is missing", k->arch,
			  agent_cpio_path);
		return error_hint(err, "make agents");
	}
	h = hash_str(hash_mem(HASH_INIT, &agent, sizeof(agent)), k->key);
	h = hash_str(h, kernel_part + strlen(k->dir));
	prefix = mem_printf("%016llx-", (unsigned long long)prefix_hash);
	name = mem_printf("%s%016llx", prefix, (unsigned long long)h);
	path = fs_join(dir, name);
	if (!fs_exists(path)) {
		if (make(kernel_part, agent_cpio_path, path, err) < 0)
			return error_wrap(err, "cannot make the initramfs of kernel '%s'", k->id);
		sweep_old(dir, prefix, name);
	}
	*ret_key = mem_printf("%016llx", (unsigned long long)h);
	*ret_path = take_ptr(path);
	return 0;
}
