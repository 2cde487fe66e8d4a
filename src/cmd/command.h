/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * Commands as tables. One file per command exports one
 * `const struct command cmd_<name>`; a program's main file (quiz.c, image.c,
 * symbols.c) holds the array of the commands it has. What another program has
 * (heavy libraries) is a row with `program` set: quiz execs it, so that users
 * see one command. Help, completion and the man page tests read these rows.
 *
 * main() gets the words after the command's name and returns the exit status,
 * or -1 with err set: the caller prints it and exits 125. Nobody else prints
 * errors.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "spec/config.h"
#include "spec/options.h"
#include "spec/workspace.h"
#include "sys/paths.h"

/* A subword: `quiz kernel fetch`. */
struct subcommand {
	const char *name;
	const char *usage;   /* "debian[:VERSION]" */
	const char *summary; /* one line, no full stop */
	const struct option_row *options; /* its own, or NULL */
	size_t n_options;
	int (*main)(int argc, char **argv, struct error *err);
	const struct option_row *(*option_table)(size_t *ret_n); /* as in struct command */
};

struct command {
	const char *name;
	const char *group;   /* heading in `quiz help` */
	const char *usage;   /* what follows the name: "[options] ID"; NULL when it has subwords only */
	const char *summary; /* one line, no full stop */
	const char *help;    /* more, for `quiz help NAME`; or NULL */
	const struct option_row *options;
	size_t n_options;
	const struct subcommand *subs; /* NULL: none */
	size_t n_subs;
	const char *program; /* in libexec; NULL: this one */
	bool is_hidden;
	const struct option_row *(*option_table)(size_t *ret_n); /* its options are these, of another module; or NULL */
	/* With subs: called when no subword fits argv[0] (NULL: that is an error). */
	int (*main)(int argc, char **argv, struct error *err);
};

/* NULL when it is none of them. */
const struct command *command_find(const struct command *const *table, const char *name);

/* Its own options, or those of its option_table. */
const struct option_row *command_option_rows(const struct command *cmd, size_t *ret_n);
const struct option_row *subcommand_option_rows(const struct subcommand *sub, size_t *ret_n);

/* Runs a command with the words after its name: help, subwords and `program` included. */
int command_run(const struct command *cmd, int argc, char **argv, struct error *err);

/*
 * First and last thing of a main(). A descriptor 0, 1 or 2 that we were
 * started without must not become the first file that we open: what takes its
 * place fails when it is used. At the end, results that could not be written
 * make a status of 0 a lie: returns the status to exit with.
 */
void command_guard_streams(void);
int command_close_stdout(int status);

/* Whole main() of a program whose first word is a command (the helpers in libexec). */
int command_main(const struct command *const *table, int argc, char **argv);

/* Prints "quiz: <text>" and the hint to stderr. The one place that does. */
void command_print_error(const struct error *err);

/*
 * What main() returns after a program or a machine was waited for, with
 * r < 0 for a failure that *err tells of: one that has a status of its own
 * (a machine that was lost, a program that can not be run) is printed here,
 * as no error may hide it.
 */
int command_status(int r, int status, const struct error *err);

/* Prints a row of a list to stdout; in a terminal what goes beyond its width is left out, marked by "...". */
void command_print_row(const char *row);

/* Prints what --json asks for to stdout. */
void command_print_json(json_t *json_consumed);

/* Prints `quiz help NAME` to stdout. */
void command_print_help(const struct command *cmd);

/*
 * The rows of a program for completion, manual and tests, one per line, tab
 * separated: kind (command, sub, option, option?), command, name, usage or
 * argument, letter, what completes it (option_row.complete, or its choices as
 * "(one other)"), help, default, where it may stand
 * ("line": on the command line only; "trust": see OPTION_TRUST; "": anywhere).
 */
void command_rows(const struct command *const *table, struct str *out);
/* Rows of that kind for one table of options. */
void command_option_table(struct str *out, const char *kind, const char *command, const struct option_row *rows,
			  size_t n);

/*
 * Parses a (sub)command's own options over `target` (defaults applied first).
 * name as the user typed it: "kernel fetch".
 */
int command_options(const struct option_row *rows, size_t n, const char *name, int argc, char **argv, void *target,
		    struct strv *ret_words, struct error *err);

/* The options of a command that has --json only, and command_options() for them. */
extern const struct option_row command_json_rows[1];
int command_json_options(const char *name, int argc, char **argv, bool *ret_json, struct strv *ret_words,
			 struct error *err);

/* ERROR_USAGE unless min <= words <= max. */
int command_want_words(const struct strv *words, size_t min, size_t max, const char *name, const char *usage,
		       struct error *err);

/* What nearly every command starts from. */
struct context {
	struct paths paths;
	struct workspace workspace; /* workspace.root NULL: none */
	struct config config;
	struct runspec defaults;    /* built-in values, config files and environment merged */
};

/* Reads environment, workspace and config files. */
int context_load(struct context *ctx, struct error *err);
void context_clear(struct context *ctx);
#define _cleanup_context_ _cleanup_(context_clear)
