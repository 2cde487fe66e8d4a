# shellcheck shell=sh
# SPDX-License-Identifier: MPL-2.0
#
# For tests that start real machines: kernels, roots and layers of the user's own store are used (they are slow to make),
# everything else is the test's own. Source it instead of tap.sh.
#
#	need_machine [PACKAGE...]	skips the whole test when a run (in a root with these packages) is not possible here
#	need_kernel_for PROFILES	the default kernel where it has what these need, else the distribution's, which has all
#				as modules; skips the whole test where that is not in the store
#	qemus			pids of QEMUs that this test's runs have left

machine_data=${XDG_DATA_HOME:-$HOME/.local/share} machine_cache=${XDG_CACHE_HOME:-$HOME/.cache}
. "$QUIZ_SOURCE/tests/lib/tap.sh"
XDG_DATA_HOME=$machine_data XDG_CACHE_HOME=$machine_cache
export XDG_DATA_HOME XDG_CACHE_HOME

need_machine() {
	mkdir -p "$XDG_CONFIG_HOME/quiz/profiles/test-needs"
	printf '[profile]\nsummary = what this test needs\npackages = %s\n' "$*" \
		>"$XDG_CONFIG_HOME/quiz/profiles/test-needs/profile.conf"
	machine_why=$(quiz --dry-run -p test-needs true 2>&1) ||
		skip_all "no machine can be started (tests/materials makes what tests need): $(echo "$machine_why" | tr '\n' ' ')"
}

need_kernel_for() {
	quiz --dry-run -p "$1" true >/dev/null 2>"$scratch/why" && return
	grep -q 'needs CONFIG_' "$scratch/why" || skip_all "no machine with $1 can be started: $(tr '\n' ' ' <"$scratch/why")"
	QUIZ_KERNEL=$(quiz kernel list | awk -v arch="$(uname -m)" '{ sub(/^[* ] */, "") }
		$2 == arch && $5 == "debian" { print $1; exit }')
	[ -n "$QUIZ_KERNEL" ] ||
		skip_all "the default kernel lacks what $1 needs, and the distribution's is not there: tests/materials kernel"
	export QUIZ_KERNEL
}

# Sockets and disks of our machines lie in folders of this test, which tells its QEMUs from all others.
qemus() {
	for machine_pid in $(pgrep -f "qemu-system.*$scratch" 2>/dev/null); do
		# One that has ended and is not collected yet by its new parent is no process any more.
		case $(ps -o stat= -p "$machine_pid" 2>/dev/null) in
		"" | Z*) ;;
		*) echo "$machine_pid" ;;
		esac
	done
}

# At the end of each test: nothing is left.
nothing_is_left() {
	# A template may still be in the making, in the background: nobody waits for that but we.
	wait_for 120 no_qemu
	wait_for 10 no_runs
	wait_for 10 no_quizzes
	is "no QEMU is left" "$(qemus)" ""
	is "nothing is left in the runtime folder" "$(ls "$XDG_RUNTIME_DIR/quiz" 2>/dev/null)" ""
	is "no process of quiz is left" "$(quizzes)" ""
	is "nothing is left mounted" "$(grep -F "$scratch" /proc/mounts)" ""
}

# Names of processes of quiz with this test's environment.
quizzes() {
	for machine_status in /proc/[0-9]*/status; do
		machine_name=$(sed -n 's/^Name:[[:space:]]*//p' "$machine_status" 2>/dev/null)
		case $machine_name in
		quiz | quiz-* | qemu-system-*) ;;
		*) continue ;;
		esac
		! grep -qF "XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR" "${machine_status%/status}/environ" 2>/dev/null ||
			echo "$machine_name"
	done
}

no_runs() {
	[ -z "$(ls "$XDG_RUNTIME_DIR/quiz" 2>/dev/null)" ]
}

no_quizzes() {
	[ -z "$(quizzes)" ]
}

no_qemu() {
	[ -z "$(qemus)" ]
}
