// SPDX-License-Identifier: MPL-2.0 OR GPL-2.0
/*
 * crashme: provokes one kind of kernel failure per word written to
 * /proc/crashme, for recordings and for tests of what quiz says about them.
 * Never load it anywhere but in a throw-away machine.
 *
 *	insmod crashme.ko; echo null > /proc/crashme
 *
 * Each failure happens in a function crashme_<word>(), noinline, so that a
 * test can ask for its name and source line. Builds for Linux 5.4 and later.
 */

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);
static DEFINE_SPINLOCK(spin);
static volatile int zero;
static volatile int eight = 8;
static volatile int seventy = 70;
static void *volatile sink;

static noinline void crashme_null(void)
{
	*(volatile int *)0x10 = 1;
}

static noinline void crashme_jump(void)
{
	void (*volatile fn)(void) = NULL;

	fn();
}

static noinline void crashme_wild(void)
{
	*(volatile int *)(long)0xffff0badc0de0000UL = 1;
}

static noinline void crashme_noncanonical(void)
{
	*(volatile int *)(long)0x0badc0de0badc0deUL = 1;
}

static noinline void crashme_user(void)
{
	*(volatile int *)0x400000 = 1;
}

static noinline void crashme_readonly(void)
{
	static const char text[64] = "constant";

	*(volatile char *)text = 'x';
}

static noinline void crashme_execdata(void)
{
	void (*volatile fn)(void) = (void *)kzalloc(64, GFP_KERNEL);

	fn();
}

static noinline void crashme_divide(void)
{
	sink = (void *)(long)(8 / zero);
}

static noinline void crashme_opcode(void)
{
#if defined(__x86_64__) || defined(__i386__)
	asm volatile("ud2");
#elif defined(__aarch64__)
	asm volatile(".inst 0x00000000");
#elif defined(__s390__)
	asm volatile(".word 0");
#else
	asm volatile(".long 0");
#endif
}

static noinline void crashme_bug(void)
{
	BUG_ON(zero == 0);
}

static noinline void crashme_warn(void)
{
	WARN_ON(zero == 0);
}

static noinline void crashme_warntext(void)
{
	WARN(zero == 0, "crashme: the value %d is not what it should be\n", zero);
}

static noinline void crashme_warnonce(void)
{
	WARN_ON_ONCE(zero == 0);
}

static noinline void crashme_panic(void)
{
	panic("crashme: asked for it");
}

static noinline int recurse(int n)
{
	volatile char pad[512];

	memset((void *)pad, n, sizeof(pad));
	return n < 0 ? 0 : recurse(n + 1) + pad[n % 512];
}

static noinline void crashme_stack(void)
{
	sink = (void *)(long)recurse(1);
}

static noinline void crashme_smash(void)
{
	char buf[16];
	volatile char *p = buf;

	for (int i = 0; i < 64; i++)
		p[i] = 0x41;
	sink = buf;
}

static noinline void crashme_uaf(void)
{
	volatile int *p = kmalloc(64, GFP_KERNEL);

	kfree((void *)p);
	p[3] = 1;
}

static noinline void crashme_oob(void)
{
	volatile char *p = kmalloc(100, GFP_KERNEL);

	p[100 + zero] = 1;
	kfree((void *)p);
}

static noinline void crashme_stackoob(void)
{
	volatile char buf[40];

	buf[0] = 1;
	sink = (void *)(long)buf[40 + zero];
}

static noinline void crashme_vmalloc(void)
{
	volatile char *p = vmalloc(4000);

	p[4096 + zero] = 1;
	vfree((void *)p);
}

static noinline void crashme_doublefree(void)
{
	void *volatile p = kmalloc(192, GFP_KERNEL);

	kfree(p);
	kfree(p);
}

static noinline void crashme_leak(void)
{
	sink = kmalloc(777, GFP_KERNEL);
	sink = NULL;
}

static void constructor(void *p)
{
}

/* A cache with a constructor is not merged with others, so its objects are missed. */
static noinline void crashme_cache(void)
{
	struct kmem_cache *c = kmem_cache_create("crashme_cache", 128, 8, 0, constructor);

	sink = kmem_cache_alloc(c, GFP_KERNEL);
	kmem_cache_destroy(c);
}

static noinline void crashme_listadd(void)
{
	LIST_HEAD(head);
	struct list_head a;

	list_add(&a, &head);
	list_add(&a, &head);
}

static noinline void crashme_listdel(void)
{
	LIST_HEAD(head);
	struct list_head a;

	list_add(&a, &head);
	list_del(&a);
	list_del(&a);
}

static noinline void crashme_refcount(void)
{
	refcount_t r = REFCOUNT_INIT(1);

	if (refcount_dec_and_test(&r))
		refcount_dec(&r);
	refcount_inc(&r);
}

static noinline void crashme_usercopy(void)
{
	char *p = kmalloc(64, GFP_KERNEL);
	unsigned long to = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, 0);

	if (copy_to_user((void __user *)to, p, 64 + eight * 16))
		pr_info("crashme: not copied\n");
	kfree(p);
}

static noinline void crashme_shift(void)
{
	sink = (void *)(long)(eight << seventy);
}

static noinline void crashme_index(void)
{
	static int array[8];

	sink = (void *)(long)array[eight + zero];
}

static noinline void crashme_circular(void)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_b);
	mutex_unlock(&lock_b);
	mutex_unlock(&lock_a);
	mutex_lock(&lock_b);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	mutex_unlock(&lock_b);
}

static noinline void crashme_recursive(void)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_a);
}

static noinline void crashme_unlock(void)
{
	spin_unlock(&spin);
}

static noinline void crashme_held(void)
{
	mutex_lock(&lock_b); /* and back to user space */
}

static noinline void crashme_atomic(void)
{
	spin_lock(&spin);
	msleep(20);
	spin_unlock(&spin);
}

static noinline void crashme_might(void)
{
	spin_lock(&spin);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	spin_unlock(&spin);
}

static noinline void crashme_preempt(void)
{
	sink = (void *)(long)smp_processor_id();
}

static noinline void crashme_rcu(void)
{
	int __rcu *p = NULL;

	sink = rcu_dereference(p);
}

static noinline int block(void *arg)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule();
	return 0;
}

static noinline void crashme_hang(void)
{
	kthread_run(block, NULL, "crashme_blocked");
	mutex_lock(&lock_a);
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule();
}

static noinline void crashme_softlockup(void)
{
	preempt_disable();
	for (;;)
		cpu_relax();
}

static noinline void crashme_hardlockup(void)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
}

static struct rcu_head nothing_head;

static void nothing_to_free(struct rcu_head *head)
{
}

/* With a second CPU: on a lone one that is busy nobody starts the grace period that is to be held up. */
static noinline void crashme_rcustall(void)
{
	unsigned long end = jiffies + 12 * HZ;

	call_rcu(&nothing_head, nothing_to_free);
	rcu_read_lock();
	preempt_disable();
	while (time_before(jiffies, end))
		cpu_relax();
	preempt_enable();
	rcu_read_unlock();
}

static noinline void crashme_spinlock(void)
{
	spin_lock(&spin);
	spin_lock(&spin);
}

static void work_fn(struct work_struct *work)
{
	for (;;)
		cpu_relax();
}
static DECLARE_WORK(work, work_fn);

static noinline void crashme_workqueue(void)
{
	schedule_work(&work);
	msleep(1000);
}

static void leaky_fn(struct work_struct *w)
{
	preempt_disable();
}
static DECLARE_WORK(leaky_work, leaky_fn);

static noinline void crashme_workleak(void)
{
	schedule_work(&leaky_work);
	msleep(1000);
}

static noinline int thread_null(void *arg)
{
	crashme_null();
	return 0;
}

static noinline void crashme_thread(void)
{
	kthread_run(thread_null, NULL, "crashme_thread");
	msleep(200);
}

static noinline int thread_warn(void *arg)
{
	WARN(1, "crashme: thread %ld warns\n", (long)arg);
	return 0;
}

/* Two CPUs speak at once. */
static noinline void crashme_chorus(void)
{
	for (long i = 0; i < 6; i++)
		kthread_run(thread_warn, (void *)i, "crashme_chorus%ld", i);
	msleep(500);
}

/* What looks bad and is not. */
static noinline void crashme_benign(void)
{
	pr_info("DEBUG BUILD of crashme\n");
	pr_warn("WARNING: Pool 'tank' has encountered an uncorrectable error in a test\n");
	pr_info("Boot_DEBUG: all well\n");
	pr_notice("NOTICE: this is no BUG: it is a text\n");
	pr_info("INFO: recovery required on readonly filesystem\n");
	dump_stack();
}

#define CASE(word) { #word, crashme_##word }
static const struct {
	const char *word;
	void (*fn)(void);
} cases[] = {
	CASE(null), CASE(jump), CASE(wild), CASE(noncanonical), CASE(user), CASE(readonly), CASE(execdata), CASE(divide), CASE(opcode), CASE(bug), CASE(warn),
	CASE(warntext), CASE(warnonce), CASE(panic), CASE(stack), CASE(smash), CASE(uaf), CASE(oob), CASE(stackoob),
	CASE(vmalloc), CASE(doublefree), CASE(leak), CASE(cache), CASE(listadd), CASE(listdel), CASE(refcount), CASE(usercopy),
	CASE(shift), CASE(index), CASE(circular), CASE(recursive), CASE(unlock), CASE(held), CASE(atomic), CASE(might), CASE(preempt), CASE(rcu),
	CASE(hang), CASE(softlockup), CASE(hardlockup), CASE(rcustall), CASE(spinlock), CASE(workqueue), CASE(workleak), CASE(thread),
	CASE(chorus), CASE(benign),
};

static ssize_t crashme_write(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
	char word[32] = "";

	if (n >= sizeof(word) || copy_from_user(word, buf, n))
		return -EINVAL;
	strim(word);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (strcmp(cases[i].word, word) != 0)
			continue;
		pr_info("crashme: %s\n", word);
		cases[i].fn();
		return n;
	}
	return -ENOENT;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 6, 0)
static const struct proc_ops crashme_ops = { .proc_write = crashme_write };
#else
static const struct file_operations crashme_ops = { .owner = THIS_MODULE, .write = crashme_write };
#endif

static int __init crashme_init(void)
{
	return proc_create("crashme", 0200, NULL, &crashme_ops) ? 0 : -ENOMEM;
}

static void __exit crashme_exit(void)
{
	remove_proc_entry("crashme", NULL);
}

module_init(crashme_init);
module_exit(crashme_exit);
MODULE_DESCRIPTION("provokes kernel failures for tests");
MODULE_LICENSE("Dual MPL/GPL");
