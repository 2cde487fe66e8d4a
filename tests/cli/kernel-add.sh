# shellcheck shell=sh
# SPDX-License-Identifier: MPL-2.0
# quiz kernel add: any kernel, its release and architecture read from the files.
. "$QUIZ_SOURCE/tests/lib/tap.sh"

store=$XDG_DATA_HOME/quiz/kernels
cd "$scratch" || exit 1

# The first words of an arm64 Image, then its banner.
{
	head -c 56 /dev/zero
	printf 'ARM\144'
	head -c 100 /dev/zero
	printf 'Linux version 6.6.6-toy (me) #1\n'
} >Image

status "add" 0 quiz kernel add --image Image
like "release and architecture from the image" "$out" "kernel 6.6.6-toy added (aarch64, *"
status "show" 0 quiz kernel show 6.6.6-toy
like "its origin" "$out" "*origin      added: *Image*"
like "nothing to load before the root" "$out" "*initramfs   nothing needed*"
status "again" 125 quiz kernel add --image Image
like "what to do" "$err_out" "*hint: quiz kernel rm 6.6.6-toy, or --name ID*"
status "under another name" 0 quiz kernel add --image Image --name mine
is "both" "$(quiz kernel list --json | grep -c '"id":')" 2

gzip -c Image >Image.gz
status "compressed, architecture unknown" 125 quiz kernel add --image Image.gz --name zipped
like "asks for it" "$err_out" "*hint: quiz kernel add -a ARCH*"
status "compressed" 0 quiz kernel add --image Image.gz --name zipped -a aarch64
holds "is stored as QEMU takes it" cmp Image "$store/zipped/image"
status "for another architecture" 125 quiz kernel add --image Image -a s390x --name x
like "is refused" "$err_out" "*it is a kernel for aarch64*"

mkdir -p tree/lib/modules/6.6.7-other/kernel
status "modules of another kernel" 125 quiz kernel add --image Image --modules tree --name x
like "are named" "$err_out" "*it is kernel 6.6.6-toy, but the modules are for 6.6.7-other*"
status "no modules there" 125 quiz kernel add --image Image --modules "$HOME" --name x
mv tree/lib/modules/6.6.7-other tree/lib/modules/6.6.6-toy
: >tree/lib/modules/6.6.6-toy/modules.order
: >tree/lib/modules/6.6.6-toy/modules.builtin
echo CONFIG_EROFS_FS=y >config
status "with modules and config" 0 quiz kernel add --image Image --modules tree --config config --name whole
like "features" "$(quiz kernel show whole)" "*features    erofs*"
holds "modules are where guests look" test -d "$store/whole/layer/usr/lib/modules/6.6.6-toy/kernel"

status "no image" 125 quiz kernel add
status "an image that is not there" 125 quiz kernel add --image nowhere
: >empty
status "an empty image" 125 quiz kernel add --image empty
status "a name that is a path" 125 quiz kernel add --image Image --name ../x
is "nothing half-made is left" "$(find "$store" -mindepth 1 -maxdepth 1 -name '.tmp-*')" ""
done_testing
