/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The host's terminal: raw mode while a program in the guest owns it, and the
 * way back. term_restore() is safe at any time, also in a signal handler and
 * twice; it is registered with atexit(3), so that every orderly end restores.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Puts fd's terminal into raw mode, remembering the old one. Does nothing from a background process group. */
int term_raw(int fd, struct error *err);
void term_restore(void);
bool term_is_raw(void);

/* Rows and columns of fd's terminal; 24x80 when it has none or says 0. */
void term_size(int fd, uint16_t *ret_rows, uint16_t *ret_cols);
