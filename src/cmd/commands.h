/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The commands of the quiz program, each in the file of its name, and the
 * headings under which `quiz help` shows them. The array is in quiz.c.
 */

#include "cmd/command.h"

#define GROUP_RUN  "programs in machines"
#define GROUP_UP   "machines that are up"
#define GROUP_MAKE "what to boot"
#define GROUP_LOOK "looking back"
#define GROUP_SELF "quiz itself"

extern const struct command *const quiz_commands[]; /* NULL-terminated */

extern const struct command cmd_run;
extern const struct command cmd_openzfs;
extern const struct command cmd_ps;
extern const struct command cmd_exec;
extern const struct command cmd_shell;
extern const struct command cmd_attach;
extern const struct command cmd_logs;
extern const struct command cmd_cp;
extern const struct command cmd_dump;
extern const struct command cmd_gdb;
extern const struct command cmd_stop;
extern const struct command cmd_wait;
extern const struct command cmd_template;
extern const struct command cmd_profile;
extern const struct command cmd_boot_time;
extern const struct command cmd_runs;
extern const struct command cmd_config;
extern const struct command cmd_disk;
extern const struct command cmd_init;
extern const struct command cmd_doctor;
extern const struct command cmd_clean;
extern const struct command cmd_completion;
extern const struct command cmd_verdict;
extern const struct command cmd_help;
extern const struct command cmd_version;
