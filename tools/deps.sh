#!/bin/bash
# deps.sh - install what building, running and testing ringzero needs.
#
#   tools/deps.sh [lint]           install what is missing (with sudo when not root)
#   tools/deps.sh --check [lint]   exit 0 if nothing is missing, else name what is and exit 1
#
# Without "lint": what make run, make test and make bench need; with it: the programs of make lint.
#
# Made for Debian 12 and 13 and Ubuntu 24.04 or newer on x86_64. Where there is no dpkg it names the
# packages and goes on: the build tells what it does not find.
#
# Says what it is about to do before it does it. QEMU 7.2 serves; 10 has more to test against
# (in_order=, rss=). So on Debian 12, when QEMU has to be installed or by `make deps`, the backports
# suite is asked for it, at an address derived from the source lists that are already on the
# machine; when that cannot be had, the release's QEMU is taken or stays.
set -euo pipefail

run_packages=(
	gcc libc6-dev make nasm binutils               # the kernel
	gnu-efi grub-common grub-pc-bin xorriso mtools # BOOTX64.EFI and the ISO
	ovmf netcat-openbsd                            # to run it
	libcriterion-dev pkg-config                    # unit tests
	python3 python3-pytest python3-pytest-xdist python3-scapy python3-rich # guest tests, benchmarks
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user # the kernel for aarch64, its vector paths
	qemu-efi-aarch64 libfdt-dev                    # its firmware, and tests of its device tree
	dnsmasq-base iproute2                          # DHCP against a second server, in a namespace
	spin                                           # the model of the barriers
	clang libclang-rt-dev                          # fuzz tests
	dpdk-dev                                       # testpmd, a backend for the hosted build
)
lint_packages=(clang-format clang-tidy cppcheck shellcheck)
qemu_packages=(qemu-system-x86 qemu-system-arm)
qemu_least=7.2 qemu_wish=10

die() {
	echo "deps: $*" >&2
	exit 1
}

at_least() { # version, version
	dpkg --compare-versions "$1" ge "$2"
}

# Whatever QEMU is found first, from a package or not; 0 when one of the two is not there, else the
# older one's version.
qemu_version() {
	local arch text least=

	for arch in x86_64 aarch64; do
		text=$("qemu-system-$arch" --version 2>/dev/null) || true
		[[ $text =~ version\ ([0-9]+\.[0-9]+) ]] || { echo 0; return; }
		if [ -z "$least" ] || ! at_least "${BASH_REMATCH[1]}" "$least"; then
			least=${BASH_REMATCH[1]}
		fi
	done
	echo "$least"
}

missing_packages() {
	local p status
	local -A there=()

	while read -r p status; do
		[[ $status != ii* ]] || there[$p]=1
	done < <(dpkg-query -W -f='${Package} ${db:Status-Abbrev}\n' "${packages[@]}" 2>/dev/null)
	for p in "${packages[@]}"; do
		[ -n "${there[$p]:-}" ] || echo "$p"
	done
}

# The mirror that serves the release itself, from deb822 (*.sources) or one-line (*.list) files.
release_uri() {
	awk -v suite="$codename" '
		/^URIs:/ { uri = $2 }
		/^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite) { print uri; exit } }
	' /etc/apt/sources.list.d/*.sources 2>/dev/null | grep . && return
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		sed -n "s/^deb \(\[[^]]*\] \)\?\([^ ]*\) $codename .*/\2/p" | head -n 1
}

add_backports() {
	local uri list=/etc/apt/sources.list.d/ringzero-backports.list

	[ "$codename" = bookworm ] || return 0
	grep -rqs "$codename-backports" /etc/apt/sources.list /etc/apt/sources.list.d && return 0
	uri=$(release_uri)
	[ -n "$uri" ] || return 0
	echo "deps: adding $codename-backports in $list (for QEMU $qemu_wish)"
	echo "deb $uri $codename-backports main" | "${as_root[@]}" tee "$list" >/dev/null
}

update_lists() {
	"${as_root[@]}" apt-get update -q ||
		echo "deps: not all package lists could be fetched; going on with those there are" >&2
}

install_qemu() {
	if [[ $(apt-cache policy "${qemu_packages[0]}") == *"$codename-backports"* ]] &&
		apt_install -t "$codename-backports" "${qemu_packages[@]}"; then
		return 0
	fi
	apt_install "${qemu_packages[@]}"
}

apt_install() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -qy --no-install-recommends "$@"
}

check_only=
if [ "${1:-}" = --check ]; then
	check_only=1
	shift
fi
case ${1:-} in
"") packages=("${run_packages[@]}") with_qemu=1 ;;
lint) packages=("${lint_packages[@]}") with_qemu= ;;
*) die "$1: allowed are --check and lint" ;;
esac

[ "$(uname -m)" = x86_64 ] ||
	die "this machine is $(uname -m): ringzero is built on x86_64 (its GRUB and EFI tools are)"
if ! command -v dpkg-query >/dev/null; then
	[ -z "$check_only" ] || exit 1
	[ -z "$with_qemu" ] || packages+=("${qemu_packages[@]}")
	echo "deps: this is not Debian or Ubuntu. What is needed has these names there:" \
		"${packages[*]}" >&2
	exit 0
fi

# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
mapfile -t missing < <(missing_packages)
qemu=ok
if [ -n "$with_qemu" ]; then
	version=$(qemu_version)
	if ! at_least "$version" "$qemu_least"; then
		qemu=needed
	elif [ "$codename" = bookworm ] && ! at_least "$version" "$qemu_wish"; then
		qemu=old
	fi
fi

if [ -n "$check_only" ]; then
	[ "$qemu" != needed ] || missing+=("${qemu_packages[@]}")
	[ ${#missing[@]} != 0 ] || exit 0
	die "missing: ${missing[*]}"
fi
if [ ${#missing[@]} = 0 ] && [ "$qemu" = ok ]; then
	echo "deps: nothing is missing"
	exit 0
fi

wanted=("${missing[@]}")
[ "$qemu" = ok ] || wanted+=("${qemu_packages[@]}")
as_root=()
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null ||
		die "missing: ${wanted[*]}; installing them takes root, and there is no sudo"
	as_root=(sudo)
fi
echo "deps: installing with apt-get: ${wanted[*]}"
[ "$qemu" = ok ] || add_backports
update_lists
[ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
case $qemu in
needed)
	install_qemu || die "${qemu_packages[*]} cannot be installed"
	hash -r
	at_least "$(qemu_version)" "$qemu_least" ||
		die "QEMU is version $(qemu_version), $qemu_least or newer is needed: this" \
			"distribution is too old (Debian 12, Ubuntu 24.04 have one)"
	;;
old) install_qemu || echo "deps: QEMU stays at $version, which serves" >&2 ;;
esac
