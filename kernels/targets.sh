#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# targets.sh NVCC [-l]: the options that make this nvcc compile for all GPUs we name that it knows;
# -l: only their numbers, one a line.
set -euo pipefail

known=$("$1" --list-gpu-code)
options=() numbers=()
for number in 80 90 100; do
	grep -qx "sm_$number" <<<"$known" || continue
	numbers+=("$number")
	options+=(-gencode "arch=compute_$number,code=sm_$number")
done
if [ ${#numbers[@]} -eq 0 ]; then
	echo "kernels: $1 knows none of sm_80, sm_90 and sm_100" >&2
	exit 1
fi
if [ "${2:-}" = -l ]; then
	printf '%s\n' "${numbers[@]}"
else
	# The oldest PTX: every newer GPU takes it.
	echo "${options[@]}" -gencode "arch=compute_${numbers[0]},code=compute_${numbers[0]}"
fi
