#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# --disk, as far as QEMU's command line: what is attached how, and what is refused.
# shellcheck disable=SC2154 # $out, $err_out and $scratch are the library's
. "$QUIZ_SOURCE/tests/lib/tap.sh"
. "$QUIZ_SOURCE/tests/lib/fake.sh"
fake_world
cd "$scratch" || exit 1
truncate -s 1M a,b.img
truncate -s 2M c.img

drive_of() { # SERIAL
	sed -n 's/^argv //p' "$FAKE_VMM_LOG" | tr ' ' '\n' |
		awk -v serial="serial=$1," '/^if=none/ { drive = $0 } index($0, serial) { print drive; exit }'
}

well_behaved
status "four disks" 0 quiz --cold --disk a,b.img --disk c.img:ro --disk 1M --disk ./c.img:ro true
like "a snapshot, commas doubled" "$(drive_of quizd0)" "*format=raw,file=$scratch/a,,b.img,cache=unsafe,snapshot=on,readonly=off*"
like "write-protected" "$(drive_of quizd1)" "*file=$scratch/c.img,cache=unsafe,readonly=on*"
like "of the run's own" "$(drive_of quizd2)" "*file=*/disks/quizd2.img,cache=unsafe,readonly=off*"
is "gone with it" "$(find "$HOME" -name 'quizd*')" ""
well_behaved
status "one that is written" 0 quiz --cold --disk a,b.img:rw true
like "flushes are honoured" "$(drive_of quizd0)" "*cache=writeback,readonly=off*"
holds "the machine powers off by itself" grep -q '^qmp quit' "$FAKE_VMM_LOG"

status "no such file" 125 quiz --disk nowhere.img true
like "is named" "$err_out" "*cannot use disk 'nowhere.img': there is no such file*hint: truncate -s 1G nowhere.img*"
status "neither size nor file" 125 quiz --disk :rw true
like "is usage" "$err_out" "*neither a size nor a file*"
status "too small" 125 quiz --disk 0 true
like "is told" "$err_out" "*between 512 and 64T*"
is "nothing of it stays" "$(find "$HOME" -name 'quizd*')" ""

script 'on true wait 3000'
quiz --cold --disk c.img:rw true >/dev/null 2>&1 &
tries=0
until [ $tries = 100 ] || grep -q '^program true' "$FAKE_VMM_LOG"; do
	sleep 0.1
	tries=$((tries + 1))
done
status "while another run writes to it" 125 quiz --disk c.img:ro true
like "a disk is not used" "$err_out" "*cannot use disk '$scratch/c.img': another run writes to it*hint: quiz ps*"
status "a dry run takes no lock" 0 quiz --dry-run --disk c.img:rw true
wait

# A cloned tree can not attach the user's disks.
mkdir -p ws/.quiz
echo "disk = /dev/null" >ws/.quiz/quiz.cfg
status "a workspace's own file needs trust for it" 125 sh -c 'cd ws && quiz true'
like "says so" "$err_out" "*quiz init --trust*"
done_testing
