#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Machines that are up: joined from other terminals, looked at, copied from and to, ended.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
need_machine
cd "$scratch" || exit 1
mkdir tmux
TMUX_TMPDIR=$scratch/tmux
export TMUX_TMPDIR
unset TMUX

end_all() {
	tmux kill-server 2>/dev/null
	quiz stop --kill --all 2>/dev/null
}
tap_at_exit=end_all

field() { # ID NAME: of quiz ps --json
	quiz ps --json | awk -v id="\"$1\"" -v name="\"$2\":" '
		$1 == "\"id\":" { here = index($2, id) }
		here && $1 == name { sub(/^[^:]*: /, ""); sub(/,$/, ""); gsub(/"/, ""); print; exit }'
}
is_gone() {
	[ -z "$(field "$1" state)" ]
}
says() { # COMMAND... PATTERN: what it prints matches
	says_pattern=$1
	shift
	case $("$@" 2>/dev/null) in
	$says_pattern) ;;
	*) return 1 ;;
	esac
}

# ---- in the background ----

status "-d" 0 quiz -d sh -c 'trap "echo heard TERM; exit 7" TERM; echo started; echo complaint >&2
	echo "a word for the kernel log" >/dev/kmsg; while :; do sleep 0.1; done'
a=$out
like "prints an id" "$a" "[a-z][a-z0-9][a-z0-9][a-z0-9][a-z0-9]"
is "and nothing else" "$err_out" ""
is "its program runs when -d returns" "$(field "$a" state)" "running"
like "ps shows the program" "$(quiz ps)" "ID *$a *running*sh -c*"
like "ps --json too" "$(field "$a" program)" "sh -c*"
status "exec" 0 quiz exec "$a" true
status "its status" 3 quiz exec "$a" sh -c 'exit 3'
status "not found" 127 quiz exec "$a" no-such-program
like "which is said" "$err_out" "quiz: *no-such-program*"
status "not executable" 126 quiz exec "$a" /etc/passwd
status "ended by a signal" 137 quiz exec "$a" sh -c 'kill -9 $$'
status "own streams" 0 quiz exec "$a" sh -c 'cat; echo err >&2' </dev/null
is "stderr" "$out,$err_out" ",err"
is "stdin and stdout" "$(printf 'a\nb' | quiz exec "$a" cat -n | cat)" "     1	a
     2	b"
is "arguments arrive exactly" "$(quiz exec "$a" printf '<%s>' 'a b' '' '*' -- --x)" "<a b><><*><--><--x>"
status "folder, user and environment" 0 quiz exec --cwd /usr --user nobody --env THING='a b' "$a" \
	sh -c 'echo "$(pwd),$(id -un),$THING"'
is "as asked" "$out" "/usr,nobody,a b"
is ". is the newest machine" "$(quiz exec . echo yes)" "yes"
is "a prefix will do" "$(quiz exec "$(echo "$a" | cut -c 1-3)" echo yes)" "yes"
status "an id that is none" 125 quiz exec zzzzzz true
like "with a hint" "$err_out" "*zzzzzz*quiz ps*"
status "no program" 125 quiz exec "$a"
holds "the kernel log" wait_for 5 says "*a word for the kernel log*" quiz logs "$a"
holds "the program's output" wait_for 5 says "started
complaint" quiz logs -o "$a"

# ---- many sessions, and clients that go away ----

i=0
while [ $i -lt 50 ]; do
	i=$((i + 1))
	{
		quiz exec "$a" sh -c "echo out $i; sleep 2; exit $i" >"out.$i" 2>&1 </dev/null
		[ "$?,$(cat "out.$i")" = "$i,out $i" ] || echo "$i: $(cat "out.$i")" >>bad
	} &
	pids="${pids-} $!"
done
# shellcheck disable=SC2086 # a list
wait $pids
is "fifty sessions at once" "$(cat bad 2>/dev/null)" ""

quiz exec "$a" sh -c 'trap "touch /tmp/hup" HUP; echo ready; while [ ! -e /tmp/hup ]; do sleep 0.1; done' >victim 2>&1 &
pid=$!
wait_for 10 grep -q ready victim
quiz exec "$a" sh -c 'yes | head -c 20000000' | { sleep 1; wc -c; } >other &
other=$!
kill -9 $pid
wait $pid 2>/dev/null
holds "the program of a client that was killed gets HUP" wait_for 10 quiz exec "$a" test -e /tmp/hup
wait $other
is "no other client is harmed" "$(cat other)" "20000000"
is "nor the program" "$(field "$a" state)" "running"

quiz exec "$a" yes >/dev/null &
stalled=$!
quiz logs -f "$a" >/dev/null &
follower=$!
sleep 0.5
kill -STOP $stalled $follower
quiz exec "$a" sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); echo "a line for who follows the log, and does not read it" >/dev/kmsg; done'
status "beside clients that stall" 0 quiz exec "$a" sh -c 'head -c 3000000 /dev/zero | wc -c'
is "others go on" "$out" "3000000"
is "and the program" "$(field "$a" state)" "running"
kill -CONT $stalled $follower
kill -9 $stalled $follower
wait $stalled $follower 2>/dev/null

# ---- files ----

mkdir -p tree/sub/deep tree/empty
echo one >tree/file
ln tree/file tree/sub/hard
ln -s ../file tree/sub/soft
ln -s /nowhere/at/all tree/dangling
printf '#!/bin/sh\n' >tree/sub/script
chmod 751 tree/sub/script
chmod 700 tree/empty
: >"tree/sub/deep/a name with  spaces and
a newline"
head -c 20000000 /dev/urandom >tree/blob
truncate -s 1G tree/sparse
printf x | dd of=tree/sparse bs=1 seek=500000000 conv=notrunc 2>/dev/null
touch -d '2001-02-03 04:05:06.789' tree/file tree/sub/deep tree/empty
touch -h -d '2003-02-01 00:00:00' tree/dangling
listing() { # everything but inode numbers: kind, mode, links, size, time, name, target
	(cd "$1" && find . -printf '%y %m %n %s %T@ %p %l\n' | sed 's/^d \([0-9]*\) [0-9]* [0-9]*/d \1/' | sort)
}

status "a folder into the machine" 0 quiz cp tree "$a:/tmp"
is "says nothing" "$out$err_out" ""
is "an existing folder gets it under its name" "$(quiz exec "$a" cat /tmp/tree/sub/soft)" "one"
is "modes and times arrive" "$(quiz exec "$a" stat -c '%a %Y' /tmp/tree/sub/script /tmp/tree/empty)" \
	"$(stat -c '%a %Y' tree/sub/script tree/empty)"
holds "holes stay holes" quiz exec "$a" sh -c '[ "$(du -k /tmp/tree/sparse | cut -f 1)" -lt 1000 ]'
status "and back" 0 quiz cp "$a:/tmp/tree" back
is "a new name is taken" "$(listing back)" "$(listing tree)"
holds "all of it bit-exact" cmp tree/blob back/blob
holds "the sparse one too" cmp tree/sparse back/sparse
holds "holes stay holes on the host" sh -c '[ "$(du -k back/sparse | cut -f 1)" -lt 1000 ]'
status "again, over what is there" 0 quiz cp "$a:/tmp/tree/." back
is "it is joined" "$(listing back)" "$(listing tree)"
status "one file" 0 quiz cp "$a:/tmp/tree/file" back/sub
is "into a folder" "$(cat back/sub/file)" "one"
status "one file under a new name" 0 quiz cp tree/file "$a:/tmp/other-name"
is "in the machine" "$(quiz exec "$a" cat /tmp/other-name)" "one"
status "what is not there" 125 quiz cp "$a:/no/such" back
like "is said" "$err_out" "quiz: *'/no/such'*No such file*"
status "what is not here" 125 quiz cp no-such "$a:/tmp"
like "is said too" "$err_out" "quiz: *no-such*"
status "a place that is not there" 125 quiz cp tree/file "$a:/no/such/place"
like "is named" "$err_out" "quiz: *place*No such file*"
status "two paths of the host" 125 quiz cp tree other
status "two of machines" 125 quiz cp "$a:/etc" "$a:/tmp"
quiz exec "$a" sh -c 'mkdir /tmp/odd; mkfifo /tmp/odd/fifo; cp /bin/true /tmp/odd/true; chmod 4755 /tmp/odd/true
	mknod /tmp/odd/null c 1 3; ln -s / /tmp/odd/root'
status "special files" 0 quiz cp "$a:/tmp/odd" odd
is "do not come out of a machine" "$(find odd ! -type d -printf '%f %y %m\n' | sort)" "root l 777
true f 755"
like "which is said" "$err_out" "*fifo*"
record=$(field "$a" record)
is "what carries the bytes is gone from /shared" "$(ls -A "$record/artifacts")" ""
quiz exec "$a" umount /shared
status "without /shared it goes over the channel" 0 quiz cp tree/blob "$a:/tmp/slow"
status "and back" 0 quiz cp "$a:/tmp/slow" slow
holds "bit-exact" cmp tree/blob slow
is "and leaves nothing in the record" "$(ls -A "$record/artifacts")" ""
: >"$record/artifacts/.quiz-cp.1.0"
status "another copy" 0 quiz cp "$a:/etc/passwd" passwd
is "removes what a killed one has left" "$(ls -A "$record/artifacts")" ""
: >"$record/artifacts/.quiz-cp.2.0"
mkdir outside trap
ln -s "$scratch/outside" trap/odd
quiz cp "$a:/tmp/odd" trap >/dev/null 2>&1
is "no link on the way is followed" "$(ls outside)" ""

# ---- ends ----

quiz wait "$a" &
waiter=$!
sleep 0.3
status "stop" 0 quiz stop "$a"
like "asks the program first" "$(quiz logs -o "$a")" "*heard TERM*"
wait $waiter
is "wait has the run's status" $? 7
is "so does the end of the run" "$(ls -A "$record/artifacts")" ""
like "the record stays" "$(quiz logs "$a")" "*a word for the kernel log*"

b=$(quiz -d sh -c 'trap "" TERM; while :; do sleep 1; done')
c=$(quiz -d sleep 1000)
status "a prefix that is not unique" 125 quiz exec "" true
status "stop --kill" 0 quiz stop --kill "$b"
holds "ends it" wait_for 5 is_gone "$b"
supervisor=$(field "$c" pid) vmm=$(field "$c" vmm_pid)
kill -9 "$supervisor"
no_vmm() {
	case $(ps -o stat= -p "$vmm") in
	"" | Z*) ;;
	*) return 1 ;;
	esac
}
holds "kill -9 of a supervisor ends its QEMU" wait_for 2 no_vmm
is "ps knows" "$(quiz ps)" ""

d=$(quiz -d sleep 1000)
quiz wait "$d" &
waiter=$!
sleep 0.3
kill -9 "$(field "$d" vmm_pid)"
wait $waiter
is "kill -9 of a QEMU is a lost guest" $? 120
is "and its machine is gone" "$(quiz ps)" ""

# Its program belongs to the terminal that started it, and can be watched from others.
quiz --keep sh -c 'while [ ! -e /tmp/go ]; do echo tick; sleep 0.2; done; exit 9' >keep.out 2>&1 &
keeper=$!
wait_for 20 grep -q tick keep.out
quiz attach --watch . >watch.out 2>&1 </dev/null &
watcher=$!
holds "attach watches the program of --keep" wait_for 10 grep -q tick watch.out
quiz exec . touch /tmp/go
wait $watcher
is "to its end, with its status" $? 9
wait $keeper
is "which its own terminal has too" $? 9
quiz stop .

fresh keep.out # which has a word of the first: it "stays up"
quiz --keep sh -c 'trap "echo heard TERM; exit 3" TERM; echo up; while :; do sleep 0.1; done' >keep.out 2>&1 &
keeper=$!
wait_for 20 grep -q up keep.out
status "stop" 0 quiz stop .
wait $keeper
like "asks the program of --keep too, whose end is the machine's" "$?,$(cat keep.out)" "3,up*heard TERM"
is "and nothing says that it stays" "$(quiz ps)" ""

status "--keep has the program's status" 5 quiz --keep sh -c 'echo out; exit 5'
is "and its output" "$out" "out"
like "and says how to go on" "$err_out" "*quiz stop*"
is "the machine is up" "$(field "$(quiz ps --json | awk -F '"' '$2 == "id" { print $4; exit }')" state)" "idle"

# ---- with terminals ----

screen() {
	tmux capture-pane -p -t "$1"
}
sees() { # NAME PANE TEXT
	if wait_for 20 on_screen "$2" "$3"; then
		ok "$1"
	else
		not_ok "$1" "$(screen "$2")"
	fi
}
on_screen() {
	screen "$1" | grep -q -- "$2"
}

if command -v tmux >/dev/null; then
	tmux -f /dev/null new-session -d -s one -x 101 -y 31 "quiz shell ." \; set-option -g remain-on-exit on
	tmux -f /dev/null new-session -d -s two -x 77 -y 21 "quiz shell ."
	tmux send-keys -t one 'stty size; echo one-$((20 + 3))' Enter
	tmux send-keys -t two 'stty size; echo two-$((20 + 4))' Enter
	sees "a shell in a terminal" one '^one-23'
	sees "another one" two '^two-24'
	sees "each has the size of its own terminal" one '^31 101'
	sees "the other as well" two '^21 77'
	tmux resize-window -t two -x 90 -y 25
	sleep 0.5
	tmux send-keys -t two 'stty size' Enter
	sees "which follows it" two '^25 90'
	tmux resize-window -t one -x 111 -y 33
	sleep 0.5
	tmux send-keys -t one 'stty size' Enter
	sees "in both" one '^33 111'
	runs_in() { # PROGRAM: it runs in the machine, and is not stopped
		quiz exec . sh -c 'case $(ps -o stat= -p "$(pgrep -f -x "$1")") in "" | T*) exit 1 ;; esac' sh "$1"
	}
	ended() {
		! quiz exec . pgrep -f -x "$1" >/dev/null
	}
	# What is typed in one session is no business of the other's, whose program stays in the foreground meanwhile.
	for pane in one two; do
		case $pane in one) n=1 other=two ;; *) n=2 other=one ;; esac
		tmux send-keys -t $other "sleep ${n}999" Enter
		wait_for 20 runs_in "sleep ${n}999"
		tmux send-keys -t $pane "sleep ${n}001" Enter
		holds "$pane: a program in the foreground" wait_for 20 runs_in "sleep ${n}001"
		tmux send-keys -t $pane C-c
		tmux send-keys -t $pane "echo after-\$(($n + 1))" Enter
		sees "$pane: Ctrl-C ends it only" $pane "^after-$((n + 1))"
		holds "$pane: it is gone" ended "sleep ${n}001"
		tmux send-keys -t $pane "sleep ${n}002" Enter
		wait_for 20 runs_in "sleep ${n}002"
		tmux send-keys -t $pane C-z
		sees "$pane: Ctrl-Z stops it" $pane "Stopped.*sleep ${n}002"
		tmux send-keys -t $pane 'bg' Enter
		holds "$pane: bg lets it run" wait_for 20 runs_in "sleep ${n}002"
		tmux send-keys -t $pane "echo prompt-\$(($n + 5))" Enter
		sees "$pane: behind the prompt" $pane "^prompt-$((n + 5))"
		tmux send-keys -t $pane 'fg' Enter
		sees "$pane: fg" $pane "^sleep ${n}002"
		sleep 0.5
		tmux send-keys -t $pane C-c
		holds "$pane: puts it under Ctrl-C again" wait_for 20 ended "sleep ${n}002"
		holds "$pane: the other session never heard of it" runs_in "sleep ${n}999"
		tmux send-keys -t $other C-c
		wait_for 20 ended "sleep ${n}999"
	done
	quiz stop --all

	tmux -f /dev/null new-session -d -s run -x 90 -y 24 "quiz sh"
	sees "a run in a terminal" run '[#$]'
	tmux send-keys -t run 'echo first-$((1 + 1))' Enter
	sees "answers" run '^first-2'
	tmux -f /dev/null new-session -d -s join -x 80 -y 20 "quiz attach .; echo status \$?"
	sleep 1
	tmux send-keys -t join 'echo second-$((2 + 2))' Enter
	sees "attach: what is typed goes to the program" join '^second-4'
	sees "both terminals see it" run '^second-4'
	tmux send-keys -t join C-] d
	sees "Ctrl-] d detaches" join '^status 0'
	sees "and says so" join 'detached'
	tmux send-keys -t run 'echo third-$((3 + 3))' Enter
	sees "the program goes on" run '^third-6'
	tmux send-keys -t run 'exit' Enter
	tmux kill-server
else
	skip "terminals" "tmux is not installed"
	quiz stop --all
fi

# ---- what comes back at the end ----

status "--collect" 4 quiz --collect /etc/hostname --collect /tmp/made --collect /not/there \
	sh -c 'mkdir /tmp/made; echo x >/tmp/made/x; ln -s / /tmp/made/root; exit 4'
like "says what is not there" "$err_out" "*'/not/there'*No such file*"
artifacts=$XDG_STATE_HOME/quiz/runs/$(quiz runs list | awk 'NR == 1 { print $1 }')/artifacts
holds "a file" test -s "$artifacts/collect/etc/hostname"
is "a folder, its links as links" "$(cd "$artifacts/collect" && find tmp | sort)" "tmp
tmp/made
tmp/made/root
tmp/made/x"
status "--collect when the time is over" 124 quiz --timeout 2s --collect /tmp/made sh -c 'echo x >/tmp/made; sleep 1000'
artifacts=$XDG_STATE_HOME/quiz/runs/$(quiz runs list | awk 'NR == 1 { print $1 }')/artifacts
is "has what was made" "$(cat "$artifacts/collect/tmp/made")" "x"

# A kernel that says of itself that it has no 9p: /shared comes over the channel.
kernel=$(quiz kernel list | awk -v arch="$(uname -m)" '/^\*/ { sub(/^\* */, ""); if ($2 == arch) print $1 }')
mkdir -p data/quiz/kernels
ln -s "$XDG_DATA_HOME/quiz/roots" data/quiz/roots
cp -rs "$XDG_DATA_HOME/quiz/kernels/$kernel" data/quiz/kernels
sed 's/"\(fs_9p\|virtio_9p\)": "[a-z]*"/"\1": "no"/' "$XDG_DATA_HOME/quiz/kernels/$kernel/manifest.json" >manifest
mv -f manifest "data/quiz/kernels/$kernel/manifest.json"
XDG_DATA_HOME=$scratch/data
status "without 9p" 6 quiz sh -c 'mkdir /shared/d; echo kept >/shared/d/file; ln -s / /shared/root; chmod 7777 /shared; exit 6'
is "nothing is said" "$err_out" ""
artifacts=$XDG_STATE_HOME/quiz/runs/$(quiz runs list | awk 'NR == 1 { print $1 }')/artifacts
is "/shared comes back" "$(cd "$artifacts" && find . -type l -o -type f | sort)" "./d/file
./root"
is "not with the guest's mode" "$(stat -c %a "$artifacts")" "755"
status "a share" 125 quiz --share "$scratch:/mnt" true
like "is refused" "$err_out" "*--share needs CONFIG_9P_FS*hint: quiz kernel *"
status "a panic" 122 quiz sh -c 'echo lost >/shared/file; echo c >/proc/sysrq-trigger; sleep 10'
like "is a word about what was lost" "$err_out" "*cannot bring '/shared' back*"
like "which the record keeps" "$(quiz runs show .)" "*note *'/shared'*"
nothing_is_left
done_testing
