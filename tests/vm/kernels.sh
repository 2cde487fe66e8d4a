#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Kernels made by `quiz kernel build` from the distribution's source (tests/materials: kernel-own, kernel-tiny,
# kernel-check): they boot, -k finds them, modules build against them wherever they are, and the checking one checks.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
need_machine
cd "$scratch" || exit 1

kernels() { # ID ARCH VERSION FLAVOUR ORIGIN, of this architecture
	quiz kernel list | awk -v arch="$(uname -m)" '{ sub(/^[* ] */, "") } $2 == arch { print $1, $2, $3, $4, $5 }'
}
id_of() { # FLAVOUR ORIGIN
	kernels | awk -v flavour="$1" -v origin="$2" '$4 == flavour && $5 == origin { print $1; exit }'
}
own=$(id_of - built) tiny=$(id_of tiny built) check=$(id_of check built) debian=$(id_of - debian)
for kernel in "own $own" "tiny $tiny" "check $check"; do
	[ -n "${kernel#* }" ] || skip_all "the kernel '${kernel% *}' is not made: tests/materials kernel-${kernel% *}"
done
version=$(kernels | awk -v id="$own" '$1 == id { print $3 }')

# ---- selection ----

status "the default kernel" 0 quiz uname -a
like "is the own one" "$out" "Linux quiz $own *$(uname -m)*"
status "by its id" 0 quiz -k "$own" uname -r
is "boots it" "$out" "$own"
status "by its version" 0 quiz -k "${version%.*}" uname -r
is "takes the plain flavour of the newest patch release" "$out" "$own"
status "version and flavour" 0 quiz -k "${version%.*}+tiny" uname -r
is "boots tiny" "$out" "$tiny"
status "a flavour alone" 0 quiz -k tiny sh -c 'uname -r; echo kept >/shared/file; exit 0'
is "boots the newest of it" "$out" "$tiny"
is "without 9p /shared comes back" "$(cat "$XDG_STATE_HOME"/quiz/runs/*/artifacts/file)" "kept"
if [ -n "$debian" ]; then
	status "the distribution's own" 0 quiz -k "$debian" uname -r
	is "boots as it was fetched" "$out" "$debian"
else
	skip "the distribution's own" "it is not in the store: tests/materials kernel"
fi
status "a version that is not there" 125 quiz -k 4.4 true
like "and how to get one" "$err_out" "*4.4*hint: quiz kernel *"
status "a flavour that is not there" 125 quiz -k "$version+kcsan" true
like "is named, with what makes it" "$err_out" "*'$version+kcsan'*quiz kernel build $version --flavour kcsan*"

# ---- what it has ----

# shellcheck disable=SC2016 # the machine's shell expands it
status "the default flavour in the machine" 0 quiz -k "$own" sh -c '
	zcat /proc/config.gz | grep -c "^CONFIG_\(KPROBES\|FUNCTION_TRACER\|BPF_SYSCALL\|PERF_EVENTS\|MAGIC_SYSRQ\)=y"
	zcat /proc/config.gz | cmp - "/boot/config-$(uname -r)" && echo same
	test -e /sys/firmware/qemu_fw_cfg && echo fw_cfg
	test -s /sys/kernel/vmcoreinfo && echo vmcoreinfo
	cat /proc/sys/kernel/hung_task_timeout_secs /proc/sys/kernel/watchdog
	modprobe raid1 && modprobe dm-flakey && modprobe null_blk && echo modules'
like "is what it promises" "$out" "5
same
fw_cfg
vmcoreinfo
*modules"
is "no option was compressed, signed or given BTF" \
	"$(grep -cE '^CONFIG_(DEBUG_INFO_BTF|MODULE_SIG|MODULE_COMPRESS_(GZIP|XZ|ZSTD))=y' \
		"$XDG_DATA_HOME/quiz/kernels/$own/config")" 0

# The source that it was built from stays in the cache.
source=$(find "$XDG_CACHE_HOME/quiz/sources" -maxdepth 1 -name "linux-source-*_$version-*" 2>/dev/null | head -1)
if [ -n "$source" ]; then
	status "what no fragment asks for" 0 env QUIZ="$scratch/bin/quiz" "$QUIZ_SOURCE/tests/tools/kernel-unasked" "$source" default tiny
	is "is not compiled into any kernel" "$(echo "$out" | grep -c ', 0 that nobody asks for$')" 2
else
	skip "what no fragment asks for" "the kernel's source is gone: quiz kernel build linux-source"
	skip "is not compiled into any kernel" "the kernel's source is gone"
fi

# ---- modules for it ----

# The tree for modules works from any place, and from a copy, with source and build folder gone.
cp -R "$XDG_DATA_HOME/quiz/kernels/$check/build" moved
is "nothing in it leads out" "$(find moved -lname '/*' | head -1)" ""
# Build programs name their sources in what they tell debuggers, and so does the one assembly file of modpost's.
is "no text in it names where it was made" \
	"$(grep -rIlE '/quiz/(sources/|build/[0-9])' --exclude=devicetable-offsets.s moved | head -3)" ""
for kernel in "$own" "$tiny" "$check"; do
	folder=$(realpath "$XDG_DATA_HOME/quiz/kernels/$kernel")
	is "no link leads out of $kernel's folder" "$(find "$folder" -type l -exec realpath -m {} + | grep -v "^$folder/")" ""
done
cp -R "$QUIZ_SOURCE/tests/data/crashme" crashme
quiz init crashme >/dev/null
without_sources() { # COMMAND...: where quiz's sources and build folders of kernels are empty
	# shellcheck disable=SC2016 # that shell expands it
	unshare -rm sh -c 'for dir in sources build; do
		mkdir -p "$XDG_CACHE_HOME/quiz/$dir" && mount -t tmpfs -o size=1m none "$XDG_CACHE_HOME/quiz/$dir" || exit
	done; exec "$@"' sh "$@"
}
if without_sources make -C "$scratch/moved" M="$scratch/crashme" modules >make.log 2>&1; then
	ok "a module builds against a copy of it"
else
	not_ok "a module builds against a copy of it" "$(tail -5 make.log)"
fi
cd crashme || exit 1
status "check: a module that behaves" 0 quiz -k check -C "insmod $scratch/crashme/crashme.ko && uname -r"
is "in the kernel that it was built for" "$out" "$check"
status "check: an access out of bounds is a crash" 122 quiz -k check -C "insmod $scratch/crashme/crashme.ko &&
	echo oob >/proc/crashme; exit 0"
like "which the guest's kernel reports" "$err_out" "*KASAN: *out-of-bounds in crashme_oob*"
like "with its place in the source" "$err_out" "*crashme.c:$(grep -n 'p\[100 + zero\] = 1' crashme.c | cut -d: -f1)*"
cd ..

# ---- a root whose file system is a module of the kernel ----

mkdir -p data/quiz folder/bin folder/dev folder/proc folder/sys folder/tmp
ln -s "$XDG_DATA_HOME/quiz/kernels" data/quiz/kernels
printf '#include <stdio.h>\nint main(void) { return puts("from ext4") < 0; }\n' >says.c
cc -static -o folder/bin/says says.c
mke2fs -q -F -t ext4 -d folder says.ext4 16M >/dev/null
is "ext4 is no part of the kernel itself" \
	"$(grep '^CONFIG_EXT4_FS=' "$XDG_DATA_HOME/quiz/kernels/$own/config")" CONFIG_EXT4_FS=m
status "an ext4 image as a root" 0 env XDG_DATA_HOME="$scratch/data" quiz root add says.ext4 --name says
status "which boots" 0 env XDG_DATA_HOME="$scratch/data" quiz --cold -k "$own" -r says /bin/says
is "and runs a program" "$out" "from ext4"

# ---- where the time goes ----

status "boot-time" 0 quiz boot-time -k tiny -n 1 --plot time.svg
like "says what took how long" "$out" "*QEMU*kernel*agent*"
holds "its picture is one file of well-formed XML" python3 -c 'import sys, xml.etree.ElementTree as e
r = e.parse("time.svg").getroot(); sys.exit(not r.tag.endswith("svg") or b"href" in open("time.svg", "rb").read())'
nothing_is_left
done_testing
