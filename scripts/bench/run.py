# SPDX-License-Identifier: Apache-2.0
"""`make bench`: runs the parts, prints every figure, writes build/bench/bench.json.

A figure is met or missed when its whole 95 % interval is; between the two it is unclear. The exit
status is 1 when a part could not be measured: a missed figure is a result, not a failure to run.
"""
import argparse
import importlib
import json
import os
import sys
import time

from common import Bench, CanNotMeasure, machine, machine_line

PARTS = ("record_cost", "timed_path", "wakeup", "spin", "percentiles", "bandwidth", "flood", "ring",
         "slowdown", "lockin", "harness_cost", "report", "demo")
# Long ones: only when they are named.
LONG = ("compare", "growth", "listen")


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def target_text(target):
    if target is None:
        return ""
    low, high = target
    if low is None:
        return f"at most {high:g}"
    if high is None:
        return f"at least {low:g}"
    return f"{low:g} to {high:g}"


def print_row(row):
    bounds = f"[{row['low']:.4g}, {row['high']:.4g}]"
    if row["peer"] is not None:
        print(f"  {row['figure']}: {number(row['ours'])} against {row['peer_name']} "
              f"{number(row['peer'])} {row['unit']}: ratio {row['value']:.4g} {bounds}")
    else:
        print(f"  {row['figure']}: {number(row['value'])} {row['unit']} {bounds}")
    target = target_text(row["target"])
    print(f"      {row['verdict']}{f' (asked: {target})' if target else ''}, "
          f"{row['rounds']} rounds{'; ' + row['note'] if row['note'] else ''}")
    for command in row["commands"]:
        print(f"      $ {command}")


def print_summary(rows):
    print(f"\n{'figure':<52} {'ours':>12} {'peer':>12} {'ratio':>8} {'95 % interval':>22}  verdict")
    for row in rows:
        peer = number(row["peer"]) if row["peer"] is not None else "-"
        ratio = f"{row['value']:.3f}" if row["peer"] is not None else "-"
        bounds = f"[{row['low']:.4g}, {row['high']:.4g}]"
        print(f"{row['figure'][:52]:<52} {number(row['ours']):>12} {peer:>12} {ratio:>8} "
              f"{bounds:>22}  {row['verdict']}")


def measure(bench, names):
    rows, failures = [], []
    for name in names:
        part = importlib.import_module(f"part_{name}")
        print(f"\n{name}: {part.PART}", flush=True)
        begin = time.monotonic()
        try:
            found = part.measure(bench)
        except CanNotMeasure as error:
            print(f"  not measured: {error}", flush=True)
            failures.append({"part": name, "why": str(error)})
            continue
        for row in found:
            row["part"] = name
            print_row(row)
        print(f"  ({time.monotonic() - begin:.0f} s)", flush=True)
        rows.extend(found)
    return rows, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of: {', '.join(PARTS)}; and, when named, {', '.join(LONG)}")
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=7, help="of alternated runs, a figure")
    options = parser.parse_args()
    unknown = [name for name in options.parts if name not in PARTS + LONG]
    if unknown:
        parser.error(f"no part named {unknown[0]}: there are {', '.join(PARTS + LONG)}")
    bench = Bench(options.build, options.rounds)
    about = machine()
    print(f"machine: {machine_line(about)}")
    print(f"victims on CPU {bench.victim_cpu}, noise on CPU {bench.noise_cpu}")
    if os.getloadavg()[0] > 0.5:
        print(f"The load average is {os.getloadavg()[0]:.1f}: something else runs here, and every "
              "figure below shares the CPUs with it.")
    rows, failures = measure(bench, options.parts or PARTS)
    print_summary(rows)
    out = bench.build / "bench" / "bench.json"
    out.write_text(json.dumps({"schema": "cotenant.peers/1", "machine": about, "rows": rows,
                               "not_measured": failures}, indent=2) + "\n")
    print(f"\nAll values are in {out}.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
