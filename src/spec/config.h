/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Configuration: INI files and the environment, each value with where it came
 * from. Merged in this order, later wins: built-in (the fallbacks in
 * run_options()), /etc/quiz/quiz.cfg, <config>/quiz.cfg, <workspace>/.quiz/quiz.cfg,
 * QUIZ_* environment. Options on the command line come after that.
 *
 *	memory = 2G			keys are the long names of run_options()
 *	[profile.memdev]
 *	count = 6			QUIZ_MEMDEV_COUNT=6 in the environment
 *
 * The loader checks keys and values, so a mistake is reported with file:line
 * whether the run needs the value or not. Profile options are checked when
 * the profile is used, by its own table.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "spec/options.h"
#include "spec/runspec.h"
#include "spec/workspace.h"
#include "sys/paths.h"

struct config_value {
	char *profile;		 /* owned; NULL: an option of a run */
	char *key, *value;	 /* owned */
	char *origin;		 /* owned; "/etc/quiz/quiz.cfg:3" or "QUIZ_MEMORY" */
	size_t row;		 /* index in run_options(), when profile is NULL */
	size_t source;		 /* index in sources */
};

struct config_source {
	char *name;	/* owned; file, or "environment" */
	char *base_dir; /* owned; for relative paths in it; NULL: the current folder */
	bool exists;
};

struct config {
	struct config_source *sources; /* in the order they were read */
	size_t n_sources;
	struct config_value *values; /* in that order, too */
	size_t n_values;
};

int config_load(const struct paths *paths, const struct workspace *ws, struct config *ret, struct error *err);
void config_clear(struct config *c);

/* Writes the values over rs (runspec_init() comes first). */
int config_apply(const struct config *c, struct runspec *rs, struct error *err);

/* The value of a profile's option: the environment's, else the last file's; NULL: not set. */
const struct config_value *config_profile_value(const struct config *c, const char *profile, const char *option);

/* One text as a config file; for tests and the fuzzer. trusted=false refuses OPTION_TRUST rows. */
int config_parse(struct config *c, const char *text, size_t n, const char *name, const char *base_dir, bool trusted,
		 struct error *err);
