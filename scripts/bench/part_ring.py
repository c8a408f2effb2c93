# SPDX-License-Identifier: Apache-2.0
"""Bus bandwidth of `ring_allreduce` over four namespaces against iperf3 over one of its links.

Each namespace has one veth to a bridge. In a ring every rank sends over its own link what busbw
says, so what iperf3 gets over one link is the limit. That holds as long as the link is what limits:
four ranks share this machine's CPUs and have four links' work to do, iperf3's two ends one link's.
So the figure is taken with a token bucket on every link, for both the same. Without it the two are
shown side by side: where both take all CPU time there is, a quarter is all a ring of four can get.

Of the two rates the slower one leaves CPU time to spare on a machine that others use too.

A rank has to read before it can pass on, so one that waits for a CPU holds up the ring when the
others have run out of what they can send meanwhile: a segment, 2 MiB. iperf3 has socket buffers.
"""
import contextlib
import os
import subprocess

from common import ROOT, Background, CanNotMeasure, in_turns, row, text_of

PART = "busbw of ring_allreduce over four namespaces against iperf3 over one hop"
SECONDS = 3
RANKS, PREFIX, BYTES = 4, "cotenant-ring", "8M"
RATES = ("250mbit", "1gbit")
PORT = 5201


def script(*words):
    done = subprocess.run([ROOT / "scripts/netns-ranks.sh", *words, "--prefix", PREFIX, "--apply"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CanNotMeasure((done.stderr.strip() or "no word").splitlines()[-1])


@contextlib.contextmanager
def namespaces(*words):
    script("up", *words)
    try:
        yield
    finally:
        script("down")


def inside(rank):
    return f"ip netns exec {PREFIX}-rank{rank}"


def address(rank):
    return f"10.78.0.{rank + 1}"


def ring_command(bench):
    """Ranks take turns on the CPUs, so that each CPU has as many as any other."""
    cpus = (bench.victim_cpu, bench.noise_cpu)
    peers = [f"peer{rank}.{key}" for rank in range(1, RANKS)
             for key in (f"via={inside(rank)}", f"address={address(rank)}",
                         f"cpus=pu:{cpus[rank % 2]}")]
    return bench.bench_command("ring_allreduce", f"peers={RANKS - 1}", f"via={inside(0)}", *peers,
                               f"bytes={BYTES}", "transport=tcp", "--epoch", "10s", seconds=SECONDS)


def ring_rate(bench):
    """Over all iterations, as they are of one epoch; in bytes a second."""
    document = bench.run_json(ring_command(bench))
    return next(c["median"] for c in document["counters"] if c["name"] == "busbw")


def client_command(bench):
    return [*inside(0).split(), "iperf3", "-c", address(1), "-p", PORT, "-t", SECONDS, "-O", 1,
            "-A", bench.victim_cpu, "-J"]


def server_command(bench):
    return [*inside(1).split(), "iperf3", "-s", "-p", PORT, "-A", bench.noise_cpu]


def hop_rate(bench):
    """What the server has got, without the first second, in bytes a second."""
    return bench.run_json(client_command(bench))["end"]["sum_received"]["bits_per_second"] / 8


def compare(bench, figure, rate, target, note):
    with namespaces(*rate), Background(server_command(bench), 0.5):
        values = in_turns({"ours": lambda: ring_rate(bench), "peer": lambda: hop_rate(bench)},
                          bench.rounds)
    up = text_of(["scripts/netns-ranks.sh", "up", *rate, "--prefix", PREFIX, "--apply"])
    return row(figure, "B/s", values["ours"], values["peer"], target=target, peer_name="iperf3",
               commands=[up, text_of(ring_command(bench)), text_of(server_command(bench)),
                         text_of(client_command(bench))], note=note)


def measure(bench):
    bench.need("ip", "tc", "iperf3")
    if os.geteuid() != 0:
        raise CanNotMeasure("namespaces need root")
    limited = [compare(bench, f"busbw of ring_allreduce, links of {rate}", ("--rate", rate),
                       (0.9, None), "the link is the limit of both") for rate in RATES]
    return [*limited,
            compare(bench, "the same, links without a limit", (), None,
                    "the CPUs are the limit, with four links' work against one's")]
