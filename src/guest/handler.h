/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* What is done for each request of the host (wire.h). request.c says when. */

#include <stdbool.h>

#include "base/error.h"
#include "wire/wire.h"

enum handler_outcome {
	HANDLER_DONE,	    /* RESULT: success */
	HANDLER_FAILED,	    /* RESULT: the error */
	HANDLER_MALFORMED,  /* the frame did not decode */
	HANDLER_THEN_STILL, /* done; the RESULT comes when all has been sent, and then nothing more is */
};

/*
 * in_child: its work may block for long or end in an oops, which must hit a
 * child; what a child does to mounts, modules and files is as good as if PID 1
 * had done it.
 */
struct handler {
	uint16_t type;
	bool in_child;
	enum handler_outcome (*run)(const struct wire_frame *f, struct error *err);
};

/* NULL: it is no request. */
const struct handler *handler_find(uint16_t type);
