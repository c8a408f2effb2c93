#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything compiles without a warning by gcc and by clang, and a second make builds nothing.
#
# BUILD=build (in a clean clone): what gcc has built serves the tests that follow. By clang without
# optimisation: its warnings don't depend on it.
set -euo pipefail
cd "$(dirname "$0")/.."

for compiler in gcc clang; do
	build=build/werror-$compiler optimize='-O2 -g'
	[ $compiler = clang ] && optimize=-O0 || build=${BUILD:-$build}
	variant=(CC=$compiler WERROR=1 BUILD="$build" OPTIMIZE="$optimize" all unit-tests bench-tools)
	make -s -j"$(nproc)" "${variant[@]}"
	again=$(make -j"$(nproc)" "${variant[@]}" | grep -v '^make' || true)
	if [ -n "$again" ]; then
		printf 'build: a second make should build nothing, but did:\n%s\n' "$again" >&2
		exit 1
	fi
done
echo "build: good"
