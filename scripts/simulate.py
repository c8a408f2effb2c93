#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the decisions to their promises: campaigns with known truth through the real program.

    simulate.py [PART ...] [--cotenant build/cotenant] [--campaigns N] [--seed S] [--jobs 2]

coverage     nominal 95 % intervals and bounds of 1,000 campaigns: how many hold the truth
alarms       400 pairs of equal campaigns, drifting and autocorrelated: how many are flagged
power        p99 5 % slower, 10 blocks: how many pairs are called regressed
equivalence  1 % slower, margin 3 %: how many pairs are called equivalent, how many regressed
real         20 pairs of real campaigns of this machine, a reduced quick suite: how many are flagged
prediction   pairs of aggressors in six worlds: error of predict beside the simple rules, coverage
speed        a campaign of 10^8 raw samples: analyze against h5py reading the same data
"""
import argparse
import configparser
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median

import h5py
import numpy as np
from scipy.stats import beta

from synthetic_campaign import Truth, write
from synthetic_pairs import WORLDS, Pairs, write_pairs

ROOT = Path(__file__).resolve().parents[1]
# What is left of suites/quick.ini for `real`, so that 40 campaigns fit into five minutes.
KEPT = ("suite", "tenant victim", "tenant neighbour", "victim mem_latency", "aggressor null",
        "aggressor membw")
REDUCED = {"replicates": "4", "warmup": "50ms", "measure": "100ms", "recovery": "50ms"}


def interval(hits, n):
    """Clopper and Pearson's 95 % interval of a rate."""
    lo = beta.ppf(0.025, hits, n - hits + 1) if hits else 0
    hi = beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1
    return lo, hi


def say(what, hits, n, wanted):
    lo, hi = interval(hits, n)
    print(f"  {what:<56} {hits:5d} of {n:5d}  {hits / n:7.2%}  [{lo:.2%}, {hi:.2%}]  {wanted}")


def program(options, *arguments, good=(0,)):
    run = subprocess.run([options.cotenant, *map(str, arguments)], capture_output=True, text=True,
                         check=False)
    if run.returncode not in good:
        raise RuntimeError(f"{arguments}: exit {run.returncode}: {run.stderr}")
    return run


def spread(work, options, n):
    """work(options, i) for every i, on the processors asked for."""
    with ProcessPoolExecutor(options.jobs) as pool:
        return list(pool.map(work, [options] * n, range(n), chunksize=4))


# ---- coverage ----

COVERED = {
    "lognormal, rho 0.9": Truth(rho=0.9, sigma=0.3, effect=1.1, block_sd=0, blocks=12),
    "Pareto 2.5, rho 0.9": Truth(rho=0.9, distribution="pareto", effect=1.1, block_sd=0,
                                 blocks=12),
    "lognormal, rho 0.9, blocks differ": Truth(rho=0.9, sigma=0.3, effect=1.1, block_sd=0.03,
                                               blocks=12),
}


QS = (0.5, 0.9, 0.99)


def holds(found, truth):
    """Whether an interval holds the truth; null above is no bound, null below is no interval."""
    return (found["lo"] is not None and found["lo"] <= truth
            and (found["hi"] is None or found["hi"] >= truth))


def covered_by(value, truth):
    """{(what, q): whether it holds} of one analysis."""
    hits = {}
    for quantile in value["cells"][0]["quantiles"]:
        q = quantile["q"]
        if q in QS:
            hits["slowdown", q] = holds(quantile["slowdown"], truth.effect)
        # With blocks of different level the pool's own truth is a mixture's: left out.
        if q in QS and not truth.block_sd:
            hits["baseline", q] = holds(quantile["baseline"], truth.quantile(q))
            hits["treatment", q] = holds(quantile["treatment"], truth.quantile(q, 1))
    for guarantee in value["guarantees"] if not truth.block_sd else ():
        q, bound = guarantee["q"], guarantee["bound"]
        if q in QS:
            hits["bound", q] = bound is None or bound >= truth.quantile(q, 1)
    return hits


def covered(options, i):
    """For each case: {(case, what, q): whether it holds}."""
    hits = {}
    with tempfile.TemporaryDirectory() as folder:
        for case, truth in COVERED.items():
            truth = replace(truth, seed=options.seed * 1_000_003 + i)
            path = Path(folder) / "one.h5"
            write(path, truth)
            value = json.loads(program(options, "analyze", path, "--json", "-").stdout)
            hits.update({(case, *key): hit for key, hit in covered_by(value, truth).items()})
    return hits


def coverage(options):
    n = options.campaigns or 1000
    rows = spread(covered, options, n)
    print(f"Coverage of nominal 95 % intervals, {n} campaigns of 12 blocks:")
    for key in rows[0]:
        say(f"{key[0]}: {key[1]} of q {key[2]}", sum(row[key] for row in rows), n,
            "at least 95 %" if key[1] == "bound" else "93..97 %")


# ---- pairs ----

REALISTIC = Truth(rho=0.9, sigma=0.1, aggressors=4, blocks=10, samples=4000, block_sd=0.005,
                  phase_sd=0.003, epoch_sd=0.005, effect=1.2)


def compare(options, base, new):
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "base.h5", Path(folder) / "new.h5"
        write(paths[0], base)
        write(paths[1], new)
        return json.loads(program(options, "compare", *paths, "--json", "-",
                                  good=(0, 1, 3)).stdout)


def seeds(options, i):
    return 2 * (options.seed * 1_000_003 + i), 2 * (options.seed * 1_000_003 + i) + 1


def equal_pair(options, i):
    rng = np.random.default_rng(options.seed * 7919 + i)
    a, b = seeds(options, i)
    value = compare(options, replace(REALISTIC, seed=a, drift=rng.normal(0, 0.02)),
                    replace(REALISTIC, seed=b, drift=rng.normal(0, 0.02)))
    return [cell["verdict"] for cell in value["cells"]]


def alarms(options):
    n = options.campaigns or 400
    verdicts = spread(equal_pair, options, n)
    flagged = sum(any(v in ("regressed", "improved") for v in row) for row in verdicts)
    print(f"False alarms, {n} pairs of equal campaigns, 5 cells each, drift of 2 %, rho 0.9:")
    say("any cell flagged", flagged, n, "at most 5 %")


def shifted_pair(options, i, shift):
    a, b = seeds(options, i)
    value = compare(options, replace(REALISTIC, seed=a), replace(REALISTIC, seed=b, scale=shift))
    return [cell["verdict"] for cell in value["cells"]]


def slower_5(options, i):
    return shifted_pair(options, i, 1.05)


def slower_1(options, i):
    return shifted_pair(options, i, 1.01)


def power(options):
    n = options.campaigns or 400
    verdicts = spread(slower_5, options, n)
    print(f"Power, {n} pairs, p99 5 % slower, 10 blocks:")
    say("the pair is called regressed", sum("regressed" in row for row in verdicts), n,
        "at least 90 %")
    say("one cell is called regressed", sum(row.count("regressed") for row in verdicts),
        sum(map(len, verdicts)), "at least 90 %")


def equivalence(options):
    n = options.campaigns or 400
    verdicts = spread(slower_1, options, n)
    cells = sum(map(len, verdicts))
    print(f"Equivalence, {n} pairs, 1 % slower, margin 3 %:")
    say("one cell is called equivalent", sum(row.count("equivalent") for row in verdicts), cells,
        "most")
    say("one cell is called regressed", sum(row.count("regressed") for row in verdicts), cells,
        "at most 5 %")


# ---- the real machine ----

def reduced_suite(path):
    suite = configparser.ConfigParser(interpolation=None)
    suite.read(ROOT / "suites/quick.ini")
    for section in suite.sections():
        if section not in KEPT:
            suite.remove_section(section)
    suite["suite"].update(REDUCED)
    with open(path, "w", encoding="utf-8") as f:
        suite.write(f)


def real(options):
    n = options.campaigns or 20
    flagged = undecided = 0
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder) / "reduced.ini"
        reduced_suite(suite)
        for i in range(n):
            paths = [Path(folder) / f"{i}-{side}.h5" for side in "ab"]
            for side, path in enumerate(paths):
                program(options, "run", suite, "-o", path, "-q", "--seed", 2 * i + side + 1,
                        good=(0, 4))
            run = program(options, "compare", *paths, "--json", "-", good=(0, 1, 3))
            value = json.loads(run.stdout)
            verdicts = [cell["verdict"] for cell in value["cells"]]
            flagged += any(v in ("regressed", "improved") for v in verdicts)
            undecided += value["verdict"] == "inconclusive"
            print(f"  pair {i + 1}: {value['verdict']}, {len(verdicts)} cells", file=sys.stderr)
    print(f"Real campaigns of one machine against each other, {n} pairs of a reduced quick suite:")
    say("any cell flagged", flagged, n, "nominal 5 %")
    say("inconclusive as a whole", undecided, n, "")


# ---- prediction ----

RULES = ("predict", "larger", "product", "sum")


def predicted(options, i):
    """For each world: the median error by rule, and how many measurements lie in their interval."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for world in WORLDS:
            path = Path(folder) / "one.h5"
            write_pairs(path, Pairs(world=world, blocks=5, samples=1000,
                                    seed=options.seed * 1_000_003 + i))
            value = json.loads(program(options, "predict", path, "--json", "-").stdout)
            errors = {e["method"]: e["median_error"]["value"] for e in value["errors"]
                      if e["quantile"] == "all"}
            found[world] = errors, value["within"], value["judged"]
    return found


def prediction(options):
    n = options.campaigns or 40
    rows = spread(predicted, options, n)
    print(f"Prediction, {n} campaigns of 3 victims, 6 aggressors and their 15 pairs, 5 blocks:")
    for world in WORLDS:
        errors = [row[world][0] for row in rows]
        middle = {rule: median(e[rule] for e in errors) for rule in RULES}
        print(f"  world {world}: median error "
              + ", ".join(f"{rule} {middle[rule]:.2%}" for rule in RULES))
        for rule in ("larger", "product"):
            if rule != world:
                say(f"world {world}: predict better than {rule}",
                    sum(e["predict"] < e[rule] for e in errors), n, "")
        say(f"world {world}: measured inside the interval", sum(row[world][1] for row in rows),
            sum(row[world][2] for row in rows), "wanted: 95 %")


# ---- speed ----

def write_raw(path, total):
    """One cell, 10 blocks of two phases, raw samples alone, shuffled and chunked as cotenant does."""
    rng = np.random.default_rng(1)
    per_phase = total // 20
    one = np.rint(1e6 * rng.lognormal(0, 0.1, 1_000_000)).astype(np.uint64)
    with h5py.File(path, "w") as f:
        f.attrs.update(schema="cotenant.results/1", suite="speed", seed=1, complete=True,
                       created="2026-01-02T03:04:05Z")
        f["victims/name"], f["victims/kind"] = ["victim"], ["synthetic"]
        f["aggressors/name"], f["aggressors/kind"] = ["aggressor"], ["synthetic"]
        f["cells/config"], f["cells/intensity"] = ["local"], [100.0]
        f["cells/victim"], f["cells/aggressor"] = [0], [0]
        f["blocks/cell"], f["blocks/block"] = np.zeros(10, int), np.arange(10)
        f["blocks/phase_first"] = 2 * np.arange(10)
        f["blocks/phase_rows"] = np.full(10, 2)
        f["phases/cell"], f["phases/block"] = np.zeros(20, int), np.arange(20) // 2
        f["phases/order"] = f["phases/role"] = np.arange(20) % 2
        f["phases/count"] = f["phases/raw_rows"] = np.full(20, per_phase)
        f["phases/raw_first"] = per_phase * np.arange(20)
        data = f.create_dataset("raw/latency_ps", (20 * per_phase,), "u8", chunks=(1 << 17,))
        for start in range(0, len(data), len(one)):
            data[start:start + len(one)] = np.roll(one, start // len(one))[:len(data) - start]


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def read_all(path):
    with h5py.File(path) as f:
        data = f["raw/latency_ps"]
        for start in range(0, len(data), 1 << 22):
            data[start:start + (1 << 22)]


def speed(options):
    total = options.campaigns or 100_000_000
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "raw.h5"
        write_raw(path, total)
        read_all(path)
        rounds = [(timed(lambda: program(options, "analyze", path, "--json", "-")),
                   timed(lambda: read_all(path))) for _ in range(5)]
        peak = peak_memory(options, path)
    ratio = median(a / b for a, b in rounds)
    print(f"Speed, {total:,} raw samples: analyze {median(r[0] for r in rounds):.2f} s, h5py reading "
          f"{median(r[1] for r in rounds):.2f} s, ratio {ratio:.2f} (wanted: at most 2), "
          f"peak memory {peak:.0f} MiB (wanted: at most 256)")


def peak_memory(options, path):
    """Of analyze and the child that reads, in MiB."""
    code = ("import resource, subprocess, sys\n"
            "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    run = subprocess.run([sys.executable, "-c", code, options.cotenant, "analyze", str(path)],
                         capture_output=True, text=True, check=True)
    return int(run.stdout) / 1024


PARTS = {"coverage": coverage, "alarms": alarms, "power": power, "equivalence": equivalence,
         "real": real, "prediction": prediction, "speed": speed}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--cotenant", default=str(ROOT / "build" / "cotenant"))
    parser.add_argument("--campaigns", type=int, help="of each part (samples, for speed)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--folder", help="where the large file of speed goes")
    options = parser.parse_args()
    for part in options.parts or PARTS:
        if part not in PARTS:
            parser.error(f"no part {part}: {', '.join(PARTS)}")
        PARTS[part](options)


if __name__ == "__main__":
    main()
