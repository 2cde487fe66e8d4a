#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# The examples of the shell version's README and article, as docs/from-the-shell-version.md has them.
# shellcheck disable=SC1091,SC2119,SC2154 # the library is found at run time
. "$QUIZ_SOURCE/tests/lib/machine.sh"
. "$QUIZ_SOURCE/tests/lib/openzfs.sh"
need_openzfs

says() { # COMMAND: a pattern that its output matches
	case $1 in
	"quiz uname -a") echo "Linux quiz *GNU/Linux" ;;
	"quiz cat /proc/version") echo "Linux version *" ;;
	"quiz df -a") echo "Filesystem *proc * /proc
*overlay * /
*" ;;
	"quiz -p zfs zpool status") echo "no pools available" ;;
	"quiz -p zfs lsmod") echo "Module *zfs *spl *" ;;
	*raidz2*) echo "*state: ONLINE*raidz2-0 *quizm0 *quizm5 *errors: No known data errors*" ;;
	*blockdev*) echo "NAME *tank *ONLINE*" ;;
	*) echo "*" ;;
	esac
}
awk '/^```/ { console = ($0 == "```console"); next } console && /^\$ / { print substr($0, 3) }' \
	"$QUIZ_SOURCE/docs/from-the-shell-version.md" >"$scratch/examples"
is "the document has its examples" "$(wc -l <"$scratch/examples")" 10
while read -r command; do
	# As on a terminal: "no pools available" is on stderr.
	status "$command" 0 sh -c "$command 2>&1" </dev/null
	like "$command: what it shows" "$out" "$(says "$command")"
done <"$scratch/examples"

status "the shell takes what is typed" 3 sh -c 'printf "echo in the \$(hostname)\\nexit 3\\n" | quiz'
is "and answers" "$out" "in the quiz"
nothing_is_left
done_testing
