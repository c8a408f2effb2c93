#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything compiles without a warning by gcc and by clang, and a second make builds nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

for compiler in gcc clang; do
	build=build/werror-$compiler
	make -s -j"$(nproc)" CC=$compiler WERROR=1 BUILD=$build all unit-tests bench-tools
	again=$(make -j"$(nproc)" CC=$compiler WERROR=1 BUILD=$build all unit-tests bench-tools |
		grep -v '^make' || true)
	if [ -n "$again" ]; then
		printf 'build: a second make should build nothing, but did:\n%s\n' "$again" >&2
		exit 1
	fi
done
echo "build: good"
