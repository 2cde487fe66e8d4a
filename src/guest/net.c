/* SPDX-License-Identifier: MPL-2.0 */

#include "guest/net.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/file.h"

#define ETHERNET 1 /* ARPHRD_ETHER */

bool net_parse_mac(const char *s, uint8_t ret[6])
{
	for (int i = 0; i < 6; i++) {
		uint8_t byte = 0;

		for (int k = 0; k < 2; k++, s++) {
			if (*s >= '0' && *s <= '9')
				byte = (uint8_t)(byte << 4 | (*s - '0'));
			else if ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'f')
				byte = (uint8_t)(byte << 4 | ((*s | 0x20) - 'a' + 10));
			else
				return false;
		}
		if (*s != (i < 5 ? ':' : '\0'))
			return false;
		s++;
		ret[i] = byte;
	}
	return true;
}

bool net_parse_ipv4(const char *s, uint32_t *ret_addr, uint32_t *ret_mask)
{
	uint64_t v, bits = 32;
	uint32_t addr = 0;

	for (int i = 0; i < 4; i++) {
		if (!file_number(&s, &v) || v > 255)
			return false;
		addr = addr << 8 | (uint32_t)v;
		if (i < 3 && *s++ != '.')
			return false;
	}
	if (*s == '/') {
		s++;
		if (!file_number(&s, &bits) || bits > 32)
			return false;
	}
	if (*s)
		return false;
	*ret_addr = addr;
	*ret_mask = bits ? (uint32_t)(0xffffffffu << (32 - bits)) : 0;
	return true;
}

static int open_socket(struct error *err)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_sys(err, errno, "open a socket (does this kernel have IPv4?)");
	return fd;
}

static int set_up(int sock, const char *ifname, bool up)
{
	struct ifreq ifr = { 0 };

	strcpy(ifr.ifr_name, ifname);
	if (ioctl(sock, SIOCGIFFLAGS, &ifr) < 0)
		return -errno;
	if (up == !!(ifr.ifr_flags & IFF_UP))
		return 0;
	ifr.ifr_flags = (short)(up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
	return ioctl(sock, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}

void net_loopback_up(void)
{
	_cleanup_close_ int sock = open_socket(NULL);

	if (sock >= 0)
		set_up(sock, "lo", true);
}

static void put_address(struct sockaddr *sa, uint32_t addr)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(addr) };

	memcpy(sa, &sin, sizeof(sin));
}

struct nic_search {
	const char *mac; /* lower case or as given; NULL: the first Ethernet one */
	char name[IFNAMSIZ];
	uint64_t index;
};

static int match_nic(void *ctx, const char *name)
{
	struct nic_search *s = ctx;
	char path[128], value[64];
	uint8_t want[6], have[6];
	const char *p = value;
	uint64_t v;

	if (strlen(name) >= IFNAMSIZ || file_path(path, sizeof(path), "/sys/class/net/%s/type", name) < 0 ||
	    file_read_line(path, value, sizeof(value)) < 0 || !file_number(&p, &v) || v != ETHERNET)
		return 0;
	if (s->mac) {
		if (file_path(path, sizeof(path), "/sys/class/net/%s/address", name) < 0 ||
		    file_read_line(path, value, sizeof(value)) < 0 || !net_parse_mac(value, have) ||
		    !net_parse_mac(s->mac, want) || memcmp(have, want, sizeof(have)) != 0)
			return 0;
		strcpy(s->name, name);
		return 1;
	}
	p = value;
	if (file_path(path, sizeof(path), "/sys/class/net/%s/ifindex", name) < 0 ||
	    file_read_line(path, value, sizeof(value)) < 0 || !file_number(&p, &v))
		return 0;
	if (!s->name[0] || v < s->index) {
		strcpy(s->name, name);
		s->index = v;
	}
	return 0;
}

static int set_mac(int sock, const char *ifname, const char *mac, struct error *err)
{
	struct ifreq ifr = { 0 };
	uint8_t bytes[6];

	if (!net_parse_mac(mac, bytes))
		return error_set(err, ERROR_USAGE, "'%s' is no MAC address", mac);
	set_up(sock, ifname, false);
	strcpy(ifr.ifr_name, ifname);
	ifr.ifr_hwaddr.sa_family = ETHERNET;
	memcpy(ifr.ifr_hwaddr.sa_data, bytes, sizeof(bytes));
	if (ioctl(sock, SIOCSIFHWADDR, &ifr) < 0)
		return error_sys(err, errno, "set the MAC of %s to %s", ifname, mac);
	return 0;
}

int net_set_first_mac(const char *mac, struct error *err)
{
	struct nic_search s = { 0 };
	_cleanup_close_ int sock = -1;

	file_each_name("/sys/class/net", match_nic, &s);
	if (!s.name[0])
		return 0;
	sock = open_socket(err);
	return sock < 0 ? -1 : set_mac(sock, s.name, mac, err);
}

static int set_address(int sock, const char *ifname, const char *address, struct error *err)
{
	struct ifreq ifr = { 0 };
	uint32_t addr, mask;

	if (!net_parse_ipv4(address, &addr, &mask))
		return error_set(err, ERROR_USAGE, "'%s' is no IPv4 address", address);
	strcpy(ifr.ifr_name, ifname);
	put_address(&ifr.ifr_addr, addr);
	if (ioctl(sock, SIOCSIFADDR, &ifr) < 0)
		return error_sys(err, errno, "give %s the address %s", ifname, address);
	put_address(&ifr.ifr_netmask, mask);
	if (ioctl(sock, SIOCSIFNETMASK, &ifr) < 0)
		return error_sys(err, errno, "set the netmask of %s", ifname);
	return 0;
}

static int set_gateway(int sock, const char *gateway, struct error *err)
{
	struct rtentry rt = { .rt_flags = RTF_UP | RTF_GATEWAY };
	uint32_t addr, mask;

	if (!net_parse_ipv4(gateway, &addr, &mask))
		return error_set(err, ERROR_USAGE, "'%s' is no gateway's address", gateway);
	put_address(&rt.rt_gateway, addr);
	put_address(&rt.rt_dst, 0);
	put_address(&rt.rt_genmask, 0);
	if (ioctl(sock, SIOCADDRT, &rt) < 0 && errno != EEXIST)
		return error_sys(err, errno, "route through %s", gateway);
	return 0;
}

/* Drops the lines of /etc/hosts that end like this one, which are of an earlier table. Returns what is left. */
static size_t keep_others(char *text, size_t n, const char *comment)
{
	size_t kept = 0;

	for (size_t at = 0; at < n;) {
		const char *nl = memchr(text + at, '\n', n - at);
		size_t len = nl ? (size_t)(nl + 1 - (text + at)) : n - at;
		size_t tail = strlen(comment), body = nl ? len - 1 : len;

		if (!*comment || body < tail || memcmp(text + at + body - tail, comment, tail) != 0) {
			memmove(text + kept, text + at, len);
			kept += len;
		}
		at += len;
	}
	if (kept && text[kept - 1] != '\n')
		text[kept++] = '\n';
	return kept;
}

#define HOSTS_MAX 65536 /* bytes of the root's own /etc/hosts that are kept */

static int write_hosts(const struct wire_network *m, struct error *err)
{
	static char text[HOSTS_MAX + WIRE_PAYLOAD_MAX + 64];
	uint32_t pos = 0;
	const char *line = wire_list_next(&m->hosts, &pos);
	ssize_t n;
	size_t at;
	int r;

	if (!line)
		return 0;
	n = file_read("/etc/hosts", text, HOSTS_MAX);
	at = keep_others(text, n > 0 ? (size_t)n : 0, strchr(line, '#') ? strchr(line, '#') : "");
	for (; line; line = wire_list_next(&m->hosts, &pos))
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s\n", line);
	r = file_make_dirs("/etc/hosts", false, 0755);
	if (r == 0)
		r = file_replace("/etc/hosts", text, at, 0644);
	return r < 0 ? error_sys(err, -r, "write '/etc/hosts'") : 0;
}

/* resolv.conf, and the other machines' names. */
static int write_files(const struct wire_network *m, struct error *err)
{
	static char text[WIRE_PAYLOAD_MAX + 64];

	if (m->nameserver[0]) {
		int n = snprintf(text, sizeof(text), "nameserver %s\n", m->nameserver);
		int r = file_make_dirs("/etc/resolv.conf", false, 0);

		if (r == 0)
			r = file_replace("/etc/resolv.conf", text, (size_t)n, 0644);
		if (r < 0)
			return error_sys(err, -r, "write '/etc/resolv.conf'");
	}
	return write_hosts(m, err);
}

int net_configure(const struct wire_network *m, struct error *err)
{
	struct nic_search s = { .mac = m->mac };
	_cleanup_close_ int sock = -1;
	int r;

	if (!m->mac[0])
		return write_files(m, err);
	file_each_name("/sys/class/net", match_nic, &s);
	if (!s.name[0])
		return error_set(err, ERROR_MISSING, "no network interface with MAC '%s' (is virtio_net there?)", m->mac);
	sock = open_socket(err);
	if (sock < 0)
		return -1;
	if (m->new_mac[0] && set_mac(sock, s.name, m->new_mac, err) < 0)
		return -1;
	if (m->address[0] && set_address(sock, s.name, m->address, err) < 0)
		return -1;
	r = set_up(sock, s.name, true);
	if (r < 0)
		return error_sys(err, -r, "bring %s up", s.name);
	if (m->gateway[0] && set_gateway(sock, m->gateway, err) < 0)
		return -1;
	return write_files(m, err);
}
