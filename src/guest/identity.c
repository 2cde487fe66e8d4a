/* SPDX-License-Identifier: MPL-2.0 */

#include "guest/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guest/abi.h"
#include "guest/file.h"
#include "guest/net.h"
#include "guest/root.h"

#define ENTROPY_MAX 512 /* bytes; 32 are enough to seed the generator */
#define HOSTNAME_MAX 64

static bool is_known;
static char machine_id[33], hostname[HOSTNAME_MAX + 1];

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
	_cleanup_close_ int fd = -1;
	uint32_t n = entropy->len < ENTROPY_MAX ? entropy->len : ENTROPY_MAX;

	if (n == 0)
		return 0;
	fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "open '/dev/urandom'");
	pool.entropy_count = (int)n * 8;
	pool.buf_size = (int)n;
	memcpy(pool.buf, entropy->p, n);
	if (ioctl(fd, QRNDADDENTROPY, &pool) < 0)
		return error_sys(err, errno, "credit entropy");
	/* Before 4.17 there is no such call, and a credit of 256 bits reseeds by itself. */
	if (ioctl(fd, QRNDRESEEDCRNG) < 0 && errno != EINVAL && errno != ENOTTY)
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

int identity_apply(const struct wire_identity *m, struct error *err)
{
	size_t n = strlen(m->hostname);

	if (n > HOSTNAME_MAX)
		return error_set(err, ERROR_USAGE, "a hostname of %zu bytes", n);
	if (m->machine_id[0] &&
	    (strlen(m->machine_id) != 32 || strspn(m->machine_id, "0123456789abcdef") != 32))
		return error_set(err, ERROR_USAGE, "a machine id must be 32 hex digits");
	/* Entropy first: the files' times and the rest may not wait for it, but nothing may be drawn before it. */
	if (add_entropy(&m->entropy, err) < 0 || set_clock(m->realtime_ns, err) < 0)
		return -1;
	if (n && sethostname(m->hostname, n) < 0)
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

/* Does a line of /etc/hosts name the host? */
static bool hosts_has(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = strstr(text, name); p; p = strstr(p + 1, name))
		if (p > text && strchr(" \t", p[-1]) && strchr(" \t\n", p[n])) /* the NUL counts */
			return true;
	return false;
}

static void write_hosts(void)
{
	static char text[16384];
	char line[2 * HOSTNAME_MAX];
	ssize_t n = file_read("/etc/hosts", text, sizeof(text) - sizeof(line));

	if (n > 0 && hosts_has(text, hostname))
		return;
	if (n <= 0) {
		static const char local[] = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

		n = (ssize_t)strlen(local);
		memcpy(text, local, sizeof(local));
	}
	file_path(line, sizeof(line), "%s127.0.1.1\t%s\n", n > 0 && text[n - 1] != '\n' ? "\n" : "", hostname);
	strcpy(text + n, line);
	file_replace("/etc/hosts", text, strlen(text), 0644);
}

void identity_write_files(void)
{
	char line[HOSTNAME_MAX + 2];

	if (!hostname[0] && !machine_id[0])
		return;
	mkdir("/etc", 0755);
	if (machine_id[0]) {
		file_path(line, sizeof(line), "%s\n", machine_id);
		file_replace("/etc/machine-id", line, strlen(line), 0444);
	}
	if (hostname[0]) {
		file_path(line, sizeof(line), "%s\n", hostname);
		file_replace("/etc/hostname", line, strlen(line), 0644);
		write_hosts();
	}
}
