#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# clones.sh [auto|q35]: what a clone may never be made from, what a clone may cost its host, and what many of them leave
# behind: nothing.
# shellcheck disable=SC2086,SC2119 # $small is several options
. "$QUIZ_SOURCE/tests/lib/template.sh"

booted() {
	name=$1
	shift
	status "$name" 0 quiz $small "$@" true
	is "$name: booted" "$(said is_clone)" "false"
}

{
	quiz $small true
	status "a clone" 0 quiz $small true
	is "it is one" "$(said is_clone)" "true"
}
wait_for 60 is_settled

# ---- each thing that a template is of, changed in turn: the old one serves no run ----
of() { plan | tr ' ' '\n' | sed -n "/^$1\$/{n;p;}" | head -n 1 | tr -d "'"; }
kernel=$(of -kernel)
qemu=$(plan | awk '$1 == "command" { print $2 }')
booted "a kernel option" --append quiz_test=2
other=q35
[ "$machine" != q35 ] || other=microvm
booted "another machine" --machine $other
# It looks for its modules and firmware beside the folder that it lies in.
mkdir -p "$scratch/other/bin"
cp "$qemu" "$scratch/other/bin/"
for part in "${qemu%/*/*}"/*; do
	[ -e "$scratch/other/${part##*/}" ] || ln -s "$part" "$scratch/other/"
done
old_path=$PATH
PATH=$scratch/other/bin:$PATH
booted "another QEMU binary of the same version"
PATH=$old_path
quiz_program=$QUIZ_BUILD/src/cmd/quiz
cp -rL "$QUIZ_BUILD/tree" "$scratch/tree"
touch "$scratch/tree/libexec/agents/$(uname -m)/agent.cpio"
is "another agent: another template" \
	"$([ "$(key)" != "$(QUIZ_TREE=$scratch/tree "$quiz_program" --dry-run $small true | awk '$1 == "template" { print $2 }')" ] && echo yes)" yes
store=$scratch/data/quiz
mkdir -p "$store/kernels" "$store/roots"
id=${kernel%/*}
id=${id##*/}
mkdir "$store/kernels/$id"
for part in "${kernel%/*}"/*; do # not what modules are built against, and debug information: gigabytes
	case $part in
	*/build | */debug) ;;
	*) cp -r "$part" "$store/kernels/$id/" ;;
	esac
done
root=$(plan | awk '$1 == "layer" && $2 == "root" { print $3 }')
cp -r "${root%/*}" "$store/roots/"
XDG_DATA_HOME=$scratch/data
export XDG_DATA_HOME
booted "the same in another store"
was=$(key)
touch "$store/kernels/$id/${kernel##*/}"
is "a changed kernel: another template" "$([ "$(key)" != "$was" ] && echo yes)" yes
was=$(key)
touch "$store/roots/${root#"${root%/*/*}/"}"
is "a changed root: another template" "$([ "$(key)" != "$was" ] && echo yes)" yes
wait_for 60 is_settled
like "the list says of the old one that it can not serve" "$(quiz template list)" "*serves no run any more*has changed*"
n=$(quiz template list --json | grep -c '"key"')
due
quiz --cold $small true
holds "and it is swept" test "$(quiz template list --json | grep -c '"key"')" -lt "$n"
XDG_DATA_HOME=$machine_data
rm -rf "$scratch/data" "$scratch/tree" "$scratch/other"

# ---- /shared of a prepared clone is mounted by who touches it first, wherever he is ----
kept() { cat "$XDG_STATE_HOME/quiz/runs/$(quiz runs list | awk 'NR == 1 { print $1 }')/artifacts/kept" 2>/dev/null; }
touched() { # NAME OUTPUT OPTION... PROGRAM...
	name=$1 want=$2
	shift 2
	status "$name" 0 quiz $small "$@"
	is "$name: a prepared clone" "$(said is_prepared)" "true"
	is "$name: what it sees" "$out" "$want"
	is "$name: what is kept" "$(kept)" "yes"
}
mounts='grep -c " /shared 9p " /proc/mounts'
if wait_prepared $small; then ok "a prepared template is made"; else not_ok "a prepared template is made" "$(quiz template list)"; fi
status "who does not touch it" 1 quiz $small sh -c "$mounts"
is "has none" "$out" "0"
touched "who does" "1" sh -c "echo yes >/shared/kept; $mounts"
touched "who begins there" "1" --cwd /shared sh -c "echo yes >kept; $mounts"
touched "several at once" "8" sh -c 'for i in 1 2 3 4 5 6 7; do echo yes >/shared/$i & done; echo yes >/shared/kept; wait; ls /shared | wc -l'
touched "in a mount namespace of one's own" "kept" sh -c 'unshare -m sh -c "echo yes >/shared/kept"; ls /shared'
touched "one that was there before" "kept
kept" sh -c 'mkfifo /tmp/go; unshare -m sh -c "cat /tmp/go; ls /shared" & sleep 0.5; echo yes >/shared/kept; ls /shared; : >/tmp/go; wait'
touched "below another root" "kept" sh -c \
	'unshare -m sh -c "mount --rbind / /mnt; chroot /mnt sh -c \"echo yes >/shared/kept\""; ls /shared'
touched "as another user" "kept" sh -c 'unshare -Urm sh -c "echo yes >/shared/kept"; ls /shared'
mkdir -p "$scratch/mine"
echo mine >"$scratch/mine/file"
wait_prepared $small --share "$scratch/mine:/shared/mine"
touched "with a share of one's own in it" "mine" --share "$scratch/mine:/shared/mine" sh -c \
	'echo yes >/shared/kept; cat /shared/mine/file'
touched "unmounted and touched again" "kept" sh -c 'ls /shared; umount /shared; echo yes >/shared/kept; ls /shared'

# ---- QEMU is killed while it loads a template: the run boots ----
for delay in 0 0.02; do
	wait_for 60 is_settled
	{
		wait_for 20 some_qemu
		sleep $delay
		# shellcheck disable=SC2046
		kill -9 $(qemus) 2>/dev/null
	} &
	quiz $small sh -c 'exit 5' >"$scratch/out" 2>&1
	got=$?
	wait $!
	# Loaded already, and its program may have begun: then the machine is lost, and says so.
	is "QEMU killed $delay s after its start: right or lost" "$(echo $got | grep -xE '5|120')" $got
done
wait_for 60 is_settled
status "the run after them" 5 quiz $small sh -c 'exit 5'

# ---- a preparation that fails is not tried again ----
mkdir -p "$XDG_CONFIG_HOME/quiz/profiles/choosy"
printf '[profile]\nsummary = can not be prepared\ntemplate = yes\n' >"$XDG_CONFIG_HOME/quiz/profiles/choosy/profile.conf"
# /shared is there in runs only, so this fails where a template is prepared.
printf '#!/bin/sh\ngrep -q " /shared " /proc/mounts || { echo not here; exit 1; }\n' \
	>"$XDG_CONFIG_HOME/quiz/profiles/choosy/guest-init"
chmod +x "$XDG_CONFIG_HOME/quiz/profiles/choosy/guest-init"
has_given_up() { quiz template list | grep -q 'not tried again.*not here'; }
{
	status "a profile that can not be prepared" 0 quiz $small -p choosy true
	wait_for 60 has_given_up
	status "again" 0 quiz $small -p choosy true
	wait_for 60 has_given_up
	like "the list says why" "$(quiz template list)" "*-p choosy*could not be prepared*not here*"
	wait_for 60 is_settled
	status "once more" 0 quiz $small -p choosy true
	is "nothing is prepared behind it" "$(find "$XDG_RUNTIME_DIR/quiz" -name 'prepare-*')" ""
	given_up=$(quiz template list | awk '/could not be prepared/ { print $1 }')
	status "removal" 0 quiz template rm "$given_up"
	is "is forgetting" "$(quiz template list | grep -c 'could not be prepared')" 0
}

# ---- what is being prepared is nobody's leftover ----
mkdir -p "$XDG_CONFIG_HOME/quiz/profiles/slow"
printf '[profile]\nsummary = takes its time\ntemplate = yes\n' >"$XDG_CONFIG_HOME/quiz/profiles/slow/profile.conf"
printf '#!/bin/sh\nsleep 2\n' >"$XDG_CONFIG_HOME/quiz/profiles/slow/guest-init"
chmod +x "$XDG_CONFIG_HOME/quiz/profiles/slow/guest-init"
preparing() { find "$XDG_RUNTIME_DIR/quiz" -path '*/prepare-*/lock' 2>/dev/null; }
is_preparing() { [ -n "$(preparing)" ]; }
status "a profile that takes its time" 0 quiz $small -p slow true
wait_for 60 is_preparing
for lock in $(preparing); do
	status "the folder of a preparation is locked, which keeps it from being swept" 1 flock -n "$lock" true
done
wait_for 60 is_settled

# ---- what a clone costs its host ----
if command -v strace >/dev/null; then
	strace -f -qq -o "$scratch/trace" -e trace=execve,fork,vfork,clone,clone3,openat,getdents64 \
		"$quiz_program" $small true
	is "it was a clone" "$(said is_clone)" "true"
	# QEMU may try a path or two of its own; what starts is quiz and QEMU.
	is "two programs are started: quiz and QEMU" "$(grep -cE 'execve(\(| resumed>).* = 0$' "$scratch/trace")" 2
	pid=$(awk 'NR == 1 { print $1 }' "$scratch/trace")
	is "quiz makes one process" "$(grep "^$pid " "$scratch/trace" | grep -cE '(clone|clone3|fork|vfork)\(|resumed.*CLONE')" 1
	grep "^$pid " "$scratch/trace" | sed -n 's/.*openat(AT_FDCWD, "\([^"]*\)".*O_DIRECTORY.* = [0-9].*/\1/p' |
		grep -vE '/(kernels|roots)(/[^/]*)?$|^/proc/[0-9]*/task$|/artifacts$|/quiz(-[0-9]*)?(/[a-z0-9]*)?$|/layer$' >"$scratch/dirs"
	is "no folder is read but the two stores', its own of the run and QEMU's threads" "$(cat "$scratch/dirs")" ""
else
	skip "what a clone costs its host" "needs strace"
fi

# ---- whatever QEMU reads when it makes a machine is of the template ----
if command -v strace >/dev/null; then
	strace -f -qq -o "$scratch/trace" -e trace=open,openat "$quiz_program" --cold $small true
	pid=$(awk 'NR == 1 { print $1 }' "$scratch/trace")
	# Not what it is linked with, what it asks the host's kernel, folders, and words in the user's language.
	grep -v "^$pid " "$scratch/trace" | grep -v O_DIRECTORY | sed -n 's/.*open.*"\([^"]*\)".* = [0-9].*/\1/p' |
		grep -vE '^[.]$|^/(proc|sys|dev|etc)/|[.]so([.0-9]*)$|/(locale|gconv)/' | sort -u >"$scratch/opened"
	quiz $small true
	while read -r path; do
		grep -qF " $(readlink -f "$path")\"" "$QUIZ_TEMPLATE_DIR/$(key)/info.json" || echo "$path"
	done <"$scratch/opened" >"$scratch/unknown"
	holds "it reads some" test -s "$scratch/opened"
	is "and the template knows of all of them" "$(cat "$scratch/unknown")" ""
else
	skip "what QEMU reads" "needs strace"
fi

# ---- many in a row leave nothing ----
count() { find "$QUIZ_TEMPLATE_DIR" "$XDG_RUNTIME_DIR" -type f | wc -l; }
wait_for 60 is_settled
due # else a minute may be over in the middle of them, and what nobody needs any more goes
quiz $small true
wait_for 60 is_settled
before=$(count)
i=0
while [ $i -lt 40 ]; do
	i=$((i + 1))
	quiz $small true || echo "$i" >>"$scratch/failed"
done
is "forty in a row succeed" "$(cat "$scratch/failed" 2>/dev/null)" ""
is "and leave no file" "$(count)" "$before"
nothing_is_left
done_testing
