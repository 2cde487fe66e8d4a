#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Private networks between machines: names, addresses, streams between two of them, and what happens to the others when
# a part of it is killed, floods or stops.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
. "$QUIZ_SOURCE/tests/lib/tcp.sh"
need_machine
cd "$scratch" || exit 1

end_all() {
	quiz stop --kill --all 2>/dev/null
}
tap_at_exit=end_all

hubs() { # pids; one that has ended and was not collected by its new parent is no process any more
	for hub_pid in $(pgrep -f "quiz-hub $XDG_RUNTIME_DIR" 2>/dev/null); do
		case $(ps -o stat= -p "$hub_pid" 2>/dev/null) in
		"" | Z*) ;;
		*) echo "$hub_pid" ;;
		esac
	done
}
no_hub() {
	[ -z "$(hubs)" ]
}
another_hub() { # PID: a hub runs that is not this one
	[ -n "$(hubs)" ] && [ "$(hubs)" != "$1" ]
}
idle='while :; do sleep 1; done'

tcp_programs .
cat >flood.pl <<'EOT'
use Socket;
socket(my $s, PF_INET, SOCK_DGRAM, 0) or die;
setsockopt($s, SOL_SOCKET, SO_BROADCAST, 1) or die;
my $to = sockaddr_in(9, INADDR_BROADCAST);
my $end = time + $ARGV[0];
while (time < $end) { send($s, "x" x 1400, 0, $to) for 1 .. 100 }
EOT

# ---- names and addresses ----

status "a name that is none" 125 quiz --net 'a b' true
like "is said" "$err_out" "*'a b' is no name of a network*"
plan=$(quiz --dry-run --net lab:server true)
like "the plan says the address" "$plan" "*with address 10.*.N/24*"
status "the first machine starts the network" 0 quiz -d --net lab:server -- sh -c "$idle"
server=$out
status "the second joins it" 0 quiz -d --net lab:client -- sh -c "$idle"
client=$out
address=$(quiz exec "$server" sh -c "ip -4 -br addr show dev eth0" | awk '{ sub(/\/.*/, "", $3); print $3 }')
like "an address of it" "$address" "10.*.*.*"
is "is in the other's /etc/hosts" "$(quiz exec "$client" getent hosts server | awk '{ print $1, $3 }')" "$address server.lab"
holds "who was there first hears of who came" wait_for 10 quiz exec "$server" getent hosts client.lab
is "a machine is called what the others call it" "$(quiz exec "$server" hostname)" "server"
like "ps shows it" "$(quiz ps)" "*lab:client*lab:server*"
like "ps --json too" "$(quiz ps --json)" "*\"address\": \"$address\"*"
like "and doctor" "$(quiz doctor 2>/dev/null)" "*network lab: client (*), server ($address)*"
status "a name that is taken" 125 quiz --net lab:server true
like "is said" "$err_out" "*has a machine 'server' already*--net lab:OTHER-NAME*"
is "another network sees nothing of it" "$(quiz --net other:client getent hosts server)" ""
is "nor does a machine without one" "$(quiz sh -c 'ls /sys/class/net')" "lo"
is "clones differ" "$(for id in $server $client; do quiz exec "$id" cat /sys/class/net/eth0/address; done | sort -u | wc -l)" 2

# ---- streams ----

for id in $server $client; do
	for file in listen.pl send.pl flood.pl; do
		quiz cp $file "$id:/tmp" || exit 1
	done
done
head -c 20000000 /dev/urandom >blob
listen() { # PORT FILE: what is sent to the server's port, in the background
	fresh "$2" "$2.err"
	timeout 300 quiz exec "$server" perl /tmp/listen.pl "$1" >"$2" 2>"$2.err" </dev/null &
	listener=$!
	wait_for 30 grep -q ready "$2.err"
}
listen 5000 got
status "20 MB by TCP" 0 timeout 300 quiz exec "$client" perl /tmp/send.pl server 5000 <blob
wait $listener
holds "arrive bit-exact" cmp blob got

listen 5001 got
hub=$(hubs)
timeout 300 quiz exec "$client" perl /tmp/send.pl server 5001 <blob >sent 2>&1 &
sender=$!
sleep 1
kill -9 "$hub"
wait $sender
is "a stream survives the hub's kill -9" "$?,$(cat sent)" "0,"
wait $listener
holds "all of it" cmp blob got
holds "there is another hub" another_hub "$hub"
is "addresses stay" "$(quiz exec "$client" getent hosts server | awk '{ print $1 }')" "$address"

# ---- nobody is harmed ----

status "a third" 0 quiz -d --net lab:loud -- sh -c "$idle"
loud=$out
quiz cp flood.pl "$loud:/tmp"
timeout 60 quiz exec "$loud" perl /tmp/flood.pl 5 &
flood=$!
listen 5002 got
status "beside a machine that floods" 0 sh -c "head -c 2000000 blob | timeout 300 quiz exec $client perl /tmp/send.pl server 5002"
wait $listener
holds "a stream goes on" sh -c 'head -c 2000000 blob | cmp - got'
wait $flood
loud_qemu=$(quiz ps --json | awk -v id="\"$loud\"," '$2 == id { here = 1 } here && $1 == "\"vmm_pid\":" { print $2 + 0; exit }')
kill -STOP "$loud_qemu"
timeout 60 quiz exec "$client" perl /tmp/flood.pl 2
listen 5003 got
status "beside a machine that is stopped" 0 sh -c "head -c 2000000 blob | timeout 300 quiz exec $client perl /tmp/send.pl server 5003"
wait $listener
holds "a stream goes on as well" sh -c 'head -c 2000000 blob | cmp - got'
kill -CONT "$loud_qemu"
loud_pid=$(quiz ps --json | awk -v id="\"$loud\"," '$2 == id { here = 1 } here && $1 == "\"pid\":" { print $2 + 0; exit }')
kill -9 "$loud_pid"
gone() {
	! quiz exec "$server" getent hosts loud
}
holds "who was killed is forgotten" wait_for 10 gone
status "its name is free again" 0 quiz --net lab:loud true

# ---- the end ----

quiz stop "$client" >/dev/null 2>&1
quiz wait "$client" >/dev/null 2>&1
holds "a network lives as long as one is in it" another_hub 0
quiz stop --all >/dev/null 2>&1
quiz wait "$server" >/dev/null 2>&1
holds "and ends with the last" wait_for 10 no_hub
nothing_is_left
done_testing
