# shellcheck shell=sh
# SPDX-License-Identifier: MPL-2.0
# quiz kernel build, from source to store, on a toy of a kernel: a folder that answers to the kernel's make targets.
. "$QUIZ_SOURCE/tests/lib/tap.sh"

store=$XDG_DATA_HOME/quiz/kernels
cd "$scratch" || exit 1
[ "$(uname -m)" = x86_64 ] || skip_all "the toy is one for x86_64"
for tool in make gcc git; do
	command -v $tool >/dev/null || skip_all "no $tool"
done

mkdir -p toy/scripts toy/include/linux toy/arch/x86/include/asm toy/init
echo 'obj-y := main.o' >toy/scripts/Makefile.build
echo '#define TOY 1' >toy/include/linux/toy.h
echo '#define ASM 1' >toy/arch/x86/include/asm/toy.h
echo '# nothing' >toy/arch/x86/Makefile
cat >toy/Kconfig <<'END'
config IMPOSSIBLE
	bool "Can not be had"
	depends on MOON && STARS
END
# An ELF file with the note that makes it bootable by PVH.
cat >toy/init/head.S <<'END'
.globl _start
.text
_start: hlt
.section .note.Xen, "a", @note
.long 4, 8, 18
.asciz "Xen"
.quad 0x1000000
END
cat >toy/Makefile <<'END'
VERSION = 6
PATCHLEVEL = 99
SUBLEVEL = 2
EXTRAVERSION =
OUT = $(CURDIR)/../made
REL = 6.99.2$(shell sed -n 's/^CONFIG_LOCALVERSION="\(.*\)"/\1/p' $(O)/.config)
allnoconfig:
	@mkdir -p $(OUT); grep -v IMPOSSIBLE $(KCONFIG_ALLCONFIG) >$(O)/.config
olddefconfig:
	@true
vmlinux:
	@echo compiled >>$(OUT)/count
	@echo "  CC      init/main.o"
	@echo "$(LLVM) $(CC)" >$(OUT)/compiler
	@[ ! -e $(OUT)/broken ] || { cat $(OUT)/broken >&2; exit 1; }
	@[ ! -e $(OUT)/slow ] || sleep $$(cat $(OUT)/slow)
	@echo "  LD      vmlinux"
	@mkdir -p $(O)/include/config $(O)/include/generated $(O)/scripts/mod $(O)/arch/x86/include/generated
	@gcc -nostdlib -static -o $(O)/vmlinux init/head.S
	@echo "0000000000000000 T _start" >$(O)/System.map
	@echo $(REL) >$(O)/include/config/kernel.release
	@echo "#define AUTO 1" >$(O)/include/generated/autoconf.h
	@echo program >$(O)/scripts/mod/modpost; echo object >$(O)/scripts/mod/modpost.o
scripts_gdb:
	@true
modules:
	@: >$(O)/Module.symvers
modules_install:
	@mkdir -p $(INSTALL_MOD_PATH)/lib/modules/$(REL)/kernel
	@: >$(INSTALL_MOD_PATH)/lib/modules/$(REL)/modules.order
	@: >$(INSTALL_MOD_PATH)/lib/modules/$(REL)/modules.builtin
	@ln -sfn $(O) $(INSTALL_MOD_PATH)/lib/modules/$(REL)/build
END
find toy -type f -exec cksum {} + | sort >before

status "a folder" 0 quiz kernel build --tree toy
is "its id" "$out" 6.99.2-toy
k=$store/6.99.2-toy
holds "a kernel to boot" test -s "$k/vmlinux"
holds "symbols" test -s "$k/debug/vmlinux"
holds "System.map" test -s "$k/System.map"
like "configuration" "$(cat "$k/config")" '*CONFIG_LOCALVERSION="-toy"*CONFIG_VIRTIO_BLK=y*'
like "it is in the list" "$(quiz kernel list)" "*6.99.2-toy*built*"
for f in Makefile scripts/Makefile.build include/linux/toy.h include/generated/autoconf.h scripts/mod/modpost .config \
	arch/x86/Makefile arch/x86/include/asm/toy.h Module.symvers include/config/kernel.release; do
	holds "for modules: $f" test -f "$k/build/$f"
done
holds "no objects in it" test ! -e "$k/build/scripts/mod/modpost.o"
is "no link leads out of the store" "$(find "$k" -lname '/*')" ""
find toy -type f -exec cksum {} + | sort >after
holds "the source is as it was" cmp before after

status "the folder again" 0 quiz kernel build --tree toy
is "is built anew" "$(wc -l <made/count)" 2
status "a flavour" 0 quiz kernel build --tree toy --flavour kmemleak+ubsan
is "its name" "$out" 6.99.2-toy+kmemleak+ubsan
like "its configuration" "$(cat "$store/$out/config")" '*CONFIG_DEBUG_KMEMLEAK=y*CONFIG_LOCALVERSION="-toy+kmemleak+ubsan"*'
status "tiny" 0 quiz kernel build --tree toy -F tiny
like "has no more than it needs" "$(cat "$store/$out/config")" '*CONFIG_EROFS_FS=y*'
holds "no DWARF" test -z "$(grep DEBUG_INFO "$store/$out/config")"
status "a symbol of one's own" 0 quiz kernel build --tree toy --enable FANCY --module LOADED --disable SMP --name mine
like "is there" "$(cat "$store/mine/config")" '*CONFIG_FANCY=y*CONFIG_LOADED=m*CONFIG_SMP is not set*'

mkdir llvm
for tool in clang ld.lld llvm-objcopy; do ln -s /bin/true llvm/$tool; done
ln -s "$(command -v strip)" llvm/llvm-strip
PATH=$scratch/llvm:$PATH
status "llvm" 0 quiz kernel build --tree toy --llvm --name clang
like "is what make is told" "$(cat made/compiler)" "1 *clang"
# Compilers are found by their names in the PATH: one without any for that architecture.
no_cross=$(mktemp -d -p "$scratch")
for tool in make gcc ld flex bison bc; do ln -s "$(command -v $tool)" "$no_cross/$tool"; done
status "a compiler that is not there" 125 env PATH="$no_cross" "$scratch/bin/quiz" kernel build --tree toy -a loongarch64 --name none
like "is named, with its package" "$err_out" "*'loongarch64-linux-gnu-gcc' is not installed*hint: apt-get install gcc-loongarch64-linux-gnu*"

status "what a profile wants" 0 quiz kernel build --tree toy -F tiny -p md:level=6 --name raid
like "is built in" "$(cat "$store/raid/config")" '*CONFIG_BLK_DEV_MD=y*CONFIG_MD_RAID456=y*'
status "what the default flavour has" 0 quiz kernel build --tree toy -p md
is "makes no other kernel" "$out" 6.99.2-toy
status "a profile that is none" 125 quiz kernel build --tree toy -p mdd
like "is named" "$err_out" "*'mdd'*"

status "a dry run" 0 quiz kernel build --tree toy --dry-run -F kmemleak --enable IMPOSSIBLE=n -e NO_SUCH=n -q
like "says what it comes to" "$out" "6.99.2-toy+kmemleak+custom-*: *symbols built in, *as modules"
holds "and leaves nothing" test -z "$(find "$store" "$XDG_CACHE_HOME/quiz/build" -name '*custom-*' ! -name '*.lock' ! -name '*.log')"
status "one that keeps its folder" 0 quiz kernel build --tree toy --dry-run --keep --name looked -q
holds "the configuration is in it, and no kernel is made" sh -c 'test -s "$1"/build/looked-*/.config && test ! -e "$2/looked"' sh \
	"$XDG_CACHE_HOME/quiz" "$store"

status "an impossible symbol" 125 quiz kernel build --tree toy --enable IMPOSSIBLE
like "is named, with what it needs" "$err_out" "*CONFIG_IMPOSSIBLE=y (needs MOON && STARS), asked for by --enable*"
printf 'CONFIG_NOSUCH_IMPOSSIBLE=y\n' >fragment
status "one in a fragment" 125 quiz kernel build --tree toy --config ./fragment
like "and one that does not exist" "$err_out" "*CONFIG_NOSUCH_IMPOSSIBLE=y (this version has no such symbol), asked for by */fragment:1*"
status "two that exclude each other" 125 quiz kernel build --tree toy -F kasan -F kcsan
like "are both named" "$err_out" "*kasan:* wants CONFIG_KASAN=y, kcsan:* wants CONFIG_KASAN=n*"
status "an unknown flavour" 125 quiz kernel build --tree toy -F kasn
like "what was meant" "$err_out" "*did you mean 'kasan'?*"
status "a flavour that is none" 125 quiz kernel build --tree toy -F base

echo "init/main.c:3:1: error: expected ';'" >made/broken
status "a source with a mistake" 125 quiz kernel build --tree toy --name broken
like "the first error and the log" "$err_out" "*init/main.c:3:1: error: expected ';'*hint: less */build/broken.log*"
holds "the log is there" grep -q "expected ';'" "$XDG_CACHE_HOME/quiz/build/broken.log"
holds "nothing in the store" test ! -e "$store/broken"
echo "cc1: fatal error: init/main.o: No space left on device" >made/broken
status "a disk that is full for the compiler" 125 quiz kernel build --tree toy --name broken
like "is the cause, with what makes room" "$err_out" "*No space left on device*hint: quiz kernel rm ID and quiz clean make room*"
rm made/broken
if unshare -rm true 2>/dev/null; then
	mkdir small
	# shellcheck disable=SC2016 # that shell expands it
	status "a disk that is full for the store" 125 unshare -rm sh -c \
		'mount -t tmpfs -o size=20k none "$0" && XDG_DATA_HOME=$0 exec quiz kernel build --tree toy' "$scratch/small"
	like "says so, too" "$err_out" "*No space left on device*hint: quiz kernel rm ID and quiz clean make room*"
else
	skip "a disk that is full for the store" "no user namespaces here"
	skip "says so, too" "no user namespaces here"
fi

# A person at a terminal sees what it does.
echo 1.2 >made/slow
script -qec "quiz kernel build --tree toy" /dev/null </dev/null >seen 2>&1
rm made/slow
like "a progress line: stage, objects of all, time, what make says" "$(cat seen)" \
	"*compiling 6.99.2-toy [[]*[]] 100% 1 of 1 1*s  LD *"
like "and in the end what became of it" "$(tr '\r' '\n' <seen)" "*6.99.2-toy: built in *, 1 objects, *"

# make quotes nothing.
cp -R toy "toy of mine"
status "a folder with spaces" 125 quiz kernel build --tree "toy of mine"
like "is told before anything is done" "$err_out" "*with the ' ' in '*/toy of mine'*hint: rename it*--git '*/toy of mine'*"
status "a cache with a colon" 125 env XDG_CACHE_HOME="$scratch/a:b" quiz kernel build --tree toy
like "what to do about it" "$err_out" "*with the ':' in '*a:b*hint: *XDG_CACHE_HOME=*"
status "a store with spaces" 125 env XDG_DATA_HOME="$scratch/a b" quiz kernel build --tree toy
like "or about that" "$err_out" "*with the ' ' in '*a b*hint: *XDG_DATA_HOME*"
status "a suite that leads elsewhere" 125 quiz kernel build linux-source-6.1/../../suite
like "is none" "$err_out" "*'../../suite' is not a suite*"
holds "and makes no folder" test ! -e "$XDG_CACHE_HOME/suite-amd64"
status "a version of a suite" 125 quiz kernel build 6.12/trixie
like "is a package" "$err_out" "*hint: *quiz kernel build linux-source-6.12/trixie*"

git init -q toy && git -C toy add . && git -C toy -c user.name=q -c user.email=q@example.org commit -qm toy || exit 1
: >toy/.config
status "a folder that was built in" 125 quiz kernel build --tree toy
like "how to mend it" "$err_out" "*hint: make -C */toy mrproper*quiz kernel build --git */toy"
# What git has is built elsewhere: its toy writes beside the checkout.
rm -rf made
mkdir -p "$XDG_CACHE_HOME/quiz/sources/made"
echo 2 >"$XDG_CACHE_HOME/quiz/sources/made/slow"
quiz kernel build --git toy -q >one 2>one.err &
one=$!
quiz kernel build --git toy -q >two 2>two.err
two_status=$?
wait $one
is "two at once: the first" $? 0
is "two at once: the second" $two_status 0
is "the same kernel" "$(cat one)" "$(cat two)"
is "built once" "$(wc -l <"$XDG_CACHE_HOME/quiz/sources/made/count")" 1
holds "its build folder is gone" test -z "$(find "$XDG_CACHE_HOME/quiz/build" -maxdepth 1 -name "$(cat one)-*" -type d)"

echo 61 >"$XDG_CACHE_HOME/quiz/sources/made/slow"
quiz kernel build --git toy -q --name late >late.id 2>late.err &
late=$!
tries=0
until [ "$(wc -l <"$XDG_CACHE_HOME/quiz/sources/made/count")" -gt 1 ] || [ $tries -gt 300 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
kill -TERM $late
wait $late
is "an interrupted build ends by its signal" $? 143
tries=0
while pgrep -f "sleep 61" >/dev/null && [ $tries -lt 50 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
is "with all that it started" "$(pgrep -f "sleep 61")" ""

# Killed, it leaves what its compiler was doing, and nobody comes in between.
echo 2.5 >"$XDG_CACHE_HOME/quiz/sources/made/slow"
count=$(wc -l <"$XDG_CACHE_HOME/quiz/sources/made/count")
quiz kernel build --git toy -q --name late >late.id 2>late.err &
late=$!
tries=0
until [ "$(wc -l <"$XDG_CACHE_HOME/quiz/sources/made/count")" -gt "$count" ] && pgrep -f "sleep 2\.5" >/dev/null || [ $tries -gt 300 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
compiler=$(pgrep -fn "^sleep 2\.5")
kill -KILL $late
wait $late 2>/dev/null
rm "$XDG_CACHE_HOME/quiz/sources/made/slow"
status "and is taken up again" 0 quiz kernel build --git toy --name late
is "its id" "$out" late
like "when nothing of the other one runs any more" "$err_out" "*waiting for pid $late: building kernel late*"
# shellcheck disable=SC2016 # that shell expands it
holds "not its compiler, either" sh -c '[ -n "$1" ] && ! kill -0 "$1" 2>/dev/null' sh "$compiler"

# What a kill has left of getting the source.
commit=$(git -C toy rev-parse HEAD | cut -c1-12)
sources=$XDG_CACHE_HOME/quiz/sources
rm -rf "$sources/git-$commit"
mkdir "$sources/.tmp-git-$commit.77777.0" "$sources/.tmp-git-$commit.77777"
for repository in "$XDG_CACHE_HOME"/quiz/git/*.git; do
	rm "$repository/HEAD"
	: >"$repository/index.lock"
	: >"$repository/shallow.lock"
done
status "after a kill while the source was fetched" 0 quiz kernel build --git toy --name fetched
holds "the half of it is gone" test ! -e "$sources/.tmp-git-$commit.77777.0"
holds "what only looks like it is left" rmdir "$sources/.tmp-git-$commit.77777"

objects=$(find "$XDG_CACHE_HOME/quiz/build" -maxdepth 1 -name '6.99.2-toy-*' -type d)
holds "a folder's objects are kept for its next build" test -n "$objects"
status "clean" 0 quiz clean
holds "leaves what is fresh" test -d "$objects"
touch -d '40 days ago' "$objects"
status "clean, later" 0 quiz clean
like "says what it gave back" "$out" "*build folders of kernels *B*"
holds "objects that are old are gone" test ! -e "$objects"
for doing in "a build:build/late.lock" "an unpacking:sources/.linux-6.99.lock" "a fetch:git/0123.git.lock"; do
	lock=$XDG_CACHE_HOME/quiz/${doing#*:}
	(
		exec 9>"$lock"
		flock 9
		exec sleep 100
	) &
	busy=$!
	tries=0
	until ! flock -n "$lock" true || [ $tries -gt 50 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
	status "clean --cache during ${doing%:*}" 0 quiz clean --cache
	holds "leaves the sources during ${doing%:*}" test -d "$XDG_CACHE_HOME/quiz/sources"
	kill $busy
	wait $busy 2>/dev/null
done
status "clean --cache" 0 quiz clean --cache
like "gives them back, too" "$out" "*sources of kernels *B*"
holds "and they are gone" test ! -e "$XDG_CACHE_HOME/quiz/sources"
status "removing one" 0 quiz kernel rm late
like "says how much it gave back" "$out" "kernel late removed, *B"
is "nothing half-made is left" "$(find "$store" -mindepth 1 -maxdepth 1 -name '.tmp-*')" ""
status "a name that the store can not have" 125 quiz kernel build --tree toy --name +toy
status "no name" 125 quiz kernel build --tree toy --name ""
status "a file" 125 quiz kernel build --tree toy/Makefile
like "is no folder" "$err_out" "*toy/Makefile': it is not a folder*"
cd / || exit 1
status "not a version" 125 quiz kernel build pizza
status "two sources" 125 quiz kernel build 6.1 --tree /tmp
done_testing
