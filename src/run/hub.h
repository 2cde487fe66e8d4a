/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A private network between machines of one user is a process of its own,
 * quiz-hub, that passes Ethernet frames between its members. This header is
 * what members (run/network.c) and the hub (run/hub.c) agree on.
 *
 * The hub's folder is <runtime>/net-<name>/, 0700 as all of the runtime folder:
 *
 *	hub	listening SOCK_SEQPACKET socket; one connection per member
 *	lock	held by the hub while it lives: what run_sweep() goes by
 *	join	held by whoever joins, starts a hub, or ends one: nobody joins a hub that is about to end
 *
 * A member sends one HUB_JOIN with its end of the frames' socket attached,
 * and gets a HUB_TABLE: now, and again whenever the members change. Its
 * membership ends with its connection. A HUB_JOIN without a host name asks
 * for the table only.
 *
 * Frames travel over a pair of connected datagram sockets, one Ethernet frame
 * each: so no frame can be torn, whoever is killed in the middle of one, and
 * a member that keeps a copy of the hub's end gives it to the next hub when
 * this one was killed, of which its QEMU learns nothing.
 */

#include <stdint.h>

#include "base/error.h"

#define HUB_PROTOCOL 1
#define HUB_HOST_MAX 63	   /* bytes of a host name */
#define HUB_MEMBERS_MAX 64
#define HUB_NUMBER_MAX 250 /* members are numbered from 1: the last byte of their addresses */
#define HUB_FRAME_MAX 65550 /* bytes; an Ethernet header and the largest IP packet */

enum hub_error {
	HUB_OK,
	HUB_HOST_TAKEN,
	HUB_NUMBER_TAKEN,
	HUB_IS_FULL,
	HUB_BAD_JOIN,
};

struct hub_join {
	uint32_t protocol;
	uint32_t number; /* 0: the hub chooses, by the host name; else this one or none */
	uint8_t mac_prefix[5]; /* of every member; the number is the last byte */
	char host[HUB_HOST_MAX + 1]; /* "": only asks */
};

struct hub_member {
	uint32_t number;
	char host[HUB_HOST_MAX + 1];
};

struct hub_table {
	uint32_t protocol;
	uint32_t error;	 /* enum hub_error; after any but HUB_OK the connection is closed */
	uint32_t number; /* the reader's own; 0: none */
	uint32_t n;
	struct hub_member members[HUB_MEMBERS_MAX]; /* by number */
};

/*
 * The hub's whole life, in a process of its own: listen_fd is bound and
 * listening and is taken over, lock_fd holds the folder's "lock". Returns when
 * the last member has left; the folder is gone then.
 */
int hub_run(const char *dir, int listen_fd, int lock_fd, struct error *err);

