/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * A short cut for the archives of files.h where host and guest see one folder
 * (9p): the bytes of the archive go through slots of a file there, and the
 * session's stream only says which slot holds how many. Every byte that goes
 * over the port is copied by the guest's kernel four times, which is what
 * emulation is slowest at; over 9p the VMM puts it into the reader's memory.
 *
 * The host makes the file, CARRIER_SLOTS of CARRIER_SLOT_BYTES, and names it
 * (the guest's path) in START: argv[2] of FILES_OUT and FILES_IN. The guest's
 * first byte on stdout is CARRIER_YES, or CARRIER_NO when it can not open it:
 * then everything goes as if no carrier had been named. The file may be
 * unlinked after YES. After it,
 *
 *	the archive's sender	one piece (8 bytes) per filled slot; end of file at the end
 *	its receiver		one byte per slot that it has taken
 *
 * on stdout and stdin, as the direction wants it. Slots are used in turn; a
 * sender has at most CARRIER_SLOTS on the way.
 */

#include <stdbool.h>
#include <stdint.h>

#define CARRIER_SLOTS 4
#define CARRIER_SLOT_BYTES (2u << 20)
#define CARRIER_BYTES ((uint64_t)CARRIER_SLOTS * CARRIER_SLOT_BYTES)
#define CARRIER_PIECE 8 /* u32 slot, u32 bytes, little-endian */
#define CARRIER_YES 'Y'
#define CARRIER_NO 'N'

static inline void carrier_put_piece(uint8_t buf[CARRIER_PIECE], uint32_t slot, uint32_t bytes)
{
	for (int i = 0; i < 4; i++) {
		buf[i] = (uint8_t)(slot >> (8 * i));
		buf[4 + i] = (uint8_t)(bytes >> (8 * i));
	}
}

/* False: no piece that a sender who keeps to this would send. */
static inline bool carrier_get_piece(const uint8_t buf[CARRIER_PIECE], uint32_t *ret_slot, uint32_t *ret_bytes)
{
	uint32_t slot = 0, bytes = 0;

	for (int i = 3; i >= 0; i--) {
		slot = slot << 8 | buf[i];
		bytes = bytes << 8 | buf[4 + i];
	}
	*ret_slot = slot;
	*ret_bytes = bytes;
	return slot < CARRIER_SLOTS && bytes > 0 && bytes <= CARRIER_SLOT_BYTES;
}

static inline uint64_t carrier_offset(uint32_t slot)
{
	return (uint64_t)slot * CARRIER_SLOT_BYTES;
}
