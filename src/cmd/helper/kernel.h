/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* The subwords of `quiz kernel` that live in files of their own. */

#include "cmd/command.h"

/* kernel_list.c: what the store has. */
int kernel_list_main(int argc, char **argv, struct error *err);
int kernel_show_main(int argc, char **argv, struct error *err);
int kernel_rm_main(int argc, char **argv, struct error *err);
