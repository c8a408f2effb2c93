#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cppcheck over our C files; what is not wanted, and why: .cppcheck.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p build/cppcheck
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	--suppressions-list=.cppcheck --error-exitcode=1 --cppcheck-build-dir=build/cppcheck \
	-j "$(nproc)" --library=posix --library=gnu --library=ci/cppcheck.cfg -I. -D_GNU_SOURCE -D__x86_64__ bench harness kernels noise
echo "cppcheck: good"
