#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Each row of the table of exit statuses, on a real machine: 120 to 127.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
need_machine

our_qemu() {
	qemus | head -n 1
}

status "not found" 127 quiz no-such-program-here
like "and says so" "$err_out" "*no-such-program-here*"
status "not executable" 126 quiz /etc/passwd
like "and says why" "$err_out" "*/etc/passwd*"
status "wrong usage" 125 quiz --no-such-option true
status "a kernel that is not there" 125 quiz -k 0.0.1 true
like "with the mending command" "$err_out" "*hint: quiz *"
status "QEMU is missing" 125 quiz --qemu /nonexistent/qemu true
status "a time limit" 124 quiz --timeout 2 sleep 60
id=$(quiz runs list | awk 'NR == 1 { print $1 }')
like "and the stacks of blocked tasks are in the log" "$(quiz logs "$id")" "*sysrq: Show Blocked State*"
status "a time limit that is not reached" 0 quiz --timeout 60 true

status "a panic" 122 quiz sh -c 'echo c >/proc/sysrq-trigger; sleep 30'
like "is named" "$err_out" "*sysrq triggered crash*"
id=$(quiz runs list | awk 'NR == 1 { print $1 }')
like "and recorded" "$(quiz runs show --json "$id")" '*"verdict": "crash"*'
like "with its console" "$(quiz logs "$id")" "*Kernel panic - not syncing*"

status "never boots" 123 quiz --cold --append rdinit=/nowhere true
status "what the program prints is not the kernel's word" 0 quiz sh -c 'echo "BUG: unable to handle page fault"; echo "Kernel panic - not syncing: no" >&2'

quiz sleep 60 2>"$scratch/killed" &
pid=$!
wait_for 60 quiz exec . true
kill -9 "$(our_qemu)"
wait "$pid"
is "QEMU killed" $? 120

quiz sleep 60 2>"$scratch/stopped" &
pid=$!
wait_for 60 quiz exec . true
kill -STOP "$(our_qemu)"
wait "$pid"
is "QEMU stopped" $? 121

# A host that gives it no time for a while: the kernel may complain of a stall, and the program's status is its own.
quiz -C 'echo 2 >/proc/sys/kernel/watchdog_thresh; echo 3 >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout
	touch /shared/ready; i=0; while [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); [ ! -e /shared/go ] || exit 5; done; exit 6' \
	2>"$scratch/starved" &
pid=$!
wait_for 60 quiz exec . test -e /shared/ready
kill -STOP "$(our_qemu)"
sleep 9
kill -CONT "$(our_qemu)"
holds "it answers again" wait_for 60 quiz exec . touch /shared/go
wait "$pid"
is "a host without time for it: the program's own status" $? 5

status "the agent exits: init's death is a lost guest, not a crash" 120 quiz --test-agent 1 sleep 60
status "the agent floods with garbage" 120 quiz --test-agent 3 sleep 60
status "the agent closes its port" 120 quiz --test-agent 4 sleep 60
status "the agent hangs" 121 quiz --test-agent 2 sleep 60
nothing_is_left
done_testing
