#!/bin/bash
# lint.sh - everything that looks at sources without running them; `make lint` calls it
#
#   tools/lint.sh               all checks; exit 1 when one of them found something
#   tools/lint.sh CHECK...      some of: edges specmap lengths format shell cppcheck tidy
#   tools/lint.sh --sources     list the C files
#
# JOBS= limits the clang-tidy processes (number of processors).
set -uo pipefail
cd "$(dirname "$0")/.." || exit

python=/usr/bin/python3
jobs=${JOBS:-$(nproc)}
longest_file=600
longest_line=100

sources() {
	find kernel net drivers apps arch tests tools bench -name '*.[ch]' | sort
}

check_edges() { "$python" tools/check_deps.py; }

check_lengths() {
	local bad=0 file lines

	while read -r lines file; do
		[ "$file" != total ] || continue
		if [ "$lines" -gt $longest_file ]; then
			echo "$file: $lines lines, $longest_file are allowed"
			bad=1
		fi
	done < <(sources | xargs wc -l)
	# clang-format leaves long strings and comments alone
	while read -r file; do
		expand -t 8 "$file" | awk -v file="$file" -v max=$longest_line '
			length > max { print file ":" NR ": " length " columns"; bad = 1 }
			END { exit bad }' || bad=1
	done < <(sources)
	return $bad
}

check_specmap() { "$python" tools/check_spec_map.py; }

check_format() {
	local bad=0 file

	while read -r file; do
		clang-format --dry-run --Werror "$file" 2>/dev/null && continue
		echo "$file: make fmt changes it"
		bad=1
	done < <(sources)
	return $bad
}

check_shell() { shellcheck tools/*.sh .ci/run; }

# Criterion's macros in tests/unit are beyond cppcheck.
check_cppcheck() {
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 -j "$jobs" --suppressions-list=tools/cppcheck.supp \
		-I. -Iarch/x86_64/include -D__x86_64__ -D__GNUC__=12 \
		kernel net drivers apps arch tests/model tools
}

# The flags that a file is compiled with, as far as they matter for reading it.
tidy_one() { # file
	local flags=(-std=gnu11 -I.) isa=x86_64 efi=/usr/include/efi
	local arm64=${BUILD:-build}/arm64/usr/include

	case $1 in
	arch/aarch64/* | *_neon.c | */vec/*_aarch64.c)
		isa=aarch64 efi=$arm64/efi
		flags+=(--target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include
			-isystem "$arm64") ;;
	esac
	flags+=(-I"arch/$isa/include")
	case $1 in
	arch/*/efi/*) flags+=(-isystem "$efi" -isystem "$efi/$isa" -DGNU_EFI_USE_MS_ABI
		-fshort-wchar) ;;
	arch/hosted/*) flags+=(-D_GNU_SOURCE -DMEM_SHARED_OFFSET=0x40000000) ;;
	arch/*) flags+=(-ffreestanding -mgeneral-regs-only) ;;
	tests/criterion/*) flags+=(-Itests/criterion) ;;
	tests/unit/*) flags+=(-DTHREADS_FRAMES=1 -DVEC_SEEDS=1) ;;
	*/vec/*_sse.c) flags+=(-msse4.1) ;;
	*/vec/*_avx2.c) flags+=(-mavx2) ;;
	*/vec/*_avx512.c) flags+=(-mavx512f -mavx512bw -mavx512vl) ;;
	esac
	clang-tidy --quiet "$1" -- "${flags[@]}" 2>/dev/null
}

check_tidy() {
	export -f tidy_one
	sources | grep '\.c$' | xargs -P "$jobs" -I{} bash -c 'tidy_one {}'
}

if [ "${1:-}" = --sources ]; then
	sources
	exit
fi
[ $# -gt 0 ] || set -- edges specmap lengths format shell cppcheck tidy
bad=()
for check in "$@"; do
	if ! declare -F "check_$check" >/dev/null; then
		echo "lint: $check is no check: edges specmap lengths format shell cppcheck tidy" >&2
		exit 2
	fi
	echo "== $check"
	"check_$check" || bad+=("$check")
done
if [ ${#bad[@]} != 0 ]; then
	echo "lint: not clean: ${bad[*]}"
	exit 1
fi
echo "lint: clean"
