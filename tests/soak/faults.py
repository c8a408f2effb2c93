#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every fault of tests/cli/faults.py, N times; prints the table of BENCHMARKS.md.

tests/soak/faults.py [--times 5] [--only WORD]
"""
import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
import faults  # noqa: E402


def outcome_words(fault):
    if fault.resumes:
        return "ends with exit 4, `--resume` completes it"
    if fault.failed:
        return "failed block with its cause, campaign goes on, exit 4"
    return "no effect, exit 0"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    wrong = 0
    print("| fault | campaigns | times injected | outcome | as it must be | blocks lost | "
          "left behind |\n| --- | ---: | ---: | --- | ---: | ---: | ---: |")
    for fault in faults.FAULTS:
        if asked.only not in fault.name:
            continue
        injected = good = lost = left = 0
        for _ in range(asked.times):
            with tempfile.TemporaryDirectory(prefix="cotenant-fault-") as folder:
                outcome = faults.campaign_under(fault, folder)
            what = faults.verdict(fault, outcome)
            good += what == ""
            injected += outcome.injected
            lost += abs(outcome.lost)
            left += len(outcome.left_behind)
            if what:
                print(f"{fault.name}: {what}", file=sys.stderr)
        wrong += asked.times - good
        print(f"| {fault.name} | {asked.times} | {injected} | {outcome_words(fault)} | "
              f"{good}/{asked.times} | {lost} | {left} |", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
