# SPDX-License-Identifier: Apache-2.0
"""`cotenant bench spin` against oslat on the same CPU.

oslat counts in whole microseconds, so the gap between two clock reads (tens of ns) falls into its
first bucket and says nothing. With a copy between the reads (-w memmove; mode=memmove here) the gap
is many microseconds, and the median inside oslat's bucket comes from interpolation.
"""
import json
import tempfile
from pathlib import Path

from common import CanNotMeasure, in_turns, row, text_of

PART = "spin against oslat, medians"
SECONDS = 2
MEMORY = "256K"


def oslat_histogram(bench, command):
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        bench.run([*command, f"--json={result}"])
        histogram = json.loads(result.read_text())["thread"]["0"]["histogram"]
    return sorted((int(key), count) for key, count in histogram.items())


def grouped_median_ns(histogram):
    """Median of grouped data: bucket k holds (k - 1, k] us, taken as evenly filled."""
    half = sum(count for _, count in histogram) / 2
    below = 0
    for microseconds, count in histogram:
        if below + count >= half:
            return 1000 * (microseconds - 1 + (half - below) / count)
        below += count
    raise CanNotMeasure("oslat counted nothing")


def measure(bench):
    bench.need("oslat")
    ours = bench.bench_command("spin", "mode=memmove", f"memory={MEMORY}", seconds=SECONDS)
    peer = ["oslat", "-c", bench.victim_cpu, "-C", bench.noise_cpu, "-D", SECONDS, "-b", 1024,
            "-w", "memmove", "-m", MEMORY, "-q"]
    values = in_turns({"ours": lambda: bench.median_ns(ours),
                       "peer": lambda: grouped_median_ns(oslat_histogram(bench, peer))},
                      bench.rounds)
    return [row(f"spin, a copy of {MEMORY} between reads", "ns", values["ours"], values["peer"],
                target=(0.9, 1.1), peer_name="oslat", commands=[text_of(ours), text_of(peer)])]
