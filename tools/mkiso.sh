#!/bin/bash
# mkiso.sh - make the hybrid ISO
#
#   tools/mkiso.sh OUT.iso KERNEL.elf GRUB.cfg EFI...
#
# BIOS: GRUB loads KERNEL.elf by multiboot2. UEFI: each EFI file goes to \EFI\BOOT on an EFI system
# partition, under the name that its firmware looks for (BOOTX64.EFI, BOOTAA64.EFI). The image
# boots as a CD and as a disk.
set -euo pipefail

if [ $# -lt 4 ]; then
	sed -n '2,5s/^# \?//p' "$0" >&2
	exit 2
fi
out=$1 kernel=$2 grub_cfg=$3
shift 3

if ! grub-file --is-x86-multiboot2 "$kernel"; then
	echo "mkiso: $kernel has no multiboot2 header in its first 32 KiB: GRUB would refuse it" >&2
	exit 1
fi

work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/boot/grub"
objcopy --strip-debug "$kernel" "$work/root/boot/ringzero.elf"
cp "$grub_cfg" "$work/root/boot/grub/grub.cfg"

# room for the files and the file system's own structures
kib=$(($(cat "$@" | wc -c) / 1024 + 1024))
truncate -s "${kib}K" "$work/esp.img"
mformat -i "$work/esp.img" ::
mmd -i "$work/esp.img" ::/EFI ::/EFI/BOOT
mcopy -i "$work/esp.img" "$@" ::/EFI/BOOT/

if ! grub-mkrescue -d /usr/lib/grub/i386-pc --fonts= --locales= --themes= \
	--install-modules="multiboot2 serial biosdisk iso9660 part_msdos normal configfile terminal keystatus test" \
	-o "$work/iso" "$work/root" \
	-eltorito-alt-boot -e --interval:appended_partition_2:all:: -no-emul-boot \
	-append_partition 2 0xef "$work/esp.img" -partition_offset 16 >"$work/log" 2>&1; then
	cat "$work/log" >&2
	exit 1
fi
mv "$work/iso" "$out"
