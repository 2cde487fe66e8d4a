#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# quiz against machines that behave, hang, die, lie and flood: a scripted VMM in QEMU's place.
. "$QUIZ_SOURCE/tests/lib/tap.sh"
. "$QUIZ_SOURCE/tests/lib/fake.sh"
fake_world

# ---- a well-behaved machine ----
status "the program's output" 0 quiz --cold echo one two
is "is its own" "$out" "one two"
script 'on show args'
# shellcheck disable=SC2016 # the guest shall see the dollar
status "an exact argv" 0 quiz --cold -- show '' 'a b' "it's" '&&' '$x'
is "arrives as it is" "$out" "show

a b
it's
&&
\$x"
status "the program's status" 37 quiz --cold sh -c 'exit 37'
script 'on both stdout out' 'on both stderr err' 'on both exit 4'
status "two streams" 4 quiz --cold both
is "stdout is stdout" "$out" out
is "stderr is stderr" "$err_out" err
script 'on dies signal 15'
status "a signal" 143 quiz --cold dies
status "no such program" 127 quiz --cold no-such-program
hint() { printf '%s\n' "$err_out" | sed -n 's/^hint: //p'; }
is "there is nothing to add" "$(hint)" ""
status "no such program, nearly a command" 127 quiz --cold shel
is "was that meant?" "$(hint)" "did you mean the command: quiz shell?"
status "a path is none" 127 quiz --cold ./shel
is "so it was not" "$(hint)" ""
script 'on shel exit 127'
status "a program of nearly that name that returns 127 itself" 127 quiz --cold shel
is "was meant" "$err_out" ""
status "kept up, too" 127 quiz --cold --keep -q shel
is "was meant as well" "$err_out" ""
quiz stop --kill --all >/dev/null 2>&1
settle
well_behaved

# ---- a long program in a list ----
word=äöüäöüäöüäöüäöüäöüäöüäöü
quiz --cold echo "$word$word" >/dev/null 2>&1
like "a pipe gets it whole" "$(quiz runs list | head -n 1)" "*$word$word*"
row=$(command script -qec 'stty rows 30 cols 100; quiz runs list' /dev/null </dev/null | tr -d '\r' | head -n 1)
like "a terminal one line, cut between characters" "$row" "*äö..."
is "of its width" "$(printf %s "$row" | LC_ALL=C.UTF-8 wc -m)" 100

# ---- waiting for what has ended already ----
id=$(quiz --cold -d sh -c 'exit 37')
settle
status "a program that was over before anybody waited" 37 quiz wait "$id"
id=$(quiz --cold -d sleep 600)
pid=$(quiz ps --json | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
kill -9 "$pid"
settle
status "one whose quiz was killed" 120 quiz wait "$id"
is "has no result" "$err_out" "quiz: run '$id' has no result: its quiz was killed"
status "one that never was" 125 quiz wait nosuch
like "is told as before" "$err_out" "quiz: no machine 'nosuch' is up*hint: quiz ps"

# ---- a path of the host that the machine does not see: the command that mends it ----
work="$scratch/my work"
mkdir -p "$work/sub"
: >"$work/prog"
cd "$work" || exit 1
share="quiz --share '$work' '$work/prog'"
status "our own program, no workspace" 127 quiz --cold ./prog
is "is told how to be seen" "$(hint)" "quiz init   (machines then see what is in '$work'), or: $share"
status "by its full path, from elsewhere" 127 sh -c 'cd / && quiz --cold "$1"' sh "$work/prog"
is "a share it must be" "$(hint)" "$share"
status "shared, but the folder is not the machine's" 127 quiz --cold --share "$work" ./prog
like "the full path" "$(hint)" "*, or: $share"
status "shared, and yet not there" 127 quiz --cold --share "$work" "$work/prog"
is "nothing of that kind mends it" "$(hint)" ""
status "the system's" 127 quiz --cold /usr/bin/env
like "the host's root has it" "$(hint)" "quiz --root host *"
status "a path that the host has not either" 127 quiz --cold ./nothing
is "no hint" "$(hint)" ""
script 'at START refuse 4 2 its interpreter is missing'
status "a program that has its own reason" 127 quiz --cold ./prog
like "is told in the guest's words" "$err_out" "quiz: cannot run './prog' in the guest: its interpreter is missing*"
is "and no other" "$(hint)" ""
well_behaved
# The same in a machine that is up, which sees of the host what it was started with.
id=$(quiz --cold -d --share "$work/sub" sleep 60)
: >"$work/sub/seen"
status "in a machine that is up" 127 quiz exec "$id" ./prog
like "it is said why" "$err_out" "quiz: cannot run './prog' in machine $id: *"
is "and how it gets there" "$(hint)" "quiz cp '$work/prog' $id:/tmp, then: quiz exec $id /tmp/prog"
status "in a folder that it sees" 127 quiz exec "$id" ./sub/seen
is "the full path" "$(hint)" "quiz exec $id '$work/sub/seen'"
status "which is not there either" 127 quiz exec "$id" "$work/sub/seen"
is "then there is nothing to say" "$(hint)" ""
status "a program without a path" 127 quiz exec "$id" prog
is "is none of the host's" "$(hint)" ""
quiz stop --kill "$id" >/dev/null 2>&1
status "a machine that is kept" 127 quiz --cold --keep ./prog
like "can be given it" "$(hint)" "quiz cp '$work/prog' *:/tmp, then: quiz exec * /tmp/prog"
quiz stop --kill --all >/dev/null 2>&1
for what in keep shell; do # it goes when its kernel did not crash
	status "a machine that stays for a crash, $what" 127 quiz --cold --on-crash=$what ./prog
	like "the program can not be had there, $what" "$err_out" "quiz: cannot run './prog' in *"
	is "the next one is to see it, $what" "$(hint)" "quiz init   (machines then see what is in '$work'), or: $share"
	status "the system's, $what" 127 quiz --cold --on-crash=$what /usr/bin/env
	like "the host's root has it, $what" "$(hint)" "quiz --root host *"
	status "nowhere, $what" 127 quiz --cold --on-crash=$what ./nothing
	is "no hint, $what" "$(hint)" ""
done
settle
quiz init >/dev/null 2>&1
status "in a workspace" 127 quiz --cold ./prog
is "it was to be seen" "$(hint)" ""
status "unless that is turned off" 127 quiz --cold --no-workspace ./prog
is "which is said" "$(hint)" "leave out --no-workspace, or: $share"
cd / || exit 1
script 'at START refuse 4 13 Permission denied'
status "not executable" 126 quiz --cold true
well_behaved
head -c 3000000 /dev/urandom >"$scratch/in"
# The scratch folder is this shell's.
# shellcheck disable=SC2016
status "3 MB through cat" 0 sh -c 'quiz --cold cat <"$1" >"$2"' sh "$scratch/in" "$scratch/back"
holds "arrive exactly" cmp "$scratch/in" "$scratch/back"
script 'on gush bytes 2000000'
status "a gush of output into a closed pipe" 0 sh -c 'quiz --cold gush | head -c 10 >/dev/null'
script 'at IDENTITY flood 300000'
status "a console that floods" 0 quiz --cold true
script 'at start mute'
status "a monitor that says nothing" 0 quiz --cold true

# ---- the end of machines ----
script 'at start stderr-vmm no room for RAM' 'at start die 1'
status "a VMM that does not start" 125 quiz --cold true
like "its last words" "$err_out" "*no room for RAM*"
script 'at START die 1'
status "a VMM that dies" 120 quiz --cold true
script 'at START kill 9'
status "a VMM that is killed" 120 quiz --cold true
script 'at START close'
status "an agent that hangs up" 120 quiz --cold true
script 'at START garbage 100'
status "an agent that speaks nonsense" 120 quiz --cold true
script 'at START frame 4294967295 32 1'
status "a frame that would be 4 GiB" 120 quiz --cold true
script 'at START frame 10 999 0' 'at START garbage 10'
status "a frame of no known type" 120 quiz --cold true
script 'on true poweroff'
status "a guest that powers off" 120 quiz --cold true
script 'on true pause'
status "a machine that stops by itself" 121 quiz --cold true
script 'on true console [    1.000000] Kernel panic - not syncing: sysrq triggered crash\n[    1.000001] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---' \
	'on true event GUEST_PANICKED' 'on true wait 60000'
status "a panic" 122 quiz --cold true
like "is told with its title" "$err_out" "*sysrq triggered crash*"
script 'on true kmsg 2 BUG: kernel NULL pointer dereference, address: 0000000000000000' 'on true exit 0'
status "an oops of a program that succeeds" 122 quiz --cold true
script 'on true kmsg 6 virtio: seven devices\x1b[31m'
status "-v is not for kernel messages" 0 quiz --cold -v true
is "so there are none" "$(printf "%s" "$err_out" | grep -c "seven devices")" 0
status "-vv is" 0 quiz --cold -vv true
like "there they are, safe for a terminal" "$err_out" '*quiz: *virtio: seven devices\\x1b*'
# Three slow ones, side by side: slow is not hung.
settle
FAKE_VMM_SCRIPT=$scratch/late
script 'at PING wait 7000' 'on slow wait 23000' 'on slow exit 5'
(quiz --cold slow; echo $? >"$scratch/late.status") 2>/dev/null &
FAKE_VMM_SCRIPT=$scratch/trickle
script 'on slow trickle 26000' 'on slow exit 6'
(quiz --cold slow; echo $? >"$scratch/trickle.status") 2>/dev/null &
FAKE_VMM_SCRIPT=$scratch/deaf
script 'on slow hang' 'on slow wait 60000'
status "an agent that says nothing any more" 121 quiz --cold slow
like "is named" "$err_out" "*the guest agent does not answer*"
FAKE_VMM_SCRIPT=$scratch/script
wait
is "an agent that answers each ping, but late" "$(cat "$scratch/late.status")" 5
is "a VMM that passes on the console, and has no time for more" "$(cat "$scratch/trickle.status")" 6
script 'at HELLO hang'
status "a machine that does not boot" 123 quiz --cold --boot-timeout 1 true
well_behaved
status "a time limit" 124 quiz --cold --timeout 1 sleep 60
script 'at MOUNT_IMAGE fail 22 bad superblock'
status "a root that can not be mounted" 125 quiz --cold true
like "the agent's reason" "$err_out" "*bad superblock*"
well_behaved
status "a VMM that is not there" 125 env QUIZ_QEMU=/nowhere/qemu quiz --cold true
status "a VMM that is none" 125 env QUIZ_QEMU=/bin/false quiz --cold true

# A vmcore that is being written when the machine is ended: who asked is told, nobody else is hurt.
script 'at START mute' 'on sleep wait 60000'
quiz --cold sleep 60 >"$scratch/out" 2>"$scratch/err" &
run=$!
until quiz ps --json | grep -q running; do sleep 0.05; done
quiz dump . "$scratch/core" >/dev/null 2>&1 &
dump=$!
until [ -e "$scratch/core" ]; do sleep 0.05; done
quiz stop --kill . >/dev/null 2>&1
wait $run
is "a machine that is ended while its memory is written" "$?" 143
wait $dump
is "whoever wanted the memory is told" "$?" 125
well_behaved

# A terminal that goes away without a word: it was another session's (su -c in a window that is closed).
if command -v script >/dev/null && command -v setsid >/dev/null; then
	for how in wait trap; do
		script "on waits $how 60000" 'on waits wait 60000'
		rm -f "$scratch/hung"
		mkfifo "$scratch/keys-$how"
		sleep 60 >"$scratch/keys-$how" &
		holder=$!
		command script -qec "setsid -w sh -c 'quiz --cold -q waits; echo \$? >$scratch/hung'" /dev/null \
			<"$scratch/keys-$how" >/dev/null 2>&1 &
		terminal=$!
		wait_for 20 sh -c 'quiz ps | grep -q running'
		kill "$terminal" "$holder"
		wait "$terminal" "$holder" 2>/dev/null
		wait_for 30 [ -s "$scratch/hung" ]
		is "its end is the program's ($how)" "$(cat "$scratch/hung")" 129
	done
fi
well_behaved

# A hook that waits for what never comes.
profile=$XDG_CONFIG_HOME/quiz/profiles/stuck
mkdir -p "$profile"
printf '[profile]\nsummary = collects for ever\n' >"$profile/profile.conf"
printf '#!/bin/sh\n' >"$profile/guest-collect"
chmod +x "$profile/guest-collect"
script 'on work exit 3' 'on * wait 60000'
status "guest-collect that never ends" 3 quiz --cold --hang-grace 100ms -p stuck work
like "is told, and the status stays the program's" "$err_out" "*profile 'stuck': guest-collect did not end within 0.4 s*"
well_behaved

# ---- templates ----
status "the first run makes a template" 0 quiz true
holds "saved" grep -q '^migrated' "$FAKE_VMM_LOG"
like "once QEMU lets it go on" "$(quiz runs show --json .)" '*"made_template": true*"template_failed": null*'
well_behaved
status "the second is a clone" 0 quiz true
holds "loaded" grep -q '^loaded' "$FAKE_VMM_LOG"
forget_templates
status "made without a program" 0 quiz template make -m 512M -q
holds "saved" grep -q '^migrated' "$FAKE_VMM_LOG"
like "listed" "$(quiz template list)" "*512 MiB*"
status "for a program there is no room" 125 quiz template make true
is "and it is said so" "$err_out" "quiz: quiz template make takes the options of a machine, but no program"
status "nor for what only a run can do" 125 quiz template make --dry-run
like "the help has the options" "$(quiz template make --help)" "*--memory SIZE*--append OPTIONS*"
is "and no other" "$(quiz help template make | grep -c -e --script -e --cwd -e --keep)" 0
forget_templates
quiz true
script 'at load die 1'
status "a clone that dies while loading" 0 quiz true
well_behaved
forget_templates
script 'at save qmp {"event": "MIGRATION", "data": {"status": "failed"}}'
status "a template that can not be saved" 0 quiz echo still right
is "does not cost the run" "$out" "still right"
forget_templates
script 'at save die 1'
quiz true >/dev/null 2>&1
well_behaved
status "after a maker that died while saving" 0 quiz echo still right
is "the next run is right" "$out" "still right"
holds "and makes the template" grep -q '^migrated' "$FAKE_VMM_LOG"

# ---- nothing stays ----
settle
is "no VMM" "$(fake_machines)" 0
is "no runtime folder" "$(find "$XDG_RUNTIME_DIR/quiz" -mindepth 1 2>/dev/null)" ""
done_testing
