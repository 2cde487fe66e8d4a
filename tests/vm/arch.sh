#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# arch.sh NAME: the same conformance for each architecture that has its QEMU, kernel, root and agent here.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
name=$1
why=$(quiz -a "$name" --dry-run true 2>&1) ||
	skip_all "no $name machine can be started (tests/materials): $(echo "$why" | tr '\n' ' ')"
cd "$scratch" || exit 1
mkdir tmux
TMUX_TMPDIR=$scratch/tmux
export TMUX_TMPDIR
tap_at_exit=end_tmux
end_tmux() {
	tmux kill-server 2>/dev/null
}

status "the first run" 0 quiz -a "$name" uname -m
is "its architecture" "$out" "$name"
status "a clone" 0 quiz -a "$name" uname -m
is "its architecture too" "$out" "$name"
like "it is one" "$(quiz runs show --json "$(quiz runs list | awk 'NR == 1 { print $1 }')")" '*"is_clone": true*'
# Nothing else is under way in the guest that would set its timer anew.
status "its clock wakes who sleeps" 0 quiz --timeout 2m -a "$name" sleep 4
if [ "$name" = s390x ]; then
	status "where its boot's time goes" 0 quiz boot-time -a "$name" -n 1
	like "in the kernel, too" "$out" "boot of *-$name*kernel, up to the agent's first instruction*initcalls took*"
fi
status "arguments arrive exactly" 0 quiz -a "$name" printf '<%s>' 'a b' '' "it's" '$HOME' --x
is "all of them" "$out" "<a b><><it's><\$HOME><--x>"
head -c 300000 /dev/urandom >blob
quiz -a "$name" cat <blob >copy
holds "pipes, there and back" cmp blob copy
status "two streams and a status" 7 quiz -a "$name" sh -c 'echo out; echo err >&2; exit 7'
is "both" "$out/$err_out" "out/err"
status "ended by a signal" 137 quiz -a "$name" sh -c 'kill -9 $$'

quiz -a "$name" sh -c 'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.1; done' >out 2>&1 &
pid=$!
wait_for 60 grep -q ready out
kill -TERM "$pid"
wait "$pid"
is "a signal to quiz reaches the program, whose status it is" "$?" 9
holds "and the program knew which" grep -qx 'got it' out

sees() { # NAME TEXT
	if wait_for 60 on_screen "$2"; then
		ok "$1"
	else
		not_ok "$1" "$(tmux capture-pane -p)"
	fi
}
on_screen() {
	tmux capture-pane -p | grep -q -- "$1"
}
if command -v tmux >/dev/null; then
	tmux -f /dev/null new-session -d -x 91 -y 23 "quiz -a $name sh; echo status \$?; sleep 100"
	tmux send-keys 'stty size; echo size-$((1 + 1))' Enter
	sees "a shell in a terminal" 'size-2'
	sees "has its size" '23 91$'
	tmux resize-window -x 77 -y 21
	tmux send-keys 'while [ "$(stty size)" != "21 77" ]; do sleep 0.1; done; echo new-$((1 + 2))' Enter
	sees "which follows it" 'new-3'
	tmux send-keys 'echo wait-$((1 + 3)); sleep 1000' Enter
	sees "a program in the foreground" 'wait-4'
	tmux send-keys C-c
	tmux send-keys 'echo after-$((1 + 4)); exit 5' Enter
	sees "Ctrl-C ends only that" 'after-5'
	sees "the status is the shell's" 'status 5'
else
	skip "terminals" "tmux is not installed"
fi

status "/shared comes back" 0 quiz -a "$name" sh -c 'echo kept >/shared/file'
id=$(quiz runs list | awk 'NR == 1 { print $1 }')
is "in the record" "$(cat "$XDG_STATE_HOME/quiz/runs/$id/artifacts/file")" "kept"
# Profiles: those that need nothing of the root run, the others run or say which root would have it.
status "profiles" 0 quiz -a "$name" -p memdev:count=2,blockdev:count=2,size=16M,net,strict sh -c \
	'test -b /dev/quizm1 && test -b /dev/quizb1 && echo both'
is "with their devices" "$out" "both"
for profile in memdev,error memdev,md tmux udev zts; do
	why=$(quiz -a "$name" --dry-run -p $profile true 2>&1 >/dev/null) || case $why in
	*"it lacks "*"hint: quiz root build "*" -a $name"* | *"hint: quiz kernel "*"$name"* | *"hint: in an OpenZFS tree"*) ;;
	*) not_ok "what $profile needs is said" "$why"; continue ;;
	esac
	ok "$profile: works, or what it needs is said"
done
# A root made where nothing can run the architecture's programs: unpacked here, the rest was done in a machine.
if [ "$name" = s390x ] && quiz root show s390x-finished >/dev/null 2>&1; then
	status "a root that was finished in a machine" 0 quiz -a "$name" -r s390x-finished --cold sh -c \
		'uname -m; readlink -f /bin/ls; ls -d /var/lib/quiz*; grep -c Package: /var/lib/dpkg/status'
	is "has its programs and packages, and no trace of that" "$out" "$name
/usr/bin/busybox
1"
elif [ "$name" = s390x ]; then
	skip "a root that was finished in a machine" "there is none: tests/materials s390x-finished"
fi
status "a panic" 122 quiz -a "$name" sh -c 'echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 60'
like "its own words" "$err_out" "*sysrq triggered crash*"
status "a panic of a machine that was not cloned" 122 quiz -a "$name" --cold sh -c 'echo c >/proc/sysrq-trigger; sleep 60'
nothing_is_left
done_testing
