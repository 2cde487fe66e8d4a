#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# However a run ends, nothing is left, and its program hears of it.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
need_machine

is_up() {
	quiz exec . true
}

quiz sh -c 'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.1; done' >"$scratch/out" 2>&1 &
pid=$!
wait_for 60 grep -q ready "$scratch/out"
kill -TERM "$pid"
wait "$pid"
is "TERM reaches the program, whose status it is" $? 9
like "it heard" "$(cat "$scratch/out")" "*got it*"

quiz sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done' >"$scratch/out" 2>/dev/null &
pid=$!
wait_for 60 grep -q ready "$scratch/out"
kill -TERM "$pid"
sleep 0.5
kill -TERM "$pid"
wait "$pid"
is "a second TERM ends the machine" $? 143

quiz sh -c 'echo ready; exec sleep 60' >"$scratch/out" 2>/dev/null &
pid=$!
wait_for 60 grep -q ready "$scratch/out"
kill -HUP "$pid"
wait "$pid"
is "HUP ends the machine" $? 129

quiz sleep 60 >/dev/null 2>&1 &
pid=$!
wait_for 60 is_up
kill -9 "$pid"
wait "$pid" 2>/dev/null
holds "kill -9 of quiz ends its QEMU within a second" wait_for 1 no_qemu
quiz true
is "the next run sweeps what it left" "$(find "$XDG_RUNTIME_DIR/quiz" -mindepth 1 -mmin +1 2>/dev/null)" ""

quiz --cold true >/dev/null 2>&1 &
pid=$!
sleep 0.3
kill -9 "$pid"
wait "$pid" 2>/dev/null
holds "and while it boots" wait_for 1 no_qemu
done_testing
