/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The child's side of starting a program: from fork to execve. It may use
 * as much stack and static memory as it likes: it is a copy.
 */

#include <stdbool.h>
#include <stdint.h>

#include "wire/wire.h"

struct spawn_fds {
	int in, out, err; /* become 0, 1, 2; all the same descriptor for a tty */
	int report;	  /* close-on-exec; gets a struct spawn_report when something fails */
	bool is_tty;
};

/* What goes wrong between fork and exec. A few hundred bytes, so that the pipe takes it in one piece. */
struct spawn_report {
	uint32_t stage; /* enum wire_start_stage */
	int32_t errnum;
	char text[400];
};

/* Becomes the program, or reports and exits. */
_Noreturn void spawn_child(const struct wire_start *m, const struct spawn_fds *fds);
/*
 * The same in two halves, for a child that is there before its program is
 * known (guest/spare.h): streams, session and root's account, then the rest.
 */
void spawn_begin(const struct spawn_fds *fds);
_Noreturn void spawn_go_on(const struct wire_start *m);

/* For the parent: a pair for one stream; ours does not block. */
int spawn_make_pipe(int *ret_ours, int *ret_theirs, bool we_write);
/* All three streams. On failure -1 with errno, and whatever is open already to be closed. */
int spawn_make_pipes(int *ret_in, int *ret_out, int *ret_err, struct spawn_fds *theirs);
void spawn_close_fds(struct spawn_fds *fds);

/* Closes every descriptor from `first` on: for children that do not exec. */
void spawn_close_from(int first);

/* Signals as a program expects them: nothing blocked, nothing ignored. */
void spawn_reset_signals(void);
