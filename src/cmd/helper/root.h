/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* The subwords of `quiz root` that live in files of their own. */

#include "cmd/command.h"

/* root_list.c: what the store has. */
int root_list_main(int argc, char **argv, struct error *err);
int root_show_main(int argc, char **argv, struct error *err);
int root_rm_main(int argc, char **argv, struct error *err);
