# shellcheck shell=sh
# SPDX-License-Identifier: MPL-2.0
# quiz root: what is added becomes an image with the right owners; what builds go wrong by; the list.
. "$QUIZ_SOURCE/tests/lib/tap.sh"

store=$XDG_DATA_HOME/quiz/roots
cd "$scratch" || exit 1

# ---- a tree as systems without merged /usr have it ----
mkdir -p tree/bin tree/lib tree/usr/bin tree/etc tree/var/lib/dpkg tree/usr/lib tree/dev tree/run/x
echo shell >tree/bin/sh
chmod 4755 tree/bin/sh
ln tree/bin/sh tree/bin/hard
ln -s ../../bin/sh tree/usr/bin/sh
ln -s sh tree/usr/bin/soft
echo library >tree/lib/libx.so
printf 'ID=toy\nVERSION_CODENAME="rattle"\n' >tree/usr/lib/os-release
echo x >tree/run/x/pid
head -c 9000 /dev/zero | tr '\0' z >tree/etc/large
: >tree/etc/empty
printf 'Package: one\nStatus: install ok installed\nVersion: 1-2\n\nPackage: two\nStatus: deinstall ok config-files\nVersion: 3\n\nPackage: three\nVersion: 1:4\nStatus: install ok installed\n' \
	>tree/var/lib/dpkg/status
tar -C tree --owner=1234 --group=5678 --numeric-owner -cf toy.tar .

status "a tarball" 0 quiz root add toy.tar
like "says what it is" "$out" "root toy added (*, * KiB, 2 packages)*"
status "the same once more" 125 quiz root add toy.tar
like "says how to go on" "$err_out" "*hint: quiz root rm toy, or --name another*"
gzip -k toy.tar
status "compressed, by another name" 0 quiz root add toy.tar.gz --name zipped -a s390x
status "a folder" 0 quiz root add tree/ --name folder
status "an image" 0 quiz root add "$store/toy/root.erofs" --name image
holds "is taken as it is" cmp "$store/toy/root.erofs" "$store/image/root.erofs"
show=$(quiz root show toy)
like "packages of the dpkg database" "$show" "*packages  2
  one 1-2
  three 1:4*"
like "the suite it says it is" "$show" "*suite     rattle*"
key=$(quiz root show --json toy | sed -n 's/.*"key": "\(.*\)".*/\1/p')
is "the key is the content's, not the packing's" "$(quiz root show --json zipped | sed -n 's/.*"key": "\(.*\)".*/\1/p')" "$key"

if command -v fsck.erofs >/dev/null; then
	holds "a sound image" fsck.erofs "$store/toy/root.erofs"
	holds "a sound image of the folder" fsck.erofs "$store/folder/root.erofs"
else
	skip "a sound image" "fsck.erofs is not installed"
fi
if [ "$(id -u)" = 0 ] && mkdir mnt && mount -t erofs -o loop,ro "$store/toy/root.erofs" mnt 2>/dev/null; then
	tap_at_exit="umount $scratch/mnt"
	is "owner and mode" "$(stat -c '%u:%g %a %h' mnt/usr/bin/sh)" "1234:5678 4755 2"
	is "merged /usr" "$(readlink mnt/bin) $(readlink mnt/lib)" "usr/bin usr/lib"
	is "content through the links" "$(cat mnt/bin/hard mnt/usr/bin/soft mnt/lib/libx.so)" "$(printf 'shell\nshell\nlibrary')"
	holds "large file" cmp tree/etc/large mnt/etc/large
	is "nothing of the running system" "$(ls -A mnt/run mnt/dev)" "$(printf 'mnt/dev:\n\nmnt/run:')"
	is "places to mount on" "$(stat -c '%a' mnt/tmp mnt/proc)" "$(printf '1777\n555')"
	umount mnt
	tap_at_exit=
else
	skip "owner and mode" "only root can mount it, where the kernel has EROFS"
fi

# ---- what can not be added ----
status "nothing there" 125 quiz root add nowhere
like "is named" "$err_out" "*'nowhere'*"
seq 1000 >noise
status "no archive" 125 quiz root add noise
like "is named too" "$err_out" "*archive*noise*"
head -c 20000 toy.tar >cut.tar
status "half an archive" 125 quiz root add cut.tar
mkdir hollow
status "a folder without programs" 125 quiz root add hollow
like "says what it wants" "$err_out" "*neither /bin nor /usr/bin*"
status "a name that is a path" 125 quiz root add toy.tar --name ../x
status "an unknown architecture" 125 quiz root add toy.tar --name x -a vax
is "nothing half-made is left" "$(find "$store" -mindepth 1 -maxdepth 1 -name '.tmp-*')" ""
mkdir evil
ln -s /etc evil/link
(cd evil && echo x >f && tar -P --transform 's,^f$,../../escaped,' -cf ../evil.tar f)
status "an archive that wants out" 125 quiz root add evil.tar
like "is told so" "$err_out" "*'..'*"

# ---- list and rm ----
is "list" "$(quiz root list --json | grep -c '"id":')" 4
like "a table" "$(quiz root list)" "*4 roots, *"
status "rm wants exact names" 125 quiz root rm rattle
status "rm" 0 quiz root rm image zipped
like "says the space" "$out" "*root image removed, *KiB*root zipped removed*"
mkdir "$store/broken"
status "list with a damaged one" 0 quiz root list
like "names it" "$err_out" "*root 'broken' is damaged*hint: quiz root rm broken*"
status "and it goes" 0 quiz root rm broken

# ---- builds, with a stand-in for mmdebstrap ----
if [ "$(id -u)" != 0 ] && ! { command -v newuidmap && grep -q "^$(id -un):" /etc/subuid /etc/subgid; } >/dev/null; then
	skip "builds" "this user has no subordinate ids"
	done_testing
	exit
fi
cat >bin/mmdebstrap <<'FAKE'
#!/bin/sh
[ "$1" = --unshare-helper ] && { shift; exec "$@"; }
while [ $# -gt 3 ]; do echo "argument $1"; shift; done
echo "I: running apt-get update..."
case $1 in
full) echo "dpkg: write error: No space left on device"; exit 1 ;;
broken) echo "E: Unable to locate package nosuch"; exit 1 ;;
esac
cp "$FAKE_TAR" "$2"
FAKE
chmod +x bin/mmdebstrap
FAKE_TAR=$scratch/toy.tar TMPDIR=$scratch/tmp
export FAKE_TAR TMPDIR
mkdir "$TMPDIR"
build="quiz root build --mirror http://127.0.0.1:9/toy"
# shellcheck disable=SC2086
{
	status "build" 0 $build --suite rattle --package gdb --package strace
	like "id from what was asked for" "$out" "root debian-rattle-minimal+gdb+strace built *"
	like "stages are told" "$err_out" "*getting package lists*making the image*"
	log=$XDG_STATE_HOME/quiz/logs/root-debian-rattle-minimal+gdb+strace.log
	like "what mmdebstrap was told" "$(cat "$log")" "*--include=*,kmod,*,gdb,strace*"
	status "again" 0 $build --suite rattle --package gdb --package strace
	like "gets a number" "$out" "root debian-rattle-minimal+gdb+strace.2 built *"
	status "a full disk" 125 $build --suite full
	like "is told as such" "$err_out" "*quiz: cannot build a root: the disk of * is full
hint: TMPDIR=*"
	status "a package that is not there" 125 $build --suite broken
	like "in apt's words, with the log" "$err_out" "*E: Unable to locate package nosuch
hint: the whole story is in $XDG_STATE_HOME/quiz/logs/root-debian-broken-minimal.log"
	status "an unknown set" 125 $build --suite rattle --set huge
	like "known ones are named" "$err_out" "*hint: known are minimal, zfs, zts, debug, tiny*"
	status "packages that a machine installs" 125 $build --suite rattle -a s390x --in-machine
	like "want a kernel for that machine first" "$err_out" "*cannot build a root for s390x*a kernel for s390x: none is installed
hint: quiz kernel fetch debian -a s390x"
	status "a package name that is an option" 125 $build --suite rattle --package -y
}
is "nothing half-made is left by builds" "$(find "$store" -maxdepth 1 -name '.tmp-*'; ls "$TMPDIR")" ""
rm bin/mmdebstrap
status "without mmdebstrap" 125 env "PATH=$scratch/bin" quiz root build
like "says how to get it" "$err_out" "*hint: *apt-get install mmdebstrap*"

# ---- disks that outlive machines ----
mkdir -p "$XDG_STATE_HOME/quiz/disks/tank"
truncate -s 64M "$XDG_STATE_HOME/quiz/disks/tank/0.img"
like "disk list" "$(quiz disk list)" "*tank *1 *64 MiB*"
status "disk rm" 0 quiz disk rm tank
status "disk rm of nothing" 125 quiz disk rm tank
like "points to the list" "$err_out" "*hint: quiz disk list*"
done_testing
