/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Where things lie: XDG folders, the runtime folder, and the program's own
 * files (installed, or in the build tree through QUIZ_TREE). Computed once
 * from the environment; nothing is created here except by paths_runtime().
 */

#include "base/error.h"
#include "base/str.h"

struct paths {		/* all owned, absolute, no trailing slash */
	char *home;
	char *config;	/* $XDG_CONFIG_HOME/quiz */
	char *data;	/* $XDG_DATA_HOME/quiz: kernels/ roots/ */
	char *cache;	/* $XDG_CACHE_HOME/quiz: layers/ templates/ downloads/ probes/ */
	char *state;	/* $XDG_STATE_HOME/quiz: runs/ disks/ */
	char *runtime;	/* $XDG_RUNTIME_DIR/quiz, else /tmp/quiz-<uid>; see paths_runtime() */
	char *libexec;	/* helper programs, agents/<arch>/quiz-init */
	char *share;	/* profiles/, kconfig/ */
	char *sysconf;	/* quiz.cfg of the whole system: /etc/quiz; of a build tree: <tree>/etc */
};

/* Reads the environment. Relative XDG values are ignored, as the XDG base directory spec wants. */
int paths_init(struct paths *p, struct error *err);
void paths_clear(struct paths *p);

/* Makes the runtime folder with mode 0700 and checks its owner and type (someone may have put a trap into /tmp). */
int paths_runtime(const struct paths *p, struct error *err);
