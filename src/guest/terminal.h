/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The end of a terminal's input. There it is a character, which means
 * something only to whoever reads lines made by the terminal.
 */

#include <stdbool.h>
#include <stdint.h>

struct terminal_end {	/* zeroed: nothing was typed yet */
	char last;	/* last byte typed; an end has to end its line first */
	uint8_t n;	/* characters that say so, typed so far */
	bool is_unseen; /* typed for whom the terminal makes lines, and nobody may have read it */
};

/* False: the terminal (its master, non-blocking) has no room for it yet. */
bool terminal_type_end(struct terminal_end *e, int master);

/*
 * A program that edits lines itself (a shell's readline) finds no end of file
 * that came before it took the terminal over, and would wait for ever. When it
 * speaks after that, it is told once more: to be called with each output.
 */
void terminal_repeat_end(struct terminal_end *e, int master);
