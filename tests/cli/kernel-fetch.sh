# shellcheck shell=sh
# SPDX-License-Identifier: MPL-2.0
# quiz kernel fetch, list, show, rm against a package archive of the test's own, over file: URIs.
. "$QUIZ_SOURCE/tests/lib/tap.sh"

for tool in apt-get dpkg dpkg-deb depmod cc make python3 flock; do
	PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || skip_all "$tool is not there"
done
[ "$(dpkg --print-architecture)" = amd64 ] || skip_all "the toy kernels are for x86_64 hosts"
suite=$(sed -n 's/^VERSION_CODENAME="*\([^"]*\)"*$/\1/p' /etc/os-release)
[ -n "$suite" ] || skip_all "this distribution has no release name"

archive=$scratch/archive
store=$XDG_DATA_HOME/quiz/kernels
new=6.1.0-7-amd64
old=6.1.0-6-amd64
"$QUIZ_SOURCE/tests/lib/kernel_archive" "$archive" "$suite" amd64 || skip_all "the archive could not be made"

# The host's sources, as quiz finds them: ours, in both formats, and one that is not the distribution's.
mkdir -p "$scratch/parts"
echo "deb [trusted=yes] file:$archive $suite main" >"$scratch/parts/a.list"
printf 'Types: deb\nURIs: http://127.0.0.1:9/\nSuites: third-party\nComponents: main\n' >"$scratch/parts/b.sources"
cat >"$scratch/apt.conf" <<CONF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$scratch/parts";
CONF
APT_CONFIG=$scratch/apt.conf
export APT_CONFIG

nothing_half_made() {
	is "$1" "$(find "$store" -mindepth 1 -maxdepth 1 -name '.tmp-*' 2>/dev/null)" ""
}

status "no kernel yet: list" 0 quiz kernel list
like "it says how to get one" "$err_out" "*quiz kernel fetch debian*"

status "fetch" 0 quiz kernel fetch debian
like "the newest of the plain flavour" "$out" "kernel $new fetched (x86_64, *"
like "the stages are on stderr" "$err_out" "*downloading linux-image-$new*"
nothing_half_made "nothing half-made is left"
status "again" 0 quiz kernel fetch debian
is "it is there" "$out" "kernel $new is there already"

status "show" 0 quiz kernel show
like "uncompressed, with PVH" "$out" "*boots       vmlinux (PVH entry*"
like "modules before those that need them, what is built in left out, one file system" "$out" \
	"*initramfs   virtio.ko virtio_mmio.ko virtio_blk.ko erofs.ko"
like "features by config and what is shipped" "$out" "*virtio_mmio(m) virtio_blk(m) virtio_console erofs(m) overlay*"
case $out in *squashfs*) not_ok "a module that is not shipped is no feature" "$out" ;; *) ok "a module that is not shipped is no feature" ;; esac
holds "modules are plain" test -f "$store/$new/modules/lib/modules/$new/kernel/fs/erofs/erofs.ko"
holds "modules are indexed" test -s "$store/$new/modules/lib/modules/$new/modules.dep"
holds "the guest finds the config" test -f "$store/$new/layer/boot/config-$new"
is "the initramfs part" "$(cpio -it --quiet <"$store/$new/initrd.cpio" 2>/dev/null | tr '\n' ' ')" \
	"quiz quiz/modules quiz/modules/order quiz/modules/virtio.ko quiz/modules/virtio_mmio.ko quiz/modules/virtio_blk.ko quiz/modules/erofs.ko "

mkdir "$scratch/elsewhere"
cp -a "$store/$new" "$scratch/elsewhere/"
chmod -R a-w "$scratch/elsewhere/$new"
is "external modules build from any place" "$(make -s -C "$scratch/elsewhere/$new/build" M=/some/module modules)" \
	"built for /some/module"
chmod -R u+w "$scratch/elsewhere/$new"

status "an older one by its version" 0 quiz kernel fetch -q debian:6.1.0-6
is "quiet: no result" "$out" ""
is "and no progress, but what one should know" "$err_out" \
	"no package 'linux-headers-$old': no external modules for this kernel"
status "a flavour" 0 quiz kernel fetch debian:cloud
like "it is the cloud one" "$out" "kernel 6.1.0-7-cloud-amd64 fetched*"
status "list" 0 quiz kernel list
is "the default is marked" "$(printf '%s\n' "$out" | sed -n 's/^\* \([^ ]*\) .*/\1/p')" "$new"
is "three of them" "$(quiz kernel list --json | grep -c '"id":')" 3
is "6.1.8 means the older one" "$(quiz kernel show 6.1.8 | sed -n 's/^id  *//p')" "$old"

status "debug information for a kernel that is there" 0 quiz kernel fetch --debug debian
is "its vmlinux" "$(cat "$store/$new/debug/vmlinux")" "all symbols"
nothing_half_made "and nothing else"

status "no such kernel" 125 quiz kernel fetch debian:9.9
like "it names what and where" "$err_out" "*cannot find a kernel package for '9.9' for amd64 in $suite*hint: *"
status "no such architecture" 125 quiz kernel fetch debian -a pdp11
status "no such source" 125 quiz kernel fetch fedora
status "no such option" 125 quiz kernel fetch --suit x

# ---- removal and locks ----
status "in use" 125 flock -s "$store/$old" quiz kernel rm "$old"
like "a machine uses it" "$err_out" "*a machine uses it*"
status "rm" 0 quiz kernel rm "$old"
like "and the space it gave" "$out" "kernel $old removed, *"
status "rm of nothing" 125 quiz kernel rm "$old"

# ---- two at once: the second waits and says for whom ----
mkfifo "$scratch/go"
# The variables are for the inner shell.
# shellcheck disable=SC2016
flock "$store/.locks/$old" sh -c 'echo "pid 1: fetching kernel, says the test" >"$0"; read -r line <"$1"' \
	"$store/.locks/$old" "$scratch/go" &
holder=$!
until [ -s "$store/.locks/$old" ] && grep -q "says the test" "$store/.locks/$old"; do sleep 0.05; done
fresh "$scratch/err"
quiz kernel fetch debian:6.1.0-6 >"$scratch/out" 2>"$scratch/err" &
waiter=$!
until grep -qs waiting "$scratch/err" || ! kill -0 $waiter 2>/dev/null; do sleep 0.05; done
like "it waits" "$(cat "$scratch/err")" "*waiting for pid 1: fetching kernel, says the test*"
echo >"$scratch/go"
wait $holder
wait $waiter
is "and then does it" "$?" 0

# ---- what goes wrong in the middle ----
quiz kernel rm "$old" >/dev/null
# Said without a source, and outside of one, the distribution's is meant.
status "quiz kernel build --flavour kasan" 125 quiz kernel build --flavour kasan
like "asks for the distribution's source" "$err_out" "*cannot find package 'linux-source' in suite '$suite'*"

mkdir "$scratch/stub"
cat >"$scratch/stub/apt-get" <<STUB
#!/bin/sh
case " \$* " in *" download "*) echo >"$scratch/started"; exec sleep 300 ;; esac
exec $(command -v apt-get) "\$@"
STUB
chmod +x "$scratch/stub/apt-get"
PATH=$scratch/stub:$PATH quiz kernel fetch debian:6.1.0-6 >/dev/null 2>&1 &
victim=$!
until [ -e "$scratch/started" ]; do sleep 0.05; done
kill -TERM $victim
wait $victim
is "ended by a signal" "$?" 143
nothing_half_made "what was half-made is gone"

mkdir -p "$store/.tmp-6.1.0-6-amd64.999999999.0/build"
mkdir "$store/half-removed"
cp -a "$archive" "$scratch/archive.good"
deb=$archive/pool/linux-image-${old}_6.1.8-1_amd64.deb
printf X | dd of="$deb" bs=1 seek=2000 conv=notrunc 2>/dev/null
status "a package that is not what the list says" 125 quiz kernel fetch debian:6.1.0-6
like "apt's reason" "$err_out" "*cannot download kernel $old*"
nothing_half_made "leftovers of crashed runs are swept, too"
holds "also of interrupted removals" test ! -e "$store/half-removed"
rm -rf "$archive"
mv "$scratch/archive.good" "$archive"
status "and it works again" 0 quiz kernel fetch debian:6.1.0-6

if unshare -rm true 2>/dev/null; then
	mkdir -p "$scratch/small"
	# The variables are for the inner shell.
	# shellcheck disable=SC2016
	status "a full disk" 125 unshare -rm sh -c \
		'mount -t tmpfs -o size=20k none "$0" && XDG_DATA_HOME=$0 exec quiz kernel fetch debian' "$scratch/small"
	like "is said once" "$(printf '%s' "$err_out" | grep -c '^quiz: ')" 1
	like "by name" "$err_out" "*No space left on device*"
else
	skip "a full disk" "no user namespaces here"
fi
done_testing
