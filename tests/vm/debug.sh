#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Looking into machines with real debuggers: vmcores for crash and drgn, gdb on a running machine and from its first instruction.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
need_machine
for tool in gdb crash drgn; do
	command -v "$tool" >/dev/null || skip_all "$tool is not installed (tools/deps debug)"
done
store=$(quiz kernel show --json | sed -n 's/^  "dir": "\(.*\)",$/\1/p')
[ -f "$store/debug/vmlinux" ] || skip_all "the default kernel has no debug information: tests/materials kernel-own"
release=$(quiz kernel show --json | sed -n 's/^  "release": "\(.*\)",$/\1/p')
tree=$scratch/crashme
cp -r "$QUIZ_SOURCE/tests/data/crashme" "$tree"
make -C "$store/build" M="$tree" modules >"$scratch/make.log" 2>&1 || skip_all "crashme can not be built against $store/build"
cd "$tree" || exit 1
quiz init >/dev/null
cat >"$scratch/tasks.py" <<'PY'
from drgn.helpers.linux.pid import for_each_task
names = [t.comm.string_().decode() for t in for_each_task(prog)]
print("release", prog["init_uts_ns"].name.release.string_().decode())
print("tasks", "kthreadd" in names, "sleep" in names)
PY

# What quiz prints is taken as it is printed: the last words of its output are the command lines.
with_drgn() { # COMMAND-LINE
	timeout 120 sh -c "$1 -q $scratch/tasks.py" 2>&1
}
with_crash() { # COMMAND-LINE
	printf 'sys\nlog | tail -1\nquit\n' | timeout 120 sh -c "$1 -s" 2>&1
}

# A running machine.
status "a machine that stays up" 0 quiz -d sleep 1000
id=$out
status "dump: done" 0 quiz dump "$id"
core=$(printf '%s\n' "$out" | sed -n 1p)
is "dump: where" "$(basename "$core")" vmcore
is "dump: only its owner reads it" "$(stat -c %a "$core")" 600
drgn_says=$(with_drgn "$(printf '%s\n' "$out" | grep '^drgn ')")
like "dump: drgn knows the kernel" "$drgn_says" "*release $release*"
like "dump: drgn finds the tasks" "$drgn_says" "*tasks True True*"
crash_says=$(with_crash "$(printf '%s\n' "$out" | grep '^crash ')")
like "dump: crash knows the kernel" "$crash_says" "*RELEASE: $release*"
status "dump: the machine runs on" 0 quiz exec "$id" true
status "dump: to a file of one's own" 0 quiz dump "$id" here.core
is "dump: and there it is" "$(dd if=here.core bs=5 count=1 2>/dev/null)" KDUMP
status "dump: a place that can not be written" 125 quiz dump "$id" /nowhere/core
like "dump: why" "$err_out" "*/nowhere/core*No such file*"

# gdb on it: it stands still, knows its functions, and runs on afterwards, however gdb ends.
status "gdb: done" 0 timeout 120 quiz gdb "$id" -batch -ex 'print init_task.comm' -ex 'info threads'
like "gdb: knows the types of the kernel" "$out" '*"swapper/0*'
like "gdb: sees the CPUs" "$out" "*Thread 1*"
status "gdb: the machine runs on" 0 quiz exec "$id" true
status "gdb: one that is killed" 137 timeout -s KILL 20 quiz gdb "$id" -batch -ex 'shell kill -KILL $PPID' -ex 'print 1'
status "gdb: the machine runs on all the same" 0 quiz exec "$id" true
status "gdb: and its stub can be had again" 0 timeout 120 quiz gdb "$id" -batch -ex 'print init_task.pid'
like "gdb: reads it" "$out" '*$1 = 0*'
status "the machine ends" 0 quiz stop "$id"

# From the first instruction, into a module that is loaded later.
fresh "$scratch/err"
quiz --gdb -C "insmod $tree/crashme.ko; echo warn >/proc/crashme; exit 5" >"$scratch/out" 2>"$scratch/err" &
run=$!
wait_for 20 grep -q 'quiz gdb' "$scratch/err"
like "--gdb: says what it waits for" "$(cat "$scratch/err")" "*the machine waits for its debugger: quiz gdb *"
line=$(grep -n 'WARN_ON(zero == 0)' crashme.c | head -1 | cut -d: -f1)
status "--gdb: from the first instruction" 0 timeout 200 quiz gdb . -batch -ex 'set breakpoint pending on' -ex 'break start_kernel' \
	-ex 'break crashme_warn' -ex continue -ex 'bt 1' -ex continue -ex 'bt 2' -ex "list $line,$line" -ex quiz-modules -ex detach
like "--gdb: stops before the kernel has begun" "$out" "*start_kernel () at *init/main.c:*"
like "--gdb: stops in the module" "$out" "*crashme_warn () at *crashme.c:*"
like "--gdb: shows its source" "$out" "*WARN_ON(zero == 0)*"
like "--gdb: has its symbols" "$out" "*symbols of modules:*crashme*"
wait "$run"
is "--gdb: the program's own status" $? 5
if [ -f "$store/build/scripts/gdb/linux/constants.py" ]; then
	quiz -d sleep 1000 >/dev/null
	status "gdb: the kernel's own scripts" 0 timeout 120 quiz gdb . -batch -ex lx-version -ex lx-ps
	like "gdb: lx-ps" "$out" "*kthreadd*"
	quiz stop --all
else
	skip "gdb: the kernel's own scripts" "they were not built with this kernel"
fi

# At the end of a run that crashes or hangs.
status "--dump: a crash" 122 quiz --dump -C "insmod $tree/crashme.ko && echo null >/proc/crashme"
like "--dump: where it is" "$err_out" "*quiz: vmcore *vmcore*"
drgn_says=$(with_drgn "$(printf '%s\n' "$err_out" | sed -n 's/^quiz: *\(drgn .*\)/\1/p')")
like "--dump: drgn reads it" "$drgn_says" "*release $release*"
result=$(ls -t .quiz/runs/*/result.json | head -1)
like "--dump: result.json has it" "$(tr -d '\n' <"$result")" '*"vmcore": "/*/vmcore"*'
status "quiz dump of the ended run" 0 quiz dump .
like "quiz dump of the ended run: its commands" "$out" "*/vmcore*drgn -c *"
status "--on-crash=dump: a panic" 122 quiz --on-crash=dump -C "echo c >/proc/sysrq-trigger"
like "--on-crash=dump: where it is" "$err_out" "*quiz: vmcore *vmcore*"
status "--dump: the time limit" 124 quiz --dump --timeout 1s sleep 1000
like "--dump: the time limit: where it is" "$err_out" "*quiz: vmcore *vmcore*"
status "--dump: a run in which nothing happens" 3 quiz --dump -C 'exit 3'
is "--dump: leaves none" "$(printf '%s\n' "$err_out" | grep -c vmcore)" 0
status "quiz dump of a run without" 125 quiz dump .
like "quiz dump of a run without: what to do" "$err_out" "*left no vmcore*quiz --dump*"
nothing_is_left
done_testing
