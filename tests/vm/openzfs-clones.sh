#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Fifty clones of one machine with ZFS loaded: whatever must be unique is. ZFS takes its GUIDs from a generator of its own,
# which the kernel's new entropy does not reach (docs/decisions/040-openzfs-loop.md).
# shellcheck disable=SC1091,SC2119,SC2154,SC2016,SC2317 # the library is found at run time; the guest's shell expands
. "$QUIZ_SOURCE/tests/lib/machine.sh"
. "$QUIZ_SOURCE/tests/lib/openzfs.sh"
need_openzfs
profiles=zfs,memdev:count=1,size=64M

# Made in the background after the second run with these profiles.
is_prepared() {
	quiz -T --json --timeout 12m -p "$profiles" true 2>&1 | grep -q '"is_prepared": *true' || { sleep 2; return 1; }
}
holds "a template with ZFS loaded" wait_for 400 is_prepared

one() { # NUMBER: a clone's answers, one per line
	quiz -T --json --timeout 12m -p "$profiles" -C 'set -e
		zpool create tank quizm0
		echo pool $(zpool get -H -o value guid tank)
		echo vdev $(zpool status -g tank | awk "/ONLINE/ && \$1 ~ /^[0-9]+\$/ { last = \$1 } END { print last }")
		echo dataset $(zfs get -H -o value guid tank)
		zfs snapshot tank@a
		echo snapshot $(zfs get -H -o value guid tank@a)
		echo uuid $(cat /proc/sys/kernel/random/uuid)
		echo boot $(cat /proc/sys/kernel/random/boot_id)
		echo machine $(cat /etc/machine-id)
		echo random $(od -An -N 16 -t x1 /dev/urandom | tr -d " ")' >"$scratch/answers.$1" 2>"$scratch/json.$1"
}
i=0
while [ $i -lt 50 ]; do
	pids=
	for _ in 1 2 3 4 5; do
		i=$((i + 1))
		one $i &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086 # a list
	wait $pids
done
is "clones of it" "$(cat "$scratch"/json.* | grep -c '"is_prepared": *true')" 50
for what in pool vdev dataset snapshot uuid boot machine random; do
	cat "$scratch"/answers.* | awk -v what=$what '$1 == what && $2 { print $2 }' >"$scratch/all"
	is "$what: no two are equal" "$(wc -l <"$scratch/all") $(sort -u "$scratch/all" | wc -l)" "50 50"
done

nothing_is_left
done_testing
