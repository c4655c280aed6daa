#!/bin/bash
# run.sh - boot ringzero in QEMU; `make run` calls it with its variables in the environment
#
#   ARCH=x86_64|aarch64         which machine (x86_64)
#   ARGS="app=echo stats=json"  options for the kernel (by fw_cfg, so the same ISO serves)
#   BOOT=iso|iso-efi|efi|kernel ISO by BIOS (default), ISO by UEFI, BOOTX64.EFI alone, ELF by PVH;
#                               aarch64: iso-efi (default), efi, kernel (ringzero.img)
#   MACHINE=pc|q35              machine type (pc); aarch64: virt, or virt,gic-version=3
#   MEM=256                     guest memory, MiB or with a unit
#   NET=user|tap|vhost-user     what the ports are connected to (user)
#     user:       PORT=7007     127.0.0.1 UDP port that leads to the guest's port 7; port N of the
#                               guest gets PORT+N
#     tap:        IFNAME=tap0   existing tap interface; for several ports a list with commas
#     vhost-user: SOCK=path     socket on which the backend listens; for several ports a list
#   PORTS=1                     number of virtio-net ports
#   ACCEL=kvm|tcg               default: KVM where it works, else TCG
#   QEMU_OPTS="..."             more for QEMU's command line
#   BUILD=build                 where the images are
#
# The exit status is QEMU's: 0 after poweroff, another one after a panic; on aarch64 for that
# QEMU_OPTS="-semihosting-config enable=on" is needed, which lets the guest at the host's files.
set -euo pipefail

ARCH=${ARCH:-x86_64} BUILD=${BUILD:-build} BOOT=${BOOT:-} MACHINE=${MACHINE:-} MEM=${MEM:-256} ARGS=${ARGS:-}
port_source=${PORT:+PORT=$PORT}
port_source=${port_source:-the default of PORT}
NET=${NET:-user} PORT=${PORT:-7007} PORTS=${PORTS:-1} IFNAME=${IFNAME:-} SOCK=${SOCK:-}
ACCEL=${ACCEL:-} QEMU_OPTS=${QEMU_OPTS:-}

case $ARCH in
aarch64)
	firmware=/usr/share/AAVMF/AAVMF_CODE.fd vars=/usr/share/AAVMF/AAVMF_VARS.fd
	package="qemu-efi-aarch64"
	kernel=$BUILD/aarch64/ringzero.img efi=$BUILD/aarch64/BOOTAA64.EFI
	;;
*)
	firmware=/usr/share/OVMF/OVMF_CODE_4M.fd vars=/usr/share/OVMF/OVMF_VARS_4M.fd
	package=ovmf
	kernel=$BUILD/x86_64/ringzero.elf efi=$BUILD/x86_64/BOOTX64.EFI
	;;
esac
qemu=("qemu-system-$ARCH")

die() {
	echo "run: $*" >&2
	exit 2
}

one_of() { # name, value, allowed...
	local name=$1 value=$2
	shift 2
	[[ " $* " == *" $value "* ]] || die "$name=$value: allowed are $*"
}

number() { # name, value, smallest, largest
	if ! [[ $2 =~ ^[0-9]{1,5}$ ]] || ((10#$2 < $3 || 10#$2 > $4)); then
		die "$1=$2 (from make's command line or the environment): a number from $3 to $4 is allowed"
	fi
}

# A comma ends a QEMU property, two commas are one.
escape() { printf '%s' "${1//,/,,}"; }

# A writable /dev/kvm is not enough: without vmx or svm, and under a paravirtual KVM, guests of
# this kind run far slower than with TCG, or not at all.
pick_accel() {
	if [ -z "$ACCEL" ]; then
		ACCEL=tcg
		if [ "$ARCH" = x86_64 ] && [ -w /dev/kvm ] && [ ! -e /sys/module/kvm_pvm ] &&
			grep -qwE 'vmx|svm' /proc/cpuinfo; then
			ACCEL=kvm
		fi
	fi
	one_of ACCEL "$ACCEL" kvm tcg
	case $ACCEL in
	kvm) qemu+=(-accel kvm -cpu host) ;;
	tcg) qemu+=(-accel tcg -cpu max) ;;
	esac
}

pick_machine() {
	if [ "$ARCH" = aarch64 ]; then
		MACHINE=${MACHINE:-virt}
		one_of MACHINE "$MACHINE" virt virt,gic-version=3
	else
		MACHINE=${MACHINE:-pc}
		one_of MACHINE "$MACHINE" pc q35
		qemu+=(-device "isa-debug-exit,iobase=0xf4,iosize=4")
	fi
	[[ $MEM =~ ^[0-9]+[MG]?$ ]] || die "MEM=$MEM: MiB, or a number with M or G, is allowed"
	qemu+=(-M "$MACHINE" -m "$MEM" -nodefaults -display none -no-reboot)
	qemu+=(-chardev "stdio,id=console,mux=on,signal=off" -serial chardev:console)
	qemu+=(-mon "chardev=console")
	[ -z "$ARGS" ] || qemu+=(-fw_cfg "name=opt/ringzero/cmdline,string=$(escape "$ARGS")")
}

need_file() {
	[ -r "$1" ] || die "$1 is not there: $2"
}

uefi() {
	need_file "$firmware" "install the package $package (make deps)"
	install -m 644 "$vars" "$BUILD/run-vars.fd"
	qemu+=(-drive "if=pflash,format=raw,readonly=on,file=$firmware")
	qemu+=(-drive "if=pflash,format=raw,file=$(escape "$BUILD/run-vars.fd")")
}

pick_boot() {
	if [ "$ARCH" = aarch64 ]; then
		BOOT=${BOOT:-iso-efi}
		one_of BOOT "$BOOT" iso-efi efi kernel
	else
		BOOT=${BOOT:-iso}
		one_of BOOT "$BOOT" iso iso-efi efi kernel
	fi
	case $BOOT in
	iso*)
		need_file "$BUILD/ringzero.iso" "run make iso"
		if [ "$ARCH" = aarch64 ]; then
			qemu+=(-drive "if=virtio,format=raw,readonly=on,file=$(escape "$BUILD/ringzero.iso")")
		else
			qemu+=(-cdrom "$BUILD/ringzero.iso")
		fi
		;;
	efi)
		need_file "$efi" "run make"
		mkdir -p "$BUILD/run-esp/EFI/BOOT"
		cp "$efi" "$BUILD/run-esp/EFI/BOOT/"
		qemu+=(-drive "file=fat:$(escape "$BUILD/run-esp"),format=raw,if=virtio,readonly=on")
		;;
	kernel)
		need_file "$kernel" "run make"
		qemu+=(-kernel "$kernel")
		;;
	esac
	[[ $BOOT != *efi ]] || uefi
}

user_port() { # index
	local port=$((PORT + $1)) taken

	taken=$(ss -Hulnp "sport = :$port" 2>/dev/null | head -n 1)
	[ -z "$taken" ] ||
		die "UDP port $port ($port_source, for port $1 of the guest) is in use by" \
			"$(awk '{ print $4, $6 }' <<<"$taken"): choose another with" \
			"make run PORT=$(((PORT + 100 - 1) % 65000 + 1))"
	qemu+=(-netdev "user,id=net$1,net=10.0.$(($1 + 2)).0/24,hostfwd=udp:127.0.0.1:$port-:7")
}

tap_port() { # index, interface
	local device=/sys/class/net/$2

	[ -n "$2" ] || die "NET=tap needs IFNAME=, a tap interface for each of the $PORTS ports"
	[ -d "$device" ] ||
		die "there is no interface $2: sudo ip tuntap add $2 mode tap user $(id -un) &&" \
			"sudo ip addr add 10.0.2.2/24 dev $2 && sudo ip link set $2 up"
	[ -e "$device/tun_flags" ] || die "$2 is not a tap interface"
	[ "$(id -u)" = 0 ] || [ "$(id -u)" = "$(cat "$device/owner")" ] ||
		die "$2 belongs to another user: run as root, or make it with 'user $(id -un)'"
	qemu+=(-netdev "tap,id=net$1,ifname=$2,script=no,downscript=no")
}

vhost_user_port() { # index, socket
	[ -n "$2" ] || die "NET=vhost-user needs SOCK=, a socket for each of the $PORTS ports"
	[ -S "$2" ] || die "there is no socket $2: start the backend first"
	qemu+=(-chardev "socket,id=chr$1,path=$(escape "$2")")
	qemu+=(-netdev "vhost-user,id=net$1,chardev=chr$1")
}

pick_net() {
	local i ifnames socks

	one_of NET "$NET" user tap vhost-user
	number PORTS "$PORTS" 0 16
	number PORT "$PORT" 1 65000
	PORTS=$((10#$PORTS)) PORT=$((10#$PORT)) # 010 is ten
	IFS=, read -ra ifnames <<<"$IFNAME"
	IFS=, read -ra socks <<<"$SOCK"
	for ((i = 0; i < PORTS; i++)); do
		case $NET in
		user) user_port "$i" ;;
		tap) tap_port "$i" "${ifnames[i]:-}" ;;
		vhost-user) vhost_user_port "$i" "${socks[i]:-}" ;;
		esac
		# no option ROM: the firmware's own network boot would use the device first
		qemu+=(-device "virtio-net-pci,netdev=net$i,romfile=")
	done
	if [ "$NET" = vhost-user ]; then
		# the backend maps the guest's memory
		[[ $MEM == *[MG] ]] || MEM+=M
		qemu+=(-object "memory-backend-memfd,id=mem,size=$MEM,share=on")
		qemu+=(-machine memory-backend=mem)
	fi
}

# What to type elsewhere. On a tap the guest's address is the one of ARGS, or what a DHCP server
# there gives it.
say_how() {
	local where

	echo "Starting QEMU ($ACCEL, $MACHINE, $BOOT). Leave with 'poweroff', or Ctrl-A X."
	[ "$PORTS" -gt 0 ] || return 0
	case $NET in
	user) where="127.0.0.1 $PORT" ;;
	tap)
		if [[ " $ARGS" =~ \ net0?\.ip=([0-9.]+)/ ]]; then
			where="${BASH_REMATCH[1]} 7"
		else
			where="ADDRESS 7"
			echo "Its address comes from a DHCP server on $IFNAME; without one, give it by" \
				"ARGS=\"net.ip=10.0.2.15/24\"."
		fi
		;;
	*) return 0 ;;
	esac
	echo "When the console says that echo serves, try in a second terminal:"
	echo
	echo "    nc -u $where        (what you type comes back)"
	echo
}

one_of ARCH "$ARCH" x86_64 aarch64
pick_accel
pick_machine
pick_net
pick_boot
say_how
read -ra more <<<"$QEMU_OPTS"
exec "${qemu[@]}" "${more[@]}"
