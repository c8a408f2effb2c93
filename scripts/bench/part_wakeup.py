# SPDX-License-Identifier: Apache-2.0
"""`cotenant bench wakeup` against cyclictest on the same CPU, real-time and ordinary."""
import json
import tempfile
from pathlib import Path

from common import in_turns, row, text_of

PART = "wakeup against cyclictest, medians"
SECONDS = 3


def cyclictest_command(bench, priority):
    words = ["cyclictest", "--mlockall", "--nsecs", "-i", 1000, "-t", 1, "-a", bench.victim_cpu,
             "--mainaffinity", bench.noise_cpu, "-q", "-D", SECONDS, "-h", 1000000]
    return words + (["-p", priority] if priority else [])


def cyclictest_median(bench, command):
    """Median in ns, exact: a bucket is 1 ns wide."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        bench.run([*command, f"--json={result}"])
        histogram = json.loads(result.read_text())["thread"]["0"]["histogram"]
    left = sum(histogram.values()) / 2
    for latency, count in sorted((int(key), count) for key, count in histogram.items()):
        left -= count
        if left <= 0:
            return latency
    return 0


def measure(bench):
    bench.need("cyclictest")
    rows = []
    for kind, priority in (("real-time thread", 80), ("ordinary thread", 0)):
        ours = bench.bench_command("wakeup", f"priority={priority}", "shallow_idle=yes",
                                   seconds=SECONDS)
        peer = cyclictest_command(bench, priority)
        values = in_turns({"ours": lambda command=ours: bench.median_ns(command),
                           "peer": lambda command=peer: cyclictest_median(bench, command)},
                          bench.rounds)
        rows.append(row(f"wakeup, {kind}", "ns", values["ours"], values["peer"],
                        target=(0.9, 1.1), peer_name="cyclictest",
                        commands=[text_of(ours), text_of(peer)]))
    return rows
