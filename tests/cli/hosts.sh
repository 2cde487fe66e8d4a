#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# hosts.sh HOST: quiz as if it were built for another host than x86_64, whose own machines are native ones then and
# x86_64's are foreign: what is taken for granted without -a, the plans, the hints.
. "$QUIZ_SOURCE/tests/lib/tap.sh"
. "$QUIZ_SOURCE/tests/lib/fake.sh"
host=$1
command -v mkfs.erofs >/dev/null || skip_all "no mkfs.erofs"
cd "$scratch" || exit 1

# An installation like that of the build tree, of the programs for that host. What is in the agent does not matter.
QUIZ_TREE=$scratch/installed
mkdir -p "$QUIZ_TREE/libexec/agents"
ln -s "$QUIZ_BUILD/tests/cli/quiz-image-on-$host" "$QUIZ_TREE/libexec/quiz-image"
ln -s "$QUIZ_BUILD/tree/share" "$QUIZ_TREE/share"
ln -sf "$QUIZ_BUILD/tests/cli/quiz-on-$host" "$scratch/bin/quiz"
for arch in x86_64 "$host"; do
	ln -s "$QUIZ_BUILD/tree/libexec/agents/$(uname -m)" "$QUIZ_TREE/libexec/agents/$arch"
done

case $host in
aarch64) debian=arm64 machine=virt,gic-version=max cpu=cortex-a57 console=ttyAMA0 device=virtio-blk-device ;;
s390x) debian=s390x machine=s390-ccw-virtio cpu=max console=ttysclp0 device=virtio-blk-ccw ;;
*) exit 2 ;;
esac

# An image as far as quiz looks at it: an arm64 Image, a bzImage of s390x; then the banner of a kernel.
image() {
	case $host in
	aarch64)
		head -c 56 /dev/zero
		printf 'ARM\144'
		;;
	s390x)
		head -c 65544 /dev/zero
		printf 'S390EP'
		;;
	esac
	head -c 100 /dev/zero
	printf 'Linux version 6.6.6-toy (me) #1\n'
}
for symbol in EROFS_FS OVERLAY_FS VIRTIO_MMIO VIRTIO_BLK VIRTIO_CONSOLE VIRTIO_PCI VIRTIO_CCW S390_GUEST ACPI 9P_FS NET_9P_VIRTIO \
	VIRTIO_NET SERIAL_8250; do
	echo "CONFIG_$symbol=y"
done >config

QUIZ_QEMU=$QUIZ_BUILD/tests/lib/fake-qemu
export QUIZ_QEMU QUIZ_TREE

status "an empty store" 125 quiz true
like "lacks a kernel for this host, which setup brings" "$err_out" "*a kernel for $host: none is installed*hint: quiz setup"
status "x86_64 is a foreign architecture" 125 quiz -a x86_64 true
like "its kernel is asked for by name" "$err_out" "*a kernel for x86_64*hint: quiz kernel fetch debian -a x86_64"

fake_kernel_image >bzImage
image >Image
status "a kernel of x86_64" 0 quiz kernel add --image bzImage --config config --name theirs
like "is known by its image" "$out" "kernel theirs added (x86_64, *"
status "is none for this host" 125 quiz true
like "and not taken for one" "$err_out" "*a kernel for $host: none is installed*"
status "one of its own" 0 quiz kernel add --image Image --config config --name ours
like "is the one that is taken" "$(quiz kernel list)" "*\\* ours *$host*"
mkdir -p tree/usr/bin
echo x >tree/usr/bin/true
status "a root is the host's, unless it is said" 0 quiz root add tree --name toy
like "in its manifest" "$(quiz root show toy)" "*$host*"
status "one of x86_64" 0 quiz root add tree --name theirs -a x86_64
like "in its manifest, too" "$(quiz root show theirs)" "*x86_64*"

status "a plan without -a" 0 quiz --accel tcg --dry-run uname -m
like "boots this host's kernel" "$out" "kernel    ours*layer     root *roots/toy/root.erofs*"
like "on its own machine" "$out" "*-machine $machine,*"
like "whose CPU is that of emulation" "$out" "* -accel tcg*-cpu $cpu *"
like "its devices" "$out" "*-device $device,*"
like "and its console" "$out" "*console=$console *"
status "with KVM" 0 quiz --accel kvm --dry-run uname -m
like "it has the host's CPU" "$out" "* -accel kvm *-cpu host *"
status "the same by name" 0 quiz --accel tcg -a $debian --dry-run uname -m
like "is no foreign machine" "$out" "kernel    ours*-machine $machine,*"
status "x86_64 under emulation" 0 quiz -a x86_64 --dry-run uname -m
like "boots its kernel and root" "$out" "kernel    theirs*layer     root *roots/theirs/root.erofs*"
like "on its machine" "$out" "*-machine microvm,*-accel tcg*"
status "KVM" 125 quiz -a x86_64 --accel kvm --dry-run true
like "is for the host's own machines" "$err_out" "*cannot use KVM for x86_64 machines: this host is $host*hint: --accel tcg*"
status "the host's root" 0 quiz --root host --dry-run true
status "is none for x86_64" 125 quiz -a x86_64 --root host --dry-run true
like "which is said" "$err_out" "*the host's root is not of architecture 'x86_64'*"

status "what a kernel lacks" 125 quiz -p md --dry-run true
case $err_out in
*" -a "*) not_ok "is mended without -a" "$err_out" ;;
*) ok "is mended without -a" ;;
esac
status "the same of x86_64" 125 quiz -a x86_64 -p md --dry-run true
like "is mended with it" "$err_out" "*hint: *-a x86_64*"
like "the doctor looks at this host's machines" "$(QUIZ_QEMU='' quiz doctor 2>&1)" "*qemu-system-$host*"
done_testing
