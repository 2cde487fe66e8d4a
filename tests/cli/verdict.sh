#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# quiz verdict: a log in, a status out; the same findings in words and as JSON.
. "$QUIZ_SOURCE/tests/lib/tap.sh"
logs=$QUIZ_SOURCE/tests/data/console
x86=$logs/debian-6.1-x86_64

status "a clean log" 0 quiz verdict "$x86/none.log"
like "says so" "$out" "verdict: ok (0): nothing found in * lines"
status "a crash" 122 quiz verdict "$x86/null.log"
like "where in the log, what, in which function" "$out" "$x86/null.log:*-*: oops: NULL pointer dereference in crashme_null \[crashme\]*"
like "its fingerprint" "$out" "*fingerprint oops:crashme_null:*"
status "a hang" 121 quiz verdict "$x86/hang.log"
status "a stall" 121 quiz verdict "$x86/rcustall.log"
status "a failed boot" 123 quiz verdict "$logs/debian-6.1-zfs-2.4/ioapic.log"
status "an assertion of ZFS" 122 quiz verdict "$logs/debian-6.1-zfs-2.4/zfs_verify.log"
status "a warning counts" 122 quiz verdict "$x86/warn.log"
status "unless told otherwise" 0 quiz verdict --no-strict "$x86/warn.log"
like "and is told all the same" "$out" "*warn: WARNING at *"
status "a hang does not count then either" 0 quiz verdict --no-strict "$x86/hang.log"
status "a crash does" 122 quiz verdict --no-strict "$x86/null.log"
status "--allow by class" 0 quiz verdict --allow warn "$x86/warn.log"
status "--allow by fingerprint" 0 quiz verdict --allow 'warn:crashme_warn:*' "$x86/warn.log"
status "--allow of something else" 122 quiz verdict --allow 'warn:other*' "$x86/warn.log"
echo 'oops:crashme_null* since always' >"$scratch/known"
status "--known-issues" 0 quiz verdict --known-issues "$scratch/known" "$x86/null.log"
like "tells the reason" "$out" "*allowed: since always*"

status "standard input" 122 sh -c 'quiz verdict <"$1"' sh "$x86/null.log"
status "standard input by name" 122 sh -c 'quiz verdict - <"$1"' sh "$x86/null.log"
status "cut in the middle of the report" 122 sh -c 'head -n 30 "$1" | quiz verdict' sh "$x86/null.log"
status "an empty log is clean" 0 quiz verdict /dev/null
status "no such log" 125 quiz verdict "$scratch/nowhere"
like "says which" "$err_out" "quiz: cannot open log '$scratch/nowhere': *"
for pattern in '*' '?*' '[a-z]*' ''; do
	status "--allow '$pattern' is refused" 125 quiz verdict --allow "$pattern" "$x86/null.log"
	like "and why" "$err_out" "quiz: --allow '*' *hint: --allow CLASS*"
done
status "--allow of a part of a name" 122 quiz verdict --allow crashme_nul "$x86/null.log"
echo 'NULL pointer dereference in crashme_null' >"$scratch/title"
status "a title in --known-issues hides nothing by its first word" 122 quiz verdict --known-issues "$scratch/title" "$x86/null.log"
echo 'oops in crashme_null' >"$scratch/class"
status "--known-issues with a class" 125 quiz verdict --known-issues "$scratch/class" "$x86/null.log"
like "says which line, and what to write" "$err_out" "*class:1: 'oops' is a whole class*hint: *oops:FUNCTION*"
status "a bad list of known issues" 125 sh -c 'echo "*" >"$1/bad"; quiz verdict --known-issues "$1/bad" /dev/null' sh "$scratch"

# Logs as they come from elsewhere: each of these is the same two logs in another dress, and says the same of both.
stamp='s/^\(<[0-9]*>\)*\[ *[0-9.]*\] //'
dress() { # NAME SED-EXPRESSION
	for log in null none hang; do
		sed "$2" "$x86/$log.log" >"$scratch/$log.dressed"
	done
	status "$1: a crash" 122 quiz verdict "$scratch/null.dressed"
	like "$1: in which function" "$out" "*: oops: NULL pointer dereference in crashme_null \[crashme\]*"
	status "$1: a hang" 121 quiz verdict "$scratch/hang.dressed"
	status "$1: a clean log" 0 quiz verdict "$scratch/none.dressed"
}
cr=$(printf '\r')
dress "without time stamps" "$stamp"
dress "with carriage returns" "s/\$/$cr/"
dress "of syslog" 's/^/Nov 21 18:20:01 host kernel: /'
dress "of syslog, without time stamps" "$stamp;s/^/Nov 21 18:20:01 host kernel: /"
dress "of journalctl" "$stamp;s/^/2026-11-21T18:20:01+0000 host kernel: /"
dress "of a serial console server" 's/^/[2026-11-21 18:20:01.123] /'
dress "of a CI run" 's/^/2026-11-21T18:20:01.1234567Z /'
dress "of QEMU under libvirt, with levels" 's/^/<6>/'
dress "of dmesg with wall clocks" "$stamp;s/^/[Sat Nov 21 18:20:01 2026] /"
# The last line of a log that was cut has no end.
status "cut in the middle of a line" 122 sh -c 'head -c -700 "$1" | quiz verdict' sh "$scratch/null.dressed"
printf 'BUG: kernel NULL pointer dereference, address: 0' >"$scratch/oneline"
status "one line without an end" 122 quiz verdict "$scratch/oneline"

# What is no text is no clean log.
gzip -c "$x86/null.log" >"$scratch/log.gz"
iconv -f UTF-8 -t UTF-16 "$x86/null.log" >"$scratch/log.utf16"
iconv -f UTF-8 -t UTF-16LE "$x86/null.log" >"$scratch/log.utf16le"
for log in gz utf16 utf16le; do
	status "a log in .$log" 125 quiz verdict "$scratch/log.$log"
	like "what it is, and how to read it" "$err_out" "*cannot read log '*': it is *hint: * | quiz verdict*"
	status "piped" 125 sh -c 'quiz verdict <"$1"' sh "$scratch/log.$log"
done
tr '\n' '\r' <"$x86/null.log" >"$scratch/log.mac"
status "a log with carriage returns only" 122 quiz verdict "$scratch/log.mac"
{ cat "$x86/none.log" && echo '** 12 printk messages dropped **'; } >"$scratch/holes"
status "a log with holes is not accused" 0 quiz verdict "$scratch/holes"
like "and they are told" "$out" "*info: 12 kernel messages were lost*"

status "JSON: the status is the same" 122 quiz verdict --json "$x86/null.log"
for word in '"verdict": "crash"' '"status": 122' '"class": "oops"' '"function": "crashme_null"' '"first_line": ' '"excerpt": '; do
	like "JSON has $word" "$out" "*$word*"
done
done_testing
