#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy over our C files, or over those named; the checks, and why some are off: .clang-tidy.
set -euo pipefail
cd "$(dirname "$0")/.."

# One file; its output is held back so that files checked side by side don't mix their lines.
if [ "${1:-}" = --one ]; then
	file=$2
	shift 2
	[ "$file" = harness/core/error.c ] || set -- "$@" -include ci/analyzer.h
	if ! found=$(clang-tidy --quiet --warnings-as-errors='*' "$file" -- "$@" 2>&1); then
		printf '%s\n' "$found" | grep -v 'warnings generated\|^Suppressed\|^Use -header-filter'
		exit 1
	fi
	exit 0
fi

files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(find bench harness kernels noise -name '*.c' | sort)
read -ra flags < <(make -s CC=clang print-cflags)
printf '%s\0' "${files[@]}" | xargs -0 -I '{}' -P "$(nproc)" "$0" --one '{}' "${flags[@]}"
echo "tidy: good"
