/* SPDX-License-Identifier: MPL-2.0 */
/* A machine's life as vmm.h tells it, with the fake VMM as the process. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "spec/arch.h"
#include "sys/fs.h"
#include "vmm/vmm.h"

#define PATIENCE_MS 20000 /* a test that takes longer has failed */

struct life {
	char *dir; /* owned; of this test */
	struct loop *loop;
	struct vmm *vmm;
	struct vmm_caps caps;
	struct machine m;
	unsigned n[VMM_EVENT_EXITED + 1]; /* events seen, by kind */
	int last_event, stop_at;	  /* stop_at: the event that ends run() */
	char text[4096];
	unsigned n_done, n_failed;
	struct error err;
};

static void on_event(void *ctx, enum vmm_event ev, const char *text)
{
	struct life *l = ctx;

	l->n[ev]++;
	l->last_event = (int)ev;
	/* One read of the monitor may bring further events: only the text that is waited for is kept. */
	if ((int)ev == l->stop_at || ev == VMM_EVENT_EXITED) {
		snprintf(l->text, sizeof(l->text), "%s", text);
		loop_stop(l->loop);
	}
}

static void on_done(void *ctx, const struct error *err)
{
	struct life *l = ctx;

	l->n_done++;
	if (err) {
		l->n_failed++;
		l->err = *err;
	}
	loop_stop(l->loop);
}

static void on_patience(void *ctx)
{
	(void)ctx;
	fail_msg("nothing happened for %d s", PATIENCE_MS / 1000);
}

static void run_until(struct life *l, int event)
{
	uint64_t timer = loop_timer(l->loop, PATIENCE_MS, on_patience, l);

	l->stop_at = event;
	loop_run(l->loop);
	loop_timer_remove(l->loop, timer);
}

/* Until the next callback of a command. */
static void run_done(struct life *l)
{
	unsigned before = l->n_done;

	while (l->n_done == before)
		run_until(l, -1);
}

static int setup(void **state)
{
	struct life *l = calloc(1, sizeof(*l));
	char dir[] = "/tmp/quiz-test.XXXXXX";
	struct error err = ERROR_INIT;

	if (!mkdtemp(dir))
		return -1;
	l->dir = mem_strdup(dir);
	setenv("FAKE_VMM_SCRIPT", "/dev/null", 1);
	l->loop = loop_new();
	if (vmm_probe(arch_find("x86_64"), FAKE_QEMU, l->dir, &l->caps, &err) < 0) {
		print_error("%s\n", err.text);
		return -1;
	}
	l->m = (struct machine){ .arch = arch_find("x86_64"),
				 .type = MACHINE_MICROVM,
				 .accel = ACCEL_TCG,
				 .n_cpus = 1,
				 .memory_bytes = 64u << 20,
				 .has_acpi = true,
				 .kernel_path = mem_strdup("/nowhere/vmlinux"),
				 .append = mem_strdup("") };
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct life *l = *state;

	vmm_free(l->vmm);
	loop_free(l->loop);
	machine_clear(&l->m);
	vmm_caps_clear(&l->caps);
	fs_remove_tree(l->dir, NULL, NULL);
	free(l->dir);
	free(l);
	return 0;
}

static void script(struct life *l, const char *text)
{
	_cleanup_free_ char *path = fs_join(l->dir, "script");

	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0600, false, NULL), 0);
	setenv("FAKE_VMM_SCRIPT", path, 1);
}

static void start(struct life *l)
{
	const struct vmm_options opt = { .empty_dir = l->dir, .run_dir = l->dir };
	const struct vmm_callbacks cb = { on_event, l };
	struct error err = ERROR_INIT;

	if (vmm_start(&l->m, &l->caps, &opt, l->loop, &cb, &l->vmm, &err) < 0)
		fail_msg("%s", err.text);
}

static void pauses_and_goes_on(void **state)
{
	struct life *l = *state;

	start(l);
	run_until(l, VMM_EVENT_RUNNING);
	assert_int_equal(l->n[VMM_EVENT_RUNNING], 1);
	vmm_pause(l->vmm, on_done, l);
	run_done(l);
	assert_int_equal(l->n[VMM_EVENT_PAUSED], 1);
	vmm_resume(l->vmm, on_done, l);
	run_done(l);
	assert_int_equal(l->n[VMM_EVENT_RUNNING], 2);
	assert_int_equal(l->n_failed, 0);
	vmm_quit(l->vmm, PATIENCE_MS);
	run_until(l, VMM_EVENT_EXITED);
	assert_string_equal(l->text, "exit status 0");
	assert_int_equal(vmm_pid(l->vmm), 0);
}

static void last_words_are_told(void **state)
{
	struct life *l = *state;

	script(l, "at start stderr-vmm cannot set up guest memory\nat start die 7\n");
	start(l);
	vmm_pause(l->vmm, on_done, l);
	run_until(l, VMM_EVENT_EXITED);
	while (!l->n[VMM_EVENT_EXITED])
		run_until(l, VMM_EVENT_EXITED);
	assert_string_equal(l->text, "exit status 7: cannot set up guest memory");
	assert_int_equal(l->n_failed, 1);
	assert_int_equal(l->n[VMM_EVENT_RUNNING], 0);
}

static void death_by_signal_is_told(void **state)
{
	struct life *l = *state;

	start(l);
	run_until(l, VMM_EVENT_RUNNING);
	vmm_kill(l->vmm);
	run_until(l, VMM_EVENT_EXITED);
	assert_string_equal(l->text, "ended by signal 9");
}

static void events_have_their_kinds(void **state)
{
	static const struct {
		const char *script;
		enum vmm_event ev;
	} cases[] = {
		{ "at up event GUEST_PANICKED\n", VMM_EVENT_PANICKED },
		{ "at up reset\n", VMM_EVENT_RESET },
		{ "at up poweroff\n", VMM_EVENT_SHUTDOWN },
		{ "at up pause\n", VMM_EVENT_PAUSED },
		{ "at up qmp {\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"device\": \"d0\", \"reason\": \"burnt\"}}\n",
		  VMM_EVENT_IO_ERROR },
		{ "at up qmp {\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"device\": \"d0\", \"nospace\": true}}\n",
		  VMM_EVENT_NO_SPACE },
	};
	struct life *l = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		memset(l->n, 0, sizeof(l->n));
		script(l, cases[i].script);
		start(l);
		run_until(l, (int)cases[i].ev);
		assert_int_equal(l->n[cases[i].ev], 1);
		vmm_free(l->vmm);
		l->vmm = NULL;
	}
	assert_string_equal(l->text, "d0");
}

static void quit_kills_the_deaf(void **state)
{
	struct life *l = *state;

	script(l, "at stop freeze\n");
	start(l);
	run_until(l, VMM_EVENT_RUNNING);
	vmm_pause(l->vmm, on_done, l);
	vmm_quit(l->vmm, 50);
	while (!l->n[VMM_EVENT_EXITED])
		run_until(l, VMM_EVENT_EXITED);
	assert_string_equal(l->text, "ended by signal 9");
	assert_int_equal(l->n_failed, 1);
}

static void free_ends_the_process(void **state)
{
	struct life *l = *state;
	pid_t pid;

	script(l, "at stop freeze\n");
	start(l);
	run_until(l, VMM_EVENT_RUNNING);
	pid = vmm_pid(l->vmm);
	vmm_pause(l->vmm, on_done, l);
	vmm_free(l->vmm);
	l->vmm = NULL;
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(l->n_done, 1);
	assert_int_equal(l->n_failed, 1);
}

/* A machine saved, and another that goes on from there. */
static void saves_and_loads(void **state)
{
	struct life *l = *state;
	_cleanup_free_ char *path = fs_join(l->dir, "state");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	l->m.ram_mode = RAM_SHARED;
	l->m.ram_path = fs_join(l->dir, "ram");
	start(l);
	run_until(l, VMM_EVENT_RUNNING);
	vmm_pause(l->vmm, on_done, l);
	run_done(l);
	vmm_save(l->vmm, fd, on_done, l);
	run_done(l);
	assert_int_equal(l->n_failed, 0);
	assert_true(lseek(fd, 0, SEEK_END) > 0);
	vmm_free(l->vmm);

	l->m.ram_mode = RAM_PRIVATE;
	l->m.is_incoming = true;
	start(l);
	vmm_load(l->vmm, fd, on_done, l);
	run_done(l);
	assert_int_equal(l->n_failed, 0);
	memset(l->n, 0, sizeof(l->n));
	vmm_resume(l->vmm, on_done, l);
	run_done(l);
	assert_int_equal(l->n[VMM_EVENT_RUNNING], 1);
	close(fd);
}

static void a_broken_state_is_refused(void **state)
{
	struct life *l = *state;
	_cleanup_free_ char *path = fs_join(l->dir, "state");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, "nonsense", 8), 8);
	l->m.ram_mode = RAM_PRIVATE;
	l->m.ram_path = fs_join(l->dir, "ram");
	l->m.is_incoming = true;
	assert_int_equal(fs_write_atomic(l->m.ram_path, "", 0, 0600, false, &l->err), 0);
	start(l);
	vmm_load(l->vmm, fd, on_done, l);
	run_done(l);
	assert_int_equal(l->n_failed, 1);
	assert_non_null(strstr(l->err.text, "failed"));
	close(fd);
}

static void death_while_saving_fails_once(void **state)
{
	struct life *l = *state;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	script(l, "at save die 3\n");
	start(l);
	run_until(l, VMM_EVENT_RUNNING);
	vmm_save(l->vmm, fd, on_done, l);
	while (!l->n[VMM_EVENT_EXITED])
		run_until(l, VMM_EVENT_EXITED);
	assert_int_equal(l->n_done, 1);
	assert_int_equal(l->n_failed, 1);
	close(fd);
}

static void dumps_into_a_file(void **state)
{
	struct life *l = *state;
	_cleanup_free_ char *path = fs_join(l->dir, "vmcore");

	start(l);
	vmm_dump(l->vmm, path, on_done, l);
	run_done(l);
	assert_int_equal(l->n_failed, 0);
	assert_true(fs_exists(path));
	vmm_dump(l->vmm, "/nowhere/vmcore", on_done, l);
	assert_int_equal(l->n_failed, 1);
}

static void has_a_gdb_stub_on_demand(void **state)
{
	struct life *l = *state;

	start(l);
	assert_null(vmm_gdb_socket(l->vmm));
	vmm_gdb(l->vmm, true, on_done, l);
	run_done(l);
	assert_int_equal(l->n_failed, 0);
	assert_non_null(strstr(vmm_gdb_socket(l->vmm), l->dir));
	vmm_gdb(l->vmm, true, on_done, l); /* QEMU's monitor refuses in words only */
	run_done(l);
	assert_int_equal(l->n_failed, 1);
	vmm_gdb(l->vmm, false, on_done, l);
	run_done(l);
	assert_int_equal(l->n_failed, 1);
	assert_null(vmm_gdb_socket(l->vmm));
}

static void a_short_slot_is_refused(void **state)
{
	struct life *l = *state;
	struct disk *d = VEC_PUSH(l->m.disks, l->m.n_disks);
	const struct vmm_callbacks cb = { on_event, l };
	const struct vmm_options opt = { 0 };
	struct error err = ERROR_INIT;

	d->serial = mem_strdup("slot0");
	d->path = fs_join(l->dir, "image");
	d->capacity_bytes = 1 << 20;
	assert_int_equal(fs_write_atomic(d->path, "x", 1, 0600, false, NULL), 0);
	assert_int_equal(vmm_start(&l->m, &l->caps, &opt, l->loop, &cb, &l->vmm, &err), -1);
	assert_non_null(strstr(err.text, "it has 1 bytes"));
	assert_null(l->vmm);
}

static void ports_lead_to_the_guest(void **state)
{
	struct life *l = *state;
	char buf[64] = "";

	script(l, "at boot console hello\n");
	start(l);
	run_until(l, VMM_EVENT_RUNNING);
	assert_int_equal(read(vmm_port_fd(l->vmm, VMM_PORT_CONSOLE), buf, sizeof(buf) - 1), 6);
	assert_string_equal(buf, "hello\n");
	assert_true(vmm_cpu_ms(l->vmm) < PATIENCE_MS);
}

/* Asked once: then the answer is there even when the binary would not give it any more. */
static void the_probe_is_remembered(void **state)
{
	struct life *l = *state;
	struct error err = ERROR_INIT;
	struct vmm_caps again;

	assert_int_equal(l->caps.version, 70200);
	assert_true(l->caps.has_microvm && l->caps.has_q35 && l->caps.has_sandbox && l->caps.has_ignore_shared);
	assert_false(l->caps.has_kvm);
	setenv("FAKE_VMM_SCRIPT", "/nowhere/script", 1);
	assert_int_equal(vmm_probe(arch_find("x86_64"), FAKE_QEMU, l->dir, &again, &err), 0);
	assert_string_equal(again.identity, l->caps.identity);
	assert_int_equal(again.has_microvm, l->caps.has_microvm);
	vmm_caps_clear(&again);
	assert_int_equal(vmm_probe(arch_find("x86_64"), "/nowhere/qemu", l->dir, &again, &err), -1);
	assert_int_equal(err.kind, ERROR_MISSING);
}

/* A script that executes the VMM stays as it is when the VMM is built anew. */
static void the_probe_looks_behind_a_script(void **state)
{
	struct life *l = *state;
	struct error err = ERROR_INIT;
	_cleanup_free_ char *program = fs_join(l->dir, "vmm"), *script = fs_join(l->dir, "vmm.sh");
	_cleanup_free_ char *text = mem_printf("#!/bin/sh\nexec %s \"$@\"\n", program);
	struct vmm_caps first, again, later;

	assert_int_equal(fs_copy_file(FAKE_QEMU, program, 0755, NULL), 0);
	assert_int_equal(fs_write_atomic(script, text, strlen(text), 0755, false, NULL), 0);
	unsetenv("FAKE_VMM_SCRIPT");
	if (vmm_probe(arch_find("x86_64"), script, l->dir, &first, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(first.executable, program);
	assert_int_equal(vmm_probe(arch_find("x86_64"), script, l->dir, &again, &err), 0);
	assert_string_equal(again.identity, first.identity);
	assert_int_equal(utimensat(AT_FDCWD, program, (const struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0), 0);
	assert_int_equal(vmm_probe(arch_find("x86_64"), script, l->dir, &later, &err), 0);
	assert_string_not_equal(later.identity, first.identity);
	vmm_caps_clear(&first);
	vmm_caps_clear(&again);
	vmm_caps_clear(&later);
}

static void a_probe_of_no_vmm_is_an_error(void **state)
{
	struct life *l = *state;
	struct error err = ERROR_INIT;
	struct vmm_caps caps;

	assert_int_equal(vmm_probe(arch_find("x86_64"), "/bin/false", l->dir, &caps, &err), -1);
	assert_int_equal(err.kind, ERROR_CHILD);
}

static void kvm_memo_is_kept_and_forgotten(void **state)
{
	struct life *l = *state;

	assert_int_equal(vmm_kvm_memo_clear(l->dir), 0);
	assert_int_equal(vmm_kvm_memo(&l->caps, l->dir), KVM_USABLE);
	assert_int_equal(vmm_kvm_memo_set(&l->caps, l->dir, KVM_MEMO, NULL), 0);
	assert_int_equal(vmm_kvm_memo(&l->caps, l->dir), KVM_MEMO);
	assert_int_equal(vmm_kvm_memo_clear(l->dir), 1);
	/* Not ours to emulate with KVM, whatever the host. */
	assert_int_equal(vmm_kvm_state(&l->caps, arch_find(arch_native()->is_big_endian ? "x86_64" : "s390x"), l->dir),
			 KVM_ABSENT);
}

/* KVM that refuses a machine may be another hypervisor's for a while: it is asked again some minutes later. */
static void a_refusal_of_kvm_is_forgotten(void **state)
{
	struct life *l = *state;
	_cleanup_free_ char *path = mem_printf("%s/probes/kvm-hangs", l->dir);
	_cleanup_str_ struct str memo = STR_INIT;
	struct vmm_caps other = l->caps;
	char *until;

	assert_int_equal(vmm_kvm_memo_set(&l->caps, l->dir, KVM_REFUSED, NULL), 0);
	assert_int_equal(vmm_kvm_memo(&l->caps, l->dir), KVM_REFUSED);
	other.identity = (char *)"another QEMU";
	assert_int_equal(vmm_kvm_memo(&other, l->dir), KVM_USABLE);

	assert_int_equal(fs_read(path, 4096, &memo, NULL), 0);
	until = strstr(str_cstr(&memo), "until=");
	assert_non_null(until);
	for (int i = 0; i < 2; i++) { /* long ago; so late that the clock was wrong */
		_cleanup_free_ char *text = mem_printf("%.*suntil=%s\n", (int)(until - memo.p), memo.p,
						       i ? "9999999999" : "1000000000");

		assert_int_equal(fs_write_atomic(path, text, strlen(text), 0644, false, NULL), 0);
		assert_int_equal(vmm_kvm_memo(&l->caps, l->dir), KVM_USABLE);
	}
}

static void refusals_of_kvm_are_known(void **state)
{
	static const struct {
		const char *said, *why; /* NULL: that was something else */
	} rows[] = {
		{ "exit status 1: ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy\n"
		  "qemu-system-x86_64: -accel kvm: failed to initialize kvm: Device or resource busy",
		  "Device or resource busy" },
		{ "exit status 1: Could not access KVM kernel module: Permission denied\r\n"
		  "qemu-system-x86_64: failed to initialize kvm: Permission denied\n",
		  "Permission denied" },
		{ "exit status 1: kvm_init_vcpu: kvm_get_vcpu failed (0): Cannot allocate memory",
		  "kvm_get_vcpu failed (0): Cannot allocate memory" },
		{ "exit status 1: qemu-system-x86_64: cannot set up guest memory 'ram': Cannot allocate memory", NULL },
		{ "exit status 1: qemu-system-x86_64: -device kvm-pit: no such device", NULL },
		{ "ended by signal 9", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *why = vmm_kvm_refusal(rows[i].said);

		if (rows[i].why)
			assert_string_equal(why ? why : "(none)", rows[i].why);
		else
			assert_null(why);
	}
}

#define LIFE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(pauses_and_goes_on),
		LIFE(last_words_are_told),
		LIFE(death_by_signal_is_told),
		LIFE(events_have_their_kinds),
		LIFE(quit_kills_the_deaf),
		LIFE(free_ends_the_process),
		LIFE(saves_and_loads),
		LIFE(a_broken_state_is_refused),
		LIFE(death_while_saving_fails_once),
		LIFE(dumps_into_a_file),
		LIFE(has_a_gdb_stub_on_demand),
		LIFE(a_short_slot_is_refused),
		LIFE(ports_lead_to_the_guest),
		LIFE(the_probe_is_remembered),
		LIFE(the_probe_looks_behind_a_script),
		LIFE(a_probe_of_no_vmm_is_an_error),
		LIFE(kvm_memo_is_kept_and_forgotten),
		LIFE(a_refusal_of_kvm_is_forgotten),
		cmocka_unit_test(refusals_of_kvm_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
