#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# What is not there for all: memory, when many start at once, and room on a disk that is full.
. "$QUIZ_SOURCE/tests/lib/tap.sh"
. "$QUIZ_SOURCE/tests/lib/fake.sh"
fake_world
tap_at_exit='quiz stop --kill --all'

# ---- memory ----

status "a machine that is too large for all of them" 125 quiz --cold --memory 1G --max-memory 512M true
like "is told what to change" "$err_out" "*1.0 GiB*512 MiB*--max-memory*quiz --memory SIZE*"
status "two machines fit" 0 quiz -d --cold --max-memory 2G sleep 600
first=$out
status "the second" 0 quiz -d --cold --max-memory 2G sleep 600
quiz --cold --max-memory 2G echo third >"$scratch/third" 2>"$scratch/third.err" &
third=$!
holds "the third waits and says so" wait_for 20 grep -q "waiting for memory: the machine gets 1.0 GiB, 2 others have 2.0 GiB" "$scratch/third.err"
quiz --cold --max-memory 2G echo fourth >"$scratch/fourth" 2>"$scratch/fourth.err" &
fourth=$!
sleep 1
holds "so does the fourth" wait_for 20 grep -q "waiting for memory.*others are waiting before it" "$scratch/fourth.err"
is "nothing was run meanwhile" "$(cat "$scratch/third" "$scratch/fourth")" ""
quiz stop --kill "$first" >/dev/null 2>&1
wait $third
is "with one gone the third runs" "$?,$(cat "$scratch/third")" "0,third"
wait $fourth
is "and after it the fourth" "$?,$(cat "$scratch/fourth")" "0,fourth"
is "it was said once" "$(grep -c waiting "$scratch/third.err")" 1
sh -c 'exec quiz --cold --max-memory 1G true' >"$scratch/fifth" 2>&1 &
fifth=$!
wait_for 20 grep -q "waiting for memory" "$scratch/fifth"
kill -TERM $fifth
wait $fifth
is "who waits can be stopped" "$?" 143
is "and leaves nothing" "$(find "$XDG_RUNTIME_DIR/quiz" -mindepth 1 -maxdepth 1 | wc -l)" 1
XDG_CONFIG_HOME=$scratch/limited
mkdir -p "$scratch/limited/quiz"
echo 'max-memory = 512M' >"$scratch/limited/quiz/quiz.cfg"
status "the config has the same key" 125 env -u QUIZ_MAX_MEMORY quiz --cold --memory 1G true
XDG_CONFIG_HOME=$HOME/.config
quiz stop --kill --all >/dev/null 2>&1
settle

# ---- what a guest fills of the host ----

script 'on filler share 3000000' 'on filler stdout written' 'on filler wait 60000'
status "a machine that fills /shared" 125 quiz --cold --max-shared 2M filler
is "has run until then" "$out" "written"
like "is ended, and it is said why" "$err_out" "*quiz: *2.9 MiB to /shared*2.0 MiB*
hint: --max-shared *artifacts*
quiz: setup: the host has no room*"
like "the record has it too" "$(quiz runs show .)" "*setup*2.9 MiB*"
script 'on filler share 1000000' 'on filler wait 6000' 'on filler share 800000' 'on filler exit 4'
status "one that stays below" 4 quiz --cold --max-shared 2M filler
script 'on filler share 3000000' 'on filler wait 6000' 'on filler exit 5'
status "no limit" 5 quiz --cold --max-shared 0 filler
disk=$(quiz --dry-run --cold --disk 10M filler | tr ' ' '\n' | sed -n 's/.*drive=\(disk[0-9]*\),.*serial=quizd0,.*/\1/p')
script "on filler qmp {\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"device\": \"$disk\", \"nospace\": true}}" 'on filler pause' \
	'on filler wait 60000'
status "a full disk of the host under one of the machine's" 125 quiz --cold --disk 10M filler
like "is named" "$err_out" "*quiz: *'quizd0'*no space is left on the host*"
script 'on filler flood 70000000' 'on filler exit 6'
status "a flood of words" 6 quiz --cold filler
record=$XDG_STATE_HOME/quiz/runs/$(quiz runs list | awk 'NR == 1 { print $1 }')
holds "is cut" sh -c '[ "$(stat -c %s "$1")" -lt 68000000 ]' sh "$record/console.log"
is "with a mark at the end" "$(tail -n 1 "$record/console.log")" "[quiz: console.log is full]"
script 'on filler bytes 70000000' 'on filler wait 100' 'on filler exit 7'
id=$(quiz -d --cold filler)
quiz wait "$id"
is "output in the background" $? 7
record=$XDG_STATE_HOME/quiz/runs/$id
holds "is cut too" sh -c '[ "$(stat -c %s "$1")" -lt 68000000 ]' sh "$record/output.log"
is "with its mark" "$(tail -n 1 "$record/output.log")" "[quiz: output.log is full]"
well_behaved

# ---- room ----

# In a mount name space of its own: a small tmpfs that nobody else sees.
if unshare -rm true 2>/dev/null; then
	in_little_room() { # COMMAND...: with 300 KiB for the records
		unshare -rm sh -c 'mount -t tmpfs -o size=300k tmpfs "$XDG_STATE_HOME" && exec "$@"' sh "$@"
	}
	mkdir -p "$XDG_STATE_HOME"
	# shellcheck disable=SC2016
	status "a full disk before the start costs the record" 0 in_little_room sh -c 'mkdir "$XDG_STATE_HOME/quiz"
		head -c 1000000 /dev/zero >"$XDG_STATE_HOME/quiz/ballast" 2>/dev/null; exec quiz --cold echo hello'
	is "not the run" "$out" "hello"
	like "and is named" "$err_out" "*quiz: *result.json*No space left on device*"
	script 'on words kmsg 6 0123456789012345678901234567890123456789012345678901234567890123456789\n' \
		'on words console 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789' 'on words stdout said' 'on words exit 3'
	# shellcheck disable=SC2016
	status "one that is full in the middle" 3 in_little_room sh -c 'mkdir "$XDG_STATE_HOME/quiz"
		head -c 290000 /dev/zero >"$XDG_STATE_HOME/quiz/ballast"; exec quiz --cold words'
	is "costs the program nothing" "$out" "said"
	well_behaved
	# shellcheck disable=SC2016
	status "a runtime folder that is full" 125 unshare -rm sh -c 'mount -t tmpfs -o size=16k,nr_inodes=4 tmpfs "$XDG_RUNTIME_DIR" &&
		chmod 700 "$XDG_RUNTIME_DIR" && exec quiz --cold echo hello'
	like "is named too" "$err_out" "*quiz: *No space left on device*"
else
	skip "full disks" "no user namespaces"
fi

# ---- nothing stays ----
settle
is "no VMM" "$(fake_machines)" 0
is "no runtime folder" "$(find "$XDG_RUNTIME_DIR/quiz" -mindepth 1 2>/dev/null)" ""
done_testing
