#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# What a machine fills: its own root and disks, of which its program is told, and the host's, which is bounded.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
need_machine

status "a root that is full" 3 quiz --tmpfs 8M sh -c 'head -c 50000000 /dev/zero >/var/fill; exit 3'
like "is told to the program, whose status it is" "$err_out" "*No space left on device*"
status "a disk that is full" 4 quiz --disk 8M sh -c 'dd if=/dev/zero of=/dev/quizd0 bs=1M; exit 4'
like "as well" "$err_out" "*No space left on device*"
status "a tmpfs in the machine" 5 quiz sh -c 'mount -t tmpfs -o size=4m none /mnt; head -c 8000000 /dev/zero >/mnt/fill; exit 5'
like "too" "$err_out" "*No space left on device*"

status "more in /shared than it may have" 125 quiz --max-shared 20M sh -c 'head -c 60000000 /dev/zero >/shared/big; echo done; sleep 600'
is "ends a machine" "$out" "done"
like "with a word" "$err_out" "*57 MiB to /shared*20 MiB*"
record=$XDG_STATE_HOME/quiz/runs/$(quiz runs list | awk 'NR == 1 { print $1 }')
is "what is there stays" "$(stat -c %s "$record/artifacts/big")" 60000000
status "less" 6 quiz --max-shared 20M sh -c 'head -c 15000000 /dev/zero >/shared/big; rm /shared/big
	head -c 15000000 /dev/zero >/shared/other; sleep 6; exit 6'
status "--collect" 0 quiz --max-shared 2M --collect /tmp/big sh -c 'head -c 9000000 /dev/zero | tr "\0" x >/tmp/big'
like "has the same bound" "$err_out" "*'/tmp/big'*larger than --max-shared*"

# A panic in the middle of writing.
status "a crash" 122 quiz sh -c 'echo kept >/shared/first; yes >/shared/second & sleep 1; echo c >/proc/sysrq-trigger; sleep 60'
record=$XDG_STATE_HOME/quiz/runs/$(quiz runs list | awk 'NR == 1 { print $1 }')
is "leaves what was in /shared" "$(cat "$record/artifacts/first"; head -n 1 "$record/artifacts/second")" "kept
y"

if unshare -rm true 2>/dev/null; then
	in_little_room() { # COMMAND...: with 40 MiB for the records and what lies with them
		unshare -rm sh -c 'mount -t tmpfs -o size=40m tmpfs "$XDG_STATE_HOME" && exec "$@"' sh "$@"
	}
	mkdir -p "$XDG_STATE_HOME"
	status "a host whose disk is full under /shared" 7 in_little_room quiz sh -c 'head -c 80000000 /dev/zero >/shared/big
		rm /shared/big; exit 7'
	like "tells the program" "$err_out" "*No space left on device*"
	status "under a disk" 125 in_little_room quiz --disk 200M sh -c 'dd if=/dev/zero of=/dev/quizd0 bs=1M oflag=direct; sleep 600'
	like "ends the machine, and names it" "$err_out" "*'quizd0'*no space is left on the host*"
else
	skip "full disks" "no user namespaces"
fi
nothing_is_left
done_testing
