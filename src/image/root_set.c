/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The package sets. Libraries have their old names: where a suite calls them
 * libssl3t64 it says that this provides libssl3. What "zts" needs is in OpenZFS
 * tests/zfs-tests/include/commands.cfg.
 */

#include "base/cleanup.h"
#include "base/str.h"
#include "image/root.h"

static const struct root_set sets[] = {
	{
		.name = "minimal",
		.summary = "a shell and the usual commands",
		/* Essential packages (bash, coreutils, grep, sed, tar, util-linux, ...) come by themselves. */
		.packages = "iproute2 kmod less libcap2-bin mawk mount passwd procps",
	},
	{
		.name = "zfs",
		.summary = "what zfs and zpool need",
		.based_on = "minimal",
		.packages = "dmsetup e2fsprogs libblkid1 libssl3 libtirpc3 libudev1 libunwind8 libuuid1 mdadm parted "
			    "python3-minimal tmux udev zlib1g",
	},
	{
		.name = "zts",
		.summary = "what the ZFS test suite needs",
		.based_on = "zfs",
		.packages = "acl attr bc binutils bsdutils bzip2 cpio cryptsetup-bin file fio gawk gzip iputils-ping jq ksh lsscsi "
			    "nfs-kernel-server openssh-client openssl pamtester pax psmisc python3 rsync samba-common-bin strace "
			    "sudo sysstat xfsprogs xxhash xz-utils",
	},
	{
		.name = "debug",
		.summary = "debuggers, tracers and file system tools",
		.based_on = "zfs",
		.packages = "blktrace btrfs-progs fio gdb iputils-ping jq lsof python3 socat strace sudo sysstat trace-cmd "
			    "xfsprogs xxd",
	},
	{
		.name = "tiny",
		.summary = "busybox and nothing else: seconds to make, for any architecture",
		.packages = "busybox-static",
		.is_bare = true,
	},
};

const struct root_set *root_sets(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(sets);
	return sets;
}

const struct root_set *root_set_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		if (str_eq(sets[i].name, name))
			return &sets[i];
	return NULL;
}
