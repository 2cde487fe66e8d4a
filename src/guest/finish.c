/* SPDX-License-Identifier: MPL-2.0 */

#include "guest/finish.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guest/channel.h"
#include "guest/clock.h"
#include "guest/file.h"
#include "guest/kmsg.h"
#include "guest/log.h"

#define TERM_NS 500000000ull	/* for programs to end after SIGTERM */
#define KILL_NS 500000000ull	/* and after SIGKILL */
#define UNMOUNT_NS 20000000000ull /* file systems may have much to write; a dead one never ends */

/*
 * Opened once, before a template is saved where there is one: the path to each
 * is walked neither at the end of every clone nor in a machine that is broken
 * by then.
 */
static struct {
	const char *name, *path;
	int fd; /* descriptor + 1; 0: not opened */
	char text[64]; /* "name=value" when last read; "": there is none */
} counters[] = {
	{ "tainted", "/proc/sys/kernel/tainted", 0, "" },
	{ "oops_count", "/sys/kernel/oops_count", 0, "" },
	{ "warn_count", "/sys/kernel/warn_count", 0, "" },
	{ "softlockup_count", "/sys/kernel/softlockup_count", 0, "" },
	{ "hardlockup_count", "/sys/kernel/hardlockup_count", 0, "" },
	{ "rcu_stall_count", "/sys/kernel/rcu_stall_count", 0, "" },
	{ "hung_task_detect_count", "/proc/sys/kernel/hung_task_detect_count", 0, "" },
};

static uint64_t read_at; /* kmsg_n_read() then, and 1; 0: not read yet */

void finish_open_counts(void)
{
	static bool is_done;

	for (size_t i = 0; i < ARRAY_SIZE(counters) && !is_done; i++)
		counters[i].fd = open(counters[i].path, O_RDONLY | O_CLOEXEC) + 1;
	is_done = true;
}

void finish_read_counts(void)
{
	finish_open_counts();
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
		size_t at = strlen(counters[i].name);
		char *text = counters[i].text;
		ssize_t len;

		text[0] = '\0';
		if (!counters[i].fd)
			continue;
		memcpy(text, counters[i].name, at);
		text[at++] = '=';
		len = pread(counters[i].fd - 1, text + at, sizeof(counters[i].text) - at - 1, 0);
		text[len > 0 ? at + (size_t)len : 0] = '\0';
		text[strcspn(text, "\n")] = '\0';
	}
	read_at = kmsg_n_read() + 1;
}

void finish_send_counts(bool is_kmsg_read)
{
	const char *list[ARRAY_SIZE(counters) + 2];
	char lost[48];
	uint32_t n = 0;

	/*
	 * None of them goes up by itself without a message of the kernel's (who sets hung_task_warnings to 0, or writes
	 * a taint, has asked for silence). So while there was none they are what they were: most clones end without a
	 * word of the kernel, and reading two numbers from /proc and /sys is a fiftieth of all that such a clone
	 * translates.
	 */
	if (!is_kmsg_read || kmsg_fd() < 0 || read_at != kmsg_n_read() + 1)
		finish_read_counts();
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		if (counters[i].text[0])
			list[n++] = counters[i].text;
	/* What the host does not get to see, it has to know of. */
	if (kmsg_fd() < 0)
		list[n++] = "kmsg_missing=1";
	else if (is_kmsg_read && !kmsg_is_all_read())
		list[n++] = "kmsg_unread=1";
	if (kmsg_n_lost()) {
		file_path(lost, sizeof(lost), "kmsg_lost=%llu", (unsigned long long)kmsg_n_lost());
		list[n++] = lost;
	}
	channel_send(counts, 0, &(struct wire_counts){ .counts = { .v = list, .n = n } });
}

/* Reaps until nobody is left or the time is over. */
static void wait_for_all(uint64_t for_ns)
{
	const struct timespec nap = { .tv_nsec = 1000000 };
	uint64_t deadline = clock_mono_ns() + for_ns;

	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0 && errno == ECHILD)
			return;
		if (pid == 0) {
			if (clock_mono_ns() > deadline)
				return;
			nanosleep(&nap, NULL);
		}
	}
}

/* "\040" of /proc/mounts to its character, in place. */
static void unescape_octal(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* Newest mounts first; what is busy or part of the machine itself stays. */
static void unmount_all(void)
{
	static char text[256 * 1024];
	ssize_t len = file_read("/proc/self/mounts", text, sizeof(text));
	char *end = text + (len > 0 ? len : 0);

	while (end > text) {
		char *line = end - 1, *target;

		while (line > text && line[-1] != '\n')
			line--;
		end = line;
		target = strchr(line, ' ');
		if (!target)
			continue;
		target++;
		target[strcspn(target, " ")] = '\0';
		unescape_octal(target);
		if (strcmp(target, "/") == 0 || strcmp(target, "/proc") == 0 || strcmp(target, "/sys") == 0 ||
		    strcmp(target, "/dev") == 0)
			continue;
		umount2(target, UMOUNT_NOFOLLOW);
	}
	sync();
}

/*
 * A microvm without ACPI has no way to power off, and the kernel would halt
 * and keep its CPU busy; every VMM of ours takes a reset for the end.
 */
static int power_off_how(void)
{
#if defined(__x86_64__) || defined(__i386__)
	if (access("/sys/firmware/acpi", F_OK) < 0)
		return RB_AUTOBOOT;
#endif
	return RB_POWER_OFF;
}

_Noreturn void finish_power_off(void)
{
	int how = power_off_how();
	uint64_t deadline;
	pid_t pid;

	kill(-1, SIGTERM);
	kill(-1, SIGCONT);
	wait_for_all(TERM_NS);
	kill(-1, SIGKILL);
	wait_for_all(KILL_NS);
	/* By a child, because unmounting a broken file system can hang or oops. */
	pid = fork();
	if (pid == 0) {
		unmount_all();
		_exit(0);
	}
	deadline = clock_mono_ns() + UNMOUNT_NS;
	while (pid > 0 && waitpid(pid, NULL, WNOHANG) == 0 && clock_mono_ns() < deadline) {
		const struct timespec nap = { .tv_nsec = 1000000 };

		nanosleep(&nap, NULL);
	}
	reboot(how);
	log_line("cannot power off: %s", strerror(errno));
	_exit(0); /* the kernel panics, which ends the machine too */
}

_Noreturn void finish_lost(bool is_machine, const char *why)
{
	log_line("%s: the machine ends", why);
	if (is_machine)
		reboot(power_off_how());
	_exit(3);
}

bool finish_is_test_machine(void)
{
	char line[4096];
	const char *p;
	size_t n = strlen("quiz.test=1");

	if (file_read_line("/proc/cmdline", line, sizeof(line)) < 0)
		return false;
	for (p = line; (p = strstr(p, "quiz.test=1")); p++)
		if ((p == line || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			return true;
	return false;
}

void finish_test(uint32_t what)
{
	static uint8_t garbage[1024];

	switch (what) {
	case WIRE_TEST_EXIT:
		_exit(1);
	case WIRE_TEST_HANG:
		for (;;)
			pause();
	case WIRE_TEST_FLOOD:
		memset(garbage, 0xff, sizeof(garbage));
		channel_put_raw(garbage, sizeof(garbage));
		break;
	case WIRE_TEST_CLOSE:
		channel_close();
		break;
	}
}
