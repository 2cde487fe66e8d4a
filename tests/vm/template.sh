#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# template.sh [auto|q35]: templates, made by first runs, used by later ones, never by a run of another machine; and
# whatever happens to one of them or while one is made, the run at hand and the next one are right.
# shellcheck disable=SC2086,SC2119 # $small is several options
. "$QUIZ_SOURCE/tests/lib/template.sh"

only_base() {
	sleep 0.2
	wait_for 60 is_settled
	for info in "$QUIZ_TEMPLATE_DIR"/*/info.json; do
		! grep -q '"prepared"' "$info" || rm -rf "${info%/info.json}"
	done
}
templates() { quiz template list --json | grep -c '"key"'; }
right() {
	status "$1" 7 quiz $small sh -c 'echo out; exit 7'
	is "$1: its output" "$out$err_out" "out"
}

right "the first run"
made "the first run"
only_base
is "one template" "$(templates)" 1
is "nothing else lies there" "$(files '.tmp-*')$(files '*.maker')" ""
like "it can be listed" "$(quiz template list)" "TEMPLATE *base *1 booted machine to*"
right "the second run"
found "the second run"
right "the third run"
like "a clone's log begins with the boot" "$(quiz logs "$(quiz runs list | awk 'NR == 1 { print $1 }')" 2>/dev/null ||
	cat "$XDG_STATE_HOME"/quiz/runs/*/console.log)" "*Linux version*"
{
	status "--cold" 7 quiz --cold $small sh -c 'exit 7'
	is "--cold is no clone" "$(said is_clone) $(said made_template)" "false false"
}

# ---- another machine is another template ----
another() {
	name=$1
	shift
	status "$name" 0 quiz "$@" true
	made "$name"
}
{
	another "other memory" $small -m 288M
	another "other CPUs" $small -c 2
	another "a kernel option" --append quiz_test=1 $small
	status "what is not in the key" 0 quiz $small --env A=b --cwd /usr sh -c 'pwd; echo $A'
	found "other environment and folder"
	is "they arrive all the same" "$out" "/usr
b"
	mkdir -p "$scratch/layer/etc"
	for text in one two three; do
		echo $text >"$scratch/layer/etc/of-the-layer"
		status "layer $text" 0 quiz $small --layer "$scratch/layer" cat /etc/of-the-layer
		is "layer $text: its content" "$out" "$text"
		case $text in
		one) made "the first layer of a kind" ;;
		*) found "layer $text" ;;
		esac
	done
	like "the list tells the one with a slot for it" "$(quiz template list)" "* base *any user*"
}
kernel=$(readlink -f "$(quiz --dry-run true | grep -o -e '-kernel [^ ]*' | head -n 1 | cut -d' ' -f2 | tr -d "'")")
is "the plan names the template" "$(files "$(key)" | wc -l)" 1
holds "the kernel that is booted is known" test -f "$kernel"
other=q35
[ "$machine" != q35 ] || other=microvm
is "machine $other is another" "$([ "$(key)" != "$(key --machine $other)" ] && echo yes)" yes

# ---- templates that are no good ----
only_base
state() { echo "$QUIZ_TEMPLATE_DIR/$(key)/state"; }
inode() { stat -c %i "$1" 2>/dev/null; }
: >"$(state)"
right "a state file of another size"
made "a state file of another size"
right "after it"
found "after it"
only_base
was=$(inode "$(state)")
printf '%04096d' 0 | dd of="$(state)" conv=notrunc 2>/dev/null
right "a state file of other content"
is "booted without one" "$(said is_clone) $(said made_template)" "false false"
like "why" "$(said template_failed)" '"*"'
is "the template is gone" "$(inode "$(state)")" ""
only_base
right "after that"
made "after that"
only_base
is "another one" "$([ "$(inode "$(state)")" != "$was" ] && echo yes)" yes
: >"$QUIZ_TEMPLATE_DIR/$(key)/ram"
right "a memory file of another size"
made "a memory file of another size"
only_base
echo more >>"$QUIZ_TEMPLATE_DIR/$(key)/manifest"
right "another manifest"
made "another manifest"
only_base
rm "$QUIZ_TEMPLATE_DIR/$(key)/lock"
right "no lock file"
made "no lock file"
only_base

# ---- a kernel that has measured its timer wrongly: what it says on its console, which every boot of this one does ----
status "a machine that is no good" 7 quiz $small --append 'loglevel=7 quiz="APIC frequency too slow, disabling apic timer"' sh -c 'exit 7'
is "is booted again, and no template is made of it" "$(said is_clone) $(said made_template)" "false false"

# ---- removal ----
mkfifo "$scratch/stdin"
quiz $small sh -c 'echo up; cat' <"$scratch/stdin" >"$scratch/up" 2>&1 &
pid=$!
exec 8>"$scratch/stdin"
wait_for 60 grep -q up "$scratch/up"
status "one in use is not removed" 125 quiz template rm "$(key)"
like "says so" "$err_out" "*$(key)*in use*"
exec 8>&-
wait $pid
is "its user ends well" $? 0
only_base
status "one that is not in use is" 0 quiz template rm "$(key)"
is "gone" "$(files "$(key)")" ""

# ---- killed at any moment ----
killed_after() {
	quiz $small sleep 30 >/dev/null 2>&1 &
	pid=$!
	sleep "$1"
	kill -9 $pid
	wait $pid 2>/dev/null
	wait_for 5 no_qemu
}

for delay in 0.05 0.3 0.6 1 1.5; do
	only_base
	rm -rf "${QUIZ_TEMPLATE_DIR:?}/$(key)"
	killed_after $delay
	is "killed after $delay s: no QEMU is left" "$(qemus)" ""
	due
	right "the run after one killed after $delay s"
	only_base
	is "nothing of it is left" "$(files '.tmp-*')$(files '*.maker')" ""
done
for delay in 0.01 0.03 0.06 0.1 0.2; do
	killed_after $delay
done
right "after clones that were killed"
found "after clones that were killed"

# ---- QEMU dies: the run goes on ----
kill_qemu() {
	wait_for 20 some_qemu
	sleep "$1"
	# shellcheck disable=SC2046
	kill -9 $(qemus) 2>/dev/null
}
for delay in 0 0.1; do
	only_base
	rm -rf "${QUIZ_TEMPLATE_DIR:?}/$(key)"
	kill_qemu $delay &
	right "the maker's QEMU is killed after $delay s"
	wait $!
done

# ---- full file system ----
# shellcheck disable=SC2016
if unshare -m true 2>/dev/null && mkdir "$scratch/tiny" &&
	unshare -m sh -c 'mount -t tmpfs -o size=8M tmpfs "$1"' - "$scratch/tiny" 2>/dev/null; then
	status "no room for a template" 7 unshare -m sh -c 'mount -t tmpfs -o size=8M,mode=700 tmpfs "$1" || exit 99
		QUIZ_TEMPLATE_DIR=$1 quiz -v $2 sh -c "echo out; exit 7"' - "$scratch/tiny" "$small"
	is "its output" "$out" "out"
	like "says so with -v" "$err_out" "*no template is made: no file system has room for it*"
	is "it was cold" "$(said is_clone)" "false"
	# Room enough at the start, and then somebody else takes it: the maker's memory has none.
	status "room that goes away" 7 unshare -m sh -c 'mount -t tmpfs -o size=600M,mode=700 tmpfs "$1" || exit 99
		(until ls "$1"/.tmp-*/ram >/dev/null 2>&1; do sleep 0.01; done
		exec head -c 700M /dev/zero >"$1/filler") 2>/dev/null &
		QUIZ_TEMPLATE_DIR=$1 quiz $2 sh -c "echo out; exit 7"' - "$scratch/tiny" "$small"
	is "its output then" "$out" "out"
	is "it was cold then" "$(said is_clone)" "false"
else
	skip "full file system" "mounting needs root"
fi

# ---- prepared templates ----
is_prepared() { quiz template list --json | grep -q '"profiles": "memdev'; }
ids='cat /etc/machine-id /proc/sys/kernel/random/uuid; ls /dev/quizm?'
{
	status "with a profile" 0 quiz $small -p memdev:count=2,size=8M sh -c "$ids"
	is "is not prepared yet" "$(said is_prepared)" "false"
	status "with it again" 0 quiz $small -p memdev:count=2,size=8M true
	if wait_for 60 is_prepared; then ok "a template with the profile is made"; else
		not_ok "a template with the profile is made" "$(quiz template list)"
	fi
	status "the next one" 0 quiz $small -p memdev:count=2,size=8M sh -c "$ids"
	is "is a clone of it" "$(said is_clone) $(said is_prepared)" "true true"
	first=$out
	status "and one more" 0 quiz $small -p memdev:count=2,size=8M sh -c "$ids"
	is "is too" "$(said is_clone) $(said is_prepared)" "true true"
	is "both have the devices" "$(printf '%s\n%s\n' "$first" "$out" | grep -c /dev/quizm)" 4
	is "no two have the same ids" "$(printf '%s\n%s\n' "$first" "$out" | grep -v /dev | sort | uniq -d)" ""
	status "other options of the profile" 0 quiz $small -p memdev:count=2,size=8M,sector=4096 \
		blockdev --getss /dev/quizm0
	is "are not served by it" "$(said is_prepared) $out" "false 4096"
}
wait_for 60 is_settled
due
quiz --cold $small true
nothing_is_left
is "nor in the templates' folder" "$(files '.tmp-*')$(files '*.maker')" ""
done_testing
