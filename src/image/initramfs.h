/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

/*
 * The initramfs of a machine: the kernel's own part (initrd.cpio, or that of
 * the root's file system, in its store folder: the modules that are needed
 * before a disk can be mounted) followed
 * by the agent's (/init). The kernel unpacks concatenated archives one after
 * the other.
 *
 * What the agent finds:
 *	/quiz/modules/order	paths relative to /quiz/modules/, one per line, in the order to load them; a module
 *				whose device or CPU feature is absent may refuse (ENODEV): go on
 *	/quiz/modules/...	the .ko, uncompressed
 * Both are absent when the kernel has everything built in.
 */

#include "base/error.h"
#include "spec/kernel.h"
#include "sys/paths.h"

/*
 * The concatenation, as a file in <cache>/initrd/, made when it is not there
 * yet. When it is, this only looks at files (stat), so it is fit for every
 * run. root_fstype: the root image's, whose modules are then among them, or
 * NULL. *ret_path and *ret_key (what the content depends on) are the caller's.
 */
int initramfs_get(const struct paths *p, const struct kernel *k, const char *root_fstype, const char *agent_cpio_path,
		  char **ret_path, char **ret_key, struct error *err);

/* <libexec>/agents/<arch>/agent.cpio. Caller frees. */
char *initramfs_agent_path(const struct paths *p, const char *arch);
