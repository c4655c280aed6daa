#!/bin/bash
# ovs.sh - fetch Open vSwitch with DPDK, a peer of the hosted build's tests
#
#   tools/ovs.sh DIR
#
# Unpacks the distribution's packages below DIR. They are not installed, as that would start a
# switch on this machine, now and at every boot; the tests start one of their own, below a folder of
# theirs. No root is needed.
set -euo pipefail

packages=(openvswitch-switch-dpdk openvswitch-switch openvswitch-common)

[ $# = 1 ] || { sed -n '2,4s/^# \?//p' "$0" >&2; exit 2; }
dir=$1
done=$dir/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk
[ ! -x "$done" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$dir"
echo "ovs: fetching ${packages[*]} into $dir"
if ! (cd "$work" && apt-get download -qq -o APT::Sandbox::User= "${packages[@]}") \
	>"$work/log" 2>&1; then
	tail -n 5 "$work/log" >&2
	echo "ovs: ${packages[*]} cannot be had from this machine's package sources" >&2
	exit 1
fi
for deb in "$work"/*.deb; do
	dpkg-deb -x "$deb" "$dir"
done
[ -x "$done" ]
