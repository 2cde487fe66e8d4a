/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The port's name reaches the guest over a control queue some time after the
 * driver has bound, and the kernel tells nobody who is not listening on a
 * netlink socket, which a kernel need not have. So /sys is looked at until
 * the name is there: every half millisecond, which is less than the work of
 * setting up anything better.
 */

#include "guest/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guest/clock.h"
#include "guest/file.h"
#include "guest/log.h"
#include "guest/mounts.h"
#include "wire/wire.h"

#define PORT_CLASS "/sys/class/virtio-ports"
#define PORT_WAIT_MS 15000 /* emulated machines that compete for a CPU are slow, and nothing is lost by waiting */
#define PORT_POLL_US 500

void boot_stdio(void)
{
	int fd;

	/* No console driver: the kernel started us without descriptors, and sockets must not end up as 0 to 2. */
	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0 && mknod("/dev/null", S_IFCHR | 0666, 1 << 8 | 3) < 0)
			return;
	} while (fd < 2);
	if (fd > 2)
		close(fd);
}

int boot_mounts(struct error *err)
{
	static const struct {
		const char *target, *path;
	} links[] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "fd/0", "/dev/stdin" },
		{ "fd/1", "/dev/stdout" },
		{ "fd/2", "/dev/stderr" },
	};

	umask(0);
	if (mounts_early(err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i].target, links[i].path) < 0 && errno != EEXIST)
			return error_sys(err, errno, "make '%s'", links[i].path);
	return 0;
}

/*
 * An x86 kernel without the TSC deadline timer measures the LAPIC's against the
 * TSC for a tenth of a second, by polling. A vCPU that the host does not let
 * run at the first or at the last look gets a timer that is too fast (Linux
 * looks again then, which costs a little) or too slow: each sleep lasts longer
 * than it should, for the life of the machine and of all its clones. It can be
 * told from the tick device's factor, as each LAPIC of ours counts at 1 GHz,
 * divided by 16.
 */
#define LAPIC_KHZ 62500u
#define LAPIC_TOLERANCE 8u /* one part in as many */
#define TIMER_LIST_MAX (256u << 10)

void boot_check_timer(void)
{
#if defined(__x86_64__) || defined(__i386__)
	static char text[TIMER_LIST_MAX];
	const char *p = file_read("/proc/timer_list", text, sizeof(text)) > 0 ? strstr(text, "Clock Event Device: lapic\n") : NULL;
	uint64_t mult, shift, khz;

	if (!p || !(p = strstr(p, " mult:")))
		return;
	for (p += strlen(" mult:"); *p == ' '; p++)
		;
	if (!file_number(&p, &mult) || !(p = strstr(p, " shift:")))
		return;
	for (p += strlen(" shift:"); *p == ' '; p++)
		;
	if (!file_number(&p, &shift) || shift > 32 || mult >> 32)
		return;
	khz = (mult * 1000000) >> shift; /* ticks = (ns * mult) >> shift */
	if (khz > LAPIC_KHZ + LAPIC_KHZ / LAPIC_TOLERANCE || khz < LAPIC_KHZ - LAPIC_KHZ / LAPIC_TOLERANCE)
		log_line(WIRE_TIMER_IS_WRONG " (%u kHz for %u)", (unsigned)khz, LAPIC_KHZ);
#endif
}

struct port_search {
	char node[64]; /* "vport0p1" */
	bool any;
};

static int is_our_port(void *ctx, const char *name)
{
	struct port_search *s = ctx;
	char path[256], value[64];

	s->any = true;
	if (file_path(path, sizeof(path), PORT_CLASS "/%s/name", name) < 0 ||
	    file_read_line(path, value, sizeof(value)) < 0 || strcmp(value, WIRE_AGENT_PORT) != 0)
		return 0;
	return file_path(s->node, sizeof(s->node), "/dev/%s", name) == 0;
}

/* Waits until the host has opened its end: before, reads say end of file. */
static bool is_connected(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP);
}

int boot_open_port(int *ret_fd, struct error *err)
{
	const struct timespec nap = { .tv_nsec = PORT_POLL_US * 1000L };
	uint64_t deadline = clock_mono_ns() + PORT_WAIT_MS * 1000000ull;
	struct port_search s = { "", false };
	_cleanup_close_ int fd = -1;

	for (;;) {
		if (fd < 0 && file_each_name(PORT_CLASS, is_our_port, &s) == 1)
			fd = open(s.node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && is_connected(fd)) {
			*ret_fd = take_fd(&fd);
			return 0;
		}
		if (clock_mono_ns() > deadline)
			break;
		nanosleep(&nap, NULL);
	}
	if (fd >= 0)
		return error_set(err, ERROR_TIMEOUT, "the host did not open its end of agent port '%s'", s.node);
	if (s.node[0])
		return error_sys(err, errno, "open agent port '%s'", s.node);
	if (s.any)
		return error_set(err, ERROR_MISSING, "there are virtio ports, but none is named " WIRE_AGENT_PORT);
	if (access("/sys/bus/virtio/drivers/virtio_console", F_OK) < 0)
		return error_set(err, ERROR_MISSING,
				 "no agent port: the kernel has no virtio console driver (CONFIG_VIRTIO_CONSOLE), or the "
				 "initramfs lacks its module");
	return error_set(err, ERROR_MISSING,
			 "no agent port: the virtio console driver found no device (is the transport's driver there: "
			 "virtio_mmio with its command line or ACPI part, virtio_pci, virtio_ccw?)");
}
