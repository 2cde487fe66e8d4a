/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * What long work says about itself while it goes on. The lower layers call
 * these; cmd/ decides what becomes of it (a bar on a terminal, plain lines
 * elsewhere, nothing with -q). Every function takes NULL for "nobody cares".
 */

#include <stdint.h>

#include "base/cleanup.h"

struct progress {
	void *ctx;
	/* A new step begins: "downloading linux-image-6.1.0-50-amd64 (67 MiB)". Ends the step before it. */
	void (*stage)(void *ctx, const char *text);
	/* How far the step is, in bytes (a speed and the time left make sense), in pieces, or no more than its part. total 0: unknown. */
	void (*bytes)(void *ctx, uint64_t done, uint64_t total);
	void (*count)(void *ctx, uint64_t done, uint64_t total);
	void (*percent)(void *ctx, unsigned percent);
	/* The newest line that a program of this step printed. */
	void (*line)(void *ctx, const char *line);
	/* Something to know that is neither an error nor the result; kept on the screen. */
	void (*note)(void *ctx, const char *text);
};

void progress_stage(const struct progress *p, const char *fmt, ...) _printf_(2, 3);
void progress_bytes(const struct progress *p, uint64_t done, uint64_t total);
void progress_count(const struct progress *p, uint64_t done, uint64_t total);
void progress_percent(const struct progress *p, unsigned percent);
void progress_line(const struct progress *p, const char *line);
void progress_note(const struct progress *p, const char *fmt, ...) _printf_(2, 3);
