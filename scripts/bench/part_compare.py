# SPDX-License-Identifier: Apache-2.0
"""Before and after: two campaigns and `cotenant compare`, against hyperfine and what it offers.

The question is that of a gate: has the machine become slower? Pairs of measurements of one machine
on which nothing changed, and pairs where a neighbour runs beside the second one. hyperfine prints a
ratio with the runs' standard deviation; the script that comes with its source does Welch's test,
which takes runs for independent. Both look at the same runs here: copies of memory by dd.
"""
import json
import tempfile
from pathlib import Path

from scipy.stats import ttest_ind

from common import Background, CanNotMeasure, row, text_of

PART = "pairs called different: cotenant compare, hyperfine's interval, Welch's test of its runs"
SETTLE = 1.0
SUITE = """[suite]
name = compare
replicates = 5
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
    bench.run([bench.cotenant, "run", suite, "-o", path, "-q"])
    return path


def compared(bench, base, new):
    out = new.with_suffix(".compared")
    bench.run([bench.cotenant, "compare", base, new, "--json", out], good=(0, 1, 3))
    cells = json.loads(out.read_text())["cells"]
    if not cells:
        raise CanNotMeasure("compare found no cell in both")
    return any(cell["verdict"] in ("regressed", "improved") for cell in cells)


def hyperfine_command(bench, out):
    return ["taskset", "-c", bench.victim_cpu, "hyperfine", "-N", "--warmup", 2, "--runs", 40,
            "--export-json", out, "dd if=/dev/zero of=/dev/null bs=64M count=12"]


def hyperfine(bench, out):
    bench.run(hyperfine_command(bench, out))
    return json.loads(Path(out).read_text())["results"][0]


def beyond_its_interval(base, new):
    """'NEW ran R +- E times slower than BASE', as hyperfine propagates it, with R - E above 1."""
    ratio = new["mean"] / base["mean"]
    error = ratio * ((new["stddev"] / new["mean"]) ** 2 + (base["stddev"] / base["mean"]) ** 2) ** 0.5
    return abs(ratio - 1) > error


def welch(base, new):
    return bool(ttest_ind(base["times"], new["times"], equal_var=False).pvalue < 0.05)


class Pairs:
    """How often each way called a pair different."""

    def __init__(self, bench, folder):
        self.bench, self.folder = bench, folder
        self.suite = folder / "compare.ini"
        self.suite.write_text(SUITE.format(victim=bench.victim_cpu, noise=bench.noise_cpu))
        self.called = {"cotenant compare": 0, "hyperfine's interval": 0, "Welch's test": 0}

    def measure(self, name):
        return (campaign(self.bench, self.suite, self.folder / f"{name}.h5"),
                hyperfine(self.bench, self.folder / f"{name}.json"))

    def count(self, base, new):
        self.called["cotenant compare"] += compared(self.bench, base[0], new[0])
        self.called["hyperfine's interval"] += beyond_its_interval(base[1], new[1])
        self.called["Welch's test"] += welch(base[1], new[1])


def measure(bench):
    bench.need("hyperfine", "taskset")
    neighbour = bench.noise_command("membw", "intensity=50%", seconds=120)
    rows, pairs = [], 2 * bench.rounds
    with tempfile.TemporaryDirectory(prefix="cotenant-compare-") as folder:
        equal, slower = Pairs(bench, Path(folder)), Pairs(bench, Path(folder))
        for _ in range(pairs):
            base = equal.measure("base")
            equal.count(base, equal.measure("new"))
            with Background(neighbour, SETTLE):
                slower.count(base, slower.measure("new"))
        command = text_of(hyperfine_command(bench, "RESULT"))
    for found, what in ((equal, "nothing changed"), (slower, "a neighbour came")):
        for way, count in found.called.items():
            rows.append(row(f"{way}, {what}", f"of {pairs} pairs", [count],
                            commands=[command] if way != "cotenant compare" else []))
    return rows
