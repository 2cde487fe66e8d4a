#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
#
# A machine that goes wrong, at each stage of its life and in each way: quiz ends by itself, with the right status and one
# error that says what happened. All the machines run at once; most of them only wait.
# shellcheck disable=SC2154 # $scratch is the library's
. "$QUIZ_SOURCE/tests/lib/tap.sh"
. "$QUIZ_SOURCE/tests/lib/fake.sh"
fake_world
quiz --cold true >/dev/null 2>&1 # what is made once: layers, the initramfs, the probe's answer

# what: STATUS PATTERN of each stage; - : it does no harm there. The patterns are of the first line.
born='125 *cannot start the machine: QEMU ended:*'
gone='120 *QEMU ended:*'
shut='120 *the guest agent is gone: the connection was closed*'
spoke='120 *the guest agent is gone: it sent something that is not the agent protocol*'
cold='123 *noboot: the machine did not boot*'
mute='121 *the guest agent does not answer*'
deaf='121 *the virtual machine monitor does not answer*'
table() {
	for stage in start boot HELLO; do
		echo "$stage|die 1|$born|$stage|kill 9|$born|$stage|close|$shut|$stage|garbage 100|$spoke|$stage|hang|$cold|$stage|freeze|$cold"
	done
	for stage in up MOUNT_IMAGE IDENTITY ASSEMBLE SHARE; do
		echo "$stage|die 1|$gone|$stage|kill 9|$gone|$stage|close|$shut|$stage|garbage 100|$spoke|$stage|hang|$cold|$stage|freeze|$cold"
	done
	for stage in START COUNTERS FINISH; do
		echo "$stage|die 1|$gone|$stage|kill 9|$gone|$stage|close|$shut|$stage|garbage 100|$spoke|$stage|hang|$mute|$stage|freeze|$deaf"
	done
	for stage in start boot HELLO up MOUNT_IMAGE IDENTITY ASSEMBLE SHARE START COUNTERS FINISH; do
		echo "$stage|mute|0 "
	done
	# Lies, and what comes out of nowhere.
	echo "HELLO|version 9999|120 *the guest agent speaks another version of the protocol*"
	echo "HELLO|flood 3000000|0 "
	echo "START|flood 3000000|0 "
	echo "up|frame 4294967295 32 1|$spoke"
	echo "START|frame 10 999 0|$spoke"
	echo "START|reset|122 *crash: the kernel crashed*|START|poweroff|120 *the guest powered off*|FINISH|reset|122 *crash:*"
	echo "START|pause|121 *"
	echo "ASSEMBLE|fail 28 no space|125 *no space*|MOUNT_IMAGE|fail 22 bad superblock|125 *bad superblock*"
	echo "IDENTITY|qmp {\"event\": \"SHUTDOWN\"}|0 "
}
table | tr '|' '\n' | awk '{ printf "%s%s", $0, NR % 3 ? "|" : "\n" }' >"$scratch/table"

n=0
while IFS='|' read -r stage what want; do
	n=$((n + 1))
	echo "at $stage $what" >"$scratch/$n.script"
	(
		FAKE_VMM_SCRIPT=$scratch/$n.script FAKE_VMM_LOG=$scratch/$n.log
		export FAKE_VMM_SCRIPT FAKE_VMM_LOG
		# After a program that is the last thing in its machine nothing more is asked: there, something is.
		case $stage in COUNTERS | FINISH) set -- --linger 1ms ;; *) set -- ;; esac
		quiz --cold --boot-timeout 3 "$@" true </dev/null >"$scratch/$n.out" 2>"$scratch/$n.err"
		echo $? >"$scratch/$n.status"
	) &
	# A few at a time begin; those that hang wait for their heartbeats together.
	[ $((n % 8)) != 0 ] || sleep 1
done <"$scratch/table"
wait

n=0
while IFS='|' read -r stage what want; do
	n=$((n + 1))
	is "$what at $stage: status" "$(cat "$scratch/$n.status")" "${want%% *}"
	like "$what at $stage: words" "$(head -n 1 "$scratch/$n.err")" "${want#* }"
	lines=$(wc -l <"$scratch/$n.err")
	[ "$lines" -le 4 ] || not_ok "$what at $stage: one error" "$(cat "$scratch/$n.err")"
done <"$scratch/table"

# With a disk of the user's the machine powers off at the end; one that dies before that does not keep us waiting.
truncate -s 1M "$scratch/disk"
script 'at FINISH die 1'
status "a VMM that dies before a disk is flushed" 120 quiz --cold --disk "$scratch/disk:rw" true
script 'at FINISH die 1'
status "a program's own failure stays its own" 7 quiz --cold sh -c 'exit 7'

# A VMM that fails while it is saved as a template, or while it loads one: the program has not begun, so the machine boots.
for stage in stop save; do
	for what in 'die 1' 'kill 9' freeze; do
		forget_templates
		script "at $stage $what"
		status "$what at $stage" 3 quiz -v --boot-timeout 3 sh -c 'exit 3'
		like "$what at $stage: told" "$err_out" "*; the machine boots *"
		is "$what at $stage: no template" "$(find "$QUIZ_TEMPLATE_DIR" -name manifest)$(find "$QUIZ_TEMPLATE_DIR" -name '.tmp-*')" ""
	done
done
for stage in load cont; do
	for what in 'die 1' 'kill 9'; do
		forget_templates
		quiz true >/dev/null 2>&1
		settle
		script "at $stage $what"
		status "$what at $stage" 3 quiz -v --boot-timeout 3 sh -c 'exit 3'
		like "$what at $stage: told" "$err_out" "*the template can not be used and is removed*"
	done
done

# A kernel that was not let run while it measured its timer: no sleep ends in that machine. It boots again, and in the end
# it goes on with what it has.
for words in 'APIC frequency too slow, disabling apic timer' 'quiz-init: the kernel has measured its timer wrongly (31250 kHz for 62500)'; do
	forget_templates
	script "at boot console [    0.1] $words" 'at boot wait 100' # the kernel says it long before the agent begins
	status "a wrong timer" 3 quiz -v sh -c 'exit 3'
	like "is told" "$err_out" "*the kernel has measured its timer wrongly, as it does when its host is busy*"
	is "and tried some times" "$(grep -c ^argv "$FAKE_VMM_LOG")" 6
	like "which are no part of the last one's boot" "$(quiz runs show --json | tr -d "\n")" '*"stages": [[]* "name": "again", *"name": "kernel"*'
	like "of which no template is made" "$(find "$QUIZ_TEMPLATE_DIR" -name manifest)" ""
	# The third one is good: that one becomes the template, and nothing of the others is in it, or in the run's log.
	for late in boot save; do
		forget_templates
		echo 'at boot console [    0.1] a good timer' >"$scratch/third"
		printf '%s\n' "at boot script $scratch/third" "at $late console [    0.1] $words" 'at boot wait 100' >"$scratch/second"
		script "at boot script $scratch/second" "at $late console [    0.1] $words" 'at boot wait 100'
		status "a wrong timer twice, told at $late" 3 quiz sh -c 'exit 3'
		is "three machines have booted" "$(grep ^argv "$FAKE_VMM_LOG" | grep -cv -e -incoming)" 3
		settle
		log=$QUIZ_TEMPLATE_DIR/$(quiz --dry-run sh | awk '$1 == "template" { print $2 }')/console.log
		is "its template is that of the third, and tells of no other" "$(cat "$log")" "[    0.1] a good timer"
		is "nor does the run's log" "$(quiz runs show --json | grep -c "made_template.*true") $(grep -cF "$words" "$XDG_STATE_HOME/quiz/runs/$(quiz runs list | awk 'NR == 1 { print $1 }')/console.log")" "1 0"
		status "the next run" 3 quiz sh -c 'exit 3'
		is "is its clone" "$(quiz runs show --json | grep -c '"is_clone": true')" 1
	done
	script "on sh console [    9.1] $words" "on sh exit 3"
	status "a program that prints the like" 3 quiz --cold sh
	is "changes nothing" "$(grep -c ^argv "$FAKE_VMM_LOG")" 1
done

settle
is "no VMM is left" "$(pgrep -f "^$QUIZ_QEMU .*$scratch" | wc -l)" 0
is "no runtime folder is left" "$(find "$XDG_RUNTIME_DIR/quiz" -mindepth 1 2>/dev/null)" ""
done_testing
