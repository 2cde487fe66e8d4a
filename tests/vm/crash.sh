#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Never a false green: failures of the kernel, provoked for real by the module crashme, and what quiz says of them.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
need_machine

# The module, built for the default kernel, in a workspace of its own: so it is seen in the machine, and so are its sources.
build=$(quiz kernel show --json | sed -n 's/^  "dir": "\(.*\)",$/\1/p')/build
[ -d "$build" ] || skip_all "the default kernel has no build tree for external modules"
tree=$scratch/crashme
cp -r "$QUIZ_SOURCE/tests/data/crashme" "$tree"
make -C "$build" M="$tree" modules >"$scratch/make.log" 2>&1 || {
	tail -5 "$scratch/make.log" | sed 's/^/# /'
	skip_all "crashme can not be built against $build"
}
cd "$tree" || exit 1
quiz init >/dev/null

line_of() {
	grep -n -F -- "$1" crashme.c | head -1 | cut -d: -f1
}

# crash WORD: the program goes on after the failure, if the kernel lets it, and ends with 3.
crash() {
	word=$1
	shift
	status "$word: status" "$want" quiz "$@" -C "insmod $tree/crashme.ko && echo $word >/proc/crashme; exit 3"
}

verdict_is() {
	result=$(ls -t .quiz/runs/*/result.json | head -1)
	like "$1: result.json says so" "$(tr -d '\n' <"$result")" "*\"verdict\": \"$2\"*"
}

want=122
crash null
like "null: what and where" "$err_out" "*NULL pointer dereference in crashme_null*crashme.c:$(line_of '(volatile int *)0x10 = 1')*"
like "null: the line of source" "$err_out" "*| \*(volatile int \*)0x10 = 1;*"
verdict_is null crash
crash bug
like "bug: what and where" "$err_out" "*BUG() at crashme.c:$(line_of 'BUG_ON(zero == 0)')*crashme_bug*"
crash divide
like "divide: what" "$err_out" "*crashme_divide*"
crash panic
like "panic: its own words" "$err_out" "*panic: crashme: asked for it*"
verdict_is panic crash
crash stack
like "stack: where" "$err_out" "*stack*recurse*"

want=3
crash warntext
like "warn: is told" "$err_out" "*WARNING at crashme.c:$(line_of 'WARN(zero == 0,')*the value 0 is not what it should be*"
verdict_is warn failed
crash warn --allow 'warn:crashme_*' --strict
like "warn: tolerated, and told" "$err_out" "*allowed*"
echo 'warn:crashme_warn* we live with it' >known
crash warn --known-issues known --strict
like "warn: the known issue's text" "$err_out" "*we live with it*"
want=122
crash warn --strict
verdict_is "warn, strict" crash

# Blocked tasks are reported after two seconds here; the program never ends.
status "hang: status" 121 quiz --hang-grace 2s -C "echo 2 >/proc/sys/kernel/hung_task_timeout_secs
	insmod $tree/crashme.ko && echo hang >/proc/crashme"
like "hang: who" "$err_out" "*blocked for more than 2 seconds*"
verdict_is hang hang
# ... and one that ends all the same keeps its status.
status "a blocked task, and the program ends" 4 quiz --hang-grace 60s -C "echo 2 >/proc/sys/kernel/hung_task_timeout_secs
	insmod $tree/crashme.ko; (echo hang >/proc/crashme) & sleep 8; exit 4"

status "words are no deeds" 0 quiz -C 'echo "BUG: kernel NULL pointer dereference, address: 0"; echo "Kernel panic - not syncing: no" >&2
	echo "Oops: 0000 [#1] SMP"; echo "WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2" 2>/dev/null >/dev/console; true'
is "and nobody is accused" "$(printf '%s\n' "$err_out" | grep -c '^quiz:')" 0

# The log of a run through `quiz verdict`: the same.
status "quiz verdict on a crashed run's console log" 122 quiz verdict "$(grep -l 'crashme: null' .quiz/runs/*/console.log | head -1)"
like "it has the function" "$out" "*NULL pointer dereference in crashme_null*"
nothing_is_left
done_testing
