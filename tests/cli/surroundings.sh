#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
#
# quiz where something around it is missing, full, closed or not to be written, and where it is told to stop: one error
# with the object, its cause and what mends it; the status says that it did not go well.
# shellcheck disable=SC2154,SC2016 # $out, $err_out and $scratch are the library's; scripts expand their own words
# shellcheck disable=SC2089,SC2090 # quotes in rows belong to messages
. "$QUIZ_SOURCE/tests/lib/tap.sh"
. "$QUIZ_SOURCE/tests/lib/fake.sh"
fake_world
quiz --cold true >/dev/null 2>&1 # what is made once

# ---- a kernel that lacks something ----
for row in "-p memdev|profile 'memdev' needs CONFIG_BLK_DEV_LOOP|-p memdev," \
	"-p md:level=6|profile 'memdev' needs CONFIG_BLK_DEV_LOOP|-p memdev,md:level=6,"; do
	# shellcheck disable=SC2086 # two words
	status "${row%%|*}: refused before anything is started" 125 quiz ${row%%|*} true
	what=${row#*|}
	like "the symbol, and what makes a kernel that has it" "$err_out" \
		"quiz: ${what%|*}, which kernel '*' does not have*hint: quiz kernel build * ${what#*|} and -k its id*quiz kernel fetch debian*"
done
grep -v 'VIRTIO_NET\|9P' "$scratch/config" >"$scratch/poor"
quiz kernel add -q --image "$scratch/bzImage" --config "$scratch/poor" --name poor >/dev/null || exit 1
for row in "--net=user|--net needs CONFIG_VIRTIO_NET" "-p net|profile 'net' needs CONFIG_VIRTIO_NET" \
	"--share=$scratch:/mnt|--share needs CONFIG_9P_FS" "--root=host|--root host needs CONFIG_9P_FS"; do
	# shellcheck disable=SC2086 # one word or two
	status "${row%|*}" 125 quiz -k poor ${row%|*} true
	like "its symbol" "$err_out" "quiz: ${row#*|}, which kernel 'poor' does not have*hint: quiz kernel build*"
done
quiz kernel rm poor >/dev/null 2>&1

# ---- folders that can not be written ----
if unshare -rm true 2>/dev/null; then
	closed_home() { # COMMAND...: with a home that can only be read
		unshare -rm sh -c 'mount --bind "$HOME" "$HOME" && mount -o remount,bind,ro "$HOME" && exec "$@"' sh "$@"
	}
	full_runtime() { # COMMAND...: without room for sockets and locks
		unshare -rm sh -c 'mount -t tmpfs -o size=64k,mode=700 tmpfs "$XDG_RUNTIME_DIR" &&
			head -c 100000 /dev/zero >"$XDG_RUNTIME_DIR/ballast" 2>/dev/null; exec "$@"' sh "$@"
	}
	status "a home that can only be read" 125 closed_home quiz true
	like "which folder, and what takes its place" "$err_out" \
		"quiz: cannot make *'$HOME/*: Read-only file system*hint: export XDG_STATE_HOME=DIR*"
	status "the doctor does not call it well" 1 closed_home quiz doctor
	like "records" "$out" "*missing  no folder for records of runs: cannot write to '*': Read-only file system*export XDG_STATE_HOME=*"
	like "and images" "$out" "*missing  no folder for images of layers: *export XDG_CACHE_HOME=*"
	status "elsewhere it does" 0 closed_home env XDG_STATE_HOME="$scratch/state" XDG_CACHE_HOME="$scratch/cache" quiz --cold true
	for command in "root add $scratch/tree --name more" "kernel add --image $scratch/bzImage --name more" \
		"kernel fetch debian" "root build"; do
		case $command in
		*fetch* | *build) command -v apt-get >/dev/null && command -v mmdebstrap >/dev/null || continue ;;
		esac
		# shellcheck disable=SC2086 # words
		status "quiz $command" 125 closed_home quiz $command
		like "which folder, and what moves it: $command" "$err_out" \
			"*quiz: cannot *'$HOME/*': Read-only file system*hint: export XDG_*_HOME=DIR, a folder that can be written*"
	done
	mkdir -p "$scratch/tree/deeper" && cd "$scratch/tree" && quiz init >/dev/null 2>&1 && cd deeper || exit 1
	closed_tree() { # COMMAND...: with a workspace that can only be read
		unshare -rm sh -c 'mount --bind .. .. && mount -o remount,bind,ro .. && cd "$PWD" && exec "$@"' sh "$@"
	}
	rm -rf "$XDG_STATE_HOME/quiz/runs"
	status "a workspace that can only be read" 0 closed_tree quiz --cold -v true
	like "where the record is, and why" "$err_out" \
		"*quiz: the record is in $XDG_STATE_HOME/quiz/runs/*: cannot write to '$scratch/tree/.quiz': Read-only file system*"
	id=$(ls "$XDG_STATE_HOME/quiz/runs")
	like "it is found there" "$(closed_tree quiz runs list)" "*$id*"
	like "by its id" "$(closed_tree quiz runs show "$id")" "*$id*"
	status "without -v" 0 closed_tree quiz --cold true
	is "nothing is said" "$err_out" ""
	like "but by the doctor" "$(closed_tree quiz doctor)" "*note *records of this workspace's runs go to $XDG_STATE_HOME/quiz/runs: *Read-only*"
	quiz --cold true
	is "one that can be written has its own" "$(ls "$scratch/tree/.quiz/runs" | wc -l)" 1
	rm -rf "$scratch/tree/.quiz"
	cd "$scratch" || exit 1
	status "a runtime folder without room" 125 full_runtime quiz --cold true
	like "is named" "$err_out" "quiz: *'$XDG_RUNTIME_DIR/*: No space left on device*"
	status "the doctor sees that" 1 full_runtime quiz doctor
	like "and says so" "$out" "*missing  runtime folder $XDG_RUNTIME_DIR/quiz: no space left*export XDG_RUNTIME_DIR=*"
	like "free space is told once for each disk" "$(quiz doctor | grep -c 'B free for')" "[01]"
fi

# ---- QEMU ----
mkdir "$scratch/few"
ln -s "$QUIZ_BUILD/src/cmd/quiz" "$scratch/few/quiz"
status "no QEMU" 125 env -u QUIZ_QEMU PATH="$scratch/few" quiz true
like "which package brings it" "$err_out" "quiz: cannot find 'qemu-system-x86_64'*hint: apt-get install qemu-system-x86*"
status "--qemu names none" 125 quiz --qemu "$scratch/nothing" true
like "it is named" "$err_out" "quiz: cannot find '$scratch/nothing'*hint: *--qemu*"
status "--qemu names something else" 125 quiz --qemu /bin/true true
like "it gave no answer" "$err_out" "quiz: cannot ask '*true' what it can do: it ended without an answer*"
rm -rf "$XDG_CACHE_HOME/quiz/probes"
status "a QEMU that is too old" 125 env FAKE_VMM_VERSION=5.2.0 quiz true
like "which, and which will do" "$err_out" "*is QEMU 5.2, and quiz needs 6.1 at least*hint: quiz --qemu FILE*"
rm -rf "$XDG_CACHE_HOME/quiz/probes"
status "one of years to come" 0 env FAKE_VMM_VERSION=19.1.2 quiz --cold true
rm -rf "$XDG_CACHE_HOME/quiz/probes"

# ---- a KVM that makes machines whose CPUs never run ----
script 'at boot-kvm hang'
status "a KVM without a sign of life" 0 quiz --cold --accel kvm echo alive
is "the run goes on under emulation" "$out" alive
like "it is said, once" "$err_out" "quiz: a KVM guest did not say a single byte*emulation*"
is "in one line" "$(printf '%s\n' "$err_out" | wc -l)" 1
holds "both machines are in the log" test "$(grep -c '^argv' "$FAKE_VMM_LOG")" = 3 # and the probe's
holds "and remembered" test -s "$XDG_CACHE_HOME/quiz/probes/kvm-hangs"
like "quiz doctor --retry-kvm" "$(quiz doctor --retry-kvm 2>&1)" "*the memo that it did not work is gone*"
holds "forgets it" test ! -e "$XDG_CACHE_HOME/quiz/probes/kvm-hangs"
script 'at boot-kvm console Linux version 6.6.6-toy'
status "a KVM guest that talks" 0 quiz --cold --accel kvm true
is "is left alone" "$err_out" ""
holds "nothing is remembered" test ! -e "$XDG_CACHE_HOME/quiz/probes/kvm-hangs"
well_behaved

# ---- a KVM that refuses, as one does that another hypervisor holds ----
status "a machine under KVM that becomes a template" 0 quiz --accel kvm true
is "without a word" "$err_out" ""
settle
templates=$(ls "$QUIZ_TEMPLATE_DIR")
like "there is one" "$templates" "?*"
for way in --cold --no-cold; do
	script 'at start-kvm stderr-vmm ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy\nfake: failed to initialize kvm: Device or resource busy' \
		'at start-kvm die 1'
	status "a KVM that is busy, $way" 0 quiz $way --accel kvm echo alive
	is "the run goes on under emulation, $way" "$out" alive
	is "its words are told in one line, $way" "$err_out" \
		"quiz: KVM makes no machine now: Device or resource busy; going on under emulation (quiz doctor tells more)"
	is "it was tried once, $way" "$(grep -c '^argv.*-accel kvm.*agent' "$FAKE_VMM_LOG")" 1
done
settle
is "its template is not to blame" "$(for one in $templates; do ls -d "$QUIZ_TEMPLATE_DIR/$one"; done 2>&1 | grep -c 'No such')" 0
like "the memo says until when" "$(cat "$XDG_CACHE_HOME/quiz/probes/kvm-hangs")" "* until=[1-9]*"
script 'at start-kvm stderr-vmm no room for RAM' 'at start-kvm die 1'
status "what is not KVM's fault stays an error" 125 quiz --cold --accel kvm true
like "in the VMM's words" "$err_out" "*cannot start the machine: QEMU ended: exit status 1: no room for RAM*"
quiz doctor --retry-kvm >/dev/null 2>&1
forget_templates

# ---- our own streams ----
status "stdin can not be read" 0 sh -c 'quiz --cold -q cat <"$1"' sh "$scratch"
is "it is told, and the program reads its end" "$err_out" \
	"quiz: cannot read the program's input from stdin: Is a directory"
status "in a machine that is up, too" 0 sh -c 'quiz -d sleep 600 >/dev/null 2>&1; quiz exec . cat <"$1"' sh "$scratch"
is "in the same words" "$err_out" "quiz: cannot read the program's input from stdin: Is a directory"
quiz stop . >/dev/null 2>&1
status "stdin is not for reading, as nohup's" 0 sh -c 'quiz --cold cat 0>/dev/null'
is "is as good as closed" "$err_out" ""
status "stdin is closed" 0 sh -c 'quiz --cold cat <&-'
status "stdout is closed, and not used" 0 sh -c 'quiz --cold true >&-'
status "stdout is closed" 125 sh -c 'quiz --cold echo words >&-'
like "what could not be written" "$err_out" "quiz: cannot write the program's output to stdout: Bad file descriptor*"
status "all are closed" 3 sh -c 'quiz --cold sh -c "exit 3" <&- >&- 2>&-'
status "a disk is full" 125 sh -c 'quiz --cold echo words >/dev/full'
like "which output" "$err_out" "quiz: cannot write the program's output to stdout: No space left on device*"
script 'on gush bytes 3000000'
status "a program that goes on writing to it" 125 sh -c 'quiz --cold gush >/dev/full'
status "the reader goes away" 0 sh -c 'quiz --cold gush | head -c 10 >/dev/null'
status "commands tell it too" 125 sh -c 'quiz version >/dev/full'
like "in the same words" "$err_out" "quiz: cannot write to stdout: No space left on device"
status "but for a reader with enough" 0 sh -c '(quiz help; echo $? >"$1") | true; grep -qx "0\|141" "$1"' sh "$scratch/help-status"
well_behaved

# ---- for programs ----
status "--json" 0 quiz --cold --json echo words
is "leaves the program's output alone" "$out" words
like "the result is one line" "$err_out" '{"format":1,*"verdict":"ok","status":0,*}'
is "and no other" "$(printf '%s\n' "$err_out" | wc -l)" 1
status "--json with --dry-run" 0 quiz --json --dry-run echo 'two words'
like "is the plan" "$out" '{*"kernel": "6.6.6-toy",*"root": "toy",*"program": *"echo",*"two words"*"command": *"-kernel",*'
holds "whole" sh -c 'quiz --json --dry-run true | python3 -m json.tool >/dev/null'

# ---- folders ----
for variable in XDG_STATE_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR; do
	status "$variable can not be made" 125 env "$variable=/dev/null/nowhere" quiz --cold true
	like "$variable is named" "$err_out" "quiz: cannot *'/dev/null/nowhere*': Not a directory*"
done
chmod 755 "$XDG_RUNTIME_DIR/quiz"
status "a runtime folder that others can look into" 125 quiz --cold true
like "what mends it" "$err_out" "quiz: cannot use the runtime folder '$XDG_RUNTIME_DIR/quiz'*hint: chmod 700 $XDG_RUNTIME_DIR/quiz*"
chmod 700 "$XDG_RUNTIME_DIR/quiz"
status "one that is gone, or another user's after su" 125 env XDG_RUNTIME_DIR="$scratch/gone/deeper" quiz --cold true
like "is not the one to use" "$err_out" "quiz: cannot make the runtime folder '$scratch/gone/deeper/quiz'*hint: unset XDG_RUNTIME_DIR*"
status "no XDG_RUNTIME_DIR" 0 env -u XDG_RUNTIME_DIR TMPDIR="$scratch" quiz --cold true

# ---- descriptors ----
if command -v prlimit >/dev/null; then
	settle
	quiz --cold true >/dev/null 2>&1
	rm -rf "$XDG_STATE_HOME/quiz/runs"
	for few in 6 7 8 9 10 11 12 14 18 22 24; do # wherever they run out
		status "$few descriptors" 125 prlimit --nofile=$few:$few quiz --cold true
		like "one error, and what mends it, $few" "$err_out" "quiz: cannot *: Too many open files*hint: ulimit -n 1024*"
	done
	is "no record is left" "$(ls "$XDG_STATE_HOME/quiz/runs")" ""
	is "and no folder" "$(ls "$XDG_RUNTIME_DIR/quiz")" ""
fi

# In a user namespace even an ordinary user mounts a file system of some kilobytes, and even root's folder is read-only.
mounted() { # NAME WANT FOLDER OPTIONS COMMAND...
	mounted_name=$1 mounted_want=$2 mounted_at=$3 mounted_options=$4
	shift 4
	if ! unshare -rm true 2>/dev/null; then
		skip "$mounted_name" "no user namespaces here"
		return 1
	fi
	mkdir -p "$mounted_at"
	status "$mounted_name" "$mounted_want" unshare -rm sh -c '
		mount -t tmpfs -o "$2" none "$1" || exit 99
		case $2 in *size=*) dd if=/dev/zero of="$1/filler" bs=4096 2>/dev/null ;; esac
		shift 2
		"$@"' sh "$mounted_at" "$mounted_options" "$@"
}
mounted "records can not be written" 125 "$XDG_STATE_HOME" ro quiz --cold true &&
	like "where" "$err_out" "quiz: cannot make folder '$XDG_STATE_HOME/quiz*': Read-only file system*"
mounted "there is no room for records" 5 "$XDG_STATE_HOME" size=32k quiz --cold sh -c 'exit 5' &&
	like "what is lost" "$err_out" "*cannot write '$XDG_STATE_HOME/*/result.json': No space left on device*"
mounted "there is no room for a run's folder" 125 "$XDG_RUNTIME_DIR" size=16k quiz --cold true &&
	like "which" "$err_out" "quiz: cannot *'$XDG_RUNTIME_DIR/quiz*': No space left on device*"
mounted "no inode for them either" 125 "$XDG_RUNTIME_DIR" nr_inodes=2 quiz --cold true &&
	like "which folder" "$err_out" "quiz: cannot *'$XDG_RUNTIME_DIR/quiz*': No space left on device*"
mounted "no room for a template" 0 "$QUIZ_TEMPLATE_DIR" size=64k quiz echo still right &&
	is "does not cost the run" "$out" "still right" &&
	like "and is told" "$err_out" "quiz: no template is made: no file system has room for it*"

# ---- signals ----
# A shell's background jobs ignore SIGINT; ours shall not.
signalled() { # NAME WANT SIGNAL... : to a quiz whose program has begun
	signalled_name=$1 signalled_want=$2
	shift 2
	env --default-signal=INT quiz --cold waits >"$scratch/out" 2>"$scratch/err" &
	signalled_pid=$!
	until_logged '^program waits'
	for signalled_one; do
		kill -s "$signalled_one" "$signalled_pid"
		until_logged '^signal' # the program has it; a second one comes after that
	done
	wait "$signalled_pid"
	is "$signalled_name" $? "$signalled_want"
}
until_logged() {
	until_try=0
	until grep -q "$1" "$FAKE_VMM_LOG" || [ $until_try = 600 ]; do
		until_try=$((until_try + 1))
		sleep 0.1
	done
}
for signal in INT TERM HUP; do
	script 'on waits wait 600000'
	case $signal in INT) number=2 ;; TERM) number=15 ;; HUP) number=1 ;; esac
	signalled "$signal ends the program" $((128 + number)) $signal
	script 'on waits trap' 'on waits wait 600000'
	signalled "a second $signal ends the machine" $((128 + number)) $signal $signal
done
script 'on waits trap' 'on waits wait 600000'
quiz --cold waits >/dev/null 2>&1 &
pid=$!
until_logged '^program waits'
kill -9 $pid
wait $pid 2>/dev/null
settle
is "kill -9 of quiz takes its machine along" "$(fake_machines)" 0
well_behaved
status "and the next run cleans up after it" 0 quiz --cold true

settle
is "no VMM is left" "$(fake_machines)" 0
done_testing
