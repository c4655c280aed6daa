#!/bin/bash
# linux.sh - fetch a Linux kernel to boot in QEMU, and a busybox: what the tests of the kernel's back
# ends run in
#
#   tools/linux.sh release|newest DIR
#
# release is Debian's cloud kernel as apt would install it, newest the newest one in any suite that
# this machine's package sources name (bookworm: that of backports, if that is among them). The
# packages are unpacked below DIR, once, and not installed. No root is needed.
set -euo pipefail

meta=linux-image-cloud-amd64

if [ $# != 2 ] || [[ ! $1 =~ ^(release|newest)$ ]]; then
	sed -n '5s/^# *//p' "$0" >&2
	exit 2
fi
which=$1 dir=$2
[ ! -e "$dir/version" ] || exit 0

die() {
	echo "linux: $*" >&2
	exit 1
}

command -v apt-cache >/dev/null || die "there is no apt here"
if [ "$which" = release ]; then
	version=$(apt-cache policy $meta | sed -n 's/^ *Candidate: //p')
else
	version=$(apt-cache madison $meta | awk '{ print $3 }' | sort -V | tail -n 1)
fi
if [ -z "$version" ] || [ "$version" = "(none)" ]; then
	die "$meta is not in this machine's package sources"
fi
# linux-image-6.1.0-13-cloud-amd64 (= 6.1.55-1)
image=$(apt-cache show "$meta=$version" |
	sed -n 's/^Depends: \(linux-image-[^ ,]*\) (= \([^)]*\)).*/\1=\2/p' | head -n 1)
[ -n "$image" ] || image=$(apt-cache show "$meta=$version" |
	sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -n 1)
[ -n "$image" ] || die "$meta $version names no kernel"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "linux: fetching $image and busybox-static into $dir"
cd "$work"
apt-get download -qq -o APT::Sandbox::User="" "$image" busybox-static >log 2>&1 || {
	tail -n 5 log >&2
	die "$image and busybox-static cannot be downloaded (are the package lists old: apt-get update?)"
}
cd "$OLDPWD"
mkdir -p "$dir"
for deb in "$work"/*.deb; do
	dpkg-deb -x "$deb" "$dir"
done
echo "$image" >"$dir/version"
