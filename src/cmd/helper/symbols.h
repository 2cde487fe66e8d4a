/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* The commands of quiz-symbols: what needs libelf and libdw. Its array is in cmd/symbols.c. */

#include "cmd/commands.h"

extern const struct command cmd_symbolize;
