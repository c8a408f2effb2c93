#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# targets.sh NVCC [-l]: the options that make this nvcc compile for all GPUs we name that it knows;
# -l: only their names, one a line. 90a is 9.0 with the instructions that no other GPU has (wgmma);
# lists of nvcc's do not show it, so it is asked.
set -euo pipefail

known=$("$1" --list-gpu-code)
options=() names=()
for name in 80 90 100; do
	grep -qx "sm_$name" <<<"$known" || continue
	if [ "$name" = 90 ] && "$1" -arch=sm_90a -dryrun -cubin -x cu /dev/null -o /dev/null 2>/dev/null; then
		name=90a
	fi
	names+=("$name")
	options+=(-gencode "arch=compute_$name,code=sm_$name")
done
if [ ${#names[@]} -eq 0 ]; then
	echo "kernels: $1 knows none of sm_80, sm_90 and sm_100" >&2
	exit 1
fi
if [ "${2:-}" = -l ]; then
	printf '%s\n' "${names[@]}"
else
	# The oldest PTX: every newer GPU takes it.
	echo "${options[@]}" -gencode "arch=compute_${names[0]},code=compute_${names[0]}"
fi
