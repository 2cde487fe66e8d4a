/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * `quiz kernel build`: source, configuration from fragments, compiler, and
 * into the store. The source is never written to: objects go to
 * <cache>/build/<id>-<key>/, which stays after a failure or an interruption,
 * so that the next attempt goes on from there. The log is
 * <cache>/build/<id>.log.
 *
 * The kernel's id is its version and its flavours, "6.1.192+kasan+lockdep"
 * ("custom-<hash>" for settings of the user's own), which is also what
 * uname -r says. Building one id twice at once builds it once; building
 * again what is there already does nothing, unless the source is a folder,
 * which is built anew (what has not changed is not compiled) and replaced.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "image/kernel_source.h"
#include "spec/kernel.h"
#include "sys/paths.h"
#include "sys/progress.h"

struct kernel_build_request {
	enum kernel_source_kind kind;
	const char *what;	/* as for kernel_source_get() */
	const char *arch;	/* NULL: the host's */
	const char *name;	/* NULL: made from version and flavours */
	struct strv flavours;	/* names of fragments */
	struct strv configs;	/* the user's: a path, or a fragment's name */
	struct strv settings;	/* "KASAN=y": --enable, --disable, --module */
	struct strv needs;	/* "md:BLK_DEV_MD": what profiles want, built in unless it is asked for already */
	unsigned jobs;		/* 0: one for each CPU */
	bool use_llvm;
	bool is_dry;		/* only configure: result.kernel has an id, report and numbers of symbols are filled */
	bool keep_objects;	/* keep the build folder after success too (always kept for folders) */
};

struct kernel_build_result {
	struct kernel kernel;	/* owned */
	bool was_there;		/* nothing had to be done */
	uint64_t elapsed_ms;
	unsigned n_objects;	/* compiled or taken from the compiler's cache */
	bool has_ccache;
	unsigned n_hits, n_misses;
	unsigned n_builtin, n_module; /* symbols */
	char *report;		/* owned; what became of the configuration, lines; "" when all was taken */
};

int kernel_build(const struct paths *p, const struct kernel_build_request *req, const struct progress *progress,
		 struct kernel_build_result *ret, struct error *err);
void kernel_build_result_clear(struct kernel_build_result *r);
