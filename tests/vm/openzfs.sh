#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# OpenZFS, built from source for a kernel of the store, in real machines: the whole loop, and what a clone must not share.
#
# QUIZ_TEST_OPENZFS names the source tree (tools/openzfs-source gets one); its build stays in its .quiz/, so that only
# the first time takes minutes. QUIZ_TEST_OPENZFS_BUILD names a folder that has been built for the default kernel.
# shellcheck disable=SC1091,SC2154,SC2016 # the library is found at run time; the guest's shell expands
. "$QUIZ_SOURCE/tests/lib/machine.sh"
need_machine libtirpc3 udev
build=${QUIZ_TEST_OPENZFS_BUILD:-}
if [ -n "$build" ]; then
	zfs=zfs:build=$build options=zfs:build=$build,
	cd "$scratch" || exit 1
elif [ -n "${QUIZ_TEST_OPENZFS:-}" ]; then
	zfs=zfs options=zfs:
	cd "$QUIZ_TEST_OPENZFS" || exit 1
	quiz init >/dev/null || exit 1
	status "builds" 0 quiz openzfs make
	status "the next run uses what the tree says" 0 quiz openzfs status
	like "current" "$out" "*the next run uses what the tree says*"
else
	skip_all "QUIZ_TEST_OPENZFS names no tree; tools/openzfs-source prints one"
fi

# guest NAME PROFILES SCRIPT: runs it; its output is in $out.
guest() {
	status "$1" 0 quiz -q -T --timeout 15m -p "$2" -C "set -e; $3"
}

guest "modules and programs are the build's" "$zfs" 'zpool version; cat /sys/module/zfs/version'
like "one version" "$out" "zfs-*
zfs-kmod-*"

# As it is typed in the article.
status "a pool of six devices" 0 quiz -q -T --timeout 15m -p "$zfs,memdev" zpool create tank raidz2 \
	quizm0 quizm1 quizm2 quizm3 quizm4 quizm5 '&&' zpool status
like "raidz2" "$out" "*raidz2-0*quizm5*errors: No known data errors*"

guest "scrub, export, import" "$zfs,memdev" 'zpool create tank mirror quizm0 quizm1
	dd if=/dev/urandom of=/tank/file bs=1M count=8 2>/dev/null; sum=$(md5sum </tank/file)
	zpool scrub -w tank; zpool export tank; zpool import -d /dev tank
	[ "$(md5sum </tank/file)" = "$sum" ] && zpool list -H -o health tank'
is "healthy" "$out" "ONLINE"

guest "module parameters" "${options}zfs_txg_timeout=7" 'cat /sys/module/zfs/parameters/zfs_txg_timeout'
is "as it was asked for" "$out" "7"
guest "modprobe without depmod" "$zfs" 'modprobe zfs && modprobe -n zfs && echo loaded'
is "loaded" "$out" "loaded"

# Every clone is its own machine. The first runs may be cold or from a base template; later ones have ZFS loaded already.
i=0
: >"$scratch/guids"
while [ $i -lt 6 ]; do
	quiz -q -T --timeout 15m -p "$zfs,memdev" -C 'zpool create tank quizm0 && zpool get -H -o value guid tank &&
		zfs get -H -o value guid tank && zpool get -H -o value load_guid tank' >>"$scratch/guids" || break
	i=$((i + 1))
done
is "runs that made a pool" "$i" 6
is "no two GUIDs are equal" "$(sort "$scratch/guids" | uniq | wc -l)" 18

guest "a pool before the program" "$zfs,pool:topology=raidz" 'zpool list -H -o name,health tank'
like "is there" "$out" "tank*ONLINE"
guest "a pool that is kept: made" "$zfs,pool:persist=quiz-test-pool" 'echo kept >/tank/file; zpool get -H -o value guid tank'
guid=$out
guest "a pool that is kept: found again" "$zfs,pool:persist=quiz-test-pool" 'cat /tank/file; zpool get -H -o value guid tank'
is "the same" "$out" "kept
$guid"
quiz disk rm quiz-test-pool >/dev/null 2>&1

status "modules that are not GPL" 125 quiz -q -T -p "${options}gpl=yes" true
like "the command that mends it" "$err_out" "*hint: quiz openzfs configure --gpl*"

nothing_is_left
done_testing
