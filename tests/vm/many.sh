#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Many at once: each comes back with its own output and status, no two clones are the same.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
need_machine
quiz true # the template

n=20
i=0
while [ $i -lt $n ]; do
	i=$((i + 1))
	{
		quiz sh -c "echo out $i; echo err $i >&2; exit $i" >"$scratch/out.$i" 2>"$scratch/err.$i" </dev/null
		echo $? >"$scratch/status.$i"
	} &
done
wait
bad=
i=0
while [ $i -lt $n ]; do
	i=$((i + 1))
	[ "$(cat "$scratch/out.$i")" = "out $i" ] || bad="$bad out.$i"
	[ "$(cat "$scratch/err.$i")" = "err $i" ] || bad="$bad err.$i: $(cat "$scratch/err.$i")"
	[ "$(cat "$scratch/status.$i")" = "$i" ] || bad="$bad status.$i=$(cat "$scratch/status.$i")"
done
is "twenty at once" "$bad" ""

n=50
i=0
while [ $i -lt $n ]; do
	i=$((i + 1))
	quiz sh -c 'cat /proc/sys/kernel/random/uuid; head -c 16 /dev/urandom | od -An -tx1 | tr -d " \n"; echo
		cat /etc/machine-id; cat /proc/sys/kernel/random/boot_id' >>"$scratch/ids" </dev/null
done
is "fifty clones answered" "$(wc -l <"$scratch/ids")" "$((4 * n))"
is "no two lines of theirs are equal: uuid, random bytes, machine id, boot id" "$(sort "$scratch/ids" | uniq -d)" ""
nothing_is_left
done_testing
