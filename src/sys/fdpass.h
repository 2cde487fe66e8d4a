/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Messages over unix sockets with a descriptor attached. Neither call waits.
 * (No header here may be called like one of the system in <sys/>: it would
 * take its place.)
 */

#include <stddef.h>
#include <sys/types.h>

/* As send(2); the receiver gets a copy of pass_fd with it unless that is -1. Of a stream less may be sent than n. */
ssize_t fdpass_send(int fd, const void *mem, size_t n, int pass_fd);

/*
 * As recv(2). *ret_fd is the descriptor that came with it, close-on-exec and the caller's to close, or -1.
 * EMFILE: there was one, and no number was free for it; the message is lost.
 */
ssize_t fdpass_receive(int fd, void *buf, size_t n, int *ret_fd);
