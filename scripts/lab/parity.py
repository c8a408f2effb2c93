#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""rdma_write_lat against perftest's ib_write_lat in the lab: same virtual function, size, iterations
and queue pair settings, rounds of the two alternated in random order.

    scripts/lab/lab.sh up && scripts/lab/parity.py [--rounds N] [--iterations N] [--size BYTES]

perftest prints what it measured unsorted (-U); its median is computed from that. Prints a line a round and the ratio of medians with its 95 % interval over
rounds. The exit status says whether the ratio is within 10 %: 0 yes, 1 no, 4 a tool failed.
"""
import argparse
import json
import os
import random
import re
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "bench"))

from common import interval, ratio_of_medians  # noqa: E402 (the path comes first)

TOLERANCE = 0.10
GID_INDEX = 1  # RoCE v2 with IPv4: what gid_index = auto takes on a function of the lab
CPU = 1        # of both ends and both tools: the one that takes the function's receive interrupt
INLINE = 64    # at most what soft-RoCE and perftest both take
SAMPLE = re.compile(r"^\s*\d+,\s+([0-9.]+)\s*$", re.M)  # "#, usec" of the unsorted dump


def ssh(config, machine):
    return ["ssh", "-F", str(config), machine]


def perftest_words(options):
    return (f"taskset -c {CPU} ib_write_lat -d rxe0 -x {GID_INDEX} -c RC -m 1024 -s {options.size} "
            f"-n {options.iterations} -I {INLINE} -F")


def perftest(options):
    """Median of ib_write_lat between the functions 0, in us."""
    words = perftest_words(options)
    server = subprocess.Popen([*ssh(options.config, "vm2"), words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        time.sleep(2)  # it says nothing when it listens
        client = subprocess.run([*ssh(options.config, "vm1"), f"{words} -U 10.77.1.2"],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=options.limit, check=False)
        said = server.communicate(timeout=30)[0] if client.returncode == 0 else ""
    finally:
        server.kill()
    samples = [float(number) for number in SAMPLE.findall(client.stdout)]
    if client.returncode != 0 or len(samples) < options.iterations // 2:
        sys.exit(f"parity: ib_write_lat failed: {(client.stderr or client.stdout or said)[-500:]}")
    return statistics.median(samples), len(samples)


def ours(options):
    """
    Median of rdma_write_lat at the same place, in us. No `nic` (the first device is that of function
    0 as well) and one epoch: reading the counters of a function ten times a second takes a third of
    an emulated CPU, which the two ends have to do without then.
    """
    def via(machine):
        return shlex.join(ssh(options.config, machine))
    command = [options.program, "bench", "rdma_write_lat", f"via={via('vm1')}", "program=cotenant",
               f"peer.via={via('vm2')}", "peer.program=cotenant",
               f"size={options.size}",
               f"inline={INLINE}", "mtu=1024", f"gid_index={GID_INDEX}", f"cpus=core:{CPU}",
               f"peer.cpus=core:{CPU}", "--warmup", "100ms", "--epoch", "10s", "-t", f"{options.seconds}s", "--json"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=options.limit, check=False)
    if result.returncode != 0:
        sys.exit(f"parity: rdma_write_lat failed: {result.stderr.strip()}")
    value = json.loads(result.stdout)
    return value["quantiles"]["0.5"] / 1000, value["count"]


def compare(options):
    rounds, draw = [], random.Random(1)
    for number in range(options.rounds):
        tools = [("ours", ours), ("perftest", perftest)]
        draw.shuffle(tools)
        found = {name: tool(options) for name, tool in tools}
        rounds.append((found["ours"][0], found["perftest"][0]))
        print(f"round {number + 1}, {tools[0][0]} first: rdma_write_lat {found['ours'][0]:.1f} us "
              f"of {found['ours'][1]}, ib_write_lat {found['perftest'][0]:.1f} us of "
              f"{found['perftest'][1]}", flush=True)
    return ratio_of_medians(rounds), interval(ratio_of_medians, rounds)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    build = Path(os.environ.get("BUILD", ROOT / "build"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--size", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2, help="that ours measures a round")
    parser.add_argument("--limit", type=float, default=180, help="seconds for one run of a tool")
    parser.add_argument("--config", type=Path, default=build / "lab" / "ssh_config")
    parser.add_argument("--program", default=build / "cotenant")
    return parser.parse_args()


def main():
    options = parse()
    ratio, (low, high) = compare(options)
    within = abs(ratio - 1) <= TOLERANCE
    print(f"emulated: rdma_write_lat / ib_write_lat: ratio of medians {ratio:.3f} "
          f"[{low:.3f}, {high:.3f}] over {options.rounds} rounds, "
          f"{'within' if within else 'NOT within'} {TOLERANCE:.0%}")
    print(f"  $ {perftest_words(options)} -U")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
