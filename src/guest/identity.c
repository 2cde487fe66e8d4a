/* SPDX-License-Identifier: MPL-2.0 */

#include "guest/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "guest/abi.h"
#include "guest/file.h"
#include "guest/net.h"
#include "guest/root.h"

#define ENTROPY_MAX 512 /* bytes; 32 are enough to seed the generator */
#define HOSTNAME_MAX 64
#define MACHINE_ID_FILE_BYTES 33

static bool is_known;
static char machine_id[33], hostname[HOSTNAME_MAX + 1];
static char written_hostname[HOSTNAME_MAX + 1]; /* as the files have it */
static char *machine_id_file;			/* /etc/machine-id, mapped, once it is there */
static int random_fd = -1;

bool identity_is_known(void)
{
	return is_known;
}

static int add_entropy(const struct wire_bytes *entropy, struct error *err)
{
	/* struct rand_pool_info of linux/random.h */
	struct {
		int entropy_count, buf_size;
		unsigned char buf[ENTROPY_MAX];
	} pool;
	uint32_t n = entropy->len < ENTROPY_MAX ? entropy->len : ENTROPY_MAX;

	if (n == 0)
		return 0;
	if (random_fd < 0)
		random_fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	if (random_fd < 0)
		return error_sys(err, errno, "open '/dev/urandom'");
	pool.entropy_count = (int)n * 8;
	pool.buf_size = (int)n;
	memcpy(pool.buf, entropy->p, n);
	if (ioctl(random_fd, QRNDADDENTROPY, &pool) < 0)
		return error_sys(err, errno, "credit entropy");
	/* Before 4.17 there is no such call, and a credit of 256 bits reseeds by itself. */
	if (ioctl(random_fd, QRNDRESEEDCRNG) < 0 && errno != EINVAL && errno != ENOTTY)
		return error_sys(err, errno, "reseed the random number generator");
	return 0;
}

static int set_clock(uint64_t realtime_ns, struct error *err)
{
	struct timespec ts = { .tv_sec = (time_t)(realtime_ns / 1000000000u), .tv_nsec = (long)(realtime_ns % 1000000000u) };

	if (realtime_ns && clock_settime(CLOCK_REALTIME, &ts) < 0)
		return error_sys(err, errno, "set the clock");
	return 0;
}

#if defined(__riscv) || defined(__powerpc__)
/*
 * QEMU (7.2) saves what a RISC-V or POWER timer is set to, but a loaded machine's
 * timer is not running until it is set again, and Linux sets it only for what
 * comes earlier than the event that it takes to be set already: a lone `sleep 4`
 * in a clone never woke. So each CPU is given something that is due at once.
 */
static void wake_timers(void)
{
	const struct itimerspec past = { .it_value = { .tv_nsec = 1 } };
	cpu_set_t all, one;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		_cleanup_close_ int fd = -1;

		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) < 0)
			continue;
		fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (fd >= 0)
			timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, NULL);
	}
	sched_setaffinity(0, sizeof(all), &all);
}
#else
static void wake_timers(void)
{
}
#endif

int identity_apply(const struct wire_identity *m, struct error *err)
{
	size_t n = strlen(m->hostname);

	if (n > HOSTNAME_MAX)
		return error_set(err, ERROR_USAGE, "a hostname of %zu bytes", n);
	if (m->machine_id[0] &&
	    (strlen(m->machine_id) != 32 || strspn(m->machine_id, "0123456789abcdef") != 32))
		return error_set(err, ERROR_USAGE, "a machine id must be 32 hex digits");
	wake_timers();
	/* Entropy first: the files' times and the rest may not wait for it, but nothing may be drawn before it. */
	if (add_entropy(&m->entropy, err) < 0 || set_clock(m->realtime_ns, err) < 0)
		return -1;
	if (n && strcmp(m->hostname, hostname) != 0 && sethostname(m->hostname, n) < 0)
		return error_sys(err, errno, "set the hostname to '%s'", m->hostname);
	strcpy(hostname, m->hostname);
	strcpy(machine_id, m->machine_id);
	is_known = true;
	if (m->mac[0] && net_set_first_mac(m->mac, err) < 0)
		return -1;
	if (root_is_assembled())
		identity_write_files();
	return 0;
}

#define OWN_ADDRESS "127.0.1.1" /* of the host's own name, where no other line has it */

/* Drops the lines with it: they are of the image, or of the machine whose clone this one is. Returns what is left. */
static size_t drop_own(char *text)
{
	size_t kept = 0, len;

	for (const char *p = text; *p; p += len) {
		len = strcspn(p, "\n");
		len += p[len] == '\n';
		if (strncmp(p, OWN_ADDRESS, strlen(OWN_ADDRESS)) == 0 && strchr(" \t", p[strlen(OWN_ADDRESS)]))
			continue;
		memmove(text + kept, p, len);
		kept += len;
	}
	text[kept] = '\0';
	return kept;
}

static void write_hosts(void)
{
	static char text[16384];
	char line[2 * HOSTNAME_MAX];
	ssize_t n = file_read("/etc/hosts", text, sizeof(text) - sizeof(line));

	if (n > 0)
		n = (ssize_t)drop_own(text);
	if (n <= 0) {
		static const char local[] = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

		n = (ssize_t)strlen(local);
		memcpy(text, local, sizeof(local));
	}
	file_path(line, sizeof(line), "%s" OWN_ADDRESS "\t%s\n", n > 0 && text[n - 1] != '\n' ? "\n" : "", hostname);
	strcpy(text + n, line);
	file_replace("/etc/hosts", text, strlen(text), 0644);
}

/*
 * The file stays mapped, so that in a clone of a template that has it the new
 * id is a copy of 32 bytes: finding and writing a file costs an emulated
 * guest a twentieth of all that it does for a short program.
 */
static void write_machine_id(void)
{
	char line[MACHINE_ID_FILE_BYTES];
	_cleanup_close_ int fd = -1;

	memcpy(line, machine_id, 32);
	line[32] = '\n';
	if (machine_id_file) {
		memcpy(machine_id_file, line, sizeof(line));
		return;
	}
	file_replace("/etc/machine-id", line, sizeof(line), 0444);
	fd = open("/etc/machine-id", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		machine_id_file = mmap(NULL, sizeof(line), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (machine_id_file == MAP_FAILED)
		machine_id_file = NULL;
	if (machine_id_file)
		memcpy(machine_id_file, line, sizeof(line)); /* the page is there and writable from now on */
}

/* Is the mapped file the one that is found by its name, as long as it was? */
static bool is_own_machine_id(void)
{
	struct stat st;
	char line[MACHINE_ID_FILE_BYTES + 2];

	return lstat("/etc/machine-id", &st) == 0 && S_ISREG(st.st_mode) && st.st_size == MACHINE_ID_FILE_BYTES &&
	       file_read("/etc/machine-id", line, sizeof(line)) == MACHINE_ID_FILE_BYTES &&
	       memcmp(line, machine_id_file, MACHINE_ID_FILE_BYTES) == 0 && strncmp(line, machine_id, 32) == 0;
}

void identity_open(void)
{
	if (random_fd < 0)
		random_fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	/* A hook of a profile may have put another file in its place. */
	if (machine_id_file && !is_own_machine_id()) {
		munmap(machine_id_file, MACHINE_ID_FILE_BYTES);
		machine_id_file = NULL;
	}
}

void identity_write_files(void)
{
	if (!hostname[0] && !machine_id[0])
		return;
	if (!written_hostname[0])
		mkdir("/etc", 0755);
	if (machine_id[0])
		write_machine_id();
	if (hostname[0] && strcmp(hostname, written_hostname) != 0) {
		char line[HOSTNAME_MAX + 2];

		file_path(line, sizeof(line), "%s\n", hostname);
		file_replace("/etc/hostname", line, strlen(line), 0644);
		write_hosts();
		strcpy(written_hostname, hostname);
	}
}
