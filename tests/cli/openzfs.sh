# shellcheck shell=sh
# SPDX-License-Identifier: MPL-2.0
# quiz openzfs: a toy tree with a configure script and makefiles of its own, real object files, no kernel.
. "$QUIZ_SOURCE/tests/lib/tap.sh"
command -v cc >/dev/null && command -v readelf >/dev/null && command -v make >/dev/null ||
	skip_all "needs cc, readelf and make"

# ---- a kernel in the store, with just enough of a build tree ----
cd "$scratch" || exit 1
{
	head -c 56 /dev/zero
	printf 'ARM\144'
	head -c 100 /dev/zero
	printf 'Linux version 6.1.0-toy (me) #1\n'
} >Image
arch=$(uname -m)
add_kernel() {
	sed "s/6.1.0-toy/$1/" Image >"Image-$1"
	quiz kernel add --image "Image-$1" --name "$1" >/dev/null 2>&1 || return 1
	kernel=$XDG_DATA_HOME/quiz/kernels/$1
	mkdir -p "$kernel/build/include/linux" "$kernel/build/include/generated"
	: >"$kernel/build/include/linux/miscdevice.h"
	echo "#define UTS_RELEASE \"$1\"" >"$kernel/build/include/generated/utsrelease.h"
	# A module build that makes nothing: then there is no reseeding module, and that is no error.
	printf 'modules:\n\t@false\n' >"$kernel/build/Makefile"
	# What the toy image says is aarch64; the test is about this host's.
	sed -i "s/\"arch\": *\"aarch64\"/\"arch\": \"$arch\"/" "$kernel/manifest.json"
}
holds "a kernel to build for" add_kernel 6.1.0-toy
holds "another one" add_kernel 6.6.0-toy

# ---- the tree ----
mkdir -p tree/module tree/include tree/config
cd tree || exit 1
printf 'Meta:          1\nName:          zfs\nVersion:       9.9.9\nRelease:       1\nLicense:       CDDL\nLinux-Maximum: 6.2\n' >META
echo 'int zfs_answer(int x) { return x + 1; } int zfs_twice(int x) { return zfs_answer(zfs_answer(x)); }' >module/zfs.c
echo 'int spl_pseudo_entropy; int spl_nothing(void) { return 0; }' >module/spl.c
cat >configure <<'END'
#!/bin/sh
# What a configure script does, as far as quiz sees it.
top=$(cd "$(dirname "$0")" && pwd)
printf '%s\n' "$@" >configure.args
env | grep -E '^(ARCH|CROSS_COMPILE|PKG_CONFIG_[A-Z_]*)=' | sort >configure.env
obj=
for a; do case $a in --with-linux-obj=*) obj=${a#*=};; --fail) echo "configure: error: no good" >&2; exit 1;; esac; done
release=$(basename "$(dirname "$obj")")
licence=$(sed -n 's/^License: *//p' "$top/META")
mkdir -p module .libs
flags=
echo 'int f(void){return 0;}' | cc -pg -mfentry -mrecord-mcount -x c -c -o /dev/null - 2>/dev/null &&
	flags='-pg -mfentry -mrecord-mcount'
cat >Makefile <<MAKE
all: module/zfs.ko module/spl.ko .libs/zpool
	mkdir -p module; touch zpool
module/%.ko: $top/module/%.c
	{ cat \$<; printf '%s\n' 'asm(".section .modinfo,\"a\"; .asciz \"vermagic=$release SMP\"; .asciz \"license=$licence\"; .asciz \"depends=\"; .previous");'; } | cc -g $flags -fno-pic -mcmodel=kernel -x c -c -o \$@ - 2>/dev/null || \\
	{ cat \$<; printf '%s\n' 'asm(".section .modinfo,\"a\"; .asciz \"vermagic=$release SMP\"; .asciz \"license=$licence\"; .asciz \"depends=\"; .previous");'; } | cc -g -x c -c -o \$@ -
.libs/zpool:
	echo 'int main(void){return 0;}' | cc -x c -o \$@ - -Wl,-rpath,/a/build/folder/with/a/long/name/lib/.libs
install: all
	mkdir -p \$(DESTDIR)/usr/local/share/zfs \$(DESTDIR)/usr/lib/modules/$release/extra
	echo tests >\$(DESTDIR)/usr/local/share/zfs/zfs-tests.sh
	cp module/zfs.ko \$(DESTDIR)/usr/lib/modules/$release/extra/
gitrev:
	@:
zpool zfs zinject zstream mount.zfs:
	echo \$@ >>tools
broken:
	@echo "spa.c:1:1: error: expected something" >&2; false
MAKE
printf 'all:\n\t@$(MAKE) -C .. module/zfs.ko module/spl.ko\n' >module/Makefile
echo "LINUX_OBJ = $obj" >>module/Makefile
: >config.status
END
chmod +x configure
printf '*.ko\nMakefile\nconfig.status\nconfigure.args\n.libs/\n/zpool\n' >.gitignore
git init -q . 2>/dev/null && git add -A && git -c user.name=t -c user.email=t@t commit -qm toy || skip_all "needs git"
home=$scratch/tree/.quiz/openzfs/6.1.0-toy
stage=$home/stage
extra=$stage/usr/lib/modules/6.1.0-toy/extra

# ---- nothing yet ----
status "status before anything" 0 quiz openzfs status -k 6.1.0-toy
like "says so" "$out" "*stale*"
quiz init >/dev/null
status "stage before make" 125 quiz openzfs stage -k 6.1.0-toy
like "the command that mends it" "$err_out" "*hint: quiz openzfs make -k 6.1.0-toy*"

# ---- configure, make ----
status "configure" 0 quiz openzfs configure --debug -k 6.1.0-toy -- --with-something
args=$(cat "$home/build/configure.args")
like "debug" "$args" "*--enable-debug*"
like "the user's own argument" "$args" "*--with-something"
like "the kernel" "$args" "*--with-linux-obj=*/6.1.0-toy/build*"
like "a cache of this kernel's own" "$args" "*--cache-file=$home/config.cache*"
is "nothing was made in the tree" "$(git status --porcelain)" ""
status "what comes after -- goes to the tree's configure" 0 quiz openzfs configure -k 6.1.0-toy -- --enable-debug --enable-debuginfo
like "as it is" "$(cat "$home/build/configure.args")" "*--enable-debug
--enable-debuginfo"
status "configure again" 0 quiz openzfs configure --debug -k 6.1.0-toy -- --with-something
status "make" 0 quiz openzfs make -k 6.1.0-toy
like "staged" "$err_out" "*for kernel 6.1.0-toy: staged*"
holds "zfs.ko" test -f "$extra/zfs.ko"
holds "spl.ko" test -f "$extra/spl.ko"
holds "zpool" test -x "$stage/usr/local/sbin/zpool"
is "no debug information" "$(readelf -SW "$extra/zfs.ko" | grep -c 'debug.*PROGBITS')" 0
is "the program forgot its build tree" "$(readelf -d "$stage/usr/local/sbin/zpool" | grep -c '/a/build/folder')" 0
holds "the original kept its debug information" sh -c "readelf -SW '$home/build/module/zfs.ko' | grep -q 'debug_info.*PROGBITS'"
if readelf -SW "$home/build/module/zfs.ko" | grep -q __mcount_loc; then
	is "no call to the function tracer" "$(readelf -rW "$extra/zfs.ko" | grep -c __fentry__)" 0
	is "no list of them" "$(readelf -SW "$extra/zfs.ko" | grep -c '__mcount_loc.*PROGBITS')" 0
	is "as many nops as calls" "$(objdump -d "$extra/zfs.ko" | grep -c 'nopl *0x0(%rax,%rax,1)')" \
		"$(readelf -rW "$home/build/module/zfs.ko" | grep -c __fentry__)"
else
	skip "calls to the function tracer" "this compiler does not record them"
fi
status "stage again" 0 quiz openzfs stage -k 6.1.0-toy
like "nothing to do" "$err_out" "*nothing to stage*"
status "status" 0 quiz openzfs status -k 6.1.0-toy
like "current" "$out" "*the next run uses what the tree says*"
like "configured with" "$out" "*--debug*"

# ---- the inner loop ----
sleep 1
echo '/* changed */' >>module/zfs.c
status "status after an edit" 0 quiz openzfs status -k 6.1.0-toy
like "names the file" "$out" "*module/zfs.c is newer than the modules*"
before=$(stat -c %i "$extra/spl.ko")
echo half >"$extra/zfs.ko.tmp.123.4" # of a stage that was killed
status "make modules" 0 quiz openzfs make -k 6.1.0-toy modules
like "staged again" "$err_out" "*: staged*"
is "only what changed" "$(stat -c %i "$extra/spl.ko")" "$before"
holds "and nothing that an earlier one left" test ! -e "$extra/zfs.ko.tmp.123.4"
like "dirty" "$(quiz openzfs status -k 6.1.0-toy)" "*-dirty*"
status "in another user's repository" 0 env GIT_TEST_ASSUME_DIFFERENT_OWNER=1 quiz openzfs status -k 6.1.0-toy
like "why there is no commit" "$out" "*git config --global --add safe.directory $scratch/tree*"
status "JSON" 0 quiz openzfs status -k 6.1.0-toy --json
holds "is JSON" sh -c 'echo "$1" | python3 -m json.tool' sh "$out"

# ---- install ----
status "make install" 0 quiz openzfs make -k 6.1.0-toy install
holds "the tests are there" test -f "$home/install/usr/local/share/zfs/zfs-tests.sh"
is "no modules beside ours" "$(find "$home/install" -name '*.ko')" ""

# ---- where a kernel's headers are: in its build tree, behind a link, or beside it as Debian packs them ----
like "in it" "$args" "*--with-linux=*/6.1.0-toy/build
*"
kernel=$XDG_DATA_HOME/quiz/kernels/6.6.0-toy
mkdir -p "$kernel/headers/linux-headers-6.6.0-common"
mv "$kernel/build" "$kernel/headers/linux-headers-6.6.0-toy"
mv "$kernel/headers/linux-headers-6.6.0-toy/include/linux" "$kernel/headers/linux"
mkdir "$kernel/headers/linux-headers-6.6.0-common/include"
mv "$kernel/headers/linux" "$kernel/headers/linux-headers-6.6.0-common/include/linux"
ln -s headers/linux-headers-6.6.0-toy "$kernel/build"

# ---- failures ----
status "a broken build" 125 quiz openzfs make -k 6.1.0-toy broken
like "the compiler's words" "$err_out" "*spa.c:1:1: error: expected something*"
status "configure fails" 125 quiz openzfs configure -k 6.6.0-toy -- --fail
like "its words" "$err_out" "*configure: error: no good*"
status "configure fails where it had been done" 125 quiz openzfs configure -k 6.1.0-toy -- --fail
status "make afterwards" 0 quiz openzfs make -k 6.1.0-toy
is "has configured it as it was" "$(grep -c -e --fail "$home/build/configure.args")" 0
status "another kernel's build" 125 quiz openzfs stage -k 6.6.0-toy
like "is not taken" "$err_out" "*hint: quiz openzfs make -k 6.6.0-toy*"

# ---- several kernels, GPL, a kernel made anew ----
: >"$scratch/tree/config/user-libunwind.m4" # of 2.3 and later
status "configures by itself; newer than META knows" 0 quiz openzfs make -k 6.6.0-toy
like "without what a minimal root has not" "$(cat "$scratch/tree/.quiz/openzfs/6.6.0-toy/build/configure.args")" "*--without-libunwind*"
like "says so" "$(cat "$scratch/tree/.quiz/openzfs/6.6.0-toy/build/configure.args")" "*--enable-linux-experimental*"
like "the headers beside" "$(cat .quiz/openzfs/6.6.0-toy/build/configure.args)" \
	"*--with-linux=*/headers/linux-headers-6.6.0-common
*--with-linux-obj=*/6.6.0-toy/build*"
holds "both are there" test -f "$extra/zfs.ko" -a -f .quiz/openzfs/6.6.0-toy/stage/usr/lib/modules/6.6.0-toy/extra/zfs.ko
status "GPL" 0 quiz openzfs configure --gpl -k 6.1.0-toy
status "GPL, made" 0 quiz openzfs make -k 6.1.0-toy
like "licence" "$(quiz openzfs status -k 6.1.0-toy)" "*, GPL*"
is "META is as it was" "$(grep License META)" "License:       CDDL"
# A worktree that is copied, or moved, with its build: its makefiles have the paths of where it was.
cp -a "$scratch/tree" "$scratch/copy" && cd "$scratch/copy" || exit 1
echo 'int zfs_only_here(void) { return 0; }' >>module/zfs.c
status "status in a copy" 0 quiz openzfs status -k 6.1.0-toy
like "it was configured in another place" "$out" "*lay in another place*$scratch/tree/*"
status "make in a copy" 0 quiz openzfs make -k 6.1.0-toy
holds "builds what the copy has" grep -q zfs_only_here .quiz/openzfs/6.1.0-toy/stage/usr/lib/modules/6.1.0-toy/extra/zfs.ko
like "with its own paths" "$(cat .quiz/openzfs/6.1.0-toy/build/configure.args)" "*--cache-file=$scratch/copy/*"
is "and with what it had been configured" "$(quiz openzfs status -k 6.1.0-toy | grep -c 'lay in another\|, GPL')" 1
holds "and the first one has nothing of it" sh -c '! grep -rq zfs_only_here "$1"' sh "$home"
mv "$scratch/copy" "$scratch/moved" && cd "$scratch/moved" || exit 1
status "make in a tree that was moved" 0 quiz openzfs make -k 6.1.0-toy
like "is of where it is now" "$(cat .quiz/openzfs/6.1.0-toy/build/configure.args)" "*--cache-file=$scratch/moved/*"
ln -s moved "$scratch/link" && cd "$scratch/link" || exit 1
echo kept >.quiz/openzfs/6.1.0-toy/build/kept
status "make by way of a link" 0 quiz openzfs make -k 6.1.0-toy
holds "does not begin again" test -f .quiz/openzfs/6.1.0-toy/build/kept
cd "$scratch/tree" || exit 1
sed -i 's/"key": *"[^"]*"/"key": "another"/' "$XDG_DATA_HOME/quiz/kernels/6.1.0-toy/manifest.json"
status "a kernel of the same name made anew" 125 quiz openzfs stage -k 6.1.0-toy
like "is noticed" "$err_out" "*made anew since it was configured*"
status "make" 0 quiz openzfs make -k 6.1.0-toy
status "mends it" 0 quiz openzfs stage -k 6.1.0-toy

# ---- another architecture, from the same tree ----
arch=s390x
[ "$(uname -m)" != s390x ] || arch=riscv64
cd "$scratch" || exit 1
holds "a foreign kernel" add_kernel 6.1.0-foreign
cd tree || exit 1
status "without its compiler" 125 env PATH="$scratch/none" "$QUIZ_BUILD/src/cmd/quiz" openzfs -a $arch configure
like "says what to install" "$err_out" "*hint: apt-get install gcc-$arch-linux-gnu*"
if ! command -v $arch-linux-gnu-gcc >/dev/null; then
	printf '#!/bin/sh\nexec cc "$@"\n' >"$scratch/bin/$arch-linux-gnu-gcc"
	chmod +x "$scratch/bin/$arch-linux-gnu-gcc"
fi
sysroot=$XDG_CACHE_HOME/quiz/sysroots/$arch
mkdir -p "$sysroot" && : >"$sysroot/packages.list" # there already: nothing is downloaded
home=$scratch/tree/.quiz/openzfs/6.1.0-foreign
status "configure for it" 0 quiz openzfs -a $arch configure
args=$(cat "$home/build/configure.args")
like "the host is the target" "$args" "*--host=$arch-linux-gnu*"
like "its compiler, with the sysroot" "$args" "*CC=$arch-linux-gnu-gcc --sysroot=$sysroot*"
like "the linker finds what libraries need" "$args" "*LDFLAGS=*-rpath-link,$home/build/.libs *-rpath-link,$home/build/lib/libuutil/.libs*"
like "the compiler of the modules" "$args" "*KERNEL_CC=$arch-linux-gnu-gcc*"
like "a tree that passes nothing on gets ARCH" "$(cat "$home/build/configure.env")" "ARCH=*CROSS_COMPILE=$arch-linux-gnu-*"
like "libraries of the target only" "$(cat "$home/build/configure.env")" "*PKG_CONFIG_SYSROOT_DIR=$sysroot*"
cp "$home/build/configure.env" "$scratch/alone.env"
status "with a developer's own environment" 0 env ARCH=mips CROSS_COMPILE=mips-linux- PKG_CONFIG_LIBDIR=/nowhere \
	PKG_CONFIG_PATH=/nowhere PKG_CONFIG_SYSROOT_DIR=/nowhere quiz openzfs -a $arch configure
is "it is the same" "$(cat "$home/build/configure.env")" "$(cat "$scratch/alone.env")"
quiz openzfs -a $arch make tools >/dev/null 2>&1 # staging misses the modules
is "tools only: they are what pools are made with" "$(sort "$home/build/tools" | tr '\n' ' ')" "mount.zfs zfs zinject zpool "
echo '# KERNEL_ARCH' >config/kernel.m4
status "a tree that passes it on" 0 quiz openzfs configure -a $arch
is "gets no ARCH" "$(grep -c ^ARCH= "$home/build/configure.env")" 0
rm config/kernel.m4
status "the host's kernels stay what the option is not given for" 0 quiz openzfs configure -k 6.6.0-toy
is "built as ever" "$(grep -c -e --host "$scratch/tree/.quiz/openzfs/6.6.0-toy/build/configure.args")" 0
rm -rf "$XDG_DATA_HOME/quiz/kernels/6.1.0-foreign" "$home"
home=$scratch/tree/.quiz/openzfs/6.1.0-toy

# ---- the user's own build in the tree ----
rm -rf .quiz/openzfs
./configure --with-linux-obj="$XDG_DATA_HOME/quiz/kernels/6.1.0-toy/build" && make -s >/dev/null 2>&1
status "a build in the tree" 0 quiz openzfs stage -k 6.1.0-toy
holds "is staged" test -f "$extra/zfs.ko"
like "and named" "$(quiz openzfs status -k 6.1.0-toy --json)" '*"origin": "tree"*'
status "make builds there" 0 quiz openzfs make -k 6.1.0-toy modules
holds "not beside it" test ! -e "$home/build"
status "for another kernel, beside it" 0 quiz openzfs make -k 6.6.0-toy
holds "from links" test -L .quiz/openzfs/6.6.0-toy/source/module/zfs.c
holds "without what was made" test ! -e .quiz/openzfs/6.6.0-toy/source/module/zfs.ko

# ---- elsewhere ----
cd "$scratch" || exit 1
status "in no tree" 125 quiz openzfs make -k 6.1.0-toy
like "what to do" "$err_out" "*hint: cd to the tree's top folder*"
status "by name" 0 quiz openzfs stage -k 6.1.0-toy --build "$scratch/tree"
status "a folder without a build" 125 quiz openzfs stage -k 6.1.0-toy --build "$scratch"
done_testing
