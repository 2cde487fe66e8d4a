#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# tools/deps on a host that lacks things: exactly these are asked for, through apt, and nothing where apt may not be used.
# shellcheck disable=SC1091,SC2016,SC2154 # scripts expand their own words; $out, $err_out and $scratch are the library's
. "$QUIZ_SOURCE/tests/lib/tap.sh"
host=$scratch/host
mkdir "$host"
for tool in sh grep cut sort tr dirname env sudo-is-not-there; do
	path=$(command -v $tool) && ln -s "$path" "$host/$tool"
done
program() { # NAME: its text from stdin
	{ echo "#!$(command -v sh)"; cat; } >"$host/$1"
	chmod +x "$host/$1"
}
# A copy that looks nowhere but in our host's only folder.
mkdir "$scratch/tools"
sed '/^PATH=/d' "$QUIZ_SOURCE/tools/deps" >"$scratch/tools/deps"
cp "$QUIZ_SOURCE/tools/packages" "$scratch/tools/"
deps() {
	env PATH="$host" sh "$scratch/tools/deps" "$@"
}
echo 'echo 1000' | program id
echo 'echo x86_64' | program uname
echo 'exit 1' | program pkg-config

status "a host without apt" 1 deps run
like "what is missing, and for what" "$out" "*qemu-system-x86 *machines*mmdebstrap *roots*"
like "and that apt is" "$err_out" "*this host has no apt: install what brings the same*"

echo 'exit 0' | program apt-cache
echo "printf '%s ' \"\$@\" >>$scratch/apt" | program apt-get
status "-n only says" 1 deps -n run
is "nothing was installed" "$(cat "$scratch/apt" 2>/dev/null)" ""
status "an ordinary user without sudo" 1 deps run
like "gets the command" "$err_out" "*as root:  apt-get install --no-install-recommends *qemu-system-x86*"

echo 'echo 0' | program id
echo 'exit 0' | program mmdebstrap
status "root" 0 deps run
like "installs what is missing" "$(cat "$scratch/apt")" "*install*qemu-system-x86*"
case $(cat "$scratch/apt") in
*mmdebstrap*) not_ok "and nothing else" "$(cat "$scratch/apt")" ;;
*) ok "and nothing else" ;;
esac
echo 'exit 0' | program pkg-config
: >"$scratch/apt"
status "libraries that pkg-config knows" 0 deps build
case $(cat "$scratch/apt") in
*libjansson*) not_ok "are there" "$(cat "$scratch/apt")" ;;
*) ok "are there" ;;
esac
status "an unknown group" 2 deps nonsense
like "names those there are" "$err_out" "*unknown group 'nonsense'; there are: build check *"

# Another host: its own machines are no foreign ones, those of x86_64 are.
echo 'echo s390x' | program uname
: >"$scratch/apt"
status "a host of another architecture" 0 deps run
like "gets QEMU for its own machines" "$(cat "$scratch/apt")" "*install*qemu-system-misc*"
case $(cat "$scratch/apt") in
*qemu-system-x86* | *qemu-system-arm*) not_ok "and for no other" "$(cat "$scratch/apt")" ;;
*) ok "and for no other" ;;
esac
: >"$scratch/apt"
status "what foreign machines need there" 0 deps foreign
like "x86_64 is one of them" "$(cat "$scratch/apt")" "*qemu-system-x86*gcc-x86-64-linux-gnu*libc6-dev-amd64-cross*"
case $(cat "$scratch/apt") in
*gcc-s390x-linux-gnu*) not_ok "the host's own is none" "$(cat "$scratch/apt")" ;;
*) ok "the host's own is none" ;;
esac
echo 'echo x86_64' | program uname

# An index that is too old: the second try has another one.
rm -f "$scratch/apt"
printf '%s\n' "echo \"\$2\" >>$scratch/apt" "[ \"\$(grep -c . $scratch/apt)\" != 1 ]" | program apt-get
status "an old index is read anew" 0 deps run
is "between two tries" "$(tr '\n' ' ' <"$scratch/apt")" "-y update -y "

# quiz doctor reads the same table.
grep -v '^#' "$QUIZ_SOURCE/tools/packages" | awk -F '\t' 'NF < 5 || NF > 6 || $4 !~ /^(must|may)$/ { print FILENAME ": " $0 }' >"$scratch/bad"
is "each row has its columns" "$(cat "$scratch/bad")" ""
done_testing
