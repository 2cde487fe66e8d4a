/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A machine's membership in private networks (--net NAME[:HOST]), from the
 * side of its supervisor. The hub itself is run/hub.h's.
 *
 * What is fixed: network NAME is 10.A.B.0/24 with A (64 to 127) and B from a
 * hash of its name; a member is number N of it, 1 to 250, from a hash of its
 * host name (the next free one if somebody has that), its address 10.A.B.N
 * and its MAC 52:54 and the address' four bytes. So the same names give the
 * same addresses, in whatever order the machines start.
 *
 * Joining takes about a millisecond and happens before the machine is
 * planned: the guest finds its address and everyone's name in its first
 * NETWORK request and waits for nothing.
 */

#include <stdbool.h>

#include "run/hub.h"
#include "sys/loop.h"
#include "sys/paths.h"

#define NETWORK_NAME_MAX 31 /* bytes: a path of a socket is short */

struct network {
	char *name, *host;  /* owned */
	unsigned number;    /* 0: not joined (--dry-run) */
	int control_fd;	    /* to the hub; -1: none */
	int vmm_fd;	    /* the VMM's end of the frames; stays open, as a machine may start more than one VMM */
	int hub_fd;	    /* a copy of the hub's end, for the next hub */
	struct hub_table *members; /* owned */
	int join_lock;	    /* held until the hub has answered; -1: not */
	bool is_asking;	    /* the hub has not answered yet */
	bool has_changed;   /* `members`, since the machine was planned or the guest was told */
};

/*
 * Splits and checks "NAME[:HOST]"; both of letters, digits and "-". HOST
 * NULL when it is not said. Pure. The caller frees.
 */
int network_parse(const char *spec, char **ret_name, char **ret_host, struct error *err);

/* For member n: "10.65.3.7", "52:54:0a:41:03:07"; for 0, who is not known yet, "N" in its place. buf at least NETWORK_TEXT_MAX. Return buf. */
#define NETWORK_TEXT_MAX 24
char *network_address(const char *name, unsigned number, char *buf);
char *network_mac(const char *name, unsigned number, char *buf);

void network_init(struct network *n, const char *name, const char *host);
void network_clear(struct network *n); /* leaves it */

/* Joins, starting a hub if there is none. ERROR_BUSY when the host name is taken. */
int network_join(struct network *n, const struct paths *p, struct error *err);

/*
 * The hub has something to say (POLLIN on control_fd). 1: the members have
 * changed, or we are one now. -1 without an error: the hub is gone, and
 * network_rejoin() finds or starts another one, in which this machine is who
 * it was; with one: it does not want us.
 */
int network_read(struct network *n, struct error *err);

/*
 * Goes to another hub, waiting for nobody (a new hub is started, which takes
 * some milliseconds). 1: it is asked, and network_read() has its answer; 0:
 * somebody else is at it: again in a moment; -1: there is none to be had.
 */
int network_rejoin(struct network *n, const struct paths *p, struct error *err);
/* It does not answer for so long: others need not wait for us. */
#define NETWORK_PATIENCE_MS 3000
void network_let_others_in(struct network *n);

/* "10.65.3.7 server server.lab # quiz lab" for each member, for /etc/hosts. */
void network_hosts(const struct network *n, struct strv *out);

/* The networks that have a hub, and who is in them, for `quiz doctor`. The caller frees with network_list_free(). */
struct network_listing {
	char *name;		   /* owned */
	struct hub_table *members; /* owned; NULL: the hub does not answer */
};
int network_list(const struct paths *p, struct network_listing **ret, size_t *ret_n, struct error *err);
void network_list_free(struct network_listing *v, size_t n);
