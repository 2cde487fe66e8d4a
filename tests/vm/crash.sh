#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Never a false green: failures of the kernel, provoked for real by the module crashme, and what quiz says of them:
# exit status, title, source line, result.json.
#
# crash.sh [FLAVOUR]: with the default kernel, or the store's newest of that flavour ("check": sanitizers, lockdep, kmemleak).
# shellcheck disable=SC1091,SC2154 # the library is found at run time
. "$QUIZ_SOURCE/tests/lib/machine.sh"
flavour=${1:-}
if [ -n "$flavour" ]; then
	QUIZ_KERNEL=$(quiz kernel list | sed 's/^[* ] *//' |
		awk -v f="$flavour" -v arch="$(uname -m)" '$2 == arch && $4 == f { print $1; exit }')
	[ -n "$QUIZ_KERNEL" ] || skip_all "the store has no kernel of flavour $flavour (tests/materials kernel-$flavour)"
	export QUIZ_KERNEL
fi
need_machine

# The module, built for that kernel, in a workspace of its own: so it is seen in the machine, and so are its sources.
store=$(quiz kernel show ${flavour:+"$QUIZ_KERNEL"} --json | sed -n 's/^  "dir": "\(.*\)",$/\1/p')
[ -d "$store/build" ] || skip_all "the kernel has no build tree for external modules: tests/materials kernel-own"
tree=$scratch/crashme
cp -r "$QUIZ_SOURCE/tests/data/crashme" "$tree"
make -C "$store/build" M="$tree" modules >"$scratch/make.log" 2>&1 || {
	tail -5 "$scratch/make.log" | sed 's/^/# /'
	skip_all "crashme can not be built against $store/build"
}
cd "$tree" || exit 1
quiz init >/dev/null

line_of() { # TEXT: where crashme.c has it
	grep -n -F -- "$1" crashme.c | head -1 | cut -d: -f1
}

# crash WORD STATUS [OPTION...]: provokes it. The program goes on if the kernel lets it, and ends with 3. $before: done first.
crash() {
	word=$1 want=$2
	shift 2
	status "$word: status" "$want" quiz "$@" -C "${before:+$before; }insmod $tree/crashme.ko && echo $word >/proc/crashme; exit 3"
	before=
}

# told WORD WHAT [SOURCE]: what quiz says of it: a part of the title, and a line of crashme.c with its number.
told() {
	like "$1: what" "$err_out" "*$2*"
	[ -n "${3:-}" ] || return 0
	like "$1: the line" "$err_out" "*crashme.c:$(line_of "$3")*"
}

verdict_is() {
	result=$(ls -t .quiz/runs/*/result.json | head -1)
	like "$1: result.json says so" "$(tr -d '\n' <"$result")" "*\"verdict\": \"$2\"*"
}
class_is() {
	result=$(ls -t .quiz/runs/*/result.json | head -1)
	like "$1: its class" "$(tr -d '\n' <"$result")" "*\"class\": \"$2\"*"
}

# ---- what every kernel notices ----

if [ -n "$flavour" ]; then
	crash null 122
	told null "null-ptr-deref in crashme_null" "(volatile int *)0x10 = 1"
else
	crash null 122
	told null "NULL pointer dereference in crashme_null" "(volatile int *)0x10 = 1"
	like "null: the line of source" "$err_out" "*| \*(volatile int \*)0x10 = 1;*"
	class_is null oops
fi
verdict_is null crash
crash bug 122
told bug "BUG() at crashme.c:$(line_of 'BUG_ON(zero == 0)')" "BUG_ON(zero == 0)"
class_is bug bug
crash listadd 122
told listadd "list_add"
class_is listadd bug
like "listadd: the line, two inlined functions above it" "$err_out" "*in list_add at *list.h:*, in crashme_listadd at crashme.c:*"
crash smash 122
told smash "stack"
class_is smash panic
crash warntext 3
told warntext "WARNING at crashme.c:$(line_of 'WARN(zero == 0,')*the value 0 is not what it should be" "WARN(zero == 0,"
like "warntext: the line of source" "$err_out" "*crashme_warntext+*crashme.c:*| WARN(zero == 0, *"
like "warntext: its caller's line" "$err_out" "*crashme_write*crashme.c:*| cases\[i\].fn();*"
verdict_is warntext failed
class_is warntext warn
crash refcount 122 --strict
told refcount "refcount_t: *in crashme_refcount" "refcount_dec(&r)"
class_is refcount bug

# Blocked tasks are reported after two seconds here; the program never ends.
before="echo 2 >/proc/sys/kernel/hung_task_timeout_secs"
crash hang 121 --hang-grace 2s
told hang "blocked for more than 2 seconds"
verdict_is hang hang
class_is hang hang

# A CPU that does not get on, and the program never ends.
before="echo 2 >/proc/sys/kernel/watchdog_thresh"
crash softlockup 121 --hang-grace 2s
told softlockup "soft lockup*crashme_softlockup"
class_is softlockup stall

# A stall that is over before the program ends: its own status. With --strict: a hang.
before="echo 3 >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout"
crash rcustall 3 --hang-grace 60s -c 2
told rcustall "rcu*stall"
class_is rcustall stall

# Memory runs out: told, and the status is the program's. Nothing is left of the shell's child but its status.
status "oom: status" 3 quiz -m 512M -C 'tail /dev/zero; exit 3'
told oom "Out of memory: Kill*tail"
class_is oom oom

# No root file system. PID 1 is not ours then.
status "boot failure: status" 123 quiz --cold --append rdinit=/nowhere true
told "boot failure" "no root file system"
class_is "boot failure" boot-failure

# A module that was built for another kernel.
release=$(cat "$store/build/include/config/kernel.release")
sed "s/vermagic=${release%?}./vermagic=${release%?}~/" crashme.ko >other.ko
status "module mismatch: status" 4 quiz -C 'insmod ./other.ko || exit 4'
told "module mismatch" "version magic*should be*$release"
class_is "module mismatch" module-mismatch

# What is worth knowing and no more: a program's own fault.
printf 'int main(void)\n{\n\treturn *(volatile int *)8;\n}\n' >fault.c
holds "a program that faults" cc -o fault fault.c
status "info: status" 139 quiz ./fault
is "info: nobody is accused" "$err_out" ""
class_is info info

# ---- when it is noticed ----

# At once, not at the time limit and not when the program ends, which it does not.
status "an oops ends the run" 122 quiz --timeout 9m -C "insmod $tree/crashme.ko; (echo bug >/proc/crashme); sleep 1000"
told "an oops that only a child saw" "BUG() at crashme.c" "BUG_ON(zero == 0)"
status "a panic ends the run" 122 quiz --timeout 9m -C "insmod $tree/crashme.ko; echo panic >/proc/crashme; sleep 1000"
# The program ends with success in the moment in which the kernel crashes.
status "an oops at the very end" 122 quiz -C "insmod $tree/crashme.ko; (echo bug >/proc/crashme) & wait; exit 0"

# ---- what only the default kernel's run has to show ----

if [ -z "$flavour" ]; then
	crash divide 122
	told divide "crashme_divide" "8 / zero"
	crash panic 122
	told panic "panic: crashme: asked for it"
	verdict_is panic crash
	class_is panic panic
	crash stack 122
	told stack "stack*recurse"
	crash warn 3 --allow 'warn:crashme_*' --strict
	like "warn: tolerated, and told" "$err_out" "*allowed*"
	echo 'warn:crashme_warn* we live with it' >known
	crash warn 3 --known-issues known --strict
	like "warn: the known issue's text" "$err_out" "*we live with it*"
	crash warn 122 --strict
	verdict_is "warn, strict" crash
	status "a blocked task, and the program ends" 4 quiz --hang-grace 60s -C "echo 2 >/proc/sys/kernel/hung_task_timeout_secs
		insmod $tree/crashme.ko; (echo hang >/proc/crashme) & sleep 8; exit 4"
	status "words are no deeds" 0 quiz -C 'echo "BUG: kernel NULL pointer dereference, address: 0"
		echo "Kernel panic - not syncing: no" >&2; echo "Oops: 0000 [#1] SMP"
		echo "WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2" 2>/dev/null >/dev/console; true'
	is "and nobody is accused" "$(printf '%s\n' "$err_out" | grep -c '^quiz:')" 0

	status "words to the kernel's log are no deeds either" 0 quiz -C 'echo "BUG: a test" >/dev/kmsg
		echo "Kernel panic - not syncing: no" >/dev/kmsg; sleep 1; echo "Oops: 0000 [#1] SMP" >/dev/kmsg'
	is "and nobody is accused of them" "$(printf '%s\n' "$err_out" | grep -c '^quiz:')" 0
	status "null, tolerated" 3 quiz --allow 'oops:crashme_null:*' -C "insmod $tree/crashme.ko; (echo null >/proc/crashme); sleep 4; exit 3"
	like "null, tolerated: the program goes on" "$err_out" "*NULL pointer dereference in crashme_null*(allowed)*"
	status "null, with a pattern for another" 122 quiz --timeout 9m --allow 'oops:crashme_nul' -C "insmod $tree/crashme.ko
		(echo null >/proc/crashme); sleep 1000"
	status "--allow of everything" 125 quiz --allow '*' true
	like "is refused" "$err_out" "quiz: --allow '*' would tolerate every finding*hint: *"

	# A program that keeps the kernel's log full: what is lost is told, an oops is found all the same.
	flood='echo on >/proc/sys/kernel/printk_devkmsg; dmesg -n 1; head -c 3000000 /dev/zero | tr "\0" x | fold -w 200 >/tmp/words
		flood() { chrt -f 50 dd if=/tmp/words of=/dev/kmsg bs=201 2>/dev/null; }'
	status "a flood" 3 quiz -C "$flood; flood; exit 3"
	like "a flood: what was lost" "$err_out" "*kernel messages were lost: *log_buf_len*"
	status "a flood, strict" 122 quiz --strict -C "$flood; flood; exit 0"
	like "a flood, strict: why" "$err_out" "*not all that the kernel said was seen*"
	status "an oops in a flood" 122 quiz -C "$flood; insmod $tree/crashme.ko; (echo null >/proc/crashme; flood); exit 0"
	status "a warning that is lost in a flood" 3 quiz -C "$flood; insmod $tree/crashme.ko
		chrt -f 50 sh -c 'words() { dd if=/tmp/words of=/dev/kmsg bs=201 2>/dev/null; }; words; echo warn >/proc/crashme; words'; exit 3"
	like "is counted" "$err_out" "*the kernel counted a WARN that no log shows*"
	status "an oops that nobody may read of" 122 quiz -C "insmod $tree/crashme.ko; dmesg -n 1; dmesg -C
		echo 0 0 0 0 >/proc/sys/kernel/printk; (echo null >/proc/crashme); exit 0"

	# What the kernel says while a template is made, it does not say again in a clone: it counts there all the same.
	warner=warner$$
	mkdir -p ".quiz/profiles/$warner/files/opt" && cp crashme.ko ".quiz/profiles/$warner/files/opt"
	printf '[profile]\nsummary = warns while it is set up\ntemplate = yes\n' >".quiz/profiles/$warner/profile.conf"
	printf '#!/bin/sh\ninsmod /opt/crashme.ko && echo warnonce >/proc/crashme\n' >".quiz/profiles/$warner/guest-init"
	chmod +x ".quiz/profiles/$warner/guest-init"
	status "a warning in a profile's hook" 122 quiz --strict -p $warner true
	status "once more" 122 quiz --strict -p $warner true
	warned() { quiz template list | grep -q -e "-p $warner"; }
	if wait_for 60 warned; then ok "its template"; else not_ok "its template" "$(quiz template list)"; fi
	status "in a clone that has it behind it" 122 quiz --strict -p $warner true
	told "a clone: who warned" "crashme_warnonce"
	is "it was such a clone" "$(sed -n 's/.*"is_prepared": \(.*\),/\1/p' "$(ls -t .quiz/runs/*/result.json | head -1)")" true

	# A hook that blocks in the kernel, before any program.
	printf '#!/bin/sh\necho 2 >/proc/sys/kernel/hung_task_timeout_secs; insmod /opt/crashme.ko && echo hang >/proc/crashme\n' \
		>".quiz/profiles/$warner/guest-init"
	status "a hook that hangs" 121 quiz --hang-grace 1s -p $warner true
	like "a hook that hangs: where" "$err_out" "*hang: INFO: task guest-init*blocked*crashme_hang*"

	# What becomes of the machine.
	crash null 122 --on-crash=keep
	told "null, kept" "NULL pointer dereference in crashme_null" "(volatile int *)0x10 = 1"
	like "null, kept: the stack, with its source" "$err_out" "*crash: the kernel crashed*| crashme_write*crashme.c:*| cases\[i\].fn();*"
	kept=$(printf '%s\n' "$err_out" | sed -n 's/^quiz: machine \([^ ]*\) stays up.*/\1/p')
	status "--on-crash=keep: the machine is there" 0 quiz exec "$kept" true
	status "--on-crash=keep: until it is stopped" 0 quiz stop "$kept"
	# A further program in a machine that stays: it ends well, and the kernel has crashed under it.
	status "--keep" 0 quiz --keep -C "insmod $tree/crashme.ko"
	kept=$(printf '%s\n' "$err_out" | sed -n 's/^quiz: machine \([^ ]*\) stays up.*/\1/p')
	status "exec, before" 0 quiz exec "$kept" true
	status "exec: the kernel crashes under it" 122 quiz exec "$kept" sh -c '(echo null >/proc/crashme); exit 0'
	like "exec: what" "$err_out" "*NULL pointer dereference in crashme_null*"
	status "exec, to look at what is left" 0 quiz exec "$kept" true
	quiz stop "$kept" >/dev/null 2>&1
	# The user reads of it while the program goes on: only then does he let it end.
	quiz --on-crash=keep --timeout 10m -C "insmod $tree/crashme.ko; (echo null >/proc/crashme); while [ ! -e /shared/go ]; do sleep 0.1; done" >"$scratch/kept.out" 2>"$scratch/kept.err" </dev/null &
	pid=$!
	holds "--on-crash=keep: the crash is shown while the program runs" wait_for 120 grep -q 'crashme_null.*crashme.c' "$scratch/kept.err"
	holds "and that still runs" kill -0 "$pid"
	quiz exec . touch /shared/go
	wait "$pid"
	is "and the status is the crash's" $? 122
	is "and it is told in full once" "$(grep -c 'the kernel crashed' "$scratch/kept.err")" 1
	status "and the machine is stopped" 0 quiz stop .
	# With a terminal of its own it is shown at once, too, and the machine goes on without having been asked to be kept.
	quiz -t --timeout 10m -C "insmod $tree/crashme.ko; (echo null >/proc/crashme)
		while [ ! -e /shared/go ]; do sleep 0.1; done" >"$scratch/tty.out" 2>"$scratch/tty.err" </dev/null &
	pid=$!
	holds "a terminal: the crash is shown while the program runs" wait_for 120 grep -q 'crashme_null.*crashme.c' "$scratch/tty.err"
	quiz exec . touch /shared/go
	wait "$pid"
	is "a terminal: and the status is the crash's" $? 122
	crash null 122 --on-crash=shell
	told "null, with a shell that has nothing to read" "NULL pointer dereference in crashme_null"

	# The log of a run through `quiz verdict`: the same.
	status "quiz verdict on a crashed run's console log" 122 quiz verdict "$(grep -l 'crashme: null' .quiz/runs/*/console.log | head -1)"
	like "it has the function" "$out" "*NULL pointer dereference in crashme_null*"

	# An agent that is deaf: the kernel is asked over its console.
	grep -q CONFIG_MAGIC_SYSRQ_SERIAL=y "$store/config" || not_ok "the default kernel takes sysrq over its console"
	status "the agent is deaf" 121 quiz --test-agent 2 sleep 60
	like "the kernel was asked all the same" "$(quiz logs)" "*sysrq: Show Blocked State*sysrq: Show backtrace of all active CPUs*"
fi

# ---- what sanitizers, lockdep and kmemleak notice ----

if [ "$flavour" = check ]; then
	crash uaf 122
	told uaf "use-after-free in crashme_uaf" "p[3] = 1"
	class_is uaf sanitizer
	crash oob 122
	told oob "out-of-bounds in crashme_oob" "p[100 + zero] = 1"
	# UBSAN speaks first, of the same function: what KASAN says is no second count of it, and it decides.
	crash stackoob 122
	told stackoob "BUG: KASAN: stack-out-of-bounds in crashme_stackoob" "buf[40 + zero]"
	class_is stackoob sanitizer
	crash doublefree 122
	told doublefree "double-free in crashme_doublefree*crashme.c:*| kfree(p);"
	crash shift 3
	told shift "shift-out-of-bounds" "eight << seventy"
	class_is shift sanitizer
	crash index 122 --strict
	told index "array-index-out-of-bounds" "array[eight + zero]"
	crash circular 3
	told circular "possible circular locking dependency detected in crashme_circular"
	class_is circular locking
	crash might 122 --strict
	told might "sleeping function called from invalid context*crashme_might+*crashme.c:*| mutex_lock(&lock_a);"
	crash held 122 --strict
	told held "lock held when returning to user space"
	crash rcu 122 --strict
	told rcu "suspicious RCU usage" "rcu_dereference(p)"
	class_is rcu rcu
	# Objects younger than five seconds are not looked at.
	status "leak: status" 122 quiz --strict -C "insmod $tree/crashme.ko
		k=/sys/kernel/debug/kmemleak; echo scan >\$k; echo clear >\$k; echo 1 >/sys/module/kmemleak/parameters/verbose
		for i in 1 2 3 4; do echo leak >/proc/crashme; done; sleep 6; echo scan >\$k; echo scan >\$k; exit 3"
	told leak "memory leak in crashme_leak" "kmalloc(777"
	class_is leak leak
fi
nothing_is_left
done_testing
