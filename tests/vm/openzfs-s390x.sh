#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# OpenZFS, cross-built for a big-endian architecture from the worktree that serves this host, too: pools there, and pools
# that go from one kind of machine to the other.
# shellcheck disable=SC1091,SC2119,SC2154,SC2016 # the library is found at run time; the guest's shell expands
. "$QUIZ_SOURCE/tests/lib/machine.sh"
. "$QUIZ_SOURCE/tests/lib/openzfs.sh"
need_openzfs
why=$(quiz -a s390x --dry-run -p zfs true 2>&1) ||
	skip_all "no s390x machine with OpenZFS: tests/materials openzfs-s390x: $(echo "$why" | tr '\n' ' ')"

big() { # PROFILES SCRIPT
	quiz -q -T -a s390x --timeout 12m -p "$1" -C "set -e; $2"
}

status "scrub, export, import" 0 big zfs,memdev 'zpool create tank raidz quizm0 quizm1 quizm2
	dd if=/dev/urandom of=/tank/file bs=1M count=8 2>/dev/null; sum=$(md5sum </tank/file)
	zpool scrub -w tank; zpool export tank; zpool import -d /dev tank
	[ "$(md5sum </tank/file)" = "$sum" ] && uname -m && zpool list -H -o health tank'
is "on s390x, healthy" "$out" "s390x
ONLINE"
status "the same versions" 0 big zfs 'zpool version'
like "of modules and programs" "$out" "zfs-*
zfs-kmod-*"
status "for another architecture's kernel there is nothing" 125 quiz -q -T -a s390x -k "$(sed -n 's/^kernel = //p' .quiz/quiz.cfg)" \
	-p zfs true

# The shipped example, as its first lines say.
example=$QUIZ_SOURCE/examples/pool-handover
like "the example takes s390x for the other one" "$(cat "$example")" "*other=\${2:--a s390x}*"
status "a pool and streams go there and back" 0 env QUIZ=quiz "$example"
like "each machine says what it has" "$out" "made by the one:
	x86_64: tank/one@made*	s390x: tank/one@made tank/other@made*	x86_64: 0201 0102*"
like "the streams as well" "$out" "*streams of the one, received by the other:
	s390x: tank/one@made tank/one@later*and back:
	x86_64: tank/one@later*the files are the same on both"
status "a side that can not take part" 125 env QUIZ=quiz "$example" "" "-a s390x -k none"
like "is told before a machine is started" "$out$err_out" "quiz: cannot find kernel 'none' for s390x*"
# The same files, one of them changed on the way.
sed 's,^machine "\$other" "\$fill".*,&\n	echo x >>/tank/one/file-511,' "$example" >"$scratch/changed"
status "a file that is not what it was" 1 env QUIZ=quiz sh "$scratch/changed"
like "is named, and on which side" "$err_out" "*file-511: FAILED*on s390x files below /tank/one are not what they were*"
is "its disks are gone" "$(quiz disk list | grep -c handover)" 0
git_clean "nothing has been changed in the worktree"
nothing_is_left
done_testing
