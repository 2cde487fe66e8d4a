/* SPDX-License-Identifier: MPL-2.0 */
/*
 * quiz-init: PID 1 of a quiz machine, and the guest's end of the agent
 * channel.
 *
 *	mounts -> modules -> agent port -> HELLO, stages -> WELCOME -> requests and programs -> FINISH
 *
 * One thread, one poll, fixed memory: nothing is allocated, so that nothing
 * can run out while a test exhausts the machine. Everything that could
 * take PID 1 down with it, or keep it from answering, is done by children.
 *
 * Also a plain program for tests: quiz-init --agent-fd N speaks the same
 * protocol over any stream socket and leaves mounts and modules alone.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/automount.h"
#include "guest/boot.h"
#include "guest/channel.h"
#include "guest/clock.h"
#include "guest/file.h"
#include "guest/finish.h"
#include "guest/kmsg.h"
#include "guest/log.h"
#include "guest/module.h"
#include "guest/request.h"
#include "guest/session.h"

#ifndef AGENT_ID
#error "the build names the agent by the hash of its sources: -DAGENT_ID=\"...\""
#endif

#define N_OWN_FDS 4   /* in front of the sessions': channel, kernel's log, the share that is mounted when touched, children */
#define KMSG_BATCH 16 /* records at a time when nobody else has anything to do */

static bool is_machine;
static int children_fd = -1;
static volatile sig_atomic_t got_child; /* without children_fd */

static void on_child(int signo)
{
	(void)signo;
	got_child = 1;
}

/*
 * By a descriptor: less than half of the code of a handler's call and return,
 * which a clone of a short program would run once. A kernel without signalfd
 * delivers SIGCHLD, only while we wait, so that none is missed.
 */
static void watch_children(sigset_t *ret_while_waiting)
{
	struct sigaction sa = { .sa_handler = on_child };
	sigset_t blocked;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, ret_while_waiting);
	sigdelset(ret_while_waiting, SIGCHLD);
	children_fd = signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);
	if (children_fd >= 0)
		return;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGCHLD, &sa, NULL);
}

/* Everybody's orphans end up here too; they are just waited for. */
static void reap(void)
{
	struct rusage ru;
	pid_t pid;
	int st;

	while ((pid = wait4(-1, &st, WNOHANG, &ru)) > 0)
		if (!session_reaped(pid, st, &ru) && !automount_reaped(pid, st))
			request_reaped(pid, st);
}

static void check(enum channel_state state)
{
	char why[128];

	if (state == CHANNEL_UP)
		return;
	if (state == CHANNEL_CLOSED)
		finish_lost(is_machine, "the host closed the agent channel");
	file_path(why, sizeof(why), "the agent channel failed: %s", strerror(channel_errno()));
	finish_lost(is_machine, why);
}

static void handle_frames(void)
{
	while (channel_fd() >= 0 && channel_can_answer() && !request_is_still()) {
		struct wire_frame f;
		size_t size;
		enum wire_status st = channel_peek(&f, &size);

		if (st == WIRE_MORE)
			return;
		if (st == WIRE_BAD)
			finish_lost(is_machine, "bytes on the agent channel that are no message");
		switch (request_handle(&f)) {
		case REQUEST_DONE:
			channel_drop(size);
			break;
		case REQUEST_STALLED:
			return;
		case REQUEST_BAD: {
			char why[128];

			file_path(why, sizeof(why), "a %s message on the agent channel that breaks the protocol",
				  wire_type_name(f.type));
			finish_lost(is_machine, why);
		}
		}
	}
}

/* One turn: wait until something is possible, then do all that is. */
static void turn(const sigset_t *while_waiting, bool at_once)
{
	static struct pollfd fds[N_OWN_FDS + SESSION_POLL_MAX];
	const struct timespec now = { 0 };
	bool is_still = request_is_still(), is_told, wants_kmsg;
	size_t n = N_OWN_FDS;
	int ready;

	wants_kmsg = !is_still && request_is_welcome() && channel_can_stream();
	fds[0] = (struct pollfd){ .fd = channel_fd(), .events = channel_in_has_room() ? POLLIN : 0 };
	if (!channel_is_flushed())
		fds[0].events |= POLLOUT;
	fds[1] = (struct pollfd){ .fd = wants_kmsg ? kmsg_fd() : -1, .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = is_still ? -1 : automount_fd(), .events = POLLIN };
	fds[3] = (struct pollfd){ .fd = is_still ? -1 : children_fd, .events = POLLIN };
	if (!is_still)
		n += session_poll(fds + N_OWN_FDS);
	ready = ppoll(fds, n, at_once ? &now : NULL, children_fd >= 0 ? NULL : while_waiting);
	if (ready < 0)
		for (size_t i = 0; i < n; i++)
			fds[i].revents = 0;
	if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) {
		enum channel_state state = channel_fill();

		/* What came before the end is not worth acting upon: nobody would hear of it. */
		check(state);
		if (channel_was_heard())
			request_wake();
	}
	if (request_is_still())
		return;
	handle_frames();
	if (fds[3].revents & POLLIN) {
		struct signalfd_siginfo one; /* however many children: SIGCHLD is pending once */

		got_child = read(children_fd, &one, sizeof(one)) > 0;
	}
	is_told = got_child && session_last_has_ended();
	if (got_child && !is_told)
		reap();
	got_child = 0;
	session_run(fds + N_OWN_FDS, is_still ? 0 : n - N_OWN_FDS);
	if (is_told)
		reap();
	if (!request_advance())
		finish_lost(is_machine, "a message on the agent channel that breaks the protocol");
	if (fds[2].revents)
		automount_serve();
	if (fds[1].revents && !request_is_still())
		kmsg_forward(ready > 1 ? 1 : KMSG_BATCH);
}

static _Noreturn void serve(void)
{
	sigset_t while_waiting;
	bool at_once = false;

	watch_children(&while_waiting);
	for (;;) {
		bool was_congested;

		turn(&while_waiting, at_once);
		was_congested = !channel_can_stream();
		if (channel_fd() >= 0)
			check(channel_flush());
		/* What had to wait for room has it now, and no descriptor will say so. */
		at_once = was_congested && channel_can_stream();
	}
}

static uint64_t stage_ns[WIRE_AT_CHANNEL + 1];

static void reached(enum wire_boot_stage stage)
{
	stage_ns[stage] = clock_mono_ns();
}

/* HELLO, and the stages on the way to it that could not be told before. */
static void say_hello(void)
{
	struct utsname u;

	uname(&u);
	channel_send(hello, 0,
		     &(struct wire_hello){
			     .version_min = WIRE_VERSION,
			     .version_max = WIRE_VERSION,
			     .agent = AGENT_ID,
			     .arch = u.machine,
			     .release = u.release,
			     .mono_ns = clock_mono_ns(),
		     });
	for (uint32_t i = WIRE_AT_INIT; i <= WIRE_AT_CHANNEL; i++)
		if (stage_ns[i])
			channel_send(stage, 0, &(struct wire_stage){ .stage = i, .mono_ns = stage_ns[i] });
	check(channel_flush());
}

static _Noreturn void run_machine(void)
{
	static struct error err;
	int fd = -1;

	reached(WIRE_AT_INIT);
	is_machine = true;
	boot_stdio();
	prctl(PR_SET_NAME, "quiz-init");
	if (boot_mounts(&err) < 0)
		finish_lost(true, err.text);
	log_to_kmsg();
	boot_check_timer();
	reached(WIRE_AT_MOUNTS);
	if (module_load_initramfs(BOOT_MODULES_DIR) > 0)
		reached(WIRE_AT_MODULES);
	if (boot_open_port(&fd, &err) < 0)
		finish_lost(true, err.text);
	channel_open(fd);
	reached(WIRE_AT_CHANNEL);
	say_hello();
	kmsg_open();
	serve();
}

static int usage(void)
{
	static const char text[] = "quiz-init is the first process of a quiz machine.\n"
				   "usage in tests: quiz-init --agent-fd N [--kmsg-fd N] | --version\n";

	file_write_all(2, text, sizeof(text) - 1);
	return 2;
}

static _Noreturn void run_test(int agent_fd, int kmsg_fd_number)
{
	reached(WIRE_AT_INIT);
	umask(0);
	channel_open(agent_fd);
	if (kmsg_fd_number >= 0)
		kmsg_open_fd(kmsg_fd_number);
	request_set_testing();
	reached(WIRE_AT_CHANNEL);
	say_hello();
	serve();
}

int main(int argc, char **argv)
{
	int agent_fd = -1, kmsg = -1;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		file_write_all(1, AGENT_ID "\n", sizeof(AGENT_ID));
		return 0;
	}
	/* The kernel hands words of its command line on to init, so only the two exact names count. */
	for (int i = 1; i + 1 < argc; i++) {
		const char *value = argv[i + 1];
		uint64_t v;

		if (strcmp(argv[i], "--agent-fd") == 0 && file_number(&value, &v))
			agent_fd = (int)v;
		else if (strcmp(argv[i], "--kmsg-fd") == 0 && file_number(&value, &v))
			kmsg = (int)v;
	}
	if (agent_fd >= 0)
		run_test(agent_fd, kmsg);
	if (getpid() != 1)
		return usage();
	run_machine();
}
