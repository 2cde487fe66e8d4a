#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# What a template is of: each thing that changes the machine is changed in turn, and the template of the machine before
# serves no run of the one after. And what changes nothing in the machine makes no other template.
# shellcheck disable=SC2154 # $scratch is the library's
. "$QUIZ_SOURCE/tests/lib/tap.sh"
. "$QUIZ_SOURCE/tests/lib/fake.sh"
FAKE_VMM_FIRMWARE=$scratch/firmware
export FAKE_VMM_FIRMWARE
mkdir -p "$scratch/firmware" "$scratch/one" "$scratch/two" "$scratch/layer/etc" "$scratch/bin"
echo 1 >"$scratch/firmware/bios-microvm.bin"
echo 1 >"$scratch/table"
fake_world

key() { quiz --dry-run "$@" true 2>"$scratch/why" | awk '$1 == "template" { print $2 }'; }
base=$(key)
is "a machine has a template" "$(echo "$base" | grep -cxE '[0-9a-f]{16}')" 1
is "the same machine has the same" "$(key)" "$base"

other() { # NAME KEY: is another one than that of the machine before, and one there is
	if [ -n "$2" ] && [ "$2" != "$base" ]; then ok "$1: another template"; else
		not_ok "$1: another template" "$2 (it was $base) $(cat "$scratch/why")"
	fi
}
same() { is "$1: the same template" "$2" "$base"; }

# ---- options ----
truncate -s 2M "$scratch/disk"
other "memory" "$(key -m 300M)"
other "CPUs" "$(key -c 3)"
other "machine type" "$(key --machine q35)"
other "kernel options" "$(key --append quiz_test=1)"
other "another disk" "$(key --disk 8M)"
other "a disk of the user's" "$(key --disk "$scratch/disk")"
other "a write-protected one" "$(key --disk "$scratch/disk:ro")"
other "a network" "$(key --net user)"
other "a share" "$(key --share "$scratch/one")"
other "one more layer" "$(key --layer "$scratch/layer")"
other "an argument for QEMU" "$(key --qemu-arg=-snapshot)"
mkdir -p "$XDG_CONFIG_HOME/quiz/profiles/more"
printf '[profile]\nsummary = more\nappend = more=1\n' >"$XDG_CONFIG_HOME/quiz/profiles/more/profile.conf"
other "a profile's kernel options" "$(key -p more)"
base=$(key --disk "$scratch/disk")
truncate -s 3M "$scratch/disk"
other "a disk of another size" "$(key --disk "$scratch/disk")"
base=$(key --share "$scratch/one")
other "a share that may be written" "$(key --share "$scratch/one:/mnt:rw")"
base=$(key)

# ---- files ----
changed() { # NAME FILE: touched
	touch -d '2001-01-01' "$2"
	other "$1" "$(key)"
	base=$(key)
}
store=$XDG_DATA_HOME/quiz
of() { quiz --dry-run true | tr ' ' '\n' | sed -n "/^$1\$/{n;p;}"; }
kernel=$(of -kernel)
root=$(find "$store/roots" -name 'root.*' | head -n 1)
initrd=$(of -initrd)
changed "kernel" "$kernel"
changed "root image" "$root"
changed "firmware" "$scratch/firmware/bios-microvm.bin"
echo 2 >"$scratch/firmware/pvh.bin"
other "further firmware" "$(key)"
base=$(key)
changed "initramfs" "$initrd"
cp -rL "$QUIZ_BUILD/tree" "$scratch/quiz-tree"
QUIZ_TREE=$scratch/quiz-tree
base=$(key)
printf 'more' >>"$scratch/quiz-tree/libexec/agents/$(uname -m)/agent.cpio"
other "agent" "$(key)"
QUIZ_TREE=$QUIZ_BUILD/tree
cp "$QUIZ_QEMU" "$scratch/bin/vmm"
was=$QUIZ_QEMU
QUIZ_QEMU=$scratch/bin/vmm
other "another QEMU" "$(key)"
base=$(key)
changed "QEMU built anew" "$QUIZ_QEMU"
# shellcheck disable=SC2016 # for that shell
printf '#!/bin/sh\nexec %s "$@"\n' "$scratch/bin/vmm" >"$scratch/bin/script"
chmod +x "$scratch/bin/script"
QUIZ_QEMU=$scratch/bin/script
other "a script" "$(key)"
base=$(key)
touch -d '2002-02-02' "$scratch/bin/vmm"
other "what a script executes" "$(key)"
FAKE_VMM_VERSION=9.9.9
export FAKE_VMM_VERSION
touch -d '2003-03-03' "$scratch/bin/vmm"
key >/dev/null
like "is asked again" "$(cat "$XDG_CACHE_HOME"/quiz/probes/script-*.json)" '*"version": 90909*'
unset FAKE_VMM_VERSION
QUIZ_QEMU=$was

with_file() { key --qemu-arg=-acpitable "--qemu-arg=file=$scratch/table"; }
base=$(with_file)
echo 2 >"$scratch/table"
other "a file that an argument names" "$(with_file)"
base=$(key --qemu-arg=-D --qemu-arg="$scratch/table")
echo 3 >"$scratch/table"
same "one that is written to" "$(key --qemu-arg=-D --qemu-arg="$scratch/table")"
is "a folder as a disk: none" "$(key --qemu-arg=-drive --qemu-arg="file=fat:$scratch/one")" ""

# ---- what is no part of the machine ----
base=$(key)
same "environment" "$(key --env A=b)"
same "folder" "$(key --cwd /usr)"
same "user" "$(key --user nobody)"
same "limits of time" "$(key --timeout 1h --hang-grace 1h --boot-timeout 1h --linger 1s)"
same "what is told" "$(key -v --strict)"
base=$(key --share "$scratch/one:/mnt")
same "another folder of the host" "$(key --share "$scratch/two:/srv")"
base=$(key --layer "$scratch/layer")
echo new >"$scratch/layer/etc/file"
same "a layer of other content" "$(key --layer "$scratch/layer")"

# ---- and so it is served ----
said() { quiz runs show --json | sed -n "s/^ *\"$1\": *\(.*[^,]\),*\$/\1/p"; }
well_behaved
quiz true
settle
quiz true
is "a second run is a clone" "$(said is_clone)" true
for what in "$scratch/firmware/bios-microvm.bin" "$kernel" "$root" "$initrd"; do
	settle
	touch -d '2004-04-04' "$what"
	quiz true
	is "a run with another ${what##*/} boots" "$(said is_clone) $(said made_template)" "false true"
	settle
	quiz true
	is "and the next one is its clone" "$(said is_clone)" true
done
settle

# ---- and told ----
cp "$QUIZ_QEMU" "$scratch/bin/vmm-2"
QUIZ_QEMU=$scratch/bin/vmm-2 quiz true
settle
list=$(quiz template list)
like "two that look the same are told from each other" "$list" "*base *any profiles [[]made with $scratch/bin/vmm-2]*"
is "and the columns are straight" "$(echo "$list" | awk 'NR == 1 { at = index($0, "MEMORY") } /GiB|MiB/ && NR > 1 && $2 ~ /base|prepared/ { print substr($0, at - 1, 1) == " " && substr($0, at, 1) ~ /[0-9]/ }' | sort -u)" 1
done_testing
