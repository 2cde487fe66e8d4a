# shellcheck shell=sh
# SPDX-License-Identifier: MPL-2.0
#
# For tests with OpenZFS in real machines. Source it after machine.sh.
#
#	need_openzfs [PACKAGE...]	goes to the worktree of `tests/materials openzfs`, whose quiz.cfg names the kernel
#					that it is built for; skips the whole test where there is none
#	machine_of PROFILES SCRIPT	a shell script in a machine with these profiles, from the worktree
#	with NAME PROFILES SCRIPT	the same, which must succeed; its output is in $out
#	git_clean NAME			nothing has been changed in the worktree

need_openzfs() {
	openzfs_tree=$("$QUIZ_SOURCE/tools/openzfs-source" -n)
	[ -d "$openzfs_tree/.quiz/openzfs" ] ||
		skip_all "OpenZFS has not been built: tests/materials openzfs"
	cd "$openzfs_tree" || exit 1
	need_machine libtirpc3 "$@"
}

machine_of() {
	quiz -q -T --timeout 12m -p "$1" -C "set -e; $2"
}

with() {
	status "$1" 0 machine_of "$2" "$3"
}

git_clean() {
	is "$1" "$(git -C "$openzfs_tree" status --porcelain)" ""
}
