#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every C file is laid out as .clang-format says. `ci/format.sh --fix` rewrites those that are not.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=(--dry-run -Werror)
[ "${1:-}" != --fix ] || mode=(-i)
find bench harness kernels noise tests \( -name '*.c' -o -name '*.h' \) -print0 |
	xargs -0 clang-format --style=file "${mode[@]}"
echo "format: good"
