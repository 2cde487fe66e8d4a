#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Two worktrees of OpenZFS, of two versions, on two kernels, at the same time: each has its own build, its own machine, its own records.
# shellcheck disable=SC1091,SC2119,SC2154 # the library is found at run time
. "$QUIZ_SOURCE/tests/lib/machine.sh"
. "$QUIZ_SOURCE/tests/lib/openzfs.sh"
need_openzfs
first=$openzfs_tree
second=$XDG_CACHE_HOME/quiz/test-openzfs/second-version
[ -d "$second/.quiz/openzfs" ] || skip_all "the second worktree has not been built: tests/materials openzfs-second"

# Both machines are up before one ends: each waits for the other's file.
mkdir "$scratch/both"
chmod 777 "$scratch/both"
words='uname -r; cat /sys/module/zfs/version; : >"$1/$(uname -r)"
	i=0
	while [ "$(ls "$1" | wc -l)" -lt 2 ] && [ $i -lt 600 ]; do sleep 0.5; i=$((i + 1)); done
	ls "$1" | wc -l'
in_tree() { # TREE NAME OPTION...
	cd "$1" || return
	name=$2
	shift 2
	quiz -T --timeout 12m -p zfs --share "$scratch/both:$scratch/both:rw" "$@" -C "$words" "$scratch/both" \
		>"$scratch/$name.out" 2>"$scratch/$name.err"
	echo $? >"$scratch/$name.status"
}
release() { # TREE
	(cd "$1" && quiz kernel show --json "$(sed -n 's/^kernel = //p' .quiz/quiz.cfg)") |
		awk -F '"' '$2 == "release" { print $4 }'
}
version() { # TREE
	awk '$1 == "Version:" { print $2 }' "$1/META"
}
both() { # NAME OPTION...
	both_name=$1
	shift
	rm -f "$scratch/both"/*
	in_tree "$first" one "$@" &
	in_tree "$second" two "$@" &
	wait
	is "$both_name: both succeed" "$(cat "$scratch/one.status" "$scratch/two.status" | tr '\n' ' ')" "0 0 "
	like "$both_name: the first on its kernel, while the other runs" "$(cat "$scratch/one.out")" "$(release "$first")
$(version "$first")*
2"
	like "$both_name: the second on its own" "$(cat "$scratch/two.out")" "$(release "$second")
$(version "$second")*
2"
}

pool_of() { # TREE
	cd "$1" && quiz -q -T --timeout 12m -p zfs,memdev -C 'set -e; zpool create tank raidz quizm0 quizm1 quizm2
		cp /etc/passwd /tank; zpool scrub -w tank; zpool export tank; zpool import -d /dev tank; cmp /etc/passwd /tank/passwd
		zpool list -H -o health tank; zpool version'
}
for tree in "$first" "$second"; do
	status "a pool of $(version "$tree")" 0 pool_of "$tree"
	like "is healthy, with programs and modules of this version" "$out" "ONLINE
zfs-$(version "$tree")*
zfs-kmod-$(version "$tree")*"
done

both "side by side"
like "their kernels differ" "$(release "$first") $(release "$second")" "?* ?*"
[ "$(release "$first")" != "$(release "$second")" ] || not_ok "their kernels differ" "$(release "$first")"

# Built at the same time as well.
sleep 1
touch "$first/module/zfs/spa_history.c" "$second/module/zfs/spa_history.c"
both "edit to result" --make=modules
like "the first compiled its own" "$(cat "$scratch/one.err")" "*spa_history.o*"
like "the second too" "$(cat "$scratch/two.err")" "*spa_history.o*"
for tree in "$first" "$second"; do
	is "the record is in its tree" "$(cd "$tree" && quiz runs show --json . | awk -F '"' '$2 == "kernel" { print $4 }')" \
		"$(sed -n 's/^kernel = //p' "$tree/.quiz/quiz.cfg")"
	is "and nothing has changed there" "$(git -C "$tree" status --porcelain)" ""
done
nothing_is_left
done_testing
