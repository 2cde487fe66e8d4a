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

fresh "$scratch/out"
quiz sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done' >"$scratch/out" 2>/dev/null &
pid=$!
wait_for 60 grep -q ready "$scratch/out"
kill -TERM "$pid"
sleep 0.5
kill -TERM "$pid"
wait "$pid"
is "a second TERM ends the machine" $? 143

fresh "$scratch/out"
quiz sh -c 'echo ready; exec sleep 60' >"$scratch/out" 2>/dev/null &
pid=$!
wait_for 60 grep -q ready "$scratch/out"
kill -HUP "$pid"
wait "$pid"
is "HUP ends the machine" $? 129

# ---- kill -9 of quiz, at every stage of a machine's life ----
QUIZ_TEMPLATE_DIR=$scratch/templates
export QUIZ_TEMPLATE_DIR
has_qemu() { [ -n "$(qemus)" ]; }
has_spoken() { grep -qs . "$XDG_STATE_HOME"/quiz/runs/*/console.log; }
# For some hundredths of a second only: looked at without a pause, by the shell itself.
is_saved() {
	looks=0
	while [ $looks -lt 200000 ]; do
		looks=$((looks + 1))
		set -- "$QUIZ_TEMPLATE_DIR"/.tmp-*/ram
		[ ! -e "$1" ] || return 0
	done
	return 1
}
at_once() { :; }
killed() { # NAME WHEN OPTION...: QEMU is there, and then WHEN holds
	name=$1 when=$2
	shift 2
	rm -rf "$XDG_STATE_HOME/quiz/runs"
	quiz "$@" sleep 60 >/dev/null 2>&1 &
	pid=$!
	wait_for 60 has_qemu && wait_for 60 "$when"
	is "$name: that moment is hit" $? 0
	kill -9 "$pid"
	holds "$name: QEMU ends in no time" wait_for 2 no_qemu
	wait "$pid" 2>/dev/null
}
mkdir -m 700 "$QUIZ_TEMPLATE_DIR"
wait_for 120 no_qemu # the runs above may have left a template in the making
killed "it has just begun" at_once --cold
killed "the kernel boots" has_spoken --cold
killed "the program runs" is_up --cold
killed "a template is saved" is_saved
quiz true # the template, and a sweep
killed "a clone has just begun" at_once
killed "a clone's program runs" is_up
# Each has left a folder with its sockets; the next run removes those that are some seconds old.
is "what they leave" "$(find "$XDG_RUNTIME_DIR/quiz" -mindepth 1 -maxdepth 1 -type d | grep -c .)" 1
is_swept() { quiz true && no_runs; }
holds "the next run sweeps it" wait_for 30 is_swept
nothing_is_left
done_testing
