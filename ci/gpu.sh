#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What can only be checked on an NVIDIA GPU, in one command of less than ten minutes:
#
#   ci/gpu.sh [GPU]            GPU as in `gpu =` of a tenant; default 0
#   ci/gpu.sh --mps            also what needs an MPS server: one is started for these suites and ended;
#                              without this they run where a server is there already
#   ci/gpu.sh --stand-in       the same steps in small against the tests' stand-in for the driver: tries
#                              the script out on a machine without a GPU; its figures mean nothing
#
# Every kernel against double precision, every aggressor against its ceiling, our matrix product against
# cuBLASLt, launches against a bare loop, then the suites that fit what is in force. Prints a table for
# BENCHMARKS.md, what the suites show, and `N passed, N failed`. Nothing of the device is changed: not
# MIG mode, clocks or power.
set -euo pipefail
cd "$(dirname "$0")/.."

make -s -j"$(nproc)" all gpu-tools build/tests/standin/libcuda.so.1 build/tests/standin/libnvidia-ml.so.1
exec "${PYTHON:-python3}" -B scripts/bench/gpu.py --build build --out build/gpu "$@"
