#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# --disk on real machines: what the guest sees, what stays, also in clones of a template that knew another content.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154 # the library is found at run time and sets variables; scripts expand their own words
. "$QUIZ_SOURCE/tests/lib/machine.sh"
need_machine
cd "$scratch" || exit 1

guest() { # NAME WANT OPTIONS... -- SCRIPT: the script's output
	guest_name=$1 guest_want=$2
	shift 2
	status "$guest_name: runs" 0 quiz -q -T --timeout 10m "$@"
	is "$guest_name" "$out" "$guest_want"
}

truncate -s 16M disk.img
printf 'first words' | dd of=disk.img conv=notrunc 2>/dev/null
guest "a file, and an empty disk of a size" "16777216 quizd0 first
33554432 quizd1 00" --disk disk.img --disk 32M -C '
	for d in /dev/quizd0 /dev/quizd1; do
		at=/sys/dev/block/$((0x$(stat -c %t $d))):$((0x$(stat -c %T $d)))
		echo $(blockdev --getsize64 $d) $(cat $at/serial) \
			$([ $d = /dev/quizd0 ] && head -c 5 $d || od -An -tx1 -N1 $d)
	done'
guest "it may be written to" other --disk disk.img -C \
	'printf other | dd of=/dev/quizd0 conv=notrunc,fsync 2>/dev/null; head -c 5 /dev/quizd0'
is "and stays as it was" "$(head -c 5 disk.img)" first
guest "what is written with :rw" "" --disk disk.img:rw -C 'printf third | dd of=/dev/quizd0 conv=notrunc 2>/dev/null'
is "is in the file" "$(head -c 11 disk.img)" "third words"
guest ":ro is write-protected" "1 refused" --disk disk.img:ro -C \
	'echo $(blockdev --getro /dev/quizd0) $(printf x | dd of=/dev/quizd0 conv=fsync 2>/dev/null || echo refused)'

# One partition from sector 2048 of 8192 sectors, in a file that the templates of the runs before knew without.
# shellcheck disable=SC2059 # octal
{
	printf '\0\0\2\0\203\0\0\0\0\10\0\0\0\40\0\0' | dd of=disk.img bs=1 seek=446 conv=notrunc
	printf '\125\252' | dd of=disk.img bs=1 seek=510 conv=notrunc
	printf 'in the partition' | dd of=disk.img bs=512 seek=2048 conv=notrunc
} 2>/dev/null
guest "a clone sees new partitions" "4194304 in the" --disk disk.img -C \
	'echo $(blockdev --getsize64 /dev/quizd0p1) $(head -c 6 /dev/quizd0p1)'

# An empty qcow2 file (version 2) of 64 MiB: header, refcount table, one refcount block, L1 table; clusters of 64 KiB.
be() { # BYTES NUMBER: big-endian
	be_i=$1
	while [ "$be_i" -gt 0 ]; do
		be_i=$((be_i - 1))
		# shellcheck disable=SC2059
		printf "\\$(printf %o $((($2 >> (8 * be_i)) & 255)))"
	done
}
at() { # OFFSET: stdin into the qcow2 file
	dd of=disk.qcow2 bs=1 seek="$1" conv=notrunc 2>/dev/null
}
truncate -s $((4 * 65536)) disk.qcow2
{
	printf 'QFI\373'
	for word in '4 2' '8 0' '4 0' '4 16' '8 67108864' '4 0' '4 1' '8 196608' '8 65536' '4 1' '4 0' '8 0'; do
		# shellcheck disable=SC2086 # two words
		be $word
	done
} | at 0
be 8 131072 | at 65536
{ be 2 1; be 2 1; be 2 1; be 2 1; } | at 131072
guest "qcow2 is written" 67108864 --disk disk.qcow2:rw -C 'blockdev --getsize64 /dev/quizd0; printf kept >/dev/quizd0'
guest "and kept" kept --disk disk.qcow2 -C 'head -c 4 /dev/quizd0; printf lost >/dev/quizd0'
guest "but for a snapshot's" kept --disk disk.qcow2:ro -C 'head -c 4 /dev/quizd0'

quiz -q --disk disk.img:rw -d sleep 60 >id 2>err || not_ok "a machine in the background" "$(cat err)"
status "a second writer" 125 quiz --disk disk.img:rw true
like "is told why" "$err_out" "*cannot write to disk '*disk.img': another run has it*hint: quiz ps*"
status "a reader meanwhile" 125 quiz --disk disk.img true
status "once it is stopped" 0 quiz stop "$(cat id)"
guest "it is free again" third --disk disk.img:rw -C 'head -c 5 /dev/quizd0'

nothing_is_left
is "nor a copy of a disk" "$(find "$XDG_STATE_HOME" -name '*.img' -o -name 'vl.*' -o -name '.vl*' | head -n 3)" ""
done_testing
