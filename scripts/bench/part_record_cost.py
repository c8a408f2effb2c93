# SPDX-License-Identifier: Apache-2.0
"""What recording a sample costs beyond the two clock reads."""
from common import row

PART = "recording one sample, beyond the two clock reads"


def measure(bench):
    command = ["taskset", "-c", bench.victim_cpu, bench.build / "tests" / "bench" / "record_cost"]
    result = bench.run_json(command)
    costs = [a - b for a, b in zip(result["with"], result["without"])]
    return [row("record a sample", "ns", costs, target=(None, 5.0),
                commands=[" ".join(map(str, command))],
                note=f"batches of 20000, with and without alternating; clock {result['clock']}")]
