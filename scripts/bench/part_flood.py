# SPDX-License-Identifier: Apache-2.0
"""Packets per second of `vf_flood` against trafgen (netsniff-ng) over a pair of veth devices.

Both send frames of 60 bytes through a ring past the queueing discipline, from the same CPU, to the
same sink, which reads and drops them: for trafgen a `vf_flood` that is held to one packet a second
keeps that sink there. Both are counted by what the device says it sent, so that what the receiver's
queue had no room for counts for neither.
"""
import contextlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

from common import Background, CanNotMeasure, in_turns, row, text_of

PART = "vf_flood against trafgen over veth, packets per second"
SECONDS = 1
LEFT, RIGHT, ADDRESSES = "cotenant-fl", "cotenant-fr", ("10.79.0.1", "10.79.0.2")


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


@contextlib.contextmanager
def namespaces():
    """Two of them, joined by veth devices that are both called v0."""
    made = []
    try:
        for name in (LEFT, RIGHT):
            ip("netns", "add", name)
            made.append(name)
        ip("link", "add", "v0", "netns", LEFT, "type", "veth", "peer", "name", "v0", "netns", RIGHT)
        for name, address in zip((LEFT, RIGHT), ADDRESSES):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "v0")
            ip("-n", name, "link", "set", "v0", "up")
        yield
    finally:
        for name in made:
            ip("netns", "del", name)


def inside(namespace, *words):
    return subprocess.run(["ip", "netns", "exec", namespace, *words], check=True, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True).stdout


def packets_sent():
    return int(inside(LEFT, "cat", "/sys/class/net/v0/statistics/tx_packets"))


def flood_command(bench, *words, seconds):
    return bench.noise_command(
        "vf_flood", f"via=ip netns exec {LEFT}", "nic=v0", f"peer.via=ip netns exec {RIGHT}",
        f"peer.address={ADDRESSES[1]}", f"peer.cpus=pu:{bench.victim_cpu}", *words,
        seconds=seconds)


def sink_port():
    for _ in range(100):
        sockets = inside(RIGHT, "ss", "-Huln").split()
        if sockets:
            return int(sockets[3].rpartition(":")[2])
        time.sleep(0.1)
    raise CanNotMeasure("the sink of vf_flood did not come up")


def trafgen_command(bench, folder, port):
    macs = [inside(name, "cat", "/sys/class/net/v0/address").strip() for name in (LEFT, RIGHT)]
    packet = Path(folder) / "packet.cfg"
    packet.write_text(f"{{ eth(da={macs[1]}, sa={macs[0]}), ipv4(sa={ADDRESSES[0]}, "
                      f"da={ADDRESSES[1]}, ttl=1), udp(sp=4000, dp={port}), fill('c', 18) }}\n")
    return ["ip", "netns", "exec", LEFT, "taskset", "-c", str(bench.noise_cpu), "trafgen", "-i",
            str(packet), "-o", "v0", "-P", "1"]


def trafgen_rate(bench):
    with tempfile.TemporaryDirectory() as folder:
        with Background(flood_command(bench, "cap=1", seconds=60), 0.5):
            command = trafgen_command(bench, folder, sink_port())
            with Background(command, 0.3):
                before, begin = packets_sent(), time.monotonic()
                time.sleep(SECONDS)
                return (packets_sent() - before) / (time.monotonic() - begin)


def flood_rate(bench, *words):
    with Background(flood_command(bench, *words, seconds=60), 1.5):
        before, begin = packets_sent(), time.monotonic()
        time.sleep(SECONDS)
        return (packets_sent() - before) / (time.monotonic() - begin)


def measure(bench):
    bench.need("ip", "ss", "taskset", "trafgen")
    if os.geteuid() != 0:
        raise CanNotMeasure("namespaces and packet sockets need root")
    with namespaces():
        values = in_turns({"ours": lambda: flood_rate(bench),
                           "peer": lambda: trafgen_rate(bench)}, bench.rounds)
    return [row("vf_flood, frames of 60 bytes over veth", "packet/s", values["ours"],
                values["peer"], target=(1.0, None), peer_name="trafgen",
                commands=[text_of(flood_command(bench, seconds=SECONDS)),
                          f"ip netns exec {LEFT} taskset -c {bench.noise_cpu} trafgen -i "
                          "packet.cfg -o v0 -P 1"])]
