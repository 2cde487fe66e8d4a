#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# zfs send in one machine, zfs receive in another, over a private network between them.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
. "$QUIZ_SOURCE/tests/lib/openzfs.sh"
. "$QUIZ_SOURCE/tests/lib/tcp.sh"
need_openzfs
tcp_programs "$scratch"
end_all() {
	quiz stop --kill --all
}
tap_at_exit=end_all

for name in target source; do
	status "$name" 0 quiz -q -d -p zfs,memdev:count=1 --net zlab:$name sleep 3600
	eval "$name=\$out"
	quiz cp "$scratch/listen.pl" "$out:/tmp"
	quiz cp "$scratch/send.pl" "$out:/tmp"
	status "has a pool" 0 quiz exec "$out" zpool create tank quizm0
done
# shellcheck disable=SC2154 # set above
status "a snapshot" 0 quiz exec "$source" sh -c 'set -e; zfs create tank/data; head -c 3000000 /dev/urandom >/tank/data/file
	zfs snapshot tank/data@one; echo more >>/tank/data/file; mkdir /tank/data/dir; zfs snapshot tank/data@two'

stream() { # PORT ARGUMENTS-OF-SEND: from one machine to the other; both ends must succeed
	fresh "$scratch/received"
	# shellcheck disable=SC2154 # set above
	timeout 300 quiz exec "$target" sh -c "perl /tmp/listen.pl $1 | zfs receive tank/copy" >"$scratch/received" 2>&1 </dev/null &
	receiver=$!
	wait_for 60 grep -q ready "$scratch/received"
	status "zfs send $2" 0 timeout 300 quiz exec "$source" sh -c "zfs send $2 | perl /tmp/send.pl target $1"
	wait $receiver
	is "zfs receive" "$?,$(grep -v ready "$scratch/received")" "0,"
}
stream 5000 "tank/data@one"
stream 5001 "-i @one tank/data@two"
of() { # MACHINE DATASET
	quiz exec "$1" sh -c "zfs list -H -t snapshot -o name,guid $2 | sed 's/.*@//'; cd /$2 && md5sum file && ls"
}
copy=$(of "$target" tank/copy)
is "the same snapshots, the same files" "$copy" "$(of "$source" tank/data)"
like "both of them" "$copy" "one	*
two	*  file
dir
file"
quiz stop --all >/dev/null 2>&1
quiz wait "$target" >/dev/null 2>&1
git_clean "the worktree was not touched"
nothing_is_left
done_testing
