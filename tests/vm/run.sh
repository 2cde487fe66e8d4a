#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# A program in a fresh machine behaves like a local one: arguments, streams, status.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
need_machine
cd "$scratch" || exit 1

status "true" 0 quiz true
is "true prints nothing" "$out$err_out" ""
status "false" 1 quiz false
status "a status of one's own" 3 quiz sh -c 'exit 3'
status "every status" 255 quiz sh -c 'exit 255'
status "ended by a signal" 137 quiz sh -c 'kill -9 $$'
status "ended by another" 143 quiz sh -c 'kill $$'

status "the kernel is the guest's" 0 quiz uname -a
like "uname" "$out" "Linux quiz *"
status "cat /proc/version" 0 quiz cat /proc/version
like "/proc/version" "$out" "Linux version *"

status "arguments arrive exactly" 0 quiz printf '<%s>' 'a b' '' "it's" '$HOME' '*' '\' 'new
line' '&&x' -- --x
is "arguments" "$out" "<a b><><it's><\$HOME><*><\\><new
line><&&x><--><--x>"
status "a lone && is the shell's" 0 quiz echo a '&&' echo 'b  c'
is "operators" "$out" "a
b  c"
status "|| too" 0 quiz false '||' echo other
is "or" "$out" "other"
status "after -- it is an argument" 0 quiz -- echo a '&&' echo b
is "no operator" "$out" "a && echo b"
status "a script" 4 quiz -C 'printf "%s,%s" "$1" "$2"; exit 4' 'one 1' two
is "the script's arguments" "$out" "one 1,two"

status "two streams" 0 quiz sh -c 'echo out; echo err >&2'
is "stdout" "$out" "out"
is "stderr" "$err_out" "err"
is "stdin with its end" "$(printf 'one\ntwo' | quiz cat -n | cat)" "     1	one
     2	two"
is "stdin from /dev/null" "$(quiz wc -c </dev/null)" "0"
is "closed stdin" "$(quiz wc -c <&-)" "0"
head -c 3000000 /dev/urandom >blob
quiz cat <blob >copy
holds "three megabytes of anything, there and back" cmp blob copy
is "a reader that goes away ends it" "$(quiz sh -c 'while echo y; do :; done' 2>/dev/null | head -n 1)" "y"
status "a terminal that is asked for has an end of input" 0 sh -c 'echo meow | quiz -t cat'
status "a shell of one, too" 7 sh -c 'echo exit 7 | quiz -t bash --norc'
status "the shell of -S ends with the input, and the status is the program's" 3 sh -c 'quiz -S sh -c "exit 3" </dev/null'
is "four in one pipeline" "$(echo abc | quiz cat | quiz tr a-z A-Z | quiz rev | quiz cat)" "CBA"

status "environment" 0 env SOME=thing quiz --env SOME --env OTHER='a b' sh -c 'echo "$SOME,$OTHER,$HOME,$USER"'
is "its values" "$out" "thing,a b,/root,root"
status "working directory" 0 quiz --cwd /usr pwd
is "where it is" "$out" "/usr"
status "user" 0 quiz --user nobody id -un
is "who it is" "$out" "nobody"
status "memory and CPUs" 0 quiz -m 512M -c 1 sh -c 'nproc; grep MemTotal /proc/meminfo'
like "what it got" "$out" "1
MemTotal: *[34]????? kB"
status "a working directory that is not there" 125 quiz --cwd /nowhere true
like "which, why, and what would do" "$err_out" \
	"quiz: cannot start 'true' in the guest: cannot enter '/nowhere': No such file or directory*hint: --cwd *"
status "a user that is not there" 125 quiz --user nobody-there true
like "which, where, and what would do" "$err_out" "quiz: *no user 'nobody-there' in the machine's /etc/passwd*hint: --user *"

mkdir share
echo host >share/file
echo secret >secret
ln -s "$scratch/secret" share/outside
status "a shared folder" 0 quiz --share "$scratch/share:/mnt" cat /mnt/file
is "its file" "$out" "host"
status "read-only by default" 2 quiz --share "$scratch/share:/mnt" sh -c 'echo x 2>/dev/null >/mnt/new'
status "writable when asked" 0 quiz --share "$scratch/share:/mnt:rw" sh -c 'echo guest >/mnt/new'
is "written" "$(cat share/new 2>/dev/null)" "guest"
status "a link out of it leads nowhere" 1 quiz --share "$scratch/share:/mnt" cat /mnt/outside
# What a guest makes in a share that it may write to is nothing that leads out of it, or gives rights, on the host.
status "nor in one to write to" 0 quiz --share "$scratch/share:/mnt:rw" sh -c 'cat /mnt/outside 2>/dev/null | grep -q . && exit 1
	cd /mnt && mknod null c 1 3; mknod disk b 8 0; mkfifo fifo; ln -s /etc/shadow link; ln -s ../../../../etc/shadow up
	cp /bin/true suid; chmod 6755 suid; chown 0:0 suid; mkdir d && ln -s .. d/up; exit 0'
is "devices, links, fifos and set-id files" "$(find share -newer secret \( -type c -o -type b -o -type p -o -perm /6000 \))" ""
is "links are words" "$(find share -type l)" "share/outside"
is "nothing of the host's file" "$out" ""

# One's own program: seen in a workspace, else what makes it so is said, and works as it is said.
mkdir own
printf '#!/bin/sh\necho "mine, in $PWD"\n' >own/prog
printf '#!/no/such/interpreter\n' >own/strange
chmod +x own/prog own/strange
cd own || exit 1
status "outside of a workspace" 127 quiz ./prog
hint=$(printf '%s\n' "$err_out" | sed -n 's/^hint: //p')
is "the hint" "$hint" "quiz init   (machines then see what is in '$PWD'), or: quiz --share $PWD $PWD/prog"
status "what it says" 0 sh -c "${hint#* or: }"
like "runs it" "$out" "mine, in *"
status "the first of it" 0 sh -c "${hint%%   (*}"
status "runs it, too" 0 quiz ./prog
is "where it is" "$out" "mine, in $PWD"
status "a script without its interpreter" 127 quiz ./strange
like "is told apart from one that is not there" "$err_out" "quiz: cannot run './strange' in the guest: its interpreter *"
status "a folder" 126 quiz ./
like "is called one" "$err_out" "quiz: cannot run './' in the guest: it is a folder*"
cd "$scratch" || exit 1
rm -rf own

status "/shared comes back" 0 quiz sh -c 'mkdir /shared/d; echo kept >/shared/d/file'
id=$(quiz runs list | awk 'NR == 1 { print $1 }')
is "in the record" "$(cat "$XDG_STATE_HOME/quiz/runs/$id/artifacts/d/file")" "kept"
like "runs show lists it" "$(quiz runs show "$id")" "*d/file*"
like "console.log has the kernel's words" "$(cat "$XDG_STATE_HOME/quiz/runs/$id/console.log")" "*Linux version*"
status "result.json" 0 quiz runs show --json "$id"
like "its verdict" "$out" '*"verdict": "ok"*'
nothing_is_left
done_testing
