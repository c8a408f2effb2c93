#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ours against perftest in the lab: same virtual function, size, iterations and queue pair settings,
rounds of the two alternated in random order.

    scripts/lab/lab.sh up && scripts/lab/parity.py [--rounds N] [--iterations N] [--size BYTES]
    scripts/lab/parity.py --bandwidth [--rounds N] [--seconds S]

First rdma_write_lat and ib_write_lat, whose median is computed from its unsorted dump (-U). The exit
status says whether the ratio is within 10 %: 0 yes, 1 no, 4 a tool failed. With --bandwidth the busbw of
ring_allreduce transport=verbs over two ranks and the rate of ib_write_bw -b over the same link, both
ways at once as the ring has it; there is no bound on that ratio: a rank also adds and checks, on
an emulated CPU. Prints a line a round, and the ratio of medians with its 95 % interval over rounds.
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
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "bench"))

from common import interval, ratio_of_medians  # noqa: E402 (the path comes first)

TOLERANCE = 0.10
GID_INDEX = 1  # RoCE v2 with IPv4: what gid_index = auto takes on a function of the lab
CPU = 1        # of both ends and both tools: the one that takes the function's receive interrupt
INLINE = 64    # at most what soft-RoCE and perftest both take
CHUNK = 65536  # bytes of a message of the ring and of ib_write_bw
FAILED = 4
SAMPLE = re.compile(r"^\s*\d+,\s+([0-9.]+)\s*$", re.M)  # "#, usec" of the unsorted dump


def ssh(config, machine):
    return ["ssh", "-F", str(config), machine]


def latency_words(options):
    return (f"taskset -c {CPU} ib_write_lat -d rxe0 -x {GID_INDEX} -c RC -m 1024 -s {options.size} "
            f"-n {options.iterations} -I {INLINE} -F")


def bandwidth_words(options):
    return (f"taskset -c {CPU} ib_write_bw -b -d rxe0 -x {GID_INDEX} -c RC -m 1024 -s {CHUNK} "
            f"-D {max(1, round(options.seconds))} -F")


def perftest(options, words, client_words):
    """What the client between the functions 0 prints."""
    server = subprocess.Popen([*ssh(options.config, "vm2"), words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        time.sleep(2)  # it says nothing when it listens
        client = subprocess.run([*ssh(options.config, "vm1"), f"{words} {client_words} 10.77.1.2"],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=options.limit, check=False)
        said = server.communicate(timeout=30)[0] if client.returncode == 0 else ""
    finally:
        server.kill()
    if client.returncode != 0:
        give_up(f"{words.split()[3]} failed: {(client.stderr or client.stdout or said)[-500:]}")
    return client.stdout


def give_up(why):
    print(f"parity: {why}", file=sys.stderr)
    sys.exit(FAILED)


def their_latency(options):
    """Median of ib_write_lat in us."""
    said = perftest(options, latency_words(options), "-U")
    samples = [float(number) for number in SAMPLE.findall(said)]
    if len(samples) < options.iterations // 2:
        give_up(f"ib_write_lat printed {len(samples)} samples: {said[-500:]}")
    return statistics.median(samples)


def their_bandwidth(options):
    """Mean rate of ib_write_bw, one way of the two, in MB/s."""
    said = perftest(options, bandwidth_words(options), "")
    rates = [line.split() for line in said.splitlines() if line.split()[:1] == [str(CHUNK)]]
    if len(rates) != 1 or len(rates[0]) < 4:
        give_up(f"ib_write_bw printed no rate: {said[-500:]}")
    return float(rates[0][3]) * 2 ** 20 / 1e6 / 2


def ours(options, workload, *words):
    """What our bench says of a workload between the same two functions."""
    def via(machine):
        return shlex.join(ssh(options.config, machine))
    command = [options.program, "bench", workload, f"via={via('vm1')}", "program=cotenant",
               f"peer.via={via('vm2')}", "peer.program=cotenant", f"cpus=core:{CPU}",
               f"peer.cpus=core:{CPU}", *words, "--warmup", "100ms", "-t", f"{options.seconds}s",
               "--epoch", "10s", "--json"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=options.limit, check=False)
    if result.returncode != 0:
        give_up(f"{workload} failed: {result.stderr.strip()}")
    return json.loads(result.stdout)


def our_latency(options):
    """
    Median of rdma_write_lat at the same place, in us. No `nic` (the first device is that of function
    0 as well) and one epoch: reading the counters of a function ten times a second takes a third of
    an emulated CPU, which the two ends have to do without then.
    """
    value = ours(options, "rdma_write_lat", f"size={options.size}", f"inline={INLINE}", "mtu=1024",
                 f"gid_index={GID_INDEX}")
    return value["quantiles"]["0.5"] / 1000


def our_bandwidth(options):
    """busbw of a ring of two, in MB/s; the functions are named, since a rank's address is theirs."""
    value = ours(options, "ring_allreduce", "transport=verbs", "bytes=4M", f"chunk={CHUNK}",
                 "mtu=1024", f"gid_index={GID_INDEX}", "nic=vf:eth1/0", "peer.nic=vf:eth1/0",
                 "peer.address=10.77.1.2")
    return next(c["median"] for c in value["counters"] if c["name"] == "busbw") / 1e6


Kind = namedtuple("Kind", "ours theirs unit measure_ours measure_theirs")
LATENCY = Kind("rdma_write_lat", "ib_write_lat", "us", our_latency, their_latency)
BANDWIDTH = Kind("ring_allreduce busbw", "ib_write_bw -b", "MB/s", our_bandwidth, their_bandwidth)


def compare(options, kind):
    rounds, draw = [], random.Random(1)
    for number in range(options.rounds):
        tools = [(kind.ours, kind.measure_ours), (kind.theirs, kind.measure_theirs)]
        draw.shuffle(tools)
        found = {name: tool(options) for name, tool in tools}
        rounds.append((found[kind.ours], found[kind.theirs]))
        print(f"round {number + 1}, {tools[0][0]} first: {kind.ours} {found[kind.ours]:.1f} "
              f"{kind.unit}, {kind.theirs} {found[kind.theirs]:.1f} {kind.unit}", flush=True)
    ratio, (low, high) = ratio_of_medians(rounds), interval(ratio_of_medians, rounds)
    print(f"emulated: {kind.ours} / {kind.theirs}: ratio of medians {ratio:.3f} "
          f"[{low:.3f}, {high:.3f}] over {options.rounds} rounds", end="")
    return ratio


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    build = Path(os.environ.get("BUILD", ROOT / "build"))
    parser.add_argument("--bandwidth", action="store_true")
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
    if options.bandwidth:
        compare(options, BANDWIDTH)
        print(f"\n  $ {bandwidth_words(options)}")
        return 0
    within = abs(compare(options, LATENCY) - 1) <= TOLERANCE
    print(f", {'within' if within else 'NOT within'} {TOLERANCE:.0%}")
    print(f"  $ {latency_words(options)} -U")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
