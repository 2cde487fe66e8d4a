/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What a guest may fill of the host through /shared, a live folder of the
 * host (9p). No quota of a file system can be had without root, so the folder
 * is measured while the machine runs, and a machine that fills it is ended.
 *
 * Measuring walks the folder, so it is asked for only when it can have
 * something to say: what the folder has grown by can not be more than what
 * the VMM has written to files of any kind, which the kernel counts
 * (proc_written_bytes). A machine that writes little is therefore never
 * measured at all, unless the file system runs short, in room or in inodes.
 *
 * The look itself is the heartbeat's; a guest that writes fast is looked at
 * again sooner. What it writes between two looks comes on top.
 */

#include <stdbool.h>
#include <stdint.h>

#include "sys/fs.h"

#define QUOTA_FILES_MAX	    1000000	   /* files and folders, together */
#define QUOTA_RESERVE_BYTES (256ull << 20) /* what is left of a file system when a folder larger than this is too large */
#define QUOTA_RESERVE_FILES 100000	   /* the same of inodes */
#define QUOTA_LOOK_MIN_MS   200

enum quota_excess {
	QUOTA_OK,
	QUOTA_TOO_LARGE,  /* than --max-shared */
	QUOTA_TOO_MANY,	  /* files, or they lie too deep to be counted */
	QUOTA_HOST_FULL,  /* the host's file system has next to nothing left, and this folder is a cause */
};

struct quota {
	uint64_t max_bytes;	      /* 0: no limit */
	uint64_t bytes, files;	      /* of the folder when it was measured last; 0 before */
	uint64_t measured_at_written; /* what the VMM had written then */
	uint64_t last_written, last_ms; /* of the look before */
};

/* One look at the host. written_bytes UINT64_MAX: it does not say. */
struct quota_look {
	uint64_t now_ms;
	uint64_t written_bytes;	       /* by the VMM, since its start */
	uint64_t free_bytes, free_files; /* of the folder's file system; UINT64_MAX: as many as one likes */
};

/* All pure. Is the folder to be measured? */
bool quota_is_due(const struct quota *q, const struct quota_look *look);
/* It was. What is wrong with it, if anything. */
enum quota_excess quota_measured(struct quota *q, const struct quota_look *look, const struct fs_usage *usage);
/* Ends a look: when the next one is due, at the latest after max_ms. */
uint64_t quota_next_ms(struct quota *q, const struct quota_look *look, uint64_t max_ms);

/* free_bytes and free_files of the file system that dir lies on. */
void quota_room(const char *dir, struct quota_look *ret);
