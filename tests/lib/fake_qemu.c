/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A VMM that is none: started instead of QEMU (QUIZ_QEMU, --qemu), it takes
 * QEMU's command line, answers its monitor and is the guest's agent at once,
 * and does what a script says. So quiz is tested against machines that hang,
 * die, lie or flood at a chosen moment, in milliseconds and without a kernel.
 *
 *	FAKE_VMM_SCRIPT	 the script; without one every machine is well-behaved
 *	FAKE_VMM_LOG	 a file that gets a line per thing that happened: "argv ...", "qmp NAME", "request NAME ...",
 *			 "program NAME ARG...", "signal N", "stdin N" (bytes), "migrated", "loaded"
 *	FAKE_VMM_FIRMWARE a folder in which it would look for firmware
 *	FAKE_VMM_VERSION "5.2.0": what it says it is; default 7.2.0
 *
 * The script has one action per line; # begins a comment line:
 *
 *	at EVENT VERB [REST]	done when EVENT happens, before its usual effect; several lines: in order
 *	on PROGRAM VERB [REST]	what PROGRAM (argv[0]; * = any other) does, in order; without `exit` it exits 0
 *
 * EVENT is one of
 *	start		the process begins		boot	the guest's CPUs begin (not in a clone)
 *	start-kvm, start-tcg, boot-kvm, boot-tcg	the same, by accelerator
 *	save, load	its state is saved, loaded	cont, stop, quit	the monitor's commands
 *	HELLO		the agent would say HELLO	up	it has said it and its stages
 *	any message that a host sends, as in wire.h: MOUNT_IMAGE, IDENTITY, ASSEMBLE, START, PING, FINISH, ...
 *
 * VERB, everywhere:
 *	console TEXT	on the console; \n and \xHH are understood, a newline follows unless TEXT ends in \c
 *	kmsg LEVEL TEXT	a kernel message through the agent
 *	event NAME	the monitor's event of that name (GUEST_PANICKED, STOP, BLOCK_IO_ERROR, ...)
 *	reset, poweroff	the guest restarts, turns off: the monitor's SHUTDOWN event, then the CPUs stand still
 *	pause		the machine stops by itself: the monitor says so
 *	qmp TEXT	a raw line of the monitor's
 *	mute		the monitor answers nothing any more
 *	hang		the agent says nothing any more
 *	close		the agent's port is closed
 *	garbage N	N bytes of nonsense from the agent
 *	version N	HELLO speaks of protocol version N only
 *	frame LEN TYPE SESSION	a frame's header alone, with any numbers: lengths that lie, unknown types
 *	flood N		N bytes on the console
 *	trickle MS	a byte on the console every tenth of a second for that long, and nothing else happens meanwhile
 *	share N		N bytes into a new file of the first shared folder (/shared)
 *	stderr-vmm TEXT	words on the VMM's own stderr
 *	die N, kill N	the VMM exits with status N, is killed by signal N
 *	freeze		the VMM stops as by SIGSTOP
 *	script FILE	machines that begin later have that script (FILE takes the place of the script's own)
 *	wait MS		nothing happens meanwhile (in `at`: nothing at all, the monitor neither)
 * in `at` of a request:
 *	fail ERRNO TEXT	the RESULT says so
 * in `at START`:
 *	refuse STAGE ERRNO TEXT	STARTED says so; the program does not run
 * in `on`:
 *	stdout TEXT, stderr TEXT	as for console; bytes N: N bytes 'x' on stdout
 *	args, env NAME, cwd, user	one per line on stdout
 *	cat		stdin to stdout until its end
 *	drain		stdin to nowhere until its end
 *	trap		signals do not end it (else they do)
 *	exit N, signal N
 * Programs that need no script: true, false, echo, cat, sleep, uname, and sh -c 'exit N'.
 */

#include "fake_qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sys/fs.h"
#include "sys/fdpass.h"

#define STATE_MAGIC "fake machine state\n"

_Noreturn void fake_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "fake-qemu: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	_exit(99);
}

void fake_log(const char *fmt, ...)
{
	const char *path = getenv("FAKE_VMM_LOG");
	struct str s = STR_INIT;
	va_list ap;
	int fd;

	if (!path || (fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0)
		return;
	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	str_add_char(&s, '\n');
	ssize_t n = write(fd, s.p, s.len);
	(void)n;
	close(fd);
	str_clear(&s);
}

/* ---- Actions ---- */

static void say_all(int fd, const void *mem, size_t n)
{
	const char *p = mem;

	while (n && fd >= 0) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

		if (w < 0 && (errno == EAGAIN || errno == EINTR)) {
			struct pollfd pf = { .fd = fd, .events = POLLOUT };

			poll(&pf, 1, -1);
			continue;
		}
		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

void fake_qmp_say(struct fake *f, const char *line)
{
	_cleanup_free_ char *text = mem_printf("%s\r\n", line);

	if (!f->is_mute)
		say_all(f->qmp, text, strlen(text));
}

void fake_console(struct fake *f, const char *text)
{
	say_all(f->console, text, strlen(text));
}

static void say_event(struct fake *f, const char *name, const char *data)
{
	_cleanup_free_ char *line = mem_printf(
	    "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 0}, \"event\": \"%s\", \"data\": %s}", name, data);

	fake_qmp_say(f, line);
}

static void stand_still(struct fake *f)
{
	f->is_running = false;
	f->agent_hangs = true;
	say_event(f, "STOP", "{}");
}

static void do_flood(struct fake *f, long n)
{
	char block[1024];

	memset(block, 'y', sizeof(block));
	for (size_t i = 63; i < sizeof(block); i += 64)
		block[i] = '\n';
	for (; n > 0; n -= (long)sizeof(block))
		say_all(f->console, block, n < (long)sizeof(block) ? (size_t)n : sizeof(block));
}

static void do_wait(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static void do_trickle(struct fake *f, long ms)
{
	for (; ms > 0; ms -= 100) {
		say_all(f->console, "y", 1);
		do_wait(100);
	}
}

static void do_share(struct fake *f, long n)
{
	_cleanup_free_ char *path = mem_printf("%s/fill.XXXXXX", f->share_path ? f->share_path : "");
	char block[65536] = "";
	int fd = mkstemp(path);

	if (fd < 0)
		fake_die("share: %s: %s", path, strerror(errno));
	for (; n > 0; n -= (long)sizeof(block))
		if (write(fd, block, n < (long)sizeof(block) ? (size_t)n : sizeof(block)) < 0)
			break; /* a full disk: the guest would be told */
	close(fd);
}

static void do_garbage(struct fake *f, long n)
{
	for (long i = 0; i < n; i++) {
		unsigned char c = (unsigned char)(i * 37 + 0x5a);

		agent_write(f, &c, 1);
	}
}

static void do_frame(struct fake *f, const char *numbers)
{
	unsigned len, type, session;

	if (sscanf(numbers, "%u %u %u", &len, &type, &session) != 3)
		fake_die("frame wants LEN TYPE SESSION, not '%s'", numbers);
	const uint8_t header[8] = { len & 255,	len >> 8 & 255,	 len >> 16 & 255, len >> 24 & 255,
				    type & 255, type >> 8 & 255, session & 255,	  session >> 8 & 255 };
	agent_write(f, header, sizeof(header));
}

bool fake_common(struct fake *f, const struct action *a)
{
	const char *v = a->verb;

	if (str_eq(v, "console"))
		fake_console(f, a->rest);
	else if (str_eq(v, "kmsg"))
		agent_kmsg(f, a->number, a->after);
	else if (str_eq(v, "event"))
		say_event(f, a->rest, "{}");
	else if (str_eq(v, "reset")) {
		say_event(f, "SHUTDOWN", "{\"guest\": true, \"reason\": \"guest-reset\"}");
		stand_still(f);
	} else if (str_eq(v, "poweroff")) {
		say_event(f, "SHUTDOWN", "{\"guest\": true, \"reason\": \"guest-shutdown\"}");
		stand_still(f);
	} else if (str_eq(v, "pause"))
		stand_still(f);
	else if (str_eq(v, "qmp"))
		fake_qmp_say(f, a->rest);
	else if (str_eq(v, "mute"))
		f->is_mute = true;
	else if (str_eq(v, "hang"))
		f->agent_hangs = true;
	else if (str_eq(v, "close")) {
		if (f->agent >= 0) {
			loop_fd_remove(f->loop, f->agent);
			shutdown(f->agent, SHUT_RDWR);
			close_fd(&f->agent);
		}
	} else if (str_eq(v, "garbage"))
		do_garbage(f, a->number);
	else if (str_eq(v, "version"))
		f->wire_version = (uint32_t)a->number;
	else if (str_eq(v, "frame"))
		do_frame(f, a->rest);
	else if (str_eq(v, "flood"))
		do_flood(f, a->number);
	else if (str_eq(v, "trickle"))
		do_trickle(f, a->number);
	else if (str_eq(v, "share"))
		do_share(f, a->number);
	else if (str_eq(v, "stderr-vmm"))
		fprintf(stderr, "%s", a->rest);
	else if (str_eq(v, "die"))
		_exit((int)a->number);
	else if (str_eq(v, "kill"))
		raise((int)a->number);
	else if (str_eq(v, "freeze"))
		raise(SIGSTOP);
	else if (str_eq(v, "script")) {
		if (rename(a->rest, getenv("FAKE_VMM_SCRIPT")) < 0)
			fake_die("script '%s': %s", a->rest, strerror(errno));
	} else
		return false;
	return true;
}

uint32_t fake_at(struct fake *f, const char *event, const char **ret_text)
{
	for (size_t i = 0; i < f->script.n; i++) {
		const struct action *a = &f->script.v[i];

		if (a->is_program || !str_eq(a->when, event))
			continue;
		if (str_eq(a->verb, "wait"))
			do_wait(a->number);
		else if (str_eq(a->verb, "fail")) {
			*ret_text = a->after;
			return (uint32_t)a->number;
		} else if (!fake_common(f, a) && !str_eq(a->verb, "refuse"))
			fake_die("'%s' can not be done at '%s'", a->verb, event);
	}
	return 0;
}

static void at(struct fake *f, const char *event)
{
	const char *text;

	fake_at(f, event, &text);
}

/* ---- Monitor ---- */

static int passed_fd = -1; /* the newest that came by getfd or add-fd */

static const char *save_state(void)
{
	if (lseek(passed_fd, 0, SEEK_SET) < 0 || write(passed_fd, STATE_MAGIC, strlen(STATE_MAGIC)) < 0)
		return "failed";
	fake_log("migrated");
	return "completed";
}

static const char *load_state(void)
{
	char buf[sizeof(STATE_MAGIC)] = "";

	if (lseek(passed_fd, 0, SEEK_SET) < 0 || read(passed_fd, buf, strlen(STATE_MAGIC)) < 0 ||
	    !str_eq(buf, STATE_MAGIC))
		return "failed";
	fake_log("loaded");
	return "completed";
}

static void say_return(struct fake *f, json_int_t id, const char *value)
{
	_cleanup_free_ char *line = mem_printf("{\"return\": %s, \"id\": %lld}", value, (long long)id);

	fake_qmp_say(f, line);
}

static void say_error(struct fake *f, json_int_t id, const char *text)
{
	_cleanup_free_ char *line = mem_printf("{\"error\": {\"class\": \"GenericError\", \"desc\": \"%s\"}, \"id\": %lld}",
					       text, (long long)id);

	fake_qmp_say(f, line);
}

static void do_migration(struct fake *f, json_int_t id, bool is_save)
{
	const char *status;
	_cleanup_free_ char *data = NULL;

	at(f, is_save ? "save" : "load");
	say_return(f, id, "{}");
	status = passed_fd < 0 ? "failed" : is_save ? save_state() : load_state();
	close_fd(&passed_fd);
	data = mem_printf("{\"status\": \"%s\"}", status);
	say_event(f, "MIGRATION", data);
	f->n_finishing = is_save ? 2 : 0;
}

static void set_running(struct fake *f, bool is_running)
{
	if (f->is_running == is_running)
		return;
	f->is_running = is_running;
	say_event(f, is_running ? "RESUME" : "STOP", "{}");
}

/* Commands with an answer of their own; all others get {}. */
static const struct {
	const char *command, *answer;
} answers[] = {
	{ "query-machines",
	  "[{\"name\": \"microvm\"}, {\"name\": \"pc-q35-7.2\", \"alias\": \"q35\"}, {\"name\": \"none\"}]" },
	{ "query-kvm", "{\"enabled\": false, \"present\": false}" },
	{ "query-migrate-capabilities", "[{\"capability\": \"x-ignore-shared\", \"state\": false}]" },
	{ "query-command-line-options", "[{\"option\": \"sandbox\", \"parameters\": []}]" },
	{ "qom-list-types", "[{\"name\": \"it-is-there\"}]" },
};

static void do_command(struct fake *f, const json_t *msg)
{
	const char *name = json_string_value(json_object_get(msg, "execute"));
	json_int_t id = json_integer_value(json_object_get(msg, "id"));

	if (!name)
		fake_die("the monitor got a message without a command");
	fake_log("qmp %s", name);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		if (str_eq(name, answers[i].command)) {
			say_return(f, id, answers[i].answer);
			return;
		}
	if (str_eq(name, "query-status") && f->n_finishing > 0) {
		f->n_finishing--;
		say_return(f, id, "{\"status\": \"finish-migrate\"}");
	} else if (str_eq(name, "cont") && f->n_finishing > 0) {
		say_error(f, id, "Migration is not finalized yet");
	} else if (str_eq(name, "query-status")) {
		say_return(f, id,
			   f->is_running    ? "{\"status\": \"running\"}"
			   : f->is_incoming ? "{\"status\": \"inmigrate\"}"
					    : "{\"status\": \"paused\"}");
	} else if (str_eq(name, "migrate") || str_eq(name, "migrate-incoming")) {
		do_migration(f, id, str_eq(name, "migrate"));
	} else if (str_eq(name, "stop")) {
		at(f, "stop");
		set_running(f, false);
		say_return(f, id, "{}");
	} else if (str_eq(name, "cont")) {
		at(f, "cont");
		set_running(f, true);
		say_return(f, id, "{}");
		agent_resume(f);
	} else if (str_eq(name, "dump-guest-memory")) {
		ssize_t n = passed_fd >= 0 ? write(passed_fd, "KDUMP   fake\n", 13) : -1;
		close_fd(&passed_fd);
		say_return(f, id, n == 13 ? "{}" : "{\"bad\": 1}");
	} else if (str_eq(name, "human-monitor-command")) {
		const char *line = json_string_value(json_object_get(json_object_get(msg, "arguments"), "command-line"));
		bool starts = line && str_starts(line, "gdbserver unix:");

		say_return(f, id, starts && f->has_gdb ? "\"Could not open gdbserver on device\\r\\n\"" : "\"\"");
		f->has_gdb = starts;
	} else if (str_eq(name, "quit")) {
		at(f, "quit");
		say_return(f, id, "{}");
		_exit(0);
	} else {
		say_return(f, id, "{}");
	}
}

static void on_qmp(void *ctx, int fd, short events)
{
	static struct str in;
	struct fake *f = ctx;
	char buf[4096], *nl;
	int got_fd;
	ssize_t n = fdpass_receive(fd, buf, sizeof(buf), &got_fd);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		_exit(0); /* QEMU would go on; its supervisor is gone, and so are we */
	if (got_fd >= 0) {
		close_fd(&passed_fd);
		passed_fd = got_fd;
	}
	str_add_mem(&in, buf, (size_t)n);
	while ((nl = memchr(in.p, '\n', in.len))) {
		json_t *command = json_loadb(in.p, (size_t)(nl - in.p), 0, NULL);
		size_t used = (size_t)(nl - in.p) + 1;

		if (!command)
			fake_die("the monitor got something that is not JSON");
		memmove(in.p, in.p + used, in.len - used);
		str_truncate(&in, in.len - used);
		do_command(f, command);
		json_decref(command);
	}
}

/* ---- Start ---- */

static const char *value_of(const char *options, const char *key, char *buf, size_t cap)
{
	_cleanup_free_ char *pattern = mem_printf(",%s=", key);
	const char *p = strstr(options, pattern);

	if (!p)
		return NULL;
	p += strlen(pattern);
	snprintf(buf, cap, "%.*s", (int)strcspn(p, ","), p);
	return buf;
}

static void read_chardev(struct fake *f, const char *options)
{
	char id[64] = "", fd[16] = "";

	if (!value_of(options, "id", id, sizeof(id)) || !value_of(options, "fd", fd, sizeof(fd)))
		return;
	if (str_eq(id, "qmp"))
		f->qmp = atoi(fd);
	else if (str_eq(id, "console"))
		f->console = atoi(fd);
	else if (str_eq(id, "agent"))
		f->agent = atoi(fd);
}

static void read_args(struct fake *f, int argc, char **argv)
{
	char buf[4096];

	for (int i = 1; i + 1 < argc; i++) {
		if (str_eq(argv[i], "-accel") && str_starts(argv[i + 1], "kvm"))
			f->has_kvm = true;
		else if (str_eq(argv[i], "-chardev"))
			read_chardev(f, argv[i + 1]);
		else if (str_eq(argv[i], "-fsdev") && !f->share_path && value_of(argv[i + 1], "path", buf, sizeof(buf)))
			f->share_path = mem_strdup(buf);
		else if (str_eq(argv[i], "-incoming"))
			f->is_incoming = true;
		else if (str_eq(argv[i], "-object") && value_of(argv[i + 1], "mem-path", buf, sizeof(buf))) {
			f->ram_path = mem_strdup(buf);
			if (value_of(argv[i + 1], "size", buf, sizeof(buf)))
				parse_size(buf, &f->ram_bytes, NULL);
		}
	}
}

/* Like QEMU: the file is made when it is not there, and has its size. */
static void make_ram(const struct fake *f)
{
	int fd = open(f->ram_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		fprintf(stderr, "fake-qemu: can't open backing store %s for guest RAM: %s\n", f->ram_path,
			strerror(errno));
		_exit(1);
	}
	if (lseek(fd, 0, SEEK_END) == 0 && ftruncate(fd, (off_t)f->ram_bytes) < 0)
		_exit(1);
	close(fd);
}

static void say_greeting(struct fake *f)
{
	const char *text = getenv("FAKE_VMM_VERSION");
	unsigned major = 7, minor = 2, micro = 0;

	if (text && sscanf(text, "%u.%u.%u", &major, &minor, &micro) < 2)
		fake_die("FAKE_VMM_VERSION is like 7.2.0, not '%s'", text);
	_cleanup_free_ char *line =
	    mem_printf("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": %u, \"minor\": %u, \"major\": %u}}, "
		       "\"capabilities\": []}}",
		       micro, minor, major);
	fake_qmp_say(f, line);
}

int main(int argc, char **argv)
{
	struct fake f = { .qmp = -1, .console = -1, .agent = -1, .wire_version = WIRE_VERSION };
	struct str line = STR_INIT;

	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && str_eq(argv[1], "-L") && str_eq(argv[2], "help")) {
		if (getenv("FAKE_VMM_FIRMWARE"))
			puts(getenv("FAKE_VMM_FIRMWARE"));
		return 0;
	}
	for (int i = 0; i < argc; i++)
		str_addf(&line, " %s", argv[i]);
	fake_log("argv%s", str_cstr(&line));
	str_clear(&line);
	if (getenv("FAKE_VMM_SCRIPT"))
		script_load(&f.script, getenv("FAKE_VMM_SCRIPT"));
	read_args(&f, argc, argv);
	if (f.qmp < 0)
		fake_die("no monitor on the command line");
	f.loop = loop_new();
	loop_fd(f.loop, f.qmp, POLLIN, on_qmp, &f);
	if (f.agent < 0) { /* asked what it can do */
		say_greeting(&f);
		loop_run(f.loop);
	}
	at(&f, "start");
	at(&f, f.has_kvm ? "start-kvm" : "start-tcg");
	if (f.ram_path)
		make_ram(&f);
	say_greeting(&f);
	if (!f.is_incoming) {
		f.is_running = true;
		at(&f, "boot");
		at(&f, f.has_kvm ? "boot-kvm" : "boot-tcg");
		agent_start(&f);
	}
	loop_run(f.loop);
	return 0;
}
