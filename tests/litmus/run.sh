#!/bin/bash
# run.sh - check the barrier pairs of the rings with SPIN (ring.pml)
#
#   tests/litmus/run.sh [DIR]     DIR: where to work (a new temporary folder)
#
# With all barriers no fault may be found; without any one of them there must be one.
set -euo pipefail

model=$(readlink -f "$(dirname "$0")/ring.pml")
work=${1:-$(mktemp -d)}
mkdir -p "$work"
cd "$work"
failed=0

check() { # faults expected (0, 1), words of cpp...
	local wanted=$1 errors
	shift

	spin "$@" -a "$model" >spin.log
	gcc -O1 -o pan pan.c
	errors=$(timeout 60 ./pan -m10000 | sed -n 's/.*errors: \([0-9]*\).*/\1/p')
	if { [ "$wanted" = 0 ] && [ "$errors" = 0 ]; } ||
		{ [ "$wanted" = 1 ] && [ "${errors:-0}" -gt 0 ]; }; then
		echo "litmus: ${*:-all barriers}: as it has to be"
	else
		echo "litmus: ${*:-all barriers}: ${errors:-no} errors found, which is wrong"
		failed=1
	fi
}

check 0
check 0 -DALWAYS_KICK
check 1 -DNO_A
check 1 -DNO_U
check 1 -DNO_K
check 1 -DNO_N -DALWAYS_KICK
exit $failed
