# SPDX-License-Identifier: Apache-2.0
"""Blind trials of `cotenant listen`: which of six aggressors another process switched on, and when.

The matrix first (suites/listen.ini with fewer replicates), a quarter of an hour; then a session that
is told nothing, while aggressors are switched on and off here in random order at random times, for 25
minutes. COTENANT_TRIALS sets another number of them than 60. Shown: how often the neighbour is likened
to the one that it was, how far off the time of its beginning is, what was heard without reason, and
the CPU time that all of the session took. Machines that others use too are full of neighbours.
"""
import datetime
import json
import math
import os
import random
import signal
import statistics
import subprocess
import time

from common import ROOT, CanNotMeasure, interval, text_of, verdict

PART = "listen, blind: which of six aggressors was switched on, and when"
# Names, and what suites/listen.ini sets for them.
AGGRESSORS = {"membw": (), "llc": (), "tlb": (), "mmap_churn": (), "ipi": ("mode=call",), "fork": ()}
TRIALS = int(os.environ.get("COTENANT_TRIALS", "60"))
REPLICATES = 3
QUIET_S, ON_S = 75, 12  # what the quiet level is made of, and some more; one trial
PAUSE_S = (8, 14)
NEAR_S = 3              # a beginning further off than this is none of the trial's


def make_matrix(bench, path):
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    command = [bench.cotenant, "run", ROOT / "suites" / "listen.ini", "-o", path, "-q",
               "--set", f"suite.replicates={REPLICATES}"]
    bench.run(command, timeout=3600)
    return command


def do_trials(bench, draw):
    """[(aggressor, wall clock of its start)]"""
    done = []
    for _ in range(TRIALS):
        name = draw.choice(list(AGGRESSORS))
        time.sleep(draw.uniform(*PAUSE_S))
        done.append((name, time.time()))
        bench.run([bench.cotenant, "noise", name, *AGGRESSORS[name], f"cpus=pu:{bench.noise_cpu}",
                   "-t", f"{ON_S}s"])
    time.sleep(PAUSE_S[0])
    return done


def wall_clock(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def heard_near(begins, start):
    """The beginning that is nearest to a trial's, or None."""
    near = [one for one in begins if abs(wall_clock(one["at"]) - start) <= NEAR_S]
    return min(near, key=lambda one: abs(wall_clock(one["at"]) - start), default=None)


def likened_to(one, lines):
    """The aggressor in the last that was said of a neighbour: when it had gone, or that it came."""
    last = [line for line in lines if line["event"] == "neighbour" and line["at"] == one["at"]][-1]
    return last["like"] and last["like"]["aggressor"]


def wilson(hits, n, z=1.96):
    """95 % interval of a share (Wilson 1927)."""
    middle = (hits + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(hits * (n - hits) / n + z * z / 4)
    return middle - half, middle + half


def figure(name, unit, value, bounds, target, values, commands=(), note=""):
    low, high = bounds
    return {"figure": name, "unit": unit, "ours": value, "peer": None, "peer_name": "",
            "value": value, "low": low, "high": high, "target": target,
            "verdict": verdict(low, high, target), "rounds": len(values),
            "values": {"ours": values, "peer": None}, "commands": list(commands), "note": note}


def session(bench, matrix):
    """What was done, and the lines that were heard meanwhile."""
    out = bench.build / "bench" / "heard.h5"
    for old in out.parent.glob(f"{out.name}*"):
        old.unlink()
    command = [bench.cotenant, "listen", f"cpus=pu:{bench.victim_cpu}", "--matrix", str(matrix),
               "-o", str(out), "-t", f"{QUIET_S + TRIALS * (ON_S + PAUSE_S[1]) + 120}s", "--json"]
    # Into a file: a pipe that nobody reads is full after a while, and holds up who writes to it.
    said = out.with_suffix(".jsonl")
    with open(said, "w", encoding="utf-8") as lines, \
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=lines) as listener:
        try:
            time.sleep(QUIET_S)
            trials = do_trials(bench, random.Random(1))
        finally:
            listener.send_signal(signal.SIGINT)
            listener.wait(timeout=60)
    if listener.returncode != 0:
        raise CanNotMeasure(f"'{text_of(command)}': status {listener.returncode}")
    return trials, [json.loads(line) for line in said.read_text().splitlines()], command


def measure(bench):
    matrix = bench.build / "bench" / "listen_matrix.h5"
    first = make_matrix(bench, matrix)
    trials, lines, second = session(bench, matrix)
    begins = [line for line in lines if line["event"] == "neighbour" and line["state"] == "begin"]
    found = [(name, start, heard_near(begins, start)) for name, start in trials]
    likes = [one and likened_to(one, lines) for _, _, one in found]
    for (name, start, one), like in zip(found, likes):
        print(f"    {name:<12} heard as {like or ('unlike any' if one else 'nothing'):<12}"
              + (f" {wall_clock(one['at']) - start:+.2f} s" if one else ""))
    right = [int(like == name) for (name, _, _), like in zip(found, likes)]
    off = [abs(wall_clock(one["at"]) - start) for _, start, one in found if one]
    extra = len(begins) - len(off)
    cpu = next(line for line in lines if line["event"] == "summary")["cpu_share"] * 100
    rows = [figure("neighbours named as what they were", "share", sum(right) / len(right),
                   wilson(sum(right), len(right)), (5 / 6, None), right,
                   [text_of(first), text_of(second)],
                   f"{extra} beginnings heard that were no trial's")]
    if off:
        rows.append(figure("how far off their beginning is", "s", statistics.median(off),
                           interval(statistics.median, off), (None, 1), off))
    rows.append(figure("CPU time of the session, all of it", "% of a CPU", cpu, (cpu, cpu), (None, 1),
                       [cpu]))
    return rows
