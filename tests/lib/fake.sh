# shellcheck shell=sh
# SPDX-License-Identifier: MPL-2.0
#
# For shell tests with the scripted VMM (tests/lib/fake_qemu.c). Source it after tap.sh:
#
#	fake_world		a kernel, a root and fake-qemu as the VMM; leaves by skip_all where no image can be made
#	script LINE...		what the machines of the next runs do
#	well_behaved		nothing special any more
#	fake_machines		how many of this test's machines are alive
#	settle			waits until none is, nor a process that made a template after its run's end
#	forget_templates	none any more, and nothing special
# What the machines did is in $FAKE_VMM_LOG.

: "${scratch:?}"

# A bzImage as far as quiz looks at it: boot flag, HdrS, protocol 2.15, loaded high, its version.
fake_kernel_image() {
	head -c 497 /dev/zero
	printf '\004'
	head -c 12 /dev/zero
	printf '\125\252'
	head -c 2 /dev/zero
	printf 'HdrS\017\002'
	head -c 6 /dev/zero
	printf '\000\001\000\001'
	head -c 238 /dev/zero
	printf '6.6.6-toy (me) #1 SMP\000'
	head -c 4096 /dev/zero
}

fake_world() {
	command -v mkfs.erofs >/dev/null || skip_all "no mkfs.erofs"
	[ -f "$QUIZ_TREE/libexec/agents/$(uname -m)/agent.cpio" ] || skip_all "the agent is not built"
	[ "$(uname -m)" = x86_64 ] || skip_all "the toy kernel is for x86_64"
	fake_kernel_image >"$scratch/bzImage"
	for fake_symbol in EROFS_FS OVERLAY_FS VIRTIO_MMIO VIRTIO_BLK VIRTIO_CONSOLE VIRTIO_PCI ACPI 9P_FS NET_9P_VIRTIO VIRTIO_NET; do
		echo "CONFIG_$fake_symbol=y"
	done >"$scratch/config"
	mkdir -p "$scratch/tree/usr/bin"
	echo x >"$scratch/tree/usr/bin/true"
	quiz kernel add -q --image "$scratch/bzImage" --config "$scratch/config" >/dev/null || exit 1
	quiz root add "$scratch/tree" --name toy >/dev/null 2>&1 || exit 1
	QUIZ_QEMU=$QUIZ_BUILD/tests/lib/fake-qemu
	FAKE_VMM_SCRIPT=$scratch/script
	FAKE_VMM_LOG=$scratch/log
	QUIZ_TEMPLATE_DIR=$scratch/templates
	mkdir -m 700 "$QUIZ_TEMPLATE_DIR"
	QUIZ_MAX_MEMORY=64T # they have none, so none waits for the host's
	export QUIZ_MAX_MEMORY QUIZ_QEMU QUIZ_TEMPLATE_DIR FAKE_VMM_SCRIPT FAKE_VMM_LOG
	well_behaved
}

script() {
	printf '%s\n' "$@" >"$FAKE_VMM_SCRIPT"
	: >"$FAKE_VMM_LOG"
}

well_behaved() {
	: >"$FAKE_VMM_SCRIPT"
	: >"$FAKE_VMM_LOG"
}

fake_machines() {
	for fake_pid in $(pgrep -f "^$QUIZ_QEMU "); do
		tr '\0' '\n' <"/proc/$fake_pid/environ" 2>/dev/null | grep -x "FAKE_VMM_LOG=$FAKE_VMM_LOG"
	done | grep -c .
}

settle() {
	for fake_try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		[ "$(fake_machines)$(find "$XDG_RUNTIME_DIR/quiz" -name 'prepare-*' 2>/dev/null)" != 0 ] || return 0
		sleep 0.5
	done
	echo "# after $fake_try tries something is still there"
}

forget_templates() {
	settle
	rm -rf "${QUIZ_TEMPLATE_DIR:?}"/*
	well_behaved
}
