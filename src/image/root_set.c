/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The package sets. Names that changed between suites (64-bit time) are
 * written as alternatives. What a set needs and why: OpenZFS
 * tests/zfs-tests/include/commands.cfg for "zts".
 */

#include "base/cleanup.h"
#include "base/str.h"
#include "image/root.h"

static const struct root_set sets[] = {
	{
		.name = "minimal",
		.summary = "a shell and the usual commands",
		/* Essential packages (bash, coreutils, grep, sed, tar, util-linux, ...) come by themselves. */
		.packages = "kmod procps iproute2 mount less mawk ca-certificates|openssl libcap2-bin passwd",
	},
	{
		.name = "zfs",
		.summary = "what zfs and zpool need",
		.based_on = "minimal",
		.packages = "libtirpc3|libtirpc3t64 libblkid1 libuuid1 zlib1g libssl3|libssl3t64 libudev1 libunwind8 "
			    "libaio1|libaio1t64 libcurl4|libcurl4t64 udev e2fsprogs parted mdadm dmsetup python3-minimal",
	},
	{
		.name = "zts",
		.summary = "what the ZFS test suite needs",
		.based_on = "zfs",
		.packages =
			"acl attr bc binutils bsdutils bzip2 cpio cryptsetup-bin file fio gawk gzip iputils-ping jq ksh "
			"libpam-modules lsscsi nfs-kernel-server openssh-client openssl pamtester pax psmisc python3 rsync "
			"samba-common-bin strace sudo sysstat tar xfsprogs xxhash xz-utils",
	},
	{
		.name = "debug",
		.summary = "debuggers, tracers and file system tools",
		.based_on = "zfs",
		.packages = "blktrace btrfs-progs fio gdb iputils-ping jq linux-perf|linux-base lsof ltrace|strace python3 socat "
			    "strace sudo sysstat trace-cmd xfsprogs xxd",
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
