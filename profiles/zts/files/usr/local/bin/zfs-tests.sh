#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# The test suite's own script, from the PATH, with the machine's disks.
#
# It ends with 0 when a selection matched no test at all; that is no success.
for suite in /usr/local/share/zfs /usr/share/zfs; do
	if [ -x "$suite/zfs-tests.sh" ]; then
		break
	fi
	suite=
done
if [ -z "$suite" ]; then
	echo "the test suite is not installed: quiz openzfs make install" >&2
	exit 125
fi
if [ -z "${DISKS:-}" ]; then
	DISKS=$(cd /dev && echo quizb*)
	export DISKS
fi
"$suite/zfs-tests.sh" "$@"
status=$?
log=/var/tmp/test_results/current/log
if [ "$status" -eq 0 ] && [ -e "$log" ] && ! grep -q '^Test\|Test: ' "$log"; then
	echo "no test was run: does the selection match any?" >&2
	exit 1
fi
exit "$status"
