/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* Private to kernel_build.c and kbuild_*.c: one build on its way. */

#include "image/kconfig.h"
#include "image/kernel_build.h"
#include "image/kernel_make.h"
#include "spec/arch.h"

struct kbuild {
	const struct paths *paths;		  /* borrowed */
	const struct kernel_build_request *req;	  /* borrowed */
	const struct progress *progress;	  /* borrowed */
	const struct arch *arch;
	struct kernel_source source;		  /* owned */
	struct kconfig kconfig;			  /* owned */
	bool is_custom;				  /* holds something that version and flavours do not say */
	char *id, *flavour, *key;		  /* owned */
	char *localversion;			  /* owned; id without the version: "+kasan" */
	char *obj;				  /* owned; the build folder */
	char *log_path;				  /* owned */
	int log_fd, lock_fd;			  /* owned */
	struct strv make;			  /* make and the arguments that each call of it needs */
	struct strv env;			  /* environment for it */
	struct strv first_errors;		  /* lines of the log that look like the cause */
	unsigned n_done, n_total;		  /* objects */
	struct kernel_build_result *result;	  /* borrowed */
};

/* kbuild_config.c: what to ask for, the id, and a .config in the build folder. */
int kbuild_plan(struct kbuild *b, struct error *err);
int kbuild_configure(struct kbuild *b, struct error *err);

/* kbuild_make.c: the toolchain, and make with progress, log and statistics. */
int kbuild_check_tools(const struct kbuild *b, struct error *err); /* ERROR_MISSING names the first and its package */
/*
 * The kernel's makefiles take names apart at spaces and quote nothing: ERROR_USAGE for a source, build folder or store
 * that they cannot work with.
 */
int kbuild_check_folders(const struct kbuild *b, struct error *err);
void kbuild_make_init(struct kbuild *b);
int kbuild_make(struct kbuild *b, const char *stage, const char *const *targets, struct error *err);
int kbuild_hint_room(struct error *err); /* a full disk's hint; -1 */
void kbuild_count(struct kbuild *b);	/* estimates n_total before compiling */
void kbuild_statistics(struct kbuild *b); /* remembers the count, reads what ccache did */
char *kbuild_tool(const struct kbuild *b, const char *name); /* "strip": strip, llvm-strip or <triplet>-strip */

/* kbuild_tree.c: the tree for external modules. */
int kbuild_export_tree(const struct kbuild *b, const char *to, struct error *err);
