/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* Network interfaces: IPv4, static, by the classic socket ioctls, which every kernel with IPv4 has. */

#include <stdint.h>

#include "base/error.h"
#include "wire/wire.h"

/* The loopback interface, if this kernel has networking at all. */
void net_loopback_up(void);

/* NETWORK */
int net_configure(const struct wire_network *m, struct error *err);

/* Gives the lowest-numbered Ethernet interface that address; no interface: no error. */
int net_set_first_mac(const char *mac, struct error *err);

/* "52:54:00:12:34:56" */
bool net_parse_mac(const char *s, uint8_t ret[6]);
/* "10.0.2.15" or "10.0.2.15/24" (without: /32), as numbers in host order. */
bool net_parse_ipv4(const char *s, uint32_t *ret_addr, uint32_t *ret_mask);
