#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# OpenZFS, built from a source package for a kernel of our own, in real machines: the whole loop.
# shellcheck disable=SC1091,SC2119,SC2154,SC2016 # the library is found at run time; the guest's shell expands
. "$QUIZ_SOURCE/tests/lib/machine.sh"
. "$QUIZ_SOURCE/tests/lib/openzfs.sh"
need_openzfs
source=module/zfs/spa_history.c
mend() { # whatever happens in between: the tree as it was, and built
	git checkout -q -- "$source"
	quiz openzfs make modules >/dev/null 2>&1
}
tap_at_exit=mend
finding_classes() { # of the last run, but for remarks
	quiz runs show --json . | sed -n '/"findings"/,$s/^ *"class": "\([^"]*\)".*/\1/p' | grep -vx info
}

status "status" 0 quiz openzfs status
case $out in # tests/materials has installed the suite once: these tests build modules later than that
*"is newer than the modules"* | *"the tree is at"*) not_ok "the next run uses what the tree says" "$out" ;;
*) ok "the next run uses what the tree says" ;;
esac
like "of this commit" "$out" "*tree *zfs-*
  build *zfs-*"
# Built when the kernel's source was still there: what the compiler read, and what configure tried, is all on record.
build=.quiz/openzfs/$(sed -n 's/^kernel = //p' .quiz/quiz.cfg)/build
holds "the record of its build" test "$(find "$build/module" -name '*.o.cmd' | wc -l)" -gt 100
is "names the kernel's folder in the store alone" \
	"$(grep -rlE '/quiz/(sources/|build/[0-9])' --include='*.cmd' --include=config.log "$build" | head -3)" ""
with "modules and programs are the build's" zfs 'zpool version; cat /sys/module/zfs/version'
like "one version" "$out" "zfs-*
zfs-kmod-*"

# As it is typed in the article.
status "a pool of six devices" 0 quiz -q -T --timeout 12m -p zfs,memdev zpool create tank raidz2 \
	quizm0 quizm1 quizm2 quizm3 quizm4 quizm5 '&&' zpool status
like "raidz2" "$out" "*raidz2-0*quizm5*errors: No known data errors*"

with "scrub, export, import" zfs,memdev 'zpool create tank mirror quizm0 quizm1
	dd if=/dev/urandom of=/tank/file bs=1M count=8 2>/dev/null; sum=$(md5sum </tank/file)
	zpool scrub -w tank; zpool export tank; zpool import -d /dev tank
	[ "$(md5sum </tank/file)" = "$sum" ] && zpool list -H -o health tank'
is "healthy" "$out" "ONLINE"
with "with GPT and udev, as on a real disk" zfs,memdev:count=1,gpt=yes \
	'zpool create tank quizm0 && zpool list -H -o health tank'
is "healthy too" "$out" "ONLINE"
with "modprobe without depmod" zfs 'modprobe zfs && modprobe -n zfs && lsmod | grep -c "^zfs "'
is "loaded" "$out" "1"

# ---- an edit ----

sleep 1
echo 'static int quiz_test_broken(void) { return (nothing_of_the_kind); }' >>"$source"
status "a broken edit" 125 quiz -T --timeout 12m --make -p zfs echo started
is "runs nothing, and stdout is the program's" "$out" ""
like "says what the compiler said" "$err_out" "*spa_history.c:*nothing_of_the_kind*undeclared*"
git checkout -q -- "$source"
# What makes a new pool's history: a failing VERIFY and a lost buffer on request, and a name to be found by.
sed -i '/^spa_history_create_obj(/,/^}/s/^	ASSERT0(spa->spa_history);$/&\
	VERIFY3S(strcmp(spa_name(spa), "fatal"), !=, 0);\
	if (strcmp(spa_name(spa), "leaky") == 0)\
		(void) zio_buf_alloc(4096);/' "$source"
echo 'int quiz_test_edited(void); int quiz_test_edited(void) { return (1); }' >>"$source"
status "a run without a build" 0 quiz -T --timeout 12m -p zfs true
like "says that the modules are older" "$err_out" "*warning: *$source' is newer than the modules of this run*"
status "edit to result in one command" 0 quiz -T --timeout 12m --make -p zfs,memdev \
	zpool create tank raidz2 quizm0 quizm1 quizm2 quizm3 quizm4 quizm5 '&&' zpool status -x '&&' \
	grep -c quiz_test_edited /proc/kallsyms
like "is what was edited" "$out" "all pools are healthy
[1-9]"
like "built on the way, in one module" "$err_out" "*CC *spa_history.o*"
case $err_out in
*"is newer than the modules"*) not_ok "nothing is newer then" "$err_out" ;;
*) ok "nothing is newer then" ;;
esac
like "it was a clone" "$(quiz runs show --json .)" '*"is_clone": true*'

# Faults of the edited module's own.
status "a VERIFY that fails" 122 quiz -T --timeout 12m -p zfs,memdev zpool create fatal quizm0
like "is named, with its source line" "$err_out" "*VERIFY3(strcmp(spa_name(spa), \"fatal\") != 0) failed*spa_history_create_obj*module/zfs/spa_history.c:*"
is "its class" "$(finding_classes | head -n 1)" zfs-panic
status "a buffer that is not given back" 122 quiz -T --timeout 12m -p zfs:leakcheck=yes,memdev zpool create leaky quizm0
like "is told when the modules are unloaded" "$err_out" "*zio_buf*4096*"
like "its class" "$(finding_classes)" "*leak*"
mend
git_clean "the tree is as it was"

# ---- after the program ----

# The program is done, its data is not yet written; then the disk is gone, which is a panic by the pool's own wish.
left_behind() { # FAILMODE
	echo 'dmsetup --noudevsync create gone --table "0 204800 linear /dev/quizm0 0" && dmsetup mknodes
		zpool create -o failmode='"$1"' tank /dev/mapper/gone && zpool sync && echo x >/tank/file &&
		dmsetup suspend --noflush --nolockfs gone && dmsetup load gone --table "0 204800 error" &&
		dmsetup --noudevsync resume gone'
}
status "a panic in the transaction group that the program has left" 122 \
	quiz -T --timeout 12m -p zfs,memdev,error -C "$(left_behind panic)"
like "its reason, where, and the line" "$err_out" "*panic: Pool 'tank'*uncorrectable I/O failure*zio_suspend*module/zfs/zio.c:*"
status "a pool that is suspended while the program runs: its own status" 4 quiz -T --timeout 12m -p zfs,memdev,error -C \
	"$(left_behind wait)"' && { sync & i=0
	while [ $i -lt 60 ] && ! zpool list -H -o health tank | grep SUSPENDED; do sleep 1; i=$((i + 1)); done; exit 4; }'
like "it is" "$out" "*SUSPENDED*"
like "is told" "$err_out" "*Pool 'tank' has encountered an uncorrectable I/O failure and has been suspended*"
is "its class, of the one finding" "$(finding_classes)" zfs-suspend
status "a pool that is suspended then" 0 quiz -T --timeout 12m -p zfs,memdev,error -C "$(left_behind wait)"
like "is told, and the status stays the program's" "$err_out" "*zfs-suspend*"
# The program waits for it for good: what ZFS knows is asked before the machine is let go.
status "a pool that never comes back: the time limit" 124 quiz -T --timeout 20s -p zfs,memdev,error -C \
	"$(left_behind wait); sync"
asked() { # FILE: of the last run's hang report
	run=$(quiz runs list | awk 'NR == 1 { print $1 }')
	cat ".quiz/runs/$run/artifacts/hang/$1" "$XDG_STATE_HOME/quiz/runs/$run/artifacts/hang/$1" 2>/dev/null
}
like "the pools' status is in the artifacts" "$(asked zpool-status)" "*pool: tank*"
like "the events" "$(asked zpool-events)" "*sysevent.fs.zfs.pool_create*"
like "the task queues" "$(asked taskq-all)" "*spl_system_taskq*"
like "the debug messages" "$(asked dbgmsg)" "*spa_history*"

# ---- what can not be ----

other=$(quiz kernel list | awk -v arch="$(uname -m)" '/ debian / { sub(/^[* ]*/, ""); if ($2 == arch) { print $1; exit } }')
status "modules for another kernel" 125 quiz -q -T -k "$other" -p zfs true
like "are refused before boot, with the command that mends it" "$err_out" "*for kernel*
hint: quiz openzfs make -k $other"
status "modules that are not GPL" 125 quiz -q -T -p zfs:gpl true
like "the command for that" "$err_out" "*hint: quiz openzfs configure --gpl*"

# ZFS in trouble.
status "an oops in ZFS" 122 quiz -T --timeout 15m -p "zfs,memdev" -C 'zpool create tank quizm0 &&
	echo 0 >/sys/module/zfs/parameters/zfs_scan_mem_lim_fact && zpool scrub tank; sleep 60'
like "an oops in ZFS: its line" "$err_out" "*division by zero in dsl_scan_should_clear*| RIP: *module/zfs/dsl_scan.c:*zfs_scan_mem_lim_fact*"
like "an oops in ZFS: lines of inlined functions" "$err_out" "*spa_sync+*module/zfs/spa.c:*"

# Leak checks at the end; the status stays the program's when nothing leaks.
status "leakcheck: nothing leaks" 3 quiz -T --timeout 15m -p "zfs:leakcheck=yes,memdev" -C 'zpool create tank quizm0; exit 3'
run=$(quiz runs list | awk 'NR == 1 { print $1 }')
unloaded=$(cat ".quiz/runs/$run/artifacts/leakcheck/unloaded" "$XDG_STATE_HOME/quiz/runs/$run/artifacts/leakcheck/unloaded" 2>/dev/null)
is "leakcheck: the modules were unloaded, spl last" "$(printf '%s\n' "$unloaded" | tail -1)" spl
status "leakcheck: what is in use" 0 quiz -T --timeout 15m -p "zfs:leakcheck=yes,memdev" -C \
	'zpool create tank quizm0; cd /tank; sleep 1000 & exit 0'
like "leakcheck: what is in use is told" "$err_out" "*leakcheck: a pool is still in use*"

nothing_is_left
done_testing
