#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The virtual lab from nothing to nothing: image, two machines, every test of tests/lab, and down.
#
#   ci/lab.sh [NAME ...]    all tests, or only those files: lab_rdma, lab_campaign, lab_machines
#
# Where the lab is up already it is used, and left up. Results stay in build/lab/results.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
python=$([ -x /usr/bin/python3 ] && echo /usr/bin/python3 || echo python3)

export BUILD=$build
make -s -j"$(nproc)" BUILD="$build" all
if scripts/lab/lab.sh status >/dev/null; then
	scripts/lab/lab.sh push
else
	trap 'scripts/lab/lab.sh down' EXIT
	scripts/lab/lab.sh up
fi

status=0
"$python" tests/run.py --build "$build" --python "$python" --limit 1800 "${@/#/--only=}" \
	tests/lab/test_*.py || status=$?
# For the log: timings of an emulator are no reason to fail. A tool that fails is.
if [ $# -eq 0 ]; then
	"$python" scripts/lab/parity.py --rounds 2 --iterations 500 || [ $? -eq 1 ] || status=1
	"$python" scripts/lab/parity.py --bandwidth --rounds 2 --seconds 3 || status=1
fi
exit "$status"
