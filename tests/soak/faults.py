#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every fault of tests/cli/faults.py and world_faults.py, N times; prints the table of BENCHMARKS.md.

tests/soak/faults.py [--times 5] [--only WORD]
"""
import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
import faults  # noqa: E402
import world_faults  # noqa: E402


def outcome_words(fault):
    if not isinstance(fault, faults.Fault):
        return "failed block with its cause, campaign goes on, exit 4"
    if fault.resumes:
        return "ends with exit 4, `--resume` completes it"
    if fault.failed:
        return "failed block with its cause, campaign goes on, exit 4"
    return "no effect, exit 0"


def try_one(fault):
    """(outcome, what is wrong with it)."""
    with tempfile.TemporaryDirectory(prefix="cotenant-fault-") as folder:
        if isinstance(fault, faults.Fault):
            outcome = faults.campaign_under(fault, folder)
            return outcome, faults.verdict(fault, outcome)
        world = fault()
        outcome = world_faults.campaign_in(world, Path(folder))
        return outcome, world_faults.verdict(world, outcome)


def row(fault, times):
    """Its line of the table; how often it did not come to what it must."""
    injected = good = lost = left = 0
    for _ in range(times):
        outcome, wrong = try_one(fault)
        good += wrong == ""
        injected += outcome.injected
        lost += abs(outcome.lost)
        left += len(outcome.left_behind)
        if wrong:
            print(f"{fault.name}: {wrong}", file=sys.stderr)
    print(f"| {fault.name} | {times} | {injected} | {outcome_words(fault)} | "
          f"{good}/{times} | {lost} | {left} |", flush=True)
    return times - good


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    wrong = 0
    print("| fault | campaigns | times injected | outcome | as it must be | blocks lost | "
          "left behind |\n| --- | ---: | ---: | --- | ---: | ---: | ---: |")
    for fault in faults.FAULTS + world_faults.WORLDS:
        if asked.only not in fault.name:
            continue
        why_not = "" if isinstance(fault, faults.Fault) else fault().why_not()
        if why_not:
            print(f"{fault.name}: left out, {why_not}", file=sys.stderr)
        else:
            wrong += row(fault, asked.times)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
