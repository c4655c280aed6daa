#!/bin/bash
# test.sh - run tests, total them; `make test`, `make unit` and `make guest` call it
#
#   tools/test.sh [GROUP...]   the groups to run; without one: all
#
#   check   who includes whom, the map of the specification, the barriers (SPIN), the tests of the tools
#   unit    the Criterion programs of tests/unit
#   asan    the same, built with ASan and UBSan
#   tsan    those of them with threads, and some of the hosted build's, built with TSan
#   unit-aarch64   most of them built for aarch64, under qemu-aarch64, vector paths with NEON
#   fuzz    each target of tests/fuzz for FUZZ_SECONDS (3)
#   hosted  pytest on the process of the hosted build and DPDK's backend, tests/hosted
#   guest   pytest on the images in QEMU, tests/guest, as many guests at a time as there are processors
#   aarch64 those of them on aarch64 that are about the machine: boot, lcores, devices, paths
#   guest-aarch64   not among all: every guest test on aarch64
#   soak    not among all: the grids of unit tests with SOAK_SEEDS (5) seeds, the whole grid of guests
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
running= # the timeout(1) in the background, which leads a process group

# Run a command with a limit of time; in the background, as bash looks at signals only between
# foreground commands, and timeout puts its command out of the reach of the terminal's Ctrl-C.
limited() { # seconds until SIGKILL, seconds, command...
	local status

	timeout -k "$@" </dev/null 8>&- 9>&- &
	running=$!
	wait "$running"
	status=$?
	running=
	return $status
}

# Ctrl-C: the command, and whatever it started (QEMUs), end too.
stop() {
	local i

	trap '' INT TERM
	if [ -n "$running" ]; then
		kill -TERM "$running" -- "-$running" 2>/dev/null
		for ((i = 0; i < 50; i++)); do
			kill -0 -- "-$running" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL -- "-$running" 2>/dev/null
	fi
	echo "test: stopped" >&8
	exit 130
}

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
	BUILD=$BUILD limited 10 "$seconds" "$python" -m pytest -p no:cacheprovider -ra \
		--junit-xml="$logs/$name.xml" "$@" >"$logs/$name.log" 2>&1
	report "$name" $? "$logs/$name.xml"
}

skip() { # name, what is missing
	add 0 0 1
	printf '%-36s skipped: %s\n' "$1" "$2"
}

test_programs() { # variant, sources
	local variant=$1 source
	shift
	for source in "$@"; do
		printf '%s\n' "$BUILD/$variant/$(basename "$source" .c)"
	done
}

# Criterion prints what fails in a suite's .fini, but calls the test passed.
criterion_status() { # exit status, log
	[ "$1" != 0 ] || ! grep -q 'Assertion Failed' "$2"
	echo $(($1 | $?))
}

run_criterion() { # variant, seconds for each program, sources
	local variant=$1 seconds=$2 source name program found=0 emulator=() programs
	shift 2

	[ "$variant" != unit-aarch64 ] || emulator=(qemu-aarch64)

	mapfile -t programs < <(test_programs "$variant" "$@")
	build "build-$variant" -k "${programs[@]}"
	for source in "$@"; do
		name=$(basename "$source" .c)
		program=$BUILD/$variant/$name
		[ -e "$source" ] || continue
		found=1
		[ -x "$program" ] || { add 0 1 0; printf '%-36s not built\n' "$variant-$name"; continue; }
		rm -f "$logs/$variant-$name.xml"
		limited 5 "$seconds" "${emulator[@]}" "$program" -j"$jobs" --color=never \
			--xml="$logs/$variant-$name.xml" >"$logs/$variant-$name.log" 2>&1
		report "$variant-$name" "$(criterion_status $? "$logs/$variant-$name.log")" \
			"$logs/$variant-$name.xml"
	done
	[ $found = 1 ] || report "$variant" 1 /dev/null
}

group_check() {
	step include-edges "$python" tools/check_deps.py
	step spec-map "$python" tools/check_spec_map.py
	step litmus tests/litmus/run.sh "$BUILD/litmus"
	run_pytest tools 120 tests/tools
}

unit_tests() { printf '%s\n' tests/unit/test_*.c | grep -v _neon; }

group_unit() {
	local tests

	mapfile -t tests < <(unit_tests | grep -v 'test_vnet_[rt]x_sse')
	run_criterion unit 60 "${tests[@]}"
}

# The grids of rings with SSE and AVX-512 are left to soak: what their primitives touch, test_vec sees;
# and so are tests of ports that run once more through vDPA, of ring verbs alone, and of options (a
# fuzz target has those).
# Leaks are left to vhost-switch, which is the device model as a program, and to the hosted build: both
# are looked through when they end. Nothing else allocates, and to look after each case takes half the time.
group_asan() {
	local tests

	mapfile -t tests < <(unit_tests | grep -v 'test_\(vnet_[rt]x_\|vq_packed\|vq_split\|options\|threads\.\|lcore\.\|vdpa_[^p]\)')
	ASAN_OPTIONS=detect_leaks=0 run_criterion asan 180 "${tests[@]}"
}

# The hosted build's tests with TSan: every path; soak runs all.
hosted_tsan() { # name, seconds, tests...
	local name=$1 seconds=$2
	shift 2
	build build-hosted-tsan hosted hosted-asan hosted-tsan "$BUILD/x86_64/ringzero.elf" &&
		HOSTED_VARIANT=tsan TSAN_OPTIONS=halt_on_error=1 \
			run_pytest "$name" "$seconds" -n "$jobs" --dist loadgroup "$@"
}

group_tsan() {
	run_criterion tsan 180 tests/unit/test_{threads,lcore,soft_rss}.c
	hosted_tsan hosted-tsan 600 tests/hosted/test_lcores.py
}

# Some grids take minutes under an emulator and are the same C as on x86_64, and what threads see is
# the order of this machine's processor: left to soak, with all that knows neither rings nor machines.
unit_aarch64_tests() { # soak: those, else the others
	local rings='vnet_[rt]x\|vnet_[rt]x_neon\|vq_packed\|threads\|lcore\|vdpa_.*\|vhost_.*' invert=-v
	local words='fmt\|json\|log\|nearest\|options\|console\|symbols\|pci_text\|netdev_stats\|testpmd.*'
	local net='dhcp.*\|forward\|icmp\|route\|udp.*' pc='acpi_power\|boot_loaders\|ioapic'
	local later="/test_\($rings\|$words\|$net\|$pc\)\.c"

	[ "${1:-}" != soak ] || invert=
	"${MAKE:-make}" -s --no-print-directory BUILD="$BUILD" unit-aarch64-list | grep $invert "$later"
}

run_unit_aarch64() { # seconds for each program, sources
	local seconds=$1 tests=("${@:2}")

	if ! command -v qemu-aarch64 >/dev/null; then
		skip unit-aarch64 "there is no qemu-aarch64 (package qemu-user)"
		return
	fi
	# libfdt is downloaded; one program needs it
	if ! "${MAKE:-make}" --no-print-directory BUILD="$BUILD" arm64-packages \
		>"$logs/arm64-packages.log" 2>&1; then
		skip unit-aarch64-test_devtree "no libfdt of arm64, see $logs/arm64-packages.log"
		mapfile -t tests < <(printf '%s\n' "${tests[@]}" | grep -v test_devtree.c)
		local -x WITHOUT_LIBFDT=1
	fi
	run_criterion unit-aarch64 "$seconds" "${tests[@]}"
}

group_unit-aarch64() {
	local tests

	mapfile -t tests < <(unit_aarch64_tests)
	run_unit_aarch64 600 "${tests[@]}"
}

group_fuzz() {
	build build-fuzz fuzz-programs || return
	step fuzz env BUILD="$BUILD" FUZZ_SECONDS="${FUZZ_SECONDS:-3}" tests/fuzz/run.sh
}

group_hosted() {
	local which

	# what some tests skip without
	tools/ovs.sh "$BUILD/ovs" >"$logs/ovs.log" 2>&1
	for which in release newest; do
		tools/linux.sh $which "$BUILD/linux/$which"
	done >"$logs/linux.log" 2>&1
	build build-hosted hosted hosted-asan "$BUILD/x86_64/ringzero.elf" &&
		run_pytest hosted 1500 -n "$jobs" --dist loadgroup tests/hosted
}

group_guest() {
	local more
	read -ra more <<<"${PYTEST_ARGS:-}"
	build build-images iso bench-tools && ARCH=x86_64 run_pytest guest 1500 -n "$jobs" tests/guest "${more[@]}"
}

group_soak() {
	local tests

	run_criterion asan 600 tests/unit/test_vnet_[rt]x_{sse,avx2,avx512}.c \
		tests/unit/test_{vq_packed,vq_split,options,threads,lcore,vdpa_net,vdpa_intr,vdpa_recover,vdpa_ring_reset}.c
	mapfile -t tests < <(unit_tests | grep 'test_\(vq_\|vnet_[rt]x\|differential\|threads\)')
	SOAK_SEEDS=${SOAK_SEEDS:-5} run_criterion unit 3600 "${tests[@]}"
	mapfile -t tests < <(unit_aarch64_tests soak)
	run_unit_aarch64 1800 "${tests[@]}"
	SOAK=1 hosted_tsan soak-hosted-tsan 3600 tests/hosted
	HOSTED_VARIANT=asan run_pytest soak-hosted-asan 1800 -n "$jobs" --dist loadgroup tests/hosted
	SOAK=1 run_pytest soak-hosted 3600 -n "$jobs" --dist loadgroup -m soak tests/hosted
	build build-images iso bench-tools && SOAK=1 run_pytest soak 3600 -n "$jobs" tests/guest
	SOAK=1 guest_aarch64 soak-aarch64 tests/guest/test_{lcores,interrupt}.py
}

guest_aarch64() { # name, tests...
	local name=$1 more
	shift
	read -ra more <<<"${PYTEST_ARGS:-}"
	build build-aarch64 aarch64 bench-tools &&
		ARCH=aarch64 run_pytest "$name" 1500 -n "$jobs" "$@" "${more[@]}"
}

group_aarch64() {
	guest_aarch64 aarch64 tests/guest/test_{boot,machine,lcores,interrupt,virtio,paths,testpmd}.py
}

group_guest-aarch64() { guest_aarch64 guest-aarch64 tests/guest; }

[ $# -gt 0 ] || set -- check unit asan tsan unit-aarch64 fuzz hosted guest aarch64
for group in "$@"; do
	if ! declare -F "group_$group" >/dev/null; then
		echo "test: $group is no group: check unit asan tsan unit-aarch64 fuzz hosted guest aarch64 guest-aarch64 soak" >&2
		exit 2
	fi
done
mkdir -p "$logs"
exec 9>"$BUILD/.lock"
if ! flock -n 9; then
	echo "test: tests are running in $BUILD already: wait for their end, or give another BUILD=" >&2
	exit 2
fi
exec 8>&2 # the trap may find a log in the place of standard error
trap stop INT TERM
for group in "$@"; do
	start=$SECONDS
	"group_$group"
	echo "== $group took $((SECONDS - start)) s"
done

line="$passed passed, $failed failed"
[ $skipped = 0 ] || line+=", $skipped skipped"
echo "$line"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
