#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A short run of every fuzzer on its committed corpus. `ci/fuzz.sh 600` runs each for ten minutes,
# as many at once as there are CPUs; `ci/fuzz.sh 600 answers results` only these.
#
# tests/fuzz/fuzz_NAME.c is the fuzzer, tests/fuzz/corpus/NAME/ its corpus. What it finds new goes to
# build/fuzz/corpus/NAME, an input that breaks something to build/fuzz/found/. Every run adds a line
# to build/fuzz/ledger.tsv, or to $LEDGER: date, commit, fuzzer, seconds of CPU, inputs, edges reached,
# outcome; the sums over all runs are printed at the end. A long run of which the project keeps account is
#
#   LEDGER=tests/fuzz/ledger.tsv ci/fuzz.sh 3600
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-15}
patience=${COTENANT_FUZZ_TIMEOUT:-10} # seconds an input may take; more where others have the CPUs

for name in "${@:2}"; do
	[ -f "tests/fuzz/fuzz_$name.c" ] || {
		echo "fuzz: there is no tests/fuzz/fuzz_$name.c" >&2
		exit 2
	}
done

build=build/fuzz
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
make -s -j"$(nproc)" BUILD=$build CC=clang SANITIZE=address,undefined \
	CFLAGS="-fsanitize=fuzzer-no-link" fuzzers
mkdir -p $build/found
ledger=${LEDGER:-$build/ledger.tsv}
passed=0 failed=0

# FUZZER CPU-SECONDS OUTCOME
enter() {
	local log=$build/$1.log inputs edges
	inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	edges=$(sed -nE 's/.* cov: ([0-9]+) .*/\1/p' "$log" | tail -n 1)
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$(date -u +%F)" "$(git rev-parse --short HEAD)" "$1" \
		"$2" "${inputs:-0}" "${edges:-0}" "$3" >>"$ledger"
}

print_sums() {
	awk -F'\t' '{ cpu[$3] += $4; n[$3] += $5; if ($6 > edges[$3]) edges[$3] = $6
			bad[$3] += $7 != "ok"; all += $4 }
		END { for (f in n) printf "%-12s %7.2f CPU hours %12d inputs %6d edges %d broken\n", f,
			cpu[f] / 3600, n[f], edges[f], bad[f] | "sort"
			close("sort"); printf "in all %.2f CPU hours\n", all / 3600 }' "$ledger"
}

# Leaves the outcome in a file of its own: several run at once.
TIMEFORMAT='%U %S'
run_fuzzer() {
	local name=$1 log=$build/$1.log outcome=ok spent corpus
	mkdir -p "$build/corpus/$name"
	corpus=("$build/corpus/$name")
	[ ! -d "tests/fuzz/corpus/$name" ] || corpus+=("tests/fuzz/corpus/$name")
	spent=$({ time "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout="$patience" \
		-rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$build/found/$name-" \
		"${corpus[@]}" >"$log" 2>&1 </dev/null; } 2>&1) || outcome=broken
	enter "$name" "$(echo "$spent" | awk '{ print $1 + $2 }')" "$outcome"
	echo "$outcome" >"$build/$name.outcome"
}

names=("${@:2}")
if [ ${#names[@]} -eq 0 ]; then
	for source in tests/fuzz/fuzz_*.c; do
		name=$(basename "$source" .c)
		names+=("${name#fuzz_}")
	done
fi

# As many at once as there are CPUs.
running=0
for name in "${names[@]}"; do
	if [ "$running" -ge "$(nproc)" ]; then
		wait -n
		running=$((running - 1))
	fi
	rm -f "$build/$name.outcome"
	run_fuzzer "$name" &
	running=$((running + 1))
done
wait

for name in "${names[@]}"; do
	log=$build/$name.log
	if [ "$(cat "$build/$name.outcome" 2>/dev/null)" = ok ]; then
		echo "ok   fuzz_$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
		passed=$((passed + 1))
	else
		tail -n 40 "$log"
		echo "FAIL fuzz_$name: the input is in $build/found/"
		failed=$((failed + 1))
	fi
done
print_sums
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
