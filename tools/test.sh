#!/bin/bash
# test.sh - run tests, total them; `make test`, `make unit` and `make guest` call it
#
#   tools/test.sh [check] [unit] [asan] [neon] [guest]     the groups to run (all)
#
#   check   who includes whom, the map of the specification, and the tests of the tools
#   unit    the Criterion programs of tests/unit
#   asan    the same, built with ASan and UBSan
#   neon    the vector paths of aarch64, under qemu-aarch64
#   guest   pytest on the images in QEMU, tests/guest
#
# The last line is "N passed, N failed", with ", N skipped" when some were. A program that crashes,
# hangs or does not build, and a group without any test, count as one failure each. The output
# of each step is kept below build/test/. BUILD= and PYTEST_ARGS= are taken from the environment.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

BUILD=${BUILD:-build}
python=/usr/bin/python3
logs=$BUILD/test
jobs=$(nproc)
passed=0 failed=0 skipped=0

add() { # passed, failed, skipped
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# One line for a step that ran; the end of its output too when something in it failed. A status
# that is not 0 without a failed test is a failure of the step itself.
report() { # name, exit status, JUnit report
	local name=$1 status=$2 p f s note=

	read -r p f s < <("$python" tools/junit_total.py "$3")
	if [ "$status" != 0 ] && [ "$f" = 0 ]; then
		f=1
	fi
	if [ "$status" = 124 ] || [ "$status" = 137 ]; then
		note=" (timed out)"
	elif [ "$((p + f + s))" = 0 ]; then
		f=1 note=" (no tests)"
	fi
	add "$p" "$f" "$s"
	printf '%-36s %5d passed %3d failed %3d skipped%s\n' "$name" "$p" "$f" "$s" "$note"
	if [ "$f" != 0 ]; then
		echo "---- the end of $logs/$name.log"
		tail -n 40 "$logs/$name.log"
		echo "----"
	fi
}

# A step that is one command and has no report of its own counts as one test.
step() { # name, command...
	local name=$1
	shift
	if "$@" >"$logs/$name.log" 2>&1; then
		add 1 0 0
		printf '%-36s ok\n' "$name"
		return 0
	fi
	add 0 1 0
	printf '%-36s FAILED\n' "$name"
	tail -n 40 "$logs/$name.log"
	return 1
}

build() { # name, make goals...
	local name=$1
	shift
	"${MAKE:-make}" --no-print-directory -j"$jobs" BUILD="$BUILD" "$@" >"$logs/$name.log" 2>&1 &&
		return 0
	add 0 1 0
	printf '%-36s FAILED\n' "$name"
	tail -n 40 "$logs/$name.log"
	return 1
}

run_pytest() { # name, seconds, arguments...
	local name=$1 seconds=$2
	shift 2
	rm -f "$logs/$name.xml"
	BUILD=$BUILD timeout -k 10 "$seconds" "$python" -m pytest -p no:cacheprovider -ra \
		--junit-xml="$logs/$name.xml" "$@" >"$logs/$name.log" 2>&1
	report "$name" $? "$logs/$name.xml"
}

run_criterion() { # variant, seconds for each program
	local variant=$1 seconds=$2 source name program found=0

	build "build-$variant" -k "$variant-tests"
	for source in tests/unit/test_*.c; do
		name=$(basename "$source" .c)
		program=$BUILD/$variant/$name
		[ -e "$source" ] || continue
		found=1
		[ -x "$program" ] || { add 0 1 0; printf '%-36s not built\n' "$variant-$name"; continue; }
		rm -f "$logs/$variant-$name.xml"
		timeout -k 5 "$seconds" "$program" -j"$jobs" --color=never \
			--xml="$logs/$variant-$name.xml" >"$logs/$variant-$name.log" 2>&1 </dev/null
		report "$variant-$name" $? "$logs/$variant-$name.xml"
	done
	[ $found = 1 ] || report "$variant" 1 /dev/null
}

group_check() {
	step include-edges "$python" tools/check_deps.py
	step spec-map "$python" tools/check_spec_map.py
	run_pytest tools 60 tests/tools
}

group_unit() { run_criterion unit 60; }

group_asan() { run_criterion asan 180; }

group_neon() {
	rm -f "$logs/neon.xml"
	build build-neon neon-tests || return
	timeout -k 5 120 qemu-aarch64 "$BUILD/neon/vec" "$logs/neon.xml" >"$logs/neon.log" 2>&1
	report neon $? "$logs/neon.xml"
}

group_guest() {
	local more
	read -ra more <<<"${PYTEST_ARGS:-}"
	build build-images iso bench-tools && run_pytest guest 900 tests/guest "${more[@]}"
}

[ $# -gt 0 ] || set -- check unit asan neon guest
for group in "$@"; do
	if ! declare -F "group_$group" >/dev/null; then
		echo "test: $group is no group: check unit asan neon guest" >&2
		exit 2
	fi
done
mkdir -p "$logs"
for group in "$@"; do
	start=$SECONDS
	"group_$group"
	echo "== $group took $((SECONDS - start)) s"
done

line="$passed passed, $failed failed"
[ $skipped = 0 ] || line+=", $skipped skipped"
echo "$line"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
