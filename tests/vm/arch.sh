#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# arch.sh NAME: the same conformance for each architecture that has its QEMU, kernel, root and agent here.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
name=$1
why=$(quiz -a "$name" --dry-run true 2>&1) ||
	skip_all "no $name machine can be started: $(echo "$why" | tr '\n' ' ')"
cd "$scratch" || exit 1

status "the first run" 0 quiz -a "$name" uname -m
is "its architecture" "$out" "$name"
status "a clone" 0 quiz -a "$name" uname -m
is "its architecture too" "$out" "$name"
like "it is one" "$(quiz runs show --json "$(quiz runs list | awk 'NR == 1 { print $1 }')")" '*"is_clone": true*'
status "arguments arrive exactly" 0 quiz -a "$name" printf '<%s>' 'a b' '' "it's" '$HOME' --x
is "all of them" "$out" "<a b><><it's><\$HOME><--x>"
head -c 300000 /dev/urandom >blob
quiz -a "$name" cat <blob >copy
holds "pipes, there and back" cmp blob copy
status "two streams and a status" 7 quiz -a "$name" sh -c 'echo out; echo err >&2; exit 7'
is "both" "$out/$err_out" "out/err"
status "ended by a signal" 137 quiz -a "$name" sh -c 'kill -9 $$'
status "/shared comes back" 0 quiz -a "$name" sh -c 'echo kept >/shared/file'
id=$(quiz runs list | awk 'NR == 1 { print $1 }')
is "in the record" "$(cat "$XDG_STATE_HOME/quiz/runs/$id/artifacts/file")" "kept"
status "a panic" 122 quiz -a "$name" sh -c 'echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 60'
like "its own words" "$err_out" "*sysrq triggered crash*"
status "a panic of a machine that was not cloned" 122 quiz -a "$name" --cold sh -c 'echo c >/proc/sysrq-trigger; sleep 60'
nothing_is_left
done_testing
