#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# kill -9 of everybody who can have a part in a machine that is up: each ends as documented, the others go on, and
# nothing is left. Then what a crash of the host leaves behind, which is swept, beside what lives, which is not.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
need_machine
cd "$scratch" || exit 1

end_all() {
	kill -CONT "${vmm:-$$}"
	quiz stop --kill --all
}
tap_at_exit=end_all

field() { # ID NAME: of quiz ps --json
	quiz ps --json | awk -v id="\"$1\"" -v name="\"$2\":" '
		$1 == "\"id\":" { here = index($2, id) }
		here && $1 == name { sub(/^[^:]*: /, ""); sub(/,$/, ""); gsub(/"/, ""); print; exit }'
}
in_guest() { # NAME: is a program of that command line running in the machine?
	quiz exec "$id" pgrep -f -x "$1"
}
not_in_guest() {
	! in_guest "$1"
}
clients() { # of this machine, that are not the supervisor
	pgrep -f "^quiz (exec|attach|logs|wait|cp|shell)" | wc -l
}
killed() { # PID: by us, and nothing is said about it
	kill -9 "$1"
	wait "$1" 2>/dev/null
}

status "a machine" 0 quiz -d sh -c 'echo "up" >/dev/kmsg; while :; do echo tick; sleep 0.2; done'
id=$out
vmm=$(field "$id" vmm_pid)
record=$(field "$id" record)

# ---- clients ----

quiz exec "$id" sleep 1234 &
client=$!
wait_for 30 in_guest 'sleep 1234'
killed $client
holds "exec: its program ends with it" wait_for 10 not_in_guest 'sleep 1234'

mkfifo typed
quiz shell "$id" <>typed >/dev/null 2>&1 &
client=$!
sleep 0.5
killed $client
quiz attach --watch "$id" >watched 2>&1 </dev/null &
client=$!
holds "attach" wait_for 30 grep -q tick watched
killed $client
quiz logs -f "$id" >log 2>&1 </dev/null &
client=$!
holds "logs -f" wait_for 30 grep -q up log
killed $client
quiz wait "$id" &
client=$!
sleep 0.3
killed $client
is "are gone, and the program goes on" "$(field "$id" state)" "running"
holds "as it did" sh -c 'a=$(stat -c %s "$1") && sleep 1 && [ "$(stat -c %s "$1")" -gt "$a" ]' sh "$record/output.log"

head -c 60000000 /dev/urandom >blob
for how in "blob $id:/tmp/in" "$id:/tmp/in out"; do
	[ "$how" = "blob $id:/tmp/in" ] || quiz cp blob "$id:/tmp/in"
	# shellcheck disable=SC2086 # two words
	quiz cp $how &
	client=$!
	sleep 0.2
	killed $client 2>/dev/null # a fast machine may be done
	status "cp $(echo "$how" | sed "s/$id/ID/"): the machine is as it was" 0 quiz exec "$id" true
done
status "and the next copy is whole" 0 quiz cp blob "$id:/tmp/in"
is "to the byte" "$(quiz exec "$id" sha256sum /tmp/in | cut -d ' ' -f 1)" "$(sha256sum blob | cut -d ' ' -f 1)"
is "nothing of it is left in the record" "$(ls -A "$record/artifacts")" ""

# Before the guest has said a word: its QEMU stands still.
kill -STOP "$vmm"
quiz cp blob "$id:/tmp/in" &
client=$!
carrier() {
	[ -n "$(ls -A "$record/artifacts")" ]
}
wait_for 10 carrier
killed $client
kill -CONT "$vmm"
status "after one that was killed in its first moment" 0 quiz cp "$id:/etc/passwd" passwd
is "nothing is left either" "$(ls -A "$record/artifacts")" ""

# ---- QEMU, the supervisor ----

kill -9 "$vmm"
status "QEMU: the run is lost" 120 quiz wait "$id"
is "and recorded" "$(quiz runs show "$id" | awk '/verdict/ { print $2; exit }')" "lost,"
no_vmm() {
	case $(ps -o stat= -p "$vmm") in
	"" | Z*) ;;
	*) return 1 ;;
	esac
}

id=$(quiz -d sleep 1000)
vmm=$(field "$id" vmm_pid)
quiz exec "$id" sleep 1000 >/dev/null 2>&1 &
client=$!
quiz wait "$id" >/dev/null 2>&1 &
waiter=$!
wait_for 30 in_guest 'sleep 1000'
kill -9 "$(field "$id" pid)"
wait $client
is "the supervisor: an exec is lost" $? 120
wait $waiter
is "whoever waits is told" $? 120
holds "QEMU goes with it" wait_for 10 no_vmm
status "ps knows" 0 quiz ps
is "no machine" "$out" ""
like "the record says that there is no result" "$(quiz runs list)" "*$id*"

# ---- the terminal that a machine was started from ----

is_idle() {
	[ "$(field "$id" state)" = idle ]
}
for signal in HUP KILL; do
	fresh kept
	quiz --keep sh -c 'echo up; exec sleep 4321' >kept 2>/dev/null </dev/null &
	client=$!
	wait_for 60 grep -q up kept
	id=$(quiz ps --json | awk -F '"' '$2 == "id" { print $4; exit }')
	kill -$signal $client
	wait $client 2>/dev/null
	holds "--keep: with $signal its program ends" wait_for 10 not_in_guest 'sleep 4321'
	wait_for 10 is_idle
	is "and the machine stays" "$(field "$id" state),$(quiz exec "$id" echo alive)" "idle,alive"
	quiz stop "$id"
done

# ---- what a crash of the host leaves ----

live=$(quiz -d sleep 1000)
stale=$XDG_RUNTIME_DIR/quiz/zzzz9
mkdir -m 700 "$stale"
: >"$stale/lock"
: >"$stale/sock"
touch -d '1 hour ago' "$stale" "$XDG_RUNTIME_DIR/quiz/$live"
status "clean" 0 quiz clean
machine_folders() { # not those of templates in the making
	find "$XDG_RUNTIME_DIR/quiz" -mindepth 1 -maxdepth 1 ! -name 'prepare-*' -printf '%f\n'
}
is "removes what is dead" "$(machine_folders)" "$live"
is "not what lives" "$(quiz exec "$live" echo alive)" "alive"
mkdir -m 700 "$stale"
: >"$stale/lock"
touch -d '1 hour ago' "$stale" "$XDG_RUNTIME_DIR/quiz/$live"
status "the next run" 0 quiz true
is "does the same" "$(machine_folders)" "$live"
is "and spares the same" "$(quiz exec "$live" echo alive)" "alive"
holds "with its record" test -d "$(field "$live" record)"
quiz stop --kill "$live" >/dev/null

is "no client is left" "$(clients)" 0
nothing_is_left
done_testing
