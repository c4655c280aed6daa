#!/bin/bash
# run.sh - run fuzz targets, each for FUZZ_SECONDS (60); `make fuzz` calls it
#
#   tests/fuzz/run.sh [TARGET...]     the programs BUILD/fuzz/fuzz_TARGET (all that are built)
#
# Starts from the seeds in tests/fuzz/corpus/TARGET and from what former runs found, which stays in
# BUILD/fuzz/corpus/TARGET. As many targets run at a time as there are processors. A target fails
# when it crashes, breaks an invariant, takes more than 10 s or 1 GiB for one input; the input is
# kept, and the last lines say how to replay it.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

BUILD=${BUILD:-build}
seconds=${FUZZ_SECONDS:-60}
jobs=${JOBS:-$(nproc)}
dir=$BUILD/fuzz

fuzz_one() { # target
	local name=$1 program=$dir/fuzz_$1 seeds=tests/fuzz/corpus/$1 log=$dir/$1.log
	local found=$dir/corpus/$1 kept=$dir/failed/$1 status runs input

	if [ ! -x "$program" ]; then
		echo "fuzz_$name is not built"
		return 1
	fi
	mkdir -p "$found" "$kept" "$seeds"
	timeout -k 5 $((seconds + 60)) "$program" -max_total_time="$seconds" -timeout=10 \
		-rss_limit_mb=1024 -max_len=1024 -print_final_stats=1 \
		-artifact_prefix="$kept/" "$found" "$seeds" >"$log" 2>&1
	status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	if [ $status = 0 ]; then
		printf '%-10s ok, %s inputs in %s s\n' "$name" "$runs" "$seconds"
		return 0
	fi
	input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
	printf '%-10s FAILED, see %s\n' "$name" "$log"
	grep -m 3 -E 'broken invariant|ERROR: |runtime error|panic:' "$log"
	[ -z "$input" ] || echo "replay: $program $input"
	return 1
}

[ $# -gt 0 ] || {
	for program in "$dir"/fuzz_*; do
		[ -x "$program" ] && set -- "$@" "${program##*/fuzz_}"
	done
}
export -f fuzz_one
export dir seconds
printf '%s\n' "$@" | xargs -P "$jobs" -I{} bash -c 'fuzz_one {}' || {
	echo "fuzz: not all targets passed"
	exit 1
}
