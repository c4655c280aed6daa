#!/bin/bash
# deps.sh - install what building, running and testing ringzero needs.
#
#   tools/deps.sh           install what is missing (Debian and Ubuntu, with sudo when not root)
#   tools/deps.sh --check   exit 0 if nothing is missing, else name what is and exit 1
#
# On other systems it names the packages and goes on: the build tells what it does not find.
#
# Says what it is about to do before it does it. On Debian 12 QEMU comes from the backports suite
# (7.2 of the release lacks in_order= and rss=); its address is derived from the source lists that
# are already on the machine.
set -euo pipefail

packages=(
	gcc make nasm binutils                         # the kernel
	gnu-efi grub-common grub-pc-bin xorriso mtools # BOOTX64.EFI and the ISO
	ovmf netcat-openbsd                            # to run it
	libcriterion-dev pkg-config                    # unit tests
	python3 python3-pytest python3-scapy python3-rich # guest tests, benchmarks
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user # the NEON code of the vector paths
	dnsmasq-base iproute2                          # DHCP against a second server, in a namespace
	clang clang-format clang-tidy cppcheck shellcheck # make lint, make fmt
)
qemu_packages=(qemu-system-x86)

# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)

# The mirror that serves the release itself, from deb822 (*.sources) or one-line (*.list) files.
release_uri() {
	awk -v suite="$codename" '
		/^URIs:/ { uri = $2 }
		/^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite) { print uri; exit } }
	' /etc/apt/sources.list.d/*.sources 2>/dev/null | grep . && return
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		sed -n "s/^deb \(\[[^]]*\] \)\?\([^ ]*\) $codename .*/\2/p" | head -n 1
}

# On Debian 12 a QEMU older than 10 counts as missing, if the backports can be had.
recent_enough() { # version
	[ "$codename" = bookworm ] && [ -n "$(release_uri)" ] || return 0
	dpkg --compare-versions "$1" ge 1:10
}

missing_packages() {
	local p status number
	local -A version=()

	while read -r p status number; do
		[[ $status != ii* ]] || version[$p]=$number
	done < <(dpkg-query -W -f='${Package} ${db:Status-Abbrev} ${Version}\n' \
		"${packages[@]}" "${qemu_packages[@]}" 2>/dev/null)
	for p in "${packages[@]}"; do
		[ -n "${version[$p]:-}" ] || echo "$p"
	done
	for p in "${qemu_packages[@]}"; do
		{ [ -n "${version[$p]:-}" ] && recent_enough "${version[$p]}"; } || echo "$p"
	done
}

add_backports() {
	local uri list=/etc/apt/sources.list.d/ringzero-backports.list

	[ "$codename" = bookworm ] || return 0
	grep -rqs "$codename-backports" /etc/apt/sources.list /etc/apt/sources.list.d && return 0
	uri=$(release_uri)
	if [ -z "$uri" ]; then
		echo "deps: no source list names $codename: QEMU stays at the release's version" >&2
		return 0
	fi
	echo "deps: adding $codename-backports in $list (for QEMU 10)"
	echo "deb $uri $codename-backports main" | "${as_root[@]}" tee "$list" >/dev/null
}

if ! command -v dpkg-query >/dev/null; then
	echo "deps: this is not Debian or Ubuntu. What is needed has these names there:" \
		"${packages[*]} ${qemu_packages[*]}" >&2
	exit 0
fi
mapfile -t missing < <(missing_packages)
if [ ${#missing[@]} = 0 ]; then
	[ "${1:-}" = --check ] || echo "deps: nothing is missing"
	exit 0
fi
if [ "${1:-}" = --check ]; then
	echo "deps: missing: ${missing[*]}" >&2
	exit 1
fi

if [ ${#as_root[@]} != 0 ] && ! command -v sudo >/dev/null; then
	echo "deps: missing: ${missing[*]}; installing them takes root, and there is no sudo" >&2
	exit 1
fi
echo "deps: installing with apt-get: ${missing[*]}"
add_backports
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q
target=()
policy=$(apt-cache policy qemu-system-x86)
[[ $policy != *"$codename-backports"* ]] || target=(-t "$codename-backports")
plain=() qemu=()
for p in "${missing[@]}"; do
	case " ${qemu_packages[*]} " in *" $p "*) qemu+=("$p") ;; *) plain+=("$p") ;; esac
done
[ ${#plain[@]} = 0 ] || "${as_root[@]}" apt-get install -qy --no-install-recommends "${plain[@]}"
[ ${#qemu[@]} = 0 ] || "${as_root[@]}" apt-get install -qy --no-install-recommends "${target[@]}" "${qemu[@]}"
