#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A short run of every fuzzer on its committed corpus. `ci/fuzz.sh 600` runs each for ten minutes.
#
# tests/fuzz/fuzz_NAME.c is the fuzzer, tests/fuzz/corpus/NAME/ its corpus. What it finds new goes to
# build/fuzz/corpus/NAME, an input that breaks something to build/fuzz/found/.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-15}

build=build/fuzz
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
make -s -j"$(nproc)" BUILD=$build CC=clang SANITIZE=address,undefined \
	CFLAGS="-fsanitize=fuzzer-no-link" fuzzers
mkdir -p $build/found
passed=0 failed=0
for source in tests/fuzz/fuzz_*.c; do
	[ -e "$source" ] || continue
	name=$(basename "$source" .c)
	name=${name#fuzz_}
	mkdir -p "$build/corpus/$name"
	corpus=("$build/corpus/$name")
	[ ! -d "tests/fuzz/corpus/$name" ] || corpus+=("tests/fuzz/corpus/$name")
	log=$build/$name.log
	if "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="$build/found/$name-" "${corpus[@]}" \
		>"$log" 2>&1 </dev/null; then
		echo "ok   fuzz_$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
		passed=$((passed + 1))
	else
		tail -n 40 "$log"
		echo "FAIL fuzz_$name: the input is in $build/found/"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
