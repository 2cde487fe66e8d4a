/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* `quiz kernel build`: a row in the table of the kernel command. */

#include "spec/options.h"

#define KERNEL_BUILD_USAGE "[VERSION|linux-source-VERSION[/SUITE]] [--tree DIR] [--git URL[@REF]]"
#define KERNEL_BUILD_SUMMARY "Make a kernel from source (this folder's, else the distribution's), small and quick to boot"
#define KERNEL_BUILD_N_OPTIONS 16

extern const struct option_row kernel_build_options[KERNEL_BUILD_N_OPTIONS];

int kernel_build_main(int argc, char **argv, struct error *err);
