/* SPDX-License-Identifier: MPL-2.0 */
/* The QMP client against a scripted server on a socket pair; small pure parts of vmm/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "spec/arch.h"
#include "sys/fs.h"
#include "sys/fdpass.h"
#include "vmm/qmp.h"
#include "vmm/vmm.h"
#include "wire/wire.h"

struct talk {
	struct loop *loop;
	struct qmp *qmp;
	int server;
	int n_replies, n_failures, n_events, n_closed, n_greetings;
	long long last_value;
	char last_event[64], last_error[ERROR_TEXT_MAX];
	enum error_kind last_kind;
};

static void on_event(void *ctx, const char *name, const json_t *data)
{
	struct talk *t = ctx;

	(void)data;
	t->n_events++;
	snprintf(t->last_event, sizeof(t->last_event), "%s", name);
}

static void on_closed(void *ctx, const struct error *why)
{
	struct talk *t = ctx;

	t->n_closed++;
	snprintf(t->last_error, sizeof(t->last_error), "%s", why->text);
}

static void on_greeting(void *ctx, const json_t *version)
{
	struct talk *t = ctx;

	t->n_greetings++;
	t->last_value = json_integer_value(json_object_get(version, "major"));
}

static void on_reply(void *ctx, const json_t *result, const struct error *err)
{
	struct talk *t = ctx;

	if (err) {
		t->n_failures++;
		t->last_kind = err->kind;
		snprintf(t->last_error, sizeof(t->last_error), "%s", err->text);
		assert_null(result);
		return;
	}
	t->n_replies++;
	t->last_value = json_integer_value(json_object_get(result, "n"));
}

static int talk_setup(void **state)
{
	struct talk *t = calloc(1, sizeof(*t));
	const struct qmp_callbacks cb = { on_greeting, on_event, on_closed, t };
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
		return -1;
	t->loop = loop_new();
	t->server = sv[1];
	t->qmp = qmp_new(t->loop, sv[0], &cb, false);
	*state = t;
	return 0;
}

static int talk_teardown(void **state)
{
	struct talk *t = *state;

	qmp_free(t->qmp);
	loop_free(t->loop);
	if (t->server >= 0)
		close(t->server);
	free(t);
	return 0;
}

static void stop(void *ctx)
{
	loop_stop(ctx);
}

/* Lets the client do all that it can do now. */
static void turn(struct talk *t)
{
	loop_timer(t->loop, 0, stop, t->loop);
	loop_run(t->loop);
	loop_timer(t->loop, 0, stop, t->loop);
	loop_run(t->loop);
}

static void say(struct talk *t, const char *text)
{
	assert_int_equal(send(t->server, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn(t);
}

/* What the client has sent, and a descriptor that came with it (-1: none). */
static void hear(struct talk *t, char *buf, size_t cap, int *ret_fd)
{
	int fd;
	ssize_t n = fdpass_receive(t->server, buf, cap - 1, &fd);

	buf[n > 0 ? n : 0] = '\0';
	if (ret_fd)
		*ret_fd = fd;
	else
		close_fd(&fd);
}

static void answers_find_their_questions(void **state)
{
	struct talk *t = *state;
	char buf[4096];

	qmp_command(t->qmp, "stop", NULL, on_reply, t);
	qmp_command(t->qmp, "migrate", json_pack("{s:s}", "uri", "fd:x"), on_reply, t);
	turn(t);
	hear(t, buf, sizeof(buf), NULL);
	assert_string_equal(buf, "{\"execute\":\"qmp_capabilities\",\"id\":1}\n"
				 "{\"execute\":\"stop\",\"id\":2}\n"
				 "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"fd:x\"},\"id\":3}\n");
	say(t, "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}}}\r\n{\"return\": {}, \"id\": 1}\r\n");
	assert_int_equal(t->n_greetings, 1);
	assert_int_equal(t->last_value, 7);
	/* In pieces, with an event in between. */
	say(t, "{\"return\": {\"n\": 4");
	say(t, "2}, \"id\": 2}\r\n{\"event\": \"STOP\"}\r\n{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\"");
	assert_int_equal(t->n_replies, 1);
	assert_int_equal(t->last_value, 42);
	assert_string_equal(t->last_event, "STOP");
	say(t, ": 3}\r\n");
	assert_int_equal(t->n_failures, 1);
	assert_string_equal(t->last_error, "cannot do 'migrate' in QEMU: no");
	assert_int_equal(t->n_closed, 0);
}

static void unknown_command_is_unsupported(void **state)
{
	struct talk *t = *state;

	qmp_command(t->qmp, "x", NULL, on_reply, t);
	say(t, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"\\u001b[31mwhat\"}, \"id\": 2}\n");
	assert_int_equal(t->n_failures, 1);
	assert_int_equal(t->last_kind, ERROR_UNSUPPORTED);
	assert_null(strchr(t->last_error, '\033'));
}

static void a_descriptor_is_a_barrier(void **state)
{
	struct talk *t = *state;
	char buf[4096];
	struct stat a, b;
	int fd;

	assert_int_equal(fstat(STDERR_FILENO, &a), 0);
	qmp_command_fd(t->qmp, "getfd", json_pack("{s:s}", "fdname", "x"), STDERR_FILENO, on_reply, t);
	qmp_command(t->qmp, "migrate", NULL, on_reply, t);
	turn(t);
	hear(t, buf, sizeof(buf), &fd);
	if (fd < 0)
		hear(t, buf, sizeof(buf), &fd); /* the first command came alone */
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	close(fd);
	assert_non_null(strstr(buf, "getfd"));
	assert_null(strstr(buf, "migrate"));
	say(t, "{\"return\": {}, \"id\": 1}\n{\"return\": {}, \"id\": 2}\n");
	hear(t, buf, sizeof(buf), &fd);
	assert_non_null(strstr(buf, "migrate"));
	assert_int_equal(fd, -1);
}

static void a_dead_server_fails_everything_once(void **state)
{
	struct talk *t = *state;

	qmp_command(t->qmp, "a", NULL, on_reply, t);
	qmp_command_fd(t->qmp, "b", NULL, STDERR_FILENO, on_reply, t);
	qmp_command(t->qmp, "c", NULL, on_reply, t);
	turn(t);
	close(t->server);
	t->server = -1;
	turn(t);
	assert_int_equal(t->n_failures, 3);
	assert_int_equal(t->n_closed, 1);
	assert_non_null(strstr(t->last_error, "hung up"));
	qmp_command(t->qmp, "late", NULL, on_reply, t);
	assert_int_equal(t->n_failures, 4);
	turn(t);
	assert_int_equal(t->n_closed, 1);
}

static void the_last_words_are_read(void **state)
{
	struct talk *t = *state;
	const char *text = "{\"event\": \"SHUTDOWN\"}\n";

	assert_int_equal(send(t->server, text, strlen(text), 0), strlen(text));
	close(t->server);
	t->server = -1;
	qmp_drain(t->qmp);
	assert_string_equal(t->last_event, "SHUTDOWN");
	assert_int_equal(t->n_closed, 1);
}

static void closes_on(struct talk *t, const char *text, const char *why)
{
	say(t, text);
	assert_int_equal(t->n_closed, 1);
	if (!strstr(t->last_error, why))
		fail_msg("'%s' lacks '%s'", t->last_error, why);
}

static void not_json(void **state)
{
	closes_on(*state, "hello\n", "not an object");
}

static void not_an_object(void **state)
{
	closes_on(*state, "[1, 2]\n", "not an object");
}

static void unasked_answer(void **state)
{
	closes_on(*state, "{\"return\": {}, \"id\": 77}\n", "no question");
}

static void answer_before_the_question(void **state)
{
	struct talk *t = *state;

	qmp_command_fd(t->qmp, "getfd", NULL, STDERR_FILENO, on_reply, t);
	qmp_command(t->qmp, "held", NULL, on_reply, t); /* id 3, not sent yet */
	turn(t);
	closes_on(t, "{\"return\": {}, \"id\": 3}\n", "no question");
	assert_int_equal(t->n_failures, 2);
}

static void unknown_kind(void **state)
{
	closes_on(*state, "{\"greetings\": 1}\n", "no known kind");
}

static void endless_line(void **state)
{
	struct talk *t = *state;
	char block[65536];
	size_t sent = 0;

	memset(block, 'x', sizeof(block));
	while (!t->n_closed && sent < 2 * (size_t)QMP_LINE_MAX) {
		ssize_t n = send(t->server, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			sent += (size_t)n;
		turn(t);
	}
	assert_int_equal(t->n_closed, 1);
	assert_non_null(strstr(t->last_error, "a line of more than"));
}

static void too_many_questions(void **state)
{
	struct talk *t = *state;

	for (int i = 0; i < QMP_PENDING_MAX + 10; i++)
		qmp_command(t->qmp, "x", NULL, on_reply, t);
	assert_int_equal(t->n_failures, 11); /* qmp_capabilities is pending too */
	assert_non_null(strstr(t->last_error, "not answered"));
}

static void port_name_is_the_wires(void **state)
{
	(void)state;
	assert_string_equal(VMM_AGENT_PORT_NAME, WIRE_AGENT_PORT);
}

static void arch_table_is_whole(void **state)
{
	size_t n;
	const struct arch *a = arch_table(&n);

	(void)state;
	assert_true(n >= 7);
	for (size_t i = 0; i < n; i++) {
		assert_ptr_equal(arch_find(a[i].name), &a[i]);
		assert_ptr_equal(arch_find(a[i].debian), &a[i]);
		assert_true(a[i].qemu && a[i].qemu_package && a[i].machine && a[i].cpu_tcg && a[i].cpu_kvm);
		assert_true(a[i].virtio_suffix && a[i].console && a[i].kernel_arch && a[i].cross_prefix && a[i].image);
		assert_non_null(strstr(a[i].console_args, "%c"));
		assert_true(a[i].append_max >= 512 && a[i].page_bytes >= 4096);
	}
	assert_non_null(arch_native());
	assert_null(arch_find("vax"));
	assert_null(arch_find(NULL));
}

/* What this layer itself chooses, and what its VMM can do. */
static void choices_of_the_vmm_matter(void **state)
{
	const struct vmm_caps caps = { .binary = (char *)"qemu", .version = 70200, .has_microvm = true, .has_q35 = true,
				       .has_sandbox = true, .has_9p = true, .has_user_netdev = true };
	struct nic nic = { .kind = NET_USER, .mac = (char *)"52:54:00:71:7a:00", .fd = -1 };
	struct share share = { .tag = (char *)"shared", .host_path = (char *)"/a" };
	struct machine m = { .arch = arch_find("x86_64"), .type = MACHINE_Q35, .accel = ACCEL_TCG, .n_cpus = 1,
			     .memory_bytes = 1 << 30, .nics = &nic, .n_nics = 1, .shares = &share, .n_shares = 1 };
	struct vmm_caps other;
	struct str base = STR_INIT, changed = STR_INIT;

	(void)state;
	vmm_describe(&m, &caps, &base);
	assert_true(base.len > 0);
#define DESCRIBED(how, change, undo)                                           \
	other = caps;                                                          \
	change;                                                                \
	str_truncate(&changed, 0);                                             \
	vmm_describe(&m, &other, &changed);                                    \
	assert_string_##how(str_cstr(&base), str_cstr(&changed));              \
	undo
	DESCRIBED(not_equal, other.has_sandbox = false, );
	DESCRIBED(not_equal, other.version = 60200, ); /* which has no i8042=off */
	DESCRIBED(not_equal, nic.is_restricted = true, nic.is_restricted = false);
	DESCRIBED(not_equal, nic.mac = (char *)"52:54:00:71:7a:01", nic.mac = (char *)"52:54:00:71:7a:00");
	DESCRIBED(not_equal, share.is_readonly = true, share.is_readonly = false);
	DESCRIBED(equal, share.host_path = (char *)"/b", share.host_path = (char *)"/a");
	DESCRIBED(equal, m.ram_mode = RAM_SHARED, m.ram_mode = RAM_ANONYMOUS);
	/* Under emulation the host is that of one boot, which the manifest names. */
	DESCRIBED(equal, other.host = 1, );
	m.accel = ACCEL_KVM;
	str_truncate(&base, 0);
	vmm_describe(&m, &caps, &base);
	DESCRIBED(not_equal, other.host = 1, );
	DESCRIBED(not_equal, other.has_tsc_deadline = true; m.type = MACHINE_MICROVM, m.type = MACHINE_Q35);
#undef DESCRIBED
	str_clear(&base);
	str_clear(&changed);
}

static void put(const char *dir, const char *name, struct strv *ret)
{
	char *path = fs_join(dir, name);

	assert_int_equal(fs_write_atomic(path, "x", 1, 0644, false, NULL), 0);
	strv_add_take(ret, path);
}

/* Firmware, and whatever the user's own arguments name: its content is in the machine. */
static void files_that_are_read_are_told(void **state)
{
	char dir[] = "/tmp/quiz-test-vmm-XXXXXX";
	_cleanup_strv_ struct strv made = STRV_INIT, files = STRV_INIT;
	struct vmm_caps caps = { .binary = (char *)"qemu" };
	struct machine m = { .arch = arch_find("x86_64") };
	_cleanup_free_ char *disk = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	put(dir, "bios-microvm.bin", &made);
	put(dir, "table", &made);
	put(dir, "disk.img", &made);
	put(dir, "log", &made);
	disk = mem_printf("if=none,file=%s,id=d", made.v[2]);
	strv_add(&caps.firmware_dirs, dir);
	strv_add(&caps.firmware_dirs, "/nowhere");
	assert_true(vmm_files(&m, &caps, &files));
	assert_int_equal(files.n, 1);
	assert_string_equal(files.v[0], made.v[0]);

	const char *const args[] = { "--acpitable", NULL, "-drive", NULL, "-D", NULL, "-m", "1G" };

	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		strv_add(&m.extra_args, args[i] ? args[i] : i == 3 ? disk : made.v[i == 1 ? 1 : 3]);
	strv_clear(&files);
	assert_true(vmm_files(&m, &caps, &files));
	assert_int_equal(files.n, 3);
	assert_true(strv_has(&files, made.v[1]) && strv_has(&files, made.v[2]));
	strv_clear(&caps.firmware_dirs);
	strv_add(&m.extra_args, "-L");
	strv_add(&m.extra_args, dir);
	strv_clear(&files);
	assert_true(vmm_files(&m, &caps, &files));
	assert_true(strv_has(&files, made.v[0]));

	/* What is in these can not be told. */
	static const char *const unknown[][2] = { { "-drive", "file=fat:/tmp" }, { "-readconfig", "x" }, { "-blockdev", "{}" } };

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		strv_clear(&m.extra_args);
		strv_add(&m.extra_args, unknown[i][0]);
		strv_add(&m.extra_args, unknown[i][1]);
		assert_false(vmm_files(&m, &caps, &files));
	}
	strv_clear(&m.extra_args);
	strv_clear(&caps.firmware_dirs);
	fs_remove_tree(dir, NULL, NULL);
}

/* Facts that a guest can tell apart change the description; where bytes lie does not. */
static void description_has_what_matters(void **state)
{
	struct disk disk = { .serial = (char *)"root", .capacity_bytes = 4096, .content_key = (char *)"k1" };
	struct share share = { .tag = (char *)"shared", .host_path = (char *)"/a" };
	struct nic nic = { .kind = NET_USER, .mac = (char *)"52:54:00:71:7a:00", .fd = -1 };
	struct machine m = { .arch = arch_find("x86_64"), .type = MACHINE_Q35, .accel = ACCEL_TCG, .n_cpus = 2,
			     .memory_bytes = 1 << 30, .append = (char *)"quiet", .disks = &disk, .n_disks = 1 };
	struct str base = STR_INIT, other = STR_INIT;

	(void)state;
	machine_describe(&m, &base);
#define DIFFERS(change, undo)                                                  \
	change;                                                                \
	str_truncate(&other, 0);                                               \
	machine_describe(&m, &other);                                          \
	assert_string_not_equal(str_cstr(&base), str_cstr(&other));            \
	undo
#define SAME(change, undo)                                                     \
	change;                                                                \
	str_truncate(&other, 0);                                               \
	machine_describe(&m, &other);                                          \
	assert_string_equal(str_cstr(&base), str_cstr(&other));                \
	undo
	DIFFERS(m.n_cpus = 1, m.n_cpus = 2);
	DIFFERS(m.memory_bytes = 1 << 29, m.memory_bytes = 1 << 30);
	DIFFERS(m.type = MACHINE_MICROVM, m.type = MACHINE_Q35);
	DIFFERS(m.accel = ACCEL_KVM, m.accel = ACCEL_TCG);
	DIFFERS(m.append = (char *)"quiet\ncpu=x", m.append = (char *)"quiet");
	DIFFERS(m.cpu_model = (char *)"qemu64", m.cpu_model = NULL);
	DIFFERS(m.kernel_key = (char *)"z", m.kernel_key = NULL);
	DIFFERS(m.has_pvpanic = true, m.has_pvpanic = false);
	DIFFERS(disk.content_key = (char *)"k2", disk.content_key = (char *)"k1");
	DIFFERS(disk.capacity_bytes = 8192, disk.capacity_bytes = 4096);
	DIFFERS(disk.is_readonly = true, disk.is_readonly = false);
	DIFFERS(m.n_disks = 0, m.n_disks = 1);
	DIFFERS(m.arch = arch_find("aarch64"), m.arch = arch_find("x86_64"));
	DIFFERS(m.has_vmcoreinfo = true, m.has_vmcoreinfo = false);
	DIFFERS(m.initrd_key = (char *)"z", m.initrd_key = NULL);
	DIFFERS(disk.serial = (char *)"other", disk.serial = (char *)"root");
	DIFFERS(disk.logical_block = 4096, disk.logical_block = 0);
	DIFFERS(disk.physical_block = 4096, disk.physical_block = 0);
	DIFFERS(disk.is_rotational = true, disk.is_rotational = false);
	DIFFERS(disk.has_discard = true, disk.has_discard = false);
	DIFFERS(disk.is_persistent = true, disk.is_persistent = false);
	DIFFERS((m.shares = &share, m.n_shares = 1), m.n_shares = 0);
	DIFFERS((m.nics = &nic, m.n_nics = 1), m.n_nics = 0);
	DIFFERS(strv_add(&m.extra_args, "-x"), strv_clear(&m.extra_args));
	SAME(disk.path = (char *)"/x", disk.path = NULL);
	SAME(disk.iops_limit = 5, disk.iops_limit = 0);
	SAME(m.ram_path = (char *)"/x", m.ram_path = NULL);
	SAME(m.is_incoming = true, m.is_incoming = false);
	SAME(m.kernel_path = (char *)"/x", m.kernel_path = NULL);
	str_clear(&base);
	str_clear(&other);
}

/* Equal for a maker and its clones; another for another device tree. */
static void devices_are_described(void **state)
{
	struct disk disk = { .serial = (char *)"root", .capacity_bytes = 4096, .path = (char *)"/a" };
	struct vmm_caps caps = { .binary = (char *)"/qemu", .version = 70200, .has_microvm = true,
				 .has_q35 = true };
	struct machine m = { .arch = arch_find("x86_64"), .type = MACHINE_Q35, .accel = ACCEL_TCG, .n_cpus = 2,
			     .memory_bytes = 1 << 30, .disks = &disk, .n_disks = 1, .kernel_path = (char *)"/k",
			     .ram_mode = RAM_SHARED, .ram_path = (char *)"/ram.new" };
	struct str maker = STR_INIT, other = STR_INIT;

	(void)state;
	vmm_describe(&m, &caps, &maker);
	assert_int_not_equal(maker.len, 0);
	m.ram_mode = RAM_PRIVATE;
	m.ram_path = (char *)"/ram";
	m.is_incoming = true;
	disk.path = (char *)"/b";
	vmm_describe(&m, &caps, &other);
	assert_string_equal(str_cstr(&maker), str_cstr(&other));
	m.type = MACHINE_MICROVM;
	str_truncate(&other, 0);
	vmm_describe(&m, &caps, &other);
	assert_string_not_equal(str_cstr(&maker), str_cstr(&other));
	/* Another host matters to KVM, not to the emulator. */
	struct str here = STR_INIT, there = STR_INIT, emulated = STR_INIT;
	str_truncate(&other, 0);
	vmm_describe(&m, &caps, &other);
	m.accel = ACCEL_KVM;
	vmm_describe(&m, &caps, &here);
	caps.host = 1;
	vmm_describe(&m, &caps, &there);
	assert_string_not_equal(str_cstr(&here), str_cstr(&there));
	m.accel = ACCEL_TCG;
	vmm_describe(&m, &caps, &emulated);
	assert_string_equal(str_cstr(&other), str_cstr(&emulated));
	str_clear(&here);
	str_clear(&there);
	str_clear(&emulated);
	str_clear(&maker);
	str_clear(&other);
}

#define TALK(f) cmocka_unit_test_setup_teardown(f, talk_setup, talk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(answers_find_their_questions),
		TALK(unknown_command_is_unsupported),
		TALK(a_descriptor_is_a_barrier),
		TALK(a_dead_server_fails_everything_once),
		TALK(the_last_words_are_read),
		TALK(not_json),
		TALK(not_an_object),
		TALK(unasked_answer),
		TALK(answer_before_the_question),
		TALK(unknown_kind),
		TALK(endless_line),
		TALK(too_many_questions),
		cmocka_unit_test(port_name_is_the_wires),
		cmocka_unit_test(arch_table_is_whole),
		cmocka_unit_test(choices_of_the_vmm_matter),
		cmocka_unit_test(files_that_are_read_are_told),
		cmocka_unit_test(description_has_what_matters),
		cmocka_unit_test(devices_are_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
