#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every CUDA kernel compiles for every GPU we name, without a warning and without spilling registers
# to memory. Counts one check for a kernel on a target; without nvcc there is nothing to compile.
set -euo pipefail
cd "$(dirname "$0")/.."

nvcc=$(make -s print-nvcc)
# Names in the list that macro $1 is.
listed() {
	sed -nE "/^#define $1\(X\)/,/[^\\\\]\$/s/^\tX\(([a-z0-9_]+),.*/ct_\1/p" kernels/kernels.h
}
kernels=$(listed CT_KERNELS)
if [ -z "$nvcc" ]; then
	echo "kernels: nvcc was not found: $(wc -w <<<"$kernels") kernels skipped"
	echo "0 passed, 0 failed"
	exit 0
fi
mkdir -p build/kernels
passed=0 failed=0
for target in $(kernels/targets.sh "$nvcc" -l); do
	log=build/kernels/sm_$target.log
	expected=$kernels
	[ "$target" != 90a ] || expected+=" $(listed CT_KERNELS_90)"
	if ! "$nvcc" -std=c++17 -O3 -I. --compiler-options -Wall -arch="sm_$target" -cubin \
		-Xptxas -v,-warn-spills -o "build/kernels/sm_$target.cubin" kernels/all.cu >"$log" 2>&1; then
		cat "$log"
		failed=$((failed + $(wc -w <<<"$expected")))
		continue
	fi
	grep -i 'warning' "$log" && failed=$((failed + 1))
	for kernel in $expected; do
		# The line of spills follows the kernel's name; that of registers follows it.
		found=$(grep -A 3 "Compiling entry function '$kernel'" "$log" || true)
		spills=$(sed -nE 's/.*stack frame, ([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads.*/\1 \2/p' <<<"$found" | head -1)
		registers=$(sed -nE 's/.*Used ([0-9]+) registers.*/\1/p' <<<"$found" | head -1)
		if [ "$spills" = "0 0" ]; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			echo "FAILED $kernel for sm_$target: $([ -n "$spills" ] && echo "spills $spills bytes" || echo "is not in the module"), $registers registers"
		fi
	done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
