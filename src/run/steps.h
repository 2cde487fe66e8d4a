/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What the agent is asked to do before the program starts, as data: a plan
 * can be printed (--dry-run), compared (a template's key), and executed by
 * sending one request per step. The order is the order of execution.
 */

#include "base/error.h"
#include "base/str.h"
#include "wire/wire.h"

enum step_kind {
	STEP_MOUNT_IMAGE, /* serial, name, fstype; flags: wire_image_flags */
	STEP_SPARE,
	STEP_QUIESCE,
	STEP_IDENTITY,	  /* hostname, machine id, mac; entropy and time are taken when it is sent */
	STEP_ASSEMBLE,	  /* list: layers; n: tmpfs bytes */
	STEP_SHARE,	  /* tag, path; flags: wire_share_flags */
	STEP_WRITE_FILE,  /* path, text; mode; flags: wire_write_flags */
	STEP_MAKE_DIR,	  /* path; mode */
	STEP_LOAD_MODULE, /* module, parameters; flags */
	STEP_MEMDEV,	  /* prefix; count, n: bytes, mode: sector size */
	STEP_NODE,	  /* serial, path */
	STEP_NETWORK,	  /* mac, address, gateway, nameserver, new mac; list: hosts; flags: STEP_NETWORK_* */
	STEP_COUNTERS,
	STEP_FINISH,	  /* flags: wire_finish_flags */
};

#define STEP_NETWORK_OWN_MAC 1u /* the new MAC is another one in each run */

struct step {
	enum step_kind kind;
	char *a, *b, *c, *d, *e; /* owned; meaning per kind, in the order given above */
	struct strv list;
	uint64_t n;
	uint32_t count, mode, flags;
};

struct steps {
	struct step *v; /* owned */
	size_t n;
};

void steps_clear(struct steps *s);
/* Appends a step; the strings are copied, NULL is "". Returned for its remaining fields. */
struct step *steps_add(struct steps *s, enum step_kind kind, const char *a, const char *b);
/* Appends the steps of another list, sharing their texts: of dst only `v` may be freed. */
void steps_join(struct steps *dst, const struct steps *src);
/* "mount image 'root' of disk 'root'": for --dry-run and for errors. */
void step_describe(const struct step *s, struct str *out);

/* Changes with everything that step_encode() would send, but for entropy and time. */
uint64_t step_hash(const struct step *s);

/*
 * Encodes the request with this id into buf (WIRE_FRAME_MAX bytes). Returns
 * its size, or 0 when a text is too long for a frame.
 */
size_t step_encode(const struct step *s, uint32_t id, void *buf);
