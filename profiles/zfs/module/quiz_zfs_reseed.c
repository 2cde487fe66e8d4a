// SPDX-License-Identifier: MPL-2.0
/*
 * Gives a clone its own ZFS GUIDs.
 *
 * spl.ko draws pool, vdev and dataset GUIDs from a generator of its own
 * (random_get_pseudo_bytes()), one state per CPU, seeded once when the module
 * is loaded. Machines cloned from one that has loaded ZFS would all make the
 * same "random" GUIDs, whatever the kernel's own generator has been given.
 *
 * This module is loaded after spl and before the machine is saved. A write of
 * anything to /sys/module/quiz_zfs_reseed/parameters/reseed then replaces the
 * first 16 bytes of each CPU's state by bytes of the kernel's generator,
 * which quiz reseeds first. 16 bytes are the whole state of ZFS 2.1 and half
 * of that of later versions: either way 128 new bits, so that no two clones
 * share a sequence, and nothing here depends on the version.
 *
 * The state is a percpu pointer in a variable that spl does not export. quiz
 * reads from spl.ko in which section and at which offset that variable lies;
 * /sys/module/spl/sections has the address of the section in this boot. That
 * needs CONFIG_KALLSYMS, but neither KALLSYMS_ALL nor kprobes, and no symbol
 * of spl, so that this module does not inherit its licence taint.
 *
 * Parameters at load: section=.bss offset=0x40
 */

#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#define SEED_BYTES 16

static char *section;
module_param(section, charp, 0444);
MODULE_PARM_DESC(section, "section of spl.ko that holds spl_pseudo_entropy");

static ulong offset;
module_param(offset, ulong, 0444);
MODULE_PARM_DESC(offset, "offset of spl_pseudo_entropy in that section");

/* Valid while reseed_set() runs. */
static u8 __percpu *state;

/* The address that /sys/module/spl/sections/<section> holds, as "0xffffffffc0123000\n". */
static int section_address(unsigned long *ret)
{
	char path[96], text[32] = "";
	struct file *file;
	loff_t pos = 0;
	ssize_t n;

	if (!section || strchr(section, '/') ||
	    snprintf(path, sizeof(path), "/sys/module/spl/sections/%s", section) >= (int)sizeof(path))
		return -EINVAL;
	file = filp_open(path, O_RDONLY, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);
	n = kernel_read(file, text, sizeof(text) - 1, &pos);
	filp_close(file, NULL);
	if (n < 0)
		return n;
	if (kstrtoul(strim(text), 16, ret) < 0 || !*ret)
		return -EINVAL;
	return 0;
}

/*
 * Runs on the CPU whose state it changes, in process context: the generator
 * disables preemption while it holds a copy, so it can not put an old state
 * back over the new one.
 */
static long reseed_this_cpu(void *unused)
{
	u8 seed[SEED_BYTES];

	get_random_bytes(seed, sizeof(seed));
	preempt_disable();
	memcpy(this_cpu_ptr(state), seed, sizeof(seed));
	preempt_enable();
	memzero_explicit(seed, sizeof(seed));
	return 0;
}

/* Looked up each time, as spl may have been unloaded and loaded again since. */
static int find_state(void)
{
	unsigned long base;
	int rc = section_address(&base);

	if (rc)
		return rc;
	state = *(u8 __percpu **)(base + offset);
	return state ? 0 : -ENODATA;
}

static int reseed_set(const char *value, const struct kernel_param *kp)
{
	unsigned int cpu;
	int rc = find_state();

	if (rc)
		return rc;
	for_each_possible_cpu(cpu) {
		if (cpu_online(cpu))
			work_on_cpu(cpu, reseed_this_cpu, NULL);
		else
			get_random_bytes(per_cpu_ptr(state, cpu), SEED_BYTES);
	}
	return 0;
}

static const struct kernel_param_ops reseed_ops = { .set = reseed_set };
module_param_cb(reseed, &reseed_ops, NULL, 0200);
MODULE_PARM_DESC(reseed, "write anything: new state for ZFS's generator on each CPU");

static int __init quiz_zfs_reseed_init(void)
{
	return find_state();
}

static void __exit quiz_zfs_reseed_exit(void)
{
}

module_init(quiz_zfs_reseed_init);
module_exit(quiz_zfs_reseed_exit);
MODULE_DESCRIPTION("Reseeds ZFS's generator after a machine was cloned");
MODULE_LICENSE("Dual MPL/GPL");
