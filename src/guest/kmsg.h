/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Kernel messages: records of /dev/kmsg become KMSG messages. The parser is
 * pure; the forwarder reads only when the channel has room to spare and never
 * more than a few records at a time, so that it keeps nobody waiting.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KMSG_RECORD_MAX 8192 /* the kernel's own limit (CONSOLE_EXT_LOG_MAX), bytes */

struct kmsg_record {
	uint64_t seq, time_us;
	uint8_t level;	 /* enum wire_kmsg_level */
	char *text;	 /* in the caller's buffer, NUL-terminated, escapes undone */
	size_t text_len;
};

/*
 * Parses one record as a read of /dev/kmsg returns it (Documentation/ABI/
 * testing/dev-kmsg): "prio,seq,time,flags[,more];text\n KEY=value\n...". Works in
 * place: rec points into buf, which must have room for a NUL at buf[len]. The
 * KEY=value lines are dropped, "\xHH" becomes its byte (a NUL becomes '?').
 * False when it is not a record.
 */
bool kmsg_parse(char *buf, size_t len, struct kmsg_record *ret);

/* Opens /dev/kmsg at its oldest record. Without it nothing is forwarded. */
void kmsg_open(void);
/* Takes over fd, which delivers one record per read (tests). */
void kmsg_open_fd(int fd);
int kmsg_fd(void); /* to be polled; -1: none */
/* Records that were read, and losses that were noticed: unchanged when all is read, the kernel has said nothing. */
uint64_t kmsg_n_read(void);

/* Records that were overwritten before they could be read. A clone goes on with its template's number. */
uint64_t kmsg_n_lost(void);
/* Nothing was left to read when it was last tried. */
bool kmsg_is_all_read(void);

/* Sends up to `most` records while the channel has room. True when there is nothing left to read now. */
bool kmsg_forward(unsigned most);

#define KMSG_ALL_NS 3000000000ull /* a kernel that never stops logging does not hold up the end for longer */
/* All there is, until the deadline at most. False: the channel has no room now; to be called again. */
bool kmsg_send_all(uint64_t deadline_ns);
