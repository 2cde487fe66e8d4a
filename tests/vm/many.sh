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
	# A small host may have let it wait.
	sed -i "/waiting for memory/d" "$scratch/err.$i"
	[ "$(cat "$scratch/err.$i")" = "err $i" ] || bad="$bad err.$i: $(cat "$scratch/err.$i")"
	[ "$(cat "$scratch/status.$i")" = "$i" ] || bad="$bad status.$i=$(cat "$scratch/status.$i")"
done
is "twenty at once" "$bad" ""

n=50
i=0
while [ $i -lt $n ]; do
	i=$((i + 1))
	quiz --net user sh -c 'cat /proc/sys/kernel/random/uuid; head -c 16 /dev/urandom | od -An -tx1 | tr -d " \n"; echo
		cat /etc/machine-id; cat /proc/sys/kernel/random/boot_id; cat /sys/class/net/e*/address' >>"$scratch/ids" </dev/null
done
is "fifty clones answered" "$(wc -l <"$scratch/ids")" "$((5 * n))"
is "no two lines of theirs are equal: uuid, random bytes, machine id, boot id, MAC" "$(sort "$scratch/ids" | uniq -d)" ""
# Up at once, each joined; they share what they have not written to.
n=20
i=0
while [ $i -lt $n ]; do
	i=$((i + 1))
	quiz -d sleep 1000 >"$scratch/id.$i" 2>"$scratch/err.$i" </dev/null &
done
wait
is "twenty are up" "$(quiz ps | grep -c ' running ')" "$n"
i=0
: >"$scratch/joined"
while [ $i -lt $n ]; do
	i=$((i + 1))
	quiz exec "$(cat "$scratch/id.$i")" cat /etc/machine-id >>"$scratch/joined" </dev/null
done
is "each can be joined, each is another" "$(sort -u "$scratch/joined" | grep -c .)" "$n"
pss=0
for pid in $(quiz ps --json | awk '$1 == "\"vmm_pid\":" { print $2 + 0 }'); do
	kib=$(awk '$1 == "Pss:" { print $2 }' "/proc/$pid/smaps_rollup")
	pss=$((pss + kib))
done
echo "# $n machines of 1 GiB: $((pss / 1024)) MiB together (proportional set size)"
holds "together they take less than a quarter of their memory" [ "$pss" -lt $((n * 1048576 / 4)) ]
quiz stop --kill --all
nothing_is_left
done_testing
