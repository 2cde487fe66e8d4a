/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Theory of operation: joining is done under the folder's "join" lock, so at
 * any moment at most one process starts a hub, and a hub that is about to end
 * holds it too. Under the lock: connect; if nobody listens, whoever did is
 * dead (its "lock" is free): bind anew, and start a hub that inherits the
 * listening socket, so that the connection need not wait for it. Folder and
 * files may go away in between, with a hub that ends or a sweep of what a
 * killed one left; then it is done again.
 *
 * The lock is kept until the hub has answered: one that has not heard of us
 * yet must not end for being alone. A supervisor that goes to another hub waits for
 * none of this: a lock that is taken is tried again later, and the answer comes
 * through its loop. Should the hub take long (it was stopped), the lock is let
 * go, for others to join; if the hub does end then, the connection says so.
 */

#include "run/network.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/fs.h"
#include "sys/lock.h"
#include "sys/proc.h"
#include "sys/fdpass.h"

#define TRIES 5
#define HUB_LISTEN_FD 3
#define HUB_LOCK_FD 4

/* ---- names and addresses ---- */

static bool is_name(const char *s, size_t max)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

	return n > 0 && n <= max && !s[n] && *s != '-';
}

int network_parse(const char *spec, char **ret_name, char **ret_host, struct error *err)
{
	const char *colon = strchr(spec, ':');
	_cleanup_free_ char *name = colon ? mem_strndup(spec, (size_t)(colon - spec)) : mem_strdup(spec);

	if (!is_name(name, NETWORK_NAME_MAX))
		return error_set(err, ERROR_USAGE, "'%s' is no name of a network: up to %d letters, digits and '-'", name,
				 NETWORK_NAME_MAX);
	if (colon && !is_name(colon + 1, HUB_HOST_MAX))
		return error_set(err, ERROR_USAGE, "'%s' is no host name: up to %d letters, digits and '-'", colon + 1, HUB_HOST_MAX);
	*ret_name = take_ptr(name);
	*ret_host = mem_strdup(colon ? colon + 1 : NULL);
	return 0;
}

/* 10.64.0.0/10: clear of QEMU's user networking (10.0.2.0/24). */
static void address_bytes(const char *name, unsigned number, unsigned char ip[4])
{
	uint64_t h = hash_str(HASH_INIT, name);

	ip[0] = 10;
	ip[1] = (unsigned char)(64 + (h >> 8) % 64);
	ip[2] = (unsigned char)h;
	ip[3] = (unsigned char)number;
}

/* The last byte is the member's; of one that is not known yet the letter stands for it. */
char *network_address(const char *name, unsigned number, char *buf)
{
	unsigned char ip[4];
	char last[4] = "N";

	address_bytes(name, number, ip);
	if (number)
		snprintf(last, sizeof(last), "%u", ip[3]);
	snprintf(buf, NETWORK_TEXT_MAX, "%u.%u.%u.%s", ip[0], ip[1], ip[2], last);
	return buf;
}

char *network_mac(const char *name, unsigned number, char *buf)
{
	unsigned char ip[4];
	char last[4] = "N";

	address_bytes(name, number, ip);
	if (number)
		snprintf(last, sizeof(last), "%02x", ip[3]);
	snprintf(buf, NETWORK_TEXT_MAX, "52:54:%02x:%02x:%02x:%s", ip[0], ip[1], ip[2], last);
	return buf;
}

void network_hosts(const struct network *n, struct strv *out)
{
	char address[NETWORK_TEXT_MAX];

	for (uint32_t i = 0; n->members && i < n->members->n; i++) {
		const struct hub_member *m = &n->members->members[i];

		strv_addf(out, "%s\t%s %s.%s\t# quiz %s", network_address(n->name, m->number, address), m->host, m->host, n->name,
			  n->name);
	}
}

/* ---- life ---- */

void network_init(struct network *n, const char *name, const char *host)
{
	*n = (struct network){ .name = mem_strdup(name), .host = mem_strdup(host), .control_fd = -1, .vmm_fd = -1, .hub_fd = -1,
			       .join_lock = -1 };
}

void network_clear(struct network *n)
{
	close_fd(&n->control_fd);
	close_fd(&n->vmm_fd);
	close_fd(&n->hub_fd);
	close_fd(&n->join_lock);
	free(n->name);
	free(n->host);
	free(n->members);
	*n = (struct network){ .control_fd = -1, .vmm_fd = -1, .hub_fd = -1, .join_lock = -1 };
}

/* Waits for as long as it is told to. Hostile or not, a table that is none is no table. */
static struct hub_table *read_table(int fd, int timeout_ms)
{
	_cleanup_free_ struct hub_table *t = mem_alloc(sizeof(*t));
	struct pollfd pf = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&pf, 1, timeout_ms) <= 0)
		return NULL;
	n = recv(fd, t, sizeof(*t), MSG_DONTWAIT);
	if (n < (ssize_t)offsetof(struct hub_table, members) || t->protocol != HUB_PROTOCOL || t->n > HUB_MEMBERS_MAX ||
	    n != (ssize_t)(offsetof(struct hub_table, members) + t->n * sizeof(*t->members)))
		return NULL;
	for (uint32_t i = 0; i < t->n; i++)
		t->members[i].host[HUB_HOST_MAX] = '\0';
	return take_ptr(t);
}

static int make_address(const char *dir, struct sockaddr_un *ret, struct error *err)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if ((size_t)snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/hub", dir) < sizeof(ret->sun_path))
		return 0;
	error_set(err, ERROR_USAGE, "cannot make a network in '%s': the path is too long for a socket", dir);
	return error_hint(err, "set XDG_RUNTIME_DIR to a shorter path");
}

static int make_socket(int flags, struct error *err)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);

	return fd < 0 ? error_sys(err, errno, "make a socket") : fd;
}

/* -1 without an error: nobody listens. A hub whose queue is full is waited for, or EAGAIN. */
static int try_connect(const struct sockaddr_un *addr, bool wait, struct error *err)
{
	_cleanup_close_ int fd = make_socket(wait ? 0 : SOCK_NONBLOCK, err);

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return take_fd(&fd);
	if (errno != ECONNREFUSED && errno != ENOENT)
		error_sys(err, errno, "connect to '%s'", addr->sun_path);
	return -1;
}

static int start_hub(const struct paths *p, const char *dir, const struct sockaddr_un *addr, struct error *err)
{
	_cleanup_free_ char *program = mem_printf("%s/quiz-hub", p->libexec);
	_cleanup_free_ char *lock_path = mem_printf("%s/lock", dir);
	_cleanup_close_ int listen_fd = -1;
	/* Waits only for a sweep's look at it: who had it is dead. */
	_cleanup_close_ int lock_fd = lock_take(lock_path, LOCK_EXCLUSIVE_MODE, true, NULL, NULL, err);
	const char *const argv[] = { program, dir, NULL };
	int status;
	pid_t pid;

	if (lock_fd < 0)
		return -1;
	listen_fd = make_socket(0, err);
	if (listen_fd < 0)
		return -1;
	unlink(addr->sun_path);
	if (bind(listen_fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 || listen(listen_fd, HUB_MEMBERS_MAX) < 0)
		return error_sys(err, errno, "listen at '%s'", addr->sun_path);

	const struct proc_fd fds[] = { { listen_fd, HUB_LISTEN_FD }, { lock_fd, HUB_LOCK_FD } };
	const struct proc_spec spec = { .argv = argv, .fds = fds, .n_fds = ARRAY_SIZE(fds), .cwd = "/", .survives = true };

	/* It goes on in a process of its own: what we wait for is its first one. */
	if (proc_start(&spec, &pid, err) < 0 || proc_wait(pid, &status, err) < 0)
		return -1;
	return status ? error_set(err, ERROR_CHILD, "'%s' failed with status %d", program, status) : 0;
}

static int refused(const struct network *n, uint32_t why, struct error *err)
{
	switch (why) {
	case HUB_HOST_TAKEN:
		error_set(err, ERROR_BUSY, "cannot join network '%s': it has a machine '%s' already", n->name, n->host);
		return error_hint(err, "--net %s:OTHER-NAME", n->name);
	case HUB_NUMBER_TAKEN:
		return error_set(err, ERROR_BUSY, "cannot join network '%s' again: another machine has the address now", n->name);
	case HUB_IS_FULL:
		return error_set(err, ERROR_BUSY, "cannot join network '%s': it has %d machines, which is all it takes", n->name,
				 HUB_MEMBERS_MAX);
	default:
		return error_set(err, ERROR_BUSY, "cannot join network '%s': its hub is of another version of quiz", n->name);
	}
}

/* Says who we are; the answer comes on control_fd. */
static int introduce(struct network *n, int fd_consumed, struct error *err)
{
	_cleanup_close_ int fd = fd_consumed;
	struct hub_join j = { .protocol = HUB_PROTOCOL, .number = n->number };
	unsigned char ip[4];

	address_bytes(n->name, 0, ip);
	j.mac_prefix[0] = 0x52;
	j.mac_prefix[1] = 0x54;
	memcpy(j.mac_prefix + 2, ip, 3);
	strcpy(j.host, n->host); /* network_parse() has checked it; run ids are short */
	if (fdpass_send(fd, &j, sizeof(j), n->hub_fd) < 0)
		return error_sys(err, errno, "talk to the hub of network '%s'", n->name);
	n->control_fd = take_fd(&fd);
	n->is_asking = true;
	return 0;
}

enum join_step {
	JOIN_FAILED = -1,
	JOIN_ASKED,
	JOIN_GONE, /* the folder went away meanwhile */
	JOIN_BUSY, /* somebody else joins, and we do not wait */
};

static enum join_step join_once(struct network *n, const struct paths *p, const char *dir, bool wait, struct error *err)
{
	_cleanup_free_ char *join_path = mem_printf("%s/join", dir);
	_cleanup_close_ int join_lock = -1;
	struct error why = ERROR_INIT;
	struct sockaddr_un addr;
	int fd;

	if (make_address(dir, &addr, err) < 0 || fs_mkdir_p(dir, 0700, err) < 0)
		return JOIN_FAILED;
	join_lock = lock_take(join_path, LOCK_EXCLUSIVE_MODE, wait, NULL, NULL, &why);
	if (join_lock < 0 && why.kind == ERROR_BUSY)
		return JOIN_BUSY;
	if (join_lock >= 0 && lock_is_current(join_lock, join_path)) {
		fd = try_connect(&addr, wait, &why);
		if (fd < 0 && why.errnum == EAGAIN)
			return JOIN_BUSY; /* a hub that takes nobody at the moment */
		if (fd < 0 && !error_is_set(&why) && start_hub(p, dir, &addr, &why) == 0)
			fd = try_connect(&addr, wait, &why);
		if (fd >= 0 && introduce(n, fd, err) < 0)
			return JOIN_FAILED;
		if (fd >= 0) {
			n->join_lock = take_fd(&join_lock);
			return JOIN_ASKED;
		}
	}
	if (!error_is_set(&why) || why.errnum == ENOENT)
		return JOIN_GONE;
	*err = why;
	return JOIN_FAILED;
}

static enum join_step ask(struct network *n, const struct paths *p, bool wait, struct error *err)
{
	_cleanup_free_ char *dir = mem_printf("%s/net-%s", p->runtime, n->name);
	enum join_step r = JOIN_GONE;

	for (int i = 0; i < TRIES && r == JOIN_GONE; i++)
		r = join_once(n, p, dir, wait, err);
	if (r == JOIN_GONE)
		error_set(err, ERROR_BUSY, "cannot join network '%s': its folder '%s' comes and goes", n->name, dir);
	return r == JOIN_GONE ? JOIN_FAILED : r;
}

/* Takes what the hub says. */
static int take_table(struct network *n, struct hub_table *t_consumed, struct error *err)
{
	_cleanup_free_ struct hub_table *t = t_consumed;

	if (n->is_asking && t->error != HUB_OK)
		return refused(n, t->error, err);
	if (n->is_asking)
		n->number = t->number;
	n->is_asking = false;
	close_fd(&n->join_lock);
	free(n->members);
	n->members = take_ptr(t);
	n->has_changed = true;
	return 1;
}

int network_join(struct network *n, const struct paths *p, struct error *err)
{
	struct hub_table *t;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
		return error_sys(err, errno, "make a socket pair");
	n->vmm_fd = sv[0];
	n->hub_fd = sv[1];
	if (ask(n, p, true, err) != JOIN_ASKED)
		return -1;
	t = read_table(n->control_fd, NETWORK_PATIENCE_MS);
	if (!t)
		return error_set(err, ERROR_TIMEOUT, "the hub of network '%s' does not answer", n->name);
	return take_table(n, t, err) < 0 ? -1 : 0;
}

int network_rejoin(struct network *n, const struct paths *p, struct error *err)
{
	enum join_step r;

	close_fd(&n->control_fd);
	close_fd(&n->join_lock);
	n->is_asking = false;
	r = ask(n, p, false, err);
	return r == JOIN_FAILED ? -1 : r == JOIN_ASKED;
}

void network_let_others_in(struct network *n)
{
	close_fd(&n->join_lock);
}

int network_read(struct network *n, struct error *err)
{
	struct hub_table *t = read_table(n->control_fd, 0);

	return t ? take_table(n, t, err) : -1;
}

/* ---- for people ---- */

int network_list(const struct paths *p, struct network_listing **ret, size_t *ret_n, struct error *err)
{
	_cleanup_strv_ struct strv names = STRV_INIT;
	const struct hub_join ask = { .protocol = HUB_PROTOCOL };
	struct network_listing *v = NULL;
	size_t n = 0;

	if (fs_list(p->runtime, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *dir = mem_printf("%s/%s", p->runtime, names.v[i]);
		_cleanup_close_ int fd = -1;
		struct network_listing *l;
		struct sockaddr_un addr;

		if (!str_starts(names.v[i], "net-") || make_address(dir, &addr, NULL) < 0)
			continue;
		fd = try_connect(&addr, false, &(struct error)ERROR_INIT);
		if (fd < 0)
			continue;
		l = VEC_PUSH(v, n);
		l->name = mem_strdup(names.v[i] + strlen("net-"));
		if (fdpass_send(fd, &ask, sizeof(ask), -1) > 0)
			l->members = read_table(fd, NETWORK_PATIENCE_MS);
	}
	*ret = v;
	*ret_n = n;
	return 0;
}

void network_list_free(struct network_listing *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].name);
		free(v[i].members);
	}
	free(v);
}
