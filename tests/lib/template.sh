# shellcheck shell=sh
# SPDX-License-Identifier: MPL-2.0
#
# For tests of templates: a folder of templates of the test's own, and a small machine of the type that is the test's
# argument (auto without one). Source it instead of machine.sh.
#
#	said FIELD		what the newest run's record says
#	made NAME, found NAME	checks: it made a template on its way (or why that failed); it is a clone of one that it found
#	small			options of the machine
#	key [OPTION...]		of its template
#	files PATTERN		in the templates' folder
#	wait_prepared OPTION...	until runs with these options are clones of a prepared template

. "$QUIZ_SOURCE/tests/lib/machine.sh"
QUIZ_TEMPLATE_DIR=$scratch/templates
export QUIZ_TEMPLATE_DIR
need_machine
machine=${1:-auto}
small="-m 256M -c 1 --machine $machine"

said() {
	quiz runs show --json "$(quiz runs list | awk 'NR == 1 { print $1 }')" | sed -n "s/^ *\"$1\": *\(.*[^,]\),*\$/\1/p"
}
made() { is "$1: a template was made" "$(said is_clone) $(said made_template) $(said template_failed)" "false true null"; }
found() { is "$1: a clone" "$(said is_clone) $(said made_template)" "true false"; }
# Every quiz of this test's, which may not have come to its folder and its QEMU yet.
quizzes() {
	find /proc/[0-9]*/exe -maxdepth 0 -lname "$(readlink -f "$QUIZ_BUILD/src/cmd/quiz")" 2>/dev/null | while read -r exe; do
		! grep -qzxF "QUIZ_TEMPLATE_DIR=$QUIZ_TEMPLATE_DIR" "${exe%/exe}/environ" 2>/dev/null || echo "$exe"
	done
}
# Prepared templates are made behind the back of the run that wants one. Made or not, it comes to an end.
is_settled() { [ -z "$(quizzes)$(find "$XDG_RUNTIME_DIR/quiz" -name 'prepare-*' 2>/dev/null)$(qemus)" ]; }
# Sweeping is due once a minute: now.
due() { rm -f "$XDG_STATE_HOME/quiz/last-sweep"; }
files() { find "$QUIZ_TEMPLATE_DIR" -name "$1" 2>/dev/null; }
plan() {
	# shellcheck disable=SC2086 # options
	quiz --dry-run $small "$@" true
}
key() { plan "$@" | awk '$1 == "template" { print $2 }'; }
some_qemu() { [ -n "$(qemus)" ]; }
runs_prepared() {
	quiz "$@" true
	[ "$(said is_prepared)" = true ]
}
wait_prepared() {
	wait_for 60 runs_prepared "$@"
}
