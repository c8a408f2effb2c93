# SPDX-License-Identifier: Apache-2.0
"""Before and after: two campaigns and `cotenant compare`, against hyperfine and what it offers.

The question is that of a gate: has the machine become slower? Pairs of measurements of one machine
on which nothing changed, and pairs where a neighbour runs beside the second one. hyperfine prints a
ratio with the runs' standard deviation; the script that comes with its source does Welch's test,
which takes runs for independent. Both look at the same runs here: copies of memory by dd, as many
as take the time of one of our campaigns. `compare` judges by the p99 unless told otherwise, they by the
mean, so it is asked by the p50 as well.
"""
import json
import tempfile
import time
from pathlib import Path

from scipy.stats import ttest_ind

from common import Background, CanNotMeasure, row, text_of

PART = "pairs called different: cotenant compare, hyperfine's interval, Welch's test of its runs"
SETTLE = 1.0
SUITE = """[suite]
name = compare
replicates = 8
warmup = 50ms
measure = 200ms
recovery = 10ms
epoch = 50ms
[tenant victim]
cpus = pu:{victim}
[tenant neighbour]
cpus = pu:{noise}
shared = yes
[victim mem_bandwidth]
op = copy
working_set = 64M
[aggressor null]
"""


def campaign(bench, suite, path):
    path.unlink(missing_ok=True)
    # 4: beside a neighbour the idle aggressor may not get its share of their CPU in any block; the
    # file is whole all the same, and what of it can be compared is.
    bench.run([bench.cotenant, "run", suite, "-o", path, "-q"], good=(0, 4))
    return path


def compared(bench, base, new, options=()):
    out = new.with_suffix(".compared")
    bench.run([bench.cotenant, "compare", base, new, *options, "--json", out], good=(0, 1, 3))
    cells = json.loads(out.read_text())["cells"]
    if not cells:
        raise CanNotMeasure("compare found no cell in both")
    return any(cell["verdict"] in ("regressed", "improved") for cell in cells)


def hyperfine_command(bench, runs, out):
    return ["taskset", "-c", bench.victim_cpu, "hyperfine", "-N", "--warmup", 2, "--runs", runs,
            "--export-json", out, "dd if=/dev/zero of=/dev/null bs=64M count=12"]


def hyperfine(bench, runs, out):
    bench.run(hyperfine_command(bench, runs, out))
    return json.loads(Path(out).read_text())["results"][0]


def beyond_its_interval(base, new):
    """'NEW ran R +- E times slower than BASE', as hyperfine propagates it, with R - E above 1."""
    ratio = new["mean"] / base["mean"]
    error = ratio * ((new["stddev"] / new["mean"]) ** 2 + (base["stddev"] / base["mean"]) ** 2) ** 0.5
    return abs(ratio - 1) > error


def welch(base, new):
    return bool(ttest_ind(base["times"], new["times"], equal_var=False).pvalue < 0.05)


def runs_in_the_time_of_a_campaign(bench, suite, folder):
    begin = time.monotonic()
    campaign(bench, suite, folder / "first.h5")
    seconds = time.monotonic() - begin
    return max(10, round(seconds / hyperfine(bench, 10, folder / "first.json")["mean"])), seconds


class Pairs:
    """How often each way called a pair different."""

    def __init__(self, bench, folder, suite, runs):
        self.bench, self.folder, self.suite, self.runs = bench, folder, suite, runs
        self.called = {"cotenant compare": 0, "cotenant compare --gate p50": 0,
                       "hyperfine's interval": 0, "Welch's test": 0}

    def measure(self, name):
        return (campaign(self.bench, self.suite, self.folder / f"{name}.h5"),
                hyperfine(self.bench, self.runs, self.folder / f"{name}.json"))

    def count(self, base, new):
        files = self.bench, base[0], new[0]
        self.called["cotenant compare"] += compared(*files)
        self.called["cotenant compare --gate p50"] += compared(*files, ("--gate", "p50"))
        self.called["hyperfine's interval"] += beyond_its_interval(base[1], new[1])
        self.called["Welch's test"] += welch(base[1], new[1])


def measure(bench):
    bench.need("hyperfine", "taskset")
    neighbour = bench.noise_command("membw", "intensity=50%", seconds=120)
    rows, pairs = [], 2 * bench.rounds
    with tempfile.TemporaryDirectory(prefix="cotenant-compare-") as folder:
        folder = Path(folder)
        suite = folder / "compare.ini"
        suite.write_text(SUITE.format(victim=bench.victim_cpu, noise=bench.noise_cpu))
        runs, seconds = runs_in_the_time_of_a_campaign(bench, suite, folder)
        print(f"    a campaign takes {seconds:.1f} s, as {runs} runs do")
        equal, slower = (Pairs(bench, folder, suite, runs) for _ in range(2))
        for _ in range(pairs):
            base = equal.measure("base")
            equal.count(base, equal.measure("new"))
            with Background(neighbour, SETTLE):
                slower.count(base, slower.measure("new"))
        command = text_of(hyperfine_command(bench, runs, "RESULT"))
    for found, what in ((equal, "nothing changed"), (slower, "a neighbour came")):
        for way, count in found.called.items():
            rows.append(row(f"{way}, {what}", f"of {pairs} pairs", [count],
                            commands=[] if way.startswith("cotenant") else [command]))
    return rows
