/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Options as tables. One row says everything about an option: its name on the
 * command line, its letter, its config key (the same name) and its environment
 * variable (QUIZ_<NAME>), the field it fills and how, its default and its help
 * text. run_options() is THE table of a run; a command's own options are rows
 * of the same kind over the command's own struct.
 *
 * Parsing writes into the target struct through row->set. Where several
 * sources (config files, environment, command line) speak, each source is one
 * struct option_source: a list adds up over all of them, except rows with
 * OPTION_REPLACES, whose first value from a source drops what earlier sources
 * said.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "spec/runspec.h"

enum option_arg {
	OPTION_FLAG,	 /* --name, --no-name, --name=yes|no */
	OPTION_COUNT,	 /* -v -v; --name=N */
	OPTION_REQUIRED, /* --name VALUE, --name=VALUE, -nVALUE */
	OPTION_OPTIONAL, /* --name, --name=VALUE: never the next word */
};

enum option_flags {
	OPTION_HIDDEN = 1 << 0,	  /* not in help, man page and completion */
	OPTION_LIST = 1 << 1,	  /* may be given several times */
	OPTION_REPLACES = 1 << 2, /* a source's list replaces that of earlier sources */
	OPTION_TRUST = 1 << 3,	  /* reaches the host: a workspace's file may set it only when trusted */
	OPTION_LINE_ONLY = 1 << 4, /* means nothing in a config file */
	OPTION_TEMPLATE = 1 << 5, /* of a run: shapes the machine, or says how it is made */
};

struct option_row;

/* Where values come from. Zero-initialise one per config file, environment, command line. */
struct option_source {
	const char *base_dir; /* relative host paths are taken from here; NULL: leave them */
	uint64_t seen[2];     /* rows that this source has set, by index; kept by option_set() */
};

typedef int option_set_fn(void *field, const struct option_row *row, const struct option_source *source,
			  const char *value, struct error *err);

struct option_row {
	const char *name;	   /* "memory": --memory, config key, QUIZ_MEMORY */
	char letter;		   /* 'm', or 0 */
	enum option_arg arg;
	unsigned flags;
	size_t offset;		   /* of the field in the target struct */
	option_set_fn *set;
	void (*reset)(void *field); /* OPTION_REPLACES: empties the list */
	const char *metavar;	   /* "SIZE"; NULL for flags */
	const char *fallback;	   /* built-in value in the option's own syntax, or NULL */
	const char *const *choices; /* option_set_choice: NULL-terminated, index = value */
	const char *complete;	   /* what completes it: "kernel", "root", "profile", "arch", "file", "dir", or NULL */
	const char *help;	   /* one line */
};

/* The options of a run, over struct runspec. */
const struct option_row *run_options(size_t *ret_n);

/* Those of them that a further program in a machine that is up has, too; over struct runspec. */
const struct option_row *program_options(size_t *ret_n);

/* Those that the making of a template has, too: what its machine is, nothing about a program; over struct runspec. */
const struct option_row *template_options(size_t *ret_n);

/* Sets one value. value NULL: the option was given without one. */
int option_set(const struct option_row *rows, size_t index, void *target, struct option_source *source,
	       const char *value, struct error *err);

/* Applies the fallbacks of a table to a zeroed target. */
void options_defaults(const struct option_row *rows, size_t n, void *target);

/* Row by long name, or NULL. */
const struct option_row *option_find(const struct option_row *rows, size_t n, const char *name);
/* "QUIZ_BOOT_TIMEOUT" of "boot-timeout", with a prefix. Caller frees. */
char *option_env_name(const char *prefix, const char *name);

enum options_mode {
	OPTIONS_STOP,	 /* stop at the first word that is no option: a program follows */
	OPTIONS_PERMUTE, /* options and words may be mixed */
};

/*
 * Parses argv (without the program's own name). `--` ends the options.
 * *ret_words gets the other words; *ret_exact (may be NULL) whether `--` was
 * seen before them. ERROR_USAGE names the nearest option; `command` ("run",
 * "kernel fetch") is for the hint.
 */
int options_parse_table(const struct option_row *rows, size_t n, const char *command, enum options_mode mode,
			int argc, char *const *argv, void *target, struct strv *ret_words, bool *ret_exact,
			struct error *err);

/* The same with the table of a run: fills rs->argv and rs->argv_is_exact too. */
int options_parse(int argc, char *const *argv, struct runspec *rs, struct error *err);

/* With the table of what makes a template; rs->argv gets the words that are no options. */
int options_parse_template(int argc, char *const *argv, struct runspec *rs, struct error *err);

/* ---- Setters for tables: the field's type is in the comment ---- */
option_set_fn option_set_flag;	   /* bool */
option_set_fn option_set_count;	   /* uint32_t: number of times, or the number given */
option_set_fn option_set_u32;	   /* uint32_t */
option_set_fn option_set_size;	   /* uint64_t, bytes */
option_set_fn option_set_duration; /* uint64_t, ms */
option_set_fn option_set_text;	   /* char *, owned */
option_set_fn option_set_path;	   /* char *, owned: ~/ and base_dir applied */
option_set_fn option_set_choice;   /* enum (int) */
option_set_fn option_set_list;	   /* struct strv */
option_set_fn option_set_paths;	   /* struct strv: ~/ and base_dir applied */

/* "~/x" and relative paths made absolute; what needs neither is copied. Caller frees. */
char *option_host_path(const struct option_source *source, const char *path);
