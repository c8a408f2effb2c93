# SPDX-License-Identifier: Apache-2.0
"""Eight aggressors at once by lock-in, against the same eight one by one in blocks.

suites/lockin.ini with one victim, once as it is and once with `design = blocks` and the defaults of a
suite (8 replicates of 1 s phases). Shown: how long each takes, for how many aggressors the two
shifts of the median agree within their intervals, and how much narrower the intervals are.
"""
import configparser
import json
import math
import statistics
import time

from common import ROOT, row

PART = "eight aggressors at once by lock-in, against one by one in blocks"
VICTIM = "mem_latency"
BLOCKS = {"design": "blocks", "replicates": "8", "measure": "1s", "epoch": "100ms"}


def write_job(path, changes):
    job = configparser.ConfigParser()
    job.read(ROOT / "suites" / "lockin.ini")
    for section in job.sections():
        if section.startswith("victim ") and section != f"victim {VICTIM}":
            job.remove_section(section)
    job["suite"].update(changes)
    with open(path, "w", encoding="utf-8") as file:
        job.write(file)


def run(bench, name, changes):
    """The analysis of a campaign, and the seconds it took, set-up and all."""
    folder = bench.build / "bench"
    job, out = folder / f"{name}.ini", folder / f"{name}.h5"
    for old in folder.glob(f"{name}.h5*"):
        old.unlink()
    write_job(job, changes)
    command = [bench.cotenant, "run", job, "-o", out, "-q"]
    begin = time.monotonic()
    bench.run(command, timeout=1800)
    seconds = time.monotonic() - begin
    return json.loads(bench.run([bench.cotenant, "analyze", out, "--json"])), seconds, command


def of_lockin(analysis):
    """{aggressor: (shift, half width)}, both of the logarithm."""
    found = {}
    for pair in analysis["lockin"]:
        shift = {key: math.log1p(value / 100)
                 for key, value in pair["effects"][0]["shift_percent"].items()}
        found[pair["aggressor"]] = (shift["value"], (shift["hi"] - shift["lo"]) / 2)
    return found


def of_blocks(analysis):
    found = {}
    for cell in analysis["cells"]:
        slowdown = cell["quantiles"][0]["slowdown"]
        if slowdown["lo"]:
            found[cell["aggressor"]] = (math.log(slowdown["value"]),
                                        math.log(slowdown["hi"] / slowdown["lo"]) / 2)
    return found


def measure(bench):
    at_once, quick, command = run(bench, "lockin", {})
    one_by_one, slow, slow_command = run(bench, "lockin_blocks", BLOCKS)
    ours, theirs = of_lockin(at_once), of_blocks(one_by_one)
    both = sorted(set(ours) & set(theirs))
    agree = [name for name in both
             if abs(ours[name][0] - theirs[name][0]) <= math.hypot(ours[name][1], theirs[name][1])]
    for name in both:
        (a, da), (b, db) = ours[name], theirs[name]
        print(f"    {name:<12} lock-in {100 * a:+7.2f} % +- {100 * da:5.2f}   "
              f"blocks {100 * b:+7.2f} % +- {100 * db:5.2f}   "
              f"{'agree' if name in agree else 'differ'}")
    commands = [" ".join(map(str, words)) for words in (command, slow_command)]
    width = statistics.median(theirs[name][1] / ours[name][1] for name in both)
    return [
        row("lockin: time for eight aggressors, of one by one", "s", [quick], [slow],
            target=(None, 0.2), peer_name="blocks", commands=commands,
            note="set-up and calibration included"),
        row("lockin: aggressors whose shifts agree within the intervals", "of 8", [len(agree)],
            target=(7, 8), note=f"{len(both)} of 8 could be compared; at 95 % one in 20 may differ"),
        row("lockin: interval of the blocks over that of lock-in, median", "", [width],
            note="wider than 1: lock-in knows better, in less time"),
    ]
