/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/* Copies of kernel modules that are small enough to be packed after each build. */

#include <stdbool.h>

#include "image/elf_file.h"

/*
 * Writes a copy of a relocatable file (a kernel module) that has nothing the
 * kernel does not load: sections that are neither allocated nor symbols or
 * relocations of allocated ones become empty. Section numbers stay, so
 * nothing else has to change; that takes milliseconds where strip(1) rewrites
 * 60 MB. The file appears under its name by a rename.
 */
int elf_copy_module(const struct elf_file *ef, const char *to, struct error *err);

/*
 * The same, with its calls to ftrace's __fentry__ turned into the nops that
 * ftrace would make of them when the module is loaded, and without the list
 * of them. From 5.19 on the kernel looks up each entry of that list among all
 * symbols of the module, which is quadratic: more than half of the time that
 * loading zfs.ko takes. The price: the module's functions can not be traced
 * by the function tracer (kprobes work). Where anything about the calls is
 * not as expected (x86_64 only), the copy keeps them: *ret_dropped (may be NULL).
 */
int elf_copy_module_untraced(const struct elf_file *ef, const char *to, bool *ret_dropped, struct error *err);
