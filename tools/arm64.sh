#!/bin/bash
# arm64.sh - fetch what the aarch64 kernel is linked with: libfdt, and gnu-efi
#
#   tools/arm64.sh DIR
#
# The packages are Debian's for arm64, from the sources that this machine has; they are unpacked
# below DIR and not installed, and apt's own state stays as it is. No root is needed. Where that
# does not work (the sources have no arm64), unpack libfdt-dev and gnu-efi of arm64 elsewhere and
# give the place to make: ARM64_ROOT=DIR.
set -euo pipefail

packages=(libfdt-dev gnu-efi)

[ $# = 1 ] || { sed -n '2,4s/^# \?//p' "$0" >&2; exit 2; }
dir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/debs" "$dir"
: >"$work/status"
cat >"$work/apt.conf" <<-END
	APT::Architecture "arm64";
	APT::Architectures { "arm64"; };
	APT::Sandbox::User "";
	Dir::State "$work/state";
	Dir::State::status "$work/status";
	Dir::Cache "$work/cache";
END
export APT_CONFIG=$work/apt.conf
echo "arm64: fetching ${packages[*]} for arm64 into $dir"
if ! { apt-get update -qq && cd "$work/debs" && apt-get download -qq "${packages[@]}"; } \
	>"$work/log" 2>&1; then
	tail -n 5 "$work/log" >&2
	echo "arm64: ${packages[*]} for arm64 cannot be had from this machine's package sources;" \
		"unpack them elsewhere and give make ARM64_ROOT=" >&2
	exit 1
fi
cd "$OLDPWD"
for deb in "$work"/debs/*.deb; do
	dpkg-deb -x "$deb" "$dir"
done
touch "$dir/usr/lib/aarch64-linux-gnu/libfdt.a"
