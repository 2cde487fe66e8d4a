#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# NFS between two machines: a kernel as distributions ship it, a server in one, a mount in the other.
. "$QUIZ_SOURCE/tests/lib/machine.sh"
QUIZ_KERNEL=$(quiz kernel list | sed 's/^[* ] *//' | awk -v arch="$(uname -m)" '$2 == arch && $5 == "debian" { print $1; exit }')
export QUIZ_KERNEL
[ -n "$QUIZ_KERNEL" ] || skip_all "no distribution's kernel: tests/materials kernel"
need_machine nfs-kernel-server
end_all() {
	quiz stop --kill --all
}
tap_at_exit=end_all

status "a server" 0 quiz -d -p test-needs --net nfs:server sleep 3600
server=$out
status "a client" 0 quiz -d -p test-needs --net nfs:client sleep 3600
client=$out
status "exports" 0 quiz exec "$server" sh -c 'set -e; mkdir /srv/x; mount -t tmpfs none /srv/x; echo there >/srv/x/file
	modprobe nfsd; mount -t nfsd nfsd /proc/fs/nfsd; exportfs -o rw,no_root_squash,fsid=0,insecure "*:/srv/x"
	rpc.nfsd -N 3 -V 4 4; rpc.mountd -N 2 -N 3'
status "is mounted" 0 quiz exec "$client" sh -c 'mount -t nfs4 server:/ /mnt && cat /mnt/file && echo back >/mnt/back && umount /mnt'
is "and read" "$out" "there"
is "and written" "$(quiz exec "$server" cat /srv/x/back)" "back"
quiz stop --kill --all >/dev/null 2>&1
nothing_is_left
done_testing
