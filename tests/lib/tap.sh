# shellcheck shell=sh
# SPDX-License-Identifier: MPL-2.0
#
# For shell tests: TAP output, a folder of the test's own, and an environment in which quiz sees nothing of the user's.
# Source it as `. "$QUIZ_SOURCE/tests/lib/tap.sh"`; Meson sets QUIZ_SOURCE and QUIZ_BUILD (the build folder).
#
#	ok NAME				passed
#	not_ok NAME [TEXT]		failed, TEXT as a comment
#	skip NAME REASON		could not run here
#	skip_all REASON			nothing of this file can run here
#	is NAME GOT WANT		equal strings
#	like NAME GOT PATTERN		GOT matches a shell pattern
#	holds NAME COMMAND...		the command succeeds
#	status NAME WANT COMMAND...	the command's exit status; its output is in $out and $err_out
#	wait_for SECONDS COMMAND...	until it succeeds; fails after that many seconds
#	fresh FILE...			what a job in the background is about to write: until it has opened the file, nothing
#					that an earlier one wrote there is taken for its word
#	done_testing			prints the plan; the last line of a test

: "${QUIZ_SOURCE:?}" "${QUIZ_BUILD:?}"
tap_n=0
tap_failed=0
scratch=$(mktemp -d "${TMPDIR:-/tmp}/quiz-test.XXXXXX") || exit 1
tap_cleanup() {
	tap_status=$?
	trap - EXIT
	[ -z "${tap_at_exit:-}" ] || $tap_at_exit >/dev/null 2>&1
	chmod -R u+rwx "$scratch" 2>/dev/null
	rm -rf "$scratch"
	exit $tap_status
}
trap tap_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The user's own configuration and stores stay out of sight.
for tap_variable in $(env | sed -n 's/^\(QUIZ_[A-Z0-9_]*\)=.*/\1/p'); do
	case $tap_variable in
	QUIZ_SOURCE | QUIZ_BUILD | QUIZ_TEST_*) ;;
	*) unset "$tap_variable" ;;
	esac
done
QUIZ_TREE=$QUIZ_BUILD/tree
HOME=$scratch/home
XDG_CONFIG_HOME=$HOME/.config XDG_DATA_HOME=$HOME/.local/share XDG_CACHE_HOME=$HOME/.cache
XDG_STATE_HOME=$HOME/.local/state XDG_RUNTIME_DIR=$scratch/run
mkdir -p "$HOME" "$scratch/bin" "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
ln -s "$QUIZ_BUILD/src/cmd/quiz" "$scratch/bin/quiz"
PATH=$scratch/bin:$PATH
LC_ALL=C
export QUIZ_TREE HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME XDG_STATE_HOME XDG_RUNTIME_DIR PATH LC_ALL

ok() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1"
}

not_ok() {
	tap_n=$((tap_n + 1))
	tap_failed=1
	echo "not ok $tap_n - $1"
	[ -z "${2-}" ] || printf '%s\n' "$2" | sed 's/^/# /'
}

skip() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1 # SKIP $2"
}

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

wait_for() {
	tap_limit=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$tap_limit" ] || return 1
		sleep 0.1
	done
}

fresh() {
	rm -f "$@"
}

is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "got:  $2
want: $3"
	fi
}

like() {
	# shellcheck disable=SC2254 # a pattern is wanted
	case $2 in
	$3) ok "$1" ;;
	*) not_ok "$1" "got:  $2
want: $3" ;;
	esac
}

holds() {
	tap_name=$1
	shift
	if tap_words=$("$@" 2>&1); then
		ok "$tap_name"
	else
		not_ok "$tap_name" "$* failed: $tap_words"
	fi
}

status() {
	tap_name=$1 tap_want=$2
	shift 2
	"$@" >"$scratch/out" 2>"$scratch/err"
	tap_got=$?
	# Both are for the caller.
	# shellcheck disable=SC2034
	out=$(cat "$scratch/out") err_out=$(cat "$scratch/err")
	if [ "$tap_got" = "$tap_want" ]; then
		ok "$tap_name"
	else
		not_ok "$tap_name" "$*: status $tap_got, not $tap_want
$out
$err_out"
	fi
}

done_testing() {
	echo "1..$tap_n"
	exit $tap_failed
}
